"""State dicts in .pth files, read without running the code that such a file may carry."""

import io
import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from kinegraph.whole import write_whole


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of torch.save. Raises ValueError when there is none, or the file asks for more."""
    found = _loaded(path)
    if is_resumed(found):
        raise ValueError(f"{path} is a checkpoint to resume training from; the weights are {weights_beside(path)}")
    state = found.get("state_dict", found) if isinstance(found, dict) else {}
    if not isinstance(state, dict) or not state or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path} holds no state dict: expected tensors by name")
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ValueError(f"{path} has no values for all of tensor '{name}' of shape {tuple(tensor.shape)}")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def read_resumed(path: Path) -> dict:
    """What a last.ckpt of `kinegraph train` holds. Raises ValueError when it is something else."""
    found = _loaded(path)
    if not is_resumed(found):
        raise ValueError(f"{path} is no checkpoint that `kinegraph train` wrote")
    return found


def is_resumed(found: object) -> bool:
    return isinstance(found, dict) and {"network", "optimizer", "progress"} <= found.keys()


def weights_beside(checkpoint: Path) -> Path:
    """The weights file that a run keeps beside its last.ckpt."""
    return checkpoint.with_name("last.safetensors")


def _loaded(path: Path) -> object:
    """What torch.save wrote, tensors and plain values only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the protocol of a pickle that is refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # whatever a broken file leads torch into
        raise ValueError(f"{path} {_reason(path, error)}") from None
    return found


def write_state(path: Path, state: Mapping[str, Tensor], beside: Mapping | None = None) -> None:
    """Write a state dict, whole or not at all; under the key "state_dict" when other things stand beside it."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    content = io.BytesIO()  # writing to a file, torch does not say that the disk is full
    torch.save(state if beside is None else {**beside, "state_dict": state}, content)
    write_whole(path, content.getvalue())


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
    text = text.strip().splitlines()[0].partition(". ")[0] if text.strip() and not text.isdigit() else "it is broken"
    return f"is not a checkpoint that can be read: {text}"


def _first_global(path: Path) -> str | None:
    """What a bare pickle of a later protocol than torch's asks for first."""
    strings = []
    try:
        with open(path, "rb") as file:
            for operation, argument, _ in islice(pickletools.genops(file), 1000):
                if operation.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(argument, str):
                    strings.append(argument)
    except ValueError:
        return None
    return None
