"""The stretches of long recordings that a network got most wrong, to be played."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.timelines import SEVERAL_FROM, Timeline, figures
from kinegraph.report.scene import LONGEST, Answers, Scene
from kinegraph.skeleton.clip import SkeletonClip

PLAYED = 4  # recordings
SPANS = 60  # moments of a stretch whose probabilities are shown


def worst_scenes(timelines: Sequence[Timeline], folder: SkeletonDataset, most: int = PLAYED) -> list[Scene]:
    """A stretch of each of the worst recordings with a mistake, the lowest frame accuracy first."""
    places = {name: place for place, name in enumerate(folder.names)}
    found: list[Scene] = []
    for one in sorted(timelines, key=lambda it: figures([it]).accuracy):
        if len(found) == most or one.name not in places:
            break
        wrong = mistakes(one)
        if wrong.any():
            scene = _scene(one, wrong, folder[places[one.name]], folder.class_names)
            found += [scene] if scene is not None else []
    return found


def mistakes(one: Timeline) -> Bool[np.ndarray, "T"]:
    """Frames with a wrong answer; frames that are ignored have none."""
    if one.several:
        return ((one.probabilities >= SEVERAL_FROM) != one.labels).any(axis=1)
    return one.truth != one.predicted


def worst_stretch(wrong: Bool[np.ndarray, "T"], length: int) -> tuple[int, int]:
    """The `length` frames with the most mistakes: first frame, frame after the last."""
    if len(wrong) <= length:
        return 0, len(wrong)
    before = np.concatenate([[0], np.cumsum(wrong)])
    start = int((before[length:] - before[:-length]).argmax())
    return start, start + length


def _scene(one: Timeline, wrong: Bool[np.ndarray, "T"], clip: SkeletonClip, class_names: Sequence[str]) -> Scene | None:
    start, stop = worst_stretch(wrong, LONGEST)
    kept = slice(start, min(stop, clip.frames))
    score = None if clip.score is None else clip.score[:, kept]
    keypoint = np.array(clip.keypoint[:, kept])
    if not keypoint.any():
        return None
    fps = None if one.fps != one.fps else one.fps
    part = SkeletonClip(
        keypoint, clip.layout, clip.name, score=score, fps=fps, image_size=clip.image_size, attributes=clip.attributes
    )
    said, truth = one.probabilities[kept], one.labels[kept]
    there = [class_names[label] for label in np.flatnonzero(truth.any(axis=0))]
    note = f"frames {start + 1:,} to {kept.stop:,}, {wrong[kept].mean():.0%} of them wrong"
    labelled = f"; labels: {', '.join(there)}" if there else "; no label"
    return Scene(part, note=note + labelled, answers=_answers(said, class_names))


def _answers(said: Float[np.ndarray, "T classes"], class_names: Sequence[str]) -> Answers:
    edges = np.unique(np.linspace(0, len(said), min(SPANS, len(said)) + 1).astype(int))
    shown = np.stack([said[a:b].mean(axis=0) for a, b in pairwise(edges)])
    return Answers(class_names, edges, shown)
