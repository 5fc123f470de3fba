"""The scores of every clip of a split, from one process or several, in dataset order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.data.loading import ClipDataset, fixed_loader
from kinegraph.data.windows import WindowDataset
from kinegraph.evaluation.frame_results import timeline_of
from kinegraph.evaluation.timelines import Timeline
from kinegraph.models.frames import FrameWise, frame_probabilities
from kinegraph.models.optimize import can_optimize, optimize

if TYPE_CHECKING:  # it takes as long to import as torch, and prediction does without it
    from lightning_fabric import Fabric


@torch.no_grad()
def score_clips(
    fabric: "Fabric",
    network: nn.Module,
    clips: ClipDataset,
    classes: int,
    batch_size: int,
    workers: int,
    done: Callable[[int], None] = lambda clips: None,
    optimized: bool = True,
) -> Float[np.ndarray, "N classes"]:
    """Logits of each clip; where a clip has several test views, the log of their mean probability. float32.

    Every process scores its share, and each returns all scores. `done` is called with each batch's number of clips.
    A network that `optimize` knows is folded once for all clips; in bfloat16 if it is trained so. optimized: False
    takes it as it is.
    """
    scores = torch.zeros(len(clips), classes, device=fabric.device)
    dtype = next(network.parameters()).dtype
    was_training = network.training
    network.eval()
    quick = _optimized(network, fabric) if optimized else network
    loader = fixed_loader(clips, batch_size, rank=fabric.global_rank, processes=fabric.world_size, workers=workers)
    for views, _, people, positions in loader:
        with fabric.autocast():
            # The rows too: numbers on the CPU would make it wait for the GPU.
            views, people, rows = map(fabric.to_device, (views, people, positions))
            scores[rows] = view_scores(quick, views.to(dtype), people).float()
        done(len(positions) * fabric.world_size)
    network.train(was_training)
    if fabric.world_size > 1:  # the other rows of each are zero: the sum is exact
        scores = fabric.all_reduce(scores, reduce_op="sum")
    return scores.cpu().numpy()


def _optimized(network: nn.Module, fabric: "Fabric") -> nn.Module:
    """The engine of a float32 network, in the precision of the run; other networks as they are."""
    if not can_optimize(network) or next(network.parameters()).dtype != torch.float32:
        return network
    device = fabric.device.type
    with fabric.autocast():
        precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    names = {torch.float32: "fp32", torch.bfloat16: "bf16"}
    return optimize(network, names[precision]) if precision in names else network


def view_scores(
    network: nn.Module, views: Float[Tensor, "N views M T V C"], people: Int[Tensor, "N"]
) -> Float[Tensor, "N classes"]:
    """One row a clip: its logits, or the log of the mean probability of its views."""
    clips, count = views.shape[:2]
    logits = network(views.flatten(0, 1), people.repeat_interleave(count)).view(clips, count, -1)
    if count == 1:
        return logits[:, 0]
    return logits.log_softmax(-1).logsumexp(1) - np.log(count)


# ---- every frame of long recordings: of all windows over it, weighted by its place in them ---------------------------


@torch.no_grad()
def score_frames(
    fabric: "Fabric",
    network: nn.Module,
    windows: WindowDataset,
    batch_size: int,
    workers: int = 0,
    done: Callable[[int], None] = lambda windows: None,
    *,
    pooled: bool = False,
) -> list[Timeline]:
    """The timeline of each recording of `windows`, which lie side by side (no seed). Every process gets all of them.

    pooled: the answer for a window counts for all of its frames, as of a network of clips.
    """
    folder, frames = windows.folder, windows.frames
    rows = {int(index): int(folder.frames[index]) for index in windows.indices}
    first_row = dict(zip(rows, np.cumsum([0, *rows.values()][:-1]).tolist(), strict=True))
    total = torch.zeros(sum(rows.values()), len(folder.class_names) + 1, dtype=torch.float64)
    weight = torch.from_numpy(window_weight(frames))[:, None]
    was_training = network.training
    asked = network.eval() if pooled else FrameWise(network).eval()
    loader = fixed_loader(windows, batch_size, rank=fabric.global_rank, processes=fabric.world_size, workers=workers)
    for views, _, people, positions in loader:
        with fabric.autocast():
            views, people = map(fabric.to_device, (views[:, 0], people))
            logits = asked(views.to(next(network.parameters()).dtype), people)
        logits = logits[:, None] if pooled else logits
        answers = frame_probabilities(logits, windows.several).double().cpu()
        for answer, position in zip(answers, positions.tolist(), strict=True):
            place = windows.places[position]
            start = first_row[place.recording] + place.start
            count = min(frames, rows[place.recording] - place.start)
            total[start : start + count, :-1] += (weight * answer)[:count]
            total[start : start + count, -1:] += weight[:count]
        done(len(positions) * fabric.world_size)
    network.train(was_training)
    if fabric.world_size > 1:
        total = fabric.all_reduce(fabric.to_device(total), reduce_op="sum").cpu()
    mean = (total[:, :-1] / total[:, -1:]).float().numpy()
    return [
        timeline_of(folder, index, mean[row : row + rows[index]], windows.several) for index, row in first_row.items()
    ]


def window_weight(frames: int) -> Float[np.ndarray, "F"]:
    """How much a window says about each of its frames: most in its middle, where it sees both sides."""
    distance = np.abs(np.arange(frames) - (frames - 1) / 2)
    return 1 - distance / (frames / 2 + 0.5)
