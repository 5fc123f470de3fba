"""The rows of an Excel workbook (.xlsx) as text, by openpyxl, the extra `excel`. Formulas count by their last values.

One sheet may have cells: which one is meant would be a guess. Of Xsens MVN's workbooks it is "Segment Position".
"""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kinegraph.data.formats.recordings import FormatError
from kinegraph.messages import first_few, one_line

EXCEL = (".xlsx", ".xlsm")
LARGEST = 1 << 30  # bytes of a workbook, unpacked
OF_XSENS = "Segment Position"
TOP = 3  # rows that may belong to the header
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
            filled = [sheet for sheet in book.worksheets if any(True for _ in islice(_rows(sheet), 1))]
            filled = [sheet for sheet in filled if sheet.title == OF_XSENS] or filled
            if len(filled) > 1:
                names = first_few([sheet.title for sheet in filled])
                raise FormatError("several_sheets", f"{path} has several sheets, {names}: save the one with the table")
            yield from _of_one_width(_rows(filled[0])) if filled else ()
        finally:
            book.close()
    except FormatError:
        raise
    except UNREADABLE as error:
        raise ValueError(f"{path} is not a readable Excel workbook: {one_line(error)[:200]}") from None


def other_sheets(path: Path) -> tuple[str, ...]:
    """The line on sheets of a workbook of Xsens MVN that are not read."""
    if path.suffix.lower() not in EXCEL:
        return ()
    with suppress(*UNREADABLE):
        book = import_module("openpyxl").load_workbook(path, read_only=True)
        names = [sheet.title for sheet in book.worksheets]
        book.close()
        return (
            (f"sheets beside {OF_XSENS}: {first_few([it for it in names if it != OF_XSENS])}",)
            if OF_XSENS in names[1:]
            else ()
        )
    return ()


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(cell is not None for cell in row):
            yield number, [_text(cell) for cell in row]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else str(cell)


def _of_one_width(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows without the empty columns behind the header."""
    top = list(islice(rows, TOP))
    width = max(i for _, row in top for i, cell in enumerate(row, 1) if cell)
    for number, row in chain(top, rows):
        yield number, (row + [""] * width)[:width]
