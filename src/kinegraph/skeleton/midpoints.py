"""Joints that nobody records because they are midpoints of others: those of the layout coco20."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

MIDPOINTS = {  # in the order in which they can be computed
    "pelvis": ("left_hip", "right_hip"),
    "neck": ("left_shoulder", "right_shoulder"),
    "spine": ("pelvis", "neck"),
}


def can_add_midpoints(recorded: Sequence[str], wanted: JointLayout) -> bool:
    """Whether a layout has the recorded joints and, behind them, midpoints alone."""
    more = wanted.joints[len(recorded) :]
    return tuple(recorded) == wanted.joints[: len(recorded)] and set(more) == set(MIDPOINTS)


def with_midpoints(values: Float[np.ndarray, "M T v *rest"], wanted: JointLayout) -> Float[np.ndarray, "M T V *rest"]:
    """Coordinates or scores of recorded joints and of their midpoints: the mean of two, also where one is unseen.

    Where it is not midpoints that the layout has and they lack, they are given back as they are.
    """
    if not can_add_midpoints(wanted.joints[: values.shape[2]], wanted):
        return values
    place = {name: number for number, name in enumerate(wanted.joints)}
    more = len(wanted) - values.shape[2]
    made = np.concatenate([values, np.zeros_like(values[:, :, :more])], axis=2)
    for name, ends in MIDPOINTS.items():
        made[:, :, place[name]] = made[:, :, [place[end] for end in ends]].mean(2)
    return made


def clip_with_midpoints(clip: SkeletonClip, wanted: JointLayout) -> SkeletonClip:
    """The clip in a layout that has more joints than it, see `can_add_midpoints`."""
    score = None if clip.score is None else with_midpoints(clip.score, wanted)
    return replace(clip, keypoint=with_midpoints(clip.keypoint, wanted), score=score, layout=wanted)
