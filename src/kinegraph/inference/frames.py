"""What a network that was trained on frames says of a long recording: each frame, and stretches of one class."""

import numpy as np
import torch
from jaxtyping import Float

from kinegraph.data.preprocessing import prepare_clip
from kinegraph.data.windows import cut, window_starts
from kinegraph.evaluation.frame_scoring import window_weight
from kinegraph.evaluation.timelines import SEVERAL_FROM
from kinegraph.inference.predictor import Predictor, check_finite
from kinegraph.inference.timeline import Segment
from kinegraph.models.frames import FrameWise, frame_probabilities
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import runs, runs_of_each


def frame_stretches(predictor: Predictor, clip: SkeletonClip, batch_size: int = 32) -> list[Segment]:
    """Stretches of one class, of which each frame's likeliest is; where a frame may have several, stretches of each.

    clip: that fits (`Predictor.fit`). A stretch's probabilities are the mean over its frames. Where a frame may have
    several classes and no class is there in any frame, the answer is one stretch: the likeliest class, over the clip.
    """
    rows = frame_rows(predictor, clip, batch_size)
    found = runs_of_each(rows >= SEVERAL_FROM) if predictor.several else runs(rows.argmax(axis=1))
    if predictor.several and not found:
        found = runs(np.full(len(rows), rows.mean(axis=0).argmax()))
    return [Segment(it.start, it.end, _of(it.label, rows[it.start : it.end].mean(axis=0), predictor)) for it in found]


def _of(label: int, mean: Float[np.ndarray, "classes"], predictor: Predictor) -> Float[np.ndarray, "classes"]:
    """The probabilities of a stretch; where a frame may have several classes, of its own class alone."""
    return np.where(np.arange(len(mean)) == label, mean, 0) if predictor.several else mean


@torch.no_grad()
def frame_rows(predictor: Predictor, clip: SkeletonClip, batch_size: int = 32) -> Float[np.ndarray, "T classes"]:
    """The probabilities of each frame, as `kinegraph test` computes them: of all windows over it."""
    steps = predictor.preprocessing
    weight = next(predictor.network.parameters())
    network, share = FrameWise(predictor.ready().network), window_weight(steps.frames)[:, None]
    starts = window_starts(clip.frames, steps.frames, max(steps.frames // 2, 1))
    total, count = np.zeros((clip.frames, len(predictor.class_names))), np.zeros((clip.frames, 1))
    size = min(batch_size, steps.largest_batch)
    for batch in (starts[i : i + size] for i in range(0, len(starts), size)):
        views = np.stack([prepare_clip(cut(clip, start, steps.frames), steps)[0] for start in batch])
        people = torch.full((len(batch),), min(clip.people, steps.people), device=weight.device)
        logits = network(torch.from_numpy(views).to(weight.device, weight.dtype), people)
        check_finite(logits)
        for start, row in zip(
            batch, frame_probabilities(logits, predictor.several).double().cpu().numpy(), strict=True
        ):
            there = min(steps.frames, clip.frames - start)
            total[start : start + there] += (share * row)[:there]
            count[start : start + there] += share[:there]
    return total / count
