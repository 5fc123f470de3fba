"""Rows of a person in a frame without a header, as trackers and MOT Challenge write them, with joints behind the box.

frame, id, joints                                     x, y, score of each joint, or x, y
frame, id, left, top, width, height[, score[, -1, -1, -1]], joints
"""

from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.files.text import first_numbers
from kinegraph.data.reading.joints.axes import flat_shapes
from kinegraph.data.tracking import CROWD

BEFORE = (6, 7, 10, 2)  # numbers before the joints
WITH_BOX = 6
LOOKED_AT = 100  # rows
INSIDE = 0.9  # share of the joints that lie in the box
MARGIN = 0.3  # of a box, by which joints may lie outside
MOST_FRAMES = 1_000_000
LINE = "each row is a person in a frame, as trackers write them: frame, id, box, then the joints; ids say who is who"


def numbers_before(file: Path, separator: str | None) -> int:
    """How many numbers stand before the joints in rows of people; 0 where the rows are others."""
    width = len(first := first_numbers(file, separator))
    if width < BEFORE[-1] + 10 or not all(number.is_integer() and number >= 0 for number in first[:2]):
        return 0
    rows = []
    with file.open("rb") as content, suppress(ValueError):
        for line in islice(content, LOOKED_AT):
            rows.append([float(cell) for cell in line.decode("ascii").split(separator)])
    rows = [row for row in rows if len(row) == width]
    return _before(np.array(rows)) if len(rows) > 1 else 0


def _before(rows: Float[np.ndarray, "rows width"]) -> int:
    who = rows[:, :2]
    wrong = len(np.unique(who, axis=0)) < len(rows) or (who < 0).any() or (who != np.rint(who)).any()
    if wrong or not ((np.diff(who[:, 0]) >= 0).all() or _by_id(who)):
        return 0
    counted = (np.diff(who[:, 0]) == 1).all() and flat_shapes(rows.shape[1] - 1)  # of one person, and no id
    return next((before for before in BEFORE if _fits(rows, before) and not (counted and before < WITH_BOX)), 0)


def _by_id(who: Float[np.ndarray, "rows 2"]) -> bool:
    """Whether rows stand one person after another, the frames of each in order."""
    return bool(((np.diff(who[:, 0]) > 0) | (np.diff(who[:, 1]) != 0)).all())


def _fits(rows: Float[np.ndarray, "rows width"], before: int) -> bool:
    """Whether joints that stand behind so many numbers are those of a layout, and lie in the box.

    Numbers that are all -1 are MOT's place in space, which is not known.
    """
    if (rows[:, before] < 0).all():
        return False
    shapes = [shape for shape in flat_shapes(rows.shape[1] - before) if shape[0] == 1]
    return any(before < WITH_BOX or _in_box(rows, before, size) for _, _, size in shapes)


def _in_box(rows: Float[np.ndarray, "rows width"], before: int, size: int) -> bool:
    joints = rows[:, before:].reshape(len(rows), -1, size)[..., :2]
    corner, sides = rows[:, None, 2:4], rows[:, None, 4:6]
    inside = ((joints >= corner - MARGIN * sides) & (joints <= corner + (1 + MARGIN) * sides)).all(2)
    seen = joints.any(2)
    return bool(inside[seen].mean() > INSIDE) if seen.any() else False


def people_of(
    rows: Float[np.ndarray, "rows width"], joints: Float[np.ndarray, "rows V C"]
) -> Float[np.ndarray, "T M V C"]:
    """The joints of rows by frame and person, NaN where somebody is not there. Raises ValueError for far too many."""
    frame = rows[:, 0].astype(int) - int(rows[:, 0].min())
    ids, person = np.unique(rows[:, 1], return_inverse=True)
    count = int(frame.max()) + 1
    if len(ids) > CROWD or count > MOST_FRAMES:
        raise ValueError(f"has {len(ids):,} people in {count:,} frames, expected at most {CROWD} in {MOST_FRAMES:,}")
    found = np.full((count, len(ids), *joints.shape[1:]), np.nan)
    found[frame, person] = joints
    return found
