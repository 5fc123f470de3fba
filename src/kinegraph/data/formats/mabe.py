"""Three mice of MABe22 (.npy): the mouse triplets of the challenge of 2022, with behaviours in each frame.

    {"sequences": {"ID": {"keypoints": (frames, 3, 12, 2), "annotations": (behaviours, frames)}, ...},
     "vocabulary": ["lights", "chases"]}

Coordinates are pixels, 30 frames a second. Behaviours that begin or end within some recording make segments, "other" is
the class between them; what is the same in all frames of each recording, such as the light, is left out.
The array is a pickle, which is read as data, see `safe_pickle`.
Source: Sun et al. 2022, MABe22; data.caltech.edu/records/rdsa8-rde65.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.tables.array_files import holds_objects
from kinegraph.messages import first_few, plain_name
from kinegraph.safe_npz import load_npy_object
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import runs_of_each

NAME, TITLE = "mabe", "three mice of MABe22 (.npy)"
SUFFIXES = (".npy",)
FPS, NONE = 30.0, "other"
KEYS = (b"sequences", b"keypoints")
LAYOUT = JointLayout(
    name="mabe12",
    joints=("nose", "left_ear", "right_ear", "neck", "left_forepaw", "right_forepaw", "centre", "left_hindpaw",
            "right_hindpaw", "tail_base", "tail_middle", "tail_tip"),
    bones=((0, 3), (1, 3), (2, 3), (3, 6), (4, 3), (5, 3), (7, 9), (8, 9), (9, 6), (10, 9), (11, 10)),
    centre=6,
    mirror=((1, 2), (4, 5), (7, 8)),
    spine=(9, 3),
    source="MABe22 (Sun et al. 2022)",
)  # fmt: skip
SHAPE = (3, len(LAYOUT), 2)


def detect(path: Path) -> str | None:
    """A .npy of objects with sequences and keypoints, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has mice of MABe22", "holds files with mice of MABe22")


def _is_one(file: Path) -> bool:
    with suppress(ValueError, OSError):
        if holds_objects(file):
            with file.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return all(mapped.find(key) >= 0 for key in KEYS) and _is_of_mice(file)
    return False


def _is_of_mice(file: Path) -> bool:
    first = next(iter(_sequences(file)[0].values()))
    return np.shape(first.get("keypoints"))[1:] == SHAPE


def _sequences(file: Path) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    """The recordings of a file, and the names of its behaviours. Raises FormatError for another content."""
    content = load_npy_object(file)
    found = content.get("sequences") if isinstance(content, Mapping) else None
    sequences = found if isinstance(found, Mapping) else {}
    if not sequences or not all(isinstance(sequence, Mapping) for sequence in sequences.values()):
        raise FormatError("shape", f"{file} holds no sequences of keypoints")
    names = content.get("vocabulary") if isinstance(content, Mapping) else None
    listed = names if isinstance(names, list) else []
    return {str(key): sequence for key, sequence in sequences.items()}, [*map(plain_name, listed)]


def read(path: Path) -> Recordings:
    """The recordings of a folder of such files, or of one file, each with its segments. Raises ValueError for a broken
    file."""
    files = clip_files(path, SUFFIXES, _is_one)[0]
    content = {file.path: _sequences(file.path) for file in files}
    names = next((names for _, names in content.values() if names), [])
    changing = {
        names[row]
        for sequences, own in content.values()
        for sequence in sequences.values()
        for row in np.flatnonzero(np.ptp(_annotations(sequence, names), axis=1) > 0)
        if own == names
    }
    behaviours = [name for name in names if name in changing]
    left_out = [name for name in names if name not in changing]
    return Recordings(
        clips=all_clips_of(files, lambda file: _clips(file, content[file.path][0], names, behaviours, len(files) > 1)),
        count=sum(len(sequences) for sequences, _ in content.values()),
        layout=LAYOUT,
        class_names=(NONE, *behaviours) if behaviours else (),
        units="px",
        source="MABe22 (Sun et al. 2022)",
        skipped=lambda: [f"the same in all frames of each recording: {first_few(left_out)}"] if left_out else [],
        none=NONE if behaviours else "",
    )


def _annotations(sequence: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """The behaviours of each frame, 0 or 1; without frames where there are none."""
    found = np.asarray(sequence.get("annotations", np.zeros((len(names), 1))))
    return found if found.ndim == 2 and len(found) == len(names) and found.dtype.kind in "fiub" else np.zeros((0, 1))


def _clips(
    file: ClipFile,
    sequences: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    behaviours: Sequence[str],
    several: bool,
) -> Iterator[Item]:
    for name, sequence in sequences.items():
        try:
            yield _clip(f"{file.name}/{name}" if several else name, sequence, names, behaviours)
        except ValueError as error:
            yield fault_of(error, name)


def _clip(name: str, sequence: Mapping[str, Any], names: Sequence[str], behaviours: Sequence[str]) -> Item:
    found = np.asarray(sequence.get("keypoints"))
    if found.dtype.kind not in "fiu" or found.shape[1:] != SHAPE or not len(found):
        raise FormatError("shape", f"holds {found.dtype} {found.shape}, expected (frames, 3, 12, 2)")
    keypoint = found.astype(np.float32).swapaxes(0, 1)
    keypoint = np.where(np.isnan(keypoint).any(3, keepdims=True), 0, keypoint)
    of = _annotations(sequence, names)
    said = behaviours and of.shape == (len(names), len(found))
    shown = np.zeros((len(found), 1 + len(behaviours)), bool)
    if said:
        shown[:, 1:] = of[[names.index(behaviour) for behaviour in behaviours]].T > 0
    return SkeletonClip(
        np.ascontiguousarray(keypoint),
        LAYOUT,
        name,
        fps=FPS,
        segments=tuple(runs_of_each(shown)) if said else None,
    )
