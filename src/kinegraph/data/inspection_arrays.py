"""Other projects' arrays read to be judged: annotation and label pickles, .npz, padded .npy. See `inspection_read`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kinegraph.data.formats import padded
from kinegraph.data.formats.about import beside, checked
from kinegraph.data.formats.annotations import ABOUT, PART_FILE
from kinegraph.data.formats.arrays import splits_of
from kinegraph.data.formats.npz_file import load_npz
from kinegraph.data.formats.pickles import load_pickle
from kinegraph.data.formats.split_names import PARTS, columns, known_split
from kinegraph.data.inspection import Expected, Finding
from kinegraph.data.inspection_clip import FoundClip
from kinegraph.data.inspection_read import (
    PADDED,
    UNREADABLE,
    Look,
    problem,
    spread,
    subject_of,
    told_by,
    unreadable,
    with_about,
)
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

# ---- pickles ---------------------------------------------------------------------------------------------------------


def look_at_pickles(paths: Sequence[Path]) -> Look | None:
    """Annotations of MMAction2 or PYSKL, or labels; None for anything else. Several files are the parts of a split."""
    try:
        contents = [load_pickle(path) for path in paths]
    except ValueError as error:
        return unreadable("pickle", error)
    (content, *_), path = contents, paths[0]
    if isinstance(content, Mapping) and "annotations" in content:
        what, splits = "annotation pickle of PYSKL and MMAction2 1.x", content.get("split")
        return _told_inside(_annotations(what, content["annotations"], splits), content.get(ABOUT), path)
    if all(isinstance(some, list) and some and all(isinstance(item, Mapping) for item in some) for some in contents):
        if not any("label" in item or "keypoint" in item for item in content[:9]):
            return None
        named = [found[2] if (found := PART_FILE.fullmatch(path.name)) else None for path in paths]
        parts = [part for part, some in zip(named, contents, strict=True) for _ in some]
        column = known_split(path.stem, path.absolute().parent.name) or "split"
        items = [item for some in contents for item in some]
        what, parts_of = "annotation pickle of MMAction2 0.x", {column: parts} if all(parts) else {}
        return with_about(_annotations(what, items, None, parts_of), beside(path))
    if isinstance(content, tuple | list) and len(content) == 2 and all(map(_is_sequence, content)):
        return _label_pickle(path)
    return None


def _told_inside(look: Look, about: object, path: Path) -> Look:
    """With what `kinegraph convert` wrote under a key of its own."""
    try:
        return told_by(look, checked(about, path) | {"clips": {}}) if about is not None else look
    except ValueError as error:
        look.findings.append(problem("about", error))
        return look


def _is_sequence(value: object) -> bool:
    return isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _annotations(what: str, items: object, splits: object, parts: Mapping[str, list] | None = None) -> Look:
    if not isinstance(items, list | tuple) or not items:
        return unreadable(what, "it holds no list of annotations")
    found: list[Finding] = []
    items = [item if isinstance(item, Mapping) else {} for item in items]
    key = "filename" if "filename" in items[0] else "frame_dir"
    names = [str(item.get(key) or "") for item in items]
    parts = parts or (_parts(splits, names, found) if splits is not None else {})
    kpfiles = sum("raw_file" in item for item in items)
    told = {"skeletons": f"of {kpfiles:,} clips in other files (kpfiles), not looked at"} if kpfiles else {}

    def clips() -> Iterator[FoundClip]:
        for i, (name, item) in enumerate(zip(names, items, strict=True)):
            yield _annotated(name, item, {split: cells[i] for split, cells in parts.items()})

    units = Expected(units="m", flat_units="px", copies=True)
    source = "" if kpfiles else "annotations"
    return Look(what, clips(), len(items), len(items), units, findings=found, told=told, source=source)


def _annotated(name: str, item: Mapping, splits: dict[str, str]) -> FoundClip:
    keypoint, score, shape = item.get("keypoint"), item.get("keypoint_score"), item.get("img_shape")
    total, fault = item.get("total_frames"), ""
    if not isinstance(keypoint, np.ndarray) and "raw_file" not in item:
        kind = "no keypoint" if keypoint is None else f"as keypoint a {type(keypoint).__name__}"
        fault = f"has {kind}, expected an array" if item else "is no annotation (a dict)"
    sized = (
        isinstance(shape, tuple | list)
        and len(shape) >= 2
        and all(isinstance(side, int | np.integer) for side in shape)
    )
    return FoundClip(
        name,
        keypoint if isinstance(keypoint, np.ndarray) else None,
        item.get("label"),
        np.asarray(score) if isinstance(score, np.ndarray | list) else None,
        (int(shape[1]), int(shape[0])) if sized else None,
        int(total) if isinstance(total, int | np.integer) else None,
        item.get("subject", subject_of(name)),
        splits,
        fault=fault,
    )


def _parts(splits: object, names: Sequence[str], found: list[Finding]) -> dict[str, list[str]]:
    """Split -> each clip's part; what is wrong with the lists goes to `found`."""
    if not isinstance(splits, Mapping) or not all(map(_is_sequence, splits.values())):
        found.append(problem("split", "'split' is no dict of names to lists of clips"))
        return {}
    members = {str(key): [str(name) for name in value] for key, value in splits.items()}
    while True:
        try:
            parts, unknown = columns(members, names)
            break
        except ValueError as error:  # names one clip in two parts: note it, take it out of all lists and go on
            twice = str(error).split("'")[1]
            found.append(problem("two_parts", f"split: {error}", twice))
            members = {key: [name for name in value if name != twice] for key, value in members.items()}
    if unknown:
        found.append(Finding("note", "split", f"{unknown:,} names in its splits are of no clip"))
    return parts


def _label_pickle(path: Path) -> Look:
    what = "labels of padded arrays"
    try:
        names, labels, _ = padded.read_labels(path)
    except ValueError as error:
        return unreadable(what, error)
    clips = [FoundClip(name, label=label, subject=subject_of(name)) for name, label in zip(names, labels, strict=True)]
    return Look(what, clips, len(clips), len(clips))


# ---- arrays ----------------------------------------------------------------------------------------------------------


def look_at_npz(path: Path) -> Look:
    """The arrays of one .npz file, see `data.formats.arrays`."""
    what = "arrays of one .npz file"
    try:
        arrays = load_npz(path)
    except UNREADABLE as error:
        return unreadable(what, error)
    key = next((key for key in ("keypoint", "keypoint_mm") if key in arrays), None)
    if key is None or "length" not in arrays:
        return unreadable(what, f"{path} holds {', '.join(arrays) or 'nothing'}, expected keypoint, length, label ...")
    keypoint, length = arrays[key], np.atleast_1d(arrays["length"])
    if keypoint.ndim != 3 or length.ndim != 1 or length.dtype.kind not in "iu":
        return unreadable(
            what, f"{key} has shape {keypoint.shape}, length {length.shape}; expected (rows, V, C) and (clips,)"
        )
    found: list[Finding] = []
    if length.sum() != len(keypoint):
        found.append(problem("rows", f"'length' sums to {length.sum():,} frames, {key} has {len(keypoint):,}"))
    columns_of = {name: cells for name, cells in arrays.items() if cells.shape == length.shape and name != "length"}
    if lost := [name for name in ("label", "subject", "name", "train") if name in arrays and name not in columns_of]:
        found.append(problem("rows", f"'{lost[0]}' has shape {arrays[lost[0]].shape}, there are {len(length)} clips"))
    names = arrays.get("class_names")
    expected = Expected(
        _named_layout(arrays, keypoint.shape[1], found), None if names is None else len(names),
        units="m" if key == "keypoint" else "mm", flat_units="px",
    )  # fmt: skip
    clips = _rows_of(arrays, keypoint, length, columns_of)
    classes = () if names is None else tuple(map(str, names))
    return Look(what, clips, len(length), len(length), expected, classes, found, source="arrays")


def _rows_of(arrays: Mapping, keypoint: np.ndarray, length: np.ndarray, cells: Mapping) -> Iterator[FoundClip]:
    ends = np.cumsum(length)
    score = arrays.get("score")
    parts_of = splits_of({key: cells[key].tolist() for key in ("subject", "train") if key in cells})
    for i, (start, end) in enumerate(zip(ends - length, ends, strict=True)):
        subject = cells["subject"][i].item() if "subject" in cells else None
        splits = {split: parts[i] for split, parts in parts_of.items()}
        scored = score is not None and score.shape == keypoint.shape[:2]
        yield FoundClip(
            str(cells["name"][i]) if "name" in cells else f"clip{i:06d}",
            keypoint[None, start:end],
            cells["label"][i].item() if "label" in cells else None,
            score[None, start:end] if scored else None,
            subject=subject,
            splits=splits,
        )


def _named_layout(arrays: Mapping, joints: int, found: list[Finding]) -> JointLayout | None:
    """The built-in layout with the file's joint names, or one made of them."""
    names = arrays.get("joint_names")
    if names is None:
        found.append(Finding("note", "layout", "no 'joint_names': prepare needs --layout"))
        return None
    names = tuple(map(str, names))
    if len(names) != joints:
        found.append(problem("joints", f"{joints} joints, 'joint_names' has {len(names)}"))
    for name in layout_names():
        if load_layout(name).joints == names:
            return load_layout(name)
    parents = arrays.get("parents")
    try:
        bones = tuple((i, int(parent)) for i, parent in enumerate(parents) if parent >= 0)
        return JointLayout("of the file", names, bones, centre=int(np.argmin(parents)))
    except (TypeError, ValueError) as error:
        found.append(problem("layout", f"'joint_names' are of no built-in layout, and 'parents' of no tree: {error}"))
        return None


def look_at_padded(path: Path, most: int | None) -> Look:
    """(N, C, T, V, M) arrays with their label files; a folder's or one file's."""
    files = _array_files(path)
    found: list[Finding] = []
    what = f"padded arrays (N, C, T, V, M), {', '.join(file.name for file in files)}"
    opened = [(file, part, *_array_and_labels(file, found)) for file, part in files.items()]
    column = known_split(path.stem, path.absolute().parent.name) or "split"
    total = sum(len(labels) for *_, labels, _ in opened)
    chosen = set(spread(total, most))

    def clips() -> Iterator[FoundClip]:
        number = 0
        for _, part, array, names, labels, _ in opened:
            for i, (name, label) in enumerate(zip(names, labels, strict=True)):
                looked = array is not None and i < len(array) and number in chosen
                splits = {column: part} if part else {}
                content = np.array(array[i]) if looked else None
                yield FoundClip(name, content, label, subject=subject_of(name), splits=splits, axes=PADDED)
                number += 1

    expected = Expected(units="m", copies=True)
    look = Look(what, clips(), total, len(chosen), expected, findings=found, source="padded")
    return with_about(look, beside(path if path.is_dir() else path.absolute().parent))


def _array_files(path: Path) -> dict[Path, str | None]:
    """The arrays of a folder, or a file and its fellows of other parts, with the part that each is."""
    if path.is_dir():
        found = {
            file: named[1] for file in sorted(path.glob("*.npy")) if (named := padded.JOINT_FILE.fullmatch(file.name))
        }
        return found or dict.fromkeys(sorted(path.glob("*.npy")))
    named = padded.PART_FILE.fullmatch(path.name)
    fellows = {path.with_name(f"{part}_{named[2]}.npy"): part for part in PARTS} if named else {path: None}
    return {file: part for file, part in fellows.items() if file.is_file()}


def _label_file(file: Path) -> Path:
    stems = [file.stem.replace(word, "label") for word in ("data_joint", "ntu_sk", "data") if word in file.stem]
    places = [file.with_name(f"{stem}.pkl") for stem in [*stems, f"{file.stem}_label"]]
    if (there := next((place for place in places if place.is_file()), None)) is None:
        raise ValueError(f"there are no labels {places[0].name} to {file.name}")
    return there


def _array_and_labels(file: Path, found: list[Finding]) -> tuple[np.ndarray | None, list[str], list, str]:
    array, names, labels = None, [], []
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if array.ndim != 5:
            found.append(problem("shape", f"{file.name} has shape {array.shape}, expected (N, C, T, V, M)"))
            array = None
    except UNREADABLE:
        found.append(problem("unreadable", f"{file} is not a whole .npy file of numbers"))
    try:
        names, labels, _ = padded.read_labels(_label_file(file))
    except (ValueError, OSError) as error:
        found.append(problem("labels", error))
    if array is not None and names and len(names) != len(array):
        found.append(problem("labels", f"{file.name} has {len(array)} clips, its label file {len(names)}"))
    if not names and array is not None:
        names, labels = [f"{file.stem}-{i}" for i in range(len(array))], [None] * len(array)
    return array, names, labels, file.name
