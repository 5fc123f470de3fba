"""Text files that people write: tables and lists of names, in UTF-8 or UTF-16, with or without a mark in front."""

import re
from pathlib import Path

MARKS_OF_16 = (b"\xff\xfe", b"\xfe\xff")
LOOKED_AT = 1 << 16


def encoding_of(path: Path) -> str:
    """The encoding to open a file with: UTF-16 where it begins with its mark, as Excel's Unicode text, else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in MARKS_OF_16 else "utf-8-sig"


def other_encoding(path: Path) -> str:
    """What to say of a file that cannot be decoded: which encoding it looks like, and what to do."""
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
