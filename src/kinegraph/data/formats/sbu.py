"""SBU Kinect Interaction: two people, one text file per clip, as published.

    s01s02/03/001/skeleton_pos.txt    one row per frame: its number, then x, y, z of the 15 joints of each of two people

The folders are the pair of people, the interaction and the repetition. Published coordinates are normalised; in
millimetres they are 1280 - 2560 x, 960 - 1920 y and 1280 z, which are read as metres, y upward. Split fold1 to fold5
has the published fold as val. Published lists of the interactions agree in the first three only.
Source: Yun et al. 2012, Two-person interaction detection using body-pose features and multiple instance learning.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clips_of, files_named, some_below, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "sbu", "SBU Kinect Interaction (skeleton_pos.txt)"
SUFFIXES = (".txt",)
FILE_NAME = "skeleton_pos.txt"
LAYOUT, PEOPLE, JOINTS = "openni15", 2, 15
WIDTH = 1 + PEOPLE * JOINTS * 3
FPS = 15.0
INTERACTIONS = (
    "approaching", "departing", "kicking",
    "interaction 04", "interaction 05", "interaction 06", "interaction 07", "interaction 08",
)  # fmt: skip
UNNAMED = (
    "folders 04 to 08 are named 'interaction 04' and so on: published lists of pushing, punching, hugging, "
    'shaking hands and exchanging differ in their order (--merge "hugging=interaction 06" gives a name)'
)
PAIRS = (
    "s01s02", "s01s03", "s01s07", "s02s01", "s02s03", "s02s06", "s02s07", "s03s02", "s03s04", "s03s05", "s03s06",
    "s04s02", "s04s03", "s04s06", "s05s02", "s05s03", "s06s02", "s06s03", "s06s04", "s07s01", "s07s03",
)  # fmt: skip
FOLDS = ((1, 9, 15, 19), (5, 7, 10, 16), (2, 3, 20, 21), (4, 6, 8, 11), (12, 13, 14, 17, 18))  # of PAIRS, from 1


def detect(path: Path) -> str | None:
    """A text file whose first row is a frame and 2 x 15 joints, or a folder with files skeleton_pos.txt."""
    if path.is_file():
        return "has rows of a frame and 2 x 15 x (x, y, z)" if _is_one(path) else None
    return "holds files skeleton_pos.txt of two people" if some_below(path, (FILE_NAME,), _is_one) else None


def _is_one(file: Path) -> bool:
    values = first_numbers(file, ",") if file.suffix.lower() in SUFFIXES and file.is_file() else []
    return len(values) == WIDTH and values[0].is_integer()


def read(path: Path) -> Recordings:
    """The clips of a folder, in the order of their names, or of one file; in metres, y upward."""
    ending = (FILE_NAME,) if path.is_dir() else SUFFIXES
    files = files_named(path, ending, Path.is_file, lambda file: _name(file, path))
    return Recordings(
        clips=clips_of(files, _clip),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=INTERACTIONS,
        units="m",
        source="SBU Kinect Interaction (Yun et al. 2012)",
        assumed=(UNNAMED,),
    )


def _name(file: Path, top: Path) -> str:
    """The folders of a clip, such as s01s02/03/001, also where they lie above the folder that is read."""
    folders = file.absolute().parent.parts
    pair = next((i for i in reversed(range(len(folders))) if folders[i].lower() in PAIRS), None)
    if pair is not None:
        return "/".join(folders[pair:])
    below = file.parent.relative_to(top).parts if top.is_dir() else ()
    return "/".join(below) or file.stem


def _clip(file: ClipFile) -> Item:
    people = read_rows(file.path)
    pair, interaction, repetition = _facts(file.name)
    folds = {f"fold{i}": "val" if PAIRS.index(pair) + 1 in fold else "train" for i, fold in enumerate(FOLDS, 1) if pair}
    return SkeletonClip(
        keypoint=people.swapaxes(0, 1),
        layout=load_layout(LAYOUT),
        name=file.name,
        label=interaction,
        fps=FPS,
        attributes=({"pair": pair} if pair else {}) | ({"replication": repetition} if repetition else {}),
        splits=folds,
    )


def _facts(name: str) -> tuple[str, int | None, int]:
    """The pair, the label and the repetition that the folders say."""
    match = re.search(r"(?:(s\d\ds\d\d)/)?(?:.*/)?(0[1-8])/(\d{3})$", name.lower())
    if match is None:
        return "", None, 0
    return (match[1] if match[1] in PAIRS else ""), int(match[2]) - 1, int(match[3])


def read_rows(file: Path) -> Float[np.ndarray, "T 2 15 3"]:
    """The joints of both people in metres; a person without any number other than zero is absent."""
    rows = table_of_numbers(text_of(file), file, WIDTH, f"a frame and {PEOPLE} x {JOINTS} x (x, y, z)", ",")
    x, y, z = np.moveaxis(rows[:, 1:].reshape(-1, PEOPLE, JOINTS, 3), -1, 0)
    places = np.stack([1.28 - 2.56 * x, 0.96 - 1.92 * y, 1.28 * z], axis=-1)
    seen = (x != 0) | (y != 0) | (z != 0)
    return np.where(seen[..., None], places, 0).astype(np.float32)
