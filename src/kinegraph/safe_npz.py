"""The arrays in a .npz file, which is a zip: what it claims to hold is weighed before anything is unpacked.

A zip of some kilobytes can unpack to terabytes, and the head of an array in it can promise as much. numpy would believe
both and reserve the memory.
"""

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from kinegraph.safe_packed import UNPACKED_A_BYTE, UNPACKED_ALWAYS
from kinegraph.safe_pickle import check_letters, read_pickle

BROKEN = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, RecursionError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


class _RefusedError(Exception):
    """An array that is whole, but not one that is read."""


def load_npz(path: Path, keys: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file by name, or those of `keys` that it has. Objects (pickles) are refused.

    Raises ValueError naming the file, and the array that is not whole or too large to be honest.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a .npz file")
    try:
        with zipfile.ZipFile(path) as file:
            named = [member for member in file.infolist() if member.filename.endswith(".npy")]
            members = {member.filename.removesuffix(".npy"): member for member in named}
            _check_size(path, members.values())
            wanted = members if keys is None else [key for key in keys if key in members]
            return {key: _array(file, members[key]) for key in wanted}
    except _RefusedError as refused:
        raise ValueError(f"{path} {refused}") from None
    except (OSError, *BROKEN) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> Exception:
    """What to raise for a broken file; an OSError without a name is of a place in the file that does not exist."""
    if isinstance(error, OSError) and error.filename is not None:
        return error
    return ValueError(f"{path} is not a readable .npz file of arrays")


def load_npz_object(path: Path, key: str, *, several: bool = False) -> object:
    """The one value, such as a dictionary, in an array of objects, a pickle that is read as data; see `safe_pickle`.

    several: the array may hold several values, and is given as it is. Raises ValueError naming the file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            member = file.getinfo(f"{key}.npy")
            _check_size(path, file.infolist())
            content = io.BytesIO(file.read(member))
        shape, _, dtype = _head(content)
    except _RefusedError as refused:
        raise ValueError(f"{path} {refused}") from None
    except (OSError, *BROKEN) as error:
        raise _unreadable(path, error) from None
    if (shape and not several) or not dtype.hasobject:
        raise ValueError(f"{path} holds an array {key} of {dtype} {shape}, expected one value in an array of objects")
    value = read_pickle(io.BytesIO(content.read()), path)
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value


def load_npy_object(path: Path, *, several: bool = False) -> object:
    """The one value, such as a dictionary, in a .npy of objects, or several, read as data as `load_npz_object` does."""
    try:
        with path.open("rb") as content:
            shape, _, dtype = _head(content)
            if not dtype.hasobject or (math.prod(shape) != 1 and not several):
                raise _RefusedError(f"holds an array of {dtype} {shape}, expected one value in an array of objects")
            value = read_pickle(content, path)
    except _RefusedError as refused:
        raise ValueError(f"{path} {refused}") from None
    except OSError:
        raise
    except BROKEN as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path} is not a readable .npy file") from None
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 and not several else value


def npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays in a file by name, by their heads; () for those of objects. Raises ValueError."""
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                if member.filename.endswith(".npy"):
                    with file.open(member) as content:
                        shape, _, dtype = _head(content)
                    shapes[member.filename.removesuffix(".npy")] = () if dtype.hasobject else shape
    except (OSError, *BROKEN) as error:
        raise _unreadable(path, error) from None
    return shapes


def _head(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype of the array in a .npy."""
    version = np.lib.format.read_magic(content)
    read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    return read_header[version[0]](content)


def _check_size(path: Path, members: Iterable[zipfile.ZipInfo]) -> None:
    claimed, size = sum(member.file_size for member in members), path.stat().st_size
    if claimed > UNPACKED_ALWAYS + UNPACKED_A_BYTE * size:
        raise _RefusedError(
            f"has {size:,} bytes and would unpack to {claimed:,}; if that is right, save it by numpy.savez, not packed"
        )


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with file.open(member) as content:
        shape, _, dtype = _head(content)
        if dtype.hasobject:
            raise _RefusedError("holds Python objects (pickles), which are not loaded; save plain arrays")
        if dtype.kind == "V":
            raise _RefusedError(f"holds an array of {str(dtype)[:60]}, expected numbers or text")
        held = member.file_size - content.tell()  # by the zip's own list, which was weighed
        if min(shape, default=0) < 0 or math.prod(shape) * max(dtype.itemsize, 1) != held:
            name = "".join(filter(str.isprintable, member.filename))[:60]
            raise _RefusedError(f"holds an array {name} of shape {str(shape)[:60]} in {held:,} bytes, which do not fit")
        content.seek(0)
        array = np.lib.format.read_array(content, allow_pickle=False)
    check_letters(array.reshape(-1, order="A"))
    return array
