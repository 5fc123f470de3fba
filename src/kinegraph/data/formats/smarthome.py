"""Toyota Smarthome's skeletons of LCR-Net, one JSON file per clip, as published.

    Walk_p25_r12_v15_c06_pose3d.json      action, subject, recording, view and camera
    results_P17T07C02_lcrnet+v3d.json     a long recording: subject, recording and camera, no label

    {"njts": 13, "frames": [[{"pose3d": [x0 ... x12, y0 ... y12, z0 ... z12], "pose2d": [...], "cumscore": ...}]]}

A frame is a list of people. pose3d is read, or pose2d, in pixels, where there is no other. The joints are LCR-Net's 13,
from the ankles up; other files of LCR-Net with such joints are read, too. Who is who does not stand in the file: people
are followed. Splits: xsub by subject, cv1 and cv2 by camera, in the 19 classes that all cameras see.
Sources: Das et al. 2019, Toyota Smarthome; YangDi666/2s-AGCN-For-Daily-Living, smarthome_gendata.py; Rogez et al. 2017,
LCR-Net, demo.py (order of the joints).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import (
    ClipFile,
    clip_files,
    clips_of,
    first_readable,
    named_apart,
    reason_of,
)
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.split_names import ABSENT
from kinegraph.data.tracking import CROWD, gathered, track
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME, TITLE = "smarthome", "Toyota Smarthome's and LCR-Net's skeletons (.json)"
SUFFIXES = (".json",)
HEAD = 1 << 12
PICTURE = (640, 480)
NAMES = (
    "right_ankle", "left_ankle", "right_knee", "left_knee", "right_hip", "left_hip", "right_wrist", "left_wrist",
    "right_elbow", "left_elbow", "right_shoulder", "left_shoulder", "head",
)  # fmt: skip
LAYOUT = JointLayout(
    name="lcrnet13",
    joints=NAMES,
    bones=((10, 12), (11, 12), (8, 10), (9, 11), (6, 8), (7, 9), (4, 10), (5, 11), (2, 4), (3, 5), (0, 2), (1, 3)),
    centre=12,
    mirror=tuple((i + 1, i) for i in range(0, 12, 2)),
    shoulders=(11, 10),
    source="LCR-Net (Rogez et al. 2017), without the bones to points between two joints",
)  # fmt: skip
CLIP = re.compile(r"([A-Za-z.]+)_p(\d+)_r(\d+)_v?(\d+)_c(\d+)(?:_.*)?")
LONG = re.compile(r"(?:results_)?P(\d\d)T(\d\d)C(\d\d)(?:_.*)?")
ACTIONS = (
    "Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Cutbread", "Drink.Frombottle",
    "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable", "Eat.Snack", "Enter", "Getup", "Laydown",
    "Leave", "Makecoffee.Pourgrains", "Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag",
    "Pour.Frombottle", "Pour.Fromcan", "Pour.Fromkettle", "Readbook", "Sitdown", "Takepills", "Uselaptop",
    "Usetelephone", "Usetablet", "Walk", "WatchTV",
)  # fmt: skip
SEEN_BY_ALL = (
    "Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable", "Eat.Snack",
    "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan", "Readbook", "Sitdown", "Takepills", "Uselaptop",
    "Usetablet", "Usetelephone", "Walk",
)  # fmt: skip
TRAIN_SUBJECTS = (3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25)
TRAIN_CAMERAS = {"cv1": (1,), "cv2": (1, 3, 4, 6, 7)}
VAL_CAMERA, TEST_CAMERA = 5, 2


def detect(path: Path) -> str | None:
    """A JSON file that begins with the number of joints and frames of LCR-Net, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has frames of LCR-Net", "holds files with frames of LCR-Net")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(HEAD)
    return b'"frames"' in head and (b'"njts"' in head or b'"pose3d"' in head or b'"pose2d"' in head)


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file."""
    files, classes = clip_files(path, SUFFIXES, _is_one)
    files = named_apart([replace(file, name=file.path.stem) for file in files], path)
    named = any(CLIP.fullmatch(file.path.stem) for file in files)
    flat = first_readable(files, lambda file: _has(read_json(file), "pose3d")) is False
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, flat, named)),
        count=len(files),
        layout=LAYOUT,
        class_names=ACTIONS if named else classes,
        units="px" if flat else "m",
        source="Toyota Smarthome (Das et al. 2019)" if named else f"LCR-Net, {path.resolve().name}",
        guessed=frozenset() if flat else frozenset(("units", "up")),
    )


def _has(content: Any, key: str) -> bool:
    """Whether somebody in the frames has such coordinates."""
    return any(isinstance(person, Mapping) and key in person for frame in _frames(content) for person in frame)


def _frames(content: Any) -> list[list]:
    frames = content.get("frames") if isinstance(content, Mapping) else None
    if not isinstance(frames, list) or not all(isinstance(frame, list) for frame in frames):
        raise FormatError("shape", "has no 'frames', a list of people each")
    return frames


def _clip(file: ClipFile, flat: bool, named: bool) -> Item:
    key, channels = ("pose2d", 2) if flat else ("pose3d", 3)
    frames = [_people(frame, key, channels) for frame in _frames(read_json(file.path))]
    if not any(frame.any() for frame in frames):
        return nobody(file.name)
    label, attributes, splits = said_by_name(file.path.stem)
    return SkeletonClip(
        keypoint=gathered(frames, track(frames, [np.ones(len(frame), np.float32) for frame in frames], CROWD)),
        layout=LAYOUT,
        name=file.name,
        label=label if named else file.label,
        image_size=PICTURE if flat and named else None,
        attributes=attributes,
        splits=splits or file.splits,
    )


def _people(frame: list, key: str, channels: int) -> Float[np.ndarray, "P 13 C"]:
    """The people of a frame, whose numbers stand coordinate by coordinate."""
    found = []
    for person in frame:
        numbers = person.get(key) if isinstance(person, Mapping) else None
        try:
            values = np.array(numbers, np.float32)
        except (ValueError, TypeError, OverflowError):
            values = np.zeros(0)
        if values.shape != (channels * len(NAMES),) or not np.isfinite(values).all():
            raise FormatError("joints", f"has a {key} that is not {channels} x {len(NAMES)} numbers")
        found.append(values.reshape(channels, len(NAMES)).T)
    return np.array(found, np.float32).reshape(-1, len(NAMES), channels)


def said_by_name(name: str) -> tuple[int | None, dict[str, int | str], dict[str, str]]:
    """Label, attributes and splits in the name of a file; nothing where it has another form."""
    if (match := LONG.fullmatch(name)) is not None:
        return None, dict(zip(("subject", "recording", "camera"), map(int, match.groups()), strict=True)), {}
    match = CLIP.fullmatch(name)
    if match is None or match[1] not in ACTIONS:
        return None, {}, {}
    subject, recording, view, camera = map(int, match.group(2, 3, 4, 5))
    splits = {"xsub": "train" if subject in TRAIN_SUBJECTS else "val"}
    for split, cameras in TRAIN_CAMERAS.items():
        part = "train" if camera in cameras else {VAL_CAMERA: "val", TEST_CAMERA: "test"}.get(camera, ABSENT)
        splits[split] = part if match[1] in SEEN_BY_ALL else ABSENT
    attributes = {"subject": subject, "camera": camera, "view": view, "recording": recording}
    return ACTIONS.index(match[1]), attributes, splits
