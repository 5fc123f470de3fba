"""UTKinect-Action3D: recordings of ten actions one after another, and the frames at which each begins and ends.

    joints/joints_s01_e01.txt    one row per frame: its number, then x, y, z of the 20 joints of Kinect v1, in metres
    actionLabel.txt              s01_e01, then a line for each action: "walk: 252 390", first and last frame

Each action is a clip, named s01_e01_walk. A frame may have several rows, of which the first counts; numbers jump where
nobody was tracked. actionLabel.txt lies in the folder of the joints or the one above; without it a recording is one
clip. About 15 frames a second are left, as its authors say.
Source: Xia, Chen, Aggarwal 2012, View invariant human action recognition using histograms of 3D joints.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, files_named, name_parts, reason_of, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.messages import first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "utkinect", "UTKinect-Action3D's joints (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, JOINTS = "kinect20", 20
WIDTH = 1 + 3 * JOINTS
FPS = 15.0
FILE_NAME = re.compile(r"joints_(s(\d\d)_e(\d\d))\.txt", re.IGNORECASE)
LABELS = "actionLabel.txt"
EXAMPLE = "joints_s01_e01.txt"
ACTIONS = {
    "walk": "walk", "sitDown": "sit down", "standUp": "stand up", "pickUp": "pick up", "carry": "carry",
    "throw": "throw", "push": "push", "pull": "pull", "waveHands": "wave hands", "clapHands": "clap hands",
}  # fmt: skip
LINE = re.compile(r"(\w+)\s*:\s*(\d+|NaN)\s+(\d+|NaN)", re.IGNORECASE)
Segments = Mapping[str, tuple[int, int] | None]


def detect(path: Path) -> str | None:
    """A text file of such a name whose first row has 61 numbers, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name and rows of UTKinect", "holds text files of UTKinect")


def _is_one(file: Path) -> bool:
    return FILE_NAME.fullmatch(file.name) is not None and len(first_numbers(file)) == WIDTH


def _is_named(file: Path) -> bool:
    return FILE_NAME.fullmatch(file.name) is not None


def read(path: Path) -> Recordings:
    """The actions of all recordings in a folder, or of one file, in the order of their names; in metres, y upward."""
    files = files_named(path, SUFFIXES, _is_named, lambda file: name_parts(file, FILE_NAME, EXAMPLE)[1].lower())
    labels_of = cache(_labels)
    without_labels = [file.path.name for file in files if not _labels_file(file.path)]
    lines = (f"{first_few(without_labels)}: each is one clip without label, as there is no {LABELS} beside the joints",)
    return Recordings(
        clips=all_clips_of(files, lambda file: _clips(file, labels_of(_labels_file(file.path)))),
        count=len(files) * len(ACTIONS),
        layout=load_layout(LAYOUT),
        class_names=tuple(ACTIONS.values()),
        units="m",
        source="UTKinect-Action3D (Xia et al. 2012)",
        assumed=lines if without_labels else (),
    )


def _labels_file(joints: Path) -> Path | None:
    places = (folder / LABELS for folder in (joints.absolute().parent, joints.absolute().parent.parent))
    return next(filter(Path.is_file, places), None)


def _labels(file: Path | None) -> Mapping[str, dict[str, tuple[int, int] | None]]:
    """The first and last frame of each action of each recording; None for an action that was not recorded."""
    found: dict[str, dict[str, tuple[int, int] | None]] = {}
    if file is None:
        return found
    recording = ""
    for number, line in enumerate(text_of(file).splitlines(), 1):
        if re.fullmatch(r"s\d\d_e\d\d", line.strip(), re.IGNORECASE):
            recording = line.strip().lower()
            found[recording] = {}
        elif line.strip():
            match = LINE.fullmatch(line.strip())
            if match is None or match[1] not in ACTIONS or not recording:
                raise ValueError(
                    f"{file} line {number} holds {quoted(line)}, expected an action such as 'walk: 252 390'"
                )
            numbers = [int(cell) for cell in match.groups()[1:] if cell.isdecimal()]
            found[recording][match[1]] = (numbers[0], numbers[1]) if len(numbers) == 2 else None
    return found


def _clips(file: ClipFile, labels: Mapping[str, Segments]) -> Iterator[Item]:
    frames, joints = read_rows(file.path)
    if not labels:
        yield _clip(file, file.name, None, joints)
        return
    if file.name not in labels:
        yield Fault(f"{file.path} is not in {LABELS}", file.name, "label")
        return
    for number, action in enumerate(ACTIONS):
        if (segment := labels[file.name].get(action)) is not None:
            inside = (frames >= segment[0]) & (frames <= segment[1])
            yield _clip(file, f"{file.name}_{action}", number, joints[inside])


def _clip(file: ClipFile, name: str, label: int | None, joints: Float[np.ndarray, "T 20 3"]) -> Item:
    subject, episode = map(int, name_parts(file.path, FILE_NAME, EXAMPLE).group(2, 3))
    return SkeletonClip(
        keypoint=joints[None],
        layout=load_layout(LAYOUT),
        name=name,
        label=label,
        fps=FPS,
        attributes={"subject": subject, "episode": episode},
    )


def read_rows(file: Path) -> tuple[np.ndarray, Float[np.ndarray, "T 20 3"]]:
    """The numbers of the frames and their joints, one row a frame. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, WIDTH, f"a frame and {JOINTS} x (x, y, z)")
    frames, first = np.unique(rows[:, 0], return_index=True)
    return frames, rows[first, 1:].reshape(-1, JOINTS, 3).astype(np.float32)
