"""HDF5 files of strangers, through h5py (the extra `formats`): arrays of numbers and texts, within bounds.

Links to other files, virtual arrays and arrays that are larger than their file can hold are not followed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import one_line, plain_name
from kinegraph.safe_packed import UNPACKED_A_BYTE, UNPACKED_ALWAYS
from kinegraph.skeleton.layout import LONGEST_NAME, MOST_JOINTS

MAGIC = b"\x89HDF\r\n\x1a\n"
LOOKED_AT = 1 << 20  # bytes in which the names of the arrays are


def check_h5py(what: str) -> None:
    """Raises FormatError where h5py is not installed. what: needs it."""
    try:
        import_module("h5py")
    except ImportError:
        raise FormatError("missing", f'{what} need h5py: pip install "kinegraph[formats]"') from None


def start_of(file: Path) -> bytes:
    """The first bytes of an HDF5 file, in which names of arrays are; nothing for another file."""
    if not file.is_file():
        return b""
    with file.open("rb") as content:
        start = content.read(LOOKED_AT)
    return start if start.startswith(MAGIC) else b""


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """The file as HDF5. Raises ValueError that names it for whatever a broken file leads to."""
    h5py = import_module("h5py")
    try:
        with h5py.File(file, "r") as content:
            yield content
    except ValueError:
        raise
    except Exception as error:
        reason = one_line(error).partition(" (")[0]
        raise ValueError(f"{file} is not a readable HDF5 file: {reason or type(error).__name__}") from None


def array_of(file: Path, content: Any, key: str) -> np.ndarray | None:
    """An array of numbers; None where there is none of this name, or it lies in another file."""
    array = dataset_of(file, content, key)
    return np.asarray(array[()]) if array is not None and array.dtype.kind in "fiu" else None


def dataset_of(file: Path, content: Any, key: str) -> Any:
    """An array that is not read yet, inside of the file and no larger than it can be; else None."""
    h5py = import_module("h5py")
    if not isinstance(content.get(key, getlink=True), h5py.HardLink):
        return None
    return checked_array(file, content[key], key)


def checked_array(file: Path, array: Any, name: str) -> Any:
    """The same of what is there already."""
    h5py = import_module("h5py")
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
        return None
    if array.size * array.dtype.itemsize > UNPACKED_ALWAYS + UNPACKED_A_BYTE * file.stat().st_size:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes, and {name} of {array.size:,} numbers, too many")
    return array


def texts_of(file: Path, content: Any, key: str) -> tuple[str, ...] | None:
    """The texts of an array, as many as a layout may have joints and one more."""
    array = dataset_of(file, content, key)
    if array is None:
        return None
    return tuple(text_of(name) for name in np.asarray(array[()]).reshape(-1)[: MOST_JOINTS + 1].tolist())


def text_of(name: object) -> str:
    return plain_name(name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name)[: LONGEST_NAME + 1]
