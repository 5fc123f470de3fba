"""The rows of tables as text: CSV as people write it, Parquet (`columnar`), Excel, JSON (`json_rows`), ARFF of Weka.

Commas, semicolons or tabs separate; decimals have a point or a comma, thousands the other one where some have both. A
header of two or three rows, as pandas writes columns of levels, becomes one: (people,) joints, and x, y and score
below. The cells of a joint may be merged (empty but the first).
A cell with three numbers, "(0.1, 1.2, 3)" or "0.1 1.2 3", is x, y and z of its column, "(0.1, 1.2)" x and y.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import TextIO

from kinegraph.data.reading.files.arff import ARFF, arff_rows
from kinegraph.data.reading.files.columnar import COLUMNAR, columnar_rows
from kinegraph.data.reading.files.excel import EXCEL, excel_rows
from kinegraph.data.reading.files.json_rows import ENDINGS as JSON
from kinegraph.data.reading.files.json_rows import json_rows
from kinegraph.data.reading.files.text import encoding_of, other_encoding
from kinegraph.messages import quoted

NO_TEXT = (*COLUMNAR, *EXCEL, *ARFF)  # lines of these are no rows
BY_VALUES = (*NO_TEXT, *JSON)
AXES = {"x", "y", "z", "score", "scores", "conf", "confidence", "likelihood", "visibility", "presence"}
SEPARATORS = ",;\t|"
CELLS = re.compile(r"[,;\t|]")
FLOAT = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*nan\s*|", re.IGNORECASE)
UNIT = re.compile(
    r"|[\[(]?(px|pixels?|meters?|metres?|seconds?|frames?|[a-zµ°]{1,3}[²2³]?(/[a-z]{1,3}[²2]?)?|%|#|-)[\])]?",
    re.IGNORECASE,
)
SAID = re.compile(
    r"(?P<name>[A-Za-z][\w \-]{1,40}?(\s*[(\[][\w/]{1,12}[)\]])?)\s*[:=,;\t]\s*(?P<value>[^,;\t]{1,80}?)[,;\t\s]*"
)
SEPARATOR = "sep="  # a first line for Excel that names the separator
MOST_ABOVE, MOST_CELLS = 50, 2  # lines above a table, and cells of one that is no comment
LOOKED_AT = 100  # rows that show whether decimals have a comma
DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+(?:[eE][-+]?\d+)?\s*")
THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*")
OF_THOUSANDS = tuple(  # a number with thousands and decimals, one with thousands, and what stands between these
    (re.compile(rf"\s*[-+]?{whole}{point}\d+\s*"), re.compile(rf"\s*[-+]?{whole}({point}\d+)?\s*"), between)
    for whole, point, between in ((r"\d{1,3}(,\d{3})+", r"\.", ","), (r"\d{1,3}(\.\d{3})+", ",", "."))
)
FEWEST = 4  # columns
SMALL = 1 << 18  # bytes of a table that is kept in memory
BETWEEN = re.compile(r"[,;\s]+")
IN_A_CELL = {  # the axes of a cell with several numbers; two of them stand in brackets
    "xyz": re.compile(rf"\s*[(\[]?\s*{FLOAT}(?:[,;\s]\s*{FLOAT}){{2}}\s*[)\]]?\s*"),
    "xy": re.compile(rf"\s*[(\[]\s*{FLOAT}[,;\s]\s*{FLOAT}\s*[)\]]\s*"),
}
OF_DEEPLABCUT = ["bodyparts"]  # how the second row of its files begins

Row = tuple[int, list[str]]


def csv_lines(path: Path) -> Iterator[Row]:
    """The rows of a table with their line numbers, the header first, in one row. Raises ValueError naming the line."""
    about = path.stat()
    if about.st_size > SMALL:
        yield from _lines(path)
        return
    rows, error = _small_table(path, about.st_size, about.st_mtime_ns)
    for line, row in rows:
        yield line, [*row]
    if error is not None:
        raise error


@lru_cache(maxsize=2)
def _small_table(path: Path, size: int, changed: int) -> tuple[list[Row], Exception | None]:
    """The rows of a table, and what ended them. Each is asked for many times, one table after another."""
    rows: list[Row] = []
    try:
        rows.extend(_lines(path))
    except (ValueError, OSError) as error:
        return rows, error
    return rows, None


def _lines(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix in EXCEL:
        rows = excel_rows(path)
    elif suffix in JSON:
        rows = json_rows(path)
    elif suffix in ARFF:
        rows = arff_rows(path)
    else:
        rows = columnar_rows(path) if suffix in COLUMNAR else _with_points(path, text_rows(path))
    header, rows = joined_header(rows)
    if wrong := [column for column in header if not column.isprintable()]:
        raise ValueError(f"{path} has the column {quoted(wrong[0])}; is it a table with commas?")
    if (twice := next((name for i, name in enumerate(header) if name in header[:i]), None)) is not None:
        raise ValueError(f"{path} has the column {quoted(twice)} twice")
    yield from _with_axes(header, _without_units(rows))


def _with_axes(header: list[str], rows: Iterator[Row]) -> Iterator[Row]:
    """The header and the rows, with a column for each axis in place of those whose cells have two or three numbers."""
    first = next(rows, None)
    rows, cells = chain([] if first is None else [first], rows), [] if first is None else first[1]
    for axes, pattern in IN_A_CELL.items():
        places = [place for place, cell in enumerate(cells) if pattern.fullmatch(cell)]
        if len(places) >= FEWEST and len(cells) == len(header):
            yield from _parted(header, rows, {*places}, axes)
            return
    yield 1, header
    yield from rows


def _parted(header: list[str], rows: Iterator[Row], places: Set[int], axes: str) -> Iterator[Row]:
    """The header and the rows with one column per axis in these places; the axes of an empty cell are empty."""
    named = [[f"{name}_{axis}" for axis in axes] if place in places else [name] for place, name in enumerate(header)]
    yield 1, [*chain.from_iterable(named)]
    for line, row in rows:
        cells: list[str] = []
        for place, cell in enumerate(row):
            parts = [part for part in BETWEEN.split(cell.strip(" ()[]")) if part] if place in places else [cell]
            fits = place not in places or len(parts) in (0, len(axes))
            cells += (parts or [""] * len(axes)) if fits else [cell] * len(axes)
        yield line, cells if len(row) == len(header) else row


def _without_units(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows without a first one that names the units of the columns."""
    first = next(rows, None)
    cells = [] if first is None else [cell.strip() for cell in first[1]]
    if first is not None and not (any(cells) and all(map(UNIT.fullmatch, cells))):
        yield first
    yield from rows


def separator_of(path: Path) -> str:
    """What separates the cells of a table, by its first line."""
    with path.open(newline="", encoding=encoding_of(path), errors="replace") as file:
        skipped, lines = _without_comments(file)
        return max(SEPARATORS, key=(next(lines, "") if skipped else file.readline(1 << 16)).count)


def text_rows(path: Path) -> Iterator[Row]:
    """The rows as they are, with their line numbers. Raises ValueError naming the line."""
    with path.open(newline="", encoding=encoding_of(path)) as file:
        skipped, lines = _without_comments(file)
        reader = csv.reader(lines, delimiter=separator_of(path))
        try:
            for row in reader:
                if row:
                    yield skipped + reader.line_num, row
        except csv.Error as error:
            raise ValueError(f"{path} line {skipped + reader.line_num} is not readable: {error}") from None
        except UnicodeError:
            raise ValueError(f"{path} {other_encoding(path)}") from None


def said_in_comments(path: Path) -> dict[str, str]:
    """What comments or lines above a table say, such as "# fps: 25", "FPS,30" or "# label = walk": name -> value."""
    if path.suffix.lower() in BY_VALUES:
        return {}
    with path.open(newline="", encoding=encoding_of(path), errors="replace") as file:
        count = _without_comments(file)[0]
        file.seek(0)
        comments = [line.lstrip("# ").strip() for line in islice(file, count)]
    found = (SAID.fullmatch(comment) for comment in comments)
    return {fact["name"].strip(): fact["value"].strip() for fact in found if fact}


def _without_comments(file: TextIO) -> tuple[int, Iterator[str]]:
    """How many lines are above a table as comments (#) or as a title and the like, and the lines of the table.

    The last comment is the header where as many numbers follow it: numpy's savetxt writes it so.
    """
    above: list[str] = []
    with suppress(UnicodeError):  # said where rows are read
        if file.readline().lower().startswith(SEPARATOR):
            return 1, file
    file.seek(0)
    with suppress(UnicodeError):
        above = [*takewhile(_is_above, islice(file, MOST_ABOVE))]
    file.seek(0)
    if not above or len(above) == MOST_ABOVE:
        return 0, file
    for _ in above:
        file.readline()
    line, comment = file.readline(), above[-1].lstrip("# ")
    cells = CELLS.split(line.strip())
    commented = [line for line in above if line.startswith("#")]
    if not commented and len([cell for cell in cells if cell.strip()]) < FEWEST:  # a table of few columns
        file.seek(0)
        return 0, file
    if not line:
        return len(above), iter(())
    named = above[-1].startswith("#") and len(CELLS.split(comment.strip())) == len(cells)
    if named and all(map(NUMBER.fullmatch, cells)):
        return len(above) - 1, chain([comment, line], file)
    return len(above), chain([line], file)


def _is_above(line: str) -> bool:
    """Whether a line above a table is no row of it: a comment, or one or two cells, as of a title or "FPS;50"."""
    return line.startswith("#") or len([cell for cell in CELLS.split(line) if cell.strip()]) <= MOST_CELLS


# ---- decimals --------------------------------------------------------------------------------------------------------


def _with_points(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with a point in decimals, and nothing between thousands."""
    first = list(islice(rows, LOOKED_AT))
    if not any("," in "".join(row) for _, row in first):
        yield from first
        yield from rows
        return
    for form, of_thousands, between in OF_THOUSANDS:  # 1,036.81 or 1.036,81 say what their other cells mean
        if any(form.fullmatch(cell) for _, row in first for cell in row):
            rows, first = _without(chain(first, rows), of_thousands, between), []
            first = list(islice(rows, LOOKED_AT))
    if not decimal_commas(path, first):
        yield from first
        yield from rows
        return
    for line, row in chain(first, rows):
        yield line, [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell for cell in row]


def _without(rows: Iterable[Row], thousands: re.Pattern[str], between: str) -> Iterator[Row]:
    """The rows without what stands between thousands."""
    for line, row in rows:
        yield line, [cell.replace(between, "") if thousands.fullmatch(cell) else cell for cell in row]


def decimal_commas(path: Path, rows: Iterable[Row]) -> bool:
    """Whether decimals have a comma, by the first rows. Raises ValueError where 1,234 may be a thousand as well."""
    first = islice(rows, LOOKED_AT)
    commas = [(line, cell) for line, row in first for cell in row if "," in cell and DECIMAL_COMMA.fullmatch(cell)]
    if commas and all(THOUSANDS.fullmatch(cell) for _, cell in commas):
        line, cell = commas[0]
        raise ValueError(
            f"{path} line {line}: {quoted(cell)} may be a thousand or a decimal; write decimals with a point"
        )
    return bool(commas)


# ---- headers ---------------------------------------------------------------------------------------------------------


def joined_header(rows: Iterator[Row]) -> tuple[list[str], Iterator[Row]]:
    """The header in one row, and the rows below it."""
    _, header = next(rows, (1, []))
    header = [cell.strip() for cell in header]
    if len({*header[1:]}) == 1 and len(header) > FEWEST:  # a row above that says one thing of all, such as who labelled
        below = next(rows, (2, []))
        return joined_header(chain([below], rows)) if below[1][:1] != OF_DEEPLABCUT else (header, chain([below], rows))
    if len(set(header)) == len(header):
        return header, rows
    second = list(islice(rows, 1))
    below = [cell.strip().lower() for _, row in second for cell in row]
    if not _are_axes(below, len(header)):
        third = list(islice(rows, 1))
        levels = len(below) == len(header) and second[0][1][:1] != OF_DEEPLABCUT
        if third and levels and _are_axes([cell.strip().lower() for cell in third[0][1]], len(header)):
            joined = [header[0], *_named(header[1:], [cell.strip() for cell in second[0][1][1:]])]
            return joined_header(chain([(1, joined)], third, rows))
        return header, chain(second, third, rows)
    third = list(islice(rows, 1))
    index = header[0] if below[0] == "" else ""
    if third and third[0][1][0].strip() and not any(cell.strip() for cell in third[0][1][1:]):
        index, third = third[0][1][0].strip(), []  # the row with the name of pandas' index
    first = [] if below[0] in AXES else [index or "frame"]
    return first + list(_named(header[len(first) :], below[len(first) :])), chain(third, rows)


def _are_axes(cells: Sequence[str], width: int) -> bool:
    """Whether a row of a header names the axes of the joints above."""
    return len(cells) == width and {"x", "y"} <= {*cells} and {*cells[1:]} <= AXES | {""}


def _named(above: Sequence[str], below: Sequence[str]) -> Iterator[str]:
    joint = ""
    for name, axis in zip(above, below, strict=True):
        joint = name or joint
        yield f"{joint}_{axis}" if axis else name
