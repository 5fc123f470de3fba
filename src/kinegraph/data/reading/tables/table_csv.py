"""Own recordings as one long CSV: a row is one joint of one person in one frame.

    clip, frame, joint, x, y                    needed; joint is a name of the layout or its number from 0;
                                                without clip, the file is one clip
    person, z, score                            optional; score may be called confidence or visibility
    label, split, split_ANY, subject, fps ...   optional, the same in all rows of a clip, see `clip_columns`

The rows of a clip stand together; within a clip they may have any order. Frames count up from the clip's first one; a
joint or frame without a row, and a coordinate that is empty or nan, was not seen. The file is read twice, first for the
clips' names and labels, then for coordinates, one clip at a time: its size does not matter.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from math import isfinite
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.reading.clips.clip_columns import KNOWN, misspelt, named_columns, with_label
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.csv_rows import BY_VALUES, csv_lines
from kinegraph.data.reading.files.json_rows import ENDINGS as JSON
from kinegraph.data.reading.files.json_rows import json_header
from kinegraph.data.reading.files.text import encoding_of
from kinegraph.data.reading.joints.named_joints import in_order, joint_index
from kinegraph.data.reading.tables.numbered_columns import numbered_joints
from kinegraph.data.reading.tables.table_forms import (
    ALIASES,
    NEEDED,
    Wide,
    left_out,
    open_wide,
    renamed,
    table_lines,
    wide_joints,
)
from kinegraph.data.reading.tables.table_wide import (
    TWICE,
    ClipRows,
    Place,
    consecutive,
    frame_number,
    is_plain,
    number,
    other_fact,
    plain_clip,
    wide_clips,
)
from kinegraph.messages import did_you_mean, first_few, one_line, quoted
from kinegraph.skeleton.layout import JointLayout

ROW = (*NEEDED, "person", "z", "score")
SCORES = ALIASES["score"]
OTHER_NAMES = {other for others in ALIASES.values() for other in others}
OF_SLEAP, OF_ANIPOSE = {"track", "frame_idx", "instance.score"}, "_ncams"  # columns of formats of their own
SPARSE = 100  # a clip may have this many places for joints for each row it has


@dataclass(frozen=True)
class Scan:
    """What the first reading finds. facts: clip -> column -> cell. unknown: columns that mean nothing here.

    scattered: first lines of groups of rows whose clip has rows before, with other clips between. label: the column of
    labels, where it was named.
    """

    columns: dict[str, int]
    facts: dict[str, dict[str, str]]
    joints: list[str]
    unknown: list[str]
    scattered: frozenset[int] = frozenset()
    label: str | None = None

    @property
    def channels(self) -> int:
        return 3 if "z" in self.columns else 2


def columns_of_table(path: Path) -> list[str]:
    """The columns of a file that is a table; none for other files."""
    with suppress(ValueError, OSError):
        of_json = path.suffix.lower() in JSON
        header = json_header(path) if of_json else next(csv_lines(path), (1, []))[1]
        if {*header} >= OF_SLEAP or ("fnum" in header and any(name.endswith(OF_ANIPOSE) for name in header)):
            return []
        if joints := wide_joints(header):
            return [f"{axis} of {len(joints)} joints" for axis in ("x", "y")]
        there = {name.lower() for name in renamed(header)}
        named = [column for column in NEEDED if column != "frame" and column in there]
        return named if len(named) == len(NEEDED) - 1 or ("clip" not in there and {*NEEDED[1:]} <= there) else []
    return []


def scan(path: Path, label: str | None) -> Scan:
    """Read the names of clips and joints and the facts in each clip's first row.

    label: the column of labels, where its name does not say it. Raises ValueError naming a column that is missing.
    """
    _check_header(path)
    wide = open_wide(path, label)
    lines = (
        table_lines(path, label) if wide is None else _of_plain(path, wide) if is_plain(path, wide) else _of_wide(wide)
    )
    _, header = next(lines)
    columns, unknown = _columns(path, header)
    of_clips = {name: i for name, i in columns.items() if name not in ROW}
    clip_at, joint_at, width = columns["clip"], columns["joint"], len(header)
    found: dict[str, dict[str, str]] = {}
    joints: dict[str, None] = {}
    joints |= dict.fromkeys(wide.joints if wide else ())
    current, scattered = None, set()
    for line, row in lines:
        if len(row) != width:
            raise ValueError(f"{path} line {line} has {len(row)} cells, the header has {width}")
        if wide is None:
            joints[row[joint_at]] = None
        if row[clip_at] == current:
            continue
        current = row[clip_at]
        name = current.strip()
        if not name:
            raise ValueError(f"{path} line {line} names no clip")
        if name in found:
            scattered.add(line)
            continue
        found[name] = {column: row[i].strip() for column, i in of_clips.items()}
    if not found:
        raise ValueError(f"{path} has no rows")
    header = with_label(next(csv_lines(path))[1], label, path)
    people = "joint" if wide is None and "person" in columns else ""  # ids of people, which are joints in other tables
    unknown += [name for name in left_out(header) if not people or renamed([name]) != [people]]
    return Scan(columns, found, [joint.strip() for joint in joints], unknown, frozenset(scattered), label)


def _of_plain(path: Path, wide: Wide) -> Iterator[tuple[int, list[str]]]:
    """The header, and one row for the file, which is one clip."""
    yield 1, wide.columns
    yield 2, [path.stem, *[""] * (len(wide.columns) - 1)]


def _of_wide(wide: Wide) -> Iterator[tuple[int, list[str]]]:
    """The header, and one row for each frame, without the joints."""
    yield 1, wide.columns
    joint = [""] * (1 + wide.axes)
    for line, (clip, frame, *rest), _ in wide.rows:
        yield line, [clip, frame, *joint, *rest]


def _check_header(path: Path) -> None:
    """Raises FormatError for a table whose first row are numbers already."""
    if path.suffix.lower() in BY_VALUES:
        return
    with path.open(newline="", encoding=encoding_of(path), errors="replace") as file:
        cells = re.split(r"[,;\t]", file.readline(1 << 16).strip())
    try:
        numbers = sum(isfinite(float(cell)) for cell in cells if cell.strip())
    except ValueError:
        return
    if numbers > 2 and not numbered_joints(cells):
        names = "frame, x_0, y_0, x_1, y_1 and so on"
        message = f"{path} has no header, its first row holds {numbers:,} numbers; write the names of the columns above"
        raise FormatError("header", f"{message} them: {names}")


def _columns(path: Path, header: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Where the columns are that mean something, and the names of the others."""
    try:
        columns = {name.lower(): i for i, name in enumerate(named_columns(header).values())}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if "score" not in columns and (other := next((name for name in SCORES if name in columns), None)):
        columns["score"] = columns.pop(other)
    if missing := [name for name in NEEDED if name not in columns]:
        hint = did_you_mean(missing[0], [name for name in columns if name not in ROW])
        lacks = f"column '{missing[0]}'" if len(missing) == 1 else f"columns {first_few(missing, 5)}"
        rename = "; rename your columns to these" if len(missing) > 1 and len(header) >= len(NEEDED) - 1 else ""
        raise ValueError(
            f"{path} has no {lacks}, expected clip, frame, joint, x, y and more; "
            f"found {one_line(', '.join(header)) or 'nothing'}{hint or rename}"
        )
    known = {name for name in columns if name in (*ROW, *KNOWN) or name.startswith("split_")}
    unknown = [name for name in columns if name not in known]
    for name in unknown:
        if name in OTHER_NAMES:  # of a column that is there
            continue
        if name and (hint := misspelt(name, [*columns], (*ROW, *KNOWN))):
            raise ValueError(f"{path} has an unknown column {quoted(name)}{hint}")
    return {name: columns[name] for name in columns if name in known}, unknown


def read_rows(path: Path, found: Scan, layout: JointLayout, people: int | None = None) -> Iterator[ClipRows | Fault]:
    """The clips one after another. people: keep those who are seen most; by default everybody, by number or as named.

    The fault of a clip names the line that is not as expected.
    """
    by_order = in_order(found.joints, layout)
    joint_at: Callable[[JointLayout, str], int] = (lambda _, name: by_order[name.strip()]) if by_order else joint_index
    if (wide := open_wide(path, found.label)) is not None:
        plain = plain_clip(path, wide, layout, joint_at) if len(found.facts) == 1 else None
        yield from [plain] if plain else wide_clips(path, wide, layout, found.scattered, joint_at)
        return
    lines = table_lines(path, found.label)
    _, header = next(lines)
    clip_at, width = found.columns["clip"], len(header)
    index_of = cache(partial(joint_at, layout))

    def clip() -> ClipRows | Fault:
        cells, name = {column: flat[i::width] for column, i in found.columns.items()}, current.strip()
        if numbers[0] in found.scattered:
            where = f"{path} line {numbers[0]}: the rows of clip {quoted(name)} are scattered, "
            return Fault(f"{where}those before it are of another; sort the file by clip", name, "duplicate_name")
        try:
            return _clip(Place(path, name, numbers), cells, layout, index_of, people)
        except ValueError as error:
            return Fault(str(error), name, getattr(error, "kind", "broken"))

    current, numbers, flat = None, [], []
    for line, row in lines:
        if row[clip_at] != current:
            if current is not None:
                yield clip()
            current, numbers, flat = row[clip_at], [], []
        numbers.append(line)
        flat += row  # one list of cells: rows kept as lists would be three times as slow
    yield clip()


def _clip(place: Place, cells: Mapping[str, Sequence[str]], layout: JointLayout, index_of, people) -> ClipRows:
    for column in cells.keys() - set(ROW):
        if len(set(cells[column])) > 1:
            row = next(i for i, cell in enumerate(cells[column]) if cell != cells[column][0])
            raise place.fault(row, other_fact(column, cells[column][row], cells[column][0]))
    joint = _indices(place, cells["joint"], index_of)
    frame = _indices(place, cells["frame"], frame_number)
    frame, step = consecutive(frame)
    person, bodies = _people(cells.get("person"), len(joint))
    axes = [axis for axis in ("x", "y", "z") if axis in cells]
    value = np.stack([_numbers(place, axis, cells[axis]) for axis in axes], axis=1)  # (rows, C)
    score = _numbers(place, "score", cells["score"]) if "score" in cells else None

    frames = int(frame.max()) + 1
    _check_twice(place, cells, (person * frames + frame) * len(layout) + joint)
    seen = ~np.isnan(value).any(axis=1)
    kept = np.arange(bodies)
    if people is not None and bodies > people:
        kept = np.sort(np.argsort(-np.bincount(person[seen], minlength=bodies), kind="stable")[:people])
    if len(kept) * frames * len(layout) > SPARSE * len(joint) + 100_000:
        raise ValueError(
            f"{place.path}: clip {quoted(place.clip)} has {len(joint):,} rows for {len(kept)} people in {frames:,} "
            f"frames of {len(layout)} joints; are frames counted one by one, and --people given where ids change?"
        )
    row = np.full(bodies, -1)
    row[kept] = np.arange(len(kept))
    taken = seen & (row[person] >= 0)
    at = row[person[taken]], frame[taken], joint[taken]
    keypoint = np.zeros((len(kept), frames, len(layout), len(axes)), np.float32)
    keypoint[at] = value[taken]
    if score is None:
        return ClipRows(place.clip, keypoint, None, step)
    confidence = np.zeros(keypoint.shape[:3], np.float32)
    confidence[at] = np.nan_to_num(score[taken])
    return ClipRows(place.clip, keypoint, confidence, step)


def _indices(place: Place, cells: Sequence[str], index_of) -> Int[np.ndarray, "rows"]:
    """What each cell stands for; every different cell is looked at once."""
    known = {}
    for cell in dict.fromkeys(cells):
        try:
            known[cell] = index_of(cell)
        except ValueError as error:
            raise place.fault(cells.index(cell), str(error)) from None
    return np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))


def _people(cells: Sequence[str] | None, rows: int) -> tuple[Int[np.ndarray, "rows"], int]:
    """People counted from 0, by number where they have numbers, else in the order they appear; and how many."""
    if cells is None:
        return np.zeros(rows, np.int64), 1
    names = list(dict.fromkeys(cells))
    if all(name.strip().isdecimal() for name in names):
        names.sort(key=int)
    index = {name: i for i, name in enumerate(names)}
    return np.fromiter(map(index.__getitem__, cells), np.int64, rows), len(names)


def _numbers(place: Place, column: str, cells: Sequence[str]) -> Float[np.ndarray, "rows"]:
    """The cells as numbers, NaN for one that is empty."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        values = np.array([number(place, column, row, cell) for row, cell in enumerate(cells)])
    if (wrong := np.abs(values) > 1e30).any():  # infinite, or too large for what is stored
        row = int(wrong.argmax())
        raise place.fault(row, f"{column} is {quoted(cells[row])}, expected a finite number", "not_finite")
    return values


def _check_twice(place: Place, cells: Mapping[str, Sequence[str]], where: Int[np.ndarray, "rows"]) -> None:
    order = np.argsort(where, kind="stable")
    again = order[1:][where[order][1:] == where[order][:-1]]
    if len(again):
        row = int(again.min())
        who = f" of person {quoted(cells['person'][row])}" if "person" in cells else ""
        when = frame_number(cells["frame"][row])
        raise place.fault(row, f"joint {quoted(cells['joint'][row])}{who} is there twice in frame {when}{TWICE}")
