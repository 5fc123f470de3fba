"""CRC-32C, the checksum of TensorFlow's files, and its masked form.

Sources: RFC 3720 appendix B.4; tensorflow/core/lib/hash/crc32c.h for the mask.
"""

from functools import cache

import numpy as np
from jaxtyping import UInt32

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
ROW, ROWS = 1024, 256  # bytes in a row and rows that crc32c looks up at once: table and places stay in the cache
# Four bytes that turn an empty remainder into the 32 ones that CRC-32C starts from: with them in front, the checksum is
# linear, so that bytes can be looked up all at once and zeros in front change nothing.
START = bytes.fromhex("54641f64")
MASK = 0xA282EAD8


def masked_crc32c(data: bytes) -> int:
    """CRC-32C turned by 15 bits plus a constant, so that the checksum of data with checksums in it stays useful."""
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + MASK) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of some bytes: every byte's share by lookup, rows at once, then row after row.

    600 MB/s, about as fast as the SHA-256 of a dataset folder; 50 times slower than the processor's own instruction,
    which would need a compiled package.
    """
    zeros = -(len(START) + len(data)) % ROW
    rows = np.frombuffer(bytes(zeros) + START + data, np.uint8).reshape(-1, ROW)
    shares, places = _shares().ravel(), np.arange(0, 256 * ROW, 256)
    first, second, third, fourth = _first_shares()
    remainder = 0
    for begin in range(0, len(rows), ROWS):
        own = np.bitwise_xor.reduce(shares.take(rows[begin : begin + ROWS] + places), axis=1)
        for share in own.tolist():  # a remainder followed by a row counts as its four bytes at the start of that row
            low = first[remainder & 255] ^ second[remainder >> 8 & 255]
            remainder = share ^ low ^ third[remainder >> 16 & 255] ^ fourth[remainder >> 24]
    return remainder ^ 0xFFFFFFFF


@cache
def _shares() -> UInt32[np.ndarray, "ROW 256"]:
    """What each byte at each place of a row adds to the row's remainder."""
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = last >> 1 ^ np.where(last & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    shares = np.empty((ROW, 256), np.uint32)
    shares[-1] = last
    for place in range(ROW - 2, -1, -1):  # one place earlier: as if a zero byte followed
        shares[place] = last[shares[place + 1] & 255] ^ shares[place + 1] >> 8
    return shares


@cache
def _first_shares() -> list[list[int]]:
    return _shares()[:4].tolist()
