"""MATLAB's .mat files as plain values: arrays and numbers, texts, objects (structs), lists (cells, arrays of structs).

Versions 4 to 7 are read here; 7.3 is HDF5, whose axes are reversed, and read by h5py (the extra `formats`). Vectors
have one axis, a value of size 1 has none. Function handles, objects (tables and strings among them), sparse matrices
and complex numbers are left out and named. Nothing is run, and a file cannot unpack or nest to more than its size
allows. Not by scipy.io.loadmat: damaged files end its process (segmentation fault, scipy 1.17.1).
Source: MathWorks, MAT-File Format (R2024a).
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.hdf5 import MAGIC, check_h5py, checked_array, opened
from kinegraph.messages import first_few, plain_name
from kinegraph.safe_packed import UNPACKED_A_BYTE, UNPACKED_ALWAYS

SUFFIX = ".mat"
DEEPEST, MOST_VALUES = 20, 1_000_000  # structs and cells in each other, and values in them
LARGEST = 1 << 30  # bytes: versions 4 to 7 are read as a whole
HEAD = 128  # bytes before the first element
KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # of elements
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, CHAR = 1, 2, 4  # classes
NUMBERS = range(6, 16)
COMPLEX = 0x800
UNREAD = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object"}
OF_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
CUT = "an element that does not fit into the file; is it cut?"


@dataclass
class MatFile:
    """values: by the names of the variables. left_out: variables that cannot be read, name -> kind."""

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
        found.values = _read(file, found.left_out)
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


def _read(file: Path, left_out: dict[str, str]) -> dict[str, Any]:
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}; save it with -v7.3")
    content = memoryview(file.read_bytes())
    try:
        if content[:6] == b"MATLAB" and content[126:HEAD] in (b"IM", b"MI"):
            return _Reader("<" if content[126:HEAD] == b"IM" else ">", left_out).variables(content[HEAD:], size)
        return _version_4(content, left_out)
    except (ValueError, struct.error, zlib.error, LookupError) as error:
        raise ValueError(f"{file} is not a readable MATLAB file: {error}") from None


@dataclass
class _Reader:
    """Reads the elements of versions 5 to 7. order: "<" or ">", of bytes."""

    order: str
    left_out: dict[str, str]
    count: int = 0

    def variables(self, content: memoryview, size: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        most = UNPACKED_ALWAYS + UNPACKED_A_BYTE * size
        for kind, data in self.elements(content):
            if kind == COMPRESSED:
                unpacker = zlib.decompressobj()
                data = memoryview(unpacker.decompress(data, most))
                if unpacker.unconsumed_tail:
                    raise ValueError(f"it would unpack to more than {most:,} bytes")
                most -= len(data)
                kind, data = next(self.elements(data), (0, data))
            if kind != MATRIX:
                continue
            name, value = self.matrix(data, "", 0)
            if name and value is not None:
                found[name] = value
        return found

    def elements(self, content: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Kind and content of the elements that stand behind each other; small ones have both in 8 bytes."""
        at = 0
        while at + 8 <= len(content):
            kind, size = struct.unpack_from(f"{self.order}II", content, at)
            start = at + 8
            if kind >> 16:
                kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if start + size > len(content):
                raise ValueError(CUT)
            yield kind, content[start : start + size]
            if start == at + 4:  # a small element: its content stands in the tag
                at += 8
            else:
                padding = 0 if kind == COMPRESSED else -size % 8
                at = start + size + padding

    def matrix(self, content: memoryview, place: str, depth: int) -> tuple[str, Any]:
        """The name and the value of an array; None for one that is left out. place: of an inner one, for messages."""
        self.count += 1
        if depth > DEEPEST or self.count > MOST_VALUES:
            raise ValueError("structs and cells are nested too deeply, or too many")
        if not len(content):
            return "", np.zeros((0, 0))
        parts = self.elements(content)
        flags = struct.unpack_from(f"{self.order}I", _next(parts))[0]
        of_class = flags & 0xFF
        second = _next(parts)
        if of_class == 17:  # has no sizes
            return self._left(bytes(second).decode("latin-1"), place, of_class)
        sizes = struct.unpack(f"{self.order}{len(second) // 4}i", second[: len(second) // 4 * 4])
        name = plain_name(bytes(_next(parts)).decode("latin-1"))
        count = int(np.prod(np.array(sizes, float))) if sizes and min(sizes) >= 0 else -1
        if count < 0 or (of_class in (CELL, STRUCT) and count > 1 + len(content) // 8):
            raise ValueError("an array has more elements than the file can hold; is it cut?")
        place = place or name
        if of_class in UNREAD:
            return self._left(name, place, of_class)
        if of_class == CELL:
            return name, [self.matrix(_next(parts), place, depth + 1)[1] for _ in range(count)]
        if of_class == STRUCT:
            return name, self.struct(parts, count, place, depth)
        if of_class not in NUMBERS and of_class != CHAR:
            raise ValueError(f"an array of the class {of_class}, which is not known")
        if flags & COMPLEX:
            self.left_out[place] = "complex numbers"
            return name, None
        return name, _simple(self.array(parts, sizes, of_class), place, self.left_out)

    def _left(self, name: str, place: str, of_class: int) -> tuple[str, None]:
        self.left_out[place or name] = UNREAD[of_class]
        return name, None

    def struct(self, parts: Iterator[tuple[int, memoryview]], count: int, place: str, depth: int) -> Any:
        width = struct.unpack_from(f"{self.order}i", _next(parts))[0]
        names = bytes(_next(parts))
        if width < 1:
            raise ValueError("a struct without names of its fields")
        texts = [names[at : at + width].partition(b"\0")[0].decode("latin-1") for at in range(0, len(names), width)]
        fields = list(map(plain_name, texts))
        rows = []
        for _ in range(count):
            row = {key: self.matrix(_next(parts), f"{place}.{key}", depth + 1)[1] for key in fields}
            rows.append({key: value for key, value in row.items() if value is not None})
        return rows[0] if count == 1 else rows

    def array(self, parts: Iterator[tuple[int, memoryview]], sizes: tuple[int, ...], of_class: int) -> np.ndarray:
        kind, data = next(parts, (0, memoryview(b"")))
        if of_class == CHAR:
            return _texts(bytes(data), kind, sizes, self.order)
        if kind not in KINDS:
            raise ValueError(f"numbers of the kind {kind}, which is not known")
        found = np.frombuffer(data, self.order + KINDS[kind])
        if len(found) != int(np.prod(np.array(sizes, float))):
            raise ValueError(CUT)
        return _native(found.reshape(sizes, order="F"))


def _native(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _next(parts: Iterator[tuple[int, memoryview]]) -> memoryview:
    if (part := next(parts, None)) is None:
        raise ValueError(CUT)
    return part[1]


def _texts(data: bytes, kind: int, sizes: tuple[int, ...], order: str) -> np.ndarray:
    """The rows of an array of characters."""
    encoding = TEXTS.get(kind, "latin-1")
    encoding += {"<": "-le", ">": "-be"}[order] if encoding in ("utf-16", "utf-32") else ""
    text = data.decode(encoding, errors="replace")
    rows = max(sizes[0], 1) if sizes else 1
    return np.array([text[row::rows] for row in range(min(rows, len(text) or 1))])


def _version_4(content: memoryview, left_out: dict[str, str]) -> dict[str, Any]:
    """Arrays behind each other: five numbers, a name, and the values column after column."""
    found: dict[str, Any] = {}
    order, at = "<" if len(content) >= 4 and struct.unpack_from("<I", content)[0] < 5000 else ">", 0
    while at + 20 <= len(content):
        kind, rows, columns, imaginary, length = struct.unpack_from(f"{order}5i", content, at)
        form, what = kind // 10 % 10, kind % 10
        if not (
            0 <= kind < 5000 and form < len(OF_4) and what < 3 and rows >= 0 and columns >= 0 and 0 < length < 1000
        ):
            raise ValueError("it begins as no version of MATLAB does")
        name = plain_name(bytes(content[at + 20 : at + 20 + length]).decode("latin-1").rstrip("\0"))
        at += 20 + length
        size = rows * columns * np.dtype(OF_4[form]).itemsize
        if at + size * (1 + bool(imaginary)) > len(content):
            raise ValueError(CUT)
        values = np.frombuffer(content[at : at + size], order + OF_4[form]).reshape((rows, columns), order="F")
        at += size * (1 + bool(imaginary))
        if what == 2 or imaginary:
            left_out[name] = UNREAD[5] if what == 2 else "complex numbers"
        elif what == 1:
            lines = ["".join(map(chr, row)) for row in values.clip(0, 0x10FFFF).astype(int).tolist()]
            found[name] = _simple(np.array(lines), name, left_out)
        else:
            found[name] = _simple(_native(values), name, left_out)
    if not found and not left_out:
        raise ValueError("it begins as no version of MATLAB does")
    return found


def _simple(value: np.ndarray, name: str, left_out: dict[str, str]) -> Any:
    """Numbers and texts: a value of size 1 without axes, vectors with one."""
    if value.dtype.kind not in "fiubU":
        left_out[name] = f"numbers of the kind {value.dtype}"
        return None
    if value.dtype.kind == "U":
        texts = [plain_name(text.strip()) for text in value.ravel().tolist()]
        return texts[0] if len(texts) == 1 else texts
    if value.size == 1:
        number = value.item()  # MATLAB's numbers are doubles, also those that count
        return int(number) if isinstance(number, float) and number.is_integer() else number
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
            cells = [
                self.value_of(self.content[reference], name, depth + 1)
                for reference in values.ravel(order="F")
                if reference
            ]
            return cells if kind == "cell" else _Structs(cells)
        if kind == "char":
            rows = ["".join(map(chr, row)) for row in np.atleast_2d(values).tolist()]
            return plain_name(rows[0].strip()) if len(rows) == 1 else [plain_name(row.strip()) for row in rows]
        return _simple(values, name, self.left_out)


class _Structs(list):
    """The values of one field of an array of structs."""


def _listed(fields: dict[str, Any]) -> Any:
    """An array of structs as a list of them: its fields are references, as many in each."""
    sizes = {len(value) if isinstance(value, _Structs) else -1 for value in fields.values()}
    if len(sizes) != 1 or (count := sizes.pop()) < 0:
        return fields
    return [{key: value[i] for key, value in fields.items() if value[i] is not None} for i in range(count)]


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
    return {
        name if last.count(short) > 1 else short: value
        for (name, value), short in zip(found.items(), last, strict=True)
    }
