"""The rows of a labels file: a table with a header, a list of a path and a label, or a JSON by the names of clips.

videos/walk_01.avi 3                    a path and its label, as lists of UCF101, Kinetics and MMAction2 have them;
videos/walk_01 120 3                    also with the number of frames between them, or with a comma or a tab
{"walk_01.mp4": "walk", ...}            a label by the name of its clip
{"walk_01.mp4": {"label": "walk", "subject": 3}, ...}
[{"gloss": "book", "instances": [{"video_id": "69241", "split": "train"}, ...]}, ...]    as WLASL has them
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from kinegraph.data.reading.clips.clip_columns import (
    ALIASES,
    INDEX,
    KEYS,
    KNOWN,
    OF_CLIPS,
    OF_TRIALS,
    checked_attributes,
    named_columns,
    plain_column,
    with_label,
)
from kinegraph.data.reading.files.csv_rows import Row, csv_lines
from kinegraph.data.reading.files.text import lines_of
from kinegraph.messages import did_you_mean, one_line, quoted
from kinegraph.safe_io import read_json

TEXTS = (".txt", ".csv", ".tsv", ".lst", ".list")
CLIP, LABEL = "clip", "label"
NAMES = {*KNOWN, *chain.from_iterable((ALIASES | OF_CLIPS | OF_TRIALS).values()), *OF_CLIPS, *OF_TRIALS}


def read_labels_file(path: Path, label: str | None) -> dict[str, dict[str, str]]:
    """A CSV with one row per clip: its column `clip` (or `name`), and any of the columns above; see `labels_rows`."""
    return labels_rows(path, label)[0]


def labels_rows(
    path: Path, label: str | None, clip: str | None = None
) -> tuple[dict[str, dict[str, str]], list[str], tuple[str, ...]]:
    """The rows of such a file by the names of their clips, and no keys; or, where no column names the clips, by the
    columns that tell them apart, such as subject and trial, which are the keys; and lines on what was assumed.

    label, clip: the columns of the labels and of the clips' names, where their names do not say it.
    """
    found: dict[str, dict[str, str]] = {}
    lines, said = label_lines(path)
    header = with_label(next(lines, (1, []))[1], label, path)
    header = header if clip is None else ["clip" if name == clip else name for name in header]
    try:
        names = named_columns(header, ALIASES | OF_CLIPS | OF_TRIALS)
        checked_attributes([name for name in names.values() if name not in ("clip", *OF_TRIALS)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    keys = [] if "clip" in names.values() else [name for name in KEYS if name in names.values()]
    hint = "" if "clip" in names.values() else did_you_mean("clip", header)
    if "clip" not in names.values() and (hint or not keys):
        hint = hint or "; name each clip in a column clip, by its file and folder, such as squat/take1"
        raise ValueError(f"{path} has no column 'clip'; found {one_line(', '.join(header)) or 'nothing'}{hint}")
    header = [names[column] for column in header]
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(f"{path} line {line} has {len(row)} cells, the header has {len(header)}")
        named = zip(header, (cell.strip() for cell in row), strict=True)
        cells = {name: cell for name, cell in named if not INDEX.fullmatch(name)}
        clip = ", ".join(f"{key} {cells[key]}" for key in keys) if keys else cells.pop("clip")
        if not clip:
            raise ValueError(f"{path} line {line}: the clip has no name")
        if clip in found:
            hint = "" if "/" in clip or keys else "; a clip in a folder is named with it, such as squat/take1"
            raise ValueError(f"{path} line {line}: clip {quoted(clip)} is listed twice{hint}")
        found[clip] = cells
    if not found:
        raise ValueError(f"{path} lists no clips")
    return found, keys, said


def header_of(path: Path) -> list[str]:
    """The columns of a labels file."""
    return next(label_lines(path)[0], (1, []))[1]


# ---- forms of files --------------------------------------------------------------------------------------------------


def label_lines(path: Path) -> tuple[Iterator[Row], tuple[str, ...]]:
    """The header and the rows of a labels file with the numbers of lines; a line on what was assumed of them.

    Raises ValueError as `csv_lines`.
    """
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if rows := _by_name(content):
            return iter(rows), (f"{path.name} has a label for each name of a clip",)
        if rows := _of_objects(content):
            return iter(rows), ()
    if path.suffix.lower() in TEXTS and (rows := _listed(path)):
        return iter(rows), (f"rows of {path.name} are a clip and its label, as no header names columns",)
    return csv_lines(path), ()


def _by_name(content: object) -> list[Row]:
    """The rows of an object of labels, or of what is known of clips, by their names; [] for a table."""
    if not isinstance(content, Mapping) or any(plain_column(str(name)) in NAMES for name in content):
        return []
    if all(isinstance(entry, str | int) for entry in content.values()):
        return [
            (1, [CLIP, LABEL]),
            *((i, [str(name), str(label)]) for i, (name, label) in enumerate(content.items(), 2)),
        ]
    if not all(isinstance(entry, Mapping) and all(isinstance(cell, str | int | float | None) for cell in entry.values())
               for entry in content.values()):  # fmt: skip
        return []
    columns = dict.fromkeys(map(str, chain.from_iterable(content.values())))
    rows = [
        [str(name), *("" if value.get(key) is None else str(value[key]) for key in columns)]
        for name, value in content.items()
    ]
    return [(1, [CLIP, *columns]), *enumerate(rows, 2)]


def _of_objects(content: object) -> list[Row]:
    """The rows of a list of objects, or of lists of objects in them, without what is no cell; [] for another value."""
    if not isinstance(content, list) or not content or not all(isinstance(entry, Mapping) for entry in content):
        return []
    found: list[Mapping] = []
    for outer in content:
        inner = next(
            (value for value in outer.values() if isinstance(value, list) and value and isinstance(value[0], Mapping)),
            [{}],
        )
        found += [outer | entry for entry in inner if isinstance(entry, Mapping)]
    columns = [key for key in dict.fromkeys(chain.from_iterable(found))
               if not any(isinstance(entry.get(key), list | Mapping) for entry in found)]  # fmt: skip
    rows = [["" if entry.get(key) is None else str(entry[key]) for key in columns] for entry in found]
    return [(1, list(map(str, columns))), *enumerate(rows, 2)]


def _listed(path: Path) -> list[Row]:
    """The rows of a list without a header; [] for another file."""
    lines = [(i, line.strip()) for i, line in enumerate(lines_of(path, "a labels file is text"), 1) if line.strip()]
    first = lines[0][1] if lines else ""
    separator = next((mark for mark in "\t;," if mark in first), None)
    rows = [(i, line.rsplit(separator, 1)) for i, line in lines]
    if not rows or any(len(cells) != 2 or not all(cells) for _, cells in rows):
        return []
    if any(plain_column(cell) in NAMES for cell in first.split(separator)) or (
        separator and first.count(separator) > 2
    ):
        return []
    counted = [re.fullmatch(rf"(.+?)\s*{separator or ' '}\s*\d+", cells[0]) for _, cells in rows]
    if all(counted):  # the number of frames
        rows = [(i, [match[1], cells[1]]) for match, (i, cells) in zip(counted, rows, strict=True) if match]
    elif separator and any(separator in cells[0] for _, cells in rows):
        return []
    return [(0, [CLIP, LABEL]), *((i, [cell.strip() for cell in cells]) for i, cells in rows)]
