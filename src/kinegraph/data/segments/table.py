"""Your own table, one row per segment: start, end or duration, label, and recording and person where there are several.

The names of the columns say the unit: start_frame, start_s, start_ms, "Begin Time - ss.msec". Times such as 0:01:02.5
and numbers with decimals are in seconds. Whole numbers without a unit are frames where they cannot be seconds.
"""

import itertools
import re
from collections.abc import Sequence

from kinegraph.data.segments.rows import Row, SegmentTable, Source, Unit, is_clock

TITLE = "a table of start, end and label"
START, END = ("start", "begin", "onset", "from"), ("end", "stop", "offset", "to", "finish")
LABEL = ("label", "class", "action", "behavior", "behaviour", "activity", "event", "annotation", "category", "gesture")
RECORDING = ("recording", "clip", "video", "file", "media", "observation", "trial", "session", "sequence", "name")
PERSON = ("person", "individual", "animal", "subject", "actor", "participant", "track", "id")
UNITS = {"frame": "frames", "frames": "frames", "s": "seconds", "sec": "seconds", "seconds": "seconds",
         "second": "seconds", "ss": "seconds", "ms": "ms", "msec": "ms", "milliseconds": "ms"}  # fmt: skip


def detect(source: Source) -> bool:
    """A header with a start, an end or a duration, and a label."""
    header = source.header
    ends = _column(header, END) is not None or _column(header, ("duration",)) is not None
    return _column(header, START) is not None and ends and _column(header, LABEL) is not None


def read(source: Source) -> SegmentTable:
    """Raises ValueError with file and line."""
    header = source.header
    start, end, lasts = (_column(header, names) for names in (START, END, ("duration",)))
    label, recording, person = (_column(header, names) for names in (LABEL, RECORDING, PERSON))
    assert start is not None
    assert label is not None
    rows: list[Row] = []
    clock = decimals = False
    for line, cells in source.cells[1:]:
        cells = [*cells, *[""] * (len(header) - len(cells))]
        first = source.number(cells[start], line, header[start])
        if end is not None:
            last = source.number(cells[end], line, header[end])
        else:
            assert lasts is not None
            last = first + source.number(cells[lasts], line, header[lasts])
        if last < first:
            raise ValueError(f"{source.path} line {line} ends at {last:g}, before it starts at {first:g}")
        if not cells[label]:
            raise ValueError(f"{source.path} line {line} has no label")
        clock = clock or is_clock(cells[start])
        decimals = decimals or not (first.is_integer() and last.is_integer())
        named = ["" if it is None else cells[it] for it in (recording, person)]
        rows.append(Row(first, last, cells[label], *named, line=line))
        if not (first.is_integer() and last.is_integer()) and _unit(header[start]) == "frames":
            raise ValueError(
                f"{source.path} line {line} is from {first:g} to {last:g}, expected frames as the column "
                f"{header[start]} says; a column of seconds is called start_s"
            )
    unit = "seconds" if clock else _unit(header[start]) or ("seconds" if decimals else None)
    if unit == "ms":
        rows = [Row(it.start / 1000, it.end / 1000, it.label, it.recording, it.person, it.line) for it in rows]
    return _with_last_frames(SegmentTable(source.path, TITLE, _named(unit), tuple(rows)))


def _named(unit: str | None) -> Unit | None:
    return "frames" if unit == "frames" else None if unit is None else "seconds"


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    """The column of one of these names, or whose name begins with one; those with a unit first."""
    exact = [i for name in names for i, column in enumerate(header) if column == name]
    near = [i for name in names for i, column in enumerate(header) if re.match(rf"{name}_", column)]
    return min(near + exact, key=lambda i: (_unit(header[i]) is None, (near + exact).index(i)), default=None)


def _unit(column: str) -> str | None:
    return next((UNITS[word] for word in column.split("_") if word in UNITS), None)


def _with_last_frames(table: SegmentTable) -> SegmentTable:
    """Where each segment begins one frame behind the end of the one before, ends are the last frames: one is added."""
    if table.unit == "seconds":
        return table
    order = sorted(table.rows, key=lambda it: (it.recording, it.person, it.start))
    steps = [
        after.start - before.end
        for before, after in itertools.pairwise(order)
        if (before.recording, before.person) == (after.recording, after.person)
    ]
    empty = any(it.start == it.end for it in table.rows)
    if not (1 in steps or empty) or 0 in steps:
        return table
    rows = [Row(it.start, it.end + 1, it.label, it.recording, it.person, it.line) for it in table.rows]
    reason = "segments begin one frame behind others" if 1 in steps else "one ends in the frame where it begins"
    note = f"{table.path.name}: an end is the last frame of its segment, as {reason}"
    return SegmentTable(table.path, table.kind, table.unit, tuple(rows), notes=(note,))
