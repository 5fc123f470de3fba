"""SimBA's files, and others with one row per frame and a column of 0 and 1 for each behaviour.

Source: SimBA's targets_inserted and machine_results (Goodwin et al. 2024). Columns of coordinates and probabilities
beside those of behaviours are left out. A file is about one recording, whose name it has.
"""

import re

from kinegraph.data.segments.rows import Row, SegmentTable, Source, runs_of

TITLE = "a column of 0 and 1 for each behaviour (SimBA)"
NO_BEHAVIOUR = re.compile(r"(.*_(x|y|z|p|likelihood))|probability_.*|frame.*|index|unnamed.*|", re.IGNORECASE)
ONES, ZEROS = ("1", "1.0"), ("0", "0.0", "")


def detect(source: Source) -> bool:
    """Two rows at least, and a column of 0 and 1 that is not one of coordinates."""
    return len(source.cells) > 2 and bool(_behaviours(source))


def read(source: Source) -> SegmentTable:
    """Behaviours may overlap."""
    rows, frames = list[Row](), len(source.cells) - 1
    for name, column in _behaviours(source).items():
        rows += runs_of([name if cell in ONES else "" for cell in column], first=2)
    return SegmentTable(source.path, TITLE, "frames", tuple(sorted(rows, key=lambda row: row.start)), frames=frames)


def _behaviours(source: Source) -> dict[str, list[str]]:
    names, *rows = (cells for _, cells in source.cells)
    found: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        column = [row[place] if place < len(row) else "" for row in rows]
        if not NO_BEHAVIOUR.fullmatch(name) and all(cell in ONES or cell in ZEROS for cell in column):
            found[name] = column
    return found if any(cell in ONES for column in found.values() for cell in column) else {}
