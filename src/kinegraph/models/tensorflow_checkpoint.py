"""Checkpoints of `tf.train.Checkpoint`: the variables of the network in it by name, read and written.

Beside the tensors such a checkpoint holds the graph of the objects that had them: every object, and the names under
which it has others. A variable's name here is its path in that graph below the network, such as
"STGCN_layers/0/sgcn/conv/bias". Optimizers and counters are left out. TensorFlow restores by the same graph, so one is
written too.

Source: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kinegraph.atomic import atomic_folder
from kinegraph.crc32c import masked_crc32c
from kinegraph.files import check_is_file
from kinegraph.messages import quoted
from kinegraph.protobuf import BYTES, VARINT, field, number_field, read_varint, signed, values_of, varint

GRAPH, VALUE, COUNTER = "_CHECKPOINTABLE_OBJECT_GRAPH", "/.ATTRIBUTES/VARIABLE_VALUE", "save_counter"
LARGEST_GRAPH, LONGEST_PATH = 16 << 20, 4096
COUNTERS = {"iter", "iterations", "_iterations"}  # an object with such a variable is an optimizer


def read_variables(index: Path) -> dict[str, Tensor]:
    """The variables of the network in a checkpoint. Raises ValueError saying what is wrong."""
    if not index.exists():
        raise ValueError(f"there is no file {index}; a TensorFlow checkpoint is this file and its .data together")
    bundle = read_bundle(index)
    if GRAPH not in bundle.entries:
        raise ValueError(f"{index} has no object graph; expected a checkpoint of tf.train.Checkpoint, not of a Saver")
    if bundle.entries[GRAPH].size > LARGEST_GRAPH:
        raise ValueError(f"{index} has an object graph of more than {LARGEST_GRAPH:,} bytes")
    try:
        keys = _network_of(dict(_paths(values_of(bundle.text(GRAPH), 1, BYTES))))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"{index} has an object graph that is broken: {error}") from None
    if lost := [key for key in keys.values() if key not in bundle.entries]:
        raise ValueError(f"{index} lacks the tensor {quoted(lost[0])} of its own object graph")
    if not keys:
        raise ValueError(f"{index} holds no variables of a network, only counters or an optimizer")
    return {name: bundle.tensor(key) for name, key in keys.items()}


def _paths(objects: list[bytes]) -> Iterator[tuple[str, str]]:
    """Path and key of each variable but those of optimizers; an object's path is the first of the shortest."""
    queue, seen = deque([(0, "")]), {0}
    while queue:
        node, path = queue.popleft()
        children = {name: child for child, name in _children(objects[node])}
        if COUNTERS & children.keys():
            continue
        for attribute in values_of(objects[node], 2, BYTES):
            if _text(attribute, 1) == "VARIABLE_VALUE":
                yield path.removesuffix("/"), _text(attribute, 3)
        for name, child in children.items():
            if child not in seen and len(path) + len(name) < LONGEST_PATH:
                seen.add(child)
                queue.append((child, f"{path}{name}/"))


def _children(message: bytes) -> list[tuple[int, str]]:
    """Number and name of the objects that an object has, in their order."""
    references = values_of(message, 1, BYTES)
    return [((values_of(reference, 1, VARINT) or [0])[-1], _text(reference, 2)) for reference in references]


def _text(message: bytes, number: int) -> str:
    return b"".join(values_of(message, number, BYTES)[-1:]).decode()


def _network_of(keys: dict[str, str]) -> dict[str, str]:
    """Without counters of the training at the top, and without the names that the network has there."""
    keys = {name: key for name, key in keys.items() if name != COUNTER}
    while len(first := {name.partition("/")[0] for name in keys if "/" in name}) == 1:
        start = f"{first.pop()}/"
        keys = {name.removeprefix(start): key for name, key in keys.items() if name.startswith(start)}
    return keys


# ---- writing ---------------------------------------------------------------------------------------------------------


def write_variables(folder: Path, variables: Mapping[str, Tensor]) -> None:
    """Write the variables of a network as checkpoint 1 in a new folder, complete or not at all.

    `tf.train.Checkpoint(model=network).restore(tf.train.latest_checkpoint(folder))` takes them.
    """
    tensors = {f"model/{name}": tensor.float() for name, tensor in variables.items()}
    tensors[COUNTER] = torch.tensor(1)
    index, data = pack_bundle({name + VALUE: tensor for name, tensor in tensors.items()}, {GRAPH: _graph(tensors)})
    with atomic_folder(folder) as place:
        (place / "ckpt-1.index").write_bytes(index)
        (place / "ckpt-1.data-00000-of-00001").write_bytes(data)
        named = 'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "ckpt-1"\n'
        (place / "checkpoint").write_text(named, encoding="utf-8")


def _graph(names: Iterable[str]) -> bytes:
    """The tree of objects that holds the variables, as TensorFlow stores it; parents come before their children."""
    numbers, children = {"": 0}, {"": {}}
    for name in names:
        parent = ""
        for part in name.split("/"):
            path = f"{parent}/{part}" if parent else part
            if path not in numbers:
                numbers[path], children[path] = len(numbers), {}
            children[parent][part] = numbers[path]
            parent = path
    variables, graph = set(names), b""
    for path in numbers:
        message = b"".join(
            field(1, number_field(1, number) + field(2, part.encode())) for part, number in children[path].items()
        )
        if path in variables:
            parts = ("VARIABLE_VALUE", path.rpartition("/")[2], path + VALUE)
            message += field(2, b"".join(field(i, part.encode()) for i, part in enumerate(parts, start=1)))
        graph += field(1, message)
    return graph


# ---- the files: an index of blocks, and the data ---------------------------------------------------------------------
#
# NAME.index is a sorted table as LevelDB's: blocks of keys and values, in which a key gives only what differs from the
# key before it. A value is a message: type, shape, file, place, size and the masked CRC-32C of a tensor, whose numbers
# lie in NAME.data-00000-of-00001. All checksums are checked. A file that claims more than it has is refused before
# memory is taken. Sources: tensorflow/core/util/tensor_bundle/tensor_bundle.{h,cc},
# tensorflow/core/protobuf/tensor_bundle.proto, tensorflow/core/lib/io/{table_format.txt,format.cc,block.cc}.


MAGIC, FOOTER, TRAILER = 0xDB4775248B80FB57, 48, 5  # trailer: how a block is packed (1 byte), and its checksum
MOST_INDEX, MOST_TENSORS, LONGEST_NAME, MOST_FILES = 64 << 20, 20_000, 4096, 1000
FIXED32 = 5
STRING = 7  # number of a type in tensorflow/core/framework/types.proto, as those below
TYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    4: torch.uint8,
    5: torch.int16,
    6: torch.int8,
    9: torch.int64,
    10: torch.bool,
    14: torch.bfloat16,
    19: torch.float16,
}


@dataclass(frozen=True)
class Entry:
    """Where a tensor is. dtype: a number of `TYPES`, or STRING."""

    dtype: int
    shape: tuple[int, ...]
    file: int
    offset: int
    size: int
    checksum: int


@dataclass(frozen=True)
class Bundle:
    """The tensors of a checkpoint by key; the values are read when they are asked for."""

    index: Path
    files: int
    entries: Mapping[str, Entry]

    def tensor(self, key: str) -> Tensor:
        """The numbers under a key. Raises ValueError where they are of an unknown type, missing or changed."""
        entry = self.entries[key]
        if (dtype := TYPES.get(entry.dtype)) is None:
            raise ValueError(f"{self.index}: {quoted(key)} is of TensorFlow's type {entry.dtype}, expected numbers")
        if math.prod(entry.shape) * dtype.itemsize != entry.size:
            raise ValueError(f"{self.index}: {quoted(key)} has shape {entry.shape}, but {entry.size:,} bytes")
        data = self._bytes(key, entry)
        if masked_crc32c(data) != entry.checksum:
            raise ValueError(f"{self.data(entry.file)}: {quoted(key)} was changed after it was written: wrong checksum")
        if not entry.size:
            return torch.empty(entry.shape, dtype=dtype)
        return torch.frombuffer(bytearray(data), dtype=dtype).reshape(entry.shape)

    def text(self, key: str) -> bytes:
        """The text under a key. Stored are its length, the checksum of the length, and the bytes."""
        entry = self.entries[key]
        data = self._bytes(key, entry)
        length, place = read_varint(data, 0)
        text = data[place + 4 :]
        if entry.dtype != STRING or entry.shape or length != len(text):
            raise ValueError(f"{self.index}: {quoted(key)} is not one text")
        if masked_crc32c(_checked_length(length) + text) != entry.checksum:
            raise ValueError(f"{self.data(entry.file)}: {quoted(key)} was changed after it was written: wrong checksum")
        return text

    def data(self, number: int) -> Path:
        """The file of that number beside the index."""
        return self.index.with_name(f"{self.index.stem}.data-{number:05}-of-{self.files:05}")

    def _bytes(self, key: str, entry: Entry) -> bytes:
        path = self.data(entry.file)
        if not path.exists():
            raise ValueError(f"{path} is missing; a TensorFlow checkpoint is {self.index.name} and this file together")
        check_is_file(path)
        with path.open("rb") as file:
            if entry.offset + entry.size > path.stat().st_size:
                raise ValueError(f"{path} is truncated: it ends before {quoted(key)} does")
            file.seek(entry.offset)
            return file.read(entry.size)


def read_bundle(index: Path) -> Bundle:
    """The table of a checkpoint. Raises ValueError naming the file and what is wrong with it."""
    check_is_file(index)
    if (size := index.stat().st_size) > MOST_INDEX:
        raise ValueError(f"{index} has {size:,} bytes, the index of a checkpoint has at most {MOST_INDEX:,}")
    try:
        return _bundle(index, index.read_bytes())
    except ValueError as error:
        raise ValueError(f"{index} is no index of a TensorFlow checkpoint that can be read: {error}") from None


def _bundle(index: Path, data: bytes) -> Bundle:
    table = dict(_table(data))
    if (header := table.pop(b"", None)) is None:
        raise ValueError("it has no header")
    files = _number(header, 1)
    if not 0 < files <= MOST_FILES:
        raise ValueError(f"it names {files:,} data files, expected 1 to {MOST_FILES:,}")
    if _number(header, 2):
        raise ValueError("its numbers are big-endian, expected little-endian")
    entries = {key.decode("utf-8", "replace"): _entry(key, value, files) for key, value in table.items()}
    bundle = Bundle(index, files, entries)
    _check_claims(bundle)
    return bundle


def _check_claims(bundle: Bundle) -> None:
    """Raise ValueError where tensors would take more memory than their file has, as they show the same numbers."""
    for file in {entry.file for entry in bundle.entries.values()}:
        claimed, path = sum(entry.size for entry in bundle.entries.values() if entry.file == file), bundle.data(file)
        if path.is_file() and claimed > path.stat().st_size:
            raise ValueError(f"its tensors claim {claimed:,} bytes, {path.name} has {path.stat().st_size:,}")


def _entry(key: bytes, message: bytes, files: int) -> Entry:
    name = quoted(key.decode("utf-8", "replace"))
    if values_of(message, 7, BYTES):
        raise ValueError(f"{name} is stored in slices; write the checkpoint on one machine")
    dims = [dim for shape in values_of(message, 2, BYTES) for dim in values_of(shape, 2, BYTES)]
    shape = tuple(signed(_number(dim, 1)) for dim in dims)
    file, offset, size = (_number(message, number) for number in (3, 4, 5))
    if min(shape, default=0) < 0 or file >= files or max(offset, size) >= 2**63:
        raise ValueError(f"{name} has shape {shape} in file {file} of {files}")
    checksum = values_of(message, 6, FIXED32)
    return Entry(_number(message, 1), shape, file, offset, size, int.from_bytes(b"".join(checksum[-1:]), "little"))


def _number(message: bytes, number: int) -> int:
    return (values_of(message, number, VARINT) or [0])[-1]


# ---- the table -------------------------------------------------------------------------------------------------------


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of all blocks. Blocks do not overlap, so that a small file does not become a large table."""
    if len(data) < FOOTER or int.from_bytes(data[-8:], "little") != MAGIC:
        raise ValueError("it does not end as one does; is it complete?")
    _, place = _handle(data[-FOOTER:], 0)  # of filters, which checkpoints do not have
    where, _ = _handle(data[-FOOTER:], place)
    left, count = len(data), 0
    for _, value in _block(data, where):
        handle, _ = _handle(value, 0)
        left -= handle[1] + TRAILER
        if left < 0:
            raise ValueError("its blocks are larger than the file")
        for entry in _block(data, handle):
            if (count := count + 1) > MOST_TENSORS:
                raise ValueError(f"it has more than {MOST_TENSORS:,} entries")
            yield entry


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and the place after them."""
    offset, place = read_varint(data, place)
    size, place = read_varint(data, place)
    return (offset, size), place


def _block(data: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    offset, size = handle
    end = offset + size
    if end + TRAILER > len(data) or size < 4:
        raise ValueError(f"its block at byte {offset:,} reaches beyond the file")
    packed, checksum = data[end], int.from_bytes(data[end + 1 : end + TRAILER], "little")
    if masked_crc32c(data[offset : end + 1]) != checksum:
        raise ValueError(f"its block at byte {offset:,} was changed after it was written: wrong checksum")
    if packed:
        raise ValueError("its blocks are compressed, which TensorFlow does not do for checkpoints")
    restarts = int.from_bytes(data[end - 4 : end], "little")  # places of complete keys, for a search
    yield from _entries(data[offset : end - 4 - 4 * restarts] if 4 + 4 * restarts <= size else b"")


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    key, place = b"", 0
    while place < len(block):
        shared, place = read_varint(block, place)
        fresh, place = read_varint(block, place)
        length, place = read_varint(block, place)
        if shared > len(key) or place + fresh + length > len(block) or shared + fresh > LONGEST_NAME:
            raise ValueError("a key in its table is longer than there is room for")
        key = key[:shared] + block[place : place + fresh]
        yield key, block[place + fresh : place + fresh + length]
        place += fresh + length


# ---- writing ---------------------------------------------------------------------------------------------------------


def pack_bundle(tensors: Mapping[str, Tensor], texts: Mapping[str, bytes]) -> tuple[bytes, bytes]:
    """The content of the index and of the data file of a checkpoint with these tensors (float32 or int64) and texts."""
    header = number_field(1, 1) + field(3, number_field(1, 1))  # one data file; version
    rows, data = {b"": header}, bytearray()
    numbers = {dtype: number for number, dtype in TYPES.items()}
    for key, tensor in tensors.items():
        content = tensor.detach().cpu().contiguous().numpy().tobytes()
        rows[key.encode()] = _message(numbers[tensor.dtype], tuple(tensor.shape), len(data), content, content)
        data += content
    for key, text in texts.items():
        length = _checked_length(len(text))
        content = varint(len(text)) + length[-4:] + text
        rows[key.encode()] = _message(STRING, (), len(data), content, length + text)
        data += content
    return _packed_table(dict(sorted(rows.items()))), bytes(data)


def _message(dtype: int, shape: tuple[int, ...], offset: int, content: bytes, checked: bytes) -> bytes:
    dims = b"".join(field(2, number_field(1, size)) for size in shape)
    where = number_field(1, dtype) + field(2, dims) + number_field(4, offset) + number_field(5, len(content))
    return where + varint(6 << 3 | FIXED32) + struct.pack("<I", masked_crc32c(checked))


def _checked_length(length: int) -> bytes:
    """The length of a text in 4 bytes, or in 8 where it needs them, and the checksum of these."""
    packed = length.to_bytes(4 if length < 2**32 else 8, "little")
    return packed + struct.pack("<I", masked_crc32c(packed))


def _packed_table(rows: Mapping[bytes, bytes]) -> bytes:
    """One block of rows, an empty one of filters, one with the place of the first, and the footer."""
    table, handles = bytearray(), []
    for content in (rows, {}, None):
        block = _packed_block({max(rows): handles[0]} if content is None else content)
        handles.append(varint(len(table)) + varint(len(block)))
        table += block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0"))
    return bytes(table) + (handles[1] + handles[2]).ljust(FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)


def _packed_block(rows: Mapping[bytes, bytes]) -> bytes:
    """Each key complete, so that each is a place to search from."""
    block, places = bytearray(), []
    for key, value in rows.items():
        places.append(len(block))
        block += b"\0" + varint(len(key)) + varint(len(value)) + key + value
    places = places or [0]
    return bytes(block) + struct.pack(f"<{len(places) + 1}I", *places, len(places))
