"""Text files that people write: tables and lists of names, in UTF-8 or UTF-16, with or without a mark in front."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.messages import one_line, quoted

MARKS_OF_16 = (b"\xff\xfe", b"\xfe\xff")
LOOKED_AT = 1 << 16
LARGEST_NUMBER = 1e9


def encoding_of(path: Path) -> str:
    """The encoding to open a file with: UTF-16 where it begins with its mark, as Excel's Unicode text, else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in MARKS_OF_16 else "utf-8-sig"


def start_of(path: Path, size: int = 200) -> str:
    """The first characters of a file as text, without a mark or blanks in front; what is no text is replaced."""
    with path.open("rb") as file:
        start = file.read(2 * size)
    if start.startswith(MARKS_OF_16):
        return start.decode("utf-16", errors="replace").lstrip()
    return start.decode("utf-8-sig", errors="replace").lstrip()[:size]


def other_encoding(path: Path) -> str:
    """The message on a file that cannot be decoded: its likely encoding, and the fix."""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    runs = re.findall(rb"[\x80-\xff]+", start)
    if b"\0" in start or not runs:
        return "is no text in UTF-8"
    pairs = all(len(run) % 2 == 0 and min(run) >= 0xA1 for run in runs)  # two such bytes a letter
    likely = "GBK" if pairs else "Windows-1252 or GBK" if max(map(len, runs)) < 3 else "GBK or Shift-JIS"
    return f"is not in UTF-8, it looks like {likely}; save it in UTF-8"


def lines_of(path: Path, what: str) -> list[str]:
    """The lines of a text file. what: it is, for the message. Raises ValueError naming the encoding it looks like."""
    try:
        return path.read_text(encoding=encoding_of(path)).splitlines()
    except UnicodeError:
        raise ValueError(f"{path} {other_encoding(path)}: {what}") from None


def rows_of_numbers(
    text: str, origin: Path, separator: str | None = None, largest: float = LARGEST_NUMBER
) -> Iterator[tuple[int, list[float]]]:
    """The numbers of each line that is not blank, with the number of the line; separator: between them, or blanks.

    An empty cell at the end of a line is left out. Raises ValueError naming the line that holds anything else.
    """
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.strip().removesuffix(separator or " ").split(separator)
        if not line.strip():
            continue
        try:
            values = [float(cell) for cell in cells]
        except ValueError as error:
            raise ValueError(f"{origin} line {number}: {one_line(error)}") from None
        if not all(abs(value) < largest for value in values):
            raise ValueError(f"{origin} line {number} holds a number that is not finite")
        yield number, values


def table_of_numbers(
    text: str, origin: Path, width: int, expected: str, separator: str | None = None, largest: float = LARGEST_NUMBER
) -> Float[np.ndarray, "rows width"]:
    """The rows of a text of numbers, all of one width. expected: what a row holds, for the message.

    Raises ValueError naming the line that is not so, and for a text without rows.
    """
    rows: list[list[float]] = []
    for line, values in rows_of_numbers(text, origin, separator, largest):
        if len(values) != width:
            raise ValueError(f"{origin} line {line} has {len(values)} numbers, expected {expected}")
        rows.append(values)
    if not rows:
        raise ValueError(f"{origin} has no frames")
    return np.array(rows)


def frame_rate(said: str, where: str) -> float:
    """The frames a second that a file says. Raises ValueError that begins with where, the file and the name it uses."""
    try:
        rate = float(said)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e6:
        raise ValueError(f"{where} is {quoted(said)}, expected frames a second")
    return rate


def first_numbers(path: Path, separator: str | None = None) -> list[float]:
    """The numbers of the first line that is not blank; [] where this line holds anything but numbers."""
    with path.open("rb") as content:
        lines = content.read(LOOKED_AT).decode("ascii", errors="replace").lstrip("\ufeff\ufffd \t\r\n").splitlines()
    try:
        return [float(cell) for cell in lines[0].strip().rstrip(separator or " ").split(separator)] if lines else []
    except ValueError:
        return []
