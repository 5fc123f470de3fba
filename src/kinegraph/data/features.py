"""Streams computed from joints: bones, two bones end to end, and the motion of each.

Axes M T V C; a score, if any, is the last channel.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.layout import JointLayout

Stream = Literal["joint", "bone", "k_bone", "joint_motion", "bone_motion", "k_bone_motion"]
SCORES_DIFFER = ("coco20",)  # layouts whose published streams subtract scores, too: those of ProtoGCN, for its coco_new


def bones(
    joints: Float[np.ndarray, "M T V C"], layout: JointLayout, scored: bool = False
) -> Float[np.ndarray, "M T V C"]:
    """Each joint as seen from its parent in the layout; the root's bone is zero.

    A bone's score is the mean of both ends'. Source: JointToBone of MMAction2 and PYSKL, for any layout.
    """
    return _difference(joints, joints.take(layout.parents, axis=2), scored)


def k_bones(
    joints: Float[np.ndarray, "M T V C"], layout: JointLayout, scored: bool = False
) -> Float[np.ndarray, "M T V C"]:
    """Each joint as seen from the parent of its parent; zero for the root and its children.

    A score is the mean of both ends'. Source: Liu et al. 2025 (ProtoGCN), for any layout; theirs for NTU RGB+D is this.
    """
    parents, own = np.asarray(layout.parents), np.arange(len(layout))
    near = parents[parents] == parents
    return _difference(joints, joints.take(np.where(near, own, parents[parents]), axis=2), scored)


def motion(values: Float[np.ndarray, "M T V C"], scored: bool = False) -> Float[np.ndarray, "M T V C"]:
    """The step to the next frame, in the values' unit per frame, zero in the last frame.

    The score is the mean of both frames', in the last too zero. Source: ToMotion of MMAction2 and PYSKL.
    """
    moved = np.empty_like(values)
    moved[:, :-1] = _difference(values[:, 1:], values[:, :-1], scored)
    moved[:, -1] = 0
    return moved


def streams(
    joints: Float[np.ndarray, "M T V C"], layout: JointLayout, wanted: tuple[Stream, ...], scored: bool = False
) -> list[Float[np.ndarray, "M T V C"]]:
    """The wanted streams, in this order. scored: the last channel of `joints` is a score.

    Of SCORES_DIFFER only bones have mean scores: those of k-bones and motions are differences.
    """
    made, averaged = {"joint": joints}, scored and layout.name not in SCORES_DIFFER
    if any(stream.startswith("bone") for stream in wanted):
        made["bone"] = bones(joints, layout, scored)
    if any(stream.startswith("k_bone") for stream in wanted):
        made["k_bone"] = k_bones(joints, layout, averaged)
    for still in ("joint", "bone", "k_bone"):
        if f"{still}_motion" in wanted:
            made[f"{still}_motion"] = motion(made[still], averaged)
    return [made[stream] for stream in wanted]


def _difference(
    ends: Float[np.ndarray, "*shape C"], starts: Float[np.ndarray, "*shape C"], scored: bool
) -> Float[np.ndarray, "*shape C"]:
    vectors = ends - starts
    if scored:
        vectors[..., -1] = (ends[..., -1] + starts[..., -1]) / 2
    return vectors
