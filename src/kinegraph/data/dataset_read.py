"""The reading of a dataset folder's files, each checked against dataset.json; what is wrong is named with its clip."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from jaxtyping import Int

from kinegraph.data.dataset_write import COLUMNS, DTYPES, FORMAT, SEGMENT_COLUMNS, SEGMENTS, VERSION
from kinegraph.data.row_file import RowFile
from kinegraph.files import sha256_of
from kinegraph.messages import CONTROL, one_line, plain_name, quoted
from kinegraph.safe_io import read_json
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import Segment

FIELDS = {
    "source": str,
    "licence": str,
    "units": str,
    "dtype": str,
    "channels": int,
    "score": bool,
    "clips": int,
    "rows": int,
    "attributes": dict,
    "splits": dict,
    "class_names": list,
    "layout": dict,
    "sha256": dict,
}
OWN_SUM = "sha256_of_this"  # the key of dataset.json's own checksum
ROWS_A_CHUNK = 1 << 16
SHORT_TEXT = 32  # letters


def read_about(path: Path) -> dict[str, Any]:
    """dataset.json, with its layout built."""
    file = _about_file(path)
    about = read_json(file)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{file} does not describe a {FORMAT}")
    if about.get("version") != VERSION:
        raise ValueError(
            f"{file} has format version {quoted(about.get('version'))}, this Kinegraph reads version {VERSION}; "
            "prepare the dataset again with this Kinegraph, or read it with the one that wrote it"
        )
    for key, kind in FIELDS.items():
        if not isinstance(about.get(key), kind):
            raise ValueError(f"{file}: '{key}' is {quoted(about.get(key))}, expected {kind.__name__}")
    if about["dtype"] not in DTYPES or about["channels"] not in (2, 3):
        raise ValueError(
            f"{file}: dtype {quoted(about['dtype'])} and {about['channels']} channels, expected float32 or float16, "
            "2 or 3"
        )
    columns = [*about["splits"], *about["attributes"]]
    extra = [text for text in about["class_names"] + columns if not isinstance(text, str)]
    if extra := extra or [text for text in columns if CONTROL.search(text)]:
        raise ValueError(f"{file} holds as a name {quoted(extra[0])}, expected a line of text")
    _check_crc(file, about.get("crc32", {}))
    stated, expected = about.pop(OWN_SUM, None), sum_of(about)
    about["checksum"] = _identity(about)
    about["class_names"] = [*map(plain_name, about["class_names"])]
    try:
        about["layout"] = JointLayout.from_dict(about["layout"])
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if (none := about.get("none")) is not None and not (type(none) is int and 0 <= none < len(about["class_names"])):
        raise ValueError(f"{file}: 'none' is {quoted(none)}, expected the number of one of its classes")
    if stated not in (None, expected):
        raise ValueError(
            f"{file} is not what was written; prepare the dataset again, or remove '{OWN_SUM}' from it if you edited it"
        )
    return about


def _about_file(path: Path) -> Path:
    """dataset.json of a dataset folder. Raises ValueError where there is none."""
    if path.is_file():
        raise ValueError(f"{path} is a file, no dataset folder; `kinegraph prepare {path} OUT` makes one of it")
    if not path.is_dir():
        raise ValueError(f"no dataset folder {path}; `kinegraph prepare` makes one")
    file = path / "dataset.json"
    if not file.is_file():
        raise ValueError(
            f"{path} is not a dataset folder, there is no dataset.json in it; `kinegraph prepare` makes one"
        )
    return file


def _check_crc(file: Path, sums: object) -> None:
    fits = isinstance(sums, Mapping) and all(
        isinstance(blocks, list) and all(type(block) is int for block in blocks) for blocks in sums.values()
    )
    if not fits:
        raise ValueError(f"{file}: 'crc32' is {quoted(sums)}, expected a list of numbers for each array")


def sum_of(about: Mapping[str, Any]) -> str:
    """The SHA-256 of what dataset.json says, without this sum."""
    content = {key: value for key, value in about.items() if key != OWN_SUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _identity(about: Mapping[str, Any]) -> str:
    """The SHA-256 of all that decides what a network learns from a dataset: its files, classes and joints."""
    content = [about[key] for key in ("sha256", "class_names", "layout", "dtype")]
    content += [about["none"]] if about.get("none") is not None else []
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def open_arrays(path: Path, about: dict[str, Any]) -> dict[str, RowFile]:
    """keypoint.npy and score.npy, which are there and as long as dataset.json says."""
    shape = about["rows"], len(about["layout"].joints), about["channels"]
    shapes = {"keypoint": shape} | ({"score": shape[:2]} if about["score"] else {})
    arrays = {}
    for name, shape in shapes.items():
        file = path / f"{name}.npy"
        start, sums = _check_array(file, shape, about["dtype"]), about.get("crc32", {}).get(file.name)
        arrays[name] = RowFile(file, start, shape, about["dtype"], sums)
    return arrays


def _check_array(file: Path, shape: tuple[int, ...], dtype: str) -> int:
    """Raises ValueError where the file holds another array. Returns the byte at which its rows begin."""
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    with file.open("rb") as content:
        try:
            np.lib.format.read_magic(content)
            found, fortran, found_dtype = np.lib.format.read_array_header_1_0(content)
        except (ValueError, ArithmeticError, SyntaxError, TypeError, RecursionError, TokenError) as error:
            raise ValueError(f"{file} is not readable: {one_line(error)}") from None
        start = content.tell()
    if (found, fortran, found_dtype) != (shape, False, np.dtype(dtype)):
        raise ValueError(f"{file} holds {found_dtype} {found}, dataset.json says {dtype} {shape}")
    size, expected = file.stat().st_size, start + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size != expected:
        raise ValueError(f"{file} has {size:,} bytes, expected {expected:,}: it was cut short or changed")
    return start


def read_clips(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """clips.csv as the fields of a SkeletonDataset, checked: counts, offsets, labels, names, parts of the splits."""
    file = path / "clips.csv"
    cells = _read_cells(file, [*COLUMNS, *about["attributes"], *about["splits"]])
    names = [*map(plain_name, cells["name"].texts())]
    if len(names) != about["clips"]:
        raise ValueError(f"{file} has {len(names)} clips, dataset.json says {about['clips']}; a row was lost or added")

    def whole(column: str, empty: int | None = None) -> Int[np.ndarray, "n"]:
        return _numbers(file, names, column, cells[column], int, empty)

    fields = {
        "names": names,
        "label": whole("label", -1),
        "offset": whole("offset"),
        "people": whole("people"),
        "frames": whole("frames"),
        "fps": _numbers(file, names, "fps", cells["fps"], float, float("nan")),
        "image_size": np.stack([whole("width", 0), whole("height", 0)], axis=1),
        "attributes": {
            key: whole(key) if kind == "int" else cells[key].array() for key, kind in about["attributes"].items()
        },
        "splits": {key: cells[key].array() for key in about["splits"]},
    }
    _check_clips(file, fields, about)
    return fields


@dataclass(frozen=True, eq=False)
class _Cells:
    """A column of a table, cell i being data[begin[i] : end[i]]: they become arrays without a string a cell."""

    data: bytes
    begin: Int[np.ndarray, "n"]
    end: Int[np.ndarray, "n"]

    def texts(self) -> list[str]:
        return [self.data[i:j].decode() for i, j in zip(self.begin.tolist(), self.end.tolist(), strict=True)]

    def array(self) -> np.ndarray:
        """The texts as an array of strings."""
        width = int((self.end - self.begin).max(initial=1))
        if width > SHORT_TEXT or not self.data.isascii():
            return np.array(self.texts(), str)
        place = self.begin[:, None] + np.arange(width)
        letters = np.frombuffer(self.data, np.uint8).take(place, mode="clip") * (place < self.end[:, None])
        return letters.view(f"S{width}")[:, 0].astype(str)

    def whole_numbers(self, empty: int | None) -> Int[np.ndarray, "n"] | None:
        """The cells as numbers, empty ones as `empty`; None if another is not of 1 to 15 digits."""
        byte, length = np.frombuffer(self.data, np.uint8), self.end - self.begin
        if (empty is None and not length.all()) or length.max(initial=0) > 15:
            return None
        numbers = np.zeros(len(length), np.int64)
        for place in range(length.max(initial=0)):
            digit = byte.take(self.end - 1 - place, mode="clip") - np.uint8(ord("0"))
            digit *= length > place
            if (digit > 9).any():
                return None
            numbers += np.multiply(digit, 10**place, dtype=np.int64)  # numpy 1 would multiply bytes
        return numbers if empty is None else np.where(length, numbers, empty)


def _read_cells(file: Path, columns: list[str]) -> dict[str, _Cells]:
    """The columns of a table as they are written."""
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    try:
        data = file.read_bytes()
        text = data.decode()
        header, cells = _split_plain(data) or _split_quoted(text)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{file} is not a readable table: {one_line(error)}") from None
    if missing := [column for column in columns if column not in header]:
        raise ValueError(f"{file} has no column '{missing[0]}'")
    if extra := [column for column, times in Counter(header).items() if column not in columns or times > 1]:
        raise ValueError(f"{file} has a column {quoted(extra[0])} that dataset.json does not list, or has it twice")
    return dict(zip(header, cells, strict=True))


def _split_plain(data: bytes) -> tuple[list[str], list[_Cells]] | None:
    """Header and columns of a table without quotes, many times as fast as csv; None when it is not that plain."""
    if b'"' in data or b"\r" in data:
        return None
    data = data.removesuffix(b"\n") + b"\n"
    header = data[: data.index(b"\n")].decode().split(",")
    byte = np.frombuffer(data, np.uint8)
    end = np.flatnonzero((byte == ord(",")) | (byte == ord("\n")))
    if len(end) % len(header):
        return None
    begin = np.concatenate([[0], end[:-1] + 1])
    begin, end = (places.reshape(-1, len(header)) for places in (begin, end))
    if (byte[end] == ord("\n")).any(0).tolist() != [False] * (len(header) - 1) + [True]:
        return None
    return header, [_Cells(data, begin[1:, column], end[1:, column]) for column in range(len(header))]


def _split_quoted(text: str) -> tuple[list[str], list[_Cells]]:
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    if extra := [row for row in rows if len(row) != len(header)]:
        raise ValueError(
            f"clip {quoted(''.join(extra[0][:1]))} has {len(extra[0])} cells, the header has {len(header)}"
        )
    cells = [cell.encode() for row in rows for cell in row]
    length = np.array([len(cell) for cell in cells], np.int64).reshape(-1, len(header))
    end = length.cumsum().reshape(length.shape)
    data = b"".join(cells)
    return header, [_Cells(data, *places) for places in zip((end - length).T, end.T, strict=True)]


def _numbers(file: Path, names: list[str], column: str, cells: _Cells, kind: type, empty) -> np.ndarray:
    if kind is int and (numbers := cells.whole_numbers(empty)) is not None:
        return numbers
    dtype = np.int64 if kind is int else np.float64
    texts = cells.texts()
    if texts and texts.count(texts[0]) == len(texts):  # often, such as frames a second
        texts = texts[:1]
    try:
        numbers = np.array([empty if text == "" and empty is not None else kind(text) for text in texts], dtype)
        return np.broadcast_to(numbers, len(names)).copy() if len(numbers) == 1 else numbers
    except (ValueError, OverflowError):
        for name, cell in zip(names, texts, strict=False):
            try:
                dtype(cell or empty)
            except (ValueError, TypeError, OverflowError):
                raise ValueError(
                    f"{file}: clip {quoted(name)} has {column} {quoted(cell)}, expected a number"
                ) from None
        raise


def _check_clips(file: Path, fields: dict[str, Any], about: dict[str, Any]) -> None:
    names, people, frames, label, offset = (fields[key] for key in ("names", "people", "frames", "label", "offset"))

    def first(wrong: np.ndarray) -> int | None:
        return int(np.argmax(wrong)) if wrong.any() else None

    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"{file}: two clips are named {quoted(twice)}")
    if (i := first((people < 1) | (frames < 1))) is not None:
        raise ValueError(
            f"{file}: clip '{names[i]}' has {people[i]} people and {frames[i]} frames, expected at least 1"
        )
    ends = np.cumsum(people * frames)
    if (i := first(offset != np.concatenate([[0], ends])[:-1])) is not None:
        raise ValueError(
            f"{file}: clip '{names[i]}' starts at row {offset[i]}, the clip before it ends at {ends[i - 1] if i else 0}"
        )
    if (end := int(ends[-1]) if len(ends) else 0) != about["rows"]:
        raise ValueError(f"{file}: the clips have {end} rows together, dataset.json says {about['rows']}")
    classes = len(about["class_names"])
    if (i := first((label < -1) | (label >= classes))) is not None:
        raise ValueError(
            f"{file}: clip '{names[i]}' has label {label[i]}, the {classes} classes are 0 to {classes - 1}"
        )
    fps = fields["fps"]
    if (i := first((fps <= 0) | np.isinf(fps))) is not None:
        raise ValueError(f"{file}: clip '{names[i]}' has fps {fps[i]}, expected frames a second above 0")
    for split, parts in about["splits"].items():
        found = fields["splits"][split]
        if (i := first(~np.isin(found, list(parts)))) is not None:
            raise ValueError(
                f"{file}: clip '{names[i]}' is in part '{found[i]}' of split '{split}', expected {' or '.join(parts)}"
            )


def check_finite(rows: RowFile, names: list[str], offset: Int[np.ndarray, "n"]) -> None:
    """Raise ValueError naming the first clip whose values are not all finite. Reads a chunk at a time."""
    for start in range(0, rows.shape[0], ROWS_A_CHUNK):
        finite = np.isfinite(rows.read(start, min(start + ROWS_A_CHUNK, rows.shape[0])))
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0, 0])
            clip = int(np.searchsorted(offset, row, side="right")) - 1
            raise ValueError(f"{rows.path}: clip '{names[clip]}' holds values that are not finite (row {row})")


def check_sums(path: Path, about: dict[str, Any], names: Sequence[str] | None = None) -> None:
    """Raise ValueError naming a file that is not the one that was written. names: by default of all files."""
    for name, expected in about["sha256"].items():
        if (names is None or name in names) and sha256_of(path / name) != expected:
            raise ValueError(f"{path / name} was changed after it was written (its sha256 is not that in dataset.json)")


# ---- segments.csv: what is done from when to when in each long recording ---------------------------------------------


def read_segments(
    path: Path, about: Mapping[str, Any], names: Sequence[str], frames: Int[np.ndarray, "clips"]
) -> tuple[tuple[Segment, ...], ...] | None:
    """The segments of each clip; None where the clips are not long recordings.

    about: dataset.json. Raises ValueError naming the file and the line that is wrong, or a file that was changed.
    """
    file = path / SEGMENTS
    if SEGMENTS not in about["sha256"]:
        return None
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    place = {name: i for i, name in enumerate(names)}
    number = {name: i for i, name in enumerate(about["class_names"])}
    found: list[list[Segment]] = [[] for _ in names]
    try:
        with file.open(newline="", encoding="utf-8") as table:
            rows = csv.reader(table, strict=True)
            if (header := next(rows, [])) != list(SEGMENT_COLUMNS):
                raise ValueError(f"has the columns {one_line(', '.join(header))}, expected {','.join(SEGMENT_COLUMNS)}")
            for row in rows:
                recording, segment = _segment(row, number, rows.line_num)
                if (index := place.get(recording)) is None or segment.end > int(frames[index]):
                    raise ValueError(f"line {rows.line_num}: no recording {quoted(recording)} of {segment.end} frames")
                found[index].append(segment)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{file} {one_line(error)}") from None
    check_sums(path, dict(about), [SEGMENTS])
    return tuple(map(tuple, found))


def _segment(row: Sequence[str], number: Mapping[str, int], line: int) -> tuple[str, Segment]:
    if len(row) != len(SEGMENT_COLUMNS):
        raise ValueError(f"line {line} has {len(row)} cells, expected {len(SEGMENT_COLUMNS)}")
    recording, start, end, label, person = row
    if not (start.isdecimal() and end.isdecimal() and len(start + end) < 30 and int(start) < int(end)):
        raise ValueError(f"line {line} is from frame {quoted(start)} to {quoted(end)}, expected two numbers, rising")
    if plain_name(label) not in number:
        raise ValueError(f"line {line} has label {quoted(label)}, which is no class of the dataset")
    return plain_name(recording), Segment(int(start), int(end), number[plain_name(label)], plain_name(person))
