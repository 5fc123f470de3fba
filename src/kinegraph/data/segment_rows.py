"""segments.csv of a dataset folder, read and checked: what is done from when to when in each long recording."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from kinegraph.data.dataset_read import check_sums
from kinegraph.data.dataset_write import SEGMENT_COLUMNS, SEGMENTS
from kinegraph.messages import one_line, plain_name, quoted
from kinegraph.skeleton.segment import Segment


def read_segments(
    path: Path, about: Mapping[str, Any], names: Sequence[str], frames: Int[np.ndarray, "clips"]
) -> tuple[tuple[Segment, ...], ...] | None:
    """The segments of each clip; None where the clips are not long recordings.

    about: dataset.json. Raises ValueError naming the file and the line that is wrong, or a file that was changed.
    """
    file = path / SEGMENTS
    if SEGMENTS not in about["sha256"]:
        return None
    if not file.is_file():
        raise ValueError(f"there is no {file}, the dataset is not complete")
    place = {name: i for i, name in enumerate(names)}
    number = {name: i for i, name in enumerate(about["class_names"])}
    found: list[list[Segment]] = [[] for _ in names]
    try:
        with file.open(newline="", encoding="utf-8") as table:
            rows = csv.reader(table, strict=True)
            if (header := next(rows, [])) != list(SEGMENT_COLUMNS):
                raise ValueError(f"has the columns {one_line(', '.join(header))}, expected {','.join(SEGMENT_COLUMNS)}")
            for row in rows:
                recording, one = _segment(row, number, rows.line_num)
                if (index := place.get(recording)) is None or one.end > int(frames[index]):
                    raise ValueError(f"line {rows.line_num}: no recording {quoted(recording)} of {one.end} frames")
                found[index].append(one)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{file} {one_line(error)}") from None
    check_sums(path, dict(about), [SEGMENTS])
    return tuple(map(tuple, found))


def _segment(row: Sequence[str], number: Mapping[str, int], line: int) -> tuple[str, Segment]:
    if len(row) != len(SEGMENT_COLUMNS):
        raise ValueError(f"line {line} has {len(row)} cells, expected {len(SEGMENT_COLUMNS)}")
    recording, start, end, label, person = row
    if not (start.isdecimal() and end.isdecimal() and len(start + end) < 30 and int(start) < int(end)):
        raise ValueError(f"line {line} is from frame {quoted(start)} to {quoted(end)}, expected two numbers, rising")
    if plain_name(label) not in number:
        raise ValueError(f"line {line} has label {quoted(label)}, which is no class of the dataset")
    return plain_name(recording), Segment(int(start), int(end), number[plain_name(label)], plain_name(person))
