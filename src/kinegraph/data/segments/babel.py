"""BABEL's annotations, train.json or val.json: actions over seconds of a motion capture, several at once.

The recording is the path of the joints in AMASS. Source: Punnakkal et al. 2021.
"""

from kinegraph.data.formats.babel import annotations_of_file
from kinegraph.data.segments.rows import Row, SegmentTable, Source

TITLE = "annotations of BABEL"


def detect(source: Source) -> bool:
    """JSON with numbers of BABEL's sequences."""
    return source.path.suffix.lower() == ".json" and '"babel_sid"' in source.text[: 1 << 16]


def read(source: Source) -> SegmentTable:
    """A segment with several actions becomes several rows; one without an action is left out."""
    rows = [
        Row(segment.start, segment.end, action, annotation.joints)
        for annotation in annotations_of_file(source.path)
        for segment in annotation.segments
        for action in segment.actions
    ]
    return SegmentTable(source.path, TITLE, "seconds", tuple(rows))
