"""What a test on long recordings keeps: the probabilities of each class in each frame, as a .npz file without pickles.

names: of the recordings; length: frames of each; probabilities: (frames of all, one recording after another, classes);
several: whether a frame may have several classes. The labels are those of the dataset.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.atomic import write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.windows import labels_of
from kinegraph.evaluation.timelines import Timeline
from kinegraph.messages import quoted
from kinegraph.safe_npz import load_npz

PROBABILITIES = "probabilities.npz"


def timeline_of(
    folder: SkeletonDataset, index: int, probabilities: Float[np.ndarray, "T classes"], several: bool
) -> Timeline:
    """The probabilities of a recording of a dataset beside its labels."""
    subject = folder.attributes.get("subject")
    return Timeline(
        name=folder.names[index],
        probabilities=probabilities,
        labels=labels_of(folder, index),
        several=several,
        none=folder.none,
        fps=float(folder.fps[index]),
        subject="" if subject is None else str(subject[index]),
    )


def write_probabilities(path: Path, timelines: Sequence[Timeline]) -> None:
    """Write the file."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        names=np.array([timeline.name for timeline in timelines]),
        length=np.array([len(timeline.probabilities) for timeline in timelines]),
        probabilities=np.concatenate([timeline.probabilities for timeline in timelines]).astype(np.float32),
        several=np.array(any(timeline.several for timeline in timelines)),
    )
    write_atomic(path, content.getvalue())


def read_timelines(path: Path, folder: SkeletonDataset) -> list[Timeline]:
    """The timelines of the recordings in a file, with the labels that a dataset gives them.

    Raises ValueError where the file is not of this dataset.
    """
    kept = load_npz(path)
    if lacking := {"names", "length", "probabilities", "several"} - kept.keys():
        raise ValueError(f"{path} has no array {sorted(lacking)[0]}, expected what kinegraph test writes")
    place = {name: index for index, name in enumerate(folder.names)}
    ends = np.cumsum(kept["length"])[:-1]
    found: list[Timeline] = []
    for name, rows in zip(kept["names"].tolist(), np.split(kept["probabilities"], ends), strict=True):
        if name not in place or rows.shape != (int(folder.frames[place[name]]), len(folder.class_names)):
            raise ValueError(f"{path}: recording {quoted(name)} is not one of {folder.path}, or has other frames")
        found.append(timeline_of(folder, place[name], rows, bool(kept["several"])))
    return found
