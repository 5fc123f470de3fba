"""SLEAP's analysis files as .csv: a row an instance, with its track, its frame, and x, y and score of each node.

    track,frame_idx,instance.score,snout.x,snout.y,snout.score,tail.x,tail.y,tail.score

Instances without a track have no name: they are the people of their frame in the order of the rows.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from kinegraph.data.formats.animals import Tracks, checked_nodes, checked_places
from kinegraph.data.formats.csv_rows import csv_lines
from kinegraph.data.formats.detections import frame_numbers
from kinegraph.data.tracking import CROWD
from kinegraph.messages import plain_name, quoted

START = ("track", "frame_idx", "instance.score")
HEAD = 4096


def is_sleap_csv(file: Path) -> bool:
    """Whether a table begins with SLEAP's columns."""
    with file.open("rb") as content:
        return content.read(HEAD).removeprefix(b"\xef\xbb\xbf").startswith(",".join(START).encode())


def read_csv(file: Path) -> Tracks:
    """The nodes and tracks of a file. Raises ValueError naming the line that is not as expected."""
    lines = csv_lines(file)
    _, header = next(lines, (1, []))
    nodes = checked_nodes(file, [plain_name(name.removesuffix(".x")) for name in header if name.endswith(".x")])
    if lacking := [f"{node}.y" for node in nodes if f"{node}.y" not in header]:
        raise ValueError(f"{file} has no column {quoted(lacking[0])}")
    scored = all(f"{node}.score" in header for node in nodes)
    axes = ("x", "y", "score") if scored else ("x", "y")
    places = [[header.index(f"{node}.{axis}") for axis in axes] for node in nodes]
    frames, who, values = [], [], []
    seen: Counter[int] = Counter()
    for line, row in lines:
        where = f"{file} line {line}"
        if len(row) != len(header):
            raise ValueError(f"{where} has {len(row)} cells, the header has {len(header)}")
        try:
            cells = np.array([float(cell) if cell.strip() else np.nan for cell in row[3:]])
            frame = int(float(row[1]))
        except (ValueError, OverflowError):
            raise ValueError(f"{where} holds a cell that is no number") from None
        frames.append(frame)
        who.append(row[0].strip() or seen[frame])
        seen[frame] += not row[0].strip()
        values.append(cells[np.array(places) - 3])
    if not frames:
        raise ValueError(f"{file} has no frames")
    people = list(dict.fromkeys(who))
    numbers, _ = frame_numbers(sorted(set(frames)))
    if len(people) > CROWD:
        raise ValueError(f"{file} has {len(people):,} tracks, expected at most {CROWD}")
    found = np.full((len(people), int(numbers[-1]) + 1, len(nodes), len(axes)), np.nan, np.float32)
    place = dict(zip(sorted(set(frames)), numbers.tolist(), strict=True))
    for frame, one, there in zip(frames, who, values, strict=True):
        found[people.index(one), place[frame]] = there
    named = tuple(plain_name(one) for one in people) if all(isinstance(one, str) for one in people) else ()
    keypoint = checked_places(file, found[..., :2])
    return Tracks(nodes, (), keypoint, found[..., 2] if scored else None, named, unordered=not named)
