"""The parts of a dataset that a run trains and validates on, and what is known of them to tell with the weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.skeleton.layout import JointLayout, load_layout

FIGURES = ("top1", "mean_class_accuracy", "top5")


def open_parts(
    folder: SkeletonDataset, split: str, how: Preprocessing, seed: int, validate: bool
) -> tuple[ClipDataset, ClipDataset | None]:
    """The "train" and, to validate, the "val" part. Raises ValueError when clips lack a label or do not fit `how`."""
    train_clips = ClipDataset(folder, folder.indices(split, "train"), how, seed)
    once = replace(how, test_clips=1)  # as published: only a test looks at several choices of frames
    if validate and "val" not in folder.parts(split):
        there = ", ".join(folder.parts(split))
        raise ValueError(
            f"split '{split}' has no part 'val' to validate on, only {there}; --no-validate trains without"
        )
    val_clips = ClipDataset(folder, folder.indices(split, "val"), once) if validate else None
    for clips in filter(None, (train_clips, val_clips)):
        if (unlabelled := folder.label[clips.indices] < 0).any():
            raise ValueError(f"clip '{folder.names[clips.indices[unlabelled.argmax()]]}' has no label")
        clips[0, 0]  # a recipe that does not fit the data fails here, before anything is written
    return train_clips, val_clips


def choose_layout(name: str | None, folder: SkeletonDataset) -> JointLayout:
    """The layout of that name, whose joints must be the dataset's, or the dataset's own."""
    if name is None:
        return folder.layout
    layout = load_layout(name)
    if layout.joints != folder.layout.joints:
        raise ValueError(
            f"layout '{layout.name}' has {len(layout)} joints, the dataset's '{folder.layout.name}' "
            f"{len(folder.layout)}: only other bones between the same joints can be asked for"
        )
    return layout


def class_counts(clips: ClipDataset) -> list[int]:
    """How many clips each class of the dataset has."""
    return np.bincount(clips.folder.label[clips.indices], minlength=len(clips.folder.class_names)).tolist()


def absent_classes(clips: ClipDataset) -> list[str]:
    """Names of the classes without a clip."""
    return [name for name, count in zip(clips.folder.class_names, class_counts(clips), strict=True) if count == 0]


def coordinates(folder: SkeletonDataset) -> tuple[str, ...]:
    """What the numbers of a joint are."""
    return ("x", "y", "z")[: folder.channels] + ("score",) * folder.has_score


def training_facts(clips: ClipDataset, split: str) -> dict[str, Any]:
    """What weights trained on these clips tell about them: source, licence, how many, of whom."""
    folder, counts = clips.folder, class_counts(clips)
    facts = {
        "source": folder.source,
        "licence": folder.licence,
        "split": split,
        "part": "train",
        "clips": len(clips),
        "classes": sum(count > 0 for count in counts),
        "frames": [int(n) for n in np.percentile(folder.frames[clips.indices], (0, 50, 100))],
        "coordinates": list(coordinates(folder)),
        "units": folder.units,
    }
    if (subjects := folder.attributes.get("subject")) is not None:
        facts["subjects"] = len(np.unique(subjects[clips.indices]))
    return facts | ({"absent": absent} if (absent := absent_classes(clips)) else {})


def measured_facts(
    clips: ClipDataset, split: str, record: Mapping[str, Any], chosen_by: str | None = None
) -> dict[str, Any]:
    """What weights tell about a validation; record: its line in the log. chosen_by: the figure that chose the epoch."""
    facts = {"source": clips.folder.source, "split": split, "part": "val", "clips": len(clips)}
    facts |= {name: record[name] for name in FIGURES if name in record}
    return facts | ({"chosen_by": chosen_by} if chosen_by else {})
