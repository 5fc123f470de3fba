"""Blocks of lines that hold numbers, parsed by numpy: three times as fast as cell after cell.

They are for the usual case. Whatever is not as expected is left to the reader of single cells, which names the line.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.files.csv_rows import BY_VALUES, csv_lines, decimal_commas, separator_of, text_rows
from kinegraph.data.reading.files.text import encoding_of

BLOCK = 1 << 20  # characters of lines that are parsed together
NO_DECIMAL = re.compile(r"(?<!\d),|,(?!\d)")  # a comma that is in no number


def numbers(
    lines: Sequence[str], separator: str | None, columns: Sequence[int] | None = None
) -> Float[np.ndarray, "lines columns"] | None:
    """The numbers of lines, NaN where a cell is empty; None where a cell holds anything else, or a line is blank.

    separator: between cells; blanks without one. columns: those that are wanted.
    """
    found = _parsed(lines, separator, columns)
    if found is None and separator is not None:
        found = _parsed(_with_nan(lines, separator), separator, columns)
    return found


def _parsed(
    lines: Sequence[str], separator: str | None, columns: Sequence[int] | None
) -> Float[np.ndarray, "lines columns"] | None:
    try:
        found = np.loadtxt(lines, np.float64, comments=None, delimiter=separator, usecols=columns, ndmin=2)
    except ValueError:
        return None
    return found if len(found) == len(lines) else None


def _with_nan(lines: Sequence[str], separator: str) -> Sequence[str]:
    """The lines with nan in empty cells."""
    text = "\n".join(["", *(line.rstrip("\r\n") for line in lines), ""])
    for _ in range(2):  # cells beside each other share a separator
        text = text.replace(separator * 2, f"{separator}nan{separator}")
    text = text.replace(f"\n{separator}", f"\nnan{separator}").replace(f"{separator}\n", f"{separator}nan\n")
    return text[1:-1].split("\n")


class NotPlain(ValueError):
    """A table that has to be read cell by cell."""


def plain_lines(path: Path, width: int) -> Iterator[tuple[str, list[str]]]:
    """The separator, and lines below the header of a table, in blocks; decimals have a point.

    width: cells of each line. Raises NotPlain for a file with quotes, words that part it, or lines of another width.
    """
    if path.suffix.lower() in BY_VALUES:
        raise NotPlain(path)
    first, _ = next(islice(csv_lines(path), 1, None), (0, []))
    commas, separator = decimal_commas(path, text_rows(path)), separator_of(path)
    try:
        with path.open(newline="", encoding=encoding_of(path)) as file:
            for _ in islice(file, first - 1):
                pass
            while first and (lines := file.readlines(BLOCK)):
                text = "".join(lines)
                if '"' in text or "break" in text.lower():
                    raise NotPlain(path)
                if separator != "," and "," in text:
                    if not commas or NO_DECIMAL.search(text):
                        raise NotPlain(path)
                    lines = [line.replace(",", ".") for line in lines]
                if any(line.count(separator) != width - 1 for line in lines):
                    raise NotPlain(path)
                yield separator, lines
    except UnicodeError:
        raise NotPlain(path) from None
