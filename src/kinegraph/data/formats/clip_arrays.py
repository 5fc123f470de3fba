"""Several clips in one .npz, .mat, pickle, .pt or .npy of objects -> clips: an array each, or all with their labels.

    walk01, walk02, jump01, ...                one array per clip, of the shapes of `poses`, under its name
    x_train, y_train, x_test, y_test           all clips of a part of a split; also X and y, data and labels

The first axis of x is the clips; what is behind it is (T, V, C), (M, T, V, C), (C, T, V, M), or (T, M * V * C), as of
NTU60_CS.npz, which CTR-GCN and others train on. y are numbers from 0, names, or rows with a 1 at the class. Frames at
the end and people who are all zero are padding and left out. In pickles and arrays of objects x may also be a list of
arrays of any length; which other values are read, `array_files` says.
Source: Uason-Chen/CTR-GCN, data/ntu/seq_transformation.py and feeders/feeder_ntu.py.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from kinegraph.data.folders import files_in
from kinegraph.data.formats import annotations
from kinegraph.data.formats.folder import detect as is_dataset
from kinegraph.data.formats.padded import unpadded
from kinegraph.data.formats.poses_facts import RATES
from kinegraph.data.formats.smpl import is_smpl
from kinegraph.data.reading.clips.clip_columns import named_columns
from kinegraph.data.reading.clips.conventions import as_shares, first_number, layout_for, names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.joints.axes import (
    ANY_ORDER,
    FRAMES_FIRST,
    NO_PEOPLE,
    check_places,
    flat_lines,
    flat_shapes,
    frames_come_first,
    with_joints,
    with_people,
)
from kinegraph.data.reading.tables.array_files import (
    ENDINGS,
    HDF5,
    JSON,
    MAT,
    TORCH,
    ArrayFile,
    files_of_parts,
    holds_objects,
    open_arrays,
)
from kinegraph.data.reading.tables.named_arrays import NAMES, meaning
from kinegraph.data.reading.tables.named_arrays import OF_CLIPS as DATA
from kinegraph.data.reading.tables.named_arrays import OF_LABELS as LABELS
from kinegraph.data.split_names import PARTS, known_split
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME, TITLE = "clip-arrays", "several clips in one .npz, .mat, pickle, .pt or .npy of objects"
SUFFIXES = ENDINGS
NAMED = re.compile(rb'\s*\{\s*"[^"]{1,60}"\s*:\s*\[\s*\[\s*\[\s*(\[\s*)?-?\d')  # a name and its nested list
CHANNELS = (2, 3, 4)
MOST_PEOPLE = 10
FACTS = ("subject", "camera", "setup", "replication", "view", "session")


@dataclass(frozen=True)
class _Batch:
    """The arrays of the clips of a part. part: of the split, "" without one."""

    data: str
    labels: str
    part: str


def detect(path: Path) -> str | None:
    """A .npz with an array for each clip, or with arrays such as x_train and y_train."""
    what = "folder" if path.is_dir() else path.suffix.lower()
    if not _may_hold_arrays(path):
        return None
    with suppress(ValueError, OSError):
        file = open_arrays(path)
        if what == ".npz" and ("length" in file.shapes or is_smpl(path)):
            return None
        if batches := _batches(file.shapes):
            return f"a {what} with the arrays {batches[0].data} and {batches[0].labels}"
        if _is_plain(path):
            return "an array of many clips" if _are_clips(file.shapes.get(path.stem, ()), many=True) else None
        if names := _of_clips(file.shapes, path):
            return f"a {what} with {counted(len(names), 'array')} of frames, joints and coordinates"
    return None


def _may_hold_arrays(path: Path) -> bool:
    """Whether a path is a file or folder of arrays, and no pickle with annotations of MMAction2."""
    if path.is_dir():
        of_labels = any(meaning(file.stem)[0] in LABELS for file in files_in(path, "*.npy"))
        return not is_dataset(path) and (of_labels or bool(files_of_parts(path)))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or is_dataset(path.parent):
        return False
    if suffix == JSON:
        with path.open("rb") as file:
            return NAMED.match(file.read(200)) is not None
    if suffix in (".npz", ".npy", MAT, *HDF5):
        return suffix != ".npz" or zipfile.is_zipfile(path)
    return suffix in TORCH or (not zipfile.is_zipfile(path) and not annotations.detect(path))


def _is_plain(path: Path) -> bool:
    """Whether a file is one array, and holds no objects."""
    return path.suffix.lower() == ".npy" and path.is_file() and not holds_objects(path)


def read(path: Path, *, layout: str | None = None, class_names: str | None = None) -> Recordings:
    """The clips of a file. layout, class_names: as of the format npy.

    Raises ValueError naming the array that is not as expected.
    """
    file = open_arrays(path)
    shapes = file.shapes
    batches = _batches(shapes) or [_Batch(path.stem, "", meaning(path.stem)[1])] * _is_plain(path)
    names = [batch.data for batch in batches] or _of_clips(shapes, path)
    if not names:
        raise FormatError("shape", f"{path} holds {first_few(list(shapes))}, expected arrays of clips and their labels")
    first = _first_clip(path, file, names[0], bool(batches), len(load_layout(layout)) if layout else None)
    of = layout_for(first.shape[-2], layout)
    counts = [shapes[batch.data][0] for batch in batches]
    labels = [_labels_of(path, file, batch) for batch in batches]
    classes = sorted({label for part in labels for label in part if isinstance(label, str)})
    numbers = [[classes.index(label) if isinstance(label, str) else label for label in part] for part in labels]
    known = [number for part in numbers for number in part if number is not None]
    of_classes = tuple(classes) or (names_of_classes(class_names, known, []) if batches else ())
    counting: tuple[str, ...] = ()
    if class_names is not None and not classes:
        start, counting = first_number(known, of_classes)
        numbers = [[None if number is None else number - start for number in part] for part in numbers]
    facts = _facts(file, sum(counts) if batches else len(names))
    own_names = [*map(str, file.load(NAMES))] if len(shapes.get(NAMES, ())) == 1 else []
    used = {*names, *facts, *(batch.labels for batch in batches), *([NAMES] if own_names else [])}
    rest = [name for name in shapes if name not in used]
    clips = _of_batches(path, file, batches, numbers, own_names, of) if batches else _each(path, file, names, first, of)
    return Recordings(
        clips=(_with_facts(item, facts, number) for number, item in enumerate(clips)),
        count=sum(counts) if batches else len(names),
        layout=of,
        class_names=of_classes,
        units="m" if first.shape[-1] > 2 else "px",
        source=f"arrays of {path.name}",
        skipped=lambda: [f"arrays that are no clips: {first_few(rest)}"] if rest else [],
        unordered=True,
        as_arrays=True,
        guessed=frozenset({"score", "units", "up", *(["layout", "usual_layout"] if layout is None else [])}),
        assumed=(
            *counting,
            *(_said(batch, count) for batch, count in zip(batches, counts, strict=True)),
            *([f"each array is a clip: {first_few(names)}"] if len(names) > 1 and not batches else []),
            *(flat_lines(shapes[names[0]][-1]) if len(shapes[names[0]]) == 2 + bool(batches) else ()),
            *([ANY_ORDER] if path.suffix.lower() == MAT else []),
            *([FRAMES_FIRST] if not batches and frames_come_first([first]) else []),
            *([NO_PEOPLE] if len(shapes[names[0]]) == 3 + bool(batches) else []),
        ),
    )


def _first_clip(path: Path, file: ArrayFile, name: str, of_clips: bool, joints: int | None) -> np.ndarray:
    """The first clip of an array of clips, or the array that is one."""
    array = file.load(name)
    if not of_clips and isinstance(array, list):
        way = "an array for each clip, or lists of them under the names of classes"
        raise FormatError("shape", f"{path} holds a list of {counted(len(array), 'array')} as {name}, expected {way}")
    first = array[0] if of_clips else array
    check_places(first, path)
    return _as_clip(first, joints)


def _each(path: Path, file: ArrayFile, names: Sequence[str], first: np.ndarray, layout: JointLayout) -> Iterator[Item]:
    """The clips of arrays that are one each."""
    turned = frames_come_first([first])
    for name in names:
        yield _clip(file.load(name), name if len(names) > 1 else path.stem, layout, turned)


def _of_batches(
    path: Path,
    file: ArrayFile,
    batches: Sequence[_Batch],
    labels: Sequence[Sequence[int | None]],
    own_names: Sequence[str],
    layout: JointLayout,
) -> Iterator[Item]:
    """The clips of arrays of many, with their labels and the part of the split that each array is."""
    column = known_split(path.stem) or "split"
    for batch, numbers in zip(batches, labels, strict=True):
        splits = {column: batch.part} if batch.part else {}
        for place, (clip, label) in enumerate(zip(file.load(batch.data), numbers, strict=True)):
            name = "-".join(filter(None, (path.stem, batch.part, str(place))))
            item = _clip(clip, own_names[place] if own_names and not batch.part else name, layout, False)
            yield replace(item, label=label, splits=splits) if isinstance(item, SkeletonClip) else item


# ---- which arrays ----------------------------------------------------------------------------------------------------


def _said(batch: _Batch, count: int) -> str:
    """The line on what arrays are taken to be."""
    if batch.labels:
        return f"{batch.data} and {batch.labels}: {counted(count, 'clip')} and their classes"
    return f"{batch.data}: {counted(count, 'clip')}, without an array of their labels beside it, such as y.npy"


def _facts(file: ArrayFile, clips: int) -> dict[str, list]:
    """The values of every clip in arrays of so many, and the one frame rate of all, by the names of the arrays."""
    names = named_columns(list(file.shapes))
    found = {}
    for name, shape in file.shapes.items():
        column = "fps" if name.lower() in RATES else names[name]
        if shape == (clips,) and column in (*FACTS, "fps") and name not in LABELS:
            found[name] = [file.load(name).tolist(), column]
        elif shape == () and column == "fps":
            found[name] = [[float(file.load(name))] * clips, column]
    return found


def _with_facts(item: Item, facts: Mapping[str, list], number: int) -> Item:
    """The clip with what arrays beside it say."""
    if not isinstance(item, SkeletonClip):
        return item
    said = {column: values[number] for values, column in facts.values()}
    rate = said.pop("fps", None)
    fits = isinstance(rate, int | float) and 0 < rate < 1e6
    plain = {
        key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in said.items()
    }
    texts = {key: value if isinstance(value, int) else str(value) for key, value in plain.items()}
    return replace(item, fps=float(rate) if fits else None, attributes=texts)


def _batches(shapes: Mapping[str, tuple[int, ...]]) -> list[_Batch]:
    """The arrays of clips that have labels beside them, by their names and sizes."""
    said = {meaning(name): name for name in shapes}
    found = []
    for part in ("", *PARTS):
        data = [said[key] for key in ((word, part) for word in DATA) if key in said]
        data.sort(key=lambda name: not _has_axis_of_joints(shapes[name]))  # joints before the turns of SMPL
        labels = [said[key] for key in ((word, part) for word in LABELS) if key in said]
        if data and labels and _are_clips(shapes[data[0]]) and shapes[labels[0]][:1] == shapes[data[0]][:1]:
            found.append(_Batch(data[0], labels[0], part))
    if len(found) > 1 and "train" not in {batch.part for batch in found}:  # x beside test_x, as in SGN's files
        found = [replace(batch, part=batch.part or "train") for batch in found]
    return found


def _are_clips(shape: Sequence[int], many: bool = False) -> bool:
    """Whether an array is one of clips. many: of so many that the first axis is none of people."""
    if len(shape) == 3:
        return bool(flat_shapes(shape[2])) and not (many and shape[2] in CHANNELS)
    if many:
        return len(shape) == 4 and min(shape[:2]) > MOST_PEOPLE and shape[3] in CHANNELS
    return (len(shape) in (4, 5) and shape[-1] in CHANNELS and shape[-2] > 2) or _channels_first(shape)


def _has_axis_of_joints(shape: Sequence[int]) -> bool:
    return len(shape) > 3


def _channels_first(shape: Sequence[int]) -> bool:
    return len(shape) == 5 and shape[1] in (2, 3) and shape[4] <= MOST_PEOPLE


def _of_clips(shapes: Mapping[str, tuple[int, ...]], path: Path) -> list[str]:
    """The arrays that are a clip each: all of the same joints and coordinates; [] where there are none.

    In a .npz they are several, as one is of the format poses; one in HDF5 has a usual name, as many hold other things.
    """
    names = [name for name, shape in shapes.items() if len(shape) in (3, 4) and shape[-1] in CHANNELS and shape[-2] > 4]
    alike = len({shapes[name][-2:] for name in names}) == 1
    usual = [name for name in names if meaning(name)[0] in DATA]
    if path.suffix.lower() == ".npz":
        return names if alike and len(names) > 1 and not usual else []
    if path.suffix.lower() in HDF5 and len(names) == 1:
        return usual or [name for name in names if name == path.stem]  # `array_files` names one without others so
    return names if alike and (len(names) == 1 or not usual) else []


# ---- clips -----------------------------------------------------------------------------------------------------------


def _as_clip(array: Shaped[np.ndarray, "..."], joints: int | None) -> Float[np.ndarray, "M T V C"]:
    if array.ndim == 2:
        return with_joints(np.asarray(array), joints).swapaxes(0, 1)
    if array.ndim == 4 and _channels_first((1, *array.shape)) and array.shape[-1] not in CHANNELS[1:]:
        return array.transpose(3, 1, 2, 0)
    return with_people(array)


def _clip(array: Shaped[np.ndarray, "..."], name: str, layout: JointLayout, frames_first: bool) -> Item:
    try:
        if array.dtype.kind not in "fiu":
            raise FormatError("shape", f"holds {array.dtype}, expected numbers")
        with np.errstate(over="ignore"):  # a number that is too large is infinite, which is said of the clip
            found = np.array(_as_clip(array, len(layout)), np.float32)
        found = found.swapaxes(0, 1) if frames_first else found
        found = unpadded(np.where(np.isnan(found).any(3, keepdims=True), 0, found))
        if not found.size:
            return nobody(name)
        if len(found) > MOST_PEOPLE:
            raise FormatError(
                "shape", f"would hold {counted(len(found), 'person', 'people')}, expected (frames, joints, coordinates)"
            )
        score = np.ascontiguousarray(as_shares(found[..., 3])) if found.shape[3] == 4 else None
        return SkeletonClip(np.ascontiguousarray(found[..., :3]), layout, name, score=score)
    except ValueError as error:
        return fault_of(error, name)


def _labels_of(path: Path, file: ArrayFile, batch: _Batch) -> Sequence[int | str | None]:
    """The class of each clip. Raises FormatError for what is neither numbers from 0, nor names, nor a 1 in each row."""
    count = file.shapes[batch.data][0]
    if not batch.labels:
        return [None] * count
    array = file.load(batch.labels)
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "fiub" and (array.sum(1) == 1).all():
        array = array.argmax(1)
    array = array.reshape(count, -1)[:, 0] if array.size == count else array
    if array.shape == (count,) and array.dtype.kind == "U":
        return array.tolist()
    whole = array.shape == (count,) and array.dtype.kind in "fiu" and (array == np.rint(array)).all()
    if not whole or array.min(initial=0) < 0:
        found = f"{batch.labels} {array.dtype} {array.shape}"
        raise FormatError(
            "label", f"{path} holds {found}, expected a class from 0 on for each of {counted(count, 'clip')}"
        )
    return array.astype(int).tolist()
