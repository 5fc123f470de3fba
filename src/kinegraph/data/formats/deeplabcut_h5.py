"""DeepLabCut's .h5 files: a table of pandas in HDF5, read through h5py; its names of columns are pickles, read as data.

    /df_with_missing/table                        rows of index and values_block_0; the columns by values_block_0_kind
    /df_with_missing/block0_values, axis1 ...     the same in pandas' other form ("fixed")

Source: pandas, io/pytables.py; DeepLabCut, predict_videos.py, which writes the key df_with_missing.
"""

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.hdf5 import array_of, dataset_of, opened, start_of, text_of, texts_of
from kinegraph.data.formats.recordings import FormatError
from kinegraph.data.large import release, zeros
from kinegraph.safe_pickle import read_pickle

SUFFIXES = (".h5", ".hdf5")
BLOCK_BYTES, LARGEST_NUMBER = 1 << 24, 1e30
Labels = list[tuple[str, ...]]


def is_deeplabcut_h5(file: Path) -> bool:
    """Whether a file is a table of pandas with the columns bodyparts and coords."""
    start = start_of(file) if file.suffix.lower() in SUFFIXES else b""
    of_pandas = b"pandas_type" in start
    return of_pandas and (b"bodyparts" in start or b"df_with_missing" in start)


def read_h5(
    file: Path, with_cells: bool = True
) -> tuple[Labels, Int[np.ndarray, "rows"], Float[np.ndarray, "rows columns"]]:
    """The labels of the columns, the numbers of the frames, and the cells, which are read in blocks.

    with_cells: without, there are no rows. Raises ValueError naming the file.
    """
    with opened(file) as content:
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
        if not isinstance(label, tuple) or not all(isinstance(it, str) for it in label):
            raise ValueError(f"{file} has columns without the names of scorer, bodyparts and coords")
        yield tuple(text_of(it) for it in label)


def _frames(file: Path, index: np.ndarray) -> Int[np.ndarray, "rows"]:
    if index.dtype.kind not in "iu":
        raise FormatError("frames", f"{file} is of single pictures: labels of these are no recording")
    return index.astype(np.int64)
