"""MSR Daily Activity 3D's skeletons, one text file per clip, as published.

    a01_s01_e01_skeleton.txt

    183 20                      frames and joints
    40                          rows of the frame: 40 a person, 0 without anybody
    0.36 -0.25 2.09 1           of each joint x y z in metres, y upward, and its state,
    0.58 0.59 2.09 1            then its place in the picture, which is left out

The joints are Kinect v1's in the SDK's order. The name says action, subject and episode. Split xsub trains on subjects
1, 3, 5, 7 and 9, as is usual.
Source: Wang, Liu, Wu, Yuan 2012, Mining actionlet ensemble for action recognition with depth cameras.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, name_parts, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import first_numbers, rows_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "msr-daily", "MSR Daily Activity 3D's skeletons (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, JOINTS = "kinect20", 20
ROWS = 2 * JOINTS  # of a person
FPS = 30.0
FILE_NAME = re.compile(r"(a(\d\d)_s(\d\d)_e(\d\d))_skeleton", re.IGNORECASE)
EXAMPLE = "a01_s01_e01_skeleton.txt"
ACTIONS = (
    "drink", "eat", "read book", "call cellphone", "write on a paper", "use laptop", "use vacuum cleaner", "cheer up",
    "sit still", "toss paper", "play game", "lie down on sofa", "walk", "play guitar", "stand up", "sit down",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A text file of such a name whose first row has two numbers, or a folder with some."""
    return reason_of(
        path,
        SUFFIXES,
        _is_one,
        "has a name and frames of MSR Daily Activity 3D",
        "holds skeletons of MSR Daily Activity 3D",
    )


def _is_one(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.stem)
    named = match is not None and 1 <= int(match[2]) <= len(ACTIONS)
    return named and first_numbers(file)[1:] == [JOINTS]


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file."""
    files = files_named(path, SUFFIXES, _is_one, lambda file: file.stem[:11].lower())
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=ACTIONS,
        units="m",
        source="MSR Daily Activity 3D (Wang et al. 2012)",
        unordered=True,
    )


def _clip(file: ClipFile) -> Item:
    action, subject, episode = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).group(2, 3, 4))
    frames = read_frames(file.path)
    rows = np.zeros((max(map(len, frames)), len(frames), JOINTS, 4), np.float32)
    for number, frame in enumerate(frames):
        rows[: len(frame), number] = frame
    return SkeletonClip(
        keypoint=np.ascontiguousarray(rows[..., :3]),
        layout=load_layout(LAYOUT),
        name=file.name,
        label=action - 1,
        score=np.clip(rows[..., 3], 0, 1),
        fps=FPS,
        attributes={"subject": subject, "episode": episode},
        splits={"xsub": "train" if subject % 2 else "val"},
    )


def read_frames(file: Path) -> list[Float[np.ndarray, "_ 20 4"]]:
    """x, y, z and state of the joints of each frame's people. Raises ValueError with file, line and cause."""
    rows = rows_of_numbers(text_of(file), file)
    count, joints = (int(number) for number in _next(file, rows, 2))
    if joints != JOINTS or count < 1:
        raise ValueError(f"{file} says {count} frames of {joints} joints, expected frames of {JOINTS}")
    frames = []
    for number in range(count):
        (size,) = _next(file, rows, 1)
        if size < 0 or size % ROWS:
            raise ValueError(f"{file}: frame {number + 1} has {size:g} rows, expected {ROWS} a person")
        places = [_next(file, rows, 4) for _ in range(int(size))]
        frames.append(np.array(places, np.float32).reshape(-1, JOINTS, 2, 4)[:, :, 0])
    return frames


def _next(file: Path, rows: Iterator[tuple[int, list[float]]], numbers: int) -> list[float]:
    line, values = next(rows, (0, []))
    if len(values) != numbers:
        where = f"line {line} has {len(values)} numbers, expected {numbers}" if line else "ends inside a frame"
        raise ValueError(f"{file} {where}; is it cut?")
    return values
