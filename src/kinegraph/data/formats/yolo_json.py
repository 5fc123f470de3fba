"""Results of ultralytics as JSON (`to_json()`, `summary()`) or CSV (`to_csv()`): the people of each picture.

[{"name": "person", "class": 0, "confidence": 0.9, "box": {...}, "track_id": 1,
  "keypoints": {"x": [...], "y": [...], "visible": [...]}}, ...]         a picture
[[the same], [the same], ...]                                            frames
[{"frame": 0, "track_id": 1, "keypoints": {...}}, ...]                   people of frames; a row each in a CSV
{"video_1.jpg": [the same], ...}, {"frames": [{"frame": 0, "detections": [the same]}, ...]}
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.formats.csv_rows import NUMBER, text_rows
from kinegraph.data.formats.detections import Person, Pictures, folders_of, picture_number, pose_of
from kinegraph.data.formats.landmarks import FRAMES
from kinegraph.safe_io import parsed_json, read_json

HEAD = 1 << 14
ENDINGS = (".json", ".csv")
OF_CSV = {b"box", b"keypoints"}  # columns
MARKS = (b'"keypoints"', b'"box"', b'"x1"', b'"x"')
PEOPLE = ("detections", "predictions", "results", "persons", "people", "objects", "instances", "boxes")
NUMBERS = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number", "image_id")
SCORES = ("visible", "visibility", "score", "confidence", "conf")


def is_result(file: Path) -> bool:
    """Whether a JSON begins like people of ultralytics."""
    if file.suffix.lower() not in ENDINGS or not file.is_file():
        return False
    with file.open("rb") as content:
        head = content.read(HEAD)
    if file.suffix.lower() == ".csv":
        return {*head.partition(b"\n")[0].strip().split(b",")} >= OF_CSV
    return all(mark in head for mark in MARKS)


def add_file(found: dict[str, Pictures], file: Path, top: Path) -> None:
    """Add the people of a file to the recording that it is of: a file of frames is one, a picture is a frame of one."""
    frames = list(_frames(_records(file) if file.suffix.lower() == ".csv" else read_json(file)))
    name, number = picture_number(file.relative_to(top).as_posix())
    if len(frames) > 1 or number is None:
        name, number = file.relative_to(top).with_suffix("").as_posix(), None
    pictures = found.setdefault(name, Pictures(name or top.absolute().name, folders=folders_of(name)))
    for place, (said, people) in enumerate(frames):
        frame = number if number is not None else place if said is None else said
        pictures.add(frame, None)
        for one in people:
            pictures.add(frame, _person(one, f"{file}: a person of frame {frame} "))


def _records(file: Path) -> list[dict[str, Any]]:
    """The rows of a CSV as objects; its cells of keypoints are objects as Python writes them."""
    lines = text_rows(file)
    _, header = next(lines, (1, []))
    found = []
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(f"{file} line {line} has {len(row)} cells, the header has {len(header)}")
        cells: dict[str, Any] = dict(zip(header, row, strict=True))
        keypoints = parsed_json(cells["keypoints"].replace("'", '"').replace("nan", "NaN"), f"{file} line {line}")
        numbers = {key: int(float(cells[key])) for key in (*NUMBERS, "track_id") if _is_number(cells.get(key, ""))}
        found.append({"keypoints": keypoints} | numbers)
    return found


def _frames(content: object) -> Iterator[tuple[int | None, list[Mapping[str, Any]]]]:
    """The number of each frame, where it is said, and the people in it."""
    if isinstance(content, Mapping):
        inner = next((content[key] for key in FRAMES if isinstance(content.get(key), list) and key not in PEOPLE), None)
        if inner is not None:
            yield from _frames(inner)
        elif any(key in content for key in PEOPLE):
            yield _number(content), _people(content)
        else:
            for name, frame in content.items():
                yield picture_number(str(name))[1], _people(frame)
    elif isinstance(content, list) and any(map(_is_person, content)):
        numbered: dict[int | None, list[Mapping[str, Any]]] = {}
        for one in _people(content):
            numbered.setdefault(_number(one), []).append(one)
        yield from numbered.items()
    elif isinstance(content, list):
        for frame in content:
            yield (_number(frame) if isinstance(frame, Mapping) else None), _people(frame)


def _is_number(cell: str) -> bool:
    return bool(cell.strip()) and cell.strip().lower() != "nan" and NUMBER.fullmatch(cell) is not None


def _number(frame: Mapping[str, Any]) -> int | None:
    return next((frame[key] for key in NUMBERS if type(frame.get(key)) is int), None)


def _people(frame: object) -> list[Mapping[str, Any]]:
    if isinstance(frame, Mapping):
        frame = next((frame[key] for key in PEOPLE if isinstance(frame.get(key), list)), [frame])
    return [one for one in frame if _is_person(one)] if isinstance(frame, list) else []


def _is_person(value: object) -> bool:
    joints = value.get("keypoints") if isinstance(value, Mapping) else None
    return isinstance(joints, Mapping) and isinstance(joints.get("x"), list) and isinstance(joints.get("y"), list)


def _person(one: Mapping[str, Any], where: str) -> Person:
    joints = one["keypoints"]
    scores = next((joints[key] for key in SCORES if isinstance(joints.get(key), list)), None)
    if len(joints["x"]) != len(joints["y"]):
        raise ValueError(f"{where}has {len(joints['x'])} x and {len(joints['y'])} y")
    points = [list(point) for point in zip(joints["x"], joints["y"], strict=True)]
    who = one.get("track_id")
    pose = pose_of(points, np.ones(len(points)) if scores is None else scores, where)
    return Person(pose, int(who) if isinstance(who, int | float) and who >= 0 else None)
