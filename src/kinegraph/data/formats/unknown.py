"""A file that no format knows: what is in it, and which formats are nearest.

Formats describe their files in the heads of their modules. The nearest ones have most words in common with the file.
"""

import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from kinegraph.data.folders import files_below
from kinegraph.data.formats.smpl import has_parameters
from kinegraph.data.reading.files.file_kinds import AS_NPY, NO_PICTURES, kind_of
from kinegraph.data.reading.files.text import MARKS_OF_16
from kinegraph.data.reading.tables.array_files import HDF5, MAT, PICKLES, open_arrays
from kinegraph.messages import fetch_first, first_few, plain_name, shortened
from kinegraph.safe_npz import npz_shapes
from kinegraph.safe_pickle import load_pickle

HEAD = 1 << 16  # bytes that are looked at
OF_TEXT = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xml", ".bvh", ".trc", ".amc", ".skeleton")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FEATURES = {  # numbers of a frame in arrays of other projects, and the way
    263: "features of HumanML3D: its folder new_joints has the joints",
    251: "features of KIT-ML: its folder new_joints has the joints",
    **dict.fromkeys((315, 319), "turns of SMPL-X's joints, as of FineDance: compute the joints by the package smplx"),
    322: "parameters of SMPL-X, as of Motion-X: compute the joints by the package smplx",
}
WORD = re.compile(r"[A-Za-z][A-Za-z_]{2,}")
JSON = re.compile(r"\s*[\[{]\s*([\[{\]}\"]|-?\d)")
KEY = re.compile(r'"([^"\n]{1,60})"\s*:')


def contents(path: Path) -> str:
    """What a file or folder is and holds, in a few words, as far as its first bytes show it."""
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        if names and all(Path(name).suffix.lower() in PICTURES for name in names):
            return f"a folder of pictures with {first_few(names)}; {NO_PICTURES}"
        first = next(files_below(path, "*.*"), None)
        inside = (
            "" if first is None else f"; its file {plain_name(first.relative_to(path).as_posix())} is {contents(first)}"
        )
        return f"a folder with {first_few(names)}{inside}" if names else "an empty folder"
    size, text = path.stat().st_size, _text(path)
    if not size:
        return "an empty file"
    if text is None:
        if arrays := _arrays(path):
            return f"NumPy arrays: {arrays}"
        if shape := _shape(path):
            return f"a NumPy array of {shape}"
        if path.suffix.lower() in PICKLES and _is_of_smpl(path):
            return "a pickle with parameters of SMPL, not places; save its joints as an array (frames, 24, 3), .npy"
        return _of_hdf5(path) or kind_of(path) or f"a binary file of {size:,} bytes"
    if kind := kind_of(path):
        return kind
    if JSON.match(text):
        shape = "list" if text.lstrip()[0] == "[" else "object"
        keys = list(dict.fromkeys(KEY.findall(text)))
        return f"JSON, {'an' if shape == 'object' else 'a'} {shape}{f' with {first_few(keys, 4)}' if keys else ''}"
    if _is_16(path):
        return "text in UTF-16; save it in UTF-8"
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"text that begins with '{shortened(plain_name(line), 60)}'"


def _of_hdf5(path: Path) -> str:
    """The arrays of an HDF5, with their shapes, as far as it can be read."""
    if path.suffix.lower() not in HDF5:
        return ""
    with suppress(ValueError, OSError, RuntimeError, KeyError):
        shapes = open_arrays(path).shapes
        there = first_few([f"{name} {shape}" for name, shape in shapes.items()], 4)
        return f"HDF5 with {there}; {AS_NPY}" if shapes else ""
    return ""


def not_here(path: Path) -> str:
    """The end of a message on a path where nothing is, if the path is an address or the number of a camera."""
    if re.match(r"(rtsps?|rtmp|udp|srt):/", str(path)) or str(path).isdecimal():
        return "; `kinegraph stream WEIGHTS SOURCE` watches a camera or an address"
    return fetch_first(path)


def _is_of_smpl(path: Path) -> bool:
    with suppress(ValueError):
        return has_parameters(load_pickle(path))
    return False


def nearest_formats(path: Path, formats: Iterable[ModuleType], most: int = 2) -> list[str]:
    """Names of the formats that describe a file most like this one, the nearest first; [] where none is like it."""
    modules = [module for module in formats if path.is_dir() or _suits(path, module)]
    described = {module.NAME: set(_words([module.__doc__ or ""])) for module in modules}
    mine = _words(_names(path))
    rarity = {word: 1 / count for word in mine if (count := sum(word in known for known in described.values()))}
    likeness = {name: sum(rarity.get(word, 0) for word in mine & known) for name, known in described.items()}
    return [name for name in sorted(likeness, key=lambda name: -likeness[name])[:most] if likeness[name] > 0]


def advice(path: Path, formats: Sequence[ModuleType]) -> str:
    """The end of its name that is missing, or the nearest formats, or where the forms are that are read."""
    if suffix := right_ending(path, formats):
        return f"by its content it is read as {path.stem}{suffix}: give it this name"
    if near := nearest_formats(path, formats):
        return f"the nearest formats are {' and '.join(near)} (--format); docs/formats.md shows what is read"
    return "docs/formats.md shows what is read"


def check_suffix(module: ModuleType, path: Path, formats: Iterable[ModuleType]) -> None:
    """Raises ValueError for a file whose name ends like those of another format only."""
    suffix = path.suffix.lower()
    others = [other.NAME for other in formats if suffix in other.SUFFIXES]
    if path.is_file() and module.SUFFIXES and suffix not in module.SUFFIXES and others and module.NAME not in others:
        raise ValueError(
            f"{path} is no file for {module.NAME}, which reads {', '.join(module.SUFFIXES)}; "
            f"did you mean '{others[0]}'?"
        )


def right_ending(path: Path, formats: Iterable[ModuleType]) -> str | None:
    """The ending with which a format would know a file; None where none does."""
    if not path.is_file():
        return None
    text = _text(path)
    endings = [(end, module) for module in formats for end in module.SUFFIXES if (end in OF_TEXT) == (text is not None)]
    lines = _are_lines(text or "")
    if path.suffix.lower() == ".json" and JSON.match(text or "") and not lines:
        return None  # nearly any JSON looks like a line of JSON lines
    endings = [(end, module) for end, module in endings if not (lines and end == ".json")]
    with path.open("rb") as file:
        of_matlab = file.read(6) == b"MATLAB"
    # Other bytes may look like an old .mat.
    endings = [(end, module) for end, module in endings if end != MAT or of_matlab]
    with TemporaryDirectory() as place:
        for suffix, module in endings:
            other, any_text = Path(place) / f"{path.stem}{suffix}", Path(place) / f"any{suffix}"
            with suppress(OSError, ValueError):  # no links on this system, or not of this format
                if not other.is_symlink():
                    other.symlink_to(path.absolute())
                    any_text.write_text("any text\n")
                if module.detect(other) and not module.detect(any_text):  # by the content, not by the name
                    return suffix
    return None


def _are_lines(text: str) -> bool:
    """Whether the first two lines are an object each."""
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.strip()][:2]
    return len(lines) == 2 and all(line.startswith("{") and line.endswith("}") for line in lines)


def _suits(path: Path, module: ModuleType) -> bool:
    """Of the same ending; formats of JSON come into question for all JSON."""
    usual = path.suffix.lower() in module.SUFFIXES
    return usual or (".json" in module.SUFFIXES and JSON.match(_text(path) or "") is not None)


def _text(path: Path) -> str | None:
    """The first lines of a text file; None for others."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if _is_16(path):
        return head[: len(head) // 2 * 2].decode("utf-16", errors="replace")
    try:
        text = head[: head.rfind(b"\n") + 1 or len(head)].decode("utf-8-sig")
    except UnicodeError:
        return None
    return None if "\0" in text else text


def _is_16(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in MARKS_OF_16


def _arrays(path: Path) -> str:
    """The arrays in an .npz file, with their shapes."""
    if not zipfile.is_zipfile(path):
        return ""
    try:
        shapes = npz_shapes(path)
    except (ValueError, OSError):
        return ""
    return first_few([f"{name} {shape}" for name, shape in shapes.items()], 4)


def _shape(path: Path) -> str:
    """The numbers and axes of a .npy file, as its head says them."""
    with path.open("rb") as file:
        head = file.read(256)
    found = re.search(rb"'descr': '([^']+)'.*'shape': \(([\d, ]*)\)", head) if head.startswith(b"\x93NUMPY") else None
    if not found:
        return ""
    kind, shape = found[1].decode("latin-1").lstrip("<>|"), found[2].decode("latin-1").strip()
    known = FEATURES.get(int(shape.rpartition(",")[2])) if re.fullmatch(r"\d+, \d+", shape) else None
    return f"{kind} ({shape}){f', {known}' if known else ''}"


def _names(path: Path) -> list[str]:
    """Keys, headers or file names: the words that show what kind of file it is."""
    if path.is_dir():
        return [entry.name for entry in path.iterdir()][:1000]
    if (text := _text(path)) is None:
        return [path.suffix]
    return KEY.findall(text) or text.splitlines()[:10]


def _words(texts: Iterable[str]) -> set[str]:
    return {word.lower() for text in texts for word in WORD.findall(text)}
