"""Result files: the scores of a test as ours, MMAction2's and PYSKL's result files hold them.

    ours, MMAction2 0.x   a list of one float array of shape (classes,) a clip: logits
    PYSKL                 the same: probabilities
    MMAction2 1.x         a list of one dict a clip: "pred_score", probabilities, and "gt_label"
    st-gcn, 2s-AGCN,      a dict of one float array a clip by its name: logits; CTR-GCN's names, and those of projects
    CTR-GCN               that follow it, are test_0, test_1 ..., of NW-UCLA 0, 1 ...
    .npy                  one array of shape (clips, classes)

None of them says which of the two its numbers are, so that is read off the numbers themselves.
"""

import csv
import io
import math
import operator
import os
import pickle
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from kinegraph.evaluation.metrics import softmax
from kinegraph.files import check_is_file
from kinegraph.messages import first_few, one_line, quoted
from kinegraph.models.checkpoint_file import load_file, load_foreign
from kinegraph.safe_io import read_json
from kinegraph.safe_pickle import Foreign, load_pickle, sealed

COUNTED = re.compile(r"test_\d{1,9}")  # names that CTR-GCN gives clips
PICKLES = (".pkl", ".pickle", ".pt", ".pth")
ROW_SUM_TOLERANCE = 1e-3  # half floats and rounded tables still count as probabilities

# A storage as torch.save writes it: magic number, version and machine; type, key, device and count; the key again and
# the count again, then the numbers. A key is an address, so no two are alike.
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGE = re.compile(
    b"".join(re.escape(pickle.dumps(value, protocol=2)) for value in (0x1950A86A20F9469CFC6C, 1001, MACHINE))
    + rb"\x80\x02\(X\x07\0\0\0storageq\0ctorch\n(?P<type>\w{3,6})Storage\nq\x01X.{4}(?P<key>\d{1,20})q\x02"
    + rb"X.{4}[\w:]{1,20}q\x03(?:K.|M..|J.{4})Ntq\x04Q\.\x80\x02]q\0X.{4}(?P=key)q\x01a\.(?P<count>.{8})",
    re.DOTALL,
)
NUMBERS = {b"Double": "<f8", b"Float": "<f4", b"Half": "<f2", b"Long": "<i8", b"Int": "<i4"}


@runtime_checkable
class Copying(Protocol):
    """A reader of pickles that accounts for what is copied."""

    def spend(self, count: int) -> None: ...


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one network, clips in the file's order.

    labels: of the clips, where the file has them. names: of the clips, where the file has them, or the predictions.csv
        that was written with it and lies beside it. reported: whether such a table is there. counted: whether numbers
        stand in place of names, so that the order of the clips is the one that the project's code had.
    """

    path: Path
    scores: Float[np.ndarray, "N classes"]
    kind: Literal["logits", "probabilities"]
    labels: Int[np.ndarray, "N"] | None = None
    names: list[str] | None = None
    reported: bool = False
    counted: bool = False

    @cached_property
    def probability(self) -> Float[np.ndarray, "N classes"]:
        """Rows that sum to 1, float64."""
        if self.kind == "logits":
            return softmax(self.scores)
        scores = self.scores.astype(np.float64)
        return scores / scores.sum(axis=1, keepdims=True)


def result_file(path: Path) -> Path:
    """The result file that a folder of `kinegraph test --out` holds; any other path as it is.

    Raises ValueError for a folder without one, or with several.
    """
    if not path.is_dir():
        return path
    found = sorted(file for file in path.glob("*.pkl") if file.with_suffix(".json").is_file())
    if len(found) != 1:
        here = f"it holds {first_few([file.name for file in found])}" if found else "it holds none"
        raise ValueError(f"{path} is a folder, expected a result file such as {path / 'result.pkl'}; {here}")
    return found[0]


def read_result(path: str | Path) -> Result:
    """Read a result file. Raises ValueError naming the file and the first clip that is not as expected."""
    path = result_file(Path(path))
    content = _content(path)
    found, names = _by_name(content)
    rows, labels = _rows(path, found)
    scores = _scores(path, rows)
    if not scores.shape[1]:
        raise ValueError(f"{path} has no score a clip, expected one a class")
    kind = "probabilities" if are_probabilities(scores) else "logits"
    table = clip_names(path, scores)
    counted = isinstance(content, dict) and names is None
    return Result(path, scores, kind, labels, names or table, reported=table is not None, counted=counted)


def in_order(result: Result, names: Sequence[str]) -> Result:
    """The result with its clips in the order of `names`, where the file has these names in another order."""
    if result.names is None or result.reported or sorted(result.names) != sorted(names):
        return result
    place = {name: i for i, name in enumerate(result.names)}
    if len(place) < len(result.names):
        return result  # a name that is there twice says no place
    order = np.array([place[name] for name in names])
    labels = None if result.labels is None else result.labels[order]
    return replace(result, scores=result.scores[order], labels=labels, names=list(names))


def _by_name(found: object) -> tuple[object, list[str] | None]:
    """The rows of a dict of scores by name, and the names; names that only count clips give the order."""
    if isinstance(found, list) and found and all(isinstance(entry, dict) for entry in found):
        names = [entry.get("frame_dir") for entry in found]
        return found, names if all(isinstance(name, str) for name in names) else None
    if not isinstance(found, dict) or not found:
        return found, None
    if not all(isinstance(row, np.ndarray | list) for row in found.values()):
        return found, None
    numbers = [number for name in found if (number := _number(name)) is not None]
    if len(numbers) == len(found):
        order = sorted(zip(numbers, found.values(), strict=True), key=operator.itemgetter(0))
        return [row for _, row in order], None
    if not all(isinstance(name, str) for name in found):
        return found, None
    return list(found.values()), [name.removesuffix(".skeleton") for name in found]


def _number(name: object) -> int | None:
    """The number that stands in place of a clip's name: 3, or test_3; None for a name."""
    if isinstance(name, str):
        return int(name.rpartition("_")[2]) if COUNTED.fullmatch(name) else None
    return int(name) if isinstance(name, int | np.integer) else None


def _content(path: Path) -> object:
    """What a file of pickle, of torch.save or of JSON holds; objects of other classes are passed over."""
    check_is_file(path)
    if path.suffix == ".json":  # --out result.json of MMAction2 0.x
        return read_json(path)
    if path.suffix == ".npy":
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is not a readable .npy of numbers: {one_line(error)}") from None
    if zipfile.is_zipfile(path):
        return _as_arrays(load_foreign(path))
    try:
        return load_pickle(path, TENSORS, foreign=True)
    except ValueError as error:
        if path.suffix in PICKLES:
            raise
        raise ValueError(f"{path} is no result file, expected .pkl, .npy, .json or .pt; read as one: {error}") from None


def _as_arrays(value: object, depth: int = 3) -> object:
    """Tensors as arrays, in the containers that a result has: a list of dicts of dicts."""
    import torch

    if isinstance(value, list) and depth:
        return [_as_arrays(item, depth - 1) for item in value]
    if isinstance(value, dict) and depth:
        return {key: _as_arrays(value, depth - 1) for key, value in value.items()}
    if not isinstance(value, torch.Tensor):
        return value
    return (value.float() if value.dtype is torch.bfloat16 else value).numpy()


def result_pickle(scores: Float[np.ndarray, "N classes"]) -> bytes:
    """A pickled list of one float32 array of shape (classes,) a clip, as MMAction2 0.x writes and reads it."""
    data = pickle.dumps([np.array(row, dtype=np.float32) for row in scores], protocol=3)
    # numpy 2 names its own module in the pickle's head, which the numpy of MMAction2 0.x does not have. The old name
    # is understood by both.
    return sealed(data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1))


def checked_result_path(out: str | Path) -> Path:
    """The path of the result file; of a name without an ending, a folder, it is result.pkl in it.

    Raises ValueError where none can be written, before a test that takes hours.
    """
    path = Path(out) if Path(out).suffix else Path(out) / "result.pkl"
    if path.suffix != ".pkl":
        raise ValueError(f"the result file is '{path}', expected a name that ends in .pkl")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file such as {path / 'result.pkl'}")
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise ValueError(f"{path} cannot be written: {folder} is not a folder one may write to")
            break
    return path


def are_probabilities(scores: Float[np.ndarray, "N classes"]) -> bool:
    """Whether no score is negative and every row sums to 1."""
    sums = scores.sum(axis=1, dtype=np.float64)
    return bool((scores >= 0).all() and (np.abs(sums - 1) <= ROW_SUM_TOLERANCE).all())


def clip_names(path: Path, scores: Float[np.ndarray, "N classes"]) -> list[str] | None:
    """The clips of the predictions.csv beside a result file, as it spells them; None where that is of another result.

    A folder may hold several results and the table only of the last: it counts if its predictions are the scores' own.
    """
    table = path.parent / "predictions.csv"
    if not table.is_file():
        return None
    try:
        with table.open(newline="", encoding="utf-8") as file:
            clips = [(row["clip"], int(row["prediction"])) for row in csv.DictReader(file)]
    except (csv.Error, KeyError, TypeError, ValueError):
        return None  # a table of somebody else's
    if [prediction for _, prediction in clips] != scores.argmax(axis=1).tolist():
        return None
    return [name for name, _ in clips]


def _memory(reader: Copying, content: bytes | str) -> Shaped[np.ndarray, "n"]:
    """The numbers of a torch storage that was saved by torch, which is a file inside the file."""
    reader.spend(2 * len(content))
    content = content.encode("latin-1") if isinstance(content, str) else content
    found = _usual_memory(content)
    return _loaded_memory(content) if found is None else found


def _usual_memory(content: bytes) -> Shaped[np.ndarray, "n"] | None:
    """Numbers in the form that torch's own pickles have; None for any other. Torch takes several times as long."""
    found = STORAGE.match(content)
    if not found or found["type"] not in NUMBERS:
        return None
    numbers = memoryview(content)[found.end() :]
    dtype = np.dtype(NUMBERS[found["type"]])
    fits = len(numbers) == int.from_bytes(found["count"], "little") * dtype.itemsize
    return np.frombuffer(numbers, dtype) if fits else None


def _loaded_memory(content: bytes) -> Shaped[np.ndarray, "n"]:
    import torch

    try:
        storage = load_file(io.BytesIO(content), len(content))
    except pickle.UnpicklingError as error:  # whose text tells how to run the code after all
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ValueError(
            f"a tensor's memory asks for '{asked[1]}'" if asked else "a tensor's memory is broken"
        ) from None
    if not isinstance(storage, torch.storage.TypedStorage):
        raise ValueError(f"a tensor's memory is a {type(storage).__name__}")
    flat = torch.tensor([], dtype=storage.dtype).set_(storage)
    return (flat.float() if flat.dtype is torch.bfloat16 else flat).numpy()


def _parameter(reader: Copying, tensor: object, *_: object) -> object:
    return tensor


def _tensor(reader: Copying, memory: np.ndarray, offset: int, size: tuple, stride: tuple, *_) -> np.ndarray:
    """The tensor of a given shape and steps in a storage; it cannot reach out of it, nor be larger."""
    if not isinstance(memory, np.ndarray) or memory.ndim != 1 or memory.dtype.kind not in "fiub":
        raise ValueError("a tensor's memory is no row of numbers")
    offset, *numbers = (int(operator.index(number)) for number in (offset, *size, *stride))  # numpy's would overflow
    size, stride = numbers[: len(size)], numbers[len(size) :]
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    inside = offset >= 0 and last < len(memory) and all(step >= 0 for step in stride)
    count = math.prod(size)
    if min(size, default=1) < 1 or count > len(memory) or not inside:
        raise ValueError(f"a tensor of shape {quoted(tuple(size))} does not fit into its {len(memory)} numbers")
    reader.spend(count * memory.itemsize)
    steps = [step * memory.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(memory[offset:], tuple(size), steps).copy()


# What MMAction2 1.x writes beside numpy arrays. `pickle` keeps a tensor's memory as a file of torch inside the file,
# which torch would load with whatever code it asks for: here it is loaded as plain data.
TENSORS = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _memory,
}


def _rows(path: Path, found: object) -> tuple[list, Int[np.ndarray, "N"] | None]:
    """The rows of scores in a result of any kind, and the labels if all clips have one."""
    if isinstance(found, np.ndarray) and found.ndim == 2:
        found = list(found)
    if not isinstance(found, list) or not found:
        raise ValueError(
            f"{path} holds {_described(found)}, expected a list of one row of scores, or dict with 'pred_score', a "
            "clip, or a dict of such rows by name"
        )
    if not isinstance(found[0], dict):
        return found, None
    rows, labels = [], []
    for index, clip in enumerate(found):
        scores = _item(clip, "pred_score") if isinstance(clip, dict) else None
        if scores is None:
            keys = ", ".join(map(str, clip)) if isinstance(clip, dict) else _described(clip)
            raise ValueError(f"{path}: clip {index} has no 'pred_score'; it has {keys}")
        rows.append(scores)
        labels.append(np.ravel(_item(clip, "gt_label", ())))
    if any(label.shape != (1,) or label.dtype.kind not in "iu" for label in labels):
        return rows, None  # several labels a clip, or none
    return rows, np.concatenate(labels).astype(np.int64)


def _item(clip: dict, key: str, missing: object = None) -> object:
    """What MMAction2 1.2 keeps under `key`; 1.0 and 1.1 keep it as "item" under the plural."""
    older = clip.get(f"{key}s")
    return clip.get(key, older.get("item", missing) if isinstance(older, dict) else missing)


def _scores(path: Path, rows: list) -> Float[np.ndarray, "N classes"]:
    first = None
    for index, row in enumerate(rows):
        if isinstance(row, Foreign):
            raise ValueError(f"{path}: clip {index} is {_described(row)}, expected scores")
        try:
            row = np.asarray(row)
        except ValueError:  # lists of different lengths
            row = np.asarray(None)
        first = row if first is None else first
        if row.dtype.kind not in "fiu" or row.ndim != 1 or row.shape != first.shape:
            expected = (
                f"{len(first)} scores as clip 0 has" if first.ndim == 1 and index else "scores of shape (classes,)"
            )
            raise ValueError(f"{path}: clip {index} has {_described(row)}, expected {expected}")
        if not np.isfinite(row).all():
            raise ValueError(f"{path}: clip {index} has scores that are not finite; did its training diverge?")
    scores = np.array(rows)
    return scores if scores.dtype == np.float64 else scores.astype(np.float32)


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} {value.shape}"
    if isinstance(value, Foreign):
        return f"an object of '{one_line(value.name)}', which is not built"
    kind = type(value).__name__
    return f"an empty {kind}" if isinstance(value, list | dict | tuple) and not value else f"a {kind}"
