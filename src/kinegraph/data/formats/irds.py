"""IntelliRehabDS: rehabilitation exercises recorded with a Kinect v2, one text file per clip, as published.

    Simplified/303_18_4_10_1_stand.txt    one row per frame: x, y, z of 25 joints, in metres, between commas
    RawData/303_18_4_10_1_stand.txt       Version0.1, then one row per frame: time, two numbers, and for each joint
                                          (SpineBase,Tracked,0.14,-0.02,2.64,278.0,209.2): name, state, x, y, z, pixel

The name says subject, date, gesture, repetition, correctness (1 correct, 2 incorrect, 3 poorly done) and position of
the patient. The state becomes the score: tracked 1, inferred 0.5, not tracked 0 and unseen. Of a clip that is there in
both forms the raw one is read. Subjects from 201 on are patients.
Source: Miron et al. 2021, IntelliRehabDS (IRDS) - A Dataset of Physical Rehabilitation Movements, Data 6(5):46.
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
from kinegraph.data.reading.files.text import LARGEST_NUMBER, first_numbers, table_of_numbers
from kinegraph.messages import counted, first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "irds", "IntelliRehabDS's joints (.txt, .csv)"
SUFFIXES, OWN_NAMES = (".txt", ".csv"), True
LAYOUT, JOINTS = "ntu25", 25
FPS = 30.0
LICENCE = "CC BY 4.0"
FILE_NAME = re.compile(r"(\d{3})_(\d+)_([0-8])_(\d+)_([123])_([a-z-]+)", re.IGNORECASE)
EXAMPLE = "303_18_4_10_1_stand.txt"
GESTURES = (
    "elbow flexion left", "elbow flexion right", "shoulder flexion left", "shoulder flexion right",
    "shoulder abduction left", "shoulder abduction right", "shoulder forward elevation", "side tap left",
    "side tap right",
)  # fmt: skip
STATES = {"tracked": 1.0, "inferred": 0.5, "nottracked": 0.0}
JOINT = re.compile(r"\((\w+),(\w+),([^,()]+),([^,()]+),([^,()]+),[^()]*\)")


def detect(path: Path) -> str | None:
    """A file named as 303_18_4_10_1_stand, of rows of 75 numbers or of joints in brackets; or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name and rows of IntelliRehabDS", "holds files of IntelliRehabDS")


def _is_one(file: Path) -> bool:
    named = FILE_NAME.fullmatch(file.stem) is not None
    return named and (_is_raw(file) or len(first_numbers(file, ",")) == 3 * JOINTS)


def _is_raw(file: Path) -> bool:
    with file.open("rb") as content:
        return b"(SpineBase," in content.read(1000)


def _is_named(file: Path) -> bool:
    return FILE_NAME.fullmatch(file.stem) is not None


def read(path: Path) -> Recordings:
    """The clips of a folder, in the order of their names, or of one file; in metres, y upward."""
    files = [ClipFile(file.path, file.path.stem) for file in clip_files(path, SUFFIXES, _is_named)[0]]
    raw = {file.name for file in files if _is_raw(file.path)}
    kept = [file for file in files if _is_raw(file.path) or file.name not in raw]
    other = [file.path.name for file in files if file not in kept]
    kept = named_apart(kept, path)
    line = f"{counted(len(other), 'simplified file')} of clips whose raw ones are there: {first_few(other)}"
    return Recordings(
        clips=clips_of(sorted(kept, key=lambda file: file.name), _clip),
        count=len(kept),
        layout=load_layout(LAYOUT),
        class_names=GESTURES,
        units="m",
        source="IntelliRehabDS (Miron et al. 2021)",
        licence=LICENCE,
        skipped=lambda: [line] if other else [],
    )


def _clip(file: ClipFile) -> Item:
    match = name_parts(file.path, FILE_NAME, EXAMPLE)
    joints, score = read_raw(file.path) if _is_raw(file.path) else (read_simplified(file.path), None)
    subject, _, gesture, repetition, correct = map(int, match.groups()[:5])
    return SkeletonClip(
        keypoint=joints[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=gesture,
        score=None if score is None else score[None],
        fps=FPS,
        attributes={
            "subject": subject,
            "replication": repetition,
            "correct": int(correct == 1),
            "position": match[6].lower(),
        },
    )


def read_simplified(file: Path) -> Float[np.ndarray, "T 25 3"]:
    """x, y, z of every joint and frame. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, 3 * JOINTS, f"{JOINTS} x (x, y, z)", ",")
    return rows.reshape(-1, JOINTS, 3).astype(np.float32)


def read_raw(file: Path) -> tuple[Float[np.ndarray, "T 25 3"], Float[np.ndarray, "T 25"]]:
    """The joints and their scores of every frame. Raises ValueError with file and line."""
    frames = [
        _frame(f"{file} line {number}", JOINT.findall(line))
        for number, line in enumerate(text_of(file).splitlines(), 1)
        if line.strip() and not line.lower().startswith("version")
    ]
    if not frames:
        raise ValueError(f"{file} has no frames")
    rows = np.array(frames, np.float32)
    return np.where(rows[..., 3:] > 0, rows[..., :3], 0), rows[..., 3]


def _frame(where: str, cells: Sequence[tuple[str, ...]]) -> list[list[float]]:
    """x, y, z and score of each joint, in the order of Kinect v2."""
    if len(cells) != JOINTS:
        raise ValueError(f"{where} has {len(cells)} joints in brackets, expected {JOINTS}")
    rows: list[list[float]] = []
    for name, state, *numbers in cells:
        if state.lower() not in STATES:
            raise ValueError(f"{where} has the state {quoted(state)} of {quoted(name)}, expected {', '.join(STATES)}")
        try:
            x, y, z = map(float, numbers)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if not max(map(abs, (x, y, z))) < LARGEST_NUMBER:
            raise ValueError(f"{where} holds a number that is not finite")
        rows.append([x, y, z, STATES[state.lower()]])
    return rows
