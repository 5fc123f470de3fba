"""Subtitles: SubRip (.srt) and WebVTT (.vtt), whose texts are the labels. A file is about one recording.

    1
    00:00:01,000 --> 00:00:03,500        hours may be left out in WebVTT
    walk

Sources: W3C, WebVTT; SubRip's form as of matroska.org.
"""

import re

from kinegraph.data.segments.rows import Row, SegmentTable, Source, number_of

TITLE = "subtitles (.srt, .vtt)"
CUE = re.compile(r"((?:\d+:)?\d+:\d+[.,]\d+)\s*-->\s*((?:\d+:)?\d+:\d+[.,]\d+)")


def detect(source: Source) -> bool:
    """A line of two times and an arrow at the start."""
    return any(CUE.match(line.strip()) for line in source.text[: 1 << 14].splitlines())


def read(source: Source) -> SegmentTable:
    """The lines of a text are joined; a text that is empty is no segment."""
    rows: list[Row] = []
    lines = [line.strip() for line in source.text.splitlines()]
    for number, line in enumerate(lines):
        if cue := CUE.match(line):
            ends = next((at for at in range(number + 1, len(lines)) if not lines[at]), len(lines))
            if label := re.sub(r"<[^>]*>", "", " ".join(lines[number + 1 : ends])).strip():
                rows.append(Row(number_of(cue[1]) or 0.0, number_of(cue[2]) or 0.0, label, line=number + 1))
    return SegmentTable(source.path, TITLE, "seconds", tuple(rows))
