"""The reading of a dataset folder's files, each checked against dataset.json; what is wrong is named with its clip."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from kinegraph.data.store_write import COLUMNS, DTYPES, FORMAT, VERSION, sha256
from kinegraph.skeleton.layout import JointLayout

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
ROWS_A_CHUNK = 1 << 16


def read_about(path: Path) -> dict:
    """dataset.json, with its layout built."""
    if not path.is_dir():
        raise ValueError(f"no dataset folder {path}; `kinegraph prepare` makes one")
    file = path / "dataset.json"
    if not file.is_file():
        raise ValueError(
            f"{path} is not a dataset folder, there is no dataset.json in it; `kinegraph prepare` makes one"
        )
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not readable JSON: {error}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"{file} does not describe a {FORMAT}")
    if about.get("version") != VERSION:
        raise ValueError(
            f"{file} has format version {about.get('version')}, this Kinegraph reads version {VERSION}; "
            "prepare the dataset again with this Kinegraph, or read it with the one that wrote it"
        )
    for key, kind in FIELDS.items():
        if not isinstance(about.get(key), kind):
            raise ValueError(f"{file}: '{key}' is {about.get(key)!r}, expected {kind.__name__}")
    if about["dtype"] not in DTYPES or about["channels"] not in (2, 3):
        raise ValueError(
            f"{file}: dtype {about['dtype']} and {about['channels']} channels, expected float32 or float16, 2 or 3"
        )
    try:
        about["layout"] = JointLayout.from_dict(about["layout"])
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    return about


def check_arrays(path: Path, about: dict) -> None:
    """keypoint.npy and score.npy are there and as long as dataset.json says."""
    shape = about["rows"], len(about["layout"].joints), about["channels"]
    _check_array(path / "keypoint.npy", shape, about["dtype"])
    if about["score"]:
        _check_array(path / "score.npy", shape[:2], about["dtype"])


def _check_array(file: Path, shape: tuple[int, ...], dtype: str) -> None:
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    with file.open("rb") as content:
        try:
            np.lib.format.read_magic(content)
            found, fortran, found_dtype = np.lib.format.read_array_header_1_0(content)
        except ValueError as error:
            raise ValueError(f"{file} is not readable: {error}") from None
        start = content.tell()
    if (found, fortran, found_dtype) != (shape, False, np.dtype(dtype)):
        raise ValueError(f"{file} holds {found_dtype} {found}, dataset.json says {dtype} {shape}")
    size, expected = file.stat().st_size, start + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size != expected:
        raise ValueError(f"{file} has {size:,} bytes, expected {expected:,}: it was cut short or changed")


def read_clips(path: Path, about: dict) -> dict:
    """clips.csv as the fields of a SkeletonDataset, checked: counts, offsets, labels, names, parts of the splits."""
    file = path / "clips.csv"
    cells = _read_cells(file, [*COLUMNS, *about["attributes"], *about["splits"]])
    names = list(cells["name"])
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
            key: whole(key) if kind == "int" else np.array(cells[key]) for key, kind in about["attributes"].items()
        },
        "splits": {key: np.array(cells[key]) for key in about["splits"]},
    }
    _check_clips(file, fields, about)
    return fields


def _read_cells(file: Path, columns: list[str]) -> dict[str, Sequence[str]]:
    """The columns of a table as they are written."""
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    try:
        with file.open(newline="", encoding="utf-8") as content:
            text = content.read()
        header, cells = _split_plain(text) or _split_quoted(text)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{file} is not a readable table: {error}") from None
    if missing := [column for column in columns if column not in header]:
        raise ValueError(f"{file} has no column '{missing[0]}'")
    if odd := [column for column, times in Counter(header).items() if column not in columns or times > 1]:
        raise ValueError(f"{file} has a column '{odd[0]}' that dataset.json does not list, or has it twice")
    return dict(zip(header, cells, strict=True))


def _split_plain(text: str) -> tuple[list[str], list[list[str]]] | None:
    """Header and columns of a table without quotes, four times as fast as csv; None when it is not that plain."""
    lines = text.removesuffix("\n").split("\n")
    if '"' in text or "\r" in text or len({line.count(",") for line in lines}) > 1:
        return None
    header = lines[0].split(",")
    cells = ",".join(lines[1:]).split(",") if len(lines) > 1 else []
    return header, [cells[column :: len(header)] for column in range(len(header))]


def _split_quoted(text: str) -> tuple[list[str], list[tuple[str, ...]]]:
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    if odd := [row for row in rows if len(row) != len(header)]:
        raise ValueError(f"clip '{''.join(odd[0][:1])}' has {len(odd[0])} cells, the header has {len(header)}")
    return header, list(zip(*rows, strict=True)) if rows else [()] * len(header)


def _numbers(file: Path, names: list[str], column: str, cells: Sequence[str], kind: type, empty) -> np.ndarray:
    dtype = np.int64 if kind is int else np.float64
    try:
        if "" in cells and empty is not None:
            return np.array([kind(cell) if cell else empty for cell in cells], dtype)
        return np.fromiter(map(kind, cells), dtype, len(cells))
    except (ValueError, OverflowError):
        for name, cell in zip(names, cells, strict=True):
            try:
                dtype(cell or empty)
            except (ValueError, TypeError, OverflowError):
                raise ValueError(f"{file}: clip '{name}' has {column} '{cell}', expected a number") from None
        raise


def _check_clips(file: Path, fields: dict, about: dict) -> None:
    names, people, frames, label, offset = (fields[key] for key in ("names", "people", "frames", "label", "offset"))

    def first(wrong: np.ndarray) -> int | None:
        return int(np.argmax(wrong)) if wrong.any() else None

    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"{file}: two clips are named '{twice}'")
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
    for split, parts in about["splits"].items():
        found = fields["splits"][split]
        if (i := first(~np.isin(found, list(parts)))) is not None:
            raise ValueError(
                f"{file}: clip '{names[i]}' is in part '{found[i]}' of split '{split}', expected {' or '.join(parts)}"
            )


def check_finite(path: Path, keypoint: np.ndarray, names: list[str], offset: Int[np.ndarray, "n"]) -> None:
    """Raise ValueError naming the first clip whose values (rows, ...) are not all finite. Reads a chunk at a time."""
    for start in range(0, len(keypoint), ROWS_A_CHUNK):
        finite = np.isfinite(keypoint[start : start + ROWS_A_CHUNK])
        if not finite.all():
            row = start + int(np.argwhere(~finite)[0, 0])
            clip = int(np.searchsorted(offset, row, side="right")) - 1
            raise ValueError(f"{path}: clip '{names[clip]}' holds values that are not finite (row {row})")


def check_sums(path: Path, about: dict) -> None:
    """Raise ValueError naming a file that is not the one that was written."""
    for name, expected in about["sha256"].items():
        if sha256(path / name) != expected:
            raise ValueError(f"{path / name} was changed after it was written (its sha256 is not that in dataset.json)")
