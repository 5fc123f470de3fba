"""MSRC-12 Kinect Gesture: recordings of one gesture many times, and the moments at which it is done, as published.

    P1_1_10_p06.csv          one row per frame: time in microseconds, then x, y, z, state of the 20 joints of Kinect v1
    P1_1_10_p06.tagstream    XQPCTick;Tag, then a line for each action point of a gesture

The name says instruction, modality, gesture and subject. Tags count 49.875 ticks a microsecond. Each action point gives
a clip: the frames since the one before, 3 s at most. Without tags a recording is one clip. Frames of zeros, in which
nobody is tracked, are left out; a joint with state 0 is unseen.
Source: Fothergill et al. 2012, Instructing people for training gestural interactive systems.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, files_named, name_parts, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import LARGEST_NUMBER, first_numbers, table_of_numbers
from kinegraph.messages import first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "msrc12", "MSRC-12's gestures (.csv with .tagstream)"
SUFFIXES = (".csv",)
LAYOUT, JOINTS = "kinect20", 20
WIDTH = 1 + 4 * JOINTS
FPS = 30.0
LONGEST = 3_000_000  # microseconds before an action point
LATEST = 1e17  # microseconds, of times that count from long ago
TICKS = 49875 / 1000  # a microsecond
FILE_NAME = re.compile(r"P(\d)_(\d)_(\d{1,2})A?_p(\d\d)", re.IGNORECASE)
EXAMPLE = "P1_1_10_p06.csv"
GESTURES = (
    "lift outstretched arms", "duck", "push right", "goggles", "wind it up", "shoot", "bow", "throw", "had enough",
    "change weapon", "beat both", "kick",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A file named as P1_1_10_p06.csv whose first row has 81 numbers between blanks, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name and rows of MSRC-12", "holds recordings of MSRC-12")


def _is_one(file: Path) -> bool:
    return _is_named(file) and len(first_numbers(file)) == WIDTH


def _is_named(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.stem)
    return match is not None and 1 <= int(match[3]) <= len(GESTURES)


def read(path: Path) -> Recordings:
    """The gestures of all recordings in a folder, or of one file, in the order of their names; in metres, y upward."""
    files = files_named(path, SUFFIXES, _is_named, lambda file: file.stem)
    without_labels = [file.path.name for file in files if not _tags_file(file.path).is_file()]
    tags = [len(text_of(file).splitlines()) for clip_file in files if (file := _tags_file(clip_file.path)).is_file()]
    line = f"{first_few(without_labels)}: each is one clip, as there is no .tagstream beside it"
    return Recordings(
        clips=all_clips_of(files, _clips),
        count=sum(tags) + len(without_labels),
        layout=load_layout(LAYOUT),
        class_names=GESTURES,
        units="m",
        source="MSRC-12 (Fothergill et al. 2012)",
        assumed=(line,) if without_labels else (),
    )


def _tags_file(file: Path) -> Path:
    return file.with_suffix(".tagstream")


def _clips(file: ClipFile) -> Iterator[Item]:
    times, joints, score = read_rows(file.path)
    tags = _tags_file(file.path)
    if not tags.is_file():
        yield _clip(file, file.name, joints, score)
        return
    before = -np.inf
    for number, moment in enumerate(read_tags(tags), 1):
        inside = (times > max(before, moment - LONGEST)) & (times <= moment)
        yield _clip(file, f"{file.name}_{number:03d}", joints[inside], score[inside])
        before = moment


def _clip(file: ClipFile, name: str, joints: Float[np.ndarray, "T 20 3"], score: Float[np.ndarray, "T 20"]) -> Item:
    instruction, modality, gesture, subject = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).groups())
    return SkeletonClip(
        keypoint=joints[None],
        layout=load_layout(LAYOUT),
        name=name,
        label=gesture - 1,
        score=score[None],
        fps=FPS,
        attributes={"subject": subject, "instruction": instruction, "modality": modality},
    )


def read_tags(file: Path) -> list[float]:
    """The action points in microseconds. Raises ValueError with file and line."""
    moments: list[float] = []
    for number, line in enumerate(text_of(file).splitlines(), 1):
        tick = line.partition(";")[0].strip()
        if not line.strip() or (number == 1 and not tick.isdecimal()):
            continue
        if not tick.isdecimal() or len(tick) > 30:
            raise ValueError(f"{file} line {number} holds {quoted(line)}, expected a tick and a tag such as G10")
        moments.append(int(tick) / TICKS)
    return sorted(moments)


def read_rows(file: Path) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, "T 20 3"], Float[np.ndarray, "T 20"]]:
    """Times, joints and scores of the frames in which somebody is tracked. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, WIDTH, f"a time and {JOINTS} x (x, y, z, state)", largest=LATEST)
    rows = rows[rows[:, 1:].any(1)]
    joints = rows[:, 1:].reshape(-1, JOINTS, 4).astype(np.float32)
    if (np.abs(joints) > LARGEST_NUMBER).any():
        raise ValueError(f"{file} holds a number that is not finite")
    tracked = joints[..., 3] > 0
    return rows[:, 0], np.where(tracked[..., None], joints[..., :3], 0), np.clip(joints[..., 3], 0, 1)
