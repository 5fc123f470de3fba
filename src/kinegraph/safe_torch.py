"""What torch.save wrote, read without torch's own reader: tensors and plain values, and no code is run.

MMAction2 1.x keeps its message hub beside the weights, Lightning its callbacks. torch refuses such a file, or imports
whatever it names. Here tensors, numpy arrays and plain values are read and all else becomes `Foreign`: nothing is
imported and nothing is called. The formats are those of torch.save: a zip archive, and what was written before torch
1.6. What a file claims to hold is compared with its size first.
"""

import io
import math
import operator
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

import torch
from torch import Tensor

from kinegraph import safe_pickle
from kinegraph.files import check_is_file
from kinegraph.messages import one_line, quoted
from kinegraph.safe_pickle import Foreign, ForeignReader

OLD_PICKLES = 5  # at the head of a file: magic number, version, machine, content, keys of the tensors
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # at the head of an old file
NUMBERS = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
Memory = Callable[[ForeignReader, object], Tensor | Foreign]


def load_foreign(path: Path) -> object:
    """What torch.save wrote: `Foreign` in place of objects of other classes. Raises ValueError for a broken file."""
    check_is_file(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            check_claims(file, size)
            return read_foreign(file, size)
        except Exception as error:  # whatever a broken file leads the reader into
            if isinstance(error, OSError) and error.filename is not None:
                raise
            raise ValueError(f"{path} is no file of torch.save that can be read: {one_line(error)}") from None


def check_claims(file: io.BufferedIOBase, size: int) -> None:
    """Raise ValueError where a file claims to hold more than it can."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            members = packed.infolist()
        compressed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
        if compressed or sum(member.file_size for member in members) > size:
            raise ValueError(f"it has {size:,} bytes and would unpack to more, which torch.save never writes")
        _check_sums(file)
        return
    if (claimed := _claimed(file)) > size:
        raise ValueError(f"it has {size:,} bytes and claims a tensor of {claimed:,} numbers")


def _check_sums(file: io.BufferedIOBase) -> None:
    """Raise ValueError where a part is not as torch.save wrote it. The file has a CRC-32 of each; torch ignores it."""
    with zipfile.ZipFile(file) as packed:
        try:
            damaged = packed.testzip()
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"it is damaged: {one_line(error)}") from None
    if damaged is not None:
        raise ValueError(f"its part {quoted(damaged)} was changed after it was written: the checksum is another one")


def _claimed(file: io.BufferedIOBase) -> int:
    """The largest number of numbers that the pickles at the head of an old file (before torch 1.6) give a tensor.

    It is the largest whole number of the tuple that stands for the tensor's memory.
    """
    file.seek(0)
    content = file if isinstance(file, io.BytesIO) else mmap(file.fileno(), 0, access=ACCESS_READ)
    claimed = largest = 0
    memo: dict[int, int] = {}
    try:
        for _ in range(OLD_PICKLES):
            for operation, value, _ in pickletools.genops(content):  # reads no more than there is, unlike torch
                if operation.name == "MARK":
                    largest = 0
                elif operation.name.endswith("PUT"):
                    memo[value] = largest
                elif operation.name.endswith("GET"):
                    largest = max(largest, memo.get(value, 0))
                elif operation.name == "BINPERSID":
                    claimed = max(claimed, largest)
                elif isinstance(value, int):
                    largest = max(largest, value)
    except (ValueError, LookupError) as error:
        if "remain" in str(error):  # a text longer than the file
            raise
    return claimed


def read_foreign(file: io.BufferedIOBase, size: int) -> object:
    """What torch.save wrote into an open file of so many bytes. Raises an error of some kind for a broken file."""
    if zipfile.is_zipfile(file):
        return _archive(file)
    file.seek(0)
    return _old_file(file, size)


def _archive(file: io.BufferedIOBase) -> object:
    with zipfile.ZipFile(file) as packed:
        (pickled,) = (name for name in packed.namelist() if name.rpartition("/")[2] == "data.pkl")
        folder, memories = pickled.removesuffix("data.pkl"), {}

        def memory(reader: ForeignReader, about: object) -> Tensor | Foreign:
            _, kind, key, _, count = about
            if not isinstance(kind, Foreign) or (dtype := _dtype(kind)) is None:
                return Foreign("a tensor's memory of another kind")
            if key not in memories:
                memories[key] = torch.frombuffer(bytearray(packed.read(f"{folder}data/{key}")), dtype=dtype)
            return memories[key][:count]

        return ForeignReader(io.BytesIO(packed.read(pickled)), WORDS, memory).load()


def _old_file(file: io.BufferedIOBase, size: int) -> object:
    """Magic number, version, machine, the content, the keys of the memories; then their numbers one after another."""

    def read(memory: Memory | None = None) -> object:
        return ForeignReader(file, WORDS, memory).load()

    if (read(), read()) != (MAGIC, PROTOCOL):
        raise ValueError("its head is not that of torch.save")
    read()
    memories: dict[object, Tensor] = {}

    def memory(reader: ForeignReader, about: object) -> Tensor | Foreign:
        _, kind, key, _, count, view = about
        dtype = _dtype(kind) if isinstance(kind, Foreign) else None
        if dtype is None or view is not None or not 0 <= count <= size // dtype.itemsize:
            return Foreign("a tensor's memory of another kind")
        if key not in memories:
            if sum(value.nbytes for value in memories.values()) + count * dtype.itemsize > size:
                raise ValueError("its tensors claim more than it has")
            memories[key] = torch.empty(count, dtype=dtype)
        return memories[key]

    content = read(memory)
    for key in read():
        count, numbers = int.from_bytes(file.read(8), "little"), memories[key]
        if count != len(numbers) or file.readinto(numbers.view(torch.uint8).numpy()) != numbers.nbytes:
            raise EOFError
    return content


def _dtype(kind: Foreign) -> torch.dtype | None:
    module, _, name = kind.name.rpartition(".")
    return NUMBERS.get(name.removesuffix("Storage")) if module in ("torch", "torch.cuda") else None


# ---- the words: what stands for torch's functions --------------------------------------------------------------------


def _tensor(reader: ForeignReader, memory: object, offset: int, size: tuple, stride: tuple, *_: object) -> object:
    """The tensor of a given shape and steps in a memory; torch checks that it does not reach out of it."""
    if not isinstance(memory, Tensor):
        return Foreign("a tensor of another kind")
    offset, *numbers = (operator.index(number) for number in (offset, *size, *stride))
    if any(number < 0 for number in (offset, *numbers)) or math.prod(numbers[: len(size)]) > len(memory):
        raise ValueError(f"a tensor of shape {tuple(size)} does not fit into its {len(memory):,} numbers")
    return torch.as_strided(memory, tuple(size), tuple(stride), offset)


def _parameter(reader: ForeignReader, data: object, *_: object) -> object:
    return data


WORDS: Mapping[str, Callable | None] = safe_pickle.WORDS | {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
