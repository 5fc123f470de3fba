"""Clips of an evaluation as scenes to be played: what was said of them, and what it rested on."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kinegraph.report.evaluation import Evaluation
from kinegraph.report.scene import USUAL_FPS, Answers, Scene
from kinegraph.skeleton.clip import SkeletonClip

Explain = Callable[[SkeletonClip], Float[np.ndarray, "M T V"]]

LONGEST, MOST_PEOPLE = 300, 4  # frames and people of a clip that a page holds: it is to stay small


def scenes_of(evaluation: Evaluation, places: Sequence[int], explain: Explain | None = None) -> list[Scene]:
    """The clips at some places of an evaluation; none where the dataset is not at hand.

    explain: the importance of joints in a clip.
    """
    if evaluation.folder is None:
        return []
    return [_scene(evaluation, place, explain) for place in places]


def _scene(evaluation: Evaluation, place: int, explain: Explain | None) -> Scene:
    clip = evaluation.folder[evaluation.indices[place]]
    importance = explain(clip) if explain else None
    clip, importance = _thinned(clip, importance)
    names, label = evaluation.class_names, int(evaluation.labels[place])
    said = Answers(names, np.array([0, clip.frames]), evaluation.probability[place][None])
    return Scene(clip, label=names[label], answers=said, importance=importance)


def _thinned(clip: SkeletonClip, importance: np.ndarray | None) -> tuple[SkeletonClip, np.ndarray | None]:
    """Every second, third ... frame of a long clip, at as much a lower rate."""
    step = -(-clip.frames // LONGEST)
    if step == 1 and clip.people <= MOST_PEOPLE:
        return clip, importance
    kept = (slice(MOST_PEOPLE), slice(None, None, step))
    score = None if clip.score is None else clip.score[kept]
    thin = replace(clip, keypoint=clip.keypoint[kept], score=score, fps=(clip.fps or USUAL_FPS) / step)
    return thin, None if importance is None else importance[kept]
