"""State dicts in .pth files, read without running the code that such a file may carry.

What a file claims to hold is compared with its size first: torch would unpack a small file to any size, and reserve
memory for numbers that are not there.
"""

import io
import math
import operator
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path

import torch
from torch import Tensor

from kinegraph.atomic import write_atomic
from kinegraph.files import check_is_file
from kinegraph.messages import one_line, quoted
from kinegraph.models.tensorflow_checkpoint import read_variables
from kinegraph.models.weights_path import find_index, weights_beside
from kinegraph.safe_pickle import CONTAINERS, Foreign, ForeignReader

OLD_PICKLES = 5  # at the head of a file: magic number, version, machine, content, keys of the tensors
STATES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
STATES += ("ema_state_dict", "model_ema", "ema")  # averages: mmengine saves the better weights as state_dict
WRAPPERS = ("module.", "model.", "_orig_mod.", "network.", "net.")
COPIED_A_BYTE, COPIED_ALWAYS = 4, 64 << 20
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


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of torch.save, as training frameworks leave it or alone; or of a TensorFlow checkpoint.

    Objects of other classes beside it are passed over, see `read_foreign`. Raises ValueError when there is no state
    dict, or objects of other classes are in it.
    """
    if (index := find_index(path)) is not None:
        return read_variables(index)
    refusal = None
    try:
        found = load_plain(path)
    except ValueError as error:
        refusal, found = error, _foreign_or_none(path)
    if is_resumed(found):
        raise ValueError(f"{path} is a checkpoint to resume training from; the weights are {weights_beside(path)}")
    if not (state := _state_in(found)):
        raise refusal or ValueError(f"{path} holds no state dict: expected tensors by name")
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ValueError(
                f"{path} has no values for all of tensor {quoted(name)} of shape {quoted(tuple(tensor.shape))}"
            )
    claimed, size = sum(tensor.nbytes for tensor in state.values()), path.stat().st_size
    if claimed > COPIED_ALWAYS + COPIED_A_BYTE * size:  # each tensor fits, but all show the same numbers
        raise ValueError(f"{path} has {size:,} bytes, its tensors claim {claimed:,}")
    return _without_wrappers({str(name): tensor for name, tensor in state.items()})


def _state_in(found: object) -> dict[object, Tensor]:
    """The tensors by name in a checkpoint, or {}; where it has several such dicts, the one that a test would load."""
    if not isinstance(found, dict):
        return {}
    for state in (*(found.get(key) for key in STATES), found):
        if isinstance(state, dict) and state and all(isinstance(tensor, Tensor) for tensor in state.values()):
            return state
    return {}


def _without_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's own tensors by its own names: without what wraps it, such as DistributedDataParallel and Lightning.

    What else the wrapper has, such as the number of steps of an average or the weights of a loss, is left out.
    """
    for wrapper in WRAPPERS:
        inside = {name.removeprefix(wrapper): it for name, it in state.items() if name.startswith(wrapper)}
        if 2 * len(inside) > len(state):
            return _without_wrappers(inside)
    return state


def read_resumed(path: Path) -> dict:
    """What a last.ckpt of `kinegraph train` holds. Raises ValueError when it is something else."""
    found = load_plain(path)
    if not is_resumed(found):
        raise ValueError(f"{path} is no checkpoint that `kinegraph train` wrote")
    return found


def is_resumed(found: object) -> bool:
    return isinstance(found, dict) and {"network", "optimizer", "progress"} <= found.keys()


def load_plain(path: Path) -> object:
    """What torch.save wrote, tensors and plain values only. Raises ValueError when the file asks for more."""
    check_is_file(path)
    with path.open("rb") as file:
        try:
            return load_file(file, path.stat().st_size)
        except Exception as error:  # whatever a broken file leads torch into
            if isinstance(error, OSError) and error.filename is not None:
                raise
            raise ValueError(f"{path} {_reason(path, error)}") from None


def load_foreign(path: Path) -> object:
    """What torch.save wrote: `Foreign` in place of objects of other classes. Raises ValueError for a broken file."""
    check_is_file(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            _check_claims(file, size)
            return read_foreign(file, size)
        except Exception as error:  # whatever a broken file leads the reader into
            if isinstance(error, OSError) and error.filename is not None:
                raise
            raise ValueError(f"{path} is no file of torch.save that can be read: {one_line(error)}") from None


def _foreign_or_none(path: Path) -> object:
    try:
        return load_foreign(path)
    except ValueError:
        return None


def load_file(file: io.BufferedIOBase, size: int) -> object:
    """`load_plain` of an open file of that many bytes; what is wrong is raised as torch raises it."""
    if not size:
        raise ValueError("it is empty")
    _check_claims(file, size)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the protocol of a pickle that is refused anyway
        return torch.load(file, map_location="cpu", weights_only=True)


def _check_claims(file: io.BufferedIOBase, size: int) -> None:
    """Raise ValueError where a file claims to hold more than it can."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            members = packed.infolist()
        if any(it.compress_type != zipfile.ZIP_STORED for it in members) or sum(it.file_size for it in members) > size:
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


def write_state(path: Path, state: Mapping[str, Tensor], beside: Mapping | None = None) -> None:
    """Write a state dict, whole or not at all; under the key "state_dict" when other things stand beside it."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    content = io.BytesIO()  # writing to a file, torch does not say that the disk is full
    torch.save(state if beside is None else {**beside, "state_dict": state}, content)
    write_atomic(path, content.getvalue())


def _reason(path: Path, error: Exception) -> str:
    text = str(error)
    asked = re.search(r"GLOBAL ([\w.]+)", text)
    if name := asked[1] if asked else _first_global(path):
        return (
            f"asks for {name}; only tensors and plain values are read, a file's code is never run: "
            "save its state dict alone where it was made"
        )
    if isinstance(error, pickle.UnpicklingError):  # torch explains at length what it could be told to allow
        text = text.partition("WeightsUnpickler error:")[2].strip() or text
    first = "" if text.isdigit() else text.strip().split("\n")[0].partition(". ")[0]
    return f"is not a checkpoint that can be read: {one_line(first) or 'it is broken'}"


def _first_global(path: Path) -> str | None:
    """What a bare pickle of a later protocol than torch's asks for first."""
    strings = []
    try:
        with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            for operation, argument, _ in islice(pickletools.genops(content), 1000):
                if operation.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(argument, str):
                    strings.append(argument)
    except ValueError:
        return None
    return None


# ---- files of training frameworks, with objects of classes that are not here -----------------------------------------
# MMAction2 1.x keeps its message hub beside the weights, Lightning its callbacks. torch refuses such a file, or imports
# whatever it names. Here tensors and plain values are read and all else becomes `Foreign`: nothing is imported and
# nothing is called. The formats are those of torch.save: a zip archive, and what was written before torch 1.6.


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
            if sum(it.nbytes for it in memories.values()) + count * dtype.itemsize > size:
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


WORDS: Mapping[str, Callable | None] = CONTAINERS | {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
