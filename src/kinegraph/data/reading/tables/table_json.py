"""Own recordings as one JSON file, which is in memory as a whole while it is read.

    {"layout": "coco17",                      a name, or a whole layout as its YAML file has it
     "units": "px",                           m, cm, mm, in, ft, px or image; optional; so are fps, image_size
     "fps": 30, "image_size": [1920, 1080],   (width, height) and class_names
     "class_names": ["walk", "wave"],
     "clips": [{"name": "a", "label": "wave",
                "keypoint": [[[[x, y], ...], ...], ...],     people, frames, joints, 2 or 3; or without people
                "score":    [[[s, ...], ...], ...],          optional
                "subject": 3, "split": "train"}, ...]}       anything else, see `clip_columns`

A joint with a coordinate that is null was not seen; null in place of a frame is nobody. Arrays may also be frames,
people, joints ..., as detectors give them, with any number of people a frame. Objects of one clip are read too, one
alone, a list of them, or one on each line (.jsonl):

    {"keypoints": [[[x, y], ...], ...], "scores": ..., "label": "wave", "fps": 30}
    {"a": {"keypoints": ...}, "b": ...}       by their names;   {"meta": {"fps": 30}, "keypoints": ...}
    {"x": [[x, ...], ...], "y": ..., "z": ...}    frames and joints
    {"data": [[x, y, x, y, ...], ...], "label": ...}    frames, the numbers of each in one row

The file may name its joints, {"joint_names": ["nose", ...], "bones": [[0, 1], ...]}: their order is the file's, and
names that no built-in layout has make one, with bones where the file has them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_columns import ALIASES, KNOWN, OF_CLIPS, plain_column
from kinegraph.data.reading.clips.conventions import SCORES
from kinegraph.data.reading.clips.recordings import UNITS
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.json_rows import array_of, depth_of, read_records, sizes_of, uneven
from kinegraph.data.reading.joints.axes import frames_come_first, with_joints
from kinegraph.data.reading.joints.landmarks import FRAME_NUMBERS, MOST_PEOPLE, TIMES
from kinegraph.data.reading.joints.named_joints import in_places, layout_by_names, places_in
from kinegraph.data.reading.tables.named_arrays import JOINED, axes_in
from kinegraph.data.reading.tables.table_csv import ClipRows
from kinegraph.messages import counted, did_you_mean, first_few, quoted
from kinegraph.skeleton.layout import JointLayout, load_layout

FIELDS = ("layout", "units", "fps", "image_size", "class_names", "clips")
ARRAYS = ("name", "keypoint", "score")
ALONE = (  # of one clip
    "keypoint", "keypoints", "joints", "skeleton", "poses", "positions", "coordinates", "data", "frames", "landmarks",
    "sequence",
)  # fmt: skip
JOINTS = (  # lists of names
    "joint_names", "keypoint_names", "landmark_names", "body_parts", "bodyparts",
    "node_names", "marker_names", "names", "joints", "keypoints",
    "landmarks", "nodes", "markers",
)  # fmt: skip
BONES = ("bones", "edges", "limbs", "connections", "links", "skeleton")  # lists of pairs
METAS = ("meta", "metadata", "meta_info", "info", "header")  # what a file says of itself
ANNOTATIONS = "annotations"
OF_ANNOTATIONS = ("frame_dir", "filename", "img_shape", "original_shape", "total_frames")
FRAME_OF = {*FRAME_NUMBERS, *TIMES}
LOOKED_AT = 10
FLAT_FROM = 10  # numbers in a row that are the joints of a frame


@dataclass(frozen=True, eq=False)
class JsonTable:
    """A file's clips; what it says of all of them is None where it does not.

    names: of the file's joints, in its order, where it says them. places: those of these joints in the layout.
    """

    path: Path
    layout: JointLayout
    channels: int
    fps: float | None
    units: str | None
    image_size: str | None
    class_names: tuple[str, ...] | None
    facts: dict[str, dict[str, str]]
    items: list[Mapping]
    names: tuple[str, ...]
    places: tuple[int, ...]
    guessed: bool = False  # the layout, from the number of joints
    frames_first: bool = False  # the arrays are (frames, people, joints, coordinates)
    left_out: tuple[str, ...] = ()

    def clips(self, people: int | None = None) -> Iterator[ClipRows | Fault]:
        for item in self.items:
            try:
                keypoint, score = self._joints(item)
                if self.frames_first and len(keypoint) > 1:  # one that has no axis of people comes as one person
                    keypoint, score = keypoint.swapaxes(0, 1), None if score is None else score.swapaxes(0, 1)
            except ValueError as error:
                yield Fault(str(error), item["name"], getattr(error, "kind", "broken"))
                continue
            if people is not None and len(keypoint) > people:
                kept = np.sort(np.argsort(-keypoint.any(-1).sum((1, 2)), kind="stable")[:people])
                keypoint, score = keypoint[kept], None if score is None else score[kept]
            yield ClipRows(item["name"], keypoint, score)

    def _joints(self, item: Mapping) -> tuple[Float[np.ndarray, "M T V C"], Float[np.ndarray, "M T V"] | None]:
        """Coordinates and scores of a clip in the order of the layout."""
        keypoint, score = _arrays(self.path, item, len(self.places), self.channels, self.layout.name)
        if self.places == tuple(range(len(self.layout))):
            return keypoint, score
        scores = None if score is None else in_places(score[..., None], self.places, len(self.layout))[..., 0]
        return in_places(keypoint, self.places, len(self.layout)), scores


def load_json(path: Path, layout: str | JointLayout | None) -> JsonTable:
    """Load a file and check what all clips have in common. Raises ValueError naming file, field and clip."""
    try:
        content = _with_joints(read_records(path), layout)
        spec = _with_clips(content, path.stem)
        return _table(path, spec, layout)
    except ValueError as error:
        text = " ".join(str(error).split())[:800]  # names in the file may hold line breaks, or be endless
        raise ValueError(text if text.startswith(str(path)) else f"{path}: {text}") from None


# ---- clips -----------------------------------------------------------------------------------------------------------


def is_clip(content: object) -> bool:
    """Whether an object is a clip, and no frame of one: it numbers no frame, and its array begins with frames."""
    joined = _with_joined_axes(content)
    stood_apart, content = joined is not content, joined
    key = _array_key(content) if isinstance(content, Mapping) else None
    if key is None or not isinstance(content, Mapping) or len(content[key]) <= MOST_PEOPLE:
        return False
    columns = {plain_column(str(name)) for name in content}
    if {name.replace("_", "") for name in columns} & FRAME_OF:
        return False
    if stood_apart or columns & {"label", *ALIASES["label"], "clip", *OF_CLIPS["clip"]}:
        return True
    with suppress(ValueError):
        array = _array(content, key, 4)
        return frames_come_first([array.swapaxes(0, 1) if len(array) == 1 else array])
    return False


def _with_joined_axes(content: Any) -> Any:
    """A clip, or clips, with one array in place of x, y and z that stand apart; anything else as it is."""
    if isinstance(content, list):
        each = all(isinstance(entry, Mapping) for entry in content)
        return list(map(_with_joined_axes, content)) if each else content
    if not isinstance(content, Mapping):
        return content
    lists = {key: value for key, value in content.items() if depth_of(value, 3) == 2}
    if not (names := axes_in({key: sizes_of(rows, 2) for key, rows in lists.items()})):
        return content
    with suppress(ValueError, TypeError, OverflowError):
        joined = np.stack([array_of(content[key], 2) for key in names], -1).tolist()
        return {key: value for key, value in content.items() if key not in names} | {JOINED: joined}
    return content


def _with_joints(content: Any, layout: str | JointLayout | None) -> Any:
    """A clip with joints in place of the rows of numbers that its frames are; anything else as it is."""
    keys = [key for key in ALONE if depth_of(content.get(key), 3) == 2] if isinstance(content, Mapping) else []
    sizes = [sizes_of(content[key], 2)[1] for key in keys]
    if len(keys) != 1 or sizes[0] < FLAT_FROM:
        return content
    joints = with_joints(array_of(content[keys[0]], 2), None if layout is None else len(load_layout(layout)))
    return {**content, keys[0]: (joints[:, 0] if joints.shape[1] == 1 else joints.swapaxes(0, 1)).tolist()}


def _array_key(item: Mapping) -> str | None:
    """The key of the one array of frames, joints and coordinates; None without, or with several."""
    keys = [key for key in ALONE if depth_of(item.get(key), 3) == 3]
    return keys[0] if len(keys) == 1 else None


def _with_clips(content: Any, stem: str) -> object:
    """The same in the form {"clips": [{"name", "keypoint", ...}]}; anything else as it is."""
    content = _with_joined_axes(content)
    if isinstance(content, list) and content and all(map(is_clip, content)):
        content = {"clips": content}
    elif isinstance(content, Mapping) and len(content) > 1 and all(map(is_clip, content.values())):
        clips = zip(content, _with_joined_axes(list(content.values())), strict=True)
        content = {"clips": [{"name": str(name), **clip} for name, clip in clips]}
    elif isinstance(content, Mapping) and isinstance(content.get(ANNOTATIONS), list):  # MMAction2's, written as JSON
        content = {"clips": [_of_annotation(entry, content.get("split")) for entry in content[ANNOTATIONS]]}
    elif isinstance(content, Mapping) and "clips" not in content and _array_key(content) is not None:
        content = _with_meta(content)
        about = {
            key: content[key] for key in (*FIELDS, *JOINTS, *BONES) if key in content and _array_key(content) != key
        }
        content = about | {"clips": [{key: value for key, value in content.items() if key not in about}]}
    if not isinstance(content, Mapping) or not isinstance(content.get("clips"), list):
        return content
    items = content["clips"]
    names = [stem] if len(items) == 1 else [f"{stem}-{i}" for i in range(len(items))]
    return content | {"clips": [_clip(item, name) for item, name in zip(items, names, strict=True)]}


def _with_meta(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A clip with what an object beside its array says of it."""
    key = next((key for key in METAS if isinstance(content.get(key), Mapping)), None)
    if key is None:
        return content
    known = {*FIELDS, *KNOWN, *chain.from_iterable(ALIASES.values()), *JOINTS, *BONES}
    said = {name: value for name, value in content[key].items() if name in known and name not in content}
    rest = {name: value for name, value in content[key].items() if name not in said}
    return {name: value for name, value in content.items() if name != key} | said | ({key: rest} if rest else {})


def _of_annotation(item: Any, splits: object) -> Any:
    """An annotation of MMAction2 with the names of fields that are usual here, and the part of each split it is in."""
    if not isinstance(item, Mapping):
        return item
    size, name = item.get("img_shape"), item.get("frame_dir", item.get("filename"))
    found = {key: value for key, value in item.items() if key not in OF_ANNOTATIONS} | {"name": str(name)}
    if isinstance(size, list) and len(size) == 2:
        found |= {"image_size": size[::-1]}
    lists = splits.items() if isinstance(splits, Mapping) else ()
    parts = {key: names for key, names in lists if isinstance(names, list) and name in names}
    for key in parts:
        column, _, part = str(key).rpartition("_")
        found |= {f"split_{column}" if column else "split": part}
    return found


def _clip(item: Any, name: str) -> Any:
    """A clip with the usual names of its array, its scores and its own name."""
    if not isinstance(item, Mapping) or (key := _array_key(item)) is None:
        return item
    scores = [key for key in SCORES if isinstance(item.get(key), list)]
    own = next((key for key in ("name", "clip", "id", *OF_CLIPS["clip"]) if isinstance(item.get(key), str | int)), "")
    size = item.get("image_size")
    rest = {field: value for field, value in item.items() if field not in (key, own, *scores[:1])}
    if isinstance(size, list) and len(size) == 2:
        rest = {field: value for field, value in rest.items() if field != "image_size"}
        rest |= dict(zip(("width", "height"), size, strict=True))
    found = {"name": str(item[own]) if own else name} | rest | {"keypoint": item[key]}
    return found | ({"score": item[scores[0]]} if scores else {})


# ---- a file ----------------------------------------------------------------------------------------------------------


def _table(path: Path, spec: object, given: str | JointLayout | None) -> JsonTable:
    if not isinstance(spec, Mapping):
        raise ValueError(f"expected an object with 'clips', found {type(spec).__name__}")
    if unknown := [key for key in spec if key not in (*FIELDS, *JOINTS, *BONES)]:
        hint = did_you_mean(unknown[0], FIELDS) or f"; the fields are {', '.join(FIELDS)}"
        raise ValueError(f"unknown field '{unknown[0]}'{hint}")
    items = spec.get("clips")
    if not isinstance(items, list) or not items or not all(isinstance(item, Mapping) for item in items):
        raise ValueError("'clips' is no list of objects with at least one in it")
    for i, item in enumerate(items):
        if not isinstance(name := item.get("name"), str) or not name:
            raise ValueError(f"clip {i} has the name {quoted(name)}, expected text")
    first = _array(items[0], "keypoint", 4)
    fps, units, size, classes = _said(spec)
    said = spec.get("layout") if given is None else given
    names, bones = _named(spec, items, first.shape[2])
    layout, places = _layout(path, said, names, bones, first)
    facts, left_out = _facts(items)
    return JsonTable(
        path=path,
        layout=layout,
        guessed=said is None and not names,
        frames_first=any(uneven(item.get("keypoint"), 4) for item in items)
        or frames_come_first(list(_first_arrays(items))),
        channels=first.shape[3],
        fps=fps,
        units=units,
        image_size=size,
        class_names=classes,
        facts=facts,
        items=items,
        names=names,
        places=places,
        left_out=left_out,
    )


def _said(spec: Mapping) -> tuple[float | None, str | None, str | None, tuple[str, ...] | None]:
    """Frame rate, units, size of the picture and names of classes. Raises ValueError for what is none of these."""
    size, units, fps, classes = (spec.get(key) for key in ("image_size", "units", "fps", "class_names"))
    if size is not None and not (isinstance(size, list) and len(size) == 2):
        raise ValueError(f"'image_size' is {quoted(size)}, expected [width, height]")
    if units is not None and units not in UNITS:
        raise ValueError(f"'units' is {quoted(units)}, expected one of {', '.join(UNITS)}")
    if fps is not None and not (isinstance(fps, int | float) and 0 < fps < 1e6):
        raise ValueError(f"'fps' is {quoted(fps)}, expected a positive number")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ValueError("'class_names' is no list of names")
    return fps, units, f"{size[0]}x{size[1]}" if size else None, tuple(classes) if classes else None


def _first_arrays(items: list[Mapping]) -> Iterator[Float[np.ndarray, "a b V C"]]:
    for item in items[:LOOKED_AT]:
        with suppress(ValueError):
            yield _array(item, "keypoint", 4)


def _named(spec: Mapping, items: Sequence[Mapping], joints: int) -> tuple[tuple[str, ...], object]:
    """The names of the joints and the pairs of bones, where the file or its first clip says them.

    Raises ValueError for another number of names than of joints.
    """
    places = (spec, items[0])
    lists = [(key, place[key]) for place in places for key in JOINTS if isinstance(place.get(key), list)]
    named = ((key, rows) for key, rows in lists if rows and all(isinstance(name, str) for name in rows))
    key, names = next(named, ("", []))
    if names and len(names) != joints:
        raise ValueError(f"'{key}' has {counted(len(names), 'name')}, the clips have {counted(joints, 'joint')}")
    bones = next((place[key] for place in places for key in BONES if depth_of(place.get(key), 3) == 2), None)
    return tuple(names), bones


def _layout(
    path: Path, said: object, names: Sequence[str], bones: object, first: Float[np.ndarray, "M T V C"]
) -> tuple[JointLayout, tuple[int, ...]]:
    """The layout, and the places of the file's joints in it."""
    if said is None:
        return layout_by_names(path, names, bones, *first.shape[2:])
    if not isinstance(said, str | Mapping):
        raise ValueError(f"'layout' is {quoted(said)}, expected a name or an object")
    found = load_layout(said) if isinstance(said, str) else JointLayout.own(said)
    return found, places_in(found, names, len(found))


def _facts(items: list[Mapping]) -> tuple[dict[str, dict[str, str]], tuple[str, ...]]:
    """What the file says of each clip, and a line on fields that are neither numbers nor texts."""
    columns = list(dict.fromkeys(key for item in items for key in item if key not in ARRAYS))
    of_joints = (*JOINTS, *BONES)
    nested = {key for item in items for key, value in item.items() if isinstance(value, list | Mapping)}
    nested = [key for key in columns if key in nested and key not in of_joints]
    known = {"label", "fps", "width", "height", "subject", "split", *ALIASES["label"], *ALIASES["fps"]}
    for item in items:
        if wrong := [key for key in nested if key in known and isinstance(item.get(key), list | Mapping)]:
            raise ValueError(f"clip {quoted(item['name'])}: '{wrong[0]}' is no number or text")
    columns = [key for key in columns if key not in nested and key not in of_joints]
    facts = {
        item["name"]: {key: "" if item.get(key) is None else _cell(item[key]) for key in columns} for item in items
    }
    return facts, (f"fields that are no number or text: {first_few(nested)}",) if nested else ()


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value).strip()


def _arrays(
    path: Path, item: Mapping, joints: int, channels: int, layout: str
) -> tuple[Float[np.ndarray, "M T V C"], Float[np.ndarray, "M T V"] | None]:
    """Coordinates and scores of a clip, zero where a joint was not seen."""
    try:
        keypoint = _array(item, "keypoint", 4)
        if keypoint.shape[2:] != (joints, channels):
            kind = "joints" if keypoint.shape[3] == channels else "swapped_axes"
            raise FormatError(
                kind,
                f"clip {quoted(item['name'])} has {counted(keypoint.shape[2], 'joint')} in {keypoint.shape[3]}D, "
                f"expected the {joints} of layout '{layout}' in {channels}D",
            )
        score = _array(item, "score", 3) if item.get("score") is not None else None
    except ValueError as error:
        raise FormatError(getattr(error, "kind", "broken"), f"{path}: {error}") from None
    unseen = np.isnan(keypoint).any(-1)
    keypoint[unseen] = 0
    if score is not None:
        if score.shape != unseen.shape:
            raise ValueError(
                f"{path}: clip {quoted(item['name'])} has scores {score.shape} for keypoints {keypoint.shape}"
            )
        score[unseen | np.isnan(score)] = 0
    return keypoint, score


def _array(item: Mapping, key: str, axes: int) -> Float[np.ndarray, "..."]:
    """A nested list as an array; the axis of people may be left out. null stands for all that is in its place."""
    try:
        with np.errstate(over="ignore"):
            array = array_of(item.get(key), axes).astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        array = np.zeros(0)
    if array.ndim == axes - 1:
        array = array[None]
    if array.ndim != axes or not array.size:
        sizes = "people x frames x joints" + (" x 2 or 3" if axes == 4 else "")
        raise ValueError(f"clip {quoted(item.get('name'))}: '{key}' is no nested list of {sizes} numbers")
    if np.isinf(array).any():
        message = f"clip {quoted(item.get('name'))}: '{key}' holds a number that is not finite"
        raise FormatError("not_finite", message)
    return array
