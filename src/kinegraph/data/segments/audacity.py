"""Audacity's label tracks: start and end in seconds and a label, between tabs. A file is about one recording.

Lines of frequencies, which begin with a backslash, are left out. Source: Audacity's manual, Importing and Exporting
Labels.
"""

from kinegraph.data.segments.rows import Row, SegmentTable, Source, number_of

TITLE = "a label track of Audacity"


def detect(source: Source) -> bool:
    """Every line has two numbers that rise, and maybe a label, between tabs."""
    lines = _lines(source)
    return bool(lines) and all(_is_one(cells) for _, cells in lines)


def read(source: Source) -> SegmentTable:
    """A label without text is named "label"."""
    rows = [
        Row(
            float(cells[0].replace(",", ".")),
            float(cells[1].replace(",", ".")),
            " ".join(cells[2:]) or "label",
            line=line,
        )
        for line, cells in _lines(source)
    ]
    return SegmentTable(source.path, TITLE, "seconds", tuple(rows))


def _lines(source: Source) -> list[tuple[int, list[str]]]:
    lines = enumerate(source.text.splitlines(), 1)
    return [(i, [cell.strip() for cell in line.split("\t")]) for i, line in lines if line.strip() and line[0] != "\\"]


def _is_one(cells: list[str]) -> bool:
    numbers = [number_of(cell) for cell in cells[:2]]
    return len(numbers) == 2 and None not in numbers and 0 <= numbers[0] <= numbers[1]  # type: ignore[operator]
