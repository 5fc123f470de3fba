"""Measures of bodies: joints that were seen, bones and their lengths, size, and which way is up. Pure functions.

Coordinates are in the frame and unit of the recording, whatever they are. `keypoint` (M people, T frames, V joints,
C coordinates) marks a joint that was not seen by zeros, as a SkeletonClip does; `points` marks it by NaN.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.skeleton.layout import JointLayout

Up = Literal["x", "y", "z", "-x", "-y", "-z"]
AXES: tuple[tuple[Up, Up], ...] = (("x", "-x"), ("y", "-y"), ("z", "-z"))

# Rows make the new x, y (up) and z out of the axes of a recording whose vertical is the key. All are turns, so left
# stays left.
UPRIGHT: dict[Up, tuple[tuple[int, int, int], ...]] = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "-y": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}
FLOOR_WEIGHT = 6.0  # of a floor that moves by the size of a body, where a head straight above the feet weighs 1
LOW_JOINTS = ("ankle", "foot", "feet", "toe", "heel", "knee", "leg")  # parts of names, the best first
HIGH_JOINTS = ("head", "nose", "neck")


def seen(keypoint: Float[np.ndarray, "*shape C"]) -> Bool[np.ndarray, "*shape"]:
    """The joints that are not all zero."""
    there = keypoint[..., 0] != 0  # axis by axis: faster than any(-1) over so few
    for axis in range(1, keypoint.shape[-1]):
        there |= keypoint[..., axis] != 0
    return there


# ---- bones -----------------------------------------------------------------------------------------------------------


def bones(points: Float[np.ndarray, "*shape V C"], layout: JointLayout) -> Float[np.ndarray, "*shape V C"]:
    """The vector from each joint's parent to the joint; zero at the root."""
    return points - points.take(layout.parents, axis=-2)


def bone_lengths(keypoint: Float[np.ndarray, "M T V C"], layout: JointLayout) -> Float[np.ndarray, "M V"]:
    """The length of the bone from each joint's parent, in the unit of keypoint: the median over the frames of a person
    that show both ends. 0 at the root, and where no frame does."""
    lengths = [[length or 0 for length in _median_lengths(person, layout)] for person in keypoint]
    return np.array(lengths, keypoint.dtype)


def body_size(keypoint: Float[np.ndarray, "M T V C"], layout: JointLayout) -> float:
    """The mean bone length of the first person, in the unit of keypoint; 1 where no bone is seen.

    In pixels a person is as large as the distance to the camera makes it, in metres as tall as people are.
    """
    lengths = [length for length in _median_lengths(keypoint[0], layout) if length is not None]
    return float(np.sum(lengths) / max(np.count_nonzero(lengths), 1)) or 1.0


def _median_lengths(person: Float[np.ndarray, "T V C"], layout: JointLayout) -> list[np.floating | None]:
    """The length of each bone of a person; None where no frame shows it."""
    there = seen(person)
    shown = (there & there.take(layout.parents, axis=1)).T  # (V, T)
    lengths = np.hypot.reduce(bones(person, layout), axis=2).T
    return [np.median(bone[now]) if now.any() else None for bone, now in zip(lengths, shown, strict=True)]


def scale_bones(
    keypoint: Float[np.ndarray, "M T V C"], factor: Float[np.ndarray, "M V"], layout: JointLayout
) -> Float[np.ndarray, "M T V C"]:
    """Bodies whose bones are longer by a factor each and keep their directions; the root stays where it is.

    A bone with an end that was not seen keeps its length, and joints that were not seen stay zero.
    """
    there, parents = seen(keypoint), layout.parents
    bone = (keypoint - keypoint.take(parents, axis=2)) * (there & there.take(parents, axis=2))[..., None]
    longer = bone * (factor[:, None, :, None] - 1)
    by_joint = longer.transpose(2, 0, 1, 3).copy()  # joints first: what is added up lies together
    for joint in _parents_first(layout):
        by_joint[joint] += by_joint[parents[joint]]
    moved = by_joint.transpose(1, 2, 0, 3)
    return keypoint + moved * there[..., None]


def _parents_first(layout: JointLayout) -> list[int]:
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


# ---- extent ----------------------------------------------------------------------------------------------------------


def extent(points: Float[np.ndarray, "*shape V C"]) -> Float[np.ndarray, "*shape C"]:
    """The edges of the box around the joints of a body, along the axes; NaN where no joint is seen."""
    with np.errstate(over="ignore"):  # of coordinates that no recording has, which checks name
        return np.fmax.reduce(points, axis=-2) - np.fmin.reduce(points, axis=-2)


def body_extent(points: Float[np.ndarray, "*shape V C"]) -> float:
    """How large bodies are: the diagonal of the box around the joints, the median over people and frames; NaN where
    nobody is seen."""
    edges = extent(points).reshape(-1, points.shape[-1])
    edges = edges[~np.isnan(edges).any(axis=1)]
    return float(np.median(np.linalg.norm(edges, axis=1))) if len(edges) else float("nan")


# ---- which way is up -------------------------------------------------------------------------------------------------


def nearest_axis(direction: Sequence[float] | Float[np.ndarray, "3"]) -> Up | None:
    """The signed axis that is nearest to a direction; None where it has no length."""
    direction = np.asarray(direction)
    if not direction.any():
        return None
    axis = int(np.abs(direction).argmax())
    return AXES[axis][int(direction[axis] < 0)]


def foot_and_head(layout: JointLayout) -> tuple[int, int] | None:
    """A joint low on a leg and one of the head, by their names; None where a layout does not name both."""
    names = list(map(str.lower, layout.joints))
    low, high = (
        next((i for part in parts for i, name in enumerate(names) if part in name), None)
        for parts in (LOW_JOINTS, HIGH_JOINTS)
    )
    return None if low is None or high is None else (low, high)


def toward_shoulders(keypoint: Float[np.ndarray, "M T V 3"], layout: JointLayout) -> Float[np.ndarray, "3"]:
    """From the mean of the first person's joints to the middle of the shoulders, in the first frame that shows both.

    Zero where no frame does. Raises ValueError for a layout that does not name its shoulders.
    """
    if layout.shoulders is None:
        raise ValueError(f"layout '{layout.name}' does not name its shoulders")
    first, shoulders = keypoint[0], list(layout.shoulders)
    there = seen(first)
    usable = there[:, shoulders].all(1)
    if not usable.any():
        return np.zeros(3)
    body, shown = first[usable][0], there[usable][0]
    return body[shoulders].mean(0) - body[shown].mean(0)


def upward(points: Float[np.ndarray, "M T V 3"], layout: JointLayout) -> Up:
    """The vertical of a recording: the direction from feet to heads (or along spines) most of the time, with a floor.

    A floor is a height that the lowest joint keeps. Heads alone are wrong for people who lie or bend, floors alone for
    people who stand still. "y" where nothing can be said. Never x: people who lie all the time are more frequent than
    recordings on their side.
    """
    ends = foot_and_head(layout) or layout.spine
    if ends is None:
        return "y"
    along = (points[:, :, ends[1]] - points[:, :, ends[0]]).reshape(-1, 3)
    along = along[~np.isnan(along).any(axis=1)]
    if not along.any():
        return "y"
    rising = np.mean(along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9), axis=0)
    present = points[:, ~np.isnan(points).all(axis=(0, 2, 3))]
    spread = np.stack([np.nanmin(present, axis=(0, 2)), np.nanmax(present, axis=(0, 2))]).std(axis=1)  # (2, 3)
    rise = np.stack([rising, -rising]) - FLOOR_WEIGHT * spread / max(body_extent(points), 1e-6)
    return max(("y", "z", "-y", "-z"), key=lambda up: rise[int(up[0] == "-"), "xyz".index(up[-1])])


# ---- rotation matrices for forward kinematics ------------------------------------------------------------------------


def about_axis(angle: Float[np.ndarray, " T"], axis: int) -> Float[np.ndarray, "T 3 3"]:
    """Matrices that rotate about one axis (0 x, 1 y, 2 z), in radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.zeros((len(angle), 3, 3))
    turn[:, axis, axis] = 1
    turn[:, i, i], turn[:, i, j] = cos, -sin
    turn[:, j, i], turn[:, j, j] = sin, cos
    return turn


def one_after_another(angles: Float[np.ndarray, "T axes"], axes: Sequence[int]) -> Float[np.ndarray, "T 3 3"]:
    """The first axis turns first, about axes that stay: x, y, z is Rz Ry Rx. Angles in radians."""
    turn = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for column, axis in enumerate(axes):
        turn = about_axis(angles[:, column], axis) @ turn
    return turn
