"""The probabilities of every frame of long recordings: of all windows over a frame, weighted by its place in them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.loading import fixed_loader
from kinegraph.data.windows import WindowDataset
from kinegraph.evaluation.timelines import Timeline
from kinegraph.models.frames import FrameWise, frame_probabilities

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
    return [timeline_of(windows, index, mean[row : row + rows[index]]) for index, row in first_row.items()]


def timeline_of(windows: WindowDataset, index: int, probabilities: Float[np.ndarray, "T classes"]) -> Timeline:
    """The probabilities of a recording beside its labels."""
    folder = windows.folder
    subject = folder.attributes.get("subject")
    return Timeline(
        name=folder.names[index],
        probabilities=probabilities,
        labels=windows.labels_of(index),
        several=windows.several,
        none=folder.none,
        fps=float(folder.fps[index]),
        subject="" if subject is None else str(subject[index]),
    )


def window_weight(frames: int) -> Float[np.ndarray, "F"]:
    """How much a window says about each of its frames: most in its middle, where it sees both sides."""
    distance = np.abs(np.arange(frames) - (frames - 1) / 2)
    return 1 - distance / (frames / 2 + 0.5)
