"""VideoPose3D's data_3d_*.npz and data_2d_*.npz: all clips of Human3.6M or HumanEva in one file.

    positions_3d    {subject: {action: (T, V, 3)}}                      metres
    positions_2d    {subject: {action: [(T, V, 2) of each camera]}}     pixels

The dictionaries are pickles, of which only arrays and plain values are read. Human3.6M's 32 joints become the 17 of
layout h36m17, as VideoPose3D uses them. "Walking 1" is of class Walking; Human3.6M has 50 frames a second, and split
xsub trains on subjects 1, 5, 6, 7 and 8, as is usual; HumanEva's subjects Train/S1 and Validate/S1 say a split.
Source: facebookresearch/VideoPose3D, DATASETS.md, common/h36m_dataset.py and common/humaneva_dataset.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import clips_of
from kinegraph.data.reading.clips.conventions import layout_for
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.messages import quoted
from kinegraph.safe_npz import load_npz_object, npz_shapes
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "videopose3d", "VideoPose3D's data_3d_*.npz and data_2d_*.npz"
SUFFIXES = (".npz",)
KEYS = ("positions_3d", "positions_2d")
H36M = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)  # of the 32 joints, those that move
SUBJECTS = {"S1": "train", "S5": "train", "S6": "train", "S7": "train", "S8": "train", "S9": "val", "S11": "val"}
FPS = 50.0
PARTS = {"train": "train", "validate": "val", "test": "test"}
TAKE = re.compile(r"( \d+)?( chunk\d+)?$")


@dataclass(frozen=True)
class Entry:
    """One array of a file. camera: its number from 1; 0 for joints in space."""

    subject: str
    action: str
    camera: int
    array: object

    @property
    def name(self) -> str:
        name = f"{self.subject}/{self.action}"
        return f"{name}/{self.camera}" if self.camera else name

    @property
    def of_class(self) -> str:
        return TAKE.sub("", self.action)


def detect(path: Path) -> str | None:
    """A .npz with a dictionary positions_3d or positions_2d."""
    return f"a .npz with {key}" if path.is_file() and (key := _key(path)) else None


def _key(path: Path) -> str | None:
    if path.suffix.lower() in SUFFIXES:
        with suppress(ValueError):
            shapes = npz_shapes(path)
            return next((key for key in KEYS if shapes.get(key) == ()), None)
    return None


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a file by subject and action; each camera of joints in pictures gives a clip.

    layout: name or YAML file of the joints; by default Human3.6M's, or what fits the bodies. Raises ValueError.
    """
    if (key := _key(path)) is None:
        raise ValueError(f"{path} has no dictionary {' or '.join(KEYS)}")
    entries = list(_entries(path, load_npz_object(path, key)))
    if not entries:
        raise ValueError(f"{path} holds no clips in {key}")
    classes = tuple(sorted({entry.of_class for entry in entries}))
    joints = next((_joints(entry.array).shape[1] for entry in entries if _is_array(entry.array)), 0)
    of_h36m = joints == len(H36M) and key == KEYS[0]
    of = load_layout("h36m17") if of_h36m and layout is None else layout_for(joints or 17, layout)
    return Recordings(
        clips=clips_of(entries, lambda entry: _clip(entry, of, classes, 3 if key == KEYS[0] else 2)),
        count=len(entries),
        layout=of,
        class_names=classes,
        units="m" if key == KEYS[0] else "px",
        source=f"VideoPose3D's {path.name}",
        guessed=frozenset({"units", "up", *([] if of_h36m or layout else ["layout"])}),
    )


def _entries(path: Path, subjects: object) -> Iterator[Entry]:
    if not isinstance(subjects, Mapping):
        raise ValueError(f"{path} holds {quoted(subjects)}, expected {{subject: {{action: array}}}}")
    for subject, actions in subjects.items():
        if not isinstance(subject, str) or not isinstance(actions, Mapping):
            raise ValueError(f"{path} holds the subject {quoted(subject)}, expected a name and its actions")
        for action, arrays in actions.items():
            if not isinstance(action, str):
                raise ValueError(f"{path} holds the action {quoted(action)} of {quoted(subject)}, expected a name")
            if isinstance(arrays, list | tuple):
                yield from (Entry(subject, action, camera, array) for camera, array in enumerate(arrays, 1))
            else:
                yield Entry(subject, action, 0, arrays)


def _clip(entry: Entry, layout: JointLayout, classes: Sequence[str], channels: int) -> Item:
    if not _is_array(entry.array) or _joints(entry.array).shape[1:] != (len(layout), channels):
        found = entry.array.shape if isinstance(entry.array, np.ndarray) else quoted(entry.array)
        expected = f"numbers (frames, {len(layout)} joints, {channels})"
        return Fault(f"is {found}, expected {expected}", entry.name, "shape")
    keypoint = _joints(entry.array)
    keypoint = np.where(np.isnan(keypoint).any(2, keepdims=True), 0, keypoint)
    part, _, subject = entry.subject.rpartition("/")
    splits = {"split": PARTS[part.lower()]} if part.lower() in PARTS else {}
    if not part and subject in SUBJECTS:
        splits = {"xsub": SUBJECTS[subject]}
    return SkeletonClip(
        keypoint=keypoint[None],
        layout=layout,
        name=entry.name,
        label=classes.index(entry.of_class),
        fps=FPS if not part and subject in SUBJECTS else None,
        attributes={"subject": subject} | ({"camera": entry.camera} if entry.camera else {}),
        splits=splits,
    )


def _is_array(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.ndim == 3 and array.dtype.kind in "fiu" and array.size > 0


def _joints(array: object) -> Float[np.ndarray, "T V C"]:
    """The joints of an array, 17 where they are Human3.6M's 32."""
    if not isinstance(array, np.ndarray):
        raise FormatError("shape", f"holds {quoted(array)}, expected an array")
    return np.asarray(array[:, H36M] if array.shape[1] == 32 else array, np.float32)
