"""State dicts in .pth files, read without running the code that such a file may carry.

What a file claims to hold is compared with its size first: torch would unpack a small file to any size, and reserve
memory for numbers that are not there.
"""

import io
import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
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
from kinegraph.safe_torch import check_claims, load_foreign

STATES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params")
STATES += ("ema_state_dict", "model_ema", "ema")  # averages: mmengine saves the better weights as state_dict
WRAPPERS = ("module.", "model.", "_orig_mod.", "network.", "net.")
COPIED_A_BYTE, COPIED_ALWAYS = 4, 64 << 20


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
    """The tensors of a checkpoint by name, or {}. Of several such dicts, the one that a test would load."""
    if not isinstance(found, dict):
        return {}
    for state in (*(found.get(key) for key in STATES), found):
        if isinstance(state, dict) and state and all(isinstance(tensor, Tensor) for tensor in state.values()):
            return state
    return {}


def _without_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors under its own names, without the prefix of DistributedDataParallel, Lightning and others.

    Other tensors of the wrapper, such as the weights of a loss, are left out.
    """
    for wrapper in WRAPPERS:
        inside = {name.removeprefix(wrapper): tensor for name, tensor in state.items() if name.startswith(wrapper)}
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


def _foreign_or_none(path: Path) -> object:
    try:
        return load_foreign(path)
    except ValueError:
        return None


def load_file(file: io.BufferedIOBase, size: int) -> object:
    """`load_plain` of an open file of that many bytes; what is wrong is raised as torch raises it."""
    if not size:
        raise ValueError("it is empty")
    check_claims(file, size)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the protocol of a pickle that is refused anyway
        return torch.load(file, map_location="cpu", weights_only=True)


def write_state(path: Path, state: Mapping[str, Tensor], beside: Mapping | None) -> None:
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
    if isinstance(error, pickle.UnpicklingError):  # torch explains at length which classes it could allow
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
