"""Tables in memory, of pandas, polars or xarray, as `kinegraph.read` takes them: written as a file, and read as one.

pandas      tables as `table` reads them, also with columns of two levels; DeepLabCut's, as `read_hdf` gives them
polars      tables as `table` reads them
xarray      datasets of `movement`
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kinegraph.data.formats.movement import DIMS, write_dataset_file
from kinegraph.data.reading.files.hdf5 import check_h5py

NAME = "table"  # of the clip, where the table names none


def is_frame(value: object) -> bool:
    """Whether this is a table in memory, and no path."""
    table = any(hasattr(value, method) for method in ("to_csv", "write_csv")) and hasattr(value, "columns")
    return table or any(hasattr(value, method) for method in ("collect_schema", "data_vars"))


@contextmanager
def as_file(frame: Any) -> Iterator[Path]:
    """A file of the table's content, for a while. Raises ValueError that names the table in place of the file."""
    with TemporaryDirectory() as folder:
        file = Path(folder, f"{NAME}.{'nc' if hasattr(frame, 'to_netcdf') else 'csv'}")
        try:
            _write(frame, file)
            yield file
        except ValueError as error:
            message = str(error).replace(str(file), f"the {type(frame).__name__}")
            raise type(error)(*([error.kind] if hasattr(error, "kind") else []), message) from None  # pyright: ignore


def _write(frame: Any, file: Path) -> None:
    if hasattr(frame, "to_netcdf"):
        _write_xarray(frame, file)
    elif hasattr(frame, "to_csv"):
        levels, names = getattr(frame.columns, "nlevels", 1), list(frame.index.names)
        frame.to_csv(file, index=levels > 1 or any(name is not None for name in names))
    else:
        (frame.collect() if hasattr(frame, "collect") else frame).write_csv(file)


def _write_xarray(dataset: Any, file: Path) -> None:
    """The position and confidence of one of movement's datasets."""
    check_h5py("movement's datasets")
    if "position" not in dataset:
        raise ValueError(f"{file} has no position; it holds {', '.join(map(str, dataset)) or 'nothing'}")
    position, confidence = dataset["position"], dataset.get("confidence")
    dims = tuple(map(str, position.dims))
    if not {*dims} <= {*DIMS}:
        raise ValueError(f"{file} has a position along {', '.join(dims)}, expected {', '.join(DIMS)}")
    write_dataset_file(
        file,
        np.asarray(position),
        dims,
        None if confidence is None else np.asarray(confidence),
        () if confidence is None else tuple(map(str, confidence.dims)),
        {name: [str(value) for value in np.asarray(dataset[name]).tolist()] for name in dims if name != "time"},
        dataset.attrs.get("fps"),
    )
