"""MATLAB's .mat files as plain values: arrays and numbers, texts, objects (structs), lists (cells, arrays of structs).

Versions 4 to 7 are read by scipy, 7.3 is HDF5 and read by h5py, which has its axes reversed; both are in the extra
`formats`. Vectors have one axis, a value of size 1 has none. Function handles, objects (tables and strings among them)
and sparse matrices are left out and named. Nothing is run, and a file cannot unpack to more than its size allows.
Sources: MathWorks, MAT-File Format; scipy.io.loadmat.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.formats.hdf5 import MAGIC, UNPACKED_A_BYTE, UNPACKED_ALWAYS, check_h5py, checked_array, opened
from kinegraph.data.formats.recordings import FormatError
from kinegraph.messages import first_few, one_line, plain_name

SUFFIX = ".mat"
DEEPEST, MOST_VALUES = 20, 1_000_000  # structs and cells in each other, and values in them
LARGEST = 1 << 30  # bytes: versions 4 to 7 are read as a whole
COMPRESSED, MATRIX = 15, 14  # kinds of elements in versions 5 to 7
CELL, STRUCT = 1, 2
UNREAD = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object"}


@dataclass
class MatFile:
    """values: by the names of the variables. left_out: what cannot be read, name -> what it is."""

    values: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def load_mat(file: Path) -> MatFile:
    """The variables of a file. Raises ValueError for a file that is broken, too large or holds nothing that is read."""
    about = file.stat()
    return _loaded(file, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _loaded(file: Path, changed: int, size: int) -> MatFile:
    found = MatFile()
    if _is_hdf5(file):
        check_h5py(f"{file}, MATLAB 7.3,")
        with opened(file) as content:
            found.values = _Hdf5(file, content, found.left_out).values_of(content, "", 0)
    else:
        for name, value in _by_scipy(file).items():
            found.values |= {} if (it := _plain(value, name, found.left_out)) is None else {name: it}
    if not found.values:
        what = first_few([f"{name} ({kind})" for name, kind in found.left_out.items()])
        reason = f"holds {what}, which is not read; save arrays, structs or cells" if what else "holds no variables"
        raise FormatError("shape", f"{file} {reason}")
    return found


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as content:
        head = content.read(1024)
    return head.startswith(MAGIC) or head[512:].startswith(MAGIC)


# ---- versions 4 to 7 -------------------------------------------------------------------------------------------------


def _by_scipy(file: Path) -> dict[str, Any]:
    try:
        io: Any = import_module("scipy.io")
    except ImportError:
        raise FormatError("missing", f'{file} needs scipy: pip install "kinegraph[formats]"') from None
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}; save it with -v7.3")
    content = file.read_bytes()
    try:
        if content[124:128] in (b"\x00\x01IM", b"\x01\x00MI"):  # of version 4 nothing is nested or packed
            _check_elements(content[128:], "<" if content[126:128] == b"IM" else ">", size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = io.loadmat(BytesIO(content))
    except Exception as error:  # scipy raises many kinds for a broken file
        reason = one_line(error)[:200] or type(error).__name__
        raise ValueError(f"{file} is not a readable MATLAB file: {reason}") from None
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _check_elements(content: bytes, order: str, size: int) -> None:
    """Raises ValueError for elements that say or unpack to more than a file of this size can hold.

    scipy makes room for as many cells as an element says, and follows them to any depth.
    """
    most = UNPACKED_ALWAYS + UNPACKED_A_BYTE * size
    for kind, data in _elements(content, order):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, most)
            if unpacker.unconsumed_tail:
                raise ValueError(f"it would unpack to more than {most:,} bytes")
            most -= len(data)
            for kind, inner in _elements(data, order):
                _check_matrix(kind, inner, order, 0)
        else:
            _check_matrix(kind, data, order, 0)


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the elements that stand behind each other; small ones have both in 8 bytes."""
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        if kind >> 16:
            yield kind & 0xFFFF, content[at + 4 : at + 4 + (kind >> 16)]
            at += 8
        else:
            yield kind, content[at + 8 : at + 8 + size]
            at += 8 + size + (-size % 8 if kind != COMPRESSED else 0)


def _check_matrix(kind: int, content: bytes, order: str, depth: int) -> None:
    if kind != MATRIX or not content:
        return
    if depth > DEEPEST:
        raise ValueError("structs and cells are nested too deeply")
    parts = list(_elements(content, order))
    if len(parts) < 2 or len(parts[0][1]) < 4:
        raise ValueError("an array without its size; is it cut?")
    of_class = struct.unpack_from(f"{order}I", parts[0][1])[0] & 0xFF
    sizes = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1][: len(parts[1][1]) // 4 * 4])
    if of_class in (CELL, STRUCT):
        if min(sizes, default=0) < 0 or float(np.prod(np.array(sizes, float))) > 1 + len(content) // 8:
            raise ValueError("a cell or struct has more elements than the file can hold; is it cut?")
        for inner, data in parts[3:]:
            _check_matrix(inner, data, order, depth + 1)


def _plain(value: Any, name: str, left_out: dict[str, str]) -> Any:
    """A value of scipy as a plain one; None where it is left out."""
    matlab: Any = import_module("scipy.io.matlab")
    kinds = {"MatlabFunction": UNREAD[16], "MatlabOpaque": UNREAD[17], "MatlabObject": UNREAD[3]}
    for kind, what in kinds.items():
        if isinstance(value, getattr(matlab, kind)):
            left_out[name] = what
            return None
    if not isinstance(value, np.ndarray):
        left_out[name] = UNREAD[5]
        return None
    if value.dtype.names is not None:
        each = [
            {key: it for key in value.dtype.names if (it := _plain(row[key], f"{name}.{key}", left_out)) is not None}
            for row in value.ravel(order="F")
        ]
        return each[0] if len(each) == 1 else each
    if value.dtype.hasobject:
        return [_plain(cell, name, left_out) for cell in value.ravel(order="F")]
    return _simple(value, name, left_out)


def _simple(value: np.ndarray, name: str, left_out: dict[str, str]) -> Any:
    """Numbers and texts: a value of size 1 without axes, vectors with one."""
    if value.dtype.kind not in "fiubU":
        left_out[name] = f"numbers of the kind {value.dtype}"
        return None
    if value.dtype.kind == "U":
        texts = [plain_name(text.strip()) for text in value.ravel().tolist()]
        return texts[0] if len(texts) == 1 else texts
    if value.size == 1:
        return value.item()
    return value.ravel() if value.ndim == 2 and 1 in value.shape else value


# ---- version 7.3 -----------------------------------------------------------------------------------------------------


@dataclass
class _Hdf5:
    """Reads the groups of a file, and the values that its cells refer to."""

    file: Path
    content: Any
    left_out: dict[str, str]
    values: int = 0
    bytes: int = 0

    def values_of(self, group: Any, name: str, depth: int) -> dict[str, Any]:
        """The members of a group by name."""
        h5py = import_module("h5py")
        found = {}
        for key in group:
            if str(key).startswith("#") or not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            full = f"{name}.{key}" if name else str(key)
            if (value := self.value_of(group[key], full, depth)) is not None:
                found[str(key)] = value
        return found

    def value_of(self, item: Any, name: str, depth: int) -> Any:
        h5py = import_module("h5py")
        self.values += 1
        if depth > DEEPEST or self.values > MOST_VALUES:
            raise ValueError(f"{self.file} has structs and cells that are nested too deeply, or too many")
        kind = item.attrs.get("MATLAB_class", b"")
        kind = kind.decode("latin-1") if isinstance(kind, bytes) else str(kind)
        if "MATLAB_sparse" in item.attrs or kind == "function_handle" or "MATLAB_object_decode" in item.attrs:
            handle = UNREAD[16] if kind == "function_handle" else UNREAD[3]
            self.left_out[name] = UNREAD[5] if "MATLAB_sparse" in item.attrs else handle
            return None
        if isinstance(item, h5py.Group):
            return _listed(self.values_of(item, name, depth + 1))
        if not isinstance(item, h5py.Dataset):
            return None
        return self.array_of(item, name, kind, depth)

    def array_of(self, item: Any, name: str, kind: str, depth: int) -> Any:
        if (array := checked_array(self.file, item, name)) is None:
            return None
        self.bytes += array.size * array.dtype.itemsize
        if self.bytes > UNPACKED_ALWAYS + UNPACKED_A_BYTE * self.file.stat().st_size:
            raise ValueError(f"{self.file} would unpack to more than {self.bytes:,} bytes; save it not packed")
        if "MATLAB_empty" in item.attrs:
            return "" if kind == "char" else np.zeros((0, 0))
        values = np.asarray(array[()]).T
        if values.dtype.hasobject:  # references of a cell, or of an array of structs
            cells = [self.value_of(self.content[it], name, depth + 1) for it in values.ravel(order="F") if it]
            return cells if kind == "cell" else _Structs(cells)
        if kind == "char":
            rows = ["".join(map(chr, row)) for row in np.atleast_2d(values).tolist()]
            return plain_name(rows[0].strip()) if len(rows) == 1 else [plain_name(row.strip()) for row in rows]
        return _simple(values, name, self.left_out)


class _Structs(list):
    """The values of one field of an array of structs."""


def _listed(fields: dict[str, Any]) -> Any:
    """An array of structs as a list of them: its fields are references, as many in each."""
    sizes = {len(it) if isinstance(it, _Structs) else -1 for it in fields.values()}
    if len(sizes) != 1 or (count := sizes.pop()) < 0:
        return fields
    return [{key: it[i] for key, it in fields.items() if it[i] is not None} for i in range(count)]


# ---- one clip --------------------------------------------------------------------------------------------------------


def unwrapped(values: Mapping[str, Any]) -> Any:
    """What is in a struct that holds all of a file, or in its only variable."""
    content: Any = values
    while isinstance(content, Mapping) and len(content) == 1:
        inner = next(iter(content.values()))
        if not isinstance(inner, Mapping | list):
            break
        content = inner
    return content


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in structs by the last part of their names, or by all parts where several end alike."""

    def of(content: Mapping[str, Any], start: str) -> Iterator[tuple[str, Any]]:
        for key, value in content.items():
            if isinstance(value, Mapping):
                yield from of(value, f"{start}{key}.")
            else:
                yield f"{start}{key}", value

    found = dict(of(values, ""))
    last = [name.rpartition(".")[2] for name in found]
    return {name if last.count(short) > 1 else short: it for (name, it), short in zip(found.items(), last, strict=True)}
