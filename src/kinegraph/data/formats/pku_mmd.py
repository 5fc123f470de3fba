"""PKU-MMD: long recordings of Kinect v2 and the actions in them, as published.

    PKU_Skeleton_Renew/0002-L.txt        a row per frame: x, y, z of 25 joints of two people, zero for nobody; in metres
    Train_Label_PKU_final/0002-L.txt     a line per action: its number from 1, first frame, end, confidence
    cross-subject.txt, cross-view.txt    the names of the training and of the validation recordings

Phase 2 names recordings A01N01-L. Each action is a clip, named 0002-L_000123 by its first frame; its end is the frame
behind the last one. Labels are looked for by their names at any depth of the folder, of a single file in the folders
around it; a recording without them is one clip. L, M and R are the cameras; split xview trains on M and R where there
is no cross-view.txt.
Source: Liu et al. 2017, PKU-MMD: A Large Scale Benchmark for Continuous Multi-Modal Human Action Understanding.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from os.path import commonpath
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, named_apart, some_below, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.text import first_numbers, rows_of_numbers, table_of_numbers
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NAME, TITLE = "pku-mmd", "PKU-MMD's skeletons and labels (.txt)"
SUFFIXES, OWN_NAMES = (".txt",), True
LAYOUT, PEOPLE, JOINTS = "ntu25", 2, 25
WIDTH = PEOPLE * JOINTS * 3
FPS = 30.0
FILE_NAME = re.compile(r"(\d{4}|A\d\dN\d\d)-([LMR])", re.IGNORECASE)
SPLITS = {"cross-subject": "xsub", "cross-view": "xview", "cross_subject": "xsub", "cross_view": "xview"}
ACTIONS = (
    "bow", "brushing hair", "brushing teeth", "check time", "cheer up", "clapping", "cross hands in front",
    "drink water", "drop", "eat meal", "falling", "giving something to another person", "hand waving", "handshaking",
    "hopping", "hugging another person", "jump up", "kicking another person", "kicking something",
    "make a phone call", "pat on back of another person", "pick up", "playing with phone",
    "point finger at another person", "pointing to something", "punching another person", "pushing another person",
    "put on a hat", "put something inside pocket", "reading", "rub two hands together", "salute", "sitting down",
    "standing up", "take off a hat", "take off glasses", "take off jacket", "take out something from pocket",
    "taking a selfie", "tear up paper", "throw", "touch back", "touch chest", "touch head", "touch neck",
    "typing on a keyboard", "use a fan", "wear jacket", "wear on glasses", "wipe face", "writing",
)  # fmt: skip
Segment = tuple[int, int, int]  # label, first frame, end


def detect(path: Path) -> str | None:
    """A text file named as 0002-L whose first row has 150 numbers, or a folder with some."""
    if path.is_file():
        return "has a name and rows of PKU-MMD" if _is_one(path) else None
    return "holds skeletons of PKU-MMD" if some_below(path, SUFFIXES, _is_one) else None


def _is_one(file: Path) -> bool:
    return FILE_NAME.fullmatch(file.stem) is not None and file.is_file() and len(first_numbers(file)) == WIDTH


def read(path: Path) -> Recordings:
    """The actions of all recordings in a folder, or of one file, in the order of their names; in metres, y upward."""
    return _recordings(path, cut=True)


def read_whole(path: Path) -> Recordings:
    """The recordings as they are, without labels: a table of segments says what is done in them."""
    return _recordings(path, cut=False)


def _recordings(path: Path, cut: bool) -> Recordings:
    if path.is_file():
        files, around = [path], files_ending(path.absolute().parent.parent, SUFFIXES)
    else:
        named = list(files_ending(path, SUFFIXES))
        around, files = iter(named), [file for file in named if _is_one(file)]
    if not files:
        raise FormatError("unreadable", f"{path} holds no skeleton of PKU-MMD")
    labels, splits = _beside(around, {file.stem.upper() for file in files})
    labels = {file: _nearest(file, labels[file.stem.upper()]) for file in files if cut and file.stem.upper() in labels}
    without_labels = sorted(file.name for file in files if cut and file not in labels)
    line = f"{first_few(without_labels)}: each is one clip without label, as no file of its labels is there"
    clips = sorted((ClipFile(file, file.stem.upper()) for file in files), key=lambda clip: clip.name)
    clips = named_apart(clips, path)
    return Recordings(
        clips=all_clips_of(clips, lambda file: _clips(file, labels.get(file.path), splits)),
        count=sum(_lines(labels[clip.path]) if clip.path in labels else 1 for clip in clips),
        layout=load_layout(LAYOUT),
        class_names=ACTIONS,
        units="m",
        source="PKU-MMD (Liu et al. 2017)",
        assumed=(line,) if without_labels else (),
    )


def _nearest(file: Path, labels: Sequence[Path]) -> Path:
    """The labels that share most folders with a recording, where several have its name."""
    return max(labels, key=lambda labelled: len(commonpath([labelled.absolute(), file.absolute()])))


def _beside(files: Iterator[Path], names: set[str]) -> tuple[dict[str, list[Path]], dict[str, dict[str, str]]]:
    """The files of labels of each recording, and the parts of the published splits."""
    labels: dict[str, list[Path]] = {}
    splits: dict[str, dict[str, str]] = {}
    for file in files:
        if (name := file.stem.upper()) in names and 3 <= len(first_numbers(file, ",")) <= 4:
            labels.setdefault(name, []).append(file)
        elif (split := SPLITS.get(file.stem.lower())) is not None:
            for recording, part in _parts(file):
                splits.setdefault(recording, {})[split] = part
    return labels, splits


def _parts(file: Path) -> Iterator[tuple[str, str]]:
    """The recordings of a split with their parts: a line that says Training or Validation, and a line of names."""
    part = ""
    for line in text_of(file).splitlines():
        if (word := line.strip().lower()[:5]) in ("train", "valid", "test"):
            part = {"train": "train", "valid": "val", "test": "test"}[word]
        elif part:
            yield from ((name.strip().upper(), part) for name in line.split(",") if name.strip())


def _lines(file: Path) -> int:
    return sum(1 for line in text_of(file).splitlines() if line.strip())


def _clips(file: ClipFile, labels: Path | None, splits: Mapping[str, Mapping[str, str]]) -> Iterator[Item]:
    segments = read_labels(labels) if labels is not None else [(-1, 0, 0)]
    people = read_rows(file.path)
    view = file.name[-1]
    parts = {"xview": "val" if view == "L" else "train"} | dict(splits.get(file.name, {}))
    for label, first, end in segments:
        name = f"{file.name}_{first:06d}" if labels is not None else file.name
        if not 0 <= first < (end or len(people)) <= len(people):
            yield Fault(f"is from frame {first} to {end}, the recording has {len(people):,}", name, "segment")
        else:
            yield SkeletonClip(
                keypoint=people[first : end or None].swapaxes(0, 1),
                layout=load_layout(LAYOUT),
                name=name,
                label=label if label >= 0 else None,
                fps=FPS,
                attributes={"recording": file.name[:-2], "view": view},
                splits=parts,
            )


def read_labels(file: Path) -> list[Segment]:
    """The actions of a recording. Raises ValueError with file and line."""
    segments: list[Segment] = []
    for line, values in rows_of_numbers(text_of(file), file, ","):
        if len(values) not in (3, 4) or not all(value.is_integer() for value in values[:3]):
            raise ValueError(f"{file} line {line} has {len(values)} numbers, expected an action, first frame and end")
        action, first, end = map(int, values[:3])
        if not 1 <= action <= len(ACTIONS):
            raise ValueError(f"{file} line {line} has action {action}, expected 1 to {len(ACTIONS)}")
        segments.append((action - 1, first, end))
    return segments


def read_rows(file: Path) -> Float[np.ndarray, "T 2 25 3"]:
    """The joints of both people, zero where somebody is absent. Raises ValueError with file and line."""
    rows = table_of_numbers(text_of(file), file, WIDTH, f"{PEOPLE} x {JOINTS} x (x, y, z)")
    return rows.reshape(-1, PEOPLE, JOINTS, 3).astype(np.float32)
