"""Rows of a .npy file, read when they are asked for, and whether they are still what was written.

Rows are read, not mapped: reading a file that is cut short is an error with a name, touching a mapped one kills the
process. Each block of the file has a CRC-32 in dataset.json. It is compared when the block is first read, and again
after the file was changed.
"""

import os
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Float

BLOCK = 1 << 20  # bytes


class RowFile:
    """The rows of one array file. Threads and forked processes may read at the same time.

    start: byte of the first row. shape: of all rows. sums: CRC-32 of each block of the whole file; None for a file of
    earlier versions, in which any change of size or time counts as damage. Raises OSError when it cannot be opened.
    """

    def __init__(self, path: Path, start: int, shape: tuple[int, ...], dtype: str, sums: Sequence[int] | None):
        self.path, self.start, self.shape, self.dtype, self.sums = path, start, shape, np.dtype(dtype), sums
        self.row_bytes = prod(shape[1:]) * self.dtype.itemsize
        self._file, self._one_at_a_time = path.open("rb", buffering=0), Lock()
        self._state, self._checked = self._now(), set[int]()

    def read(self, first: int, stop: int) -> Float[np.ndarray, "rows ..."]:
        """Rows `first` to `stop`, stop not included, as they are stored.

        Raises ValueError naming the file where it was cut short or is damaged.
        """
        begin, size = self.start + first * self.row_bytes, max(stop - first, 0) * self.row_bytes
        self._check(begin, begin + size)
        rows = np.empty((max(stop - first, 0), *self.shape[1:]), self.dtype)
        self._fill(memoryview(rows.reshape(-1).view(np.uint8)), begin)
        return rows

    def trust(self) -> None:
        """Take what is there now as right: the whole file was compared with its checksum."""
        self._state = self._now()
        if self.sums is not None:
            self._checked.update(range(len(self.sums)))

    def _now(self) -> tuple[int, ...]:
        """Changes with the file. The time of the last modification can be set back (cp -p), that of the inode cannot;
        but it also changes when the file is renamed, so it only asks for another comparison."""
        about = os.fstat(self._file.fileno())
        state = about.st_size, about.st_mtime_ns
        return state if self.sums is None else (*state, about.st_ctime_ns)

    def _check(self, begin: int, end: int) -> None:
        """Compare the blocks that hold these bytes, as far as it was not done since the file last changed."""
        if (now := self._now()) != self._state:
            if self.sums is None:
                raise ValueError(f"{self.path} was changed while it was in use")
            self._state = now
            self._checked.clear()
        if self.sums is None or end <= begin:
            return
        for block in range(begin // BLOCK, min((end - 1) // BLOCK + 1, len(self.sums))):
            if block not in self._checked:
                room = memoryview(bytearray(BLOCK))
                if zlib.crc32(room[: self._read_at(room, block * BLOCK)]) != self.sums[block]:
                    where = f"from byte {block * BLOCK:,} on"
                    raise ValueError(
                        f"{self.path} was changed after it was written ({where}); prepare the dataset again"
                    )
                self._checked.add(block)

    def _fill(self, room: memoryview, begin: int) -> None:
        if self._read_at(room, begin) < len(room):
            raise ValueError(f"{self.path} was cut short while it was in use")

    def _read_at(self, room: memoryview, begin: int) -> int:
        """Fill `room` with the bytes from `begin` on. Returns how many there are."""
        done = 0
        while done < len(room):
            if hasattr(os, "preadv"):
                count = os.preadv(self._file.fileno(), [room[done:]], begin + done)
            else:  # Windows, where processes are not forked
                with self._one_at_a_time:
                    self._file.seek(begin + done)
                    count = self._file.readinto(room[done:])
            if not count:
                break
            done += count
        return done


def block_sums(path: Path) -> list[int]:
    """The CRC-32 of each block of a file."""
    with path.open("rb") as file:
        return [zlib.crc32(block) for block in iter(lambda: file.read(BLOCK), b"")]
