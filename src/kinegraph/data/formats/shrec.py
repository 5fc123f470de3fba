"""SHREC'17 Track and DHG-14/28: hand gestures of Intel RealSense, a text file a clip, as published.

    gesture_1/finger_2/subject_3/essai_4/skeletons_world.txt    SHREC'17; skeleton_world.txt of DHG: a row a frame,
                                                                x, y, z of the 22 joints of a hand, in metres
    train_gestures.txt, test_gestures.txt                       SHREC'17: gesture, finger, subject, essai, ... of a part
    informations_troncage_sequences.txt                         DHG: the same four numbers, first and last frame

Classes are the 14 gestures, with --classes 28 each done with one finger or with the hand. SHREC'17's lists are the
split `split`; of DHG the frames of the gesture are read. Files of the picture, skeletons_image.txt, are left out.
Sources: De Smedt et al. 2017, SHREC'17 Track: 3D Hand Gesture Recognition; De Smedt et al. 2016, Skeleton-based DHG.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.clip_files import ClipFile, clip_files, clips_of, named_apart, some_below, text_of
from kinegraph.data.formats.recordings import FormatError, Item, Recordings, nobody
from kinegraph.data.formats.text import first_numbers, rows_of_numbers, table_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "shrec", "hand gestures of SHREC'17 and DHG (.txt)"
SUFFIXES = (".txt",)
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
Key = tuple[int, int, int, int]  # gesture, finger, subject, essai


def detect(path: Path) -> str | None:
    """A text file skeletons_world.txt whose first row has 66 numbers, or a folder with some."""
    if path.is_file():
        return "has a name and rows of SHREC'17 or DHG" if _is_one(path) else None
    return "holds hands of SHREC'17 or DHG" if some_below(path, FILES, _is_one) else None


def _is_one(file: Path) -> bool:
    return file.name.lower() in FILES and file.is_file() and len(first_numbers(file)) == 3 * JOINTS


def read(path: Path, *, classes: Literal[14, 28] = 14) -> Recordings:
    """The clips of a folder, in the order of their folders, or of one file; in metres, as recorded.

    classes: 14, the gestures, or 28, each with one finger and with the hand.
    """
    if classes not in (14, 28):
        raise ValueError(f"--classes {classes} is not for {NAME}, which has 14 or 28")
    files = [ClipFile(file.path, _name(file.path)) for file in clip_files(path, FILES)[0]]
    files = named_apart(files, path)
    files.sort(key=lambda file: _key(file.name) or (0, 0, 0, 0))
    parts, frames = _lists(files)
    names = GESTURES if classes == 14 else tuple(f"{gesture}, {finger}" for gesture in GESTURES for finger in FINGERS)
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, classes, parts, frames)),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=names,
        units="m",
        source="SHREC'17 Track (De Smedt et al. 2017)" if parts else "DHG-14/28 (De Smedt et al. 2016)",
    )


def _name(file: Path) -> str:
    place = PLACE.search(file.absolute().parent.as_posix())
    return place[0].lower() if place else file.absolute().parent.name


def _key(name: str) -> Key | None:
    if (place := PLACE.search(name)) is None:
        return None
    gesture, finger, subject, essai = map(int, place.groups())
    return gesture, finger, subject, essai


def _lists(files: list[ClipFile]) -> tuple[dict[Key, str], dict[Key, tuple[int, int]]]:
    """The parts of clips, and the frames of their gestures, from the lists at the top of the data set."""
    parts: dict[Key, str] = {}
    frames: dict[Key, tuple[int, int]] = {}
    tops = {
        file.path.absolute().parents[4] for file in files if _key(file.name) and len(file.path.absolute().parents) > 4
    }
    for top in sorted(tops):
        for name, part in PARTS.items():
            parts |= {key: part for key, _ in _rows(top / name)}
        frames |= {key: (rest[0], rest[1]) for key, rest in _rows(top / FRAMES) if len(rest) > 1}
    return parts, frames


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


def _clip(file: ClipFile, classes: int, parts: Mapping[Key, str], frames: Mapping[Key, tuple[int, int]]) -> Item:
    hand = read_rows(file.path)
    key = _key(file.name)
    if key is not None and not (1 <= key[0] <= len(GESTURES) and key[1] in (1, 2)):
        raise FormatError("label", f"{file.path} is of gesture {key[0]}, finger {key[1]}, expected 1 to 14 and 1 or 2")
    if key is not None and key in frames:
        first, last = frames[key]
        if not 0 <= first <= last or first >= len(hand):
            raise FormatError(
                "segment", f"{file.path} has {len(hand):,} frames, its gesture is said to be {first} to {last}"
            )
        hand = hand[first : last + 1]
    if not hand.any():
        return nobody(file.name)
    gesture, finger, subject, essai = key or (0, 1, 0, 0)
    return SkeletonClip(
        keypoint=hand[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=(gesture - 1 if classes == 14 else 2 * (gesture - 1) + finger - 1) if key else None,
        fps=FPS,
        attributes={"subject": subject, "finger": finger, "replication": essai} if key else {},
        splits={"split": parts[key]} if key is not None and key in parts else {},
    )


def read_rows(file: Path) -> Float[np.ndarray, "T 22 3"]:
    """The joints of a hand in every frame. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, 3 * JOINTS, f"{JOINTS} x (x, y, z)")
    return rows.reshape(-1, JOINTS, 3).astype(np.float32)
