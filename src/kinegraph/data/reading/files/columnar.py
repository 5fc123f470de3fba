"""Tables in columns, Parquet, Arrow and Feather, as rows of text or as records; needs pyarrow, the extra `parquet`.

    frame, nose_x, nose_y, ...              a number or text in each cell: a table as any other
    frame, x, y, score                      lists of the joints of a row: columns x_0, x_1 ...
    video, frame, keypoints, label          nested lists: records as JSON has them, for the readers of JSON

Arrow's files are those of `ipc.new_file` (Feather) and of `ipc.new_stream`, as Hugging Face's `save_to_disk` writes
them; its names of classes (ClassLabel) stand in place of their numbers.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import chain, islice
from math import inf
from pathlib import Path
from typing import Any

from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import one_line
from kinegraph.safe_packed import UNPACKED_A_BYTE, UNPACKED_ALWAYS

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ftr")
COLUMNAR = (*PARQUET, *ARROW)
ROWS_AT_A_TIME = 1024
INDEX = "__index_level_0__"  # as pandas names rows without a name
OF_LEVELS = re.compile(r"\((?:.*, )?'([^']*)', '([^']*)'\)")  # as pandas names columns of two levels
AXES = ("x", "y", "z", "score", "scores", "confidence", "visibility")
BROKEN = (ValueError, OSError, ArithmeticError, NotImplementedError, LookupError, TypeError)


def columnar_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header and the rows as text, with their numbers. Raises ValueError naming the file."""
    with _opened(path) as (names, rows):
        first = list(islice(rows, 1))
        wide = {i: len(cell) for i, cell in enumerate(first[0]) if _is_axis(names[i], cell)} if first else {}
        spread = [
            [f"{name}_{number}" for number in range(wide[i])] if i in wide else [name] for i, name in enumerate(names)
        ]
        yield 1, [*chain.from_iterable(spread)]
        for line, row in enumerate(chain(first, rows), 2):
            cells = ((cell or [None] * wide[i]) if i in wide else [cell] for i, cell in enumerate(row))
            yield line, ["" if cell is None else str(cell) for cell in chain.from_iterable(cells)]


def columnar_records(path: Path) -> list[dict[str, Any]]:
    """The rows as objects, all in memory. Raises ValueError naming the file."""
    with _opened(path, UNPACKED_ALWAYS + UNPACKED_A_BYTE * path.stat().st_size) as (names, rows):
        return [dict(zip(names, row, strict=True)) for row in rows]


def first_record(path: Path) -> dict[str, Any]:
    """The first row as an object; {} where the file has none, or cannot be read."""
    with suppress(ValueError), _opened(path) as (names, rows):
        return dict(zip(names, next(rows, ()), strict=False))
    return {}


@contextmanager
def _opened(path: Path, most: float = inf) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
    """The names of columns and the rows, while the file is open. most: bytes that the rows may have in memory."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise FormatError("missing", f'{path} needs pyarrow: pip install "kinegraph[parquet]"') from None
    kind = "Parquet" if path.suffix.lower() in PARQUET else "Arrow"
    try:
        with path.open("rb") as file:
            schema, batches = (_of_parquet if kind == "Parquet" else _of_arrow)(file)
            yield list(_columns(schema.names)), _rows(path, batches, list(_class_names(schema)), most)
    except FormatError:
        raise
    except BROKEN as error:
        raise ValueError(f"{path} is not a readable {kind} file: {one_line(error)[:200]}") from None


def _rows(path: Path, batches: Iterable[Any], classes: Sequence[Sequence[str]], most: float) -> Iterator[Sequence[Any]]:
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > most:
            raise FormatError("too_large", f"{path} would unpack to more than {most:,} bytes; part it")
        columns = [column.to_pylist() for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield [_class(cell, names) for cell, names in zip(row, classes, strict=True)]


def _of_parquet(file: Any) -> tuple[Any, Iterator[Any]]:
    table = import_module("pyarrow.parquet").ParquetFile(file)
    return table.schema_arrow, table.iter_batches(batch_size=ROWS_AT_A_TIME)


def _of_arrow(file: Any) -> tuple[Any, Iterator[Any]]:
    """The schema and the batches of a file of Arrow, with or without a table of its batches at the end."""
    ipc: Any = import_module("pyarrow.ipc")
    if file.read(6) == b"ARROW1":
        reader = ipc.open_file(file)
        return reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches))
    file.seek(0)
    reader = ipc.open_stream(file)
    return reader.schema, iter(reader)


def _columns(names: Iterable[str]) -> Iterator[str]:
    names = list(names)
    for name in names:
        if found := OF_LEVELS.fullmatch(name):
            yield "_".join(filter(None, found.groups()))
        else:
            yield name if name != INDEX else "" if "frame" in names else "frame"


def _is_axis(name: str, cell: Any) -> bool:
    """Whether a cell has the numbers of all joints on an axis."""
    return name.lower() in AXES and isinstance(cell, list) and not any(isinstance(entry, list | dict) for entry in cell)


def _class_names(schema: Any) -> Iterator[Sequence[str]]:
    """The names of classes of each column, as Hugging Face's datasets say them; none of a column of other values."""
    features: Any = {}
    with suppress(ValueError, TypeError, LookupError):
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    for name in schema.names:
        said = features.get(name) if isinstance(features, dict) else None
        names = said.get("names") if isinstance(said, dict) and said.get("_type") == "ClassLabel" else None
        yield names if isinstance(names, list) else ()


def _class(cell: Any, names: Sequence[str]) -> Any:
    return names[cell] if names and isinstance(cell, int) and 0 <= cell < len(names) else cell
