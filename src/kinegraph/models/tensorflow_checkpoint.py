"""Checkpoints of `tf.train.Checkpoint`: the variables of the network in it by name, read and written.

Beside the tensors such a checkpoint holds the graph of the objects that had them: every object, and the names under
which it has others. A variable's name here is its path in that graph below the network, such as
"STGCN_layers/0/sgcn/conv/bias". Optimizers and counters are left out. TensorFlow restores by the same graph, so one is
written too.

Source: tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from kinegraph.atomic import atomic_folder
from kinegraph.messages import quoted
from kinegraph.models.tensor_bundle import pack_bundle, read_bundle
from kinegraph.protobuf import BYTES, VARINT, field, number_field, values_of

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
    return [((values_of(one, 1, VARINT) or [0])[-1], _text(one, 2)) for one in references]


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
    index, data = pack_bundle({name + VALUE: it for name, it in tensors.items()}, {GRAPH: _graph(tensors)})
    with atomic_folder(folder) as place:
        (place / "ckpt-1.index").write_bytes(index)
        (place / "ckpt-1.data-00000-of-00001").write_bytes(data)
        named = 'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "ckpt-1"\n'
        (place / "checkpoint").write_text(named, encoding="utf-8")


def _graph(names: Iterable[str]) -> bytes:
    """The objects that variables of these names belong to, numbered so that each stands behind the one that has it."""
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
