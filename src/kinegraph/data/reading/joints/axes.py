"""The order of the axes of plain arrays, where files have people and frames the other way round or leave people out."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from kinegraph.data.reading.clips.conventions import LAYOUTS, candidates
from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.faults import FormatError
from kinegraph.skeleton.geometry import body_extent, bones, seen
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.proportions import recognise

AXES = "MTVC"
BODY, HAND, FACE = 33 * 4, 21 * 3, 468 * 3  # numbers of MediaPipe's Holistic
OF_SMPL = (63, 66, 69, 72, 156, 165)  # numbers of its turns in a frame
OF_HOLISTIC = {BODY + 2 * HAND: 0, BODY + FACE + 2 * HAND: FACE}  # numbers of a frame -> those of its face
MOST_PEOPLE = 10

FEWEST_FRAMES, FEWEST_JOINTS = 5, 5  # of a list of arrays that are frames
A_STEP = 0.35  # of a body's size: what lies nearer than this from one frame to the next is one person who moves
CLEARLY = 2.0
FRAMES_FIRST = (
    "arrays are read as (frames, people, joints, coordinates): neighbours on their first axis move like frames"
)
OF_TURNS = 1e-3  # by which rounding changes the length of a quaternion
ROUNDED_TURN = 0.02  # the same of one that is written with few decimals
WITH_TURN = (7, 9)  # numbers of a joint
ROUNDING = 1e-6  # by which bones that keep their lengths seem to change them
BODIES = 50  # rows that are looked at
TURNS = "x, y, z of each joint are read, the four numbers behind them are its rotation"
FLAT = "rows of numbers are read as the joints of a frame, coordinates beside each other"
COUNTED = "the first number of a row counts the frames"
ANY_ORDER = "the axes of MATLAB's arrays are frames, joints and coordinates by their sizes and by the motion"
PEOPLE_FIRST = (
    "arrays are read as (people, frames, joints, coordinates) of one clip each; clips are saved in files of their own, "
    "or in a .npz of arrays x and y"
)
NO_PEOPLE = "arrays without an axis of people are read as those of one person"


def way_of_axes_first(array: Shaped[np.ndarray, "C T n"]) -> str:
    """What to save of an array (coordinates, frames, joints), in which the first joint may count the frames."""
    counting = len(array[0]) > 1 and (array[:, :, 0] == array[:1, :, 0]).all() and (np.diff(array[0, :, 0]) == 1).all()
    whole = "array.transpose(1, 2, 0)"
    return "array[:, :, 1:].transpose(1, 2, 0), without the numbers of the frames" if counting else whole


def with_people(keypoint: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """The array with an axis of people in front, where it is one of (frames, joints, coordinates)."""
    return keypoint[None] if keypoint.ndim == 3 else keypoint


def check_places(array: Shaped[np.ndarray, "..."], file: Path) -> None:
    """Raises FormatError for rotations of joints: quaternions, whose four numbers have the length 1, or matrices."""
    some = np.nan_to_num(array[np.unique(np.linspace(0, len(array) - 1, BODIES).astype(int))].astype(np.float64))
    kind = ""
    if array.ndim > 2 and array.shape[-1] == 4 and np.allclose(np.linalg.norm(some, axis=-1), 1, atol=OF_TURNS):
        kind = "quaternions"
    square = array.ndim > 2 and array.shape[-2:] == (3, 3)
    if square and np.allclose(some @ some.swapaxes(-1, -2), np.eye(3), atol=OF_TURNS):
        kind = "rotation matrices"
    if kind:
        message = f"{file} holds {kind}, no positions of joints; save positions (frames, joints, 3)"
        raise FormatError("turns", message)


def usual_order(array: Shaped[np.ndarray, "..."], joints: int | None = None) -> tuple[int, ...]:
    """The order of the axes that makes an array one of (frames, joints, coordinates), (people, frames, joints,
    coordinates), or (frames, numbers), from any order. joints: number of joints, if known.

    Where several orders have the right sizes, neighbouring frames are more alike than joints, and people are few.
    """
    known = {joints} if joints else {*LAYOUTS}
    shape = array.shape

    def fits(order: Sequence[int]) -> bool:
        if len(shape) == 2:
            return bool(flat_shapes(shape[order[1]], joints))
        return shape[order[-1]] in (2, 3, 4) and (len(shape) == 3 or shape[order[0]] <= MOST_PEOPLE)

    orders = [order for order in permutations(range(len(shape))) if fits(order)] if 2 <= len(shape) <= 4 else []
    named = [order for order in orders if len(shape) > 2 and shape[order[-2]] in known]
    values = np.nan_to_num(array.astype(np.float64), posinf=0, neginf=0)

    def unrest(order: Sequence[int]) -> float:
        frames = len(shape) - 3 if len(shape) > 2 else 0
        turned = values.transpose(order)
        return _changes(turned, frames) / (_changes(turned, frames + 1) or 1)

    return min(named or orders, key=unrest, default=tuple(range(len(shape))))


def flat_shapes(width: int, joints: int | None = None) -> list[tuple[int, int, int]]:
    """People, joints and coordinates that a row of so many numbers may be; several people only where no one person."""
    if width in OF_HOLISTIC:
        return [(1, len(holistic()), 4)]
    known = {joints} if joints else {*LAYOUTS}
    for people in (1, 2):
        each = width // people
        found = [
            (people, each // size, size) for size in (2, 3, 4) if width % (people * size) == 0 and each // size in known
        ]
        if found:
            return found
    of_holistic = len(holistic())
    return (
        [(1, of_holistic, width // of_holistic)] if width in (3 * of_holistic, 4 * of_holistic) and not joints else []
    )


def flat_lines(width: int) -> tuple[str, ...]:
    """The lines on rows of so many numbers."""
    return FLAT, *(["MediaPipe's face of 468 points, in each row, is left out"] if OF_HOLISTIC.get(width) else [])


def beside_turns(
    array: Shaped[np.ndarray, "T numbers"], joints: int | None = None
) -> Shaped[np.ndarray, "T V 3"] | None:
    """The places in rows that have x, y, z and a quaternion of each joint, and sometimes its x and y in a picture.

    None for other rows. joints: number of joints, if known.
    """
    for size in WITH_TURN:
        count = array.shape[1] // size
        if array.shape[1] % size or count not in ({joints} if joints else {*LAYOUTS}):
            continue
        rows = array.reshape(len(array), count, size)
        with np.errstate(over="ignore"):  # of numbers that are no turns
            lengths = np.linalg.norm(np.nan_to_num(rows[: 50 * BODIES, :, 3:7].astype(np.float64)), axis=-1)
        turned = abs(lengths - 1) < ROUNDED_TURN
        if turned.any() and (turned | (lengths == 0)).all():  # joints at the end of a limb may have no turn
            return rows[..., :3]
    return None


def with_joints(array: Float[np.ndarray, "T numbers"], joints: int | None = None) -> Float[np.ndarray, "T M V C"]:
    """The rows of one frame each with axes of joints and coordinates. joints: number of joints, if known.

    Raises FormatError where the row may be several, and the proportions of bodies do not decide.
    """
    if array.shape[1] in OF_HOLISTIC:
        return of_holistic(array)[:, None]
    if (places := beside_turns(array, joints)) is not None:
        return places[:, None]
    shapes = flat_shapes(array.shape[1], joints)
    rows = np.nan_to_num(array[np.unique(np.linspace(0, len(array) - 1, BODIES).astype(int))].astype(np.float64))

    def fits(shape: tuple[int, int, int]) -> bool:
        bodies = rows.reshape(-1, *shape[1:])
        planes = [bodies[..., :size] for size in (2, 3) if size <= shape[2]]
        return any(
            recognise(plane[plane.any((1, 2))], candidates(shape[1])) is not None for plane in planes if plane.any()
        )

    fitting = [shape for shape in shapes if fits(shape)] or shapes
    if len(fitting) != 1:
        several = " or ".join(f"{joints} joints with {size} numbers" for _, joints, size in fitting)
        turns = ", if it is not one of SMPL's rotations" * (array.shape[1] in OF_SMPL)
        what = "fits no layout known here"
        if fitting:
            what = f"may be {several}{turns}; name the layout by --layout"
        elif flat_shapes(array.shape[1] - 1, joints):
            what += ", but would with one number less: is the first number a class or a frame? write a header"
        raise FormatError("shape", f"a row of {array.shape[1]} numbers {what}")
    return array.reshape(len(array), *fitting[0])


def of_holistic(rows: Float[np.ndarray, "n numbers"]) -> Float[np.ndarray, "n 75 4"]:
    """x, y, z and visibility of the body and the hands; a hand that is there is visible."""
    body = rows[:, :BODY].reshape(len(rows), -1, 4)
    hands = rows[:, BODY + OF_HOLISTIC[rows.shape[1]] :].reshape(len(rows), -1, 3)
    seen = hands.any(2, keepdims=True).astype(np.float32)
    return np.concatenate([body, np.concatenate([hands, seen], axis=2)], axis=1)


def frames_come_first(arrays: Sequence[Float[np.ndarray, "..."]], totals: Sequence[int | None] | None = None) -> bool:
    """Whether most of these arrays are (T, M, V, C) and not (M, T, V, C).

    totals: the number of frames that the file states for each, which decides where both axes differ in size.
    """
    totals = totals or [None] * len(arrays)
    votes = [_frames_first(array, total) for array, total in zip(arrays, totals, strict=True) if array.ndim == 4]
    votes = [vote for vote in votes if vote is not None]
    return sum(votes) * 2 > len(votes)


def _frames_first(array: Float[np.ndarray, "a b V C"], total: int | None) -> bool | None:
    """None where one array does not decide."""
    first, second = array.shape[:2]
    if total is not None and first != second and total in (first, second):
        return total == first
    if first < 2:
        return None if second < 2 else False
    along = [_step(array), _step(array.swapaxes(0, 1))]
    if not along[0] < A_STEP:
        return False if first > 2 or along[1] < A_STEP else None
    return first > 2 if second == 1 else bool(along[1] > CLEARLY * along[0])


def as_frames(arrays: Sequence[Shaped[np.ndarray, "..."]]) -> Float[np.ndarray, "..."] | None:
    """One clip of arrays that are its frames, as pose estimators give them: each (people, joints, coordinates), of any
    number of people, or (joints, coordinates).

    None for other arrays, such as clips. Arrays are frames if the bodies of neighbours are alike.
    """
    shapes = {array.shape[-2:] for array in arrays}
    axes = {array.ndim for array in arrays}
    few = all(array.ndim == 2 or len(array) <= MOST_PEOPLE for array in arrays)
    if len(arrays) < FEWEST_FRAMES or len(shapes) != 1 or axes not in ({2}, {3}) or not few:
        return None
    joints, channels = shapes.pop()
    people = max(1 if array.ndim == 2 else len(array) for array in arrays)
    if joints < FEWEST_JOINTS or channels not in (2, 3, 4) or not people:
        return None
    found = np.zeros((len(arrays), people, joints, channels))
    for frame, array in zip(found, arrays, strict=True):
        there = array.reshape(-1, joints, channels)
        frame[: len(there)] = there
    if not _step(found[..., :2]) < A_STEP:
        return None
    return found if people > 1 else found[:, 0]


def _step(array: Float[np.ndarray, "a b V C"]) -> float:
    """Distance of joints from their neighbours along the first axis, in sizes of a body; NaN if there are none."""
    array = np.nan_to_num(array.astype(np.float64), posinf=0, neginf=0)
    there = seen(array)
    both = there[1:] & there[:-1]
    size = body_extent(np.where(there[..., None], array, np.nan))
    if not both.any() or not size > 0:
        return float("nan")
    return float(np.median(np.linalg.norm(np.diff(array, axis=0), axis=-1)[both]) / size)


# ---- any order -------------------------------------------------------------------------------------------------------


def guess_axes(keypoint: Shaped[np.ndarray, "..."], layout: JointLayout | None = None) -> str:
    """The order that the axes of a clip's array seem to have, such as "CTVM"; "MTVC" where no other fits better.

    The number of joints and the 2 or 3 channels decide. Where several orders have the right sizes, the content does: a
    second person who is absent, bones that keep their lengths, neighbouring frames that are more alike than joints.
    """
    shape = keypoint.shape
    joints = {len(layout)} if layout else {*LAYOUTS}

    def fits(axes: str) -> bool:
        people, _, v, channels = (shape[axes.index(axis)] for axis in AXES)
        return v in joints and channels in (2, 3) and people <= MOST_PEOPLE

    fitting = [axes for axes in (AXES, "CTVM", *map("".join, permutations(AXES))) if fits(axes)]
    keypoint = np.nan_to_num(keypoint.astype(float), posinf=0, neginf=0)
    found = AXES
    if keypoint.any() and {AXES, "CTVM"} <= {*fitting}:
        found = _ends_swapped(keypoint)
    elif fitting and AXES not in fitting and shape[-1] not in (2, 3):
        found = fitting[0]
    turned = found.replace("TV", "VT")  # an unknown number of joints does not decide: compare the motion, too
    return turned if turned in fitting and _changes(keypoint, 1) > 2 * _changes(keypoint, 2) else found


def _changes(keypoint: np.ndarray, axis: int) -> float:
    return float(np.abs(np.diff(keypoint, axis=axis)).mean()) if keypoint.shape[axis] > 1 else 0.0


def _ends_swapped(keypoint: Float[np.ndarray, "a T V b"]) -> str:
    """ "MTVC" or "CTVM" where both ends of the shape could be the channels."""
    if not keypoint[..., 1:].any():
        return "CTVM"  # not two or three channels with only the first in use, but people who are absent
    if not keypoint[1:].any():
        return AXES
    swapped = keypoint.transpose(3, 1, 2, 0)
    if _look_like_bodies(keypoint) and not _look_like_bodies(swapped):
        return AXES
    unrest = _unrest(keypoint)
    return "CTVM" if unrest > ROUNDING and _unrest(swapped) < unrest / 2 else AXES


def _look_like_bodies(keypoint: Float[np.ndarray, "M T V C"]) -> bool:
    """Whether the proportions of the people are those of a layout with so many joints."""
    bodies = keypoint[keypoint.any((2, 3))]
    some = bodies[np.unique(np.linspace(0, len(bodies) - 1, min(len(bodies), BODIES)).astype(int))]
    return len(some) > 0 and recognise(some, candidates(keypoint.shape[2])) is not None


def _unrest(keypoint: Float[np.ndarray, "M T V C"]) -> float:
    """How much bones change their length over time, relative to their length."""
    if (layout := next(iter(candidates(keypoint.shape[2])), None)) is None:
        return float("inf")
    seen = keypoint.any((2, 3))
    lengths = np.linalg.norm(bones(keypoint, layout), axis=3)
    people = [person[now] for person, now in zip(lengths, seen, strict=True) if now.sum() > 1]
    changes = [np.median(person.std(0) / np.maximum(person.mean(0), 1e-9)) for person in people]
    return float(np.mean(changes)) if changes else float("inf")
