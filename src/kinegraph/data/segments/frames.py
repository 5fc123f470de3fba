"""A label for each frame: a text file with one label per line, as for MS-TCN, or a table of frame and label.

A file is about one recording, whose name it has, unless a column names recordings. An empty label, or one that says
"none", is a gap.
"""

from collections.abc import Sequence

from kinegraph.data.segments.rows import Row, SegmentTable, Source, runs_of
from kinegraph.data.segments.table import LABEL, PERSON, RECORDING

TITLE = "a label for each frame"
FRAME = ("frame", "frame_number", "frame_index", "frame_id", "index")


def detect(source: Source) -> bool:
    """Lines of one word each, or a header with a frame and a label."""
    header = source.header
    if _column(header, FRAME) is not None and _column(header, LABEL) is not None:
        return True
    return len(source.cells) > 1 and all(len(row) == 1 for _, row in source.cells)


def read(source: Source) -> SegmentTable:
    """Raises ValueError with file and line for a frame that is no number, or that comes twice."""
    if _column(source.header, FRAME) is None:
        lines = source.text.splitlines()
        while lines and not lines[-1].strip():
            lines.pop()
        labels = [line.strip() for line in lines]
        if labels and labels[0].lower() in LABEL:
            labels = labels[1:]
        return SegmentTable(
            source.path, TITLE, "frames", tuple(runs_of(labels)), complete=all(labels), frames=len(labels)
        )
    return _of_table(source)


def _of_table(source: Source) -> SegmentTable:
    header = source.header
    frame, label, recording, person = (_column(header, names) for names in (FRAME, LABEL, RECORDING, PERSON))
    assert frame is not None
    assert label is not None
    labels: dict[tuple[str, str], dict[int, tuple[str, int]]] = {}
    for line, cells in source.cells[1:]:
        cells = [*cells, *[""] * (len(header) - len(cells))]
        number = source.number(cells[frame], line, "the frame")
        if not number.is_integer():
            raise ValueError(f"{source.path} line {line}: the frame is {number:g}, expected a whole number")
        who = ("" if recording is None else cells[recording], "" if person is None else cells[person])
        of_who = labels.setdefault(who, {})
        if int(number) in of_who:
            raise ValueError(f"{source.path} line {line}: frame {number:g} has two labels")
        of_who[int(number)] = (cells[label], line)
    first = min((min(of_who) for of_who in labels.values()), default=0)
    rows = tuple(row for who, of_who in labels.items() for row in _runs(of_who, who, first))
    note = f"{source.path.name}: its first frame, {first}, is the first of the recording"
    full = all(
        all(label for label, _ in frames.values()) and len(frames) == max(frames) - first + 1
        for frames in labels.values()
    )
    frames = max(next(iter(labels.values()))) + 1 - (first == 1) if len(labels) == 1 else None
    return SegmentTable(source.path, TITLE, "frames", rows, full, (note,) if first == 1 else (), frames)


def _runs(of_who: dict[int, tuple[str, int]], who: tuple[str, str], first: int) -> list[Row]:
    begin = first if first == 1 else 0
    labels = ["" for _ in range(max(of_who) - begin + 1)] if max(of_who) < 10_000_000 else []
    for frame, (label, _) in of_who.items():
        if frame - begin < len(labels):
            labels[frame - begin] = label
    return runs_of(labels, *who)


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
