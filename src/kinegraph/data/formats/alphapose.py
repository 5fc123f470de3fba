"""Results of AlphaPose -> clips: a list of detections, people by `idx` where AlphaPose tracked them.

    [{"image_id": "video/12.jpg", "category_id": 1, "keypoints": [x, y, score ...], "score": 2.9, "idx": 1}, ...]

COCO's 17 joints, Halpe's 26 or 136 and others, by their number and the proportions of the bodies. A file is a clip, or
one for each folder and name that its pictures have before their number.
Source: MVIG-SJTU/AlphaPose docs/output.md.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path

from kinegraph.data.folders import files_below
from kinegraph.data.formats.conventions import layout_for
from kinegraph.data.formats.detections import (
    Person,
    Pictures,
    beyond_lines,
    clips_of,
    picture_number,
    pose_of,
    sequences,
)
from kinegraph.data.formats.recordings import FormatError, Recordings
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json

NAME = "alphapose"
TITLE = "results of AlphaPose"
SUFFIXES = (".json",)
HEAD = 4096
LOOKED_AT = 20  # files of a folder


def detect(path: Path) -> str | None:
    """A list of detections whose image_id is the name of a picture, or a folder with such files."""
    if path.is_file():
        return "a list of AlphaPose's detections" if _is_result(path) else None
    some = (file for file, _ in zip(files_below(path, "*.json"), range(LOOKED_AT), strict=False))
    named = next((file for file in some if file.is_file() and _is_result(file)), None)
    return f"holds {named.name}, detections of AlphaPose" if named else None


def _is_result(file: Path) -> bool:
    if file.suffix.lower() != ".json":
        return False
    with file.open("rb") as content:
        head = content.read(HEAD).lstrip()
    start = head.partition(b'"image_id"')[2].lstrip(b" :\t\r\n")[:1]
    return head.startswith(b"[") and b'"keypoints"' in head and start == b'"'


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of a result file, or of all in a folder. people: bodies of a clip at most, by default all.

    Raises ValueError where there is no detection.
    """
    files = [path] if path.is_file() else [file for file in files_below(path, "*.json") if _is_result(file)]
    recordings = [one for file in files for one in _recordings(file, single=len(files) == 1)]
    joints = next((len(it.pose) for one in recordings for there in one.people.values() for it in there), None)
    if joints is None:
        raise FormatError("empty", f"{path} has no detection")
    left_out: dict[str, int] = {}
    of = layout_for(joints, layout)
    return Recordings(
        clips=clips_of(recordings, of, people, left_out),
        count=len(recordings),
        layout=of,
        class_names=(),
        units="px",
        source=f"AlphaPose, {path.name}",
        skipped=lambda: beyond_lines(left_out),
        guessed=frozenset(("units",) if layout else ("units", "layout")),
    )


def _recordings(file: Path, single: bool) -> list[Pictures]:
    content = read_json(file)
    if not isinstance(content, list) or not all(isinstance(it, Mapping) for it in content):
        raise ValueError(f"{file} is no list of detections")
    found: dict[str, Pictures] = {}
    alone = "" if single else file.stem
    for place, one in enumerate(content):
        where = f"{file}: detection {place} "
        if not isinstance(image := one.get("image_id"), str):
            raise ValueError(f"{where}has as image_id {quoted(image)}, expected the name of a picture")
        name, number = picture_number(image)
        name = "/".join(filter(None, (alone, name))) or file.stem
        pictures = found.setdefault(name, Pictures(name))
        pictures.add(number or 0, Person(pose_of(one.get("keypoints"), where=where), _who(one.get("idx"))))
    return sequences(list(found.values()))


def _who(idx: object) -> Hashable:
    """The number of a person; AlphaPose writes 1, [1.0] and [[1.0], [2.0]], whose first is the person's own."""
    while isinstance(idx, list) and idx:
        idx = idx[0]
    return int(idx) if isinstance(idx, int | float) and not isinstance(idx, bool) and abs(idx) < 1e9 else None
