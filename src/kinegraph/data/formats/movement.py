"""Datasets of the package `movement` (.nc, netCDF4) -> clips; needs h5py, the extra `formats`.

    position      (time, space, keypoints, individuals)    x, y (z); NaN: not seen; dimensions in any order
    confidence    (time, keypoints, individuals)           the score
    keypoints, individuals, space                          the names along these dimensions
    fps, time_unit                                         attributes

netCDF4 is HDF5, and is read as such. One file is one clip. movement names no bones: each keypoint is joined to one in
the middle, unless a layout is given. `kg.read` takes such a dataset itself, too, see `data_frames`.
Source: movement's user guide, "movement datasets"; neuroinformatics-unit/movement.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.hdf5 import array_of, check_h5py, dataset_of, opened, start_of, text_of, texts_of
from kinegraph.data.reading.joints.animals import Tracks, checked_nodes, checked_places, recordings_of_tracks
from kinegraph.data.reading.steps.companion import FILE, about_text
from kinegraph.data.tracking import CROWD
from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME, TITLE = "movement", "datasets of movement (netCDF)"
SUFFIXES = (".nc", ".netcdf", ".h5")
ORDER = ("individuals", "time", "keypoints", "space")
OLD_NAMES = {"individual": "individuals", "keypoint": "keypoints"}
DIMS = ("time", "space", "keypoints", "individuals")
USUAL_RATE = 1.0  # of a clip that does not say it: times are then numbers of frames


def detect(path: Path) -> str | None:
    """A netCDF4 file with position, keypoints and individuals, or a folder with some."""
    return reason_of(
        path,
        SUFFIXES,
        _is_one,
        "position, keypoints and individuals, as in movement's datasets",
        "holds datasets of movement",
    )


def _is_one(file: Path) -> bool:
    start = start_of(file)
    return all(word in start for word in (b"position", b"keypoint", b"individual", b"space"))


def read(path: Path, *, layout: str | JointLayout | None = None) -> Recordings:
    """The clips of a folder, in the order of their names, or of one file; sub-folders name classes.

    layout: name or YAML file of the joints; by default one of the keypoints. Raises ValueError.
    """
    check_h5py("movement's datasets")
    found = clip_files(path, SUFFIXES, _is_one)
    return recordings_of_tracks(found, path, read_file, layout, name=NAME, title="movement")


def read_file(file: Path) -> Tracks:
    """The keypoints and individuals of a file. Raises ValueError naming what is not as expected."""
    with opened(file) as content:
        position, confidence = array_of(file, content, "position"), array_of(file, content, "confidence")
        dims = _dims(dataset_of(file, content, "position"))
        dims_of_score = _dims(dataset_of(file, content, "confidence"))
        names = {key: texts_of(file, content, key) or texts_of(file, content, key[:-1]) for key in ORDER[::2]}
        time = array_of(file, content, "time")
        fps, unit = content.attrs.get("fps"), content.attrs.get("time_unit", "seconds")
    return tracks_of(str(file), position, dims, confidence, dims_of_score, names, rate_of(fps, text_of(unit), time))


def tracks_of(
    origin: str,
    position: Float[np.ndarray, "..."] | None,
    dims: Sequence[str],
    confidence: Float[np.ndarray, "..."] | None,
    dims_of_score: Sequence[str],
    names: Any,
    fps: float | None,
) -> Tracks:
    """What the arrays of a dataset hold. dims: the names of their axes. Raises ValueError with the origin."""
    file = Path(origin)
    order = [name for name in ORDER if name in dims]
    if position is None or {*order} != {*dims} or {"time", "keypoints", "space"} - {*dims}:
        raise FormatError("shape", f"{origin} has no position along time, space, keypoints and individuals")
    places = _ordered(position, dims, ORDER)
    if places.shape[3] not in (2, 3):
        raise FormatError("shape", f"{origin} has {places.shape[3]} coordinates, expected x, y or x, y, z")
    if len(places) > CROWD:
        raise ValueError(f"{origin} has {len(places):,} individuals, expected at most {CROWD}")
    nodes = checked_nodes(file, names.get("keypoints") or tuple(map(str, range(places.shape[2]))))
    if len(nodes) != places.shape[2]:
        raise FormatError("shape", f"{origin} names {len(nodes)} keypoints and has {places.shape[2]}")
    score = None
    if confidence is not None and {*dims_of_score} == {*dims} - {"space"} and np.isfinite(confidence).any():
        score = _ordered(confidence, dims_of_score, ORDER[:3])
    people = tuple(names.get("individuals") or ())
    return Tracks(nodes, (), checked_places(file, places), score, people if len(people) == len(places) else (), fps)


def rate_of(fps: object, unit: str, time: np.ndarray | None) -> float | None:
    """Frames a second: as the dataset says it, or by its times in seconds."""
    try:
        rate = float(np.asarray(fps).reshape(-1)[0])  # pyright: ignore[reportArgumentType]
    except (ValueError, TypeError, IndexError):
        rate = 0.0
    if not 0 < rate < 1e6 and unit == "seconds" and time is not None and len(time) > 1:
        step = float(np.median(np.diff(time)))
        rate = float(f"{1 / step:.6g}") if step > 0 else 0.0
    return rate if 0 < rate < 1e6 else None


def _ordered(array: np.ndarray, dims: Sequence[str], order: Sequence[str]) -> Float[np.ndarray, "..."]:
    """The array with its axes in this order. An array without individuals gets an axis with one."""
    there = [name for name in order if name in dims]
    array = np.asarray(array, np.float64).transpose([dims.index(name) for name in there])
    return array if len(there) == len(order) else array[None]


def _dims(dataset: Any) -> tuple[str, ...]:
    """The names of an array's axes, which netCDF keeps as links to the arrays along them."""
    if dataset is None:
        return ()
    names = []
    for axis in dataset.dims:
        name = axis[0].name.rpartition("/")[2] if len(axis) else axis.label
        names.append(OLD_NAMES.get(name, name))
    return tuple(names)


# ---- a dataset as files of movement, one a clip ----------------------------------------------------------------------


def write_movement(folder: Path, dataset: SkeletonDataset, replaceable: Callable[[Path], None] | None) -> None:
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
