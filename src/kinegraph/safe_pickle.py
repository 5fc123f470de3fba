"""Pickles as data: numpy arrays and plain Python values are read, nothing else is looked up and no code is run.

A pickle is a program for a small machine whose words may name any function of any module. Other projects keep
annotations and labels in such files, so they are read here by a machine with a dozen words, all of this module. It is
the standard library's interpreter in Python: the one in C reserves memory for whatever a file claims to hold.

Files of joblib are pickles, too: the numbers of an array follow the object that stands for it. The whole file may be
packed (zlib, gzip, bz2, xz). Source: joblib/joblib, joblib/numpy_pickle.py, version 1.4.
"""

import hashlib
import io
import math
import os
import pickle
import re
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from kinegraph import messages
from kinegraph.files import check_is_file
from kinegraph.safe_packed import unpacked

KINDS = "biufcSUO"  # dtypes of plain values; structured ones could point outside of their memory
OBJECTS = (
    pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
)  # fmt: skip
COPIED_A_BYTE = 4  # what may be copied for each byte of the file: words that copy must not multiply it
COPIED_ALWAYS = 1 << 16
JOBLIB_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"


def load_pickle(path: str | Path, more_words: Mapping[str, Callable] | None = None, *, foreign: bool = False) -> object:
    """The value in a pickle of numpy arrays and scalars, numbers, strings, lists, tuples, dicts and sets.

    more_words: functions that stand for other names in the file, called as those of `WORDS` below. foreign: what the
    file has beyond these becomes `Foreign`, and is no error.

    Pickles of Python 2 are read too, their byte strings as latin-1 text. Memory is bounded by the size of the file.
    Raises ValueError naming the `module.name` that a pickle asks for beyond these, and for a broken file.
    """
    check_is_file(Path(path))
    with open(path, "rb") as file:
        if not _is_as_sealed(file):
            raise ValueError(f"{path} was changed after it was written: its checksum is another one")
        return read_pickle(unpacked(file, path), path, more_words, foreign=foreign)


def read_pickle(
    file: BinaryIO, origin: object, more_words: Mapping[str, Callable] | None = None, *, foreign: bool = False
) -> object:
    """The value in an open pickle, a file or a `BytesIO`; see `load_pickle`. origin: for messages."""
    try:
        return (ForeignReader if foreign else _Reader)(file, WORDS | dict(more_words or {})).load()
    except _Refused as refused:
        raise ValueError(
            f"{origin} asks for {messages.one_line(refused)}; of a pickle only numpy arrays and plain Python values "
            "are read, its code is not run"
        ) from None
    except OSError:
        raise
    except Exception as error:  # whatever a broken file leads the interpreter into
        reason = "the file ends too early" if isinstance(error, EOFError) else messages.one_line(error)
        raise ValueError(f"{origin} is not a readable pickle: {reason or type(error).__name__}") from None


def sealed(content: bytes) -> bytes:
    """A pickle with its SHA-256 behind its end, which readers of pickles pass over and `load_pickle` compares."""
    return content + _seal(hashlib.sha256(content).hexdigest())


def seal_file(path: Path) -> None:
    """Put the SHA-256 of a pickle behind its end."""
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256")
        file.seek(0, os.SEEK_END)
        file.write(_seal(digest.hexdigest()))


def _seal(digest: str) -> bytes:
    return f"\n# sha256 {digest}\n".encode()


SEAL, SEAL_SIZE = re.compile(rb"\n# sha256 ([0-9a-f]{64})\n"), len(_seal("0" * 64))


def _is_as_sealed(file: BinaryIO) -> bool:
    """Whether a file has the checksum that stands behind its end, or none stands there. The file is rewound."""
    file.seek(0, os.SEEK_END)
    end = max(file.tell() - SEAL_SIZE, 0)
    file.seek(end)
    found = SEAL.fullmatch(file.read())
    file.seek(0)
    if not found:
        return True
    digest, left = hashlib.sha256(), end
    while left:
        block = file.read(min(left, 1 << 20))
        if not block:
            break
        digest.update(block)
        left -= len(block)
    file.seek(0)
    return digest.hexdigest().encode() == found[1]


def quoted(value: object) -> str:
    """A value from a file in a message: one short line, whatever it is."""
    return "a ndarray" if isinstance(value, np.ndarray) else messages.quoted(value)


def check_letters(array: np.ndarray) -> np.ndarray:
    """The array, in a row. Raises ValueError where its text has letters that do not exist, which break Python."""
    text = array.dtype.kind == "U" and array.dtype.itemsize
    if text and (array.view(array.dtype.byteorder + "u4") > sys.maxunicode).any():
        raise ValueError("an array of text holds letters that do not exist")
    return array


class _Refused(Exception):
    """What a pickle asked for and does not get."""


@dataclass(frozen=True)
class _Word:
    """A name on the machine's stack. It is no function and no class, so that nothing but `_Reader` can use it."""

    name: str


@dataclass
class _DType:
    """A dtype on the machine's stack; its byte order comes after it."""

    dtype: np.dtype


class _ArrayToCome:
    """Stands on the machine's stack for an array of joblib, whose numbers come next in the file."""


class Foreign:
    """Stands for an object of a class that is not read: it has the class's name, and does nothing with what it gets."""

    def __init__(self, name: str):
        self.name = name

    def take(self, *_: object) -> None:
        """What a pickle puts into the object is dropped."""

    append = extend = add = __setitem__ = take


class _Input:
    """A file of which no more is read than it has."""

    def __init__(self, file: BinaryIO):
        self.file, self.readline = file, file.readline
        self.size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        if count > self.size or len(found := self.file.read(count)) < count:
            raise EOFError
        return found

    def readinto(self, buffer: bytearray) -> int:
        return self.file.readinto(buffer)


class _Reader(pickle._Unpickler):
    """The interpreter with our words only; whatever else could call, build or fetch an object is cut off."""

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, words: Mapping[str, Callable | None]):
        self.bounded = _Input(file)
        super().__init__(self.bounded, encoding="latin1")
        self.words = words
        self.left = COPIED_ALWAYS + COPIED_A_BYTE * self.bounded.size
        self.unbuilt: dict[int, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> _Word:
        today = module.replace("__builtin__", "builtins").replace("numpy.core.", "numpy._core.")
        if f"{today}.{name}" not in self.words:
            raise _Refused(f"'{module}.{name}'")
        return _Word(f"{today}.{name}")

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._apply(self.stack[-1], arguments)

    def _instantiate(self, klass: object, args: list) -> None:  # the opcodes INST and OBJ
        self.append(self._apply(klass, args))

    def _apply(self, word: object, arguments: tuple | list) -> object:
        if not isinstance(word, _Word) or self.words[word.name] is None:
            raise _Refused(f"a call of '{getattr(word, 'name', None) or quoted(word)}'")
        return self.words[word.name](self, *arguments)

    def load_build(self) -> None:
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, _DType):
            value.dtype = value.dtype.newbyteorder(state[1] if state[1] in ("<", ">") else "=")
        elif isinstance(value, _ArrayToCome):
            self.stack[-1] = self._array_of_joblib(state)
        elif id(value) in self.unbuilt:
            self._fill(self.unbuilt.pop(id(value)), *state)
        else:
            raise _Refused(f"the inside of a {type(value).__name__}")

    def _fill(self, array: np.ndarray, version: int, shape: tuple, of: _DType, fortran: bool, raw: object) -> None:
        """Set a new array's values; numpy itself would trust the shape and the dtype."""
        size, raw = math.prod(shape), raw.encode("latin1") if isinstance(raw, str) else raw
        if of.dtype.kind == "O":
            fits = isinstance(raw, list) and len(raw) == size
        else:
            fits = isinstance(raw, bytes) and len(raw) == size * of.dtype.itemsize and (raw or not size)
        if not fits or min(shape, default=0) < 0:
            raise ValueError(f"the values of an array do not fit its shape {shape}")
        self.spend(len(raw))
        if raw:
            check_letters(np.frombuffer(raw, of.dtype) if isinstance(raw, bytes) else array)
        array.__setstate__((1, shape, of.dtype, bool(fortran), raw))

    def _array_of_joblib(self, about: Mapping[str, Any]) -> np.ndarray:
        """The array that joblib describes so; its numbers, or a pickle of its objects, come next in the file."""
        shape, of = tuple(about["shape"]), about["dtype"].dtype
        if of.kind == "O":
            inner = type(self)(self.bounded.file, self.words)
            inner.left = self.left
            found = inner.load()
            self.left = inner.left
        else:
            if about.get("numpy_array_alignment_bytes") is not None and (padding := self.read(1)[0]):
                self.read(padding)
            size = math.prod(shape) * of.itemsize
            self.spend(size)
            found = check_letters(np.frombuffer(self.read(size), of)).reshape(shape, order=str(about["order"])).copy()
        if not isinstance(found, np.ndarray) or found.shape != shape:
            raise ValueError(f"the values of an array do not fit its shape {shape}")
        return found

    def load_newobj(self) -> None:
        self.stack.pop()  # arguments, of which joblib's object has none
        if self.stack[-1] != _Word(JOBLIB_ARRAY):
            self.refuse()
        self.stack[-1] = _ArrayToCome()

    def spend(self, count: int) -> None:
        """Note that so many bytes or items are copied."""
        self.left -= count
        if self.left < 0:
            raise _Refused("more memory than its size can need")

    def load_bytearray8(self) -> None:
        self.append(bytearray(self.read(int.from_bytes(self.read(8), "little"))))

    def refuse(self) -> None:
        raise _Refused("an object of a class, or one kept outside of the file")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch |= dict.fromkeys(map(ord, OBJECTS), refuse)


class ForeignReader(_Reader):
    """Reads on where the other stops: what is beyond its words becomes `Foreign`. Nothing is looked up here either.

    memory: what stands for a tensor's memory, which torch keeps outside of the pickle.
    """

    dispatch: ClassVar = dict(_Reader.dispatch)

    def __init__(self, file: BinaryIO, words: Mapping[str, Callable | None], memory: Callable | None = None):
        super().__init__(file, words)
        self.memory = memory

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except _Refused:
            return Foreign(f"{module}.{name}")

    def _apply(self, word: object, arguments: tuple | list) -> object:
        return Foreign(word.name) if isinstance(word, Foreign) else super()._apply(word, arguments)

    def load_newobj(self) -> None:
        if self.stack[-2] == _Word(JOBLIB_ARRAY):
            super().load_newobj()
            return
        arguments = self.stack.pop()
        self.stack[-1] = self._apply(self.stack[-1], arguments)

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # arguments by name
        self.load_newobj()

    def load_build(self) -> None:
        value = self.stack[-2]
        if isinstance(value, _DType | _ArrayToCome) or id(value) in self.unbuilt:
            super().load_build()
        else:
            self.stack.pop()  # the inside of an object: attributes of a dict, or what `Foreign` would hold

    def load_binpersid(self) -> None:
        if self.memory is None:
            self.refuse()
        else:
            self.stack[-1] = self.memory(self, self.stack[-1])

    dispatch[pickle.REDUCE[0]] = _Reader.load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.BINPERSID[0]] = load_binpersid


# ---- the words: each is given the reader, to account for what it copies ----------------------------------------------


def _reconstruct(reader: _Reader, kind: _Word, shape: tuple, code: object) -> np.ndarray:
    array = np.empty(0, np.int8)
    reader.unbuilt[id(array)] = array
    return array


def _dtype(reader: _Reader, code: str, align: bool | int = False, copy: bool | int = True) -> _DType:
    dtype = np.dtype(code) if isinstance(code, str) else None
    if dtype is None or dtype.kind not in KINDS or dtype.subdtype:
        raise _Refused(f"an array of dtype {quoted(code)}")
    return _DType(dtype)


def _scalar(reader: _Reader, of: _DType, raw: bytes | str) -> np.generic:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    reader.spend(len(raw))
    (value,) = check_letters(np.frombuffer(raw, of.dtype))
    return value


def _frombuffer(reader: _Reader, buffer: bytes | bytearray, of: _DType, shape: tuple, order: str) -> np.ndarray:
    return check_letters(np.frombuffer(buffer, of.dtype)).reshape(shape, order=order)


def _encode(reader: _Reader, text: str, encoding: str) -> bytes:
    """Bytes as protocols 0 to 2 of Python 3 write them."""
    reader.spend(len(text))
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the encoding '{encoding}'")
    return text.encode("latin1")


def _bytes(reader: _Reader) -> bytes:
    return b""


def _bytearray(reader: _Reader, content: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    reader.spend(len(content))
    return bytearray(_encode(reader, content, encoding) if isinstance(content, str) else content)


def _defaultdict(reader: _Reader, *factory: object) -> dict:
    return {}


def _copy(kind: type):
    def copy(reader: _Reader, items: list | dict | tuple = ()) -> object:
        reader.spend(len(items))
        return kind(items)

    return copy


WORDS = {
    "numpy.ndarray": None,
    "numpy.dtype": _dtype,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytearray,
    "collections.OrderedDict": _copy(OrderedDict),
    "collections.Counter": _copy(Counter),
    "collections.defaultdict": _defaultdict,
    JOBLIB_ARRAY: None,
    **{f"builtins.{kind.__name__}": _copy(kind) for kind in (list, tuple, dict, set, frozenset)},
}
