"""Names of splits in other projects' files, and the columns they become: `xsub_train` is part "train" of split xsub."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

PARTS = ("train", "val", "test")
ABSENT = "none"  # the part of a clip that a split does not list
LISTED = "in"  # the part of a clip in a list whose name has no part
KNOWN = ("xsub", "xview", "xset")

_AFTER = re.compile(rf"(.+)[_-]({'|'.join(PARTS)})")
_BEFORE = re.compile(rf"({'|'.join(PARTS)})[_-](.+)")
_NUMBERED = re.compile(rf"({'|'.join(PARTS)})[_-]?(\d+)")


class ClipInTwoParts(ValueError):
    """A clip that is in two parts of one split."""

    def __init__(self, clip: str, message: str):
        super().__init__(message)
        self.clip = clip


def order_of(part: str) -> tuple[int, str]:
    """To sort parts by: train, val, test, then others by name, and last the clips in no part."""
    place = PARTS.index(part) if part in PARTS else len(PARTS) + (part == ABSENT)
    return place, part


def column_and_part(name: str) -> tuple[str, str]:
    """The split and the part that a published name stands for.

    xsub_train -> xsub, train;   train -> split, train;   train1 (UCF-101, HMDB-51) -> split1, train;   mini -> mini, in
    """
    if name in PARTS:
        return "split", name
    if numbered := _NUMBERED.fullmatch(name):
        return f"split{numbered[2]}", numbered[1]
    if after := _AFTER.fullmatch(name):
        return after[1], after[2]
    if before := _BEFORE.fullmatch(name):
        return before[2], before[1]
    return name, LISTED


def held_out(parts: Collection[str]) -> str | None:
    """The part that figures are measured on: val, or test where there is no val; None without both."""
    return next((part for part in ("val", "test") if part in parts), None)


def published_name(column: str, part: str) -> str:
    """The other way round."""
    if part == LISTED:
        return column
    number = re.fullmatch(r"split(\d*)", column)
    return f"{part}{number[1]}" if number else f"{column}_{part}"


def known_split(*texts: str) -> str | None:
    """The first of xsub, xview and xset that is a word of one of the texts, such as a file's and its folder's name."""
    words = [word for text in texts for word in re.split(r"[^a-z]+", text.lower())]
    return next((word for word in words if word in KNOWN), None)


def columns(
    splits: Mapping[str, Iterable[str]], names: Sequence[str], meant: Mapping[str, tuple[str, str]] | None = None
) -> tuple[dict[str, list[str]], int]:
    """Lists of clip names as one column a split, with each clip's part, and how many listed names are no clip's.

    meant: column and part of a list, where they are known. Raises ValueError naming a clip in two parts of a split.
    """
    found: dict[str, dict[str, str]] = {}
    for listed, members in splits.items():
        column, part = (meant or {}).get(listed, column_and_part(listed))
        parts = found.setdefault(column, {})
        for name in map(str, members):
            if parts.setdefault(name, part) != part:
                message = f"clip '{name}' is in two parts of split '{column}', {parts[name]} and {part}"
                raise ClipInTwoParts(name, message)
    there = set(names)
    unknown = {name for parts in found.values() for name in parts if name not in there}
    return {column: [parts.get(name, ABSENT) for name in names] for column, parts in found.items()}, len(unknown)
