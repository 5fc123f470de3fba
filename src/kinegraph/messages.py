"""Text of messages and tables: names and values from a file, suggestions, lists, counts, sizes, spreadsheet cells."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from heapq import nlargest
from os.path import commonprefix

# Line ends, what a terminal would execute, and marks that reverse the order of letters.
COLOUR = re.compile("\x1b\\[[0-9;]*m")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
BLANK, HALF = re.compile("[\t\r\n]"), re.compile("[\ud800-\udfff]")  # HALF: of a character, which no file can hold
REPLACED = "\N{REPLACEMENT CHARACTER}"
FORMULA = ("=", "+", "-", "@")  # a spreadsheet computes a cell that begins with one of these
MOST_COMPARED = 1000  # names
LONGEST_GUESS = 200  # letters of a wrong name that are compared with the known names


def plain_name(text: object) -> str:
    """A name from a file, safe to show anywhere: tabs and line ends become blanks, control characters are replaced."""
    return HALF.sub(REPLACED, CONTROL.sub(REPLACED, BLANK.sub(" ", str(text))))


def composed(name: str) -> str:
    """A name to be compared with another: macOS writes ü as u and two dots, keyboards as one letter."""
    return unicodedata.normalize("NFC", name)


def shortened(name: object, longest: int) -> str:
    """A name of at most `longest` letters, cut in its middle: names that begin alike often differ at their ends."""
    name = plain_name(name).strip()
    head = (longest - 1) // 2
    tail = longest - 1 - head
    return name if len(name) <= longest else f"{name[:head].rstrip()}…{name[-tail:].lstrip()}"


def one_line(message: object) -> str:
    """A message that may quote a file, as one line of at most 300 letters that a terminal can show."""
    return " ".join(CONTROL.sub(" ", COLOUR.sub("", str(message)[:1000])).split())[:300]


def quoted(value: object) -> str:
    """The Python form of a value from a file, as one line of at most 60 letters."""
    try:
        return one_line(repr(value))[:60]
    except (ValueError, RecursionError):  # a number of thousands of digits
        return f"a huge {type(value).__name__}"


def nearest(given: object, known: Iterable[str]) -> str | None:
    """The known name that is most like a wrong one; None where no name is similar."""
    text, names = str(given)[:LONGEST_GUESS], list(known)
    if len(names) > MOST_COMPARED:  # each comparison takes its time: those that begin alike
        names = nlargest(MOST_COMPARED, names, key=lambda name: len(commonprefix((text, name))))  # noqa: RUF071  no paths
    close = get_close_matches(text, names, n=1)
    return close[0] if close else None


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """The end of a message about a wrong name: "; did you mean 'cross_entropy'?", or "" where no name is similar."""
    close = nearest(given, known)
    return "" if close is None else f"; did you mean '{close}'?"


def first_few(names: Sequence[object], count: int = 3) -> str:
    """The first names of a list and the number of the others: "wave, jump, sit and 4 more"."""
    listed = ", ".join(shortened(name, 60) for name in names[:count])
    return f"{listed} and {len(names) - count:,} more" if len(names) > count else listed


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number and its noun: "1 clip", "2,000 clips", "3 classes"."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def megabytes(size: int, decimals: int = 1) -> str:
    """A size in bytes as text: "1,234.5 MB" (millions of bytes)."""
    return f"{size / 1e6:,.{decimals}f} MB"


def spreadsheet_cell(value: object) -> object:
    """A value as a cell of a table: text that a spreadsheet would compute as a formula begins with an apostrophe.

    Control characters of text are replaced; a truth value becomes 0 or 1; numbers and None stay.
    """
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        return value
    text = plain_name(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def fetch_first(path: object) -> str:
    """The end of a message on a path where nothing is, if it is an address."""
    return "; addresses are not read: fetch the file first" if re.match(r"(https?|ftp|s3|gs):/", str(path)) else ""
