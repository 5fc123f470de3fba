"""What files with the array of a clip say beside it: frame rate, image size, names of joints, label and other facts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from kinegraph.data.reading.clips.clip_columns import facts, is_split, named_columns
from kinegraph.data.reading.clips.clip_files import ClipFile, cells_of
from kinegraph.data.reading.clips.conventions import SCORES
from kinegraph.data.reading.tables.array_files import MAT, PICKLES, TORCH, open_named
from kinegraph.messages import first_few

Shapes = Mapping[str, tuple[int, ...]]
BY_NAME = (".npz", MAT, *PICKLES, *TORCH)  # files of several arrays
RATES = ("fps", "frame_rate", "framerate")
SIZES = ("image_size", "frame_size", "resolution")  # width and height
LABELS = ("y", "label", "labels", "target", "targets", "y_train", "y_test", "y_val")
KNOWN = (*RATES, *SIZES, "width", "height")
NAMES = ("joint_names", "keypoint_names", "landmark_names", "bodyparts", "body_parts", "names")  # of the joints
FACT_COLUMNS = ("label", "subject", "camera", "setup", "replication", "view", "session")
FACTS = ("label", "splits", "attributes")


def said_of(file: Path) -> tuple[float | None, tuple[int, int] | None]:
    """The frame rate, and width and height of the picture, where a .npz says them."""
    if file.suffix.lower() not in BY_NAME:
        return None, None
    found = open_named(file)
    few = [name for name, shape in found.shapes.items() if shape in ((), (1,), (2,)) and name.lower() in KNOWN]
    arrays = {name.lower(): found.load(name) for name in few}
    numbers = {name: array.ravel().tolist() for name, array in arrays.items() if array.dtype.kind in "iuf"}
    rate = next((numbers[name][0] for name in RATES if len(numbers.get(name, ())) == 1), None)
    size = next((numbers[name] for name in SIZES if len(numbers.get(name, ())) == 2), None)
    if size is None and all(len(numbers.get(side, ())) == 1 for side in ("width", "height")):
        size = [numbers["width"][0], numbers["height"][0]]
    fits = size is not None and all(1 <= side < 1e6 for side in size)
    return (
        float(rate) if rate and 0 < rate < 1e6 else None,
        (round(size[0]), round(size[1])) if size is not None and fits else None,
    )


def names_in(file: Path, joints: int) -> list[str]:
    """The names of the joints, where a .npz says them."""
    if file.suffix.lower() not in BY_NAME:
        return []
    arrays = open_named(file, joints)
    few = [name for name in NAMES if arrays.shapes.get(name) == (joints,)]
    found = arrays.load(few[0]) if few else None
    return found.tolist() if found is not None and found.dtype.kind == "U" else []


def with_facts(
    files: Sequence[ClipFile], classes: tuple[str, ...], joints_of: Callable[[Shapes], str | None]
) -> tuple[list[ClipFile], tuple[str, ...], list[str]]:
    """The files with labels and other facts that .npz files say in single values; the classes, and lines on the rest.

    What a file says comes before what its folder says. joints_of: which of the arrays of a file holds the joints.
    """
    cells, left_out = dict[str, dict[str, str]](), dict[str, None]()
    for file in files:
        with suppress(ValueError):  # a fault of its clip
            cells[file.name], rest = _cells(file.path, joints_of) if file.path.suffix.lower() in BY_NAME else ({}, [])
            left_out |= dict.fromkeys(rest)
    lines = [f"arrays of other things: {first_few(list(left_out))}"] if left_out else []
    columns = dict.fromkeys(column for cell in cells.values() for column in cell)
    if not columns:
        return list(files), classes, lines
    of_folders = cells_of(files, classes)
    columns |= dict.fromkeys(column for cells in of_folders.values() for column in cells)
    table = {file.name: of_folders[file.name] | cells.get(file.name, {}) for file in files}
    known = facts({name: {column: value.get(column, "") for column in columns} for name, value in table.items()})
    found = [replace(file, **{key: getattr(known.clips[file.name], key) for key in FACTS}) for file in files]
    return found, known.class_names, lines


def _cells(file: Path, joints_of: Callable[[Shapes], str | None]) -> tuple[dict[str, str], list[str]]:
    """The single values of a .npz that say something of its clip, as cells; and arrays that mean nothing here."""
    found = open_named(file)
    shapes = found.shapes
    used = {joints_of(shapes), *(name for name in shapes if name.lower() in (*KNOWN, *SCORES, *NAMES))}
    single = [name for name, shape in shapes.items() if shape in ((), (1,)) and name not in used]
    columns = {name: "label" if name.lower() in LABELS else column for name, column in named_columns(single).items()}
    known = [name for name in single if columns[name] in FACT_COLUMNS or is_split(columns[name])]
    cells = {columns[name]: cell for name in known if (cell := _cell(found.load(name)))}
    read = [name for name in known if columns[name] in cells]
    rest = {name: shape for name, shape in shapes.items() if name not in (*used, *read)}
    other = [f"{name} {shape}" if shape else name for name, shape in rest.items()]
    return cells, other + [f"{name}, {kind}" for name, kind in found.left_out.items()]


def _cell(array: Shaped[np.ndarray, "..."]) -> str:
    """A single value as the cell of a table; "" for another value."""
    value = array.item() if array.size == 1 else None
    return str(value) if isinstance(value, str | int | float) else ""
