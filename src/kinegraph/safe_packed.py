"""The content of a compressed file (zlib, gzip, bzip2, xz), within bounds: a small one may unpack to terabytes."""

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from kinegraph.messages import one_line

UNPACKED_A_BYTE = 200  # for each byte of a packed file; recordings are packed to a third, padded ones to a fiftieth
UNPACKED_ALWAYS = 64 << 20
LZ4 = b"\x04\x22\x4d\x18"
PACKED: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")


def unpacked(file: BinaryIO, origin: object, most: int | None = None) -> BinaryIO:
    """The file, or its content where it is packed, as joblib packs it. Raises ValueError for one of implausible size.

    most: bytes of the content that are wanted, where its beginning is enough.
    """
    head = file.read(6)
    file.seek(0)
    if head.startswith(LZ4):
        way = "write it by joblib.dump(value, FILE, compress=3), without lz4"
        raise ValueError(f"{origin} is compressed by lz4, which is not read: {way}")
    opened = next((packing for start, packing in PACKED.items() if head.startswith(start)), None)
    if opened is None and head[:2] not in ZLIB:
        return file
    limit = UNPACKED_ALWAYS + UNPACKED_A_BYTE * os.fstat(file.fileno()).st_size
    try:
        if opened:
            with opened(file) as content:
                found = content.read(limit + 1 if most is None else most)
        else:
            found = zlib.decompressobj().decompress(file.read(), limit + 1 if most is None else most)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{origin} is compressed and damaged: {one_line(error)}") from None
    if len(found) > limit:
        raise ValueError(f"{origin} would unpack to more than {limit:,} bytes; save it not packed")
    return io.BytesIO(found)
