"""The arrays in a .npz, a pickle, HDF5, a .npy of objects or the .npy of a folder by name, as if all were a .npz.

    array                                       one, named as the file
    [array, array, ...], {name: array, ...}     each under its name, or its number
    (data, labels), {"data": ..., "labels": ...}    the same two names; data may be a list of arrays of any length
    {name: {"keypoints": array, "label": ...}, ...}, or a list of such objects    data, labels, and names

    x_train.npy beside y_train.npy              arrays under the names of their files; one finds its labels beside it
    groups and datasets of HDF5                 objects and arrays; `label` may be an attribute of a group

A pickle is read as data, see `safe_pickle`, and is in memory as a whole.
"""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.folders import files_in
from kinegraph.data.formats.hdf5 import UNPACKED_A_BYTE, UNPACKED_ALWAYS, check_h5py, dataset_of, opened
from kinegraph.data.formats.padded import mapped
from kinegraph.data.formats.recordings import FormatError
from kinegraph.data.split_names import PARTS
from kinegraph.safe_npz import load_npy_object, load_npz, load_npz_object, npz_shapes
from kinegraph.safe_pickle import load_pickle

PICKLES = (".pkl", ".pickle", ".p")
HDF5 = (".h5", ".hdf5")
ENDINGS = (".npz", ".npy", *PICKLES, *HDF5)
DATA, LABELS, NAMES = "data", "labels", "names"
SCORES = ("score", "scores", "keypoint_score", "keypoint_scores", "confidence", "conf")
# Words in the names of arrays of clips, and of their labels.
OF_CLIPS = ("x", "data", "keypoint", "keypoints", "skeleton", "skeletons", "features", "samples", "poses", "joints")
OF_LABELS = ("y", "label", "labels", "target", "targets", "classes")
Arrays = Mapping[str, Any]  # an array each, or a list of arrays


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """shapes: of the arrays; of a list of arrays its length and the shape of the first one; () of what is neither."""

    shapes: Mapping[str, tuple[int, ...]]
    load: Callable[[str], Any]


def open_arrays(path: Path) -> ArrayFile:
    """The arrays of a file. Raises ValueError naming a file that is broken or of another kind."""
    suffix = path.suffix.lower()
    if path.is_dir() or (suffix == ".npy" and not holds_objects(path)):
        return _of_npy(path)
    if suffix == ".npz" or zipfile.is_zipfile(path):
        return _of_npz(path)
    if suffix in HDF5:
        content = _of_hdf5(path)
    else:
        content = load_pickle(path) if suffix in PICKLES else load_npy_object(path, several=True)
    arrays = named_arrays(content, path.stem)
    if not arrays:
        raise FormatError("shape", f"{path} holds no arrays of joints: expected (frames, joints, 2 to 4 coordinates)")
    return ArrayFile({name: _shape(it) for name, it in arrays.items()}, arrays.__getitem__)


def holds_objects(path: Path) -> bool:
    """Whether a .npy holds Python objects."""
    with path.open("rb") as file:
        head = file.read(128)
    return head.startswith(b"\x93NUMPY") and b"'|O'" in head


def meaning(name: str) -> tuple[str, str]:
    """The word and the part of the split in a name: X_train -> (x, train)."""
    words = ["val" if it == "valid" else it for it in re.split(r"[^a-z]+", name.lower()) if it]
    part = next((it for it in words if it in PARTS), "")
    return "_".join(it for it in words if it != part), part


def _of_npy(path: Path) -> ArrayFile:
    """The arrays of a folder's .npy files, or of one of them and those of its part beside it."""
    files = files_in(path if path.is_dir() else path.parent, "*.npy")
    part = None if path.is_dir() else meaning(path.stem)[1]
    found = {}
    for file in files:
        word, of = meaning(file.stem)
        if file != path and (word not in (*OF_CLIPS, *OF_LABELS) or part not in (None, of)):
            continue
        with suppress(ValueError):
            found[file.stem] = mapped(file)
    return ArrayFile({name: it.shape for name, it in found.items()}, found.__getitem__)


def _of_hdf5(path: Path) -> Any:
    """The groups of a file as objects with their attributes, and its datasets as arrays; links are not followed."""
    check_h5py("arrays in HDF5")
    h5py = import_module("h5py")
    read = 0

    def values(group: Any) -> dict[str, Any]:
        nonlocal read
        found: dict[str, Any] = {str(name): it for name, it in group.attrs.items()}
        for name in group:
            if (array := dataset_of(path, group, name)) is not None:
                read += array.size * array.dtype.itemsize
                if read > UNPACKED_ALWAYS + UNPACKED_A_BYTE * path.stat().st_size:
                    raise ValueError(f"{path} would unpack to more than {read:,} bytes; save it not packed")
                found[name] = array[()]
            elif isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(group[name], h5py.Group):
                found[name] = values(group[name])
        return found

    with opened(path) as file:
        return values(file)


def _of_npz(path: Path) -> ArrayFile:
    """Arrays of objects are those of clips of different lengths, or texts."""
    shapes = npz_shapes(path)
    objects = {name: load_npz_object(path, name, several=True) for name in _of_objects(path, shapes)}
    listed = {name: [*it] for name, it in objects.items() if _is_list(it)}

    @lru_cache(maxsize=1)
    def load(name: str) -> Any:
        return listed[name] if name in listed else load_npz(path, (name,))[name]

    return ArrayFile(dict(shapes) | {name: _shape(it) for name, it in listed.items()}, load)


def _of_objects(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    found = []
    for name, shape in shapes.items():
        if shape == ():
            try:
                load_npz(path, (name,))
            except ValueError:
                found.append(name)
    return found


def named_arrays(content: Any, stem: str) -> Arrays:
    """The arrays in a value by name; nothing where it holds none. stem: the name of the file."""
    if isinstance(content, np.ndarray) and content.dtype.hasobject:
        content = [*content.ravel()] if content.ndim else content.item()
    if _is_array(content):
        return {stem: content}
    if isinstance(content, Mapping):
        return _of_mapping({_text(key): value for key, value in content.items()}, stem)
    if not isinstance(content, list | tuple) or not content:
        return {}
    if len(content) == 2 and (data := _clips(content[0])) is not None and (names := _labels(content[1])) is not None:
        return {DATA: data, LABELS: names} if len(data) == len(names) else {}
    if _is_list(content):
        return {f"{stem}-{i}": array for i, array in enumerate(content)}
    if all(isinstance(it, Mapping) for it in content):
        return _of_objects_each([(f"{stem}-{i}", it) for i, it in enumerate(content)])
    return {}


def _of_mapping(content: Mapping[str, Any], stem: str) -> Arrays:
    if content and all(isinstance(it, Mapping) for it in content.values()):
        return _of_objects_each(list(content.items()))
    single = {name: np.array(it) for name, it in content.items() if isinstance(it, int | float | np.number)}
    if alone := _of_objects_each([(stem, content)]):
        return single | alone
    found = {name: _clips(it) if _clips(it) is not None else _labels(it) for name, it in content.items()}
    return {name: it for name, it in found.items() if it is not None} | single


def _of_objects_each(items: Sequence[tuple[str, Mapping]]) -> Arrays:
    """Data, labels and names of objects that have the array of a clip each; nothing for others."""
    data, labels, names = [], [], []
    for name, item in items:
        plain = {_text(key): value for key, value in item.items()}
        keys = [key for key, value in plain.items() if _is_array(value) and value.ndim > 2]
        if len(keys) != 1:
            return {}
        array = plain[keys[0]]
        scores = [it for key, it in plain.items() if key in SCORES and np.shape(it) == array.shape[:-1]]
        if scores:
            array = np.concatenate([array, scores[0][..., None]], axis=-1)
        if any(isinstance(it, np.ndarray) and it.ndim for key, it in plain.items() if key not in (*SCORES, *keys)):
            return {}  # such as numbers of frames, which would be lost
        data.append(array)
        labels.append(_label(plain))
        names.append(next((str(plain[key]) for key in ("name", "id", "video") if key in plain), name))
    known = _labels(labels)
    if known is None:
        return dict(zip(names, data, strict=True))
    return {DATA: data, NAMES: np.array(names), LABELS: known}


def _label(item: Mapping[str, Any]) -> Any:
    """The label that an object says; None without."""
    found = next((item[key] for key in ("label", "labels", "class", "action", "y") if key in item), None)
    found = found.item() if isinstance(found, np.generic | np.ndarray) and np.size(found) == 1 else found
    return found if isinstance(found, str | int | float) else None


def _text(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim > 1


def _is_list(value: object) -> bool:
    each = value if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject) else []
    return len(each) > 0 and all(_is_array(it) for it in each)


def _clips(value: Any) -> Any:
    """An array, or a list of arrays; None for another value."""
    return value if _is_array(value) else [*value] if _is_list(value) else None


def _labels(value: Any) -> np.ndarray | None:
    """Numbers or texts in a row as an array; None for another value."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiuUb":
        return value
    each = [it.item() if isinstance(it, np.generic) else it for it in value] if isinstance(value, list | tuple) else []
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        each = value.ravel().tolist()
    kinds = {type(it) for it in each}
    return np.array(each) if kinds in ({int}, {str}, {float}) else None


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, np.ndarray) else (len(value), *value[0].shape)
