"""SHREC'17 Track and DHG-14/28: hand gestures of Intel RealSense, one text file per clip, as published.

    gesture_1/finger_2/subject_3/essai_4/skeletons_world.txt    SHREC'17; skeleton_world.txt of DHG: one row per frame,
                                                                x, y, z of the 22 joints of a hand, in metres
    train_gestures.txt, test_gestures.txt                       SHREC'17: gesture, finger, subject, essai, number of the
                                                                14 and of the 28 classes, frames; of a part
    informations_troncage_sequences.txt                         DHG: the same four numbers, first and last frame

Classes are the 14 gestures, with --classes 28 each done with one finger or with the hand. SHREC'17's lists are the
split `split`; of DHG the frames of the gesture are read. Both sets, each with its lists, may lie in one folder. Files
of the picture, skeletons_image.txt, are left out.
Sources: De Smedt et al. 2017, SHREC'17 Track: 3D Hand Gesture Recognition; De Smedt et al. 2016, Skeleton-based DHG.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.text import first_numbers, rows_of_numbers, table_of_numbers
from kinegraph.messages import counted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "shrec", "hand gestures of SHREC'17 and DHG (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, JOINTS = "hand22", 22
FPS = 30.0
FILES = ("skeletons_world.txt", "skeleton_world.txt")
PLACE = re.compile(r"gesture_(\d+)/finger_(\d+)/subject_(\d+)/essai_(\d+)$", re.IGNORECASE)
PARTS = {"train_gestures.txt": "train", "test_gestures.txt": "test"}
FRAMES = "informations_troncage_sequences.txt"
GESTURES = (
    "grab", "tap", "expand", "pinch", "rotation clockwise", "rotation counter-clockwise", "swipe right", "swipe left",
    "swipe up", "swipe down", "swipe x", "swipe +", "swipe v", "shake",
)  # fmt: skip
FINGERS = ("one finger", "hand")
SHREC, DHG = "SHREC'17 Track (De Smedt et al. 2017)", "DHG-14/28 (De Smedt et al. 2016)"
Key = tuple[int, int, int, int]  # gesture, finger, subject, essai


@dataclass(frozen=True)
class Listed:
    """What the lists of its set say of a clip. labels: of 14 and of 28, from 1. frames: the first and last one."""

    part: str = ""
    labels: tuple[int, int] | None = None
    frames: tuple[int, int] | None = None


def detect(path: Path) -> str | None:
    """A text file skeletons_world.txt whose first row has 66 numbers, or a folder with some."""
    return reason_of(path, FILES, _is_one, "has a name and rows of SHREC'17 or DHG", "holds hands of SHREC'17 or DHG")


def _is_one(file: Path) -> bool:
    return file.name.lower() in FILES and len(first_numbers(file)) == 3 * JOINTS


def read(path: Path, *, classes: Literal[14, 28] = 14) -> Recordings:
    """The clips of a folder, in the order of their folders, or of one file; in metres, as recorded.

    classes: 14, the gestures, or 28, each with one finger and with the hand.
    """
    if classes not in (14, 28):
        raise ValueError(f"--classes {classes} is not for {NAME}, which has 14 or 28")
    files = files_named(path, FILES, Path.is_file, _name)
    files.sort(key=lambda file: _key(file.name) or (0, 0, 0, 0))
    lists = _lists(files)
    shrec = [file.path in lists and bool(lists[file.path].part) for file in files]
    names = GESTURES if classes == 14 else tuple(f"{gesture}, {finger}" for gesture in GESTURES for finger in FINGERS)
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, classes, lists.get(file.path, Listed()))),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=names,
        units="m",
        source="; ".join(([SHREC] if any(shrec) else []) + ([DHG] if not all(shrec) else [])),
    )


def _name(file: Path) -> str:
    place = PLACE.search(file.absolute().parent.as_posix())
    return place[0].lower() if place else file.absolute().parent.name


def _key(name: str) -> Key | None:
    if (place := PLACE.search(name)) is None:
        return None
    gesture, finger, subject, essai = map(int, place.groups())
    return gesture, finger, subject, essai


def _lists(files: Sequence[ClipFile]) -> dict[Path, Listed]:
    """What the lists at the top of its data set say of each file."""
    of_set: dict[Path, dict[Key, Listed]] = {}
    found: dict[Path, Listed] = {}
    for file in files:
        key, parents = _key(file.name), file.path.absolute().parents
        if key is None or len(parents) <= 4:
            continue
        if parents[4] not in of_set:
            of_set[parents[4]] = _listed(parents[4])
        if key in of_set[parents[4]]:
            found[file.path] = of_set[parents[4]][key]
    return found


def _listed(top: Path) -> dict[Key, Listed]:
    """The clips in the lists of a data set."""
    found = {key: Listed(frames=(rest[0], rest[1])) for key, rest in _rows(top / FRAMES) if len(rest) > 1}
    for name, part in PARTS.items():
        for key, rest in _rows(top / name):
            labels = (rest[0], rest[1]) if len(rest) > 1 else None
            found[key] = replace(found.get(key, Listed()), part=part, labels=labels)
    return found


def _rows(file: Path) -> list[tuple[Key, list[int]]]:
    """The clips that a list names, each with the numbers behind; [] where there is no such list."""
    if not file.is_file():
        return []
    rows: list[tuple[Key, list[int]]] = []
    for line, values in rows_of_numbers(text_of(file), file):
        if len(values) < 4 or not all(value.is_integer() for value in values):
            raise ValueError(f"{file} line {line} names no clip by gesture, finger, subject and essai")
        gesture, finger, subject, essai, *rest = map(int, values)
        rows.append(((gesture, finger, subject, essai), rest))
    return rows


def _clip(file: ClipFile, classes: int, listed: Listed) -> Item:
    hand = read_rows(file.path)
    key = _key(file.name)
    if key is not None and not (1 <= key[0] <= len(GESTURES) and key[1] in (1, 2)):
        raise FormatError("label", f"{file.path} is of gesture {key[0]}, finger {key[1]}, expected 1 to 14 and 1 or 2")
    if listed.frames is not None:
        first, last = listed.frames
        if not 0 <= first <= last or first >= len(hand):
            said = f"its gesture is said to be {first} to {last}"
            raise FormatError("segment", f"{file.path} has {counted(len(hand), 'frame')}, {said}")
        hand = hand[first : last + 1]
    gesture, finger, subject, essai = key or (0, 1, 0, 0)
    labels = listed.labels or (gesture, 2 * (gesture - 1) + finger)
    label = labels[classes == 28]
    if key is not None and not 1 <= label <= classes:
        raise FormatError("label", f"{file.path} is listed with class {label}, expected 1 to {classes}")
    return SkeletonClip(
        keypoint=hand[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=label - 1 if key else None,
        fps=FPS,
        attributes={"subject": subject, "finger": finger, "replication": essai} if key else {},
        splits={"split": listed.part} if listed.part else {},
    )


def read_rows(file: Path) -> Float[np.ndarray, "T 22 3"]:
    """The joints of a hand in every frame. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, 3 * JOINTS, f"{JOINTS} x (x, y, z)")
    return rows.reshape(-1, JOINTS, 3).astype(np.float32)
