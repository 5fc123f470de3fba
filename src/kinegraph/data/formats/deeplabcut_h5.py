"""DeepLabCut's .h5 files: a table of pandas in HDF5, read through h5py; its names of columns are pickles, read as data.

    /df_with_missing/table                        rows of index and values_block_0; the columns by values_block_0_kind
    /df_with_missing/block0_values, axis1 ...     the same in pandas' other form ("fixed")

Source: pandas, io/pytables.py; DeepLabCut, predict_videos.py, which writes the key df_with_missing.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.hdf5 import array_of, dataset_of, opened, start_of, text_of, texts_of
from kinegraph.data.formats.recordings import FormatError
from kinegraph.safe_pickle import read_pickle

SUFFIXES = (".h5", ".hdf5")
Labels = list[tuple[str, ...]]


def is_deeplabcut_h5(file: Path) -> bool:
    """Whether a file is a table of pandas with the columns bodyparts and coords."""
    start = start_of(file) if file.suffix.lower() in SUFFIXES else b""
    of_pandas = b"pandas_type" in start
    return of_pandas and (b"bodyparts" in start or b"df_with_missing" in start)


def read_h5(file: Path) -> tuple[Labels, Int[np.ndarray, "rows"], Float[np.ndarray, "rows columns"]]:
    """The labels of the columns, the numbers of the frames, and the cells. Raises ValueError naming the file."""
    with opened(file) as content:
        for group in content.values():
            for found in (_table(file, group), _fixed(file, group)):
                if found is not None:
                    return found
    raise ValueError(f"{file} has no table of DeepLabCut, expected /df_with_missing")


def _table(file: Path, group: Any) -> tuple[Labels, np.ndarray, np.ndarray] | None:
    table = dataset_of(file, group, "table") if hasattr(group, "keys") else None
    if table is None or table.dtype.names is None or "index" not in table.dtype.names:
        return None
    rows = table[()]
    blocks = [name for name in table.dtype.names if name.startswith("values_block_") and rows[name].dtype.kind in "fiu"]
    labels = [label for name in blocks for label in _labels(file, table.attrs.get(f"{name}_kind"))]
    cells = [rows[name].reshape(len(rows), -1) for name in blocks]
    if not cells or len(labels) != sum(block.shape[1] for block in cells):
        raise ValueError(f"{file} does not name all of its columns")
    return labels, _frames(file, rows["index"]), np.concatenate(cells, 1).astype(np.float64)


def _fixed(file: Path, group: Any) -> tuple[Labels, np.ndarray, np.ndarray] | None:
    values = array_of(file, group, "block0_values") if hasattr(group, "keys") else None
    index = dataset_of(file, group, "axis1") if values is not None else None
    if values is None or index is None:
        return None
    levels = []
    while (names := texts_of(file, group, f"block0_items_level{len(levels)}")) is not None:
        codes = array_of(file, group, f"block0_items_label{len(levels)}")
        if codes is None or codes.shape != values.shape[1:] or codes.min(initial=0) < 0:
            raise ValueError(f"{file} does not name all of its columns")
        if codes.max(initial=0) >= len(names):
            raise ValueError(f"{file} has columns of a name that is not there")
        levels.append([names[code] for code in codes.tolist()])
    return list(zip(*levels, strict=True)), _frames(file, index[()]), values.astype(np.float64)


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
