"""KIMORE's raw joint positions of Kinect v2, one text file per clip.

    CG/Expert/E_ID1/Es1/Raw/JointPosition030414.csv    one row per frame: 25 x (x, y, z, state), in metres; no header

The joints are in the order of the Kinect SDK, that of layout ntu25. The state is 0 not tracked, 1 inferred, 2 tracked:
the score is half of it, and a joint that is not tracked is unseen. Blank lines are no frames. The folder Es1 to Es5, or
Exercise1 to 5 in the name, is the exercise; a folder such as E_ID1 the subject. JointOrientation files are other data.
Source: Capecci et al. 2019, The KIMORE dataset.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, clip_files, clips_of, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.files.text import rows_of_numbers
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "kimore", "KIMORE's raw joint positions (.csv)"
SUFFIXES = (".csv", ".txt")
LAYOUT, JOINTS = "ntu25", 25
FPS = 30.0
EXERCISES = (
    "lifting of the arms",
    "lateral tilt of the trunk with the arms in extension",
    "trunk rotation",
    "pelvis rotations on the transverse plane",
    "squatting",
)
EXERCISE = re.compile(r"(?:exercise|(?<![a-z])ex|(?<![a-z])es)[ _-]?0*([1-5])(?!\d)", re.IGNORECASE)
SUBJECT = re.compile(r"[A-Z]{1,2}_ID\d+", re.IGNORECASE)
STATES = (0, 1, 2)


def detect(path: Path) -> str | None:
    """A text file whose first row is 25 times x, y, z and a state, or a folder with such files."""
    return reason_of(
        path, SUFFIXES, _is_one, "has rows of 25 x (x, y, z, state)", "holds files with rows of 25 x (x, y, z, state)"
    )


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        lines = content.read(1 << 16).decode("ascii", errors="replace").lstrip("\ufeff\ufffd \t\r\n").splitlines()
    cells = lines[0].rstrip(", \t").split(",") if lines else []
    try:
        states = [float(cell) for cell in cells][3::4]
    except ValueError:
        return False
    return len(cells) == 4 * JOINTS and all(state in STATES for state in states)


def _is_named(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.name.lower().startswith("jointposition")


def read(path: Path) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one; in metres, y upward."""
    files, _ = clip_files(path, SUFFIXES, lambda file: _is_one(file) or _is_named(file))
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, path)),
        count=len(files),
        layout=load_layout(LAYOUT),
        class_names=EXERCISES,
        units="m",
        source="KIMORE (Capecci et al. 2019)",
    )


def _clip(file: ClipFile, top: Path) -> Item:
    rows = read_rows(file.path)
    tracked = rows[..., 3] > 0
    place = file.path.absolute().parts if top.is_file() else (*top.absolute().parts[-1:], *file.name.split("/"))
    exercise = next((found[1] for part in reversed(place[-5:]) if (found := EXERCISE.search(part))), None)
    subject = next((part.upper() for part in reversed(place) if SUBJECT.fullmatch(part)), None)
    return SkeletonClip(
        keypoint=np.where(tracked[..., None], rows[..., :3], 0)[None],
        layout=load_layout(LAYOUT),
        name=file.name,
        label=int(exercise) - 1 if exercise else None,
        score=rows[None, ..., 3] / 2,
        fps=FPS,
        attributes={"subject": subject} if subject else {},
    )


def read_rows(file: Path) -> Float[np.ndarray, "T 25 4"]:
    """x, y, z and state of every joint and frame. Raises ValueError with file and line."""
    rows = []
    for line, values in rows_of_numbers(text_of(file), file, ","):
        if len(values) != 4 * JOINTS:
            raise ValueError(f"{file} line {line} has {len(values)} numbers, expected {JOINTS} x (x, y, z, state)")
        if wrong := [state for state in values[3::4] if state not in STATES]:
            raise ValueError(f"{file} line {line} has the state {wrong[0]:g}, expected 0, 1 or 2")
        rows.append(values)
    if not rows:
        raise ValueError(f"{file} has no frames")
    return np.array(rows, np.float32).reshape(-1, JOINTS, 4)
