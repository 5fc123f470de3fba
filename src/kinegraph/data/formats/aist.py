"""AIST++: joints of dancers, one pickle per sequence, as published in the folders keypoints3d and keypoints2d.

    gBR_sBM_cAll_d04_mBR0_ch01.pkl    genre, situation, cameras, dancer, music, choreography
      keypoints3d, keypoints3d_optim  (T, 17, 3) in cm: the optimised ones are read
      keypoints2d                     (9, T, 17, 3) x, y, score in pictures of 1920 x 1080: a clip for each camera

The genre is the label. Joints are COCO's, 60 frames a second.
Source: google.github.io/aistplusplus_dataset; google/aistplusplus_api, aist_plusplus/loader.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, first_readable, named_apart
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.safe_pickle import load_pickle
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "aist", "AIST++ (.pkl)"
SUFFIXES = (".pkl",)
LAYOUT, JOINTS, FPS, SIZE = "coco17", 17, 60.0, (1920, 1080)
FILE = re.compile(r"g(?P<genre>[A-Z]{2})_s(?P<situation>[A-Z]{2})_c(All|\d\d)_d(?P<dancer>\d+)_m(?P<music>\w+)_ch(\d+)")
GENRES = {
    "BR": "break", "PO": "pop", "LO": "lock", "MH": "middle hip-hop", "LH": "LA style hip-hop", "HO": "house",
    "WA": "waack", "KR": "krump", "JS": "street jazz", "JB": "ballet jazz",
}  # fmt: skip
IN_SPACE, IN_PICTURES = ("keypoints3d_optim", "keypoints3d"), "keypoints2d"


def detect(path: Path) -> str | None:
    """A pickle with such a name, or a folder with some."""
    if path.is_file():
        return "is named as AIST++ names its sequences" if _is_one(path) else None
    named = next(filter(_is_one, files_ending(path, SUFFIXES)), None)
    return named and f"holds {named.name} of AIST++"


def _is_one(file: Path) -> bool:
    found = FILE.fullmatch(file.stem)
    return file.suffix.lower() in SUFFIXES and file.is_file() and found is not None and found["genre"] in GENRES


def read(path: Path) -> Recordings:
    """The clips of a file or a folder. Raises ValueError where no file can be read."""
    files = [path] if path.is_file() else sorted(filter(_is_one, files_ending(path, SUFFIXES)))
    if not files or not all(map(_is_one, files)):
        raise FormatError("unreadable", f"{path} holds no pickle named as AIST++ names its sequences")
    clips = named_apart([ClipFile(file, file.stem) for file in files], path)
    deep = first_readable(clips, _arrays).shape[0] == 1
    return Recordings(
        clips=all_clips_of(clips, lambda file: _clips(file, deep)),
        count=len(files) * (1 if deep else 9),
        layout=load_layout(LAYOUT),
        class_names=tuple(GENRES.values()),
        units="cm" if deep else "px",
        source="AIST++ (Li et al. 2021)",
        guessed=frozenset(("up",) if deep else ()),
    )


def _arrays(file: Path) -> np.ndarray:
    """The array (1, T, 17, 3) in space, or (cameras, T, 17, 3) in pictures. Raises FormatError for another content."""
    content: Any = load_pickle(file)
    content = content if isinstance(content, dict) else {}
    found = next((content[key] for key in (*IN_SPACE, IN_PICTURES) if key in content), None)
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or found.shape[-2:] != (JOINTS, 3):
        raise FormatError("shape", f"{file} has no keypoints3d (T, 17, 3) and no keypoints2d (9, T, 17, 3)")
    return found if found.ndim == 4 else found[None]


def _clips(file: ClipFile, deep: bool) -> Iterator[Item]:
    arrays, about = np.nan_to_num(_arrays(file.path)).astype(np.float32), FILE.fullmatch(file.name)
    if about is None or arrays.ndim != 4 or (len(arrays) == 1) != deep:
        raise FormatError("shape", f"{file.path} is not like the first file: read it apart")
    attributes = {"subject": int(about["dancer"]), "music": about["music"], "situation": about["situation"]}
    for camera, array in enumerate(arrays, 1):
        name = file.name if deep else f"{file.name}-c{camera:02}"
        seen = array.any(2) if deep else array[..., 2] > 0
        place = array if deep else array[..., :2]
        yield SkeletonClip(
            keypoint=np.where(seen[..., None], place, 0)[None],
            layout=load_layout(LAYOUT),
            name=name,
            label=[*GENRES].index(about["genre"]),
            score=None if deep else np.clip(array[..., 2] * seen, 0, 1)[None],
            fps=FPS,
            image_size=None if deep else SIZE,
            attributes=attributes if deep else attributes | {"camera": camera},
        )
