"""Bodies and points in JSON, as people save them: joints by name or number, with x, y, z and a score."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinegraph.data.reading.faults import FormatError

SCORES = ("visibility", "presence", "score", "confidence", "visible", "inFrameLikelihood")
NAMES = ("name", "part", "landmark_name", "landmark", "joint", "label")
NUMBERS = ("index", "id", "idx", "landmark_id", "landmark_index", "joint_id", "i")
FEWEST = 5  # joints
# Joints that a list of numbers alone may have, with how many numbers each has; the first one that fits.
OF_NUMBERS = ((4, (33,)), (2, (33,)), (3, (13, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 32, 33, 133, 136)),
              (2, (13, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 32, 133, 136)))  # fmt: skip
UNSAID = math.nan  # the score of a row of three numbers, the third of which may be the score
IN_PIXELS = 10.0  # a larger coordinate is in pixels, or in mm
PLACES = (
    "position",
    "pos",
    "translation",
    "location",
    "coordinates",
    "point",
)  # under which a point has its coordinates

Point = tuple[float, float, float, float]  # x, y, z, score


def is_body(value: object) -> bool:
    """Whether this is a list of points with x and y, or an object of them."""
    if isinstance(value, Mapping):
        return sum(is_point(entry) or is_row(entry) for entry in value.values()) >= FEWEST
    return isinstance(value, list) and len(value) >= FEWEST and all(map(is_point, value))


def is_listed_body(value: object) -> bool:
    """Whether this is a body, also one of plain numbers."""
    if is_body(value) or _width_of(value):
        return True
    return (
        isinstance(value, list)
        and sum(map(is_row, value)) >= FEWEST
        and all(entry is None or is_row(entry) for entry in value)
    )


def is_row(value: object) -> bool:
    numbers = isinstance(value, list) and all(isinstance(entry, int | float) or entry is None for entry in value)
    return isinstance(value, list) and 2 <= len(value) <= 5 and numbers


def _width_of(value: object) -> int:
    """The numbers of each joint in a list of numbers alone; 0 for anything else."""
    if not isinstance(value, list) or not all(isinstance(entry, int | float) or entry is None for entry in value):
        return 0
    return next((width for width, joints in OF_NUMBERS if len(value) in [count * width for count in joints]), 0)


def is_point(value: object) -> bool:
    value = _place(value)
    return isinstance(value, Mapping) and all(
        axis in value and (value[axis] is None or isinstance(value[axis], int | float)) for axis in "xy"
    )


def _place(point: Any) -> Any:
    """What holds the coordinates of a point: an object in it, one made of a list of numbers in it, or itself."""
    if isinstance(point, Mapping) and {"X", "Y"} <= {*point}:
        return {str(key).lower(): value for key, value in point.items()}
    inner = [point[key] for key in PLACES if key in point] if isinstance(point, Mapping) else []
    if inner and isinstance(inner[0], Mapping):
        return inner[0]
    return dict(zip("xyz", inner[0], strict=False)) if inner and is_row(inner[0]) and len(inner[0]) < 4 else point


def body_in(value: Any, path: Path) -> dict[str, Point]:
    if isinstance(value, Mapping):
        rows = {str(name): point for name, point in value.items() if is_row(point)}
        if len(rows) >= FEWEST:
            return _of_rows(rows)
        return {str(name): _point(point) for name, point in value.items() if is_point(point)}
    if width := _width_of(value):
        value = [value[at : at + width] for at in range(0, len(value), width)]
    if not any(isinstance(point, Mapping) for point in value):
        return _of_rows({str(place): row or [None, None] for place, row in enumerate(value)})
    names = [_said(point, NAMES, str) for point in value]
    numbers = [_said(point, NUMBERS, int) for point in value]
    for said in (names, numbers, range(len(value))):
        keys = [str(name) for name in said if name is not None]
        if len(set(keys)) == len(value):
            return {key: _point(point) for key, point in zip(keys, value, strict=True)}
    raise FormatError("joints", f"{path} has a body whose joints have no names and numbers of their own")


def _of_rows(rows: Mapping[str, list[float]]) -> dict[str, Point]:
    """Joints by name as lists of x, y and, beside pixels, a score; or x, y, z."""
    there = [row for row in rows.values() if not any(cell is None or cell != cell for cell in row)]
    scored = all(len(row) == 3 and 0 <= row[2] <= 1 for row in there)
    if scored and any(abs(row[0]) > IN_PIXELS or abs(row[1]) > IN_PIXELS for row in there):
        return {name: _point([*row[:2], 0.0, *row[2:]]) for name, row in rows.items()}
    return {name: _point(row) for name, row in rows.items()}


def _said(point: object, keys: Sequence[str], kind: type) -> object:
    """The first value of the right type under one of these keys of a point."""
    if not isinstance(point, Mapping):
        return None
    return next((point[key] for key in keys if type(point.get(key)) is kind), None)


def _point(point: Any) -> Point:
    if isinstance(point, list):
        if any(number is None or number != number for number in point):
            return 0.0, 0.0, 0.0, 0.0
        x, y, z = [*point[:3], 0.0][:3]
        score = UNSAID if len(point) == 3 else 1.0
        if len(point) > 3:
            score = point[3]
        return float(x), float(y), float(z), float(score)
    score = next((point[key] for key in SCORES if isinstance(point.get(key), int | float)), 1.0)
    place = _place(point)
    x, y, z = (place.get(axis) for axis in "xyz")
    if x is None or y is None or x != x or y != y:  # not seen
        return 0.0, 0.0, 0.0, 0.0
    return float(x), float(y), float(z) if isinstance(z, int | float) else 0.0, float(score)


def tracks_of_google(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The people of Google's Video Intelligence with their frames, numbered by their times; [] for another content."""
    results = _of_either(content, "annotation_results")
    people = [person for result in results for person in _of_either(result, "person_detection_annotations")]
    tracks = [_of_either(track, "timestamped_objects") for person in people for track in _of_either(person, "tracks")]
    times = sorted({_seconds(moment) for track in tracks for moment in track})
    number = {time: place for place, time in enumerate(times)}
    return [
        {
            "id": who,
            "frames": [
                {"frame": number[time], "time": time, **moment} for moment in track if (time := _seconds(moment)) >= 0
            ],
        }
        for who, track in enumerate(tracks)
    ]


def _of_either(content: Any, key: str) -> list[Any]:
    """The objects that a list holds under a name, in this spelling or as timestampedObjects."""
    first, *rest = key.split("_")
    found = content.get(key, content.get(first + "".join(map(str.title, rest)))) if isinstance(content, Mapping) else []
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _seconds(frame: Mapping[str, Any]) -> float:
    """The time of a frame, such as "1.2s"; -1 where it says none."""
    said = str(frame.get("time_offset", frame.get("timeOffset", ""))).removesuffix("s")
    try:
        return float(said)
    except ValueError:
        return -1.0
