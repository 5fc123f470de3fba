"""Clips of a dataset -> the padded arrays of 2s-AGCN, which `padded` reads back."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.reading.steps.companion import FILE, about_text
from kinegraph.data.split_names import PARTS
from kinegraph.safe_pickle import sealed
from kinegraph.skeleton.clip import SkeletonClip

ARRAY, LABELS = "data_joint.npy", "label.pkl"


def write_padded(
    folder: Path,
    dataset: SkeletonDataset,
    parts: dict[str, Int[np.ndarray, "n"]],
    *,
    split: str | None = None,
    frames: int = 300,
    people: int = 2,
    replaceable: Callable[[Path], None] | None = None,
) -> None:
    """Write PART_data_joint.npy (N, C, T, V, M) float32 and PART_label.pkl = (names, labels) of each part of a split.

    parts: name of a part -> its clips; "" where there is no split. replaceable: see `atomic_folder`.
    Coordinates are those of the dataset, zeros where a clip has ended; a score is the third channel after x and y. What
    else is known goes to kinegraph.json.
    Raises ValueError naming a clip that is too long, has too many people or no label.
    """
    if wrong := sorted({*parts}.difference(PARTS, [""])):
        raise ValueError(f"{dataset.path}: split '{split}' has part '{wrong[0]}', the arrays are {', '.join(PARTS)}")
    written = np.concatenate(list(parts.values()))
    check_fits(folder, dataset, written, frames, people)
    with atomic_folder(folder, replaceable) as unfinished:
        for part, clips in parts.items():
            start = f"{part}_" if part else ""
            _write_array(unfinished / f"{start}{ARRAY}", dataset, clips, frames, people)
            labels = [dataset.names[i] for i in clips], dataset.label[clips].tolist()
            (unfinished / f"{start}{LABELS}").write_bytes(sealed(pickle.dumps(labels, protocol=3)))
        (unfinished / FILE).write_text(about_text(dataset, written, split), encoding="utf-8")


def is_padded_folder(folder: Path) -> bool:
    """Whether a folder holds nothing but what `write_padded` writes."""
    return folder.is_dir() and all(file.name.endswith((ARRAY, LABELS, FILE)) for file in folder.iterdir())


def check_fits(folder: Path, dataset: SkeletonDataset, clips: Int[np.ndarray, "n"], frames: int, people: int) -> None:
    """Raise ValueError naming a clip that is too long, has too many people or no label; or if there is no such room."""
    size = 4 * len(clips) * (dataset.channels + dataset.has_score) * frames * len(dataset.layout) * people
    if size > (free := shutil.disk_usage(folder.absolute().parent).free):
        raise ValueError(
            f"{len(clips):,} clips of {frames:,} frames and {people:,} people take {size / 1e9:,.1f} GB, "
            f"{free / 1e9:,.1f} GB are free at {folder.absolute().parent}"
        )
    for what, counts, most in (("frames", dataset.frames, frames), ("people", dataset.people, people)):
        if (long := clips[counts[clips] > most]).size:
            raise ValueError(
                f"clip '{dataset.names[long[0]]}' has {counts[long[0]]} {what}, the arrays have room for {most}; "
                f"give --{what} {counts[clips].max()}"
            )
    if (without := clips[dataset.label[clips] < 0]).size:
        raise ValueError(f"clip '{dataset.names[without[0]]}' has no label, and the format needs one")


def _write_array(path: Path, dataset: SkeletonDataset, clips: Int[np.ndarray, "n"], frames: int, people: int) -> None:
    """One clip after another: a mapped array's written pages would stay in memory."""
    channels = dataset.channels + dataset.has_score
    shape = (len(clips), channels, frames, len(dataset.layout), people)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for i in clips:
            file.write(padded(dataset[int(i)], frames, people).data)


def padded(clip: SkeletonClip, frames: int, people: int) -> Float[np.ndarray, "C T V M"]:
    """A clip's keypoints (and scores) with zeros after its last frame and person."""
    values = clip.keypoint if clip.score is None else np.concatenate([clip.keypoint, clip.score[..., None]], axis=-1)
    filled = np.zeros((values.shape[3], frames, values.shape[2], people), np.float32)
    filled[:, : clip.frames, :, : clip.people] = values.transpose(3, 1, 2, 0)
    return filled
