"""Results of AlphaPose -> clips: a list of detections, people by `idx` where AlphaPose tracked them.

    [{"image_id": "video/12.jpg", "category_id": 1, "keypoints": [x, y, score ...], "score": 2.9, "idx": 1}, ...]

    {"12.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": [x, y, score ...]}]}}      its format cmu

COCO's 17 joints, Halpe's 26 or 136 and others, by their number and the proportions of the bodies. A file is a clip, or
one for each folder and name that its pictures have before their number; files of one picture each are the frames of
a clip. Folders CLASS/FILE and CLASS/CLIP/alphapose-results.json name classes. A file may also have a
detection a line (JSON lines).
Source: MVIG-SJTU/AlphaPose docs/output.md.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

from kinegraph.data.folders import files_ending, one_by_one
from kinegraph.data.reading.clips.clip_files import reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.json_rows import LINES, lists_records, read_records
from kinegraph.data.reading.joints.detections import (
    Person,
    Pictures,
    folders_of,
    picture_number,
    pose_of,
    recordings_of,
)
from kinegraph.messages import quoted

NAME = "alphapose"
TITLE = "results of AlphaPose"
SUFFIXES = (".json", *LINES)
USUAL = "alphapose-results"
HEAD = 1 << 14
BODY = re.compile(rb'"joints"\s*:\s*\[([^\]]*)')  # a long list may be cut
OF_OPENPOSE = (18, 25)  # joints of the bodies that the format openpose reads


def detect(path: Path) -> str | None:
    """A list of detections whose image_id is the name of a picture, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_result, "a list of AlphaPose's detections", "holds detections of AlphaPose")


def _is_result(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    if (joints := joints_by_picture(head)) is not None:
        return joints not in OF_OPENPOSE
    start = head.partition(b'"image_id"')[2].lstrip(b" :\t\r\n")[:1]
    return lists_records(file, head) and b'"keypoints"' in head and start == b'"'


def joints_by_picture(head: bytes) -> int | None:
    """The joints of a body in a file of AlphaPose's formats cmu and open, by its start; None for another file."""
    if not (b'"version"' in head and b'"bodies"' in head and (found := BODY.search(head))):
        return None
    return (found[1].count(b",") + 1) // 3


def read(path: Path, *, layout: str | None = None, people: int | None = None) -> Recordings:
    """The clips of a result file, or of all in a folder. people: bodies of a clip at most, by default all.

    Raises ValueError where there is no detection.
    """
    files = [path] if path.is_file() else list(filter(_is_result, files_ending(path, SUFFIXES)))
    contents = {file: _detections(file) for file in one_by_one(files)}
    single = _are_pictures(contents, path)
    found: dict[str, Pictures] = {}
    for file, detections in contents.items():
        alone = ""
        if len(files) > 1:
            alone = _place(file, path) if single else _name(file, path)
        _add(found, detections, file, alone, path.absolute().name if single else file.stem)
    return recordings_of(list(found.values()), path, f"AlphaPose, {path.name}", layout, people)


def _are_pictures(contents: Mapping[Path, Sequence[Mapping[str, object]]], path: Path) -> bool:
    """Whether there are several files, each of one picture, and no two in a place are of the same one."""
    pictures = {file: {str(detection.get("image_id")) for detection in found} for file, found in contents.items()}
    if len(pictures) < 2 or any(len(names) != 1 for names in pictures.values()):
        return False
    return len({(_place(file, path), *names) for file, names in pictures.items()}) == len(pictures)


def _place(file: Path, path: Path) -> str:
    """The folders of a file of one picture, which are the name of its clip."""
    inside = file.relative_to(path).as_posix()
    *folders, _ = inside.split("/")
    return "/".join(folders_of(inside) or folders)


def _name(file: Path, path: Path) -> str:
    """The name of a file in a folder, or of its own folder where all files have AlphaPose's name."""
    name = file.relative_to(path).with_suffix("")
    return (name.parent if name.name == USUAL and name.parent.name else name).as_posix()


def _detections(file: Path) -> list[Mapping[str, object]]:
    content = read_records(file)
    if isinstance(content, Mapping):
        pictures = {name: value.get("bodies") for name, value in content.items() if isinstance(value, Mapping)}
        bodies = [
            (name, body) for name, value in pictures.items() for body in (value if isinstance(value, list) else [])
        ]
        content = [
            {"image_id": name, "keypoints": body.get("joints")} for name, body in bodies if isinstance(body, Mapping)
        ]
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        raise ValueError(f"{file} is no list of detections")
    return content


def _add(
    found: dict[str, Pictures], detections: Sequence[Mapping[str, object]], file: Path, alone: str, otherwise: str
) -> None:
    """Add the detections of a file. alone: in front of the names of clips; otherwise: in place of one."""
    images = [detection.get("image_id") for detection in detections]
    names = {name for name, _ in map(picture_number, map(str, images))}
    folders = folders_of(f"{alone}/*" if alone and len(names) > 1 else alone)  # of several clips, `alone` is the place
    for place, (detection, image) in enumerate(zip(detections, images, strict=True)):
        where = f"{file}: detection {place} "
        if not isinstance(image, str):
            raise ValueError(f"{where}has as image_id {quoted(image)}, expected the name of a picture")
        name, number = picture_number(image)
        name = "/".join(filter(None, (alone, name))) or otherwise
        pictures = found.setdefault(name, Pictures(name, folders=folders))
        pictures.add(number or 0, Person(pose_of(detection.get("keypoints"), where=where), _who(detection.get("idx"))))


def _who(idx: object) -> Hashable:
    """The number of a person; AlphaPose writes 1, [1.0] and [[1.0], [2.0]], whose first is the person's own."""
    while isinstance(idx, list) and idx:
        idx = idx[0]
    return int(idx) if isinstance(idx, int | float) and not isinstance(idx, bool) and abs(idx) < 1e9 else None
