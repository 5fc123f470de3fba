"""BORIS: exports of its events as CSV or TSV, aggregated (a row per bout) or tabular (a row per START, STOP or POINT).

The recording is the media file where one is named, else the observation. Lines before the header, as earlier versions
write, are left out. Source: BORIS (Friard and Gamba 2016), exports of versions 7 to 9.
"""

from collections.abc import Mapping

from kinegraph.data.segments.rows import Row, SegmentTable, Source, plain
from kinegraph.messages import quoted

TITLE = "events of BORIS"
MEDIA = ("media_file_name", "media_file_path", "media_file", "media_file_s")
OBSERVATION = ("observation_id", "recording", "video", "clip", "file")
SEARCHED = 50  # rows that the header may stand behind
NO_SUBJECT = "no focal subject"


def detect(source: Source) -> bool:
    """A row with Behavior, and Start (s) and Stop (s), or Time and a status."""
    return _header(source) is not None


def read(source: Source) -> SegmentTable:
    """Raises ValueError with file and line for a START without STOP, or the other way round."""
    place, header = _header(source) or (0, [])
    about = {plain(row[0]): row[1] for _, row in source.cells[:place] if len(row) > 1}
    aggregated = "start_s" in header
    rows = _bouts(source, place, header) if aggregated else _pairs(source, place, header, about)
    points = sum(row.start == row.end for row in rows)
    note = f"{source.path.name}: {points:,} events without duration last one frame"
    kind = f"{TITLE}, {'aggregated' if aggregated else 'tabular'}"
    return SegmentTable(source.path, kind, "seconds", tuple(rows), notes=(note,) if points else ())


def _header(source: Source) -> tuple[int, list[str]] | None:
    for place, (_, cells) in enumerate(source.cells[:SEARCHED]):
        names = [plain(cell) for cell in cells]
        status = "status" in names or "behavior_type" in names
        if "behavior" in names and (("start_s" in names and "stop_s" in names) or ("time" in names and status)):
            return place, names
    return None


def _cells(source: Source, place: int, header: list[str]) -> list[tuple[int, dict[str, str]]]:
    return [(line, dict(zip(header, cells, strict=False))) for line, cells in source.cells[place + 1 :]]


def _who(cells: Mapping[str, str], about: Mapping[str, str]) -> tuple[str, str]:
    """The recording and the person of a row."""
    known = {**about, **{key: cell for key, cell in cells.items() if cell}}
    recording = next((known[key] for key in (*MEDIA, *OBSERVATION) if known.get(key)), "")
    subject = cells.get("subject", "")
    return recording, "" if subject.lower() == NO_SUBJECT else subject


def _bouts(source: Source, place: int, header: list[str]) -> list[Row]:
    rows: list[Row] = []
    for line, cells in _cells(source, place, header):
        start = source.number(cells.get("start_s", ""), line, "Start (s)")
        stop = cells.get("stop_s", "")
        end = start if stop in ("", "NA") else source.number(stop, line, "Stop (s)")
        if end < start:
            raise ValueError(f"{source.path} line {line} stops at {end:g} s, before it starts at {start:g} s")
        recording, person = _who(cells, {})
        rows.append(Row(start, end, _behavior(source, cells, line), recording, person, line))
    return rows


def _pairs(source: Source, place: int, header: list[str], about: Mapping[str, str]) -> list[Row]:
    begun: dict[tuple[str, ...], tuple[float, int]] = {}
    rows: list[Row] = []
    for line, cells in _cells(source, place, header):
        time, label = source.number(cells.get("time", ""), line, "Time"), _behavior(source, cells, line)
        who = _who(cells, about)
        key = (*who, label, *(cell for name, cell in cells.items() if name.startswith("modifier")))
        status = (cells.get("status") or cells.get("behavior_type", "")).upper()
        if status == "POINT":
            rows.append(Row(time, time, label, *who, line=line))
        elif status == "START" and key not in begun:
            begun[key] = (time, line)
        elif status == "STOP" and key in begun:
            start, first = begun.pop(key)
            rows.append(Row(start, time, label, *who, line=first))
        else:
            expected = "STOP" if key in begun else "START"
            raise ValueError(f"{source.path} line {line}: {quoted(label)} has {quoted(status)}, expected {expected}")
    if begun:
        (*_,), (time, line) = next(iter(begun.items()))
        raise ValueError(f"{source.path} line {line} starts at {time:g} s and never stops; stop it in BORIS")
    return rows


def _behavior(source: Source, cells: Mapping[str, str], line: int) -> str:
    if not (label := cells.get("behavior", "")):
        raise ValueError(f"{source.path} line {line} has no behavior")
    return label
