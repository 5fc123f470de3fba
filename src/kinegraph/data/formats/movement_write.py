"""Clips of a dataset -> a folder of datasets of `movement` (.nc, a file a clip), which `movement` reads back."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.companion import FILE, about_text
from kinegraph.data.formats.hdf5 import check_h5py
from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip

DIMS = ("time", "space", "keypoints", "individuals")
USUAL_RATE = 1.0  # of a clip that does not say it: times are then numbers of frames


def write_movement(folder: Path, dataset: SkeletonDataset, replaceable: Callable[[Path], None] | None = None) -> None:
    """Write CLIP.nc for each clip: position, confidence and their dimensions; kinegraph.json has the rest.

    Raises ValueError for a clip whose name is no name of a file, and where h5py is missing.
    """
    check_h5py("movement's datasets")
    if wrong := next((name for name in dataset.names if not _is_file_name(name)), None):
        raise ValueError(f"clip {quoted(wrong)} cannot give a file its name; rename it")
    with atomic_folder(folder, replaceable) as unfinished:
        for i in range(len(dataset)):
            clip = dataset[i]
            file = unfinished / f"{clip.name}.nc"
            file.parent.mkdir(parents=True, exist_ok=True)
            _write_clip(file, clip)
        (unfinished / FILE).write_text(about_text(dataset, np.arange(len(dataset))), encoding="utf-8")


def is_movement_folder(folder: Path) -> bool:
    """Whether a folder holds nothing but what `write_movement` writes."""
    return folder.is_dir() and all(
        file.is_dir() or file.suffix == ".nc" or file.name == FILE for file in folder.rglob("*")
    )


def _is_file_name(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and not {"..", "/"} & {*parts} and "\\" not in name


def _write_clip(file: Path, clip: SkeletonClip) -> None:
    seen = clip.keypoint.any(3, keepdims=True)
    position = np.where(seen, clip.keypoint, np.nan).transpose(1, 3, 2, 0)
    confidence = None if clip.score is None else clip.score.transpose(1, 2, 0)
    names = {
        "space": tuple("xyz"[: clip.keypoint.shape[3]]),
        "keypoints": clip.layout.joints,
        "individuals": tuple(f"person_{i}" for i in range(clip.people)),
    }
    write_dataset_file(file, position, DIMS, confidence, DIMS[:1] + DIMS[2:], names, clip.fps)


def write_dataset_file(
    file: Path,
    position: Float[np.ndarray, "..."],
    dims: Sequence[str],
    confidence: Float[np.ndarray, "..."] | None,
    dims_of_score: Sequence[str],
    names: Mapping[str, Sequence[str]],
    fps: float | None,
) -> None:
    """Write one dataset as netCDF4. names: along the dimensions other than time. dims: the names of the axes."""
    h5py: Any = import_module("h5py")
    frames = position.shape[dims.index("time")]
    with h5py.File(file, "w") as content:
        content["time"] = np.arange(frames) / (fps or USUAL_RATE)
        for name, texts in names.items():
            content.create_dataset(name, data=list(texts), dtype=h5py.string_dtype())
        for name in dims:
            content[name].make_scale(name)
        content["position"] = position
        if confidence is not None:
            content["confidence"] = confidence
        for key, axes in (("position", dims), ("confidence", dims_of_score)):
            for axis, name in enumerate(axes if key in content else ()):
                content[key].dims[axis].attach_scale(content[name])
        content.attrs["time_unit"] = "seconds" if fps else "frames"
        content.attrs["ds_type"] = "poses"
        content.attrs["source_software"] = "Kinegraph"
        if fps:
            content.attrs["fps"] = float(fps)
