"""Clips of a dataset -> a CSV with a row a joint, which `table` reads back; what it has no place for lies beside it."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.companion import about_text, beside
from kinegraph.skeleton.clip import SkeletonClip


def write_table(path: Path, dataset: SkeletonDataset) -> None:
    """Write clip, frame, person, joint, x, y (z, score), label and splits of every joint; empty cells: not seen."""
    axes = "xyz"[: dataset.channels]
    splits = [split if split == "split" else f"split_{split}" for split in dataset.splits]
    header = ["clip", "frame", "person", "joint", *axes, *["score"] * dataset.has_score, "label", *splits]
    write_atomic(beside(path), about_text(dataset, np.arange(len(dataset))).encode())
    with atomic_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        for i in range(len(dataset)):
            clip = dataset[i]
            label = "" if clip.label is None else dataset.class_names[clip.label] if dataset.class_names else clip.label
            of_clip = [label, *(clip.splits.get(split, "") for split in dataset.splits)]
            table.writerows([clip.name, *row, *of_clip] for row in _rows(clip))


def _rows(clip: SkeletonClip) -> Iterator[list[str | int]]:
    """Frame, person, joint, coordinates and score of every joint."""
    seen = clip.keypoint.any(3)
    for frame in range(clip.frames):
        for person in range(clip.people):
            for number, joint in enumerate(clip.layout.joints):
                place = clip.keypoint[person, frame, number]
                cells = [str(it) for it in place] if seen[person, frame, number] else [""] * len(place)
                if clip.score is not None:
                    cells.append(str(clip.score[person, frame, number]))
                yield [frame, person, joint, *cells]
