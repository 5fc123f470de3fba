"""NW-UCLA (Northwestern-UCLA Multiview Action 3D) as JSON, one file per clip, as Shift-GCN and CTR-GCN have it.

    a01_s01_e00_v01.json    {"file_name": "a01_s01_e00_v01", "skeletons": [frames][20 joints][x, y, z], "label": 1}

The joints are those of Kinect v1, in metres. The name says action, subject, episode and camera (view); actions have the
numbers 1 to 6, 8, 9, 11 and 12, labels count them from 1 to 10. Split xview trains on cameras 1 and 2, as is usual.
Source: Wang et al. 2014, Cross-view action modeling, learning and recognition; Uason-Chen/CTR-GCN, feeder_ucla.py.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.json_rows import array_of
from kinegraph.messages import quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "nw-ucla", "NW-UCLA as JSON, one file per clip"
SUFFIXES = (".json",)
LAYOUT = "kinect20"
CLIP_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)", re.IGNORECASE)
ACTIONS = {
    1: "pick up with one hand", 2: "pick up with two hands", 3: "drop trash", 4: "walk around", 5: "sit down",
    6: "stand up", 8: "donning", 9: "doffing", 11: "throw", 12: "carry",
}  # fmt: skip
TRAINING_CAMERAS = (1, 2)
KEYS = re.compile(rb'\s*\{\s*"(file_name|skeletons|label)"')


def detect(path: Path) -> str | None:
    """A JSON that begins with file_name, skeletons or label, or a folder with such files."""
    return reason_of(
        path, SUFFIXES, _is_one, "a JSON with file_name and skeletons", "holds JSON files with file_name and skeletons"
    )


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        start = content.read(1000)
    return KEYS.match(start) is not None and b'"skeletons"' in start


def _is_named(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and CLIP_NAME.fullmatch(file.stem) is not None


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one; in metres, y upward."""
    files = files_named(path, SUFFIXES, lambda file: _is_one(file) or _is_named(file), lambda file: file.stem)
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=tuple(ACTIONS.values()),
        units="m",
        source="NW-UCLA (Wang et al. 2014)",
    )


def _clip(file: ClipFile) -> Item:
    content = read_json(file.path)
    if not isinstance(content, Mapping) or "skeletons" not in content:
        raise ValueError(f"{file.path} is no object with 'skeletons'")
    joints = _joints(file.path, content["skeletons"])
    label = _label(file, content.get("label"))
    match = CLIP_NAME.fullmatch(file.path.stem)
    numbers = [int(number) for number in match.groups()] if match else []
    return SkeletonClip(
        keypoint=joints[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=label,
        attributes=dict(zip(("subject", "episode", "view"), numbers[1:], strict=False)),
        splits={"xview": "train" if numbers[3] in TRAINING_CAMERAS else "val"} if numbers else {},
    )


def _joints(file: Path, lists: object) -> Float[np.ndarray, "T 20 3"]:
    """The joints of all frames, zero where a number is null."""
    joints = len(load_layout(LAYOUT))
    try:
        array = array_of(lists, 3)
    except (ValueError, TypeError, OverflowError, RecursionError):
        array = np.zeros(0)
    if array.ndim != 3 or array.shape[1:] != (joints, 3) or not len(array):
        found = f"an array {array.shape}" if array.size else "no array of numbers"
        raise FormatError("joints", f"{file} has {found} in 'skeletons', expected (frames, {joints}, 3)")
    array = np.where(np.isnan(array).any(2, keepdims=True), 0, array)
    if not (np.abs(array) < 1e9).all():
        raise ValueError(f"{file} holds a number that is not finite")
    return array.astype(np.float32)


def _label(file: ClipFile, label: object) -> int | None:
    """The class by the name of the file; without such a name by the label, from 1. Raises FormatError."""
    numbers = list(ACTIONS)
    if (match := CLIP_NAME.fullmatch(file.path.stem)) and (action := int(match[1])) in ACTIONS:
        place = numbers.index(action)
        if label not in (None, place + 1, action):
            raise FormatError("label", f"{file.path} has label {quoted(label)}, its name is that of label {place + 1}")
        return place
    if label is None:
        return None
    if type(label) is not int or not 1 <= label <= len(numbers):
        raise FormatError("label", f"{file.path} has label {quoted(label)}, expected 1 to {len(numbers)}")
    return label - 1
