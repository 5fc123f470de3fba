"""Recordings of one person each as the arrays of one .npz file, without pickles.

    keypoint_mm   (rows, V, C) integers in millimetres, or
    keypoint      (rows, V, C) floats: metres for C = 3, pixels for C = 2; frames of all clips one after another
    x, scale      (rows, V, C) integers and how many of them are a metre or pixel; the least integer: not seen.
                  unit, a text, may say "m" or "pixel"
    length        (clips,) frames of each clip
    joint_names   (V,) and parents (V,), -1 at the root: the layout, unless one is given
    label         (clips,) from 0, and class_names: the classes
    width, height (clips,) of the pictures, in pixels
    name          (clips,) names;   score (rows, V) confidences;   fps one number;   all three optional
    train         (clips,) whether the clip is for training
    split_xview   (clips,) strings "train", "val" or "test", or booleans for training: the split xview; `split`: split
    any other     (clips,) integers, booleans or strings: an attribute, such as subject, episode, correct; arrays of
                  other sizes beside x and scale, such as labels of frames, are left out and said

Splits: those that are named; `train` becomes xsub where no subject is on both sides, otherwise holdout (train, val).
Without any, integer subjects give xsub: odd ones train, even ones val. Names of arrays may have capitals.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Num

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.ui_prmd import Labels, class_index, class_names
from kinegraph.data.reading.clips.clip_columns import is_split, named_columns, part_of
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.steps.companion import about_text, beside
from kinegraph.messages import first_few, one_line, quoted
from kinegraph.safe_npz import load_npz
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import INFERRED, JointLayout, layout_names, load_layout

NAME = "npz"
TITLE = "arrays of one .npz file"
SUFFIXES = (".npz",)
UNITS = {"m": "m", "metre": "m", "metres": "m", "pixel": "px", "pixels": "px", "px": "px"}
OWN_KEYS = (
    "keypoint",
    "keypoint_mm",
    "x",
    "scale",
    "unit",
    "width",
    "height",
    "length",
    "joint_names",
    "parents",
    "label",
    "class_names",
    "name",
    "score",
    "fps",
)


@dataclass(frozen=True, eq=False)
class ClipArrays:
    """The clips of a file. units: of the coordinates as `clips` gives them, "m" or "px"."""

    keypoint: Num[np.ndarray, "rows V C"]
    scale: float
    score: Float[np.ndarray, "rows V"] | None
    length: Int[np.ndarray, "n"]
    names: list[str]
    label: Int[np.ndarray, "n"] | None
    class_names: tuple[str, ...]
    layout: JointLayout
    fps: float | None
    attributes: dict[str, list]
    splits: dict[str, list[str]]
    units: str
    skipped: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    unstated: bool = False  # the units of x
    sizes: list[tuple[int, int]] | None = None  # width and height of the pictures

    def __len__(self) -> int:
        return len(self.length)

    def clips(self) -> Iterator[Item]:
        ends = np.cumsum(self.length)
        for i, (start, end) in enumerate(zip(ends - self.length, ends, strict=True)):
            try:
                yield self._clip(i, int(start), int(end))
            except ValueError as error:
                yield fault_of(error, self.names[i])

    def _clip(self, i: int, start: int, end: int) -> SkeletonClip:
        return SkeletonClip(
            keypoint=(self.keypoint[None, start:end] * self.scale).astype(np.float32),
            layout=self.layout,
            name=self.names[i],
            label=None if self.label is None else int(self.label[i]),
            score=None if self.score is None else self.score[None, start:end].astype(np.float32),
            fps=self.fps,
            image_size=None if self.sizes is None else self.sizes[i],
            attributes={key: values[i] for key, values in self.attributes.items()},
            splits={key: values[i] for key, values in self.splits.items()},
        )


def detect(path: Path) -> str | None:
    """A .npz with the arrays keypoint (or keypoint_mm) and length."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    with suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as file:
        members = {name.removesuffix(".npy") for name in file.namelist()}
        if "length" in members and members & {"keypoint", "keypoint_mm"}:
            return "a .npz with the arrays keypoint and length"
        if {"length", "x", "scale"} <= members:
            return "a .npz with the arrays x, scale and length"
    return None


def read(path: Path, *, labels: Labels = "movement", layout: str | JointLayout | None = None) -> Recordings:
    """The clips of a .npz file, see `load_arrays`. layout: a name or a YAML file."""
    found = load_arrays(path, labels, load_layout(layout) if layout else None)
    return Recordings(
        clips=found.clips(),
        count=len(found),
        layout=found.layout,
        class_names=found.class_names,
        units=found.units,
        source=f"arrays of {path.name}",
        as_arrays=True,
        skipped=lambda: list(found.skipped),
        assumed=found.assumed,
        guessed=frozenset(("units",)) if found.scale == 1 or found.unstated else frozenset(),
    )


def load_arrays(path: str | Path, labels: Labels = "movement", layout: JointLayout | None = None) -> ClipArrays:
    """Load a .npz file and check that its arrays fit together.

    labels: "movement" takes the file's labels, "quality" makes two classes of each by the array `correct`, "correct"
        takes the file's labels and leaves out the clips that are not correct.
    layout: of the joints; by default the built-in one with the file's joint names, else one made from its `parents`,
        which leaves unstated what is left and right.
    Raises ValueError naming the file and the array that is not as expected.
    """
    path = Path(path)
    arrays = load_npz(path)
    try:
        names = named_columns([key for key in arrays if key not in OWN_KEYS])
        arrays = {names.get(key, key): array for key, array in arrays.items()}
        found = _fit(arrays, path, labels, layout)
        return _some(found, _array(arrays, "correct", "iub", (len(found),))) if labels == "correct" else found
    except ValueError as error:
        raise FormatError(getattr(error, "kind", "unreadable"), f"{path}: {error}") from None


def _fit(arrays: Mapping[str, np.ndarray], path: Path, labels: Labels, layout: JointLayout | None) -> ClipArrays:
    skipped, assumed, said = (), (), ""
    if "x" in arrays and "scale" in arrays:
        arrays, skipped = _of_clips(arrays)
        said = re.split(r"\W", str(arrays.get("unit", "")))[0].lower()
        assumed = (f"coordinates: x divided by the scale, {_scale(arrays):g}",)
    keypoint, scale, units = _coordinates(arrays)
    length = _array(arrays, "length", "iu", (None,)).astype(np.int64)
    if not len(length) or (length < 1).any() or length.sum() != len(keypoint):
        raise ValueError(
            f"'length' has {len(length)} clips of together {length.sum()} frames, "
            f"expected at least one frame each and together the {len(keypoint)} of the keypoints"
        )
    attributes = _attributes(arrays, len(length))
    label, classes = _classes(arrays, len(length), labels)
    score = _array(arrays, "score", "f", keypoint.shape[:2]) if "score" in arrays else None
    return ClipArrays(
        keypoint=keypoint,
        scale=scale,
        score=score,
        length=length,
        names=_names(arrays, len(length)),
        label=label,
        class_names=classes,
        layout=_layout(arrays, keypoint, path, layout),
        fps=float(_array(arrays, "fps", "iuf", ())) if "fps" in arrays else None,
        attributes={key: values for key, values in attributes.items() if key != "train" and not is_split(key)},
        splits=splits_of(attributes),
        units=UNITS.get(said, units),
        skipped=skipped,
        assumed=assumed,
        unstated=bool(assumed) and said not in UNITS,
        sizes=_sizes(arrays, len(length)),
    )


def _sizes(arrays: Mapping[str, np.ndarray], clips: int) -> list[tuple[int, int]] | None:
    """Width and height of each clip's pictures, where the arrays of these names say them."""
    if not {"width", "height"} <= arrays.keys():
        return None
    width, height = (_array(arrays, side, "iu", (clips,)).tolist() for side in ("width", "height"))
    return list(zip(width, height, strict=True))


def _of_clips(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The arrays that say something of clips, and a line about the others."""
    clips = arrays["length"].shape if "length" in arrays else None
    others = [key for key, array in arrays.items() if key not in OWN_KEYS and array.shape != clips]
    listed = first_few([f"{key} {arrays[key].shape}" for key in others])
    lines = (f"arrays that are not of clips: {listed}",) if others else ()
    return {key: array for key, array in arrays.items() if key not in others}, lines


def _scale(arrays: Mapping[str, np.ndarray]) -> float:
    """How many integers are a unit. Raises ValueError for other than a number of 1 and more."""
    if not (scale := float(_array(arrays, "scale", "iuf", ()))) >= 1:
        raise ValueError(f"'scale' is {scale:g}, expected the integers in a metre or pixel, such as 1000")
    return scale


def _some(found: ClipArrays, chosen: np.ndarray) -> ClipArrays:
    """The chosen clips of a file, those with anything but 0."""
    kept = np.flatnonzero(chosen)
    if not len(kept):
        raise ValueError("no clip is marked in 'correct'")
    rows = np.repeat(chosen.astype(bool), found.length)
    return replace(
        found,
        keypoint=found.keypoint[rows],
        score=None if found.score is None else found.score[rows],
        length=found.length[kept],
        names=[found.names[i] for i in kept],
        label=None if found.label is None else found.label[kept],
        attributes={key: [values[i] for i in kept] for key, values in found.attributes.items()},
        splits={key: [values[i] for i in kept] for key, values in found.splits.items()},
        sizes=None if found.sizes is None else [found.sizes[i] for i in kept],
    )


def _array(arrays: Mapping[str, np.ndarray], key: str, kinds: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """An array of one of numpy's kinds and of a shape, None standing for any size."""
    if key not in arrays:
        there = f"there is no array '{key}'; there are {one_line(', '.join(arrays)) or 'none'}"
        clips = [name for name, array in arrays.items() if array.ndim == 3 and array.shape[2] in (2, 3)]
        hint = "; save each clip by numpy.save in a file of its own, CLASS/FILE.npy, and give the folder"
        raise ValueError(there + hint * (key == "keypoint" and len(clips) > 1))
    array = arrays[key]
    fits = len(array.shape) == len(shape) and all(a == b or b is None for a, b in zip(array.shape, shape, strict=True))
    if array.dtype.kind not in kinds or not fits:
        names = {"i": "integers", "u": "", "f": "floats", "b": "booleans", "U": "strings"}
        wanted = " or ".join(filter(None, (names[kind] for kind in kinds)))
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"'{key}' is {array.dtype} {array.shape}, expected {wanted} ({sizes})")
    return array


def _coordinates(arrays: Mapping[str, np.ndarray]) -> tuple[Num[np.ndarray, "rows V C"], float, str]:
    """Keypoints, the factor that brings them to metres or pixels, and which of the two."""
    if "keypoint_mm" in arrays:
        keypoint, scale = _array(arrays, "keypoint_mm", "iu", (None, None, None)), 1 / 1000
    elif "x" in arrays and "scale" in arrays:
        keypoint, scale = _array(arrays, "x", "i", (None, None, None)), 1 / _scale(arrays)
        keypoint = np.where((keypoint == np.iinfo(keypoint.dtype).min).any(2, keepdims=True), 0, keypoint)
    else:
        keypoint, scale = _array(arrays, "keypoint", "f", (None, None, None)), 1.0
    if keypoint.shape[2] not in (2, 3):
        swapped = keypoint.shape[1] in (2, 3)
        hint = f"; {keypoint.shape} looks like (rows, channels, joints): swap the last two axes" if swapped else ""
        message = f"the keypoints have {keypoint.shape[2]} channels, expected 2 or 3{hint}"
        raise FormatError("swapped_axes" if swapped else "channels", message)
    return keypoint, scale, "px" if keypoint.shape[2] == 2 and "keypoint_mm" not in arrays else "m"


def _attributes(arrays: Mapping[str, np.ndarray], clips: int) -> dict[str, list]:
    found = {key: _array(arrays, key, "iubU", (clips,)) for key in arrays if key not in OWN_KEYS}
    return {key: (array.astype(int) if array.dtype.kind == "b" else array).tolist() for key, array in found.items()}


def _classes(
    arrays: Mapping[str, np.ndarray], clips: int, labels: Labels
) -> tuple[Int[np.ndarray, "n"] | None, tuple[str, ...]]:
    if "label" not in arrays:
        if labels == "quality":
            raise ValueError("labels 'quality' needs an array 'label'")
        return None, ()
    label = _array(arrays, "label", "iu", (clips,)).astype(np.int64)
    names = tuple(_array(arrays, "class_names", "U", (None,)).tolist())
    if labels == "quality":
        correct = _array(arrays, "correct", "iub", (clips,))
        label = np.array([class_index(int(i), bool(good), labels) for i, good in zip(label, correct, strict=True)])
    return label, class_names(labels, names)


def _names(arrays: Mapping[str, np.ndarray], clips: int) -> list[str]:
    """The file's names; else, where it says enough, those of UI-PRMD's own files; else numbers."""
    if "name" in arrays:
        return _array(arrays, "name", "U", (clips,)).tolist()
    parts = [arrays.get(key) for key in ("label", "subject", "episode", "correct")]
    if all(part is not None and part.dtype.kind in "iub" for part in parts):
        return [
            f"m{label + 1:02d}_s{subject:02d}_e{episode:02d}{'' if correct else '_inc'}"
            for label, subject, episode, correct in zip(*(part.tolist() for part in parts), strict=True)
        ]
    return [f"clip{i:06d}" for i in range(clips)]


def _layout(
    arrays: Mapping[str, np.ndarray], keypoint: Num[np.ndarray, "rows V C"], path: Path, given: JointLayout | None
) -> JointLayout:
    joints = keypoint.shape[1]
    names = None
    if "joint_names" in arrays:
        names = tuple(_array(arrays, "joint_names", "U", (None,)).tolist())
        if len(names) != joints:
            raise FormatError("joints", f"'joint_names' has {len(names)} names, the keypoints have {joints} joints")
    if given is not None:
        if len(given.joints) != joints or (names and names != given.joints):
            first = next((pair for pair in zip(names or (), given.joints, strict=False) if pair[0] != pair[1]), None)
            differ = f"; its '{first[0]}' is the layout's '{first[1]}'" if first else ""
            raise ValueError(f"layout '{given.name}' has {len(given.joints)} joints, the file {joints}{differ}")
        return given
    if names is None:
        raise ValueError("there is no array 'joint_names' to find the layout by; add it or give --layout")
    for name in layout_names():
        if load_layout(name).joints == names:
            return load_layout(name)
    parents = _array(arrays, "parents", "iu", (joints,)).tolist()
    if (extra := [parent for parent in parents if not -1 <= parent < joints]) or parents.count(-1) != 1:
        wrong = f"names joint {extra[0]}" if extra else f"has {parents.count(-1)} roots"
        raise ValueError(f"'parents' {wrong}, expected joints 0 to {joints - 1} and -1 at the one root")
    bones = tuple((joint, parent) for joint, parent in enumerate(parents) if parent >= 0)
    tree = tuple(joint if parent < 0 else parent for joint, parent in enumerate(parents))
    unstated = frozenset(INFERRED)
    return JointLayout(f"from {path.name}", names, bones, parents.index(-1), parents=tree, unstated=unstated)


def _parts(key: str, values: list) -> list[str]:
    if set(values) <= {0, 1}:
        return ["train" if value else "val" for value in values]
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"'{key}' holds {quoted(values[0])}, expected train, val or test for each clip, or booleans")
    return [part_of(value) for value in values]


def splits_of(attributes: Mapping[str, list]) -> dict[str, list[str]]:
    """Each split's part of every clip, see the head of this file."""
    subjects = attributes.get("subject")
    named = {key.removeprefix("split_"): _parts(key, values) for key, values in attributes.items() if is_split(key)}
    if named and "train" not in attributes:
        return named
    if "train" in attributes:
        train = attributes["train"]
        sides = set(zip(subjects, map(bool, train), strict=True)) if subjects else ()
        apart = subjects and len(sides) == len(set(subjects))
        return named | {"xsub" if apart else "holdout": ["train" if is_train else "val" for is_train in train]}
    if subjects and all(isinstance(subject, int) for subject in subjects):
        return {"xsub": ["train" if subject % 2 else "val" for subject in subjects]}
    return {}


# ---- a dataset as the arrays of one .npz file; the rest lies in a file beside it -------------------------------------


def write_arrays(path: Path, dataset: SkeletonDataset) -> None:
    """Write keypoint (rows, V, C), length, name, joint_names, label, class_names, splits and attributes.

    Raises ValueError for a clip with several people, for which the form has no place.
    """
    if (several := np.flatnonzero(dataset.people > 1)).size:
        name = dataset.names[several[0]]
        people = dataset.people[several[0]]
        raise ValueError(f"clip '{name}' has {people} people, a .npz holds one a clip; take table or movement")
    clips = [dataset[i] for i in range(len(dataset))]
    arrays: dict[str, np.ndarray] = {
        "keypoint": np.concatenate([clip.keypoint[0] for clip in clips]).astype(np.float32),
        "length": dataset.frames.astype(np.int64),
        "name": np.array(dataset.names, np.str_),
        "joint_names": np.array(dataset.layout.joints, np.str_),
        "parents": np.array([-1 if i == at else at for i, at in enumerate(dataset.layout.parents)]),
    }
    if dataset.has_score:
        arrays["score"] = np.concatenate([clip.score[0] for clip in clips if clip.score is not None]).astype(np.float32)
    if (dataset.label >= 0).all() and dataset.class_names:
        arrays["label"], arrays["class_names"] = dataset.label.astype(np.int64), np.array(dataset.class_names, np.str_)
    for split, parts in dataset.splits.items():
        arrays[split if split == "split" else f"split_{split}"] = np.array(parts, np.str_)
    arrays |= {name: np.array(values) for name, values in dataset.attributes.items() if name not in OWN_KEYS}
    write_atomic(beside(path), about_text(dataset, np.arange(len(dataset))).encode())
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays)
