"""The rows of DeepLabCut's files: a frame number and the cells of all body parts; of a .csv, or by h5py of an .h5.

An .h5 is a table of pandas; its names of columns are pickles, read as data:

    /df_with_missing/table                        rows of index and values_block_0; the columns by values_block_0_kind
    /df_with_missing/block0_values, axis1 ...     the same in pandas' other form ("fixed")

Source: pandas, io/pytables.py; DeepLabCut, predict_videos.py, which writes the key df_with_missing.
"""

import csv
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from io import BytesIO, StringIO, TextIOBase
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.large import Rows, release, zeros
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files import hdf5
from kinegraph.data.reading.files.hdf5 import array_of, dataset_of, start_of, text_of, texts_of
from kinegraph.data.reading.files.number_blocks import numbers
from kinegraph.data.reading.files.text import encoding_of
from kinegraph.messages import quoted
from kinegraph.safe_pickle import read_pickle

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
    found = SEPARATORS.find(next((sign for sign in text.read(HEAD) if sign in SEPARATORS), ","))
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


# ---- HDF5 ------------------------------------------------------------------------------------------------------------


H5 = (".h5", ".hdf5")
BLOCK_BYTES, LARGEST_NUMBER = 1 << 24, 1e30
Labels = list[tuple[str, ...]]


def is_deeplabcut_h5(file: Path) -> bool:
    """Whether a file is a table of pandas with the columns bodyparts and coords."""
    start = start_of(file) if file.suffix.lower() in H5 else b""
    of_pandas = b"pandas_type" in start
    return of_pandas and (b"bodyparts" in start or b"df_with_missing" in start)


def read_h5(file: Path, with_cells: bool) -> tuple[Labels, Int[np.ndarray, "rows"], Float[np.ndarray, "rows columns"]]:
    """The labels of the columns, the numbers of the frames, and the cells, which are read in blocks.

    with_cells: without, there are no rows. Raises ValueError naming the file.
    """
    with hdf5.opened(file) as content:
        for group in content.values():
            for read in (_table, _fixed):
                if (found := read(file, group, with_cells)) is not None:
                    return found
    raise ValueError(f"{file} has no table of DeepLabCut, expected /df_with_missing")


def _cells(file: Path, array: Any, columns: Callable[[np.ndarray], np.ndarray], width: int, rows: int) -> np.ndarray:
    """The numbers of so many rows of an array, read in blocks. columns: takes them from a block."""
    cells = zeros((rows, width))
    step = max(1, BLOCK_BYTES // max(1, array.dtype.itemsize * int(np.prod(array.shape[1:]))))
    for at in range(0, rows, step):
        block = columns(array[at : min(at + step, rows)])
        if (np.abs(np.nan_to_num(block, posinf=np.inf)) > LARGEST_NUMBER).any():
            raise ValueError(f"{file} holds a number that is not finite")
        cells[at : at + step] = block
        release(cells)
    return cells


def _table(file: Path, group: Any, with_cells: bool) -> tuple[Labels, np.ndarray, np.ndarray] | None:
    table = dataset_of(file, group, "table") if hasattr(group, "keys") else None
    if table is None or table.dtype.names is None or "index" not in table.dtype.names:
        return None
    rows = len(table) if with_cells else 0
    kinds = {name: table.dtype[name].base.kind for name in table.dtype.names}
    blocks = [name for name, kind in kinds.items() if name.startswith("values_block_") and kind in "fiu"]
    labels = [label for name in blocks for label in _labels(file, table.attrs.get(f"{name}_kind"))]
    widths = [int(np.prod(table.dtype[name].shape)) for name in blocks]
    if not blocks or len(labels) != sum(widths):
        raise ValueError(f"{file} does not name all of its columns")

    def columns(block: np.ndarray) -> np.ndarray:
        return np.concatenate([block[name].reshape(len(block), -1) for name in blocks], 1)

    index = table.fields("index")[:rows]
    return labels, _frames(file, index), _cells(file, table, columns, sum(widths), rows)


def _fixed(file: Path, group: Any, with_cells: bool) -> tuple[Labels, np.ndarray, np.ndarray] | None:
    values = dataset_of(file, group, "block0_values") if hasattr(group, "keys") else None
    index = dataset_of(file, group, "axis1") if values is not None else None
    if values is None or index is None or values.dtype.kind not in "fiu" or values.ndim != 2:
        return None
    levels = []
    while (names := texts_of(file, group, f"block0_items_level{len(levels)}")) is not None:
        codes = array_of(file, group, f"block0_items_label{len(levels)}")
        if codes is None or codes.shape != values.shape[1:] or codes.min(initial=0) < 0:
            raise ValueError(f"{file} does not name all of its columns")
        if codes.max(initial=0) >= len(names):
            raise ValueError(f"{file} has columns of a name that is not there")
        levels.append([names[code] for code in codes.tolist()])
    rows = min(len(values), len(index)) if with_cells else 0
    cells = _cells(file, values, np.asarray, values.shape[1], rows)
    return list(zip(*levels, strict=True)), _frames(file, index[:rows]), cells


def _labels(file: Path, pickled: object) -> Iterator[tuple[str, ...]]:
    """The labels of columns in an attribute, a pickle of tuples."""
    data = pickled.tobytes() if isinstance(pickled, np.void) else bytes(pickled) if isinstance(pickled, bytes) else b""
    found = read_pickle(BytesIO(data), file)
    for label in found if isinstance(found, Sequence) and not isinstance(found, str) else ():
        if not isinstance(label, tuple) or not all(isinstance(cell, str) for cell in label):
            raise ValueError(f"{file} has columns without the names of scorer, bodyparts and coords")
        yield tuple(text_of(cell) for cell in label)


def _frames(file: Path, index: np.ndarray) -> Int[np.ndarray, "rows"]:
    if index.dtype.kind not in "iu":
        raise FormatError("frames", f"{file} is of single pictures: labels of these are no recording")
    return index.astype(np.int64)
