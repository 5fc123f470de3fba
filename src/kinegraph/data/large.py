"""Arrays of long recordings: beyond `IN_MEMORY` bytes they lie in a temporary file, and some frames in memory.

The file has no name, lies in the temporary folder (TMPDIR), and goes with the last array that shows it. Pages of it
that were touched count as memory of the process until `release` gives them back; `blocks` does so after each block.
"""

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from tempfile import TemporaryFile, gettempdir
from typing import IO

import numpy as np
from jaxtyping import Float, Int

IN_MEMORY = 1 << 26  # bytes of an array
BLOCK_BYTES = 1 << 23  # of frames that are looked at together


class Rows:
    """Numbers that are appended, as float32; beyond `IN_MEMORY` bytes in a temporary file."""

    def __init__(self) -> None:
        self.file: IO[bytes] = BytesIO()
        self.size = 0

    def add(self, block: Float[np.ndarray, "..."]) -> None:
        """Append numbers. Raises OSError when the disk is full."""
        data = np.ascontiguousarray(block, np.float32)
        if isinstance(self.file, BytesIO) and self.size + data.nbytes > IN_MEMORY:
            in_memory, self.file = self.file, _temporary()
            self.file.write(in_memory.getbuffer())
        try:
            self.file.write(data.data)
        except OSError as error:
            raise _no_room(self.size + data.nbytes) if error.errno == errno.ENOSPC else error from None
        self.size += data.nbytes

    def array(self, *row: int) -> Float[np.ndarray, "rows ..."]:
        """The numbers as rows of a shape, which may be changed in place; nothing can be appended after it."""
        if not self.size:
            return np.zeros((0, *row), np.float32)
        if isinstance(self.file, BytesIO):
            return np.frombuffer(self.file.getbuffer(), np.float32).reshape(-1, *row)
        self.file.flush()
        return _mapped(self.file.fileno(), self.size).reshape(-1, *row)


def zeros(shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """An array of zeros, in a temporary file where it is large. Raises OSError when the disk is full."""
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= IN_MEMORY:
        return np.zeros(shape, np.float32)
    with _temporary() as file:
        _reserve(file, size)
        return _mapped(file.fileno(), size).reshape(shape)


def blocks(*arrays: Float[np.ndarray, "_ T ..."]) -> Iterator[slice]:
    """Slices of frames, the second axis, that cover arrays of the same frames; pages go after each block."""
    frames = arrays[0].shape[1]
    step = max(1, BLOCK_BYTES * frames // max(1, *(array.nbytes for array in arrays)))
    for at in range(0, frames, step):
        yield slice(at, min(at + step, frames))
        release(*arrays)


def changed(
    array: Float[np.ndarray, "M T ..."], change: Callable[[Float[np.ndarray, "M t ..."]], Float[np.ndarray, "M t ..."]]
) -> Float[np.ndarray, "M T ..."]:
    """The array with every frame changed by a function of some frames; a large one in a temporary file again."""
    if array.nbytes <= IN_MEMORY:
        return change(array)
    rows = zeros((*array.shape[:2], *change(array[:, :1]).shape[2:]))
    for part in blocks(array, rows):
        rows[:, part] = change(array[:, part])
    return rows


def placed(
    rows: Float[np.ndarray, "rows ..."], places: Int[np.ndarray, "rows"], count: int, empty: float = 0.0
) -> Float[np.ndarray, "count ..."]:
    """The rows at their places among `count`, and `empty` in all others."""
    array = zeros((count, *rows.shape[1:]))
    for part in blocks(array[None]) if empty else ():
        array[part] = empty
    for part in blocks(rows[None]):
        array[places[part]] = rows[part]
        release(array)
    return array


def release(*arrays: np.ndarray | None) -> None:
    """Give back the memory of arrays in temporary files; their content stays. Others stay as they are."""
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray | memoryview):
            base = base.base if isinstance(base, np.ndarray) else base.obj
        if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def _temporary() -> IO[bytes]:
    return TemporaryFile(prefix="kinegraph-")


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the space on the disk: a full one is an error here, and would be a crash when the mapped file is filled."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(size) from None
        nothing = bytes(BLOCK_BYTES)  # where the system does not reserve
        for at in range(0, size, BLOCK_BYTES):
            file.write(nothing[: size - at])
        file.flush()


def _no_room(size: int) -> OSError:
    place = f"{gettempdir()} has no room for a temporary file of {size / 1e6:,.0f} MB; name another folder by TMPDIR"
    return OSError(errno.ENOSPC, place)


def _mapped(file: int, size: int) -> Float[np.ndarray, "n"]:
    return np.frombuffer(mmap.mmap(file, size), np.float32)
