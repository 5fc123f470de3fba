"""Tables as JSON, as pandas' `to_json` and scripts write them: rows of cells, as `csv_rows` gives them.

    [{"frame": 0, "nose_x": 1.5, ...}, ...]                one record per row; also one on each line (.jsonl)
    {"frame": [0, 1], "nose_x": [1.5, 1.6], ...}           a list per column; also {"nose_x": {"0": 1.5, "1": 1.6}, ...}
    {"columns": ["frame", "nose_x"], "data": [[0, 1.5]]}   rows beside the names of their columns
    {"0": {"frame": 0, "nose_x": 1.5}, ...}                by row numbers; {"schema": ..., "data": [records]}

Source: pandas, `DataFrame.to_json`, orient.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.files.columnar import COLUMNAR, columnar_records
from kinegraph.data.reading.files.columnar import first_record as first_of_columnar
from kinegraph.data.reading.files.text import encoding_of
from kinegraph.files import check_is_file
from kinegraph.messages import quoted
from kinegraph.safe_io import parsed_json, read_json

LINES = (".jsonl", ".ndjson")  # the ends of JSON lines
ENDINGS = (".json", *LINES)
TEXTS = (".csv", ".tsv")
HEAD = 1 << 16
LONGEST = 1 << 26  # letters of a cell
LIST = re.compile(r"\s*\[")
LIST_IN_ROW = re.compile(
    rb"[,;\t\n]\s*\"?(\s*\[\s*){1,4}(-?\d|NaN|nan|null|None)|\n[^\n]*[,;\t]\"?(-?[\d.]+(e-?\d+)? +){9}"
)
NUMBERS = re.compile(r"\s*(-?[\d.]+(e-?\d+)?\s+){9,}-?[\d.]+(e-?\d+)?\s*", re.IGNORECASE)  # joints of a frame
CUT = "..."
WITHOUT_DECIMALS = re.compile(r"(?<=\d)\.(?!\d)")  # 3. as numpy prints it
BETWEEN = re.compile(r"(?<=[\dn\]])\s+(?=[-\dn\[])")  # numbers, nan and rows without commas
NOT_SEEN = re.compile(r"\b(nan|None)\b")
COLUMNS = re.compile(rb'\s*\{\s*"[^"]{1,80}"\s*:\s*(\[\s*(-?\d|null|NaN|")|\{\s*"0"\s*:|\{\s*"fields"\s*:)')
OF_ROWS = re.compile(rb'\s*\{\s*"0"\s*:\s*\{')
MOST_COLUMNS = 10_000


def lists_records(file: Path, head: bytes) -> bool:
    """Whether a file begins as a list does, or holds an object on each line. head: the start of the file."""
    lines = [line.strip() for line in head.lstrip().split(b"\n", 2)[:2]]
    each = all(line.startswith(b"{") for line in lines) and lines[0].rstrip(b",").endswith(b"}")
    return head.lstrip().startswith(b"[") or (each and (len(lines) == 2 or file.suffix.lower() in LINES))


def read_records(file: Path) -> object:
    """The value in a JSON file; of JSON lines the list of their values, of Parquet and Arrow that of their rows.

    Raises ValueError naming file and line.
    """
    if file.suffix.lower() in COLUMNAR:
        return columnar_records(file)
    if file.suffix.lower() in TEXTS:
        return list(csv_records(file))
    if file.suffix.lower() not in LINES:
        with file.open("rb") as content:
            if not lists_records(file, head := content.read(1 << 16)) or head.lstrip().startswith(b"["):
                return read_json(file)
    check_is_file(file)
    with file.open("rb") as content:
        lines = [(number, line.strip().rstrip(b",")) for number, line in enumerate(content, 1)]
    return [parsed_json(line, f"{file} line {number}") for number, line in lines if line]


def csv_records(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table as objects, with the lists that some cells hold. Raises ValueError naming file and line."""
    csv.field_size_limit(LONGEST)
    with file.open(newline="", encoding=encoding_of(file)) as text:
        first = text.readline()
        text.seek(0)
        rows = csv.reader(text, delimiter=max(",;\t", key=first.count))
        header = [cell.strip() for cell in next(rows, [])]
        for row in rows:
            if row:
                yield {name: _value(cell, file, rows.line_num) for name, cell in zip(header, row, strict=False)}


def _value(cell: str, file: Path, line: int) -> Any:
    if LIST.match(cell):
        if CUT in cell:
            raise ValueError(f"{file} line {line}: numpy left numbers out of a cell (...); save tolist() of each array")
        cell = BETWEEN.sub(", ", WITHOUT_DECIMALS.sub(".0", cell))
        return parsed_json(NOT_SEEN.sub("null", cell).encode(), f"{file} line {line}")
    if NUMBERS.fullmatch(cell):
        return [float(number) for number in cell.split()]
    with suppress(ValueError):
        return int(cell)
    return cell


def first_record(file: Path) -> dict[str, Any]:
    """The first row of a table as an object with the lists in its cells; {} where it cannot be read."""
    if file.suffix.lower() in COLUMNAR:
        return first_of_columnar(file)
    with file.open("rb") as content:
        if not LIST_IN_ROW.search(content.read(HEAD)):
            return {}
    with suppress(ValueError, csv.Error, UnicodeError):
        return next(csv_records(file), {})
    return {}


def json_header(path: Path) -> list[str]:
    """The columns of a table in a JSON; [] for another file. One that does not begin as a table is not read whole."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    record = _first_record(head)
    if record is not None:
        return list(record) if all(map(_is_cell, record.values())) else []
    if COLUMNS.match(head) or OF_ROWS.match(head):
        with suppress(ValueError):
            return next(json_rows(path))[1]
    return []


def json_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows, with their numbers. Raises ValueError for a JSON that is no table."""
    table = _records(read_records(path))
    if not table:
        raise ValueError(f'{path} is no table: expected records such as [{{"frame": 0, "nose_x": 1.5}}]')
    header = list(dict.fromkeys(chain.from_iterable(table)))
    if len(header) > MOST_COLUMNS:
        raise ValueError(f"{path} has {len(header):,} columns, expected at most {MOST_COLUMNS:,}")
    yield 1, header
    for number, record in enumerate(table, 2):
        if wrong := next((key for key, value in record.items() if not _is_cell(value)), None):
            raise ValueError(f"{path} row {number - 1}: {wrong} is {quoted(record[wrong])}, expected a number or text")
        yield number, [_cell(record.get(name)) for name in header]


def _first_record(head: bytes) -> Mapping[str, Any] | None:
    """The first object of a list of objects, or of one on each line; None for another file, and a longer object."""
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    start = text.removeprefix("[").lstrip()
    if not start.startswith("{"):
        return None
    with suppress(ValueError, RecursionError):
        found, end = json.JSONDecoder().raw_decode(start)
        rest = start[end:].lstrip()
        lines = text.startswith("[") or rest.removeprefix(",").lstrip().startswith("{")
        return found if lines and isinstance(found, Mapping) else None
    return None


def _records(content: Any) -> Sequence[Mapping[str, Any]]:
    """The rows of a table in any of its forms; [] for another value."""
    if isinstance(content, list):
        return content if all(isinstance(entry, Mapping) for entry in content) else []
    if not isinstance(content, Mapping) or not content:
        return []
    columns, data = content.get("columns"), content.get("data")
    if isinstance(columns, list) and isinstance(data, list):
        fits = all(isinstance(row, list) and len(row) == len(columns) for row in data)
        return [dict(zip(map(_name, columns), row, strict=True)) for row in data] if fits else []
    if "schema" in content and isinstance(data, list):
        return _records(data)
    values = list(content.values())
    if all(isinstance(value, Mapping) for value in values):
        by_row = all(str(key).isdecimal() for key in content)
        rows = values if by_row else [{name: value.get(row) for name, value in content.items()} for row in values[0]]
        return rows
    if all(isinstance(value, list) for value in values) and len({*map(len, values)}) == 1:
        return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]
    return []


def _name(column: object) -> str:
    """The name of a column; those of two levels are joined."""
    return "_".join(map(str, column)) if isinstance(column, list) else str(column)


def _is_cell(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _cell(value: object) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


# ---- nested lists as arrays, with null for what is not there and any number of people a frame ------------------------


def array_of(lists: object, axes: int) -> Float[np.ndarray, "..."]:
    """The numbers of a nested list, NaN for what is null. Frames with fewer people than others are filled up.

    axes: as many as there are at most. Raises ValueError or TypeError for what is no nested list of numbers.
    """
    try:
        return np.array(lists, dtype=np.float64)
    except (ValueError, TypeError):  # null in place of a list, or frames with other numbers of people
        if uneven(lists, axes):
            lists = _even(lists)
        return np.array(_without_null(lists, sizes_of(lists, axes)), dtype=np.float64)


def uneven(lists: object, axes: int) -> bool:
    """Whether these are the people of each frame, in different numbers."""
    if not isinstance(lists, list) or not all(frame is None or isinstance(frame, list) for frame in lists):
        return False
    counts = {len(frame) for frame in lists if frame is not None}
    return len(counts) > 1 and max(counts) <= len(lists) and depth_of(lists, axes) == axes


def _even(lists: list[list | None]) -> list[list]:
    most = max(len(frame) for frame in lists if frame is not None)
    return [[*(frame or ()), *[None] * (most - len(frame or ()))] for frame in lists]


def depth_of(lists: object, axes: int) -> int:
    """How many lists lie in each other, on the way along the first that is not empty."""
    if axes == 0 or not isinstance(lists, list):
        return 0
    return 1 + depth_of(next((inner for inner in lists if inner not in (None, [])), None), axes - 1)


def sizes_of(lists: object, axes: int) -> tuple[int, ...]:
    """The lengths of a nested list, of a list in it, and so on, along one that has all of them."""
    if axes == 0 or not isinstance(lists, list):
        return ()
    return len(lists), *_longest(sizes_of(inner, axes - 1) for inner in lists if inner is not None)


def _longest(sizes: Iterator[tuple[int, ...]]) -> tuple[int, ...]:
    return max(sizes, key=len, default=())


def _without_null(lists: object, sizes: tuple[int, ...]) -> object:
    """The nested list with lists of NaN in place of null: nobody in a frame, or a joint that was not seen."""
    if lists is None and sizes:
        return np.full(sizes, np.nan).tolist()
    if len(sizes) < 2 or not isinstance(lists, list):
        return lists
    return [_without_null(inner, sizes[1:]) for inner in lists]
