"""MoveNet's results, stacked over the frames of a clip: arrays of `poses` with y before x, in fractions of the picture.

    (T, 6, 56)       multipose: for 6 people 17 x (y, x, score), ymin, xmin, ymax, xmax, score of the person
    (T, 1, 6, 56)    the same with the axis of pictures
    (T, 1, 17, 3)    singlepose: y, x, score; also (T, 1, 1, 17, 3)

Joints are COCO's. There are always 6 people: those with a score below 0.25 are nobody, as MoveNet's programs take them.
Arrays of singlepose may also have x before y: the direction from heads to feet decides.
Sources: TensorFlow Hub, movenet/multipose and singlepose; tensorflow/tfjs-models, pose-detection, movenet/constants.ts.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

JOINTS, NUMBERS, PEOPLE = 17, 56, 6
LEAST_SCORE = 0.25  # of a person
HEAD, ANKLES = slice(0, 5), slice(15, 17)  # joints
CLEARLY = 2.0  # times as far are heads and ankles apart on one axis as on the other
MULTIPOSE = f"MoveNet's arrays: y stands before x, and people with a score below {LEAST_SCORE} are nobody"
Y_FIRST = "y stands before x, as MoveNet writes: with x first, heads would lie beside feet"


def is_multipose(shape: Sequence[int]) -> bool:
    return tuple(shape[-2:]) == (PEOPLE, NUMBERS) and (len(shape) == 3 or (len(shape) == 4 and shape[1] == 1))


def is_singlepose(shape: Sequence[int]) -> bool:
    return tuple(shape[1:]) in ((1, JOINTS, 3), (1, 1, JOINTS, 3))


def usual_order(array: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """Joints with their numbers, (T, people, 17, 3), where an array is one of MoveNet's; another one as it is.

    Of multipose x comes before y; of singlepose their order is that of the file.
    """
    if not is_multipose(array.shape):
        return array.reshape(len(array), 1, JOINTS, 3) if is_singlepose(array.shape) else array
    people = array.reshape(len(array), PEOPLE, NUMBERS)
    there = people[..., -1] >= LEAST_SCORE
    seen = there.any(0) if there.any() else there.any(0) | (np.arange(PEOPLE) == 0)
    joints = np.where(there[..., None], people[..., : 3 * JOINTS], 0)[:, seen].reshape(len(array), -1, JOINTS, 3)
    return joints[..., [1, 0, 2]]


def has_y_first(arrays: Sequence[Float[np.ndarray, "T M V 2"]]) -> bool:
    """Whether these have the form of singlepose, and heads would be beside feet in most of them with x first."""
    votes = []
    for array in arrays:
        if array.shape[1:3] != (1, JOINTS):
            return False
        heads, ankles = array[:, :, HEAD].mean(2), array[:, :, ANKLES].mean(2)
        both = heads.any(-1) & ankles.any(-1)
        way = np.abs((ankles - heads)[both].mean(0)) if both.any() else np.zeros(2)
        votes.append(bool(way[0] > CLEARLY * way[1]))
    return sum(votes) * 2 > len(votes)
