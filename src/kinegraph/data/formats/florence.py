"""Florence 3D Actions: all clips in one text file of world coordinates, as published.

    Florence_dataset_WorldCoordinates.txt    one row per frame: clip, actor, action, then x, y, z of 15 joints

Rows of a clip stand together; its actions are numbered from 1. The unit and the vertical do not stand in the file: they
follow from the bodies.
Source: Seidenari et al. 2013, Recognizing actions from depth cameras as weakly aligned multi-part bag-of-poses.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.clips.clip_files import text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "florence", "Florence 3D Actions (.txt)"
SUFFIXES = (".txt",)
LAYOUT, JOINTS = "florence15", 15
WIDTH = 3 + 3 * JOINTS
FPS = 30.0
ACTIONS = (
    "wave", "drink from a bottle", "answer phone", "clap", "tight lace", "sit down", "stand up", "read watch", "bow",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A text file whose first row has 48 numbers, the first three of them a clip, an actor and one of 9 actions."""
    if path.is_file():
        return "has rows of clip, actor, action and 15 x (x, y, z)" if _is_one(path) else None
    named = next((file for file in files_ending(path, SUFFIXES) if _is_named(file) and _is_one(file)), None)
    return named and f"holds {named.name} of Florence 3D Actions"


def _is_named(file: Path) -> bool:
    return "worldcoordinates" in file.name.lower()


def _is_one(file: Path) -> bool:
    values = first_numbers(file) if file.suffix.lower() in SUFFIXES and file.is_file() else []
    return (
        len(values) == WIDTH
        and all(value.is_integer() and value > 0 for value in values[:3])
        and values[2] <= len(ACTIONS)
    )


def read(path: Path) -> Recordings:
    """The clips of a file, or of the one of this name in a folder, in their order."""
    file = path if path.is_file() else next(filter(_is_named, files_ending(path, SUFFIXES)), None)
    if file is None:
        raise FormatError("unreadable", f"{path} holds no Florence_dataset_WorldCoordinates.txt")
    rows = table_of_numbers(text_of(file), file, WIDTH, f"clip, actor, action and {JOINTS} x (x, y, z)")
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=np.nan) != 0)
    return Recordings(
        clips=_clips(file, rows, starts),
        count=len(starts),
        layout=load_layout(LAYOUT),
        class_names=ACTIONS,
        units="m",
        source="Florence 3D Actions (Seidenari et al. 2013)",
        guessed=frozenset(("units", "up")),
    )


def _clips(file: Path, rows: Float[np.ndarray, "rows width"], starts: np.ndarray) -> Iterator[Item]:
    for part in np.split(rows, starts[1:]):
        clip, actor, action = part[0, :3].tolist()
        name = f"{clip:g}"
        if (part[:, 1:3] != part[0, 1:3]).any() or action not in range(1, len(ACTIONS) + 1):
            yield Fault(f"is of actor {actor:g}, action {action:g}, or of several; there are 9 actions", name, "label")
            continue
        joints = part[:, 3:].reshape(1, -1, JOINTS, 3).astype(np.float32)
        yield SkeletonClip(
            keypoint=joints,
            layout=load_layout(LAYOUT),
            name=name,
            label=int(action) - 1,
            fps=FPS,
            attributes={"subject": int(actor)},
        )
