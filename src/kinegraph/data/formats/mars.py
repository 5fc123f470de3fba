"""Two mice as MARS tracks them, and CalMS21's recordings of them with a behaviour in each frame (JSON).

    {"keypoints": [[[[x of 7 parts], [y of 7 parts]], [the intruder]], ...], "scores": [[[7], [7]], ...], ...}    MARS
    {"annotator-id_0": {"task1/train/mouse001_task1_annotator1": {"keypoints", "scores", "annotations": [3, 3, 0 ...],
                                                                  "metadata": {"vocab": {"attack": 0, ...}}}}}

The first body is the resident (black), the second the intruder (white). Coordinates are pixels, scores the tracker's. A
file of CalMS21 holds long recordings: the behaviour of each frame makes segments, "other" is the class between them.
Folders in the names of recordings say the part of the split.
Sources: Segalin et al. 2021, MARS; Sun et al. 2021, CalMS21, and its calms21_convert_to_npy.py.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, clip_files, first_readable, reason_of
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.tables.table_file import OF_MARS
from kinegraph.data.split_names import PARTS
from kinegraph.safe_io import read_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import runs

NAME, TITLE = "mars", "two mice of MARS and CalMS21 (.json)"
SUFFIXES = (".json",)
HEAD = 1 << 12
FPS = 30.0  # of CalMS21
PICTURE = (1024, 570)
NONE = "other"
LAYOUT = JointLayout(
    name="mars7",
    joints=("nose", "left_ear", "right_ear", "neck", "left_hip", "right_hip", "tail_base"),
    bones=((0, 1), (0, 2), (1, 3), (2, 3), (4, 3), (5, 3), (6, 4), (6, 5)),
    centre=3,
    mirror=((1, 2), (4, 5)),
    spine=(6, 3),
    source="MARS (Segalin et al. 2021)",
)


def detect(path: Path) -> str | None:
    """A JSON file whose keypoints begin with two lists of seven numbers, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has bodies of MARS", "holds files with bodies of MARS")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        return OF_MARS.search(content.read(HEAD)) is not None


def read(path: Path) -> Recordings:
    """The recordings of a folder of such files, or of one file; sub-folders name classes of MARS's."""
    files, classes = clip_files(path, SUFFIXES, _is_one)
    vocabulary = first_readable(files, lambda file: _vocabulary(list(_sequences(file)[0].values())))
    return Recordings(
        clips=all_clips_of(files, lambda file: _clips(file, vocabulary)),
        count=len(files),
        layout=LAYOUT,
        class_names=vocabulary or classes,
        units="px",
        source="CalMS21 (Sun et al. 2021)" if vocabulary else f"MARS, {path.resolve().name}",
        none=NONE if NONE in vocabulary else "",
    )


def _sequences(file: Path) -> tuple[dict[str, Any], bool]:
    """The recordings of a file by name, and whether it is one of CalMS21, which has several."""
    content = read_json(file)
    if not isinstance(content, Mapping):
        raise FormatError("shape", f"{file} is no object of recordings")
    if "keypoints" in content:
        return {file.stem: content}, False
    groups = [entry for entry in content.values() if isinstance(entry, Mapping)]
    found = {
        str(name): sequence for group in groups for name, sequence in group.items() if isinstance(sequence, Mapping)
    }
    if not found:
        raise FormatError("shape", f"{file} holds no recording with keypoints")
    return found, True


def _vocabulary(sequences: list[Any]) -> tuple[str, ...]:
    """The behaviours in the order of their numbers, as the first recording says them; () where none does."""
    about = sequences[0].get("metadata")
    numbers = about.get("vocab") if isinstance(about, Mapping) else None
    if not isinstance(numbers, Mapping) or sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        return ()
    return tuple(map(str, sorted(numbers, key=lambda name: int(numbers[name]))))


def _clips(file: ClipFile, vocabulary: tuple[str, ...]) -> Iterator[Item]:
    sequences, several = _sequences(file.path)
    for name, content in sequences.items():
        try:
            yield _clip(file, name if several else file.name, content, vocabulary, several)
        except ValueError as error:
            yield fault_of(error, name)


def _clip(file: ClipFile, name: str, content: Mapping, vocabulary: tuple[str, ...], several: bool) -> Item:
    keypoint = _array(content, "keypoints", (2, 2, len(LAYOUT))).transpose(1, 0, 3, 2)
    score = _array(content, "scores", (2, len(LAYOUT))).swapaxes(0, 1) if "scores" in content else None
    segments = None
    if vocabulary:
        labels, frames = np.array(content.get("annotations", [])), keypoint.shape[1]
        known = labels.dtype.kind in "iu" and np.isin(labels, range(len(vocabulary))).all()
        if labels.shape != (frames,) or not known:
            message = f"has annotations that are no number of a behaviour for each of {frames} frames"
            raise FormatError("label", message)
        segments = tuple(runs(labels, none=vocabulary.index(NONE) if NONE in vocabulary else None))
    part = next((word for word in name.split("/") if word in PARTS), None)
    return SkeletonClip(
        keypoint=np.ascontiguousarray(keypoint),
        layout=LAYOUT,
        name=name,
        label=None if vocabulary else file.label,
        score=None if score is None else np.clip(score, 0, 1),
        fps=FPS if several else None,
        image_size=PICTURE if several else None,
        splits={"split": part} if part else file.splits,
        segments=segments,
    )


def _array(content: Mapping, key: str, shape: tuple[int, ...]) -> Float[np.ndarray, "T ..."]:
    try:
        found = np.array(content.get(key), np.float32)
    except (ValueError, TypeError, OverflowError):
        found = np.zeros(0, np.float32)
    if found.shape[1:] != shape or not len(found) or not np.isfinite(found).all():
        expected = ", ".join(map(str, shape))
        raise FormatError("shape", f"has as {key} {found.shape}, expected finite numbers (frames, {expected})")
    return found
