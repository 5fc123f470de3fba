"""What every reader of labels over time gives: rows of start, end and label, as the file has them."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from kinegraph.data.column_words import plain_word
from kinegraph.data.reading.files.columnar import COLUMNAR, columnar_rows
from kinegraph.data.reading.files.excel import EXCEL, excel_rows
from kinegraph.data.reading.files.text import encoding_of, other_encoding
from kinegraph.messages import one_line, plain_name, quoted

Unit = Literal["seconds", "frames"]
LARGEST = 1 << 28  # bytes
MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class Row:
    """From `start` to `end`, end not included, somebody does something. line: of the file, for messages.

    recording: its name in the words of the file, empty where the file is about one recording. person: likewise.
    """

    start: float
    end: float
    label: str
    recording: str = ""
    person: str = ""
    line: int = 0


@dataclass(frozen=True)
class SegmentTable:
    """The rows of one file. unit: None where the file does not say it. kind: of the file, in words.

    complete: whether every frame has a label. notes: what was decided here and not by the file. frames: that the file
    speaks of, where it is about one recording and has a row for each of them.
    """

    path: Path
    kind: str
    unit: Unit | None
    rows: tuple[Row, ...]
    complete: bool = False
    notes: tuple[str, ...] = ()
    frames: int | None = None


@dataclass(frozen=True)
class Source:
    """A text file that is read once, whoever knows it."""

    path: Path

    @cached_property
    def text(self) -> str:
        """Raises ValueError for a file that is too large, or no text."""
        if (size := self.path.stat().st_size) > LARGEST:
            raise ValueError(f"{self.path} has {size:,} bytes, expected at most {LARGEST:,}")
        if (ending := self.path.suffix.lower()) in (*EXCEL, *COLUMNAR):
            rows, lines = excel_rows(self.path) if ending in EXCEL else columnar_rows(self.path), io.StringIO()
            csv.writer(lines, delimiter="\t", lineterminator="\n").writerows(row for _, row in rows)
            return lines.getvalue()
        try:
            return self.path.read_text(encoding=encoding_of(self.path))
        except UnicodeError:
            raise ValueError(f"{self.path} {other_encoding(self.path)}") from None

    @cached_property
    def cells(self) -> list[tuple[int, list[str]]]:
        """The rows of a table with their lines: cells between commas, semicolons, tabs or |, whichever is most."""
        start = self.text[: 1 << 16]
        lines = csv.reader(self.text.splitlines(), delimiter=max(",;\t|", key=start.count))
        try:
            return [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(map(str.strip, row))]
        except csv.Error as error:
            raise ValueError(f"{self.path} line {lines.line_num} is not readable: {one_line(error)}") from None

    @property
    def header(self) -> list[str]:
        """The first row, as names of columns are compared: small letters, and blanks as underscores."""
        return [plain(cell) for cell in self.cells[0][1]][:MOST_COLUMNS] if self.cells else []

    def number(self, cell: str, line: int, what: str) -> float:
        """The number in a cell; a time such as 1:02:03.5 is in seconds. Raises ValueError with file and line."""
        value = number_of(cell)
        if value is None or not 0 <= value < 1e9:
            raise ValueError(f"{self.path} line {line}: {what} is {quoted(cell)}, expected a time or a frame from 0 on")
        return value


def plain(column: str) -> str:
    """The name of a column as names are compared: "Start (s)" is start_s, "Début" is debut."""
    return re.sub(r"[\W_]+", "_", plain_word(column)).strip("_")


def number_of(cell: str) -> float | None:
    """A number with a point or a comma, or a time h:mm:ss.s in seconds; None for anything else."""
    text = cell.strip().replace(",", ".")
    if not (match := re.fullmatch(r"(?:(\d{1,4}):)?(?:(\d{1,2}):)?(-?\d{1,15}(?:\.\d{0,12})?(?:e-?\d{1,2})?)", text)):
        return None
    first, second, last = match.groups()
    if second is None and first is not None:
        first, second = None, first
    return 3600 * int(first or 0) + 60 * int(second or 0) + float(last)


def is_clock(cell: str) -> bool:
    """Whether a cell is a time such as 1:02:03.5, which is in seconds."""
    return ":" in cell and number_of(cell) is not None


def stem_of(name: str) -> str:
    """The name of a recording without its folders and its ending, also of a Windows path."""
    name = re.split(r"[/\\]", plain_name(name).strip())[-1]
    return re.sub(r"\.([A-Za-z][A-Za-z0-9]{1,4}|parquet|feather)$", "", name)


def runs_of(labels: Iterable[str], recording: str = "", person: str = "", first: int = 1) -> list[Row]:
    """The rows of a label for each frame; empty labels are gaps. first: the line of the first label."""
    rows: list[Row] = []
    open_row: Row | None = None
    for frame, label in enumerate(labels):
        if open_row is not None and open_row.label != label:
            rows.append(open_row)
            open_row = None
        if label:
            open_row = open_row or Row(frame, frame, label, recording, person, first + frame)
            open_row = replace(open_row, end=frame + 1)
    return rows + ([open_row] if open_row else [])
