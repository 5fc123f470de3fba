"""ChaLearn's Italian gestures (LAP 2014, Montalbano) -> clips: a file of joints and one of gestures per recording.

    Sample0001_skeleton.csv    20 joints in each row: x, y, z in metres, a quaternion, x and y in the picture; zero for
                               nobody
    Sample0001_labels.csv      a line per gesture: its number from 1, first and last frame, counted from 1
    Sample0001_data.csv        number of frames, frames a second, largest depth

Each gesture is a clip, named Sample0001_000003 by its first frame; a recording without labels is one clip. Rotations
and places in pictures are left out.
Source: Escalera et al. 2014, ChaLearn Looking at People Challenge 2014; the organisers' ChalearnLAPSample.py.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import (
    ClipFile,
    all_clips_of,
    clip_files,
    named_apart,
    reason_of,
    text_of,
)
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.files.text import first_numbers, frame_rate, rows_of_numbers, table_of_numbers
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "chalearn", "ChaLearn's gestures of 2014 (Sample*_skeleton.csv)"
SUFFIXES, OWN_NAMES = (".csv",), True
LAYOUT, JOINTS, NUMBERS = "kinect20", 20, 9
FILE_NAME = re.compile(r"(Sample\d+)_skeleton", re.IGNORECASE)
FPS = 20.0  # where no file says it
GESTURES = (
    "vattene", "vieniqui", "perfetto", "furbo", "cheduepalle", "chevuoi", "daccordo", "seipazzo", "combinato",
    "freganiente", "ok", "cosatifarei", "basta", "prendere", "noncenepiu", "fame", "tantotempo", "buonissimo",
    "messidaccordo", "sonostufo",
)  # fmt: skip


def detect(path: Path) -> str | None:
    """A file named as Sample0001_skeleton.csv with rows of 180 numbers, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has a name and rows of ChaLearn", "holds skeletons of ChaLearn")


def _is_one(file: Path) -> bool:
    return FILE_NAME.fullmatch(file.stem) is not None and len(first_numbers(file, ",")) == JOINTS * NUMBERS


def read(path: Path) -> Recordings:
    """The gestures of all recordings in a folder, or of one file, in the order of their names; in metres, y upward."""
    return _recordings(path, cut=True)


def read_whole(path: Path) -> Recordings:
    """The recordings as they are, without labels: a table of segments says what is done in them."""
    return _recordings(path, cut=False)


def _recordings(path: Path, cut: bool) -> Recordings:
    files = [ClipFile(file.path, _name(file.path)) for file in clip_files(path, SUFFIXES, _is_one)[0]]
    without = [file.path.name for file in files if cut and not _beside(file.path, "labels").is_file()]
    line = f"{first_few(without)}: each is one clip without label, as no file of its labels lies beside"
    return Recordings(
        clips=all_clips_of(named_apart(files, path), lambda file: _clips(file, cut)),
        count=sum(_count(file.path) if cut else 1 for file in files),
        layout=load_layout(LAYOUT),
        class_names=GESTURES,
        units="m",
        source="ChaLearn LAP 2014 (Escalera et al. 2014)",
        assumed=(line,) if without else (),
    )


def _name(file: Path) -> str:
    return file.stem.rsplit("_", 1)[0]


def _beside(file: Path, what: str) -> Path:
    return file.with_name(f"{_name(file)}_{what}.csv")


def _count(file: Path) -> int:
    """The gestures of a recording, or 1 without labels."""
    labels = _beside(file, "labels")
    return sum(1 for line in text_of(labels).splitlines() if line.strip()) if labels.is_file() else 1


def _clips(file: ClipFile, cut: bool) -> Iterator[Item]:
    expected = f"{JOINTS} x {NUMBERS}"
    rows = table_of_numbers(text_of(file.path), file.path, JOINTS * NUMBERS, expected, ",")
    keypoint = rows.reshape(1, -1, JOINTS, NUMBERS)[..., :3].astype(np.float32)
    about = _beside(file.path, "data")
    said = first_numbers(about, ",") if about.is_file() else []
    fps = frame_rate(str(said[1]), f"{about}: the second number") if len(said) > 1 else FPS
    labels, frames = _beside(file.path, "labels"), keypoint.shape[1]
    if not cut or not labels.is_file():
        yield SkeletonClip(keypoint, load_layout(LAYOUT), file.name, fps=fps)
        return
    for line, numbers in rows_of_numbers(text_of(labels), labels, ","):
        if len(numbers) < 3:
            raise ValueError(
                f"{labels} line {line} has {len(numbers)} numbers, expected a gesture, first and last frame"
            )
        number, first, last = numbers[:3]
        name = f"{file.name}_{int(first):06d}"
        if not 1 <= number <= len(GESTURES) or not 1 <= first <= last <= frames:
            there = f"gesture {number:g} from frame {first:g} to {last:g}"
            yield Fault(f"{labels} line {line} has {there}, expected 1 to {len(GESTURES)} in {frames:,} frames", name)
            continue
        part = np.ascontiguousarray(keypoint[:, int(first) - 1 : int(last)])
        yield SkeletonClip(
            part, load_layout(LAYOUT), name, int(number) - 1, fps=fps, attributes={"recording": file.name}
        )
