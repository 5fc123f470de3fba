"""The rows of DeepLabCut's .csv files: a frame number and the cells of all body parts."""

import csv
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from io import StringIO, TextIOBase
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.number_blocks import numbers
from kinegraph.data.formats.text import encoding_of
from kinegraph.data.large import Rows
from kinegraph.messages import quoted

BLOCK = 1 << 20  # characters of lines that are read together
LARGEST = 1e30
SEPARATORS, HEAD = ",;\t", 1 << 10
MOST_FRAMES = 10**9
LABELLED = "labels of single pictures, which are no recording; give the files that DeepLabCut's analyze_videos writes"

Row = tuple[int, list[str]]


def begins_with(file: Path, word: str) -> bool:
    """Whether the first cell of a file is a word."""
    with file.open(encoding=encoding_of(file), errors="replace") as lines:
        start = lines.read(len(word) + 3)
    return start.lstrip('"').startswith(word) and start.replace('"', "")[len(word) :][:1] in tuple(SEPARATORS)


def opened(file: Path) -> TextIOBase:
    """The text of a file with commas between cells, as DeepLabCut writes it; others come from Excel.

    Semicolons and tabs are read, and then also decimals with a comma.
    """
    text = file.open(newline="", encoding=encoding_of(file), errors="replace")
    found = SEPARATORS.find(next((it for it in text.read(HEAD) if it in SEPARATORS), ","))
    text.seek(0)
    if found == 0:
        return text
    with text:
        return StringIO(text.read().replace(",", ".").replace(SEPARATORS[found], ","), newline="")


def rows_of(file: Path, lines: Iterable[str], before: int = 0) -> Iterator[Row]:
    """The rows with their line numbers, without those that are blank. before: lines that were read already."""
    reader = csv.reader(lines)
    try:
        for row in reader:
            if any(row):
                yield before + reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise ValueError(f"{file} line {before + reader.line_num} is not readable: {error}") from None


def read_cells(
    file: Path, lines: TextIOBase, before: int, columns: Collection[int], width: int
) -> tuple[Int[np.ndarray, "rows"], Float[np.ndarray, "rows width"]]:
    """Frame numbers and cells of the lines that are left, NaN for cells that are empty or in other columns.

    before: lines that were read already. Raises ValueError with the line.
    """
    frames, values = array("q"), Rows()
    while block := lines.readlines(BLOCK):
        last = frames[-1] if frames else -1
        found = _plain(block, sorted(columns), width, last)
        if found is not None:
            frames.frombytes(found[0].tobytes())
            values.add(found[1])
        else:
            quotes = any('"' in line for line in block)  # what is in quotes may go on in the next block
            rows = rows_of(file, chain(block, lines) if quotes else block, before)
            for frame, row in _cell_by_cell(file, rows, columns, width, last):
                frames.append(frame)
                values.add(row)
        before += len(block)
    return np.array(frames, np.int64), values.array(width)


def _plain(
    lines: Sequence[str], columns: Sequence[int], width: int, last: int
) -> tuple[Int[np.ndarray, "rows"], Float[np.ndarray, "rows width"]] | None:
    """Frame numbers and cells of lines that hold only numbers where they are wanted; None for others."""
    if any(line.count(",") != width - 1 or '"' in line for line in lines):
        return None
    found = numbers(lines, ",", [0, *columns])
    if found is None or (np.abs(found) > LARGEST).any():
        return None
    frames = found[:, 0]
    if not ((frames == np.rint(frames)) & (frames < MOST_FRAMES)).all() or (np.diff(frames, prepend=last) <= 0).any():
        return None
    if not all(line[: line.index(",")].strip().isdecimal() for line in lines):
        return None
    values = np.full((len(found), width), np.nan, np.float32)
    values[:, columns] = found[:, 1:]
    return frames.astype(np.int64), values


def _cell_by_cell(
    file: Path, rows: Iterator[Row], columns: Collection[int], width: int, last: int
) -> Iterator[tuple[int, Float[np.ndarray, " width"]]]:
    """Frame number and cells of each row. Raises ValueError with the line."""
    for line, row in rows:
        where = f"{file} line {line}"
        if len(row) != width:
            raise ValueError(f"{where} has {len(row)} cells, expected {width}")
        last = _frame(where, row[0], last)
        yield last, _numbers(where, row, columns)


def _frame(where: str, cell: str, before: int) -> int:
    if not (cell.isdecimal() and len(cell) < 10):
        hint = f"; these are {LABELLED}" if cell.lower().endswith((".png", ".jpg", ".jpeg")) else ""
        raise ValueError(f"{where} is of frame {quoted(cell)}, expected a number{hint}")
    if int(cell) <= before:
        raise ValueError(f"{where} is of frame {cell}, expected one after {before}")
    return int(cell)


def _numbers(where: str, row: Sequence[str], columns: Collection[int]) -> Float[np.ndarray, " columns"]:
    values = np.full(len(row), np.nan)
    try:
        for column in columns:
            values[column] = float(row[column]) if row[column] else np.nan
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if (np.abs(values) > LARGEST).any():
        raise ValueError(f"{where} holds a number that is not finite")
    return values.astype(np.float32)
