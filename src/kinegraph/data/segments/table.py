"""Your own table, one row per segment: start, end or duration, label, and recording and person where there are several.

The names of the columns say the unit: start_frame, start_s, start_ms, "Begin Time - ss.msec". Times such as 0:01:02.5
and numbers with decimals are in seconds. Whole numbers without a unit are frames where they cannot be seconds.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from kinegraph.data.column_words import WORDS
from kinegraph.data.segments.rows import Row, SegmentTable, Source, Unit, is_clock

TITLE = "a table of start, end and label"
# Names of columns, also in other languages, without accents.
# fmt: off
START = (
    "start", "begin", "onset", "from", "first", "t0", "t_start", "tstart", "t_begin", "time_start",
    "frame_start", "in", "beginn", "anfang", "von", "debut", "inicio", "comienzo", "desde", "inizio", "开始",
    "起始", "開始",
)
END = (
    "end", "stop", "offset", "to", "finish", "last", "t1", "t_end", "tend", "t_stop", "time_end", "frame_end",
    "out", "ende", "bis", "fin", "final", "hasta", "fine", "fim", "结束", "终止", "終了",
)
LABEL = (
    "label", "class", "action", "behavior", "behaviour", "activity", "event", "annotation", "category",
    "gesture", "exercise", "movement", "motion", "phase", "sign", "gloss", "description", "syllable", *WORDS["label"],
)
RECORDING = (
    "recording", "clip", "video", "file", "filename", "media", "observation", "trial", "session", "sequence",
    "name", *WORDS["clip"],
)
# fmt: on
PERSON = ("person", "individual", "animal", "subject", "actor", "participant", "agent", "track", "id")
LAST = ("last",)  # how columns of the last frame of a segment begin, which is not the first one behind it
UNITS = {"frame": "frames", "frames": "frames", "s": "seconds", "sec": "seconds", "seconds": "seconds",
         "second": "seconds", "ss": "seconds", "ms": "ms", "msec": "ms", "milliseconds": "ms"}  # fmt: skip
TOGETHER = {"帧": "frames", "フレーム": "frames", "秒": "seconds"}  # units that stand in a word


def detect(source: Source) -> bool:
    """A header with a start, an end or a duration, and a label."""
    header = source.header
    ends = column_of(header, END) is not None or column_of(header, ("duration",)) is not None
    return column_of(header, START) is not None and ends and column_of(header, LABEL) is not None


def read(source: Source) -> SegmentTable:
    """Raises ValueError with file and line."""
    header = source.header
    start, end, lasts = (column_of(header, names) for names in (START, END, ("duration",)))
    label, recording, person = (column_of(header, names) for names in (LABEL, RECORDING, PERSON))
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
        named = ["" if column is None else cells[column] for column in (recording, person)]
        rows.append(Row(first, last, cells[label], *named, line=line))
        if not (first.is_integer() and last.is_integer()) and unit_of(header[start]) == "frames":
            raise ValueError(
                f"{source.path} line {line} is from {first:g} to {last:g}, expected frames as the column "
                f"{header[start]} says; a column of seconds is called start_s"
            )
    last_frames = end is not None and header[end].split("_")[0] in LAST and unit_of(header[end]) == "frames"
    unit = "seconds" if clock else unit_of(header[start]) or ("seconds" if decimals else None)
    if unit == "ms":
        rows = [Row(row.start / 1000, row.end / 1000, row.label, row.recording, row.person, row.line) for row in rows]
    table = SegmentTable(source.path, TITLE, _named(unit), tuple(rows))
    return _one_longer(table, "its column says so") if last_frames else _with_last_frames(table)


def _named(unit: str | None) -> Unit | None:
    return "frames" if unit == "frames" else None if unit is None else "seconds"


def column_of(header: Sequence[str], names: Sequence[str]) -> int | None:
    """The column of one of these names, or whose name begins with one; those with a unit first, those of ids last."""
    exact = [i for name in names for i, column in enumerate(header) if column == name]
    begins = {name: f"{name}_" if name.isascii() else name for name in names}
    near = [i for name in names for i, column in enumerate(header) if column.startswith(begins[name])]
    found = exact + near
    return min(
        found, key=lambda i: (unit_of(header[i]) is None, header[i].endswith("_id"), found.index(i)), default=None
    )


def unit_of(column: str) -> str | None:
    found = next((UNITS[word] for word in column.split("_") if word in UNITS), None)
    return found or next((unit for word, unit in TOGETHER.items() if word in column), None)


def _with_last_frames(table: SegmentTable) -> SegmentTable:
    """Where each segment begins one frame behind the end of the one before, ends are the last frames: one is added."""
    if table.unit == "seconds":
        return table
    order = sorted(table.rows, key=lambda row: (row.recording, row.person, row.start))
    steps = [
        after.start - before.end
        for before, after in itertools.pairwise(order)
        if (before.recording, before.person) == (after.recording, after.person)
    ]
    empty = any(row.start == row.end for row in table.rows)
    if not (1 in steps or empty) or 0 in steps:
        return table
    return _one_longer(
        table, "segments begin one frame behind others" if 1 in steps else "one ends in the frame where it begins"
    )


def _one_longer(table: SegmentTable, reason: str) -> SegmentTable:
    """The table with the frame behind the last one as the end of each segment, and a line that says why."""
    note = f"{table.path.name}: an end is the last frame of its segment, as {reason}"
    return replace(table, rows=tuple(replace(row, end=row.end + 1) for row in table.rows), notes=(note,))
