"""Annotation pickles of MMAction2 and PYSKL -> clips.

MMAction2 0.x keeps a list of dicts in a file for each part of a split (`ntu60_xsub_train.pkl`); PYSKL and MMAction2 1.x
keep {"split": {name: [frame_dir ...]}, "annotations": [the same dicts]}. An annotation holds

    keypoint (M, T, V, 2 or 3), total_frames, label, frame_dir (or filename), and in 2D keypoint_score (M, T, V),
    img_shape (height, width);   what else it has as a number or a string becomes an attribute of the clip

or, for Kinetics-400, the place of its skeletons in another file, see `kpfiles`. A file is read as data, see
`safe_pickle`, and is in memory as a whole while it is read.

Source: MMAction2 0.x tools/data/skeleton/README.md, PYSKL tools/data/README.md and pyskl/datasets/pose_dataset.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from numbers import Integral
from pathlib import Path

import numpy as np

from kinegraph.data.dataset_write import COLUMNS
from kinegraph.data.folders import files_in
from kinegraph.data.formats import kpfiles, ntu
from kinegraph.data.formats.annotations_facts import arrays_of, fps_of, frames_of, image_size_of, is_keypoint, label_of
from kinegraph.data.reading.clips.conventions import SCORES, is_name, is_ntu, layout_for, names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.joints.axes import FRAMES_FIRST, NO_PEOPLE, frames_come_first, with_people
from kinegraph.data.reading.steps.companion import beside, checked, completed, read_about
from kinegraph.data.reading.steps.people import BodyPolicy
from kinegraph.data.split_names import PARTS, ClipInTwoParts, columns, known_split
from kinegraph.messages import counted, first_few
from kinegraph.safe_packed import unpacked
from kinegraph.safe_pickle import load_pickle, quoted
from kinegraph.skeleton.clip import SkeletonClip, can_add_midpoints, with_midpoints
from kinegraph.skeleton.layout import JointLayout, load_layout

NAME = "annotations"
TITLE = "annotation pickle of MMAction2 or PYSKL"
SUFFIXES = (".pkl", ".pickle")
KEYS = re.compile(rb"annotations|keypoint(?!s)|frame_dir|filename|raw_file")  # of what a pickle begins with
ABOUT = "kinegraph"  # the key under which `kinegraph convert` writes what the format has no place for
OWN_KEYS = {"keypoint", "keypoint_score", "frame_dir", "filename", "label", "total_frames", "img_shape"}
OWN_KEYS |= {"original_shape", "fps", "raw_file", "frame_inds", "box_score", "valid", "anno_inds"}
PART_FILE = re.compile(rf"(?:(.+)[_-])?({'|'.join(PARTS)})\.pkl")
OF_PHALP = b"tracked_time"  # annotations may be one of its lists
LOOKED_AT_BYTES = 1 << 16
LOOKED_AT = 20  # clips that show whether a third channel is a score


@dataclass
class Annotations:
    """What a file or a pair of files holds.

    splits: the part of every clip in each split. about: facts that `kinegraph convert` wrote beside the file, if any.
    """

    folder: Path
    items: list[dict]
    names: list[str]
    splits: dict[str, list[str]]
    about: dict
    unlisted: int = 0  # names of splits that are no annotation's
    faults: list[Fault] = field(default_factory=list)  # of the splits


def detect(path: Path) -> str | None:
    """A pickle that begins with the keys of annotations, or a folder with the pickles of a split's parts."""
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            return None
        with path.open("rb") as file, suppress(ValueError):
            start = unpacked(file, path, LOOKED_AT_BYTES).read(LOOKED_AT_BYTES)
            others = start.startswith((b"PK", b"\x93NUMPY")) or OF_PHALP in start  # NumPy under another name
            return "a pickle of annotations" if not others and KEYS.search(start) else None
        return None
    named = [file for file in files_in(path, "*.pkl") if PART_FILE.fullmatch(file.name)]
    return "holds pickles of annotations" if any(map(detect, named)) else None


def read(
    path: Path,
    *,
    layout: str | None = None,
    class_names: str | None = None,
    split_name: str | None = None,
    box_threshold: float | None = None,
    bodies: BodyPolicy = "tracked",
) -> Recordings:
    """The clips of an annotation file, or of the train and val files of MMAction2 0.x.

    path: a .pkl; a folder with the train and val .pkl of one split; or what comes before _train.pkl and _val.pkl.
    split_name: of two files, by default xsub, xview or xset if their name or their folder's says so, else split.
    box_threshold: Kinetics-400: leave out skeletons whose box has a lower score.
    bodies: "tracked" follows people who change rows, "rows" leaves everybody in the row of the file.
    Raises ValueError naming the file, and the annotation that is not as expected.
    """
    found = load_annotations(path, split_name)
    about, skeletons = found.about, None
    if "raw_file" in found.items[0]:
        skeletons = kpfiles.Skeletons(found.folder, box_threshold)
    elif box_threshold is not None:
        raise ValueError(f"{path} has no boxes; --box-threshold is for the annotations of Kinetics-400")
    first, assumed = _first_keypoints(path, found, skeletons), ()
    if not skeletons and not about:
        assumed = _ordered(found, first)
    joints, channels = first[0].shape[2:]
    of = about["layout"] if about and layout is None else _layout_for(joints, layout)
    labels = []
    for item in found.items:
        with suppress(ValueError):  # a fault of its clip
            labels.append(label_of(item))
    labels = [label for label in labels if label is not None]
    named = about.get("class_names") if class_names is None else None

    def skipped() -> list[str]:
        return [f"{counted(found.unlisted, 'name')} in splits without an annotation"] if found.unlisted else []

    return Recordings(
        clips=_clips(found, of, skeletons),
        count=len(found.items),
        layout=of,
        class_names=tuple(named or names_of_classes(class_names, labels, found.names)),
        units=about.get("units") or ("px" if channels == 2 else "m"),
        source=about.get("source") or f"annotations of {path.name}",
        licence=about.get("licence") or "",
        skipped=skipped,
        assumed=assumed,
        unordered=bodies == "tracked" and not about,
        as_arrays=True,
        guessed=frozenset() if about else _guessed(bool(layout or skeletons)),
    )


# ---- files -----------------------------------------------------------------------------------------------------------


def load_annotations(raw: Path, split_name: str | None) -> Annotations:
    """Read the file or files and check that they hold annotations; their arrays are not looked at."""
    files = _files(Path(raw))
    contents = {path: load_pickle(path) for path in files}
    (path, content), *more = contents.items()
    if not more and isinstance(content, Mapping):
        if split_name is not None:
            raise ValueError(f"{path} names its splits itself, it has no use for --split-name")
        return _with_splits(path, content)
    items, part_of = [], []
    for path, content in contents.items():
        _check_items(path, content)
        items += content
        part_of += [files[path]] * len(content)
    column = split_name or known_split(path.stem, path.absolute().parent.name) or "split"
    splits = {column: part_of} if None not in part_of else {}
    about = {}
    if all(records := [read_about(beside(path)) for path in files]):  # `kinegraph convert` wrote the lists
        about = records[0] | {"clips": dict(chain.from_iterable(each["clips"].items() for each in records))}
    return Annotations(path.parent, _with_scores(items), _names(path, items), splits, about)


def _files(raw: Path) -> dict[Path, str | None]:
    """The .pkl files to read, and the part of a split that each is."""
    if raw.is_file():
        found = PART_FILE.fullmatch(raw.name)
        return {raw: found[2] if found else None}
    if not raw.is_dir():
        paths = {raw.with_name(f"{raw.name}_{part}.pkl"): part for part in PARTS}
        if not (there := {path: part for path, part in paths.items() if path.is_file()}):
            raise ValueError(f"there is no file or folder {raw}, and no {raw.name}_train.pkl")
        return there
    paths = list(files_in(raw, "*.pkl"))
    if len(paths) == 1:
        return _files(paths[0])
    named = {path: PART_FILE.fullmatch(path.name) for path in paths}
    stems = sorted({found[1] or "" for found in named.values() if found})
    if len(stems) != 1:
        hint = f"; give one of {', '.join(str(raw / stem) for stem in stems)}" if stems else ""
        raise ValueError(f"{raw} holds {len(paths)} .pkl files, expected the train and val files of one split{hint}")
    return {path: found[2] for part in PARTS for path, found in named.items() if found and found[2] == part}


def _with_splits(path: Path, content: Mapping) -> Annotations:
    if isinstance(content.get("keypoint"), np.ndarray):  # one annotation alone
        content = {"annotations": [{"frame_dir": path.stem, **content}]}
    items, splits = content.get("annotations"), content.get("split", {})
    if items is None:
        keys = ", ".join(map(str, islice(content, 5)))
        raise ValueError(f"{path} holds a dict with {keys or 'nothing'}, expected annotations and split")
    _check_items(path, items)
    lists = isinstance(splits, Mapping) and all(
        isinstance(key, str)
        and is_name(key)
        and isinstance(names, list | tuple | set | frozenset)
        and all(name == "" or is_name(name) for name in names)
        for key, names in splits.items()
    )
    if not lists:
        raise ValueError(f"{path}: 'split' is no dict of names to lists of clips")
    about = checked(content[ABOUT], path) | {"clips": {}} if ABOUT in content else {}  # the annotations have the rest
    names = _names(path, items)
    listed = [str(_identifier(items, item)) for item in items]
    splits, faults = _without_doubles(splits, _meant(about.get("splits")))
    of_names, unlisted = columns(splits, listed, _meant(about.get("splits")))
    return Annotations(path.parent, _with_scores(items), names, of_names, about, unlisted, faults)


def _without_doubles(splits: Mapping, meant: Mapping[str, tuple[str, str]]) -> tuple[dict[str, list[str]], list[Fault]]:
    """The lists without the clips that are in two parts of one split, and a fault for each of these."""
    lists = {key: [str(name) for name in names] for key, names in splits.items()}
    faults = []
    while True:
        try:
            columns(lists, (), meant)
        except ClipInTwoParts as error:
            faults.append(Fault(str(error), error.clip, "two_parts"))
            lists = {key: [name for name in names if name != error.clip] for key, names in lists.items()}
        else:
            return lists, faults


def _meant(splits: object) -> dict[str, tuple[str, str]]:
    """Split and part that `kinegraph convert` noted for each list."""
    pairs = splits.items() if isinstance(splits, Mapping) else ()
    return {key: tuple(map(str, pair)) for key, pair in pairs if isinstance(pair, list | tuple) and len(pair) == 2}


def _check_items(path: Path, items: object) -> None:
    listed = isinstance(items, list | tuple)
    if listed and len(items) == 2 and all(isinstance(entry, list | tuple | np.ndarray) for entry in items):
        way = "their array belongs beside it, as train_data.npy beside train_label.pkl: give its folder or the .npy"
        raise ValueError(f"{path} may hold names and labels of clips; {way}")
    if not listed or not all(isinstance(item, Mapping) for item in items):
        raise ValueError(f"{path} holds no list of annotations (dicts with keypoint, frame_dir, label ...)")
    if not items:
        raise ValueError(f"{path} holds no annotations")


def _with_scores(items: Sequence[Mapping]) -> list[dict]:
    """The annotations with the usual name of their scores, which people also call keypoint_scores and so on."""
    found = []
    for item in items:
        shape = np.shape(item.get("keypoint"))[:-1]
        others = [] if "keypoint_score" in item else [key for key in SCORES if np.shape(item.get(key)) == shape != ()]
        found.append({"keypoint_score" if key in others[:1] else key: value for key, value in item.items()})
    return found


def _identifier(items: Sequence[Mapping], item: Mapping) -> object:
    return item.get("filename" if "filename" in items[0] else "frame_dir")


def _names(path: Path, items: Sequence[Mapping]) -> list[str]:
    """Names of the clips. Copies of a clip under other labels, as in BABEL's, get a number."""
    names = [_identifier(items, item) for item in items]
    for i, name in enumerate(names):
        if name in (None, ""):
            names[i] = ""
        elif not is_name(name):
            raise ValueError(f"{path}: annotation {i} has as name {quoted(name)}, expected one line of text")
    names, seen = [str(name) for name in names], {}
    if len(set(names)) == len(names):
        return names
    for i, name in enumerate(names):
        if not name:
            continue  # a fault of its own
        first, labels = seen.setdefault(name, (i, []))
        label = items[i].get("label")
        if label in labels or not _same_recording(items[first], items[i]):
            continue  # a name that is there twice: found when the clip is read
        labels.append(label)
        names[i] = name if len(labels) == 1 else f"{name}-{len(labels)}"
    return names


def _same_recording(one: Mapping, other: Mapping) -> bool:
    return np.array_equal(np.asarray(one.get("keypoint")), np.asarray(other.get("keypoint")))


# ---- clips -----------------------------------------------------------------------------------------------------------


def _first_keypoints(raw: Path, found: Annotations, skeletons: kpfiles.Skeletons | None) -> list[np.ndarray]:
    """Keypoints of the first clips that have any."""
    if skeletons:
        try:
            return [skeletons.expanded(found.items[0])["keypoint"]]
        except ValueError as error:
            raise ValueError(f"{raw}: clip '{found.names[0]}' {error}") from None
    arrays = [item.get("keypoint") for item in islice(found.items, LOOKED_AT)]
    arrays = [with_people(array) for array in arrays if is_keypoint(array)]
    if not arrays:
        known = [key for item in islice(found.items, 1) for key in item]
        if "pred_instances" in known:
            way = "write JSON by `inferencer(..., pred_out_dir=FOLDER)`, which is read"
            raise ValueError(f"{raw} holds predictions of MMPose's test, one dict per picture; {way}")
        there = f"; it has {first_few(known)}" if known else ""
        expected = "no keypoint array (people, frames, joints, 2 or 3)"
        raise ValueError(f"{raw}: clip '{found.names[0]}' has {expected}{there}")
    return arrays


def _guessed(layout_known: bool) -> frozenset[str]:
    return frozenset(("units", "score") if layout_known else ("units", "score", "layout"))


def _ordered(found: Annotations, first: Sequence[np.ndarray]) -> tuple[str, ...]:
    """Bring the arrays of all annotations to (people, frames, joints, coordinates). Returns a note for each change."""
    flat = [item for item in found.items if is_keypoint(item.get("keypoint")) and item["keypoint"].ndim == 3]
    totals = [frames_of(item) for item in islice(found.items, LOOKED_AT) if is_keypoint(item.get("keypoint"))]
    turned = frames_come_first(first, totals)
    for i, item in enumerate(found.items):
        arrays = {key: item.get(key) for key in ("keypoint", "keypoint_score")}
        if not all(isinstance(array, np.ndarray) for array in arrays.values() if array is not None):
            continue
        for key, array in arrays.items():
            axes = 4 if key == "keypoint" else 3
            if array is not None and array.ndim == axes - 1:
                found.items[i] = found.items[i] | {key: array[None]}
            elif array is not None and array.ndim == axes and turned:
                found.items[i] = found.items[i] | {key: array.swapaxes(0, 1)}
    return ((NO_PEOPLE,) if flat else ()) + ((FRAMES_FIRST,) if turned else ())


def _clips(found: Annotations, layout: JointLayout, skeletons: kpfiles.Skeletons | None) -> Iterator[Item]:
    yield from found.faults
    attributes = _attributes(found)
    for i in skeletons.order(found.items) if skeletons else range(len(found.items)):
        if not found.names[i]:
            yield Fault(f"annotation {i} has no frame_dir, the name of the clip", kind="no_name")
            continue
        try:
            item = skeletons.expanded(found.items[i]) if skeletons else found.items[i]
            keypoint, score = (array if array is None else with_midpoints(array, layout) for array in arrays_of(item))
            if not found.about:  # what we wrote ourselves comes back as it was
                present = keypoint.any((1, 2, 3))
                keypoint, score = keypoint[present], None if score is None else score[present]
            clip = SkeletonClip(
                keypoint=keypoint,
                layout=layout,
                name=found.names[i],
                label=label_of(item),
                score=score,
                fps=fps_of(item),
                image_size=image_size_of(item),
                attributes={key: values[i] for key, values in attributes.items()},
                splits={split: parts[i] for split, parts in found.splits.items()},
            )
        except ValueError as error:
            yield fault_of(error, found.names[i])
            continue
        yield completed(clip, found.about)


def _layout_for(joints: int, given: str | None) -> JointLayout:
    """The given layout, which may have midpoints of the recorded joints as well."""
    if given is not None and can_add_midpoints(load_layout(given).joints[:joints], load_layout(given)):
        return load_layout(given)
    return layout_for(joints, given)


def _attributes(found: Annotations) -> dict[str, list]:
    """Numbers and strings that every annotation has, and the numbers in names of NTU RGB+D's form."""
    kept = {}
    for key in found.items[0]:
        values = [item.get(key) for item in found.items]
        if key in OWN_KEYS or key in COLUMNS or key in found.splits or not isinstance(key, str):
            continue
        for kind, plain in ((Integral, int), (str, str)):
            if all(isinstance(value, kind) for value in values):
                kept[key] = [plain(value) for value in values]
    if is_ntu(found.names):
        numbers = [ntu.name_numbers(name) for name in found.names]
        for key in numbers[0]:
            kept.setdefault(key, [number[key] for number in numbers])
    return kept
