"""KARD's skeletons (Kinect Activity Recognition Dataset), one text file per clip, as published.

    a04_s03_e02_realworld.txt    15 rows a frame, x y z in millimetres, y upward
    a04_s03_e02_screen.txt       the same as u, v and depth of the picture: of a clip that is there in both, left out

The joints are OpenNI's from the head down, right before left. The name says activity, subject and repetition.
Source: Gaglio, Lo Re, Morana 2015, Human activity recognition process using 3-D posture data; KARD's readme.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, name_parts, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "kard", "KARD's skeletons (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT = "openni15"
ORDER = (
    "head", "neck", "right_shoulder", "right_elbow", "right_hand", "left_shoulder", "left_elbow", "left_hand", "torso",
    "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot",
)  # fmt: skip
FPS = 30.0
METRES = 0.001
FILE_NAME = re.compile(r"(a(\d\d)_s(\d\d)_e(\d\d))_realworld", re.IGNORECASE)
EXAMPLE = "a04_s03_e02_realworld.txt"
ACTIVITIES = (
    "horizontal arm wave", "high arm wave", "two hand wave", "catch cap", "high throw", "draw x", "draw tick",
    "toss paper", "forward kick", "side kick", "take umbrella", "bend", "hand clap", "walk", "phone call", "drink",
    "sit down", "stand up",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A text file of such a name whose first row has three numbers, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name and rows of KARD", "holds skeletons of KARD")


def _is_one(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.stem)
    named = match is not None and 1 <= int(match[2]) <= len(ACTIVITIES)
    return named and len(first_numbers(file)) == 3


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file."""
    files = files_named(path, SUFFIXES, _is_one, lambda file: file.stem[:11].lower())
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=ACTIVITIES,
        units="m",
        source="KARD (Gaglio et al. 2015)",
    )


def _clip(file: ClipFile) -> Item:
    activity, subject, repetition = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).group(2, 3, 4))
    return SkeletonClip(
        keypoint=read_joints(file.path)[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=activity - 1,
        fps=FPS,
        attributes={"subject": subject, "repetition": repetition},
    )


def read_joints(file: Path) -> Float[np.ndarray, "T 15 3"]:
    """The joints in the order of the layout, in metres. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, 3, "x, y and z")
    if len(rows) % len(ORDER):
        raise ValueError(f"{file} has {len(rows):,} rows, expected {len(ORDER)} for each frame; is it cut?")
    places = [ORDER.index(joint) for joint in load_layout(LAYOUT).joints]
    return (rows.reshape(-1, len(ORDER), 3)[:, places] * METRES).astype(np.float32)
