"""Columns with numbers in place of names, 0, 1, 2 ... or f0, f1, f2 ..., as pandas names those of an array.

The numbers of a frame stand in them as in a row of `poses`: coordinates of a joint beside each other.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kinegraph.data.reading.joints.axes import flat_shapes

NUMBERED = re.compile(r"(.*?)(\d{1,4})")
FEWEST = 10  # columns
LINE = "columns that are numbered are read as the joints of a frame, coordinates beside each other"


@dataclass(frozen=True)
class WideJoint:
    """Where the coordinates of a joint are: places of x, y, z and score in a row, -1 for one that is not there."""

    name: str
    places: tuple[int, int, int, int]
    by_state: bool = False  # the score is a tracking state


def numbered_joints(columns: Sequence[str]) -> list[WideJoint]:
    """The joints of columns that count under one word; [] where there are none, or their number does not say which."""
    found: dict[str, list[tuple[int, int]]] = {}
    for place, column in enumerate(columns):
        if match := NUMBERED.fullmatch(column.strip()):
            found.setdefault(match[1], []).append((int(match[2]), place))
    numbers = max(found.values(), key=len, default=[])
    first = numbers[0][0] if numbers else 0
    counted = first in (0, 1) and [number for number, _ in numbers] == [*range(first, first + len(numbers))]
    shapes = flat_shapes(len(numbers)) if len(numbers) >= FEWEST and counted else []
    if len(shapes) != 1 or shapes[0][0] != 1:
        return []
    _, joints, size = shapes[0]
    places = [[place for _, place in numbers[size * i : size * (i + 1)]] for i in range(joints)]
    return [WideJoint(str(i), (*place, *[-1] * (4 - size))) for i, place in enumerate(places)]


def are_numbered(columns: Sequence[str], joints: Sequence[WideJoint]) -> bool:
    """Whether the joints of a table are those of such columns, whose third number may be a score."""
    return bool(joints) and list(joints) == numbered_joints(columns)
