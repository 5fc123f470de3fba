"""Padded arrays of the 2s-AGCN and TensorFlow pipelines, of ST-GCN and of BABEL -> clips.

    {train,val}_data_joint.npy  (N, C, T, V, M), with {train,val}_label.pkl = (names, labels)      2s-AGCN, TensorFlow
    {train,val}_data.npy        likewise                                                           ST-GCN, AGCN
    {train,val}_ntu_sk_60.npy   likewise, with {train,val}_label_60.pkl = (segments, (labels, sequences, chunks,
                                annotators))                                                       BABEL

Every clip fills T frames and M people, with zeros where there is nothing. What is read back are the frames up to the
last in which anybody is, and the people who are there at all; what `kinegraph convert` wrote comes back as it was. NTU
RGB+D's and BABEL's arrays were filled by repeating the clip instead, and look like longer clips: they stay as
they are. They are also centred and turned upright already, hence their units.

Sources: lshiwjx/2s-AGCN and itskalvik/ST-GCN, data_gen/; abhinanda-punnakkal/BABEL, action_recognition/.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from numbers import Integral
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_in
from kinegraph.data.formats import ntu
from kinegraph.data.formats.movenet import is_singlepose
from kinegraph.data.reading.clips.conventions import is_name, is_ntu, layout_for, names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, spread
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.npy import mapped
from kinegraph.data.reading.joints.axes import way_of_axes_first
from kinegraph.data.reading.steps.companion import ClipRecord, beside, completed, read_about
from kinegraph.data.reading.steps.people import BodyPolicy
from kinegraph.data.reading.tables.named_arrays import meaning
from kinegraph.data.split_names import PARTS, known_split
from kinegraph.messages import counted, first_few
from kinegraph.safe_pickle import load_pickle, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME = "npy"
TITLE = "padded arrays (N, C, T, V, M)"
SUFFIXES = (".npy",)
PART_FILE = re.compile(rf"({'|'.join(PARTS)})_(.+)\.npy")
JOINT_FILE = re.compile(rf"(?:({'|'.join(PARTS)})_)?(data_joint|data|\w*ntu_sk_\w+)\.npy")
LABEL_FILES = (".pkl", ".pickle")
CLIPS_AT_ONCE = 64


@dataclass(frozen=True)
class PaddedFile:
    """A .npy and what its label file says. part: of the split, None where its name does not say it.

    labels: none where a .npy that is given alone has no label file.
    """

    path: Path
    part: str | None
    shape: tuple[int, ...]
    names: list[str]
    labels: list[int] | None
    attributes: dict[str, list]


def detect(path: Path) -> str | None:
    """A .npy with five axes, the labels beside one, or a folder with arrays of these names."""
    if path.is_file():
        if (array := _array_of_labels(path)) is not None:
            return f"the labels of {array.name}"
        if path.suffix.lower() != ".npy":
            return None
        with suppress(ValueError):
            shape = mapped(path).shape
            return "a .npy with five axes" if len(shape) == 5 and not is_singlepose(shape) else None
        return None
    named = next((file.name for file in files_in(path, "*.npy") if JOINT_FILE.fullmatch(file.name)), None)
    named = named or next((file.name for file in _others(path)), None)
    return f"holds {named}" if named else None


def read(
    path: Path,
    *,
    layout: str | None = None,
    class_names: str | None = None,
    split_name: str | None = None,
    sample: int | None = None,
    bodies: BodyPolicy = "tracked",
) -> Recordings:
    """The clips of a folder's train and val (and test) arrays, or of one array and those that belong to it.

    path: the folder; or one of the .npy, or its labels, where there are several kinds in the folder.
    split_name: by default xsub, xview or xset if a file's or the folder's name says so, else split. sample: read so
        many clips only.
    bodies: "tracked" follows people who change rows, "rows" leaves everybody in the row of the file.
    Raises ValueError naming the file and the array that is not as expected.
    """
    path = _array_of_labels(path) or path
    files = [_open(file, part, alone=file == path and part is None) for file, part in _files(path).items()]
    (first, *others), names = files, list(chain.from_iterable(file.names for file in files))
    if wrong := [file for file in others if _kind(file) != _kind(first)]:
        raise ValueError(f"{wrong[0].path} is {_axes(wrong[0].shape)}, {first.path.name} is {_axes(first.shape)}")
    labels = list(chain.from_iterable(file.labels or () for file in files))
    about = read_about(beside(first.path.parent))  # where `kinegraph convert` wrote the arrays
    scored = bool(about) and about["score"]
    given = about.get("layout") if layout is None else None
    of = given or layout_for(first.shape[3], layout)
    named = about.get("class_names") if class_names is None else None
    if class_names is None and "segment" in first.attributes:
        class_names = "babel60" if max(labels) < 60 else "babel120"
    column = split_name or about.get("split") or known_split(path.stem, path.absolute().parent.name) or "split"

    def clips() -> Iterator[Item]:
        of_ntu, chosen, start = is_ntu(names), spread(len(names), sample), 0
        for file in files:
            parts = {column: file.part} if file.part else {}
            some = frozenset(i - start for i in chosen)
            for item in _clips(file, of, scored, parts, of_ntu, about.get("clips", {}), some):
                yield completed(item, about) if isinstance(item, SkeletonClip) else item
            start += len(file.names)

    return Recordings(
        clips=clips(),
        count=len(names),
        layout=of,
        class_names=tuple(named or names_of_classes(class_names, labels, names)),
        units=about.get("units", "normalised"),
        source=about.get("source") or f"arrays of {', '.join(file.path.name for file in files)}",
        licence=about.get("licence", ""),
        unordered=bodies == "tracked" and not about,
        as_arrays=True,
        skipped=lambda: [_no_labels(path)] if first.labels is None else [],
        assumed=_said_of_labels(files),
        guessed=frozenset() if about else frozenset(("score",) if layout else ("score", "layout", "usual_layout")),
    )


# ---- files -----------------------------------------------------------------------------------------------------------


def _files(raw: Path) -> dict[Path, str | None]:
    """The .npy files to read, and the part of a split that each is."""
    if raw.is_file():
        named = PART_FILE.fullmatch(raw.name)
        parts = {raw.with_name(f"{part}_{named[2]}.npy"): part for part in PARTS} if named else {raw: None}
        return {path: part for path, part in parts.items() if path.is_file()}
    if not raw.is_dir():
        raise ValueError(f"there is no file or folder {raw}")
    if others := _others(raw):
        return {path: meaning(path.stem)[1] or None for path in others}
    found = {path: named for path in files_in(raw, "*.npy") if (named := JOINT_FILE.fullmatch(path.name))}
    kinds = sorted({named[2] for named in found.values()})
    if not kinds:
        raise ValueError(f"there is no train_data_joint.npy, train_data.npy or train_ntu_sk_60.npy in {raw}")
    if len(kinds) > 1:
        some = ", ".join(str(next(path for path in found if found[path][2] == kind)) for kind in kinds)
        raise ValueError(f"{raw} holds arrays of several kinds; give one of {some}")
    return {path: named[1] for part in (*PARTS, None) for path, named in found.items() if named[1] == part}


def _others(folder: Path) -> list[Path]:
    """Arrays with five axes under other names, each with labels beside it; [] beside arrays of the usual names."""
    arrays = list(files_in(folder, "*.npy"))
    if any(JOINT_FILE.fullmatch(path.name) for path in arrays) or len(arrays) > len(PARTS):
        return []
    return [path for path in arrays if _axes_of(path) == 5 and any(file.is_file() for file in _labels_beside(path))]


def _axes_of(path: Path) -> int:
    with suppress(ValueError):
        return mapped(path).ndim
    return 0


def _open(path: Path, part: str | None, alone: bool = False) -> PaddedFile:
    """The array with its labels; alone: these may be absent."""
    array = mapped(path)
    if array.ndim != 5 or array.shape[1] not in (2, 3) or array.dtype.kind not in "f" or 0 in array.shape:
        last = array.ndim == 5 and array.shape[4] in (2, 3)
        hint = ""
        if last:
            hint = "; it looks like (clips, people, frames, joints, channels): save array.transpose(0, 4, 2, 3, 1)"
        if last and array.shape[1:3] == (1, 1):
            hint = "; it looks like the frames of one clip, with axes of length 1: save array.squeeze((1, 2))"
        if array.ndim == 3 and array.shape[0] in (2, 3) and array.shape[2] not in (2, 3, 4):
            hint = f"; it looks like (channels, frames, joints) of one clip: save {way_of_axes_first(array)}"
        if array.ndim == 3 and array.shape[1] in (2, 3) and array.shape[2] > 4:
            hint = "; it looks like (frames, channels, joints) of one clip: save array.transpose(0, 2, 1)"
        if array.ndim == 4 and array.shape[3] == 1 and array.shape[2] in (2, 3):
            hint = "; it looks like (frames, joints, channels) with an axis of length 1: save array[..., 0]"
        if array.ndim == 4 and array.shape[0] in (2, 3) and array.shape[3] < 2:
            hint = "; it looks like (channels, frames, joints, people) of one clip: save array.transpose(1, 3, 2, 0)"
        hint = hint or ("; an array of one clip is (frames, joints, 2 to 4 coordinates)" if array.ndim != 5 else "")
        raise FormatError(
            "swapped_axes" if last else "shape",
            f"{path} holds {array.dtype} {array.shape}, expected floats (clips, 2 or 3 channels, frames, joints, "
            f"people){hint}",
        )
    if alone and not any(file.is_file() for file in _labels_beside(path)):
        return PaddedFile(path, part, array.shape, [f"{path.stem}-{i}" for i in range(len(array))], None, {})
    file = label_file(path)
    names, labels, attributes = read_labels(file)
    if len(labels) != len(array):
        raise ValueError(f"{file} has {counted(len(labels), 'label')}, {path.name} has {counted(len(array), 'clip')}")
    return PaddedFile(path, part, array.shape, names, labels, attributes)


def label_file(path: Path) -> Path:
    """The labels beside an array, by the names of both. Raises ValueError where they are not there."""
    candidates = _labels_beside(path)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ValueError(f"there are no labels {candidates[0]} to {path.name}; save there a pickle of (names, labels)")


def _said_of_labels(files: Sequence[PaddedFile]) -> tuple[str, ...]:
    """The line on labels that have another name than usual."""
    found = [file.path for file in files if file.labels is not None and label_file(file.path) not in _usual(file.path)]
    names = [f"{label_file(file).name} of {file.name}" for file in found]
    return (f"labels by their number: {first_few(names)}",) if names else ()


def _no_labels(path: Path) -> str:
    return f"labels: there is no {_labels_beside(path)[0].name}, a pickle of (names, labels)"


def _usual(path: Path) -> list[Path]:
    return [
        path.with_name(path.stem.replace(word, "label") + ".pkl")
        for word in ("data_joint", "ntu_sk", "data_bone", "data", "joint")
        if word in path.stem
    ] or [path.with_name(f"{path.stem}_label.pkl")]


def _labels_beside(path: Path) -> list[Path]:
    """The usual names of the labels of an array; then another pickle of labels beside it, of as many, of its part."""
    usual = _usual(path)
    others = [
        file for ending in LABEL_FILES for file in files_in(path.parent, f"*{ending}") if "label" in file.stem.lower()
    ]
    others = [other for other in others if other not in usual and meaning(other.stem)[1] == meaning(path.stem)[1]]
    return usual + ([other for other in others if _has_as_many(other, path)] if len(others) == 1 else [])


def _has_as_many(labels: Path, array: Path) -> bool:
    with suppress(ValueError):
        return len(read_labels(labels)[1]) == len(mapped(array))
    return False


def _array_of_labels(path: Path) -> Path | None:
    """The array beside a pickle of names and labels; None for another file, and where none is there."""
    if path.suffix.lower() not in LABEL_FILES or not path.is_file():
        return None
    beside = [file for file in files_in(path.parent, "*.npy") if path in _labels_beside(file)]
    for array in beside:
        with suppress(ValueError):
            if mapped(array).ndim == 5 and read_labels(path):
                return array
    return None


def _kind(file: PaddedFile) -> tuple:
    return file.shape[1], file.shape[3], tuple(file.attributes)


def _axes(shape: Sequence[int]) -> str:
    return f"(clips {shape[0]}, channels {shape[1]}, frames {shape[2]}, joints {shape[3]}, people {shape[4]})"


# ---- labels ----------------------------------------------------------------------------------------------------------


def read_labels(path: Path) -> tuple[list[str], list[int], dict[str, list]]:
    """Names, labels and, for BABEL, attributes of the clips in a label pickle."""
    content = load_pickle(path)
    if _is_sequence(content) and len(content) > 2 and all(isinstance(entry, Integral) for entry in content):
        content = [f"{path.stem}-{i}" for i in range(len(content))], content
    if not isinstance(content, tuple | list) or len(content) != 2 or not all(map(_is_sequence, content)):
        raise ValueError(f"{path} holds no pair of names and labels")
    names, labels = content
    attributes = {}
    if len(labels) == 4 and all(map(_is_sequence, labels)):
        names, labels, attributes = _babel(path, names, *labels)
    if wrong := [name for name in names if not is_name(name)]:
        raise ValueError(f"{path} holds the name {quoted(wrong[0])}, expected one line of text")
    names = [str(name).removesuffix(".skeleton") for name in names]
    if len(names) != len(labels):
        raise ValueError(f"{path} holds {counted(len(names), 'name')} and {counted(len(labels), 'label')}")
    if wrong := [i for i, label in enumerate(labels) if not isinstance(label, Integral) or label < 0]:
        raise ValueError(
            f"{path}: clip '{names[wrong[0]]}' has label {quoted(labels[wrong[0]])}, expected a number from 0"
        )
    return names, [int(label) for label in labels], attributes


def _babel(path: Path, segments: Sequence, labels: Sequence, *about: Sequence) -> tuple[list, Sequence, dict]:
    """Names as MMAction2's conversion writes them; a segment of several actions is there once for each, so numbered."""
    if len({len(segments), len(labels), *map(len, about)}) > 1:
        raise ValueError(f"{path} holds columns of {', '.join(map(str, map(len, (segments, labels, *about))))} clips")
    names, times = [], {}
    for cells in zip(segments, *about, strict=True):
        name = "_".join(map(str, cells))
        times[name] = times.get(name, 0) + 1
        names.append(name if times[name] == 1 else f"{name}-{times[name]}")
    columns = zip(("segment", "sequence", "chunk", "annotator"), (segments, *about), strict=True)
    return names, labels, {key: [str(cell) for cell in column] for key, column in columns}


def _is_sequence(value: object) -> bool:
    return isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim == 1)


# ---- clips -----------------------------------------------------------------------------------------------------------


def _chunk(path: Path, start: int, count: int) -> Float[np.ndarray, "n C T V M"]:
    """A copy of some clips. The file is mapped anew each time: pages that stay mapped would count as memory in use."""
    return np.array(mapped(path)[start : start + count])


def _people(clips: Float[np.ndarray, "n C T V M"]) -> Float[np.ndarray, "n M T V C"]:
    return clips.transpose(0, 4, 2, 3, 1)


def _clips(
    file: PaddedFile,
    layout: JointLayout,
    scored: bool,
    splits: dict[str, str],
    of_ntu: bool,
    record: Mapping[str, ClipRecord],
    chosen: frozenset[int],
) -> Iterator[Item]:
    for start in range(0, file.shape[0], CLIPS_AT_ONCE):
        if not chosen & {*range(start, start + CLIPS_AT_ONCE)}:
            rest = range(start, min(start + CLIPS_AT_ONCE, file.shape[0]))
            yield from (Unread(file.names[i], file.labels and file.labels[i], splits=splits) for i in rest)
            continue
        for i, people in enumerate(_people(_chunk(file.path, start, CLIPS_AT_ONCE)), start):
            name = file.names[i]
            if i not in chosen:
                yield Unread(name, file.labels and file.labels[i], splits=splits)
                continue
            keypoint = people[: record[name].people, : record[name].frames] if name in record else unpadded(people)
            keypoint, score = (keypoint[..., :-1], keypoint[..., -1]) if scored else (keypoint, None)
            attributes = {key: values[i] for key, values in file.attributes.items()}
            yield SkeletonClip(
                keypoint=keypoint,
                layout=layout,
                name=name,
                label=file.labels and file.labels[i],
                score=score,
                attributes=ntu.name_numbers(name) if of_ntu else attributes,
                splits=splits,
            )


def unpadded(people: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "m t V C"]:
    """Without the frames after the last in which anybody is, and without people who are nowhere."""
    there = people.any((2, 3))
    frames = there.any(0).nonzero()[0]
    return people[there.any(1), : frames[-1] + 1 if len(frames) else 0]
