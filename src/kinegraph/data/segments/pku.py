"""PKU-MMD's own labels: a file per recording, a line per action: its number from 1, first frame, end, confidence."""

from kinegraph.data.formats.pku_mmd import ACTIONS, FILE_NAME, read_labels
from kinegraph.data.reading.files.text import first_numbers
from kinegraph.data.segments.rows import Row, SegmentTable, Source

TITLE = "labels of PKU-MMD"


def detect(source: Source) -> bool:
    """A name such as 0002-L, and lines of three or four numbers."""
    named = FILE_NAME.fullmatch(source.path.stem) is not None
    return named and 3 <= len(first_numbers(source.path, ",")) <= 4


def read(source: Source) -> SegmentTable:
    """Raises ValueError with file and line."""
    rows = [Row(start, end, ACTIONS[label]) for label, start, end in read_labels(source.path)]
    return SegmentTable(source.path, TITLE, "frames", tuple(rows))
