"""The arrays that a value of Python holds, by name: what a pickle, a JSON or a file of another program is read to.

array                                       one, named as the file
[array, array, ...], {name: array, ...}     each under its name, or its number; or the frames of one (`axes.as_frames`)
(data, labels), {"data": ..., "labels": ...}    the same two names; data may be a list of arrays of any length
[(array, label), ...]                       the same, as a dataset of PyTorch gives them
{class: [array, array, ...], ...}           clips of classes: data, labels, and names
{name: {"keypoints": array, "label": ...}, ...}, or a list of such objects    data, labels, and names
{"train": {"x": array, "y": labels}, "test": ...}     x_train, y_train and so on
{"s1": {"walk": array, ...}, "s2": ...}     clips s1/walk and so on; also objects in place of the arrays
{"x": (frames, joints), "y": ..., "z": ...}     one array, whose coordinates stand apart; also under kpt_x, kpt_y
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kinegraph.data.reading.clips.conventions import SCORES
from kinegraph.data.reading.joints.axes import as_frames
from kinegraph.data.reading.tables.table_forms import wide_joints
from kinegraph.data.split_names import PARTS

DATA, LABELS, NAMES = "data", "labels", "names"
JOINT_NAMES, FEWEST_JOINTS = "joint_names", 5
JOINED = "keypoints"  # the array of x, y and z that stand apart
AXIS = re.compile(r"(.*?)[_\- ]?([xyz])(?:s|[_ ]?coords?|[_ ]?coordinates?)?", re.IGNORECASE)
# Words in the names of arrays of clips, and of their labels.
OF_CLIPS = ("x", "data", "keypoint", "keypoints", "skeleton", "skeletons", "features", "samples", "poses", "joints",
            "clips", "sequences", "trials", "recordings")  # fmt: skip
OF_LABELS = ("y", "label", "labels", "target", "targets", "classes")
OF_OBJECTS = ("label", "labels", "class", "action", "y", "name", "id", "video")  # labels and names of objects
Arrays = Mapping[str, Any]  # an array each, or a list of arrays


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
    if len(content) == 2 and (data := _clips(content[0])) is not None and (names := labels_in(content[1])) is not None:
        return {DATA: data, LABELS: names} if len(data) == len(names) else {}
    pairs = [entry for entry in content if isinstance(entry, list | tuple) and len(entry) == 2 and _is_array(entry[0])]
    if len(pairs) == len(content) and (known := labels_in([_plain(pair[1]) for pair in pairs])) is not None:
        return {DATA: [pair[0] for pair in pairs], LABELS: known}
    if is_list(content):
        whole = as_frames(content)
        return {stem: whole} if whole is not None else {f"{stem}-{i}": array for i, array in enumerate(content)}
    if all(isinstance(entry, Mapping) for entry in content):
        return _of_objects_each([(f"{stem}-{i}", value) for i, value in enumerate(content)])
    return {}


def axes_in(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The names of the arrays (frames, joints) that hold x, y and, where it is there, z of joints; [] without."""
    found: dict[str, dict[str, str]] = {}
    for name, shape in shapes.items():
        if len(shape) == 2 and min(shape) > 1 and (match := AXIS.fullmatch(name.strip())):
            found.setdefault(match[1].lower(), {})[match[2].lower()] = name
    whole = [axes for axes in found.values() if {"x", "y"} <= axes.keys()]
    names = [whole[0][axis] for axis in sorted(whole[0])] if len(whole) == 1 else []
    return names if len({shapes[name] for name in names}) == 1 else []


def columns_in(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """The joints whose coordinates are arrays (frames,) each, as columns of a table are, and the names of these."""
    length = next((shape[0] for shape in shapes.values() if len(shape) == 1 and shape[0] > 1), None)
    names = [name for name, shape in shapes.items() if shape == (length,)]
    joints = {joint.name: [names[place] for place in joint.places[:3] if place >= 0] for joint in wide_joints(names)}
    return joints if len(joints) >= FEWEST_JOINTS and len({*map(len, joints.values())}) == 1 else {}


def with_joined_axes(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values, in which x, y and z that stand apart are one array (frames, joints, coordinates)."""
    shapes = {name: value.shape for name, value in content.items() if isinstance(value, np.ndarray)}
    if joints := columns_in(shapes):
        used = {name for names in joints.values() for name in names}
        places = np.stack([np.stack([content[name] for name in names], -1) for names in joints.values()], 1)
        return (
            {name: value for name, value in content.items() if name not in used} | {JOINED: places} | names_of(joints)
        )
    if not (names := axes_in(shapes)):
        return content
    rest = {name: value for name, value in content.items() if name not in names}
    return rest | {JOINED: np.stack([content[name] for name in names], -1)}


def names_of(joints: Sequence[str] | Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The array of the names of joints, where they are no numbers."""
    names = [*joints]
    return {} if all(map(str.isdecimal, names)) else {JOINT_NAMES: np.array(names)}


def with_joined_frames(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values with one array in place of a list of those of its frames, and of their scores beside it."""
    frames = {
        name: whole for name, value in content.items() if is_list(value) and (whole := as_frames(value)) is not None
    }
    if len(frames) != 1:
        return content
    (whole,) = frames.values()
    found = dict(content) | frames
    for beside, value in content.items():
        if beside in SCORES and is_list(value) and len(value) == len(whole):
            score = np.zeros(whole.shape[:-1])
            for frame, values in zip(score.reshape(len(whole), -1), value, strict=True):
                frame[: values.size] = values.ravel()[: len(frame)]
            found[beside] = score
    return found


def _of_mapping(content: Mapping[str, Any], stem: str) -> Arrays:
    content = with_joined_frames(with_joined_axes(content))
    if content and all(isinstance(entry, Mapping) for entry in content.values()):
        return _of_objects_each(list(content.items())) or _of_levels(content, stem)
    single = {name: np.array(value) for name, value in content.items() if isinstance(value, int | float | np.number)}
    if alone := _of_objects_each([(stem, content)]):
        return single | alone
    if len(content) > 1 and all(map(is_list, content.values())) and not any(map(_is_usual, content)):
        return _of_classes(content)
    found = {name: _clips(value) if _clips(value) is not None else labels_in(value) for name, value in content.items()}
    return {name: value for name, value in found.items() if value is not None} | single


def _of_levels(content: Mapping[str, Mapping], stem: str) -> Arrays:
    """The arrays of objects in objects: of train and test as x_train and so on, else clips such as s1/walk."""
    parts = all(meaning(outer)[1] and not meaning(outer)[0] for outer in content)
    inside = [(outer, _text(inner), value) for outer, values in content.items() for inner, value in values.items()]
    if parts:
        return _of_mapping({f"{inner}_{outer}": value for outer, inner, value in inside}, stem)
    clips = {f"{outer}/{inner}": value for outer, inner, value in inside}
    if all(isinstance(clip, Mapping) for clip in clips.values()):
        return _of_objects_each(list(clips.items()))
    return clips if clips and all(_is_array(clip) and clip.ndim > 2 for clip in clips.values()) else {}


def _is_usual(name: str) -> bool:
    """Whether a name means data, labels or a part of a split, and is none of a class."""
    word, part = meaning(name)
    return word in (*OF_CLIPS, *OF_LABELS) or bool(part)


def _of_classes(content: Mapping[str, Any]) -> Arrays:
    """Data, labels and names of the clips that lists under the names of classes hold."""
    clips = [(name, number, clip) for name, listed in content.items() for number, clip in enumerate(listed)]
    names = np.array([f"{name}-{number}" for name, number, _ in clips])
    return {DATA: [clip for *_, clip in clips], NAMES: names, LABELS: np.array([name for name, *_ in clips])}


def _of_objects_each(items: Sequence[tuple[str, Mapping]]) -> Arrays:
    """Data, labels and names of objects that have the array of a clip each; nothing for others."""
    data, labels, names, facts = [], [], [], []
    for name, item in items:
        plain = with_joined_frames(with_joined_axes({_text(key): value for key, value in item.items()}))
        keys = [key for key, value in plain.items() if key not in SCORES and _is_array(value) and value.ndim > 2]
        if len(keys) != 1:
            return {}
        array = plain[keys[0]]
        scores = [value for key, value in plain.items() if key in SCORES and np.shape(value) == array.shape[:-1]]
        if scores:
            array = np.concatenate([array, scores[0][..., None]], axis=-1)
        if any(
            isinstance(value, np.ndarray) and value.ndim for key, value in plain.items() if key not in (*SCORES, *keys)
        ):
            return {}  # such as numbers of frames, which would be lost
        data.append(array)
        labels.append(_label(plain))
        names.append(next((str(plain[key]) for key in ("name", "id", "video") if key in plain), name))
        facts.append(
            {
                key: value
                for key, value in plain.items()
                if key not in OF_OBJECTS and isinstance(value, str | int | float)
            }
        )
    known = labels_in(labels)
    if known is None:
        return dict(zip(names, data, strict=True))
    said = {key: labels_in([fact.get(key) for fact in facts]) for key in facts[0]} if len(facts) > 1 else {}
    found = {key: value for key, value in said.items() if value is not None}
    return {DATA: data, NAMES: np.array(names), LABELS: known} | found


def _label(item: Mapping[str, Any]) -> Any:
    """The label that an object says; None without."""
    found = _plain(next((item[key] for key in OF_OBJECTS[:5] if key in item), None))
    return found if isinstance(found, str | int | float) else None


def _plain(value: Any) -> Any:
    """The single value in an array of one; any other as it is."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value


def _text(key: object) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim > 1


def is_list(value: object) -> bool:
    each = value if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.dtype.hasobject) else []
    return len(each) > 0 and all(_is_array(entry) for entry in each)


def _clips(value: Any) -> Any:
    """An array, or a list of arrays; None for another value."""
    return value if _is_array(value) else [*value] if is_list(value) else None


def labels_in(value: Any) -> np.ndarray | None:
    """Numbers or texts in a row as an array; None for another value."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiuUb":
        return value
    each = (
        [entry.item() if isinstance(entry, np.generic) else entry for entry in value]
        if isinstance(value, list | tuple)
        else []
    )
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        each = value.ravel().tolist()
    kinds = {type(entry) for entry in each}
    return np.array(each) if kinds in ({int}, {str}, {float}) else None


def shape_of(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, np.ndarray) else (len(value), *value[0].shape)


def meaning(name: str) -> tuple[str, str]:
    """The word and the part of the split in a name: X_train -> (x, train)."""
    words = [
        "val" if word == "valid" else word for word in re.split(r"[^a-z]+", re.sub(r"[23]d", "", name.lower())) if word
    ]
    part = next((word for word in words if word in PARTS), "")
    return "_".join(word for word in words if word != part), part
