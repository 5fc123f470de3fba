"""Rows of a frame number and many coordinates, as motion capture programs export them, read in blocks.

Only the columns that are asked for are kept, as float32, so that a file may be much larger than memory.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.large import Rows, placed
from kinegraph.data.reading.files.csv_rows import decimal_commas
from kinegraph.messages import one_line, quoted

LARGEST = 1 << 36  # bytes; days of many markers
BLOCK = 1000  # rows that are lists of numbers at a time
SPARSE = 10  # a file may number so many frames for each row it has
LARGEST_NUMBER = 1e9


def check_size(file: Path) -> None:
    """Raises ValueError for a file that is too large to be a recording."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}")


def places_of(
    file: Path, rows: Iterator[Sequence[str]], columns: Sequence[int], line: Callable[[], int]
) -> Float[np.ndarray, "T joints 3"]:
    """The three numbers from each of the columns on, of each frame; NaN where a cell is empty or a frame has no row.

    rows: cells of a line, the number of the frame first; a blank line ends them. line: the number of the line that was
    read last, for messages. Raises ValueError with file, line and cause.
    """
    frames, numbers = array("q"), Rows()
    wanted = [column + axis for column in columns for axis in range(3)]
    width = max(wanted, default=0) + 1
    taken: list[list[str]] = []

    def close() -> None:
        if taken:
            numbers.add(_numbers(file, taken, line()))
            taken.clear()

    for row in rows:
        if not any(cell.strip() for cell in row):
            break
        frames.append(_frame(file, row[0], line(), frames[-1] if frames else -1))
        cells = row if len(row) >= width else [*row, *[""] * (width - len(row))]  # not seen at the end of a line
        taken.append([cells[i] for i in wanted])
        if len(taken) == BLOCK:
            close()
    close()
    if not frames:
        raise ValueError(f"{file} has no frames")
    return _filled(file, np.frombuffer(frames, np.int64), numbers.array(len(columns), 3))


def _frame(file: Path, cell: str, line: int, before: int) -> int:
    text = cell.strip().strip('"')
    if text.endswith(".0"):
        text = text[:-2]
    if not (text.isdecimal() and len(text) < 10):
        raise ValueError(f"{file} line {line} is of frame {quoted(cell)}, expected a number")
    if int(text) <= before:
        raise ValueError(f"{file} line {line} is of frame {int(text)}, expected one after {before}")
    return int(text)


def _numbers(file: Path, rows: Sequence[Sequence[str]], last: int) -> Float[np.ndarray, "rows width"]:
    """The cells as float32. last: the line of the last row."""
    try:
        values = np.array([[float(cell or "nan") for cell in row] for row in rows])
    except ValueError:
        lines = [last - len(rows) + 1 + i for i in range(len(rows))]
        if decimal_commas(file, zip(lines, map(list, rows), strict=True)):
            rows = [[cell.replace(",", ".") for cell in row] for row in rows]
        values = np.array([[_number(file, cell, line) for cell in row] for line, row in zip(lines, rows, strict=True)])
    wrong = ~((np.abs(values) < LARGEST_NUMBER) | np.isnan(values)).all(1)
    if wrong.any():
        raise ValueError(f"{file} line {last - len(rows) + 1 + int(wrong.argmax())} holds a number that is not finite")
    return values.astype(np.float32)


def _number(file: Path, cell: str, line: int) -> float:
    try:
        return float(cell.strip() or "nan")
    except ValueError as error:
        raise ValueError(f"{file} line {line}: {one_line(error)}") from None


def _filled(
    file: Path, frames: Int[np.ndarray, " rows"], rows: Float[np.ndarray, "rows joints 3"]
) -> Float[np.ndarray, "T joints 3"]:
    """The rows at the places of their frames. Raises ValueError for a file of gaps."""
    if (count := int(frames[-1] - frames[0]) + 1) > SPARSE * len(frames):
        raise ValueError(f"{file} numbers {count:,} frames and has {len(frames):,} of them, expected one row per frame")
    if count == len(frames):
        return rows
    return placed(rows, frames - frames[0], count, np.nan)
