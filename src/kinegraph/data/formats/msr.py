"""MSR-Action3D's skeletons, one text file per clip, as published.

    a18_s01_e01_skeleton3D.txt    20 rows a frame, x y z confidence: metres, y upward
    a18_s01_e01_skeleton.txt      the same of the depth picture: x y in its pixels, depth, confidence

The joints are those of Kinect v1 in an order of their own, layout msr20. The name says action, subject and episode. Of
a clip that is there in both kinds, the one in metres is read; of a picture, x and y are kept. Split xsub trains on
subjects 1, 3, 5, 7 and 9, as is usual.
Source: Li, Zhang, Liu 2010, Action recognition based on a bag of 3D points.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import (
    ClipFile,
    clip_files,
    clips_of,
    name_parts,
    named_apart,
    reason_of,
    text_of,
)
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import rows_of_numbers
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "msr", "MSR-Action3D's skeletons (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, JOINTS = "msr20", 20
FPS = 15.0
PICTURE = (320, 240)
FILE_NAME = re.compile(r"(a(\d\d)_s(\d\d)_e(\d\d))(?:_skeleton(?:_proj|(3D))?)?\.txt", re.IGNORECASE)
EXAMPLE = "a18_s01_e01_skeleton3D.txt"
ACTIONS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw", "draw x",
    "draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend", "forward kick", "side kick",
    "jogging", "tennis swing", "tennis serve", "golf swing", "pick up and throw",
)  # fmt: skip
IN_METRES = 20.0  # coordinates in metres are smaller, those of a picture larger


def detect(path: Path) -> str | None:
    """A text file of such a name whose first row has four numbers, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name of MSR-Action3D", "holds text files of MSR-Action3D")


def _is_one(file: Path) -> bool:
    if not _is_named(file):
        return False
    with file.open("rb") as content:
        lines = content.read(1000).decode("ascii", errors="replace").lstrip("\ufffd \t\r\n").splitlines()
    return len((lines or [""])[0].split()) == 4


def _is_named(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.name)
    return match is not None and 1 <= int(match[2]) <= len(ACTIONS)


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file."""
    files = [
        ClipFile(file.path, name_parts(file.path, FILE_NAME, EXAMPLE)[1].lower())
        for file in clip_files(path, SUFFIXES, _is_named)[0]
    ]
    in_metres = {file.name for file in files if _says_metres(file)}
    read_too = [file for file in files if _says_metres(file) or file.name not in in_metres]
    read_too = named_apart(read_too, path)
    other = [file.path.name for file in files if not _says_metres(file) and file.name in in_metres]
    flat = _is_picture(read_too)
    lines = [f"{counted(len(other), 'file')} of the picture, clips that are there in metres: {first_few(other)}"]
    return Recordings(
        clips=clips_of(read_too, lambda file: _clip(file, flat)),
        count=len(read_too),
        layout=load_layout(LAYOUT),
        class_names=ACTIONS,
        units="px" if flat else "m",
        source="MSR-Action3D (Li et al. 2010)",
        skipped=lambda: lines if other else [],
        assumed=("x and y are pixels of the depth picture, of 320x240; the depth is left out",) if flat else (),
    )


def _says_metres(file: ClipFile) -> bool:
    return name_parts(file.path, FILE_NAME, EXAMPLE)[5] is not None


def _is_picture(files: Sequence[ClipFile]) -> bool:
    """Whether the first file that can be read holds pixels."""
    for file in files:
        try:
            return bool(np.abs(read_rows(file.path)[..., :2]).max() > IN_METRES)
        except (ValueError, OSError):
            continue
    return False


def _clip(file: ClipFile, flat: bool) -> Item:
    rows = read_rows(file.path)
    if flat != (np.abs(rows[..., :2]).max() > IN_METRES):
        kinds = ("metres", "pixels")
        raise ValueError(f"{file.path} is in {kinds[not flat]}, the first file is in {kinds[flat]}: read them apart")
    action, subject, episode = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).group(2, 3, 4))
    return SkeletonClip(
        keypoint=rows[None, ..., : 2 if flat else 3],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=action - 1,
        score=np.clip(rows[None, ..., 3], 0, 1),
        fps=FPS,
        image_size=PICTURE if flat else None,
        attributes={"subject": subject, "episode": episode},
        splits={"xsub": "train" if subject % 2 else "val"},
    )


def read_rows(file: Path) -> Float[np.ndarray, "T 20 4"]:
    """x, y, z and confidence of every joint and frame. Raises ValueError with file and line."""
    rows = []
    for line, values in rows_of_numbers(text_of(file), file):
        if len(values) != 4:
            raise ValueError(f"{file} line {line} has {len(values)} numbers, expected x, y, z and confidence")
        rows.append(values)
    if not rows or len(rows) % JOINTS:
        raise ValueError(f"{file} has {len(rows):,} rows, expected {JOINTS} for each frame; is it cut?")
    return np.array(rows, np.float32).reshape(-1, JOINTS, 4)
