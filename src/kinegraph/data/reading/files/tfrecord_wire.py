"""TensorFlow's record files and the messages in them, without TensorFlow.

A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes, the data, and the masked CRC-32C
of the data. The data of an example is a protocol buffer `tf.train.Example`, a map from names to lists of bytes or
integers; an array in it is a serialised `TensorProto`. Only what arrays and labels need is read: other fields are
passed over, other kinds refused.

Sources: tensorflow/core/lib/io/record_writer.h, tensorflow/core/example/{example,feature}.proto,
tensorflow/core/framework/tensor.proto.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.crc32c import masked_crc32c
from kinegraph.protobuf import BYTES, VARINT, field, number_field, signed, values_of, varint, varints

HEADER = struct.Struct("<QI")
DTYPES = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 19: np.dtype("<f2")}  # tensorflow/core/framework/types.proto


# ---- records ---------------------------------------------------------------------------------------------------------


def read_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Where each record of a file begins, and its data.

    Raises ValueError naming file, record, its first byte and whether a checksum is wrong or the file ends too early. A
    length is only believed when its checksum is right and the file is long enough, so a broken one takes no memory.
    """
    size, start, number = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while start < size:
            try:
                data = _read_record(file, size - start)
            except ValueError as error:
                raise ValueError(f"{path}: record {number} at byte {start:,}: {error}") from None
            yield start, data
            start += HEADER.size + len(data) + 4
            number += 1


def _read_record(file: BufferedIOBase, left: int) -> bytes:
    if left < HEADER.size:
        raise ValueError(f"truncated, the file ends {left} bytes into its length")
    header = file.read(HEADER.size)
    length, checksum = HEADER.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        packed = header[:2] == b"\x1f\x8b"
        raise ValueError(
            "the file is compressed, unpack it with gunzip" if packed else "the length's checksum is wrong"
        )
    if HEADER.size + length + 4 > left:
        raise ValueError(f"truncated, {length:,} bytes of data are announced, {left - HEADER.size:,} bytes are there")
    data = file.read(length)
    if masked_crc32c(data) != int.from_bytes(file.read(4), "little"):
        raise ValueError("the data's checksum is wrong")
    return data


def count_records(path: Path) -> int:
    """How many records a file announces; nothing but lengths is read, so a broken file gives some number."""
    size, start, number = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while start + HEADER.size <= size:
            file.seek(start)
            start += HEADER.size + int.from_bytes(file.read(8), "little") + 4
            number += 1
    return number


def write_record(file: BufferedIOBase, data: bytes) -> None:
    """Append a record."""
    length = struct.pack("<Q", len(data))
    for part in (length, struct.pack("<I", masked_crc32c(length)), data, struct.pack("<I", masked_crc32c(data))):
        file.write(part)


# ---- messages --------------------------------------------------------------------------------------------------------


def parse_example(data: bytes) -> dict[str, list[bytes] | list[int]]:
    """The lists of bytes and of integers of a `tf.train.Example`, by name. Raises ValueError where it is none."""
    found: dict[str, list[bytes] | list[int]] = {}
    for features in values_of(data, 1, BYTES):  # Example.features
        for entry in values_of(features, 1, BYTES):  # Features.feature, an entry a name
            name = b"".join(values_of(entry, 1, BYTES)[-1:]).decode("utf-8", "replace")
            for feature in values_of(entry, 2, BYTES):
                for values in values_of(feature, 1, BYTES):  # Feature.bytes_list
                    found[name] = values_of(values, 1, BYTES)
                for values in values_of(feature, 3, BYTES):  # Feature.int64_list, packed or one by one
                    packed = [number for run in values_of(values, 1, BYTES) for number in varints(run)]
                    found[name] = [signed(number) for number in packed + values_of(values, 1, VARINT)]
    return found


def serialize_example(features: Mapping[str, bytes | int]) -> bytes:
    """A `tf.train.Example` with one value under each name."""
    entries = []
    for name, value in features.items():
        packed = field(3, field(1, varint(value))) if isinstance(value, int) else field(1, field(1, value))
        entries.append(field(1, field(1, name.encode()) + field(2, packed)))
    return field(1, b"".join(entries))


def parse_tensor(data: bytes) -> Float[np.ndarray, "..."]:
    """The floats of a serialised `TensorProto`, read-only. Raises ValueError for another type or a size that is off."""
    number = (values_of(data, 1, VARINT) or [0])[-1]  # dtype
    if number not in DTYPES:
        raise ValueError(f"the tensor is of TensorFlow's type {number}, expected 1 (float32), 2 (float64) or 19 (half)")
    dims = [dim for shape in values_of(data, 2, BYTES) for dim in values_of(shape, 2, BYTES)]  # tensor_shape.dim
    shape = tuple(signed((values_of(dim, 1, VARINT) or [0])[-1]) for dim in dims)
    content = b"".join(values_of(data, 4, BYTES)[-1:])  # tensor_content
    expected = math.prod(shape) * DTYPES[number].itemsize
    if len(content) != expected or min(shape, default=0) < 0:
        raise ValueError(f"the tensor of shape {shape} holds {len(content):,} bytes, expected {expected:,}")
    return np.frombuffer(content, DTYPES[number]).reshape(shape)


def serialize_tensor(array: Float[np.ndarray, "..."]) -> bytes:
    """An array as `tf.io.serialize_tensor` writes it, in float32."""
    dims = b"".join(field(2, number_field(1, size)) for size in array.shape)
    return number_field(1, 1) + field(2, dims) + field(4, array.astype("<f4").tobytes())
