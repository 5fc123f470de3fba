"""The rows of an Excel workbook (.xlsx) as text, by openpyxl, the extra `excel`. Formulas count by their last values.

Sheets with one header are read below each other, the name of the sheet in a column of its own: that of the clip where
no other column names it, or of the joint where rows have x and y alone. Narrow sheets beside a wide one, such as notes,
are left out. Among sheets that differ otherwise, which one is meant would be a guess. Of Xsens MVN's workbooks it is
"Segment Position".
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import first_few, one_line

EXCEL = (".xlsx", ".xlsm")
LARGEST = 1 << 30  # bytes of a workbook, unpacked
OF_XSENS = "Segment Position"
TOP = 3  # rows that may belong to the header
SHEET = "sheet"
NARROW = 3  # times as many columns has a sheet beside which another one holds notes
UNREADABLE = (ValueError, OSError, KeyError, TypeError, IndexError, AttributeError, SyntaxError, zipfile.BadZipFile)


def excel_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with their numbers, all of one width. Raises ValueError naming the file."""
    try:
        openpyxl: Any = import_module("openpyxl")
    except ImportError:
        raise FormatError("missing", f'{path} needs openpyxl: pip install "kinegraph[excel]"') from None
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > LARGEST:
            raise FormatError("too_large", f"{path} has {size:,} bytes unpacked, expected at most {LARGEST:,}")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheets, headers = _sheets_read(book)
            if any(header != headers[0] for header in headers):
                names = first_few([sheet.title for sheet in sheets])
                raise FormatError("several_sheets", f"{path} has several sheets, {names}: save the one with the table")
            if len(sheets) > 1:
                yield from _joined(sheets, headers[0])
            elif sheets:
                yield from _of_one_width(_rows(sheets[0]))
        finally:
            book.close()
    except FormatError:
        raise
    except UNREADABLE as error:
        raise ValueError(f"{path} is not a readable Excel workbook: {one_line(error)[:200]}") from None


def other_sheets(path: Path) -> tuple[str, ...]:
    """The line on sheets of a workbook that are not read."""
    if path.suffix.lower() not in EXCEL:
        return ()
    with suppress(*UNREADABLE):
        book = import_module("openpyxl").load_workbook(path, read_only=True)
        read = [sheet.title for sheet in _sheets_read(book)[0]]
        others = [sheet.title for sheet in book.worksheets if sheet.title not in read and _header(sheet)]
        book.close()
        return (f"sheets beside {first_few(read)}: {first_few(others)}",) if others else ()
    return ()


def _sheets_read(book: Any) -> tuple[list[Any], list[list[str]]]:
    """The sheets with cells, without narrow ones beside a wide one, and their headers; of Xsens MVN's the positions."""
    filled = [(sheet, header) for sheet in book.worksheets if (header := _header(sheet))]
    width = max((len(header) for _, header in filled), default=0)
    of_xsens = [(sheet, header) for sheet, header in filled if sheet.title == OF_XSENS]
    read = of_xsens or [(sheet, header) for sheet, header in filled if len(header) * NARROW >= width]
    return [sheet for sheet, _ in read], [header for _, header in read]


def _header(sheet: Any) -> list[str]:
    """The first row with cells; [] of an empty sheet."""
    return next((row for _, row in _of_one_width(_rows(sheet))), [])


def _joined(sheets: Sequence[Any], header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of sheets with one header, and the name of the sheet behind each."""
    names = {cell.strip().lower() for cell in header}
    first = next(islice(_rows(sheets[0]), 1, 2), (2, []))[1]
    alone = {"x", "y"} <= names and all(map(_is_number, filter(None, first)))
    yield 1, [*header, "joint" if alone else SHEET]
    for sheet in sheets:
        for number, row in islice(_of_one_width(_rows(sheet), len(header)), 1, None):
            yield number, [*row, sheet.title]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(cell is not None for cell in row):
            yield number, [_text(cell) for cell in row]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)


def _of_one_width(rows: Iterator[tuple[int, list[str]]], width: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The rows without the empty columns behind the header. width: of the header, where it is known."""
    top = list(islice(rows, TOP))
    width = width or max((i for _, row in top for i, cell in enumerate(row, 1) if cell), default=0)
    for number, row in chain(top, rows):
        yield number, (row + [""] * width)[:width]
