"""Bones of other lengths: a movement as a person of another build would have made it. Axes M T V C."""

import numpy as np
from jaxtyping import Float

from kinegraph.data.normalize import seen
from kinegraph.skeleton.layout import JointLayout

LEAST, MOST = 0.5, 2.0  # a bone that is seldom seen from the side looks too short in 2D; do not stretch it to rags


def bone_lengths(keypoint: Float[np.ndarray, "M T V C"], layout: JointLayout) -> Float[np.ndarray, "M V"]:
    """The median length of the bone from each joint's parent, in keypoint's unit; 0 if never seen, and at the root."""
    parents = list(layout.parents)
    there = seen(keypoint)
    length = np.linalg.norm(keypoint - keypoint[:, :, parents], axis=-1)  # (M, T, V)
    length[~(there & there[:, :, parents])] = np.nan
    length[:, 0][np.isnan(length).all(1)] = 0
    return np.nanmedian(length, axis=1)


def stretched(
    keypoint: Float[np.ndarray, "M T V C"], factor: Float[np.ndarray, "M V"], layout: JointLayout
) -> Float[np.ndarray, "M T V C"]:
    """Every bone longer by its factor, in the same direction; what hangs on it moves along, the root stays."""
    there = seen(keypoint)
    moved = np.zeros_like(keypoint)
    for joint in _outward(layout):
        parent = layout.parents[joint]
        bone = (keypoint[:, :, joint] - keypoint[:, :, parent]) * (there[:, :, joint] & there[:, :, parent])[..., None]
        moved[:, :, joint] = moved[:, :, parent] + bone * (factor[:, None, joint, None] - 1)
    return keypoint + moved * there[..., None]


def exchange_factor(own: Float[np.ndarray, "M V"], other: Float[np.ndarray, "V"]) -> Float[np.ndarray, "M V"]:
    """What makes bones of own lengths as long as the other ones, from 0.5 to 2; 1 where one of the two is not known."""
    known = (own > 0) & (other > 0)
    return np.where(known, np.clip(other / np.where(known, own, 1), LEAST, MOST), 1)


def _outward(layout: JointLayout) -> list[int]:
    """All joints but the root, none before its parent."""
    order, waiting = [], [joint for joint, parent in enumerate(layout.parents) if joint != parent]
    done = set(range(len(layout))) - set(waiting)
    while waiting:
        joint = waiting.pop(0)
        if layout.parents[joint] in done:
            order.append(joint)
            done.add(joint)
        else:
            waiting.append(joint)
    return order
