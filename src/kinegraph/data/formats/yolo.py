"""Labels and predictions of YOLO-pose (ultralytics) -> clips: a text file per picture, a line per person, in fractions.

    class cx cy w h  x y [v] x y [v] ...  [confidence] [track id]

Pixels in place of fractions, as own scripts write them, are read where the joints lie in the box.
Files whose names end in a number are the frames of a recording: video_1.txt, video_2.txt. v is 0, 1, 2 or a score.
Folders CLASS/ around them name classes; "labels" and "predict" are folders of ultralytics and no class.

Results as JSON (`to_json()`, `summary()`) or CSV (`to_csv()`) are read too:

    [{"name": "person", "class": 0, "confidence": 0.9, "box": {...}, "track_id": 1,
      "keypoints": {"x": [...], "y": [...], "visible": [...]}}, ...]         a picture
    [[the same], [the same], ...]                                            frames
    [{"frame": 0, "track_id": 1, "keypoints": {...}}, ...]                   people of frames; a row each in a CSV
    {"video_1.jpg": [the same], ...}, {"frames": [{"frame": 0, "detections": [the same]}, ...]}

Source: docs.ultralytics.com/datasets/pose, `yolo pose predict save_txt save_conf`, `yolo pose track`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.clips.clip_files import some_below
from kinegraph.data.reading.clips.conventions import LAYOUTS, candidates
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.csv_rows import NUMBER, text_rows
from kinegraph.data.reading.joints.detections import (
    Person,
    Pictures,
    folders_of,
    picture_number,
    pose_of,
    recordings_of,
)
from kinegraph.data.reading.joints.landmarks import FRAMES
from kinegraph.messages import first_few, quoted
from kinegraph.safe_io import parsed_json, read_json
from kinegraph.skeleton.layout import load_layout
from kinegraph.skeleton.proportions import recognise

NAME = "yolo"
TITLE = "YOLO-pose labels (.txt) and results (.json, .csv)"
ENDINGS = (".json", ".csv")  # of results
SUFFIXES = (".txt", *ENDINGS)
BOX = 5  # class and box
MOST_CLASSES = 1000
LEAST_PIXELS, MOST_PIXELS = 4.0, 1e5
AROUND = 1.3  # halves of a box, in which its joints are
LOOKED_AT = 20  # lines that say how many joints there are
KNOWN = sorted({4, 13, 14, 15, 16, 19, *LAYOUTS})  # numbers of joints, where a line does not say it beyond doubt


def detect(path: Path) -> str | None:
    """A text file of lines of a class, a box and joints, in fractions or pixels, or a folder with such files."""
    if path.is_file() and path.suffix.lower() in ENDINGS:
        return "people as ultralytics writes them" if is_result(path) else None
    if path.is_file():
        return "lines of YOLO-pose" if path.suffix.lower() == ".txt" and _is_label(path) else None
    some = some_below(path, (".txt",), _is_label) or some_below(path, ENDINGS, is_result)
    return "holds people of YOLO-pose" if some else None


def _is_label(file: Path) -> bool:
    with file.open(encoding="utf-8", errors="replace") as lines:
        cells = lines.readline(1 << 16).split()
    try:
        values = np.array(cells, float)
    except ValueError:
        return False
    fractions = len(values) > BOX + 5 and float(values[0]).is_integer() and np.isfinite(values).all()
    if not fractions or values[0] < 0 or (values[1:BOX] < 0).any():
        return False
    return bool((values[1:BOX] <= 1).all() or _joints_in_box(values))


def _joints_in_box(line: Float[np.ndarray, "numbers"]) -> bool:
    """Whether a line in pixels has its joints in its box, or close to it."""
    if not 0 <= line[0] < MOST_CLASSES or line[3:BOX].min() < LEAST_PIXELS:
        return False
    centre, half = line[1:3], line[3:BOX] / 2
    for joints, width in _sizes(len(line) - BOX):
        points = line[BOX : BOX + joints * width].reshape(joints, width)
        seen = points[points[:, :2].any(1)][:, :2]
        if joints in KNOWN and len(seen) and (np.abs(seen - centre) <= half * AROUND).all():
            return True
    return False


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of a folder of label files, or of one. people: bodies of a clip at most, by default all.

    Raises ValueError where there is no line of a person.
    """
    results = [path] if path.is_file() else sorted(files_ending(path, ENDINGS))
    if results := list(filter(is_result, results)):
        found: dict[str, Pictures] = {}
        for file in results:
            add_file(found, file, path if path.is_dir() else path.parent)
        return recordings_of(list(found.values()), path, f"YOLO-pose, {path.name}", layout, people)
    files = [path] if path.is_file() else sorted(files_ending(path, (".txt",)))
    others = [file for file in files if path.is_dir() and not _is_numbers(file)]
    lines = {file: _lines(file) for file in files if file not in others}
    joints, width = _joints([values for found in lines.values() for values in found], path, layout)
    top = _common([file.parent for file in lines]) if path.is_dir() else path.parent
    found: dict[str, Pictures] = {}
    for file, values in lines.items():
        name, number = picture_number(file.relative_to(top).as_posix())
        pictures = found.setdefault(name, Pictures(name or top.absolute().name, folders=folders_of(name)))
        pictures.add(number or 0, None)
        for line, numbers in enumerate(values, 1):
            pictures.add(number or 0, _person(numbers, joints, width, f"{file}: person {line}"))
    skipped = [f"text files without labels: {first_few([file.name for file in others])}"] if others else ()
    boxes = [values[1:BOX].max() for file in lines.values() for values in file]
    units = "image" if not boxes or np.median(boxes) <= 1 else "px"
    return recordings_of(
        list(found.values()), path, f"YOLO-pose, {path.name}", layout, people, units=units, skipped=skipped
    )


def _is_numbers(file: Path) -> bool:
    """Whether a file is empty or begins with a number, as those of class names and notes do not."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        try:
            return bool(np.array(lines.readline(1 << 16).split()[:1], float).size) or not file.stat().st_size
        except ValueError:
            return False


def _common(folders: Sequence[Path]) -> Path:
    return Path(os.path.commonpath(folders))


def _lines(file: Path) -> list[np.ndarray]:
    found = []
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                values = np.array(line.split(), float)
            except ValueError:
                raise ValueError(f"{file} line {number} is {quoted(line.strip())[:80]}, expected numbers") from None
            if len(values) and (len(values) <= BOX or not np.isfinite(values).all()):
                holds = f"{len(values)} numbers" if len(values) <= BOX else "a number that is not finite"
                raise ValueError(f"{file} line {number} has {holds}, expected class, box and joints")
            if len(values):
                found.append(values)
    return found


def _joints(lines: Sequence[np.ndarray], path: Path, layout: str | None) -> tuple[int, int]:
    """The number of joints and of numbers each has. A line may end in a confidence and a track id."""
    if not lines:
        raise FormatError("empty", f"{path} has no line of a person")
    length = len(lines[0]) - BOX
    fits = _sizes(length)
    known = [(joints, width) for joints, width in fits if joints in KNOWN and _fits(lines[0], joints, width)]
    if layout is not None:
        known = [form for form in fits if form[0] == len(load_layout(layout))]
    if not known:
        raise FormatError("joints", f"{path}: lines of {length + BOX} numbers fit no layout known here; give --layout")
    alike = np.array([line for line in lines if len(line) == len(lines[0])][:LOOKED_AT])
    return next((form for form in known if _are_bodies(alike, *form)), known[0])


def _sizes(length: int) -> list[tuple[int, int]]:
    """Joints and numbers of each that so many numbers may be, with a confidence and a track id behind them or not."""
    return [(count // width, width) for width in (3, 2) for extra in (0, 1, 2)
            if (count := length - extra) > 0 and count % width == 0]  # fmt: skip


def _are_bodies(lines: Float[np.ndarray, "n numbers"], joints: int, width: int) -> bool:
    """Whether so many joints have the proportions of a layout that is known here."""
    points = lines[:, BOX : BOX + joints * width].reshape(len(lines), joints, width)[..., :2]
    known = candidates(joints)
    return bool(known) and recognise(points, known) is not None


def _fits(line: np.ndarray, joints: int, width: int) -> bool:
    """Whether the numbers behind x and y are visibilities or scores."""
    points = line[BOX : BOX + joints * width].reshape(joints, width)
    most = 1.0 if (line[1:BOX] <= 1).all() else MOST_PIXELS
    inside = (points[:, :2] >= -most / 2).all() and (points[:, :2] <= most * 1.5).all()
    return bool(inside and (width == 2 or ((points[:, 2] >= 0) & (points[:, 2] <= 2)).all()))


def _person(line: np.ndarray, joints: int, width: int, where: str) -> Person:
    end = BOX + joints * width
    if not end <= len(line) <= end + 2:
        raise FormatError("joints", f"{where} has {len(line)} numbers, the first one of all has {end} and more")
    points = line[BOX:end].reshape(joints, width)
    if width == 3 and points[:, 2].max() == 2:
        points = points * [1, 1, 0.5]
    rest = line[end:]
    who = int(rest[-1]) if len(rest) and float(rest[-1]).is_integer() and len(rest) == 2 else None
    return Person(pose_of(points if width == 3 else np.column_stack([points, np.ones(joints)]), where=f"{where} "), who)


# ---- results as JSON and CSV -----------------------------------------------------------------------------------------


HEAD = 1 << 14
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
        frame = place if said is None else said
        if number is not None:
            frame = number
        pictures.add(frame, None)
        for person in people:
            pictures.add(frame, _person_of(person, f"{file}: a person of frame {frame} "))


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
        for person in _people(content):
            numbered.setdefault(_number(person), []).append(person)
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
    return [person for person in frame if _is_person(person)] if isinstance(frame, list) else []


def _is_person(value: object) -> bool:
    joints = value.get("keypoints") if isinstance(value, Mapping) else None
    return isinstance(joints, Mapping) and isinstance(joints.get("x"), list) and isinstance(joints.get("y"), list)


def _person_of(person: Mapping[str, Any], where: str) -> Person:
    joints = person["keypoints"]
    scores = next((joints[key] for key in SCORES if isinstance(joints.get(key), list)), None)
    if len(joints["x"]) != len(joints["y"]):
        raise ValueError(f"{where}has {len(joints['x'])} x and {len(joints['y'])} y")
    points = [list(point) for point in zip(joints["x"], joints["y"], strict=True)]
    who = person.get("track_id")
    pose = pose_of(points, np.ones(len(points)) if scores is None else scores, where)
    return Person(pose, int(who) if isinstance(who, int | float) and who >= 0 else None)
