"""How far fp32 is from fp64: gradients of whole networks and results of single layers, ours beside the plain path's.

    python bench/rounding.py [--networks 16]

Networks of ten blocks with random weights see one batch each (four clips, two people, 48 frames, 17 joints, smooth
movements), in training mode. Distances are |x - x64| / |x64| over all numbers. Gradients scatter widely, because one
ReLU that rounding tips over outweighs everything else; so the median over networks is given, and how often ours is
further.
"""

import argparse
import statistics
from copy import deepcopy

import numpy as np
import torch
from contestants.plain import network, random_weights
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.blocks import over_time
from kinegraph.models.published import load_published
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

WIDTHS = (64, 128, 256)
GRAPH = adjacency(load_layout("coco17"), "spatial")


def movements(seed: int) -> tuple[Tensor, Tensor]:
    """Clips (4, 2, 48, 17, 3) of joints that swing about a random place, and labels."""
    draw = torch.Generator().manual_seed(seed)
    place, pace, phase = torch.randn(3, 4, 2, 1, 17, 3, generator=draw)
    time = torch.linspace(0, 6, 48)[:, None, None]
    return place + 0.4 * torch.sin(time * pace + 3 * phase), torch.randint(0, 60, (4,), generator=draw)


def gradient(model: nn.Module, clips: Tensor, labels: Tensor) -> dict[str, Tensor]:
    F.cross_entropy(model(clips), labels).backward()
    return {name: parameter.grad.double() for name, parameter in model.named_parameters()}


def distance(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    off = sum((found[name] - exact[name]).square().sum() for name in exact)
    return float((off / sum(tensor.square().sum() for tensor in exact.values())).sqrt())


def of_gradients(seed: int) -> tuple[float, float]:
    """Ours and the plain path's, each beside itself in fp64: the parameters are not written alike."""
    state = {key: torch.from_numpy(array) for key, array in random_weights("stgcn", GRAPH, seed).items()}
    plain = network("stgcn", torch.from_numpy(GRAPH).float())
    plain.load_state_dict(state)
    clips, labels = movements(seed)
    return tuple(
        distance(gradient(model, clips, labels), gradient(deepcopy(model).double(), clips.double(), labels))
        for model in (load_published(state).train(), plain.train())
    )


def of_convolution(width: int) -> tuple[float, float]:
    """Of nine frames and `width` channels: in our memory order and in torch's usual one."""
    convolution = nn.Conv2d(width, width, (9, 1), 1, (4, 0)).requires_grad_(False)
    x = torch.randn(8, 48, 17, width).relu()
    usual = x.permute(0, 3, 1, 2).contiguous()
    exact = deepcopy(convolution).double()(usual.double())
    ours = over_time(convolution, x).permute(0, 3, 1, 2)
    return tuple(float((y.double() - exact).norm() / exact.norm()) for y in (ours, convolution(usual)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=16)
    count = parser.parse_args().networks
    pairs = np.array([of_gradients(seed) for seed in range(count)])
    ours, plain = np.median(pairs, axis=0)
    further = (pairs[:, 0] > pairs[:, 1]).sum()
    ratio = statistics.median(pairs[:, 0] / pairs[:, 1])
    print(f"gradients, {count} networks: ours {ours:.1e}, plain path {plain:.1e} (medians)")
    print(f"  ours over plain path: median {ratio:.2f}; ours further in {further} of {count}")
    torch.manual_seed(0)
    for width in WIDTHS:
        ours, plain = of_convolution(width)
        print(f"convolution over time, {width} channels: ours {ours:.1e}, plain path {plain:.1e}")


if __name__ == "__main__":
    main()
