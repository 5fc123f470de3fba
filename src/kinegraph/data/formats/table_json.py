"""Own recordings as one JSON file, which is in memory as a whole while it is read.

    {"layout": "coco17",                      a name, or a whole layout as its YAML file has it
     "units": "px",                           m, cm, mm, px or image; optional, as are fps, image_size [width, height]
     "fps": 30, "image_size": [1920, 1080],   and class_names
     "class_names": ["walk", "wave"],
     "clips": [{"name": "a", "label": "wave",
                "keypoint": [[[[x, y], ...], ...], ...],     people, frames, joints, 2 or 3; or without people
                "score":    [[[s, ...], ...], ...],          optional
                "subject": 3, "split": "train"}, ...]}       anything else, see `clip_columns`

A joint with a coordinate that is null was not seen; null in place of a frame is nobody. Arrays may also be frames,
people, joints ..., as detectors give them, with any number of people a frame. An object of one clip alone is read, too:

    {"keypoints": [[[x, y], ...], ...], "scores": ..., "label": "wave", "fps": 30}
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.axes import frames_come_first
from kinegraph.data.formats.conventions import layout_for
from kinegraph.data.formats.nested import array_of, uneven
from kinegraph.data.formats.recordings import Fault, FormatError
from kinegraph.data.formats.table_csv import ClipRows
from kinegraph.messages import did_you_mean, quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import JointLayout, load_layout

FIELDS = ("layout", "units", "fps", "image_size", "class_names", "clips")
ARRAYS = ("name", "keypoint", "score")
ALONE = ("keypoint", "keypoints", "joints", "skeleton", "poses", "positions", "coordinates", "data")  # of one clip
SCORES = ("score", "scores", "keypoint_score", "keypoint_scores", "confidence", "confidences")
LOOKED_AT = 10
UNITS = ("m", "cm", "mm", "px", "image", "normalised")


@dataclass(frozen=True, eq=False)
class JsonTable:
    """A file's clips; what it says of all of them is None where it does not."""

    path: Path
    layout: JointLayout
    channels: int
    fps: float | None
    units: str | None
    image_size: str | None
    class_names: tuple[str, ...] | None
    facts: dict[str, dict[str, str]]
    items: list[Mapping]
    guessed: bool = False  # the layout, from the number of joints
    frames_first: bool = False  # the arrays are (frames, people, joints, coordinates)

    def clips(self, people: int | None = None) -> Iterator[ClipRows | Fault]:
        for item in self.items:
            try:
                keypoint, score = _joints(self.path, item, self.layout, self.channels)
                if self.frames_first and len(keypoint) > 1:  # one that has no axis of people comes as one person
                    keypoint, score = keypoint.swapaxes(0, 1), None if score is None else score.swapaxes(0, 1)
            except ValueError as error:
                yield Fault(str(error), item["name"], getattr(error, "kind", "broken"))
                continue
            if people is not None and len(keypoint) > people:
                kept = np.sort(np.argsort(-keypoint.any(-1).sum((1, 2)), kind="stable")[:people])
                keypoint, score = keypoint[kept], None if score is None else score[kept]
            yield ClipRows(item["name"], keypoint, score)


def load_json(path: Path, layout: str | None = None) -> JsonTable:
    """Load a file and check what all clips have in common. Raises ValueError naming file, field and clip."""
    spec = _of_one_clip(read_json(path), path.stem)
    try:
        return _table(path, spec, layout)
    except ValueError as error:
        text = " ".join(str(error).split())[:800]  # names in the file may hold line breaks, or be endless
        raise ValueError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _of_one_clip(spec: object, name: str) -> object:
    """The same of an object that is one clip; anything else as it is."""
    if not isinstance(spec, Mapping) or "clips" in spec:
        return spec
    keys = [key for key in ALONE if isinstance(spec.get(key), list)]
    scores = [key for key in SCORES if isinstance(spec.get(key), list)]
    if len(keys) != 1 or len(scores) > 1:
        return spec
    rest = {key: value for key, value in spec.items() if key not in (*keys, *scores, *FIELDS)}
    clip = {"name": name} | rest | {"keypoint": spec[keys[0]]} | ({"score": spec[scores[0]]} if scores else {})
    return {key: value for key, value in spec.items() if key in FIELDS} | {"clips": [clip]}


def _table(path: Path, spec: object, given: str | None) -> JsonTable:
    if not isinstance(spec, Mapping):
        raise ValueError(f"expected an object with 'clips', found {type(spec).__name__}")
    if unknown := [key for key in spec if key not in FIELDS]:
        hint = did_you_mean(unknown[0], FIELDS) or f"; the fields are {', '.join(FIELDS)}"
        raise ValueError(f"unknown field '{unknown[0]}'{hint}")
    items = spec.get("clips")
    if not isinstance(items, list) or not items or not all(isinstance(item, Mapping) for item in items):
        raise ValueError("'clips' is no list of objects with at least one in it")
    names = [item.get("name") for item in items]
    for i, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueError(f"clip {i} has the name {quoted(name)}, expected text")
    first = _array(items[0], "keypoint", 4)
    size, units, fps = spec.get("image_size"), spec.get("units"), spec.get("fps")
    if size is not None and not (isinstance(size, list) and len(size) == 2):
        raise ValueError(f"'image_size' is {quoted(size)}, expected [width, height]")
    if units is not None and units not in UNITS:
        raise ValueError(f"'units' is {quoted(units)}, expected one of {', '.join(UNITS)}")
    if fps is not None and not (isinstance(fps, int | float) and 0 < fps < 1e6):
        raise ValueError(f"'fps' is {quoted(fps)}, expected a positive number")
    classes, said = spec.get("class_names"), spec.get("layout") if given is None else given
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ValueError("'class_names' is no list of names")
    return JsonTable(
        path=path,
        layout=_layout(said, first.shape[2]),
        guessed=said is None,
        frames_first=any(uneven(item.get("keypoint"), 4) for item in items)
        or frames_come_first(list(_first_arrays(items))),
        channels=first.shape[3],
        fps=fps,
        units=units,
        image_size=f"{size[0]}x{size[1]}" if size else None,
        class_names=tuple(classes) if classes else None,
        facts=_facts(items),
        items=items,
    )


def _first_arrays(items: list[Mapping]) -> Iterator[Float[np.ndarray, "a b V C"]]:
    for item in items[:LOOKED_AT]:
        with suppress(ValueError):
            yield _array(item, "keypoint", 4)


def _layout(said: object, joints: int) -> JointLayout:
    if isinstance(said, Mapping):
        return JointLayout.own(said)
    if said is not None and not isinstance(said, str):
        raise ValueError(f"'layout' is {quoted(said)}, expected a name or an object")
    return load_layout(said) if said else layout_for(joints)


def _facts(items: list[Mapping]) -> dict[str, dict[str, str]]:
    columns = list(dict.fromkeys(key for item in items for key in item if key not in ARRAYS))
    facts = {}
    for item in items:
        cells = {key: item.get(key) for key in columns}
        if wrong := [key for key, value in cells.items() if isinstance(value, list | Mapping)]:
            raise ValueError(f"clip {quoted(item['name'])}: '{wrong[0]}' is no number or text")
        facts[item["name"]] = {key: "" if value is None else _cell(value) for key, value in cells.items()}
    return facts


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value).strip()


def _joints(
    path: Path, item: Mapping, layout: JointLayout, channels: int
) -> tuple[Float[np.ndarray, "M T V C"], Float[np.ndarray, "M T V"] | None]:
    """Coordinates and scores of a clip, zero where a joint was not seen."""
    try:
        keypoint = _array(item, "keypoint", 4)
        if keypoint.shape[2:] != (len(layout), channels):
            kind = "joints" if keypoint.shape[3] == channels else "swapped_axes"
            raise FormatError(
                kind,
                f"clip {quoted(item['name'])} has {keypoint.shape[2]} joints in {keypoint.shape[3]}D, "
                f"expected the {len(layout)} of layout '{layout.name}' in {channels}D",
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
