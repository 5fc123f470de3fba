"""UTD-MHAD's skeletons, a .mat file of MATLAB a clip, as published.

    a1_s1_t1_skeleton.mat    d_skel (20, 3, T): the joints of Kinect v1 from the head down, x y z in metres, y upward

The name says action, subject and trial. Split xsub trains on subjects 1, 3, 5 and 7, as is usual.
Source: Chen, Jafari, Kehtarnavaz 2015, UTD-MHAD: a multimodal dataset for human action recognition.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, name_parts, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.matlab import SUFFIX, load_mat
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "utd-mhad", "UTD-MHAD's skeletons (.mat)"
SUFFIXES = (SUFFIX,)
LAYOUT, ARRAY = "kinect20", "d_skel"
FPS = 30.0
FILE_NAME = re.compile(r"(a(\d{1,2})_s(\d)_t(\d))_skeleton", re.IGNORECASE)
FROM_THE_HEAD = ("head", "shoulder_center", "spine", "hip_center")  # Kinect's order is from the hip; the rest is its
EXAMPLE = "a1_s1_t1_skeleton.mat"
ACTIONS = (
    "swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot", "draw x",
    "draw circle clockwise", "draw circle counter clockwise", "draw triangle", "bowling", "boxing", "baseball swing",
    "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pick up and throw", "jog", "walk",
    "sit to stand", "stand to sit", "lunge", "squat",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A .mat file of such a name, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name of UTD-MHAD", "holds skeletons of UTD-MHAD")


def _is_one(file: Path) -> bool:
    match = FILE_NAME.fullmatch(file.stem)
    return match is not None and 1 <= int(match[2]) <= len(ACTIONS)


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file."""
    files = files_named(path, SUFFIXES, _is_one, lambda file: name_parts(file, FILE_NAME, EXAMPLE)[1].lower())
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=ACTIONS,
        units="m",
        source="UTD-MHAD (Chen et al. 2015)",
    )


def _clip(file: ClipFile) -> Item:
    action, subject, trial = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).group(2, 3, 4))
    return SkeletonClip(
        keypoint=read_joints(file.path)[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=action - 1,
        fps=FPS,
        attributes={"subject": subject, "trial": trial},
        splits={"xsub": "train" if subject % 2 else "val"},
    )


def read_joints(file: Path) -> Float[np.ndarray, "T 20 3"]:
    """The joints in the order of the layout. Raises ValueError naming a file without such an array."""
    array = load_mat(file).values.get(ARRAY)
    names = load_layout(LAYOUT).joints
    if not isinstance(array, np.ndarray) or array.shape[:2] != (len(names), 3) or array.ndim > 3:
        found = array.shape if isinstance(array, np.ndarray) else "nothing"
        raise ValueError(f"{file}: {ARRAY} is {found}, expected ({len(names)}, 3, frames)")
    order = [FROM_THE_HEAD.index(name) if name in FROM_THE_HEAD else place for place, name in enumerate(names)]
    frames = array.reshape(*array.shape[:2], -1)[order].transpose(2, 0, 1)
    if not np.isfinite(frames).all():
        raise ValueError(f"{file} holds a number that is not finite")
    return np.ascontiguousarray(frames, np.float32)
