"""Clips of a dataset -> the arrays of one .npz file, which `arrays` reads back; the rest lies in a file beside it."""

from pathlib import Path

import numpy as np

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.arrays import OWN_KEYS
from kinegraph.data.formats.companion import about_text, beside


def write_arrays(path: Path, dataset: SkeletonDataset) -> None:
    """Write keypoint (rows, V, C), length, name, joint_names, label, class_names, splits and attributes.

    Raises ValueError for a clip with several people, for which the form has no place.
    """
    if (several := np.flatnonzero(dataset.people > 1)).size:
        name = dataset.names[several[0]]
        people = dataset.people[several[0]]
        raise ValueError(f"clip '{name}' has {people} people, a .npz holds one a clip; take table or movement")
    clips = [dataset[i] for i in range(len(dataset))]
    arrays: dict[str, np.ndarray] = {
        "keypoint": np.concatenate([clip.keypoint[0] for clip in clips]).astype(np.float32),
        "length": dataset.frames.astype(np.int64),
        "name": np.array(dataset.names, np.str_),
        "joint_names": np.array(dataset.layout.joints, np.str_),
        "parents": np.array([-1 if i == at else at for i, at in enumerate(dataset.layout.parents)]),
    }
    if dataset.has_score:
        arrays["score"] = np.concatenate([clip.score[0] for clip in clips if clip.score is not None]).astype(np.float32)
    if (dataset.label >= 0).all() and dataset.class_names:
        arrays["label"], arrays["class_names"] = dataset.label.astype(np.int64), np.array(dataset.class_names, np.str_)
    for split, parts in dataset.splits.items():
        arrays[split if split == "split" else f"split_{split}"] = np.array(parts, np.str_)
    arrays |= {name: np.array(values) for name, values in dataset.attributes.items() if name not in OWN_KEYS}
    write_atomic(beside(path), about_text(dataset, np.arange(len(dataset))).encode())
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)
