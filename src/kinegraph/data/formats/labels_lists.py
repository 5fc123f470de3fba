"""Labels files that are no table with a header: lists of a path and a label, and JSON objects by the names of clips.

videos/walk_01.avi 3                    a path and its label, as lists of UCF101, Kinetics and MMAction2 have them;
videos/walk_01 120 3                    also with the number of frames between them, or with a comma or a tab
{"walk_01.mp4": "walk", ...}            a label by the name of its clip
{"walk_01.mp4": {"label": "walk", "subject": 3}, ...}
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path

from kinegraph.data.formats.csv_rows import Row, csv_lines
from kinegraph.data.formats.text import lines_of
from kinegraph.safe_io import read_json

TEXTS = (".txt", ".csv", ".tsv", ".lst", ".list")
CLIP, LABEL = "clip", "label"


def label_lines(
    path: Path, known: Collection[str], plain: Callable[[str], str]
) -> tuple[Iterator[Row], tuple[str, ...]]:
    """The header and the rows of a labels file with the numbers of lines; a line on what was assumed of them.

    known: names of columns, as `plain` writes them. Raises ValueError as `csv_lines`.
    """
    if path.suffix.lower() == ".json" and (rows := _by_name(read_json(path), known, plain)):
        return iter(rows), (f"{path.name} has a label for each name of a clip",)
    if path.suffix.lower() in TEXTS and (rows := _listed(path, known, plain)):
        return iter(rows), (f"rows of {path.name} are a clip and its label, as no header names columns",)
    return csv_lines(path), ()


def _by_name(content: object, known: Collection[str], plain: Callable[[str], str]) -> list[Row]:
    """The rows of an object of labels, or of what is known of clips, by their names; [] for a table."""
    if not isinstance(content, Mapping) or any(plain(str(name)) in known for name in content):
        return []
    if all(isinstance(it, str | int) for it in content.values()):
        return [(1, [CLIP, LABEL]), *((i, [str(name), str(it)]) for i, (name, it) in enumerate(content.items(), 2))]
    if not all(isinstance(it, Mapping) and all(isinstance(cell, str | int | float | None) for cell in it.values())
               for it in content.values()):  # fmt: skip
        return []
    columns = dict.fromkeys(map(str, chain.from_iterable(content.values())))
    rows = [
        [str(name), *("" if it.get(key) is None else str(it[key]) for key in columns)] for name, it in content.items()
    ]
    return [(1, [CLIP, *columns]), *enumerate(rows, 2)]


def _listed(path: Path, known: Collection[str], plain: Callable[[str], str]) -> list[Row]:
    """The rows of a list without a header; [] for another file."""
    lines = [(i, line.strip()) for i, line in enumerate(lines_of(path, "a labels file is text"), 1) if line.strip()]
    first = lines[0][1] if lines else ""
    separator = next((it for it in "\t;," if it in first), None)
    rows = [(i, line.rsplit(separator, 1)) for i, line in lines]
    if not rows or any(len(cells) != 2 or not all(cells) for _, cells in rows):
        return []
    if any(plain(cell) in known for cell in first.split(separator)) or (separator and first.count(separator) > 2):
        return []
    counted = [re.fullmatch(rf"(.+?)\s*{separator or ' '}\s*\d+", cells[0]) for _, cells in rows]
    if all(counted):  # the number of frames
        rows = [(i, [it[1], cells[1]]) for it, (i, cells) in zip(counted, rows, strict=True) if it]
    elif separator and any(separator in cells[0] for _, cells in rows):
        return []
    return [(0, [CLIP, LABEL]), *((i, [cell.strip() for cell in cells]) for i, cells in rows)]
