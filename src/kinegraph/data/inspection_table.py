"""Own recordings in a CSV or JSON table read to be judged, see `inspection_read` and `data.formats.table`."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from kinegraph.data.formats.clip_facts import csv_lines, listed
from kinegraph.data.formats.table_csv import NEEDED, SCORES, layout_of
from kinegraph.data.inspection import Expected, Finding
from kinegraph.data.inspection_clip import FoundClip
from kinegraph.data.inspection_read import Look, problem, unreadable
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import JointLayout, load_layout

MOST_CELLS = 50_000_000  # of one clip: frames that are not counted one by one would fill the memory


def look_at_csv(path: Path, layout: str | None) -> Look:
    """A long table, a row a joint. Read twice: for joints and labels, then clip by clip."""
    what = "table of joints (CSV)"
    try:
        header = [cell.lower() for cell in next(csv_lines(path), (1, []))[1]]
        columns = {name: i for i, name in enumerate(header)}
        if missing := [name for name in NEEDED if name not in columns]:
            return unreadable(what, f"no column '{missing[0]}'; there are {listed(header) or 'none'}")
        rows = (row for _, row in _rows(path) if len(row) == len(header))
        clips, joints, labels = 0, {}, {}
        previous = None
        for row in rows:
            joints[row[columns["joint"]].strip()] = None
            if row[columns["clip"]] != previous:
                previous, clips = row[columns["clip"]], clips + 1
                labels[row[columns["label"]].strip() if "label" in columns else ""] = None
    except (ValueError, OSError) as error:
        return unreadable(what, error)
    found: list[Finding] = []
    counted = all(joint.isdecimal() for joint in joints)
    try:
        of = load_layout(layout) if layout else layout_of(path, list(joints), 3 if "z" in columns else 2, None)
    except ValueError as error:
        found.append(problem("joints", error))
        of = None
    index = {name: i for i, name in enumerate(of.joints if of and not counted else sorted(joints, key=_order))}
    if counted:
        index = {joint: int(joint) for joint in joints}
    size = len(of) if of else max(index.values(), default=-1) + 1
    label_index = _label_index(labels)

    def read() -> Iterator[FoundClip]:
        complete = (row for row in _rows(path) if len(row[1]) == len(header) or _cut(row[0], found))
        for name, group in groupby(complete, key=lambda row: row[1][columns["clip"]]):
            yield _clip(name.strip(), [row for _, row in group], columns, index, size, label_index)

    stated = None if counted and not layout else of
    return Look(what, read(), clips, clips, _expected(stated, label_index), _texts(label_index), found, source="table")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    lines = csv_lines(path)
    next(lines, None)
    yield from lines


def _cut(line: int, found: list[Finding]) -> bool:
    found.append(problem("row", f"line {line} has fewer or more cells than the header"))
    return False


def _order(joint: str) -> tuple[int, str]:
    return (int(joint), "") if joint.isdecimal() else (-1, joint)


def _label_index(labels: Mapping[str, None]) -> dict[str, int]:
    """Labels are numbers, or names of classes in alphabetical order."""
    told = [label for label in labels if label]
    if all(label.lstrip("-").isdecimal() for label in told):
        return {label: int(label) for label in told}
    return {label: i for i, label in enumerate(sorted(told))}


def _texts(label_index: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(label_index) if label_index and not next(iter(label_index)).lstrip("-").isdecimal() else ()


def _expected(layout: JointLayout | None, label_index: Mapping[str, int]) -> Expected:
    return Expected(layout, len(_texts(label_index)) or None)


def _clip(
    name: str, rows: Sequence[Sequence[str]], columns: Mapping[str, int], index: Mapping[str, int], size: int, labels
) -> FoundClip:
    cells = {column: [row[i].strip() for row in rows] for column, i in columns.items()}
    facts = {column: values[0] for column, values in cells.items()}
    label = labels.get(facts.get("label", ""))
    splits = {
        column.removeprefix("split_"): values[0]
        for column, values in cells.items()
        if column == "split" or column.startswith("split_")
    }
    told = {"label": label, "subject": facts.get("subject") or None, "splits": splits}
    try:
        joint = np.array([index[cell] for cell in cells["joint"]])
        frame = np.array([int(cell) for cell in cells["frame"]])
        axes = [axis for axis in ("x", "y", "z") if axis in cells]
        value = np.array([[float(cell or "nan") for cell in cells[axis]] for axis in axes]).T  # (rows, C)
        scored = next((column for column in ("score", *SCORES) if column in cells), None)
        score = np.array([float(cell or 0) for cell in cells[scored]]) if scored else None
    except KeyError as error:
        return FoundClip(name, fault=f"has an unknown joint {error}", **told)
    except ValueError as error:
        return FoundClip(name, fault=f"has a cell that is no number: {error}", **told)
    people = list(dict.fromkeys(cells.get("person", [""])))
    person = np.array([people.index(cell) for cell in cells["person"]]) if "person" in cells else np.zeros_like(joint)
    frame -= frame.min()
    shape = len(people), int(frame.max()) + 1, size
    if np.prod(shape, dtype=float) > MOST_CELLS:
        return FoundClip(name, fault=f"would have {shape[1]:,} frames; are frames counted one by one?", **told)
    keypoint = np.zeros((*shape, len(axes)))
    keypoint[person, frame, joint] = np.where(np.isnan(value).any(1, keepdims=True), 0, value)  # nan: not seen
    scores = None
    if score is not None:
        scores = np.zeros(shape)
        scores[person, frame, joint] = score
    sides = [facts.get(side, "") for side in ("width", "height")]
    image = tuple(map(int, sides)) if all(side.isdecimal() for side in sides) else None
    return FoundClip(name, keypoint, score=scores, image_size=image, **told)


def look_at_json(path: Path, layout: str | None) -> Look | None:
    """A JSON file with a list of clips; None for another one."""
    what = "table of clips (JSON)"
    try:
        spec = read_json(path)
    except ValueError as error:
        return unreadable(what, error)
    if not isinstance(spec, Mapping) or not isinstance(items := spec.get("clips"), list):
        return None
    items = [item if isinstance(item, Mapping) else {} for item in items]
    said, found = spec.get("layout") if layout is None else layout, []
    try:
        of = JointLayout.from_dict(said) if isinstance(said, Mapping) else load_layout(str(said)) if said else None
    except ValueError as error:
        of = None
        found.append(problem("layout", error))
    names = spec.get("class_names")
    labels = {str(item["label"]): None for item in items if item.get("label") is not None}
    label_index = {name: i for i, name in enumerate(names)} if isinstance(names, list) else _label_index(labels)
    clips = (_item(item, label_index) for item in items)
    units = spec.get("units") if spec.get("units") in ("m", "cm", "mm", "px") else None
    expected = Expected(
        of, len(names) if isinstance(names, list) else None, units if units != "px" else None,
        "px" if units == "px" else None,
    )  # fmt: skip
    return Look(what, clips, len(items), len(items), expected, _texts(label_index), found, source="table")


def _item(item: Mapping, label_index: Mapping[str, int]) -> FoundClip:
    label, fault = item.get("label"), ""
    if isinstance(label, str):
        label = label_index.get(label, int(label) if label.lstrip("-").isdecimal() else label)
    arrays = []
    for key in ("keypoint", "score"):
        try:
            array = np.array(item[key], np.float64) if item.get(key) is not None else None
            axes = 4 if key == "keypoint" else 3
            arrays.append(array[None] if array is not None and array.ndim == axes - 1 else array)  # without people
        except (ValueError, TypeError, OverflowError):
            arrays.append(None)
            fault = f"'{key}' is no nested list of numbers"
    keypoint, score = arrays
    if keypoint is None and not fault:
        fault = "has no keypoint"
    if keypoint is not None and keypoint.ndim == 4:
        keypoint = np.where(np.isnan(keypoint).any(-1, keepdims=True), 0, keypoint)  # null: not seen
    splits = {
        key.removeprefix("split_"): str(value)
        for key, value in item.items()
        if isinstance(key, str) and (key == "split" or key.startswith("split_"))
    }
    subject = item.get("subject")
    return FoundClip(str(item.get("name") or ""), keypoint, label, score, subject=subject, splits=splits, fault=fault)
