"""UAV-Human's skeletons, text files with the lines of NTU RGB+D's, as published.

    P000S00G10B10H10UC022000LC021000A000R0_08241716.txt    the subject, ..., the action and the replication

    2                                  frames; for each the number of bodies, and for each of these
    1
    000 0 0 0 0 0 0 0 0 0              a line that says nothing here
    17                                 joints of COCO; x and y, in pixels, are the first two numbers of a line
    911.3 207.1 ...

Who is who does not stand in the file: people are followed. Splits csv1 and csv2 are the cross-subject ones of its
authors, whose files do not name the 155 actions.
Sources: Li et al. 2021, UAV-Human; SUTDCV/UAV-Human; happylinze/UAV-Human, toolkit for TE-GCN.
"""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, name_parts, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import rows_of_numbers
from kinegraph.data.tracking import CROWD, gathered, track
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "uav-human", "UAV-Human's skeletons (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, JOINTS = "coco17", 17
EXAMPLE = "P001S00G10B10H10UC022000LC021000A000R0_08241716.txt"
ACTIONS = 155
FILE_NAME = re.compile(r"P(\d{3})S\d{2}G\d{2}B\d{2}H\d{2}UC\d{6}LC\d{6}A(\d{3})R(\d)_\d+", re.IGNORECASE)
TRAIN = {  # subjects of the part train
    "csv1": (
        0, 2, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35, 36,
        37, 38, 39, 40, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 55, 56, 57, 59, 61, 62, 63, 64, 65, 67, 68, 69,
        70, 71, 73, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 98, 100, 102, 103, 105, 106, 110, 111,
        112, 114, 115, 116, 117, 118,
    ),
    "csv2": (
        0, 3, 4, 5, 6, 8, 10, 11, 12, 14, 16, 18, 19, 20, 21, 22, 24, 26, 29, 30, 31, 32, 35, 36, 37, 38, 39, 40, 43,
        44, 45, 46, 47, 49, 52, 54, 56, 57, 59, 60, 61, 62, 63, 64, 66, 67, 69, 70, 71, 72, 73, 74, 75, 77, 78, 79, 80,
        81, 83, 84, 86, 87, 88, 89, 91, 92, 93, 94, 95, 96, 97, 99, 100, 101, 102, 103, 104, 106, 107, 108, 109, 110,
        111, 112, 113, 114, 115, 117, 118,
    ),
}  # fmt: skip


def detect(path: Path) -> str | None:
    """A text file of such a name, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name of UAV-Human", "holds skeletons of UAV-Human")


def _is_one(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.stem)
    return match is not None and int(match[2]) < ACTIONS


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; pixels, y downward."""
    files = files_named(path, SUFFIXES, _is_one, lambda file: file.stem)
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=tuple(f"action {number:03d}" for number in range(ACTIONS)),
        units="px",
        source="UAV-Human (Li et al. 2021)",
    )


def _clip(file: ClipFile) -> Item:
    subject, action, replication = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).groups())
    frames = read_frames(file.path)
    return SkeletonClip(
        keypoint=gathered(frames, track(frames, [np.ones(len(frame), np.float32) for frame in frames], CROWD)),
        layout=load_layout(LAYOUT),
        name=file.name,
        label=action,
        attributes={"subject": subject, "replication": replication},
        splits={split: "train" if subject in train else "val" for split, train in TRAIN.items()},
    )


def read_frames(file: Path) -> list[Float[np.ndarray, "_ 17 2"]]:
    """x and y of the joints of the bodies in each frame. Raises ValueError with file, line and cause."""
    rows = rows_of_numbers(text_of(file), file)
    frames = []
    for number in range(_count(file, rows, "frames")):
        what = f"bodies in frame {number + 1}"
        frames.append(np.array([_body(file, rows) for _ in range(_count(file, rows, what))], np.float32))
    frames = [frame.reshape(-1, JOINTS, 2) for frame in frames]
    if extra := next(rows, None):
        raise ValueError(f"{file} line {extra[0]}: the file goes on after the last of its {len(frames)} frames")
    if not frames:
        raise ValueError(f"{file} has no frames")
    return frames


def _count(file: Path, rows, what: str) -> int:
    line, values = _next(file, rows, f"the number of {what}")
    if len(values) != 1 or not values[0].is_integer() or not 0 <= values[0] < 1e6:
        raise ValueError(f"{file} line {line} is no number of {what}")
    return int(values[0])


def _body(file: Path, rows) -> list[Sequence[float]]:
    _next(file, rows, "a body")
    if (joints := _count(file, rows, "joints")) != JOINTS:
        raise ValueError(f"{file} has a body of {joints} joints, expected {JOINTS}")
    found = list(islice(rows, JOINTS))
    if len(found) < JOINTS or any(len(values) < 2 for _, values in found):
        raise ValueError(f"{file} has a body without x and y of {JOINTS} joints; is it cut?")
    return [values[:2] for _, values in found]


def _next(file: Path, rows, what: str) -> tuple[int, list[float]]:
    if (row := next(rows, None)) is None:
        raise ValueError(f"{file} ends where {what} is expected; is it cut?")
    return row
