"""How far fp32 is from fp64: logits and gradients of networks, results of single layers, ours beside the plain path's.

    python bench/rounding.py [--networks 16]

Networks of ten blocks with random weights see one batch each (four clips, two people, 48 frames, 17 joints, smooth
movements), in training mode. Distances are |x - x64| / |x64| over all numbers. Gradients scatter widely, because one
ReLU that rounding tips over outweighs everything else; logits do not. So the median over networks is given, and how
often ours is further.
"""

import argparse
import statistics
from copy import deepcopy

import numpy as np
import torch
from contestants.plain import network, random_weights
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.blocks import over_time
from kinegraph.models.layers.winograd import TemporalConvolution
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


def step(model: nn.Module, clips: Tensor, labels: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Logits and gradients."""
    logits = model(clips)
    F.cross_entropy(logits, labels).backward()
    gradients = {name: parameter.grad.double() for name, parameter in model.named_parameters()}
    return {"logits": logits.detach().double()}, gradients


def distance(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    off = sum((found[name] - exact[name]).square().sum() for name in exact)
    return float((off / sum(tensor.square().sum() for tensor in exact.values())).sqrt())


def of_network(seed: int) -> list[list[float]]:
    """Of logits and of gradients; ours and the plain path's, each beside itself in fp64: parameters are not alike."""
    state = {key: torch.from_numpy(array) for key, array in random_weights("stgcn", GRAPH, seed).items()}
    plain = network("stgcn", torch.from_numpy(GRAPH).float())
    plain.load_state_dict(state)
    clips, labels = movements(seed)
    found = []
    for model in (load_published(state).train(), plain.train()):
        exact = step(deepcopy(model).double(), clips.double(), labels)
        found.append([distance(*pair) for pair in zip(step(model, clips, labels), exact, strict=True)])
    return np.transpose(found).tolist()


def of_convolution(width: int) -> tuple[float, float, float]:
    """Of nine frames and `width` channels: ours while training; in torch's usual memory order; in ours."""
    convolution = TemporalConvolution(width, 9, 1).requires_grad_(False)
    x = torch.randn(8, 48, 17, width).relu()
    usual = x.permute(0, 3, 1, 2).contiguous()
    exact = F.conv2d(usual.double(), convolution.weight.double(), convolution.bias.double(), padding=(4, 0))
    found = [over_time(convolution.train(mode), x).permute(0, 3, 1, 2) for mode in (True, False)]
    found.insert(1, convolution(usual))
    return tuple(float((y.double() - exact).norm() / exact.norm()) for y in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=16)
    count = parser.parse_args().networks
    pairs = np.array([of_network(seed) for seed in range(count)])
    for index, what in enumerate(("logits", "gradients")):
        ours, plain = pairs[:, index].T
        ratio = statistics.median(ours / plain)
        print(f"{what}, {count} networks: ours {np.median(ours):.1e}, plain path {np.median(plain):.1e} (medians)")
        print(f"  ours over plain path: median {ratio:.2f}; ours further in {(ours > plain).sum()} of {count}")
    torch.manual_seed(0)
    for width in WIDTHS:
        ours, usual, order = of_convolution(width)
        print(f"convolution over time, {width} channels: {ours:.1e}; torch's usual order {usual:.1e}, ours {order:.1e}")


if __name__ == "__main__":
    main()
