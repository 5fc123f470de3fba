"""Emotion-Gait (E-Gait) -> clips: walks and the emotions that people see in them; needs h5py, the extra `formats`.

    features.h5, features_ELMD.h5        a dataset (T, 48) for each walk: x, y, z of 16 joints
    labels.h5, labels_ELMD.h5            beside it, an emotion from 0 under the same names, or as many in their order
    features_CVAEGCN_1_2000.h5           made-up walks, whose names end in their label: 00003_Happy

`--class-names` names the emotions of labels.h5. Units and frame rate are not stated.
Source: Bhattacharya et al. 2020, STEP; README of the data set.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.clips.clip_files import ClipFile, all_clips_of, clip_files, reason_of
from kinegraph.data.reading.clips.conventions import names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.hdf5 import array_of, check_h5py, opened, start_of
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME, TITLE = "egait", "Emotion-Gait (features*.h5)"
SUFFIXES = (".h5",)
FILE_NAME = re.compile(r"features(.*)", re.IGNORECASE)
SELF_LABELLED = re.compile(r"\d+_?([A-Za-z]+)")
LAYOUT = JointLayout(
    name="egait16",
    joints=("root", "spine", "neck", "head", "left_shoulder", "left_elbow", "left_hand", "right_shoulder",
            "right_elbow", "right_hand", "left_hip", "left_knee", "left_foot", "right_hip", "right_knee",
            "right_foot"),
    bones=((1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (6, 5), (7, 2), (8, 7), (9, 8), (10, 0), (11, 10), (12, 11),
           (13, 0), (14, 13), (15, 14)),
    centre=1,
    mirror=((4, 7), (5, 8), (6, 9), (10, 13), (11, 14), (12, 15)),
    spine=(0, 2),
    shoulders=(4, 7),
    source="Emotion-Gait (Bhattacharya et al. 2020)",
)  # fmt: skip
WIDTH = 3 * len(LAYOUT)


def detect(path: Path) -> str | None:
    """A file named as features.h5 whose first dataset has rows of 48 numbers, or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "has walks of Emotion-Gait", "holds walks of Emotion-Gait")


def _is_one(file: Path) -> bool:
    if not FILE_NAME.fullmatch(file.stem) or not start_of(file):
        return False
    with suppress(ValueError, ImportError), opened(file) as content:
        shape = getattr(content[next(iter(content), "")], "shape", ()) if len(content) else ()
        return len(shape) == 2 and shape[1] == WIDTH
    return False


def read(path: Path, *, class_names: str | None = None) -> Recordings:
    """The walks of all files in a folder, or of one. class_names: names of the emotions that numbers stand for.

    Raises ValueError where a file cannot be read, and where h5py is not installed.
    """
    check_h5py("Emotion-Gait's .h5 files")
    files = clip_files(path, SUFFIXES, _is_one)[0]
    labels = {file.path: _labels(file.path) for file in files}
    said = {label for of in labels.values() for label in of.values() if label is not None}
    words = sorted(label for label in said if isinstance(label, str))
    numbers = [label for label in said if isinstance(label, int)]
    if words and numbers:
        raise FormatError("label", f"{path} has labels by number and by name ({first_few(words)}): prepare them apart")
    classes = tuple(words) or names_of_classes(class_names, numbers, [])
    without = [file.path.name for file in files if not any(label is not None for label in labels[file.path].values())]
    return Recordings(
        clips=all_clips_of(files, lambda file: _clips(file, labels[file.path], words, len(files) > 1)),
        count=sum(map(len, labels.values())),
        layout=LAYOUT,
        class_names=classes,
        units="m",
        source="Emotion-Gait (Bhattacharya et al. 2020)",
        guessed=frozenset(("units", "up")),
        assumed=(f"{first_few(without)}: no labels, as no file such as labels.h5 lies beside",) if without else (),
    )


def _labels(file: Path) -> Mapping[str, int | str | None]:
    """The label of each walk: of the file beside, or in its name; None without."""
    with opened(file) as content:
        names = list(content)
    own = {name: SELF_LABELLED.fullmatch(name) for name in names}
    if all(own.values()):
        return {name: found[1].lower() for name, found in own.items() if found}
    beside = file.with_name(FILE_NAME.sub(r"labels\1", file.name))
    if not beside.is_file():
        return dict.fromkeys(names)
    with opened(beside) as content:
        keys = names if {*names} <= {*content} else list(content)
        if len(keys) != len(names):
            raise FormatError("label", f"{beside} has {len(keys):,} labels, {file.name} has {len(names):,} walks")
        return {name: _number(beside, content, key) for name, key in zip(names, keys, strict=True)}


def _number(file: Path, content: Any, key: str) -> int:
    value = array_of(file, content, key)
    if value is None or value.size != 1 or not float(value.reshape(())).is_integer():
        raise FormatError("label", f"{file} has as {key} no number of a class")
    return int(value.reshape(()))


def _clips(file: ClipFile, labels: Mapping[str, int | str | None], words: list[str], several: bool) -> Iterator[Item]:
    with opened(file.path) as content:
        for key, label in labels.items():
            name = f"{file.name}/{key}" if several else key
            number = words.index(label) if isinstance(label, str) else label
            try:
                rows = array_of(file.path, content, key)
                if rows is None or rows.ndim != 2 or rows.shape[1] != WIDTH or not len(rows):
                    found = "no numbers" if rows is None else f"{rows.shape}"
                    yield Fault(f"holds {found}, expected (frames, {WIDTH})", name, "shape")
                    continue
                keypoint = rows.reshape(1, len(rows), len(LAYOUT), 3).astype(np.float32)
                yield SkeletonClip(keypoint, LAYOUT, name, number)
            except ValueError as error:
                yield fault_of(error, name)
