"""The arrays in a .npz, .mat, pickle, .pt, HDF5, a .npy of objects or the .npy of a folder, as if all were a .npz.

    objects, lists and arrays of Python         see `named_arrays`; in a .json as nested lists
    train.npz, test.npz in a folder             x and y of each, as x_train, y_train and so on
    x_train.npy beside y_train.npy              arrays under the names of their files; one finds its labels beside it
    groups and datasets of HDF5                 objects and arrays; `label` may be an attribute of a group
    structs, cells and arrays of MATLAB         objects, lists and arrays, whose axes may stand in any order

A pickle is read as data, also one of joblib, see `safe_pickle`, and is in memory as a whole. What torch.save wrote is
read in the same way (`safe_torch`); tensors are arrays.
"""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.folders import files_in
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.hdf5 import check_h5py, dataset_of, opened
from kinegraph.data.reading.files.json_rows import array_of, depth_of
from kinegraph.data.reading.files.matlab import SUFFIX as MAT
from kinegraph.data.reading.files.matlab import flat, load_mat, unwrapped
from kinegraph.data.reading.files.npy import mapped
from kinegraph.data.reading.joints.axes import MOST_PEOPLE, flat_shapes, usual_order, with_joints
from kinegraph.data.reading.tables.named_arrays import (
    OF_CLIPS,
    OF_LABELS,
    axes_in,
    columns_in,
    is_list,
    labels_in,
    meaning,
    named_arrays,
    shape_of,
    with_joined_axes,
    with_joined_frames,
)
from kinegraph.safe_io import read_json
from kinegraph.safe_npz import load_npy_object, load_npz, load_npz_object, npz_shapes
from kinegraph.safe_packed import UNPACKED_A_BYTE, UNPACKED_ALWAYS
from kinegraph.safe_pickle import load_pickle

PICKLES = (".pkl", ".pickle", ".p", ".joblib")
TORCH = (".pt", ".pth")
OF_PARTS = (".npz", *PICKLES, *TORCH)  # endings of files that are parts of a split
HDF5 = (".h5", ".hdf5")
JSON = ".json"
ENDINGS = (".npz", ".npy", MAT, *PICKLES, *TORCH, *HDF5, JSON)
FEWEST_POINTS = 5  # variables of (T, 3) that are joints
OF_NETWORK = re.compile(r"state_dict|\.(weight|bias|running_mean)$")  # keys of what torch.save wrote


@dataclass(frozen=True, eq=False)
class ArrayFile:
    """shapes: of the arrays; of a list of arrays its length and the shape of the first one; () of what is neither.

    left_out: entries that cannot be read, name -> kind.
    """

    shapes: Mapping[str, tuple[int, ...]]
    load: Callable[[str], Any]
    left_out: Mapping[str, str] = field(default_factory=dict)


def open_arrays(path: Path) -> ArrayFile:
    """The arrays of a file. Raises ValueError naming a file that is broken or of another kind."""
    suffix = path.suffix.lower()
    if path.is_dir() and (files := files_of_parts(path)):
        return _of_parts(files)
    if path.is_dir() or (suffix == ".npy" and not holds_objects(path)):
        return _of_npy(path)
    if suffix == ".npz" or (suffix not in TORCH and zipfile.is_zipfile(path)):
        return _of_npz(path)
    if suffix in HDF5:
        content = _of_hdf5(path)
    elif suffix == MAT:
        content = _of_mat(unwrapped(load_mat(path).values))
    else:
        content = load_objects(path)
    arrays = named_arrays(content, path.stem)
    if not arrays:
        raise FormatError("shape", f"{path} holds no arrays of joints: expected (frames, joints, 2 to 4 coordinates)")
    return ArrayFile({name: shape_of(array) for name, array in arrays.items()}, arrays.__getitem__)


def files_of_parts(folder: Path) -> list[Path]:
    """The files train.npz, test.npz and so on of a folder, each with the arrays of a part; [] where there are none."""
    files = [file for ending in OF_PARTS for file in files_in(folder, f"*{ending}") if meaning(file.stem)[1]]
    return files if len(files) > 1 and len({file.suffix for file in files}) == 1 else []


def _of_parts(files: Sequence[Path]) -> ArrayFile:
    """The arrays of several files, each with the part that its file is, as x_train."""
    shapes: dict[str, tuple[int, ...]] = {}
    loads: dict[str, Callable[[], Any]] = {}
    for file in files:
        found = open_arrays(file)
        for name, shape in found.shapes.items():
            named = name if meaning(name)[1] else f"{name}_{meaning(file.stem)[1]}"
            shapes[named], loads[named] = shape, partial(found.load, name)
    return ArrayFile(shapes, lambda name: loads[name]())


def load_objects(path: Path) -> Any:
    """The value in a pickle, a .npy of objects, or a file of torch.save, whose tensors become arrays."""
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return load_pickle(path)
    if suffix == JSON:
        return _nested_arrays(read_json(path))
    if suffix not in TORCH:
        return load_npy_object(path, several=True)
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file) and file.read(2) != b"\x80\x02":  # joblib and pickle write any name
            return load_pickle(path)
    content = import_module("kinegraph.safe_torch").load_foreign(path)  # torch takes a second to import
    if isinstance(content, Mapping) and any(OF_NETWORK.search(str(key)) for key in content):
        raise FormatError("network", f"{path} holds a network, no recordings")
    return _as_arrays(content)


def _nested_arrays(content: Any) -> Any:
    """An object of nested lists of numbers with arrays in their place, or lists of such under the names of classes."""
    if not isinstance(content, Mapping):
        return None
    found: dict[str, Any] = {}
    for name, value in content.items():
        with suppress(ValueError, TypeError, OverflowError):
            several = depth_of(value, 4) == 4 and all(len(clip) > MOST_PEOPLE for clip in value)  # and no people
            found[name] = [array_of(clip, 3) for clip in value] if several else array_of(value, 4)
    return found if len(found) == len(content) > 1 else None


def _as_arrays(value: Any) -> Any:
    """The value with arrays in place of tensors."""
    if isinstance(value, Mapping):
        return {key: _as_arrays(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_as_arrays(entry) for entry in value]
    if hasattr(value, "detach"):
        return value.detach().float().numpy() if value.dtype.is_floating_point else value.numpy()
    return value


def open_named(path: Path, joints: int | None = None) -> ArrayFile:
    """The arrays and single values of one clip in a .npz, .mat, pickle or .pt. joints: number of joints, if known.

    x, y and z (T, V) are one array. Of a .mat, the axes are brought to the order of a .npz; (T, 3) of several names are
    joints of these names.
    """
    if path.suffix.lower() == MAT:
        content = load_mat(path)
        values = flat(content.values)
        found = _of_axes(values) or _in_joints(_points(_of_mat(values, joints)), joints)
        found = {
            name: np.array(array)
            for name, array in found.items()
            if not isinstance(array, list) or labels_in(array) is not None
        }
        return ArrayFile({name: array.shape for name, array in found.items()}, found.__getitem__, content.left_out)

    if path.suffix.lower() in (*PICKLES, *TORCH):
        arrays = named_arrays(load_objects(path), path.stem)
        return ArrayFile({name: shape_of(array) for name, array in arrays.items()}, arrays.__getitem__)

    def load(name: str) -> Any:
        try:
            return load_npz(path, (name,))[name]
        except ValueError:
            return np.array(load_npz_object(path, name))  # text may be stored as an object

    shapes = npz_shapes(path)
    listed = {name: load_npz_object(path, name, several=True) for name in _of_objects(path, shapes)}
    whole = with_joined_frames({name: [*value] for name, value in listed.items() if is_list(value)})
    whole = {name: value for name, value in whole.items() if isinstance(value, np.ndarray)}
    shapes = dict(shapes) | {name: value.shape for name, value in whole.items()}
    return _joined(ArrayFile(shapes, lambda name: whole[name] if name in whole else load(name)))


def _joined(file: ArrayFile) -> ArrayFile:
    """The arrays, in which x, y and z that stand apart are one."""
    names = axes_in(file.shapes) or [name for column in columns_in(file.shapes).values() for name in column]
    if not names:
        return file
    joined = with_joined_axes({name: file.load(name) for name in names})
    shapes = {name: shape for name, shape in file.shapes.items() if name not in names}
    shapes |= {name: array.shape for name, array in joined.items()}
    return ArrayFile(shapes, lambda name: joined[name] if name in joined else file.load(name))


def _of_axes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in which x, y and z (frames, joints) are one array; {} for others.

    Of Penn Action, the visibility stands beside them as such an array already, the size of its pictures in
    `dimensions`; train is 1 or -1, which is for a test.
    """
    found = with_joined_axes(values)
    if found is values:
        return {}
    rest = {name: value for name, value in found.items() if name != "dimensions"}
    sides = np.ravel(values.get("dimensions", ()))
    size = {"image_size": np.array([sides[1], sides[0]])} if sides.size == 3 else {}  # height, width, frames
    part = {1: "train", -1: "test"}.get(float(train)) if (train := rest.get("train")) in (1, -1) else None
    split = {"split": np.array(part)} if part else {}
    rest = {name: value for name, value in rest.items() if name != "train" or not part}
    return rest | size | split


def _points(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a .mat, in which points by name have become the array of a clip and the names of its joints."""
    points = {
        name: value
        for name, value in values.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and 3 in value.shape
    }
    points = {name: point if point.shape[1] == 3 else point.T for name, point in points.items()}
    rest = {name: value for name, value in values.items() if name not in points}
    if len(points) < FEWEST_POINTS or len({len(point) for point in points.values()}) != 1:
        return values
    return rest | {"joints": np.stack(list(points.values()), 1), "joint_names": list(points)}


def _of_mat(content: Any, joints: int | None = None) -> Any:
    """What a .mat holds, with clips on the first axis of an array that has labels beside it."""
    beside = content.items() if isinstance(content, Mapping) else ()
    counts = {
        len(values)
        for name, values in beside
        if meaning(name)[0] in OF_LABELS and isinstance(values, list | np.ndarray)
    }

    def turned(value: Any) -> Any:
        of_clips = isinstance(value, np.ndarray) and value.ndim > 2
        axis = next((axis for axis in (0, -1) if of_clips and value.shape[axis] in counts), None)
        if axis is None:
            return _turned(value, joints)
        clips = np.moveaxis(value, axis, 0)
        return clips.transpose(0, *(1 + axis for axis in usual_order(clips[0], joints)))

    return {name: turned(value) for name, value in content.items()} if counts else _turned(content, joints)


def _in_joints(values: dict[str, Any], joints: int | None) -> dict[str, Any]:
    """The values of a .mat, in which the only rows of numbers are joints, where no array has an axis of joints."""
    rows = [name for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim == 2]
    cubes = [name for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim > 2]
    if len(rows) != 1 or cubes or not flat_shapes(values[rows[0]].shape[1], joints):
        return values
    found = with_joints(values[rows[0]], joints)
    return values | {rows[0]: found[:, 0] if found.shape[1] == 1 else found}


def _turned(value: Any, joints: int | None = None) -> Any:
    """A value of MATLAB, whose arrays have their axes in the order of frames, joints and coordinates."""
    if isinstance(value, Mapping):
        return {name: _turned(inside, joints) for name, inside in value.items()}
    if isinstance(value, list):
        return [_turned(entry, joints) for entry in value]
    if isinstance(value, np.ndarray) and not value.size:
        return np.zeros((0, 1, 3))  # a clip without frames, among others
    return value.transpose(usual_order(value, joints)) if isinstance(value, np.ndarray) and value.ndim > 1 else value


def holds_objects(path: Path) -> bool:
    """Whether a .npy holds Python objects."""
    with path.open("rb") as file:
        head = file.read(128)
    return head.startswith(b"\x93NUMPY") and b"'|O'" in head


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
    return ArrayFile({name: array.shape for name, array in found.items()}, found.__getitem__)


def _of_hdf5(path: Path) -> Any:
    """The groups of a file as objects with their attributes, and its datasets as arrays; links are not followed."""
    check_h5py("arrays in HDF5")
    h5py = import_module("h5py")
    read = 0

    def values(group: Any) -> dict[str, Any]:
        nonlocal read
        found: dict[str, Any] = {str(name): value for name, value in group.attrs.items()}
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
    listed = {name: [*value] for name, value in objects.items() if is_list(value)}

    @lru_cache(maxsize=1)
    def load(name: str) -> Any:
        return listed[name] if name in listed else load_npz(path, (name,))[name]

    return ArrayFile(dict(shapes) | {name: shape_of(value) for name, value in listed.items()}, load)


def _of_objects(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    found = []
    for name, shape in shapes.items():
        if shape == ():
            try:
                load_npz(path, (name,))
            except ValueError:
                found.append(name)
    return found
