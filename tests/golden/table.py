"""The golden table: what Kinegraph computes beside what the published implementations compute, as Markdown.

    PYTHONPATH=src python -m tests.golden.table [FOLDER]       FOLDER: tests/golden, or the complete set of figures

Differences are the largest of all numbers, over the spread (standard deviation) of the published ones. Multiplications
are of one clip, counted by torch's FlopCounterMode.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

import kinegraph
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.published import load_published
from kinegraph.models.skateformer import NTU, NW_UCLA
from tests.models import golden_weights, golden_weights2

HERE = Path(__file__).parent
ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # which FlopCounterMode does not know
HEAD = ("network", "inputs", "logits", "features", "first block", "parameters", "published", "GMACs", "published")


def rows(folder: Path) -> Iterator[tuple[str, ...]]:
    """A row for each golden network; the newer ones and TensorFlow's are those of a folder."""
    for name, spec in golden_weights.NETWORKS.items():
        arrays = golden_weights.golden_arrays(name)
        yield row(name, spec, torch.from_numpy(arrays["input"]), arrays, golden_weights.golden_state(name))
    for file in sorted(folder.glob("networks2*.json")):
        for name, spec in golden_weights2.read_specs(file).items():
            arrays = golden_weights2.arrays_in(file, name)
            yield row(name, spec, clips_of(spec, arrays), arrays, golden_weights2.state_of(spec, arrays))
    for place in (folder / "tensorflow_checkpoint", folder / "tensorflow"):
        if (place / "io.npz").is_file():
            yield tensorflow_row(place)


def row(
    name: str, spec: dict[str, Any], x: Tensor, arrays: dict[str, np.ndarray], state: dict[str, Tensor]
) -> tuple[str, ...]:
    model = load_published(state)
    found = computed(model, x, spec)
    apart = [relative(found[key], arrays[key]) if key in arrays else "" for key in ("logits", "features", "block0")]
    count = sum(it.numel() for it in model.parameters())
    size = f"{x.shape[2]} frames, {x.shape[3]} joints"
    gmacs = f"{multiplications(model, x, spec.get('gmacs_frames', 100)) / 1e9:.3f}"
    there = f"{spec['gmacs']:.3f}" if "gmacs" in spec else ""
    return name, size, *apart, f"{count:,}", f"{spec['parameters']:,}", gmacs, there


def clips_of(spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> Tensor:
    """The published input as (N, M, T, V, C); SkateFormer's with all recorded joints, and the moments as a channel."""
    x = torch.from_numpy(arrays["input"])
    if spec["input_axes"] == "N C T V M":
        x = x.permute(0, 4, 2, 3, 1)
    if "index_t" not in arrays:
        return x
    parts, joints = (NTU, 25) if x.shape[3] == 24 else (NW_UCLA, 20)
    clips = torch.ones(*x.shape[:3], joints, 4)
    clips[..., sum(parts, ()), :3] = x
    clips[..., 3] = torch.from_numpy(arrays["index_t"])[:, None, :, None]
    return clips


def computed(model: SkeletonNetwork, x: Tensor, spec: dict[str, Any]) -> dict[str, np.ndarray]:
    seen: list[Tensor] = []
    first: nn.Module = model.blocks[0]
    handle = first.register_forward_hook(lambda _, given, made: seen.append(made))
    with torch.no_grad():
        found = {"logits": model(x), "features": model.features(x).mean((1, 2, 3))}
    handle.remove()
    frames = seen[0][0, spec.get("block0_frames", [0])]
    return {key: it.numpy() for key, it in (found | {"block0": frames.permute(2, 0, 1)}).items()}


def multiplications(model: nn.Module, x: Tensor, frames: int) -> float:
    """What a second clip adds: graphs that are made once for all clips do not count."""
    fused = {ATTENTION: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)}
    flops = []
    for clips in (1, 2):
        with FlopCounterMode(display=False, custom_mapping=fused) as counter, torch.no_grad():
            model(x.new_ones(clips, *x.shape[1:2], frames, *x.shape[3:]))
        flops.append(counter.get_total_flops())
    return (flops[1] - flops[0]) / 2


def tensorflow_row(place: Path) -> tuple[str, ...]:
    checkpoint = place / "checkpoints" if (place / "checkpoints").is_dir() else place
    model: nn.Module = kinegraph.load_model(checkpoint)
    count = sum(it.numel() for it in model.parameters())
    with np.load(place / "io.npz") as file, torch.no_grad():
        lengths = sorted(int(key.removeprefix("logits_")) for key in file.files if key.startswith("logits_"))
        apart = [
            relative(model(torch.from_numpy(file[f"input_{T}"]).permute(0, 4, 2, 3, 1)).numpy(), file[f"logits_{T}"])
            for T in lengths
        ]
    size = f"{' and '.join(map(str, lengths))} frames"
    return "tensorflow_stgcn", size, ", ".join(apart), "", "", f"{count:,}", "", "", ""


def relative(found: np.ndarray, published: np.ndarray) -> str:
    return f"{np.abs(found - published).max() / published.std():.0e}".replace("e-0", "e-")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    lines = [HEAD, ("---",) * len(HEAD), *rows(folder)]
    print("\n".join("| " + " | ".join(line) + " |" for line in lines))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
