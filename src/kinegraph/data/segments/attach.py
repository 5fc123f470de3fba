"""Joins tables of segments to recordings: which recording a row belongs to, and which frames it means."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kinegraph.data.reading.clips.recordings import Item, Recordings, each_clip
from kinegraph.data.reading.faults import Fault
from kinegraph.data.repair import at_rate
from kinegraph.data.segments.rows import Row, SegmentTable, Unit, stem_of
from kinegraph.messages import composed, counted, first_few, plain_name
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import IGNORED, Segment, labels_of_frames, runs

NONE = "none"  # usual name of the class of frames between segments
Rows = Sequence[tuple[SegmentTable, Row]]
Key = tuple[str, ...]


@dataclass
class _Seen:
    """What was noticed while clips were read; the lists hold names of recordings or segments."""

    matched: dict[Key, str] = field(default_factory=dict)
    without_rows: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    lengths: list[str] = field(default_factory=list)
    as_frames: list[str] = field(default_factory=list)

    def skipped(self, named: Iterable[Key]) -> list[str]:
        """Lines on recordings without a row, and on rows of no recording. named: recordings that the rows name."""
        without, lines = self.without_rows, []
        if without:
            lines.append(f"{counted(len(without), 'recording')} without a row of the segments: {first_few(without)}")
        if lost := _shown(set(named) - set(self.matched)):
            lines.append(f"segments of {counted(len(lost), 'recording')} that is not here: {first_few(lost)}")
        return lines

    def changed(self) -> list[str]:
        """Lines on rows that were not taken as they stand."""
        changes = {
            "past the last frame, cut there": self.cut,
            "shorter than a frame, now of one": self.short,
            "in the table twice, taken once": self.twice,
        }
        said = [f"{counted(len(rows), 'segment')} {what}: {first_few(rows)}" for what, rows in changes.items() if rows]
        if self.lengths:
            said.append(f"labels of another number of frames than the recording has: {first_few(self.lengths)}")
        if self.as_frames:
            said.append(f"start and end of {first_few(self.as_frames)} count frames, as seconds they are too long")
        return said


def with_segments(
    found: Recordings, tables: Sequence[SegmentTable], unit: Unit | None = None, resample_fps: float | None = None
) -> Recordings:
    """The recordings that the tables name, with their segments in place of labels; others are skipped, and listed.

    unit: of tables that do not say it. resample_fps: the frame rate that recordings are brought to, after their frames
    were counted. Raises ValueError where the unit is not known.
    """
    _check_unit(tables, unit)
    units = {table.path: table.unit or unit or _unit_by_size(table) for table in tables}
    names = tuple(sorted({plain_name(row.label) for table in tables for row in table.rows}))
    by_name, seen = _by_name(tables), _Seen()

    def labelled(item: SkeletonClip) -> Iterator[Item]:
        rows = _rows_of(item, by_name, found.count, seen)
        if isinstance(rows, Fault):
            yield rows
        elif rows is None:
            seen.without_rows.append(item.name)
        else:
            if unit is None and _unit_of(item, rows) and any(table.unit is None for table, _ in rows):
                seen.as_frames.append(item.name)
            clip = _labelled(item, rows, units, {name: i for i, name in enumerate(names)}, seen)
            yield clip if isinstance(clip, Fault) or resample_fps is None else at_rate(clip, resample_fps)

    def clips() -> Iterator[Item]:
        yield from each_clip(found.clips, labelled)
        if seen.without_rows and not seen.matched:
            raise ValueError(
                f"no row of {tables[0].path} is of a recording: the rows name {first_few(_shown(by_name))}, the "
                f"recordings are {first_few(seen.without_rows)}"
            )

    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return replace(
        found,
        clips=clips(),
        class_names=names,
        skipped=lambda: found.skipped() + seen.skipped(by_name),
        changed=lambda: found.changed() + seen.changed(),
        assumed=(*found.assumed, *notes, *_said_units(tables, units, unit), *_alike(names)),
    )


def _by_name(tables: Sequence[SegmentTable]) -> dict[Key, list[tuple[SegmentTable, Row]]]:
    """The rows of each recording that is named."""
    found: dict[Key, list[tuple[SegmentTable, Row]]] = defaultdict(list)
    for table in tables:
        for row in table.rows:
            found[_key(row.recording or str(table.path))].append((table, row))
    return found


def with_none(found: Recordings, none: str) -> Recordings:
    """The recordings in which the frames between segments are of the class `none`, an own one or one of theirs."""
    known = [name for name in found.class_names if name.casefold() == none.casefold()]
    names = found.class_names if known else (*found.class_names, none)
    return replace(found, class_names=names, none=known[0] if known else none)


def complete(tables: Sequence[SegmentTable]) -> bool:
    """Whether every frame of all recordings has a label."""
    return all(table.complete for table in tables)


def _alike(names: Sequence[str]) -> list[str]:
    """A line on classes whose names differ by capitals only."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in names:
        spellings[name.casefold()].append(name)
    pairs = [" and ".join(spelling) for spelling in spellings.values() if len(spelling) > 1]
    return [f"{first_few(pairs)} are different classes, though only by capitals"] if pairs else []


# ---- units -----------------------------------------------------------------------------------------------------------


def _unit_by_size(table: SegmentTable) -> Unit | None:
    """Frames, where whole numbers are too large for seconds: longer than a day."""
    return "frames" if max(row.end for row in table.rows) > 86_400 else None


def _check_unit(tables: Sequence[SegmentTable], given: Unit | None) -> None:
    """Raises ValueError for a unit that no table needs, since all of them say another one."""
    if given and all(table.unit not in (None, given) for table in tables):
        raise ValueError(
            f"--segments-in {given}: {tables[0].path} says that it counts {tables[0].unit}; leave the option out, or "
            "give the columns of the table other names"
        )


def _said_units(tables: Sequence[SegmentTable], units: Mapping[object, Unit | None], given: Unit | None) -> list[str]:
    open_ones = [table.path.name for table in tables if table.unit is None and given is None]
    known = [name for name in open_ones if any(units[table.path] for table in tables if table.path.name == name)]
    return [f"{first_few(known)}: start and end count frames, they are too large for seconds"] if known else []


# ---- recordings ------------------------------------------------------------------------------------------------------


def _key(name: str) -> Key:
    """Folders and name of a recording, without its ending and without capitals."""
    name = composed(name)
    *folders, _ = re.split(r"[/\\]", name.casefold())
    return (*folders, stem_of(name).casefold())


def _shown(keys: Iterable[Key]) -> list[str]:
    return sorted(key[-1] for key in keys)


def _shared(key: Key, other: Key) -> int:
    """How many names from the last one on are the same."""
    pairs = zip(reversed(key), reversed(other), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(key), len(other)))


def _rows_of(
    clip: SkeletonClip, by_name: Mapping[Key, list[tuple[SegmentTable, Row]]], count: int, seen: _Seen
) -> Rows | Fault | None:
    """The rows whose name has most in common with the recording's; all rows if table and folder hold one recording."""
    parts = composed(clip.name).casefold().rpartition("/")[2].split(".")  # run1.openpose.3d is run1 of the rows
    own = [_key(clip.name), *((*_key(clip.name)[:-1], ".".join(parts[:end])) for end in range(len(parts), 0, -1))]
    shared = {key: max(_shared(key, name) for name in own) for key in by_name}
    most = max(shared.values())
    best = [key for key, number in shared.items() if number == most]
    if not most and count == len(by_name) == 1:
        best, most = list(by_name), 1
    if not most:
        return None
    names = ["/".join(key[-most - 1 :]) for key in best]
    if len(best) > 1:
        return Fault(f"may be {names[0]} or {names[1]} of the segments; name folders alike", clip.name, "segments")
    if (other := seen.matched.setdefault(best[0], clip.name)) != clip.name:
        message = f"and '{other}' both match {names[0]} of the segments; let the table name the folder, too"
        return Fault(message, clip.name, "segments")
    return by_name[best[0]]


def _labelled(
    clip: SkeletonClip, rows: Rows, units: Mapping[object, Unit | None], number: Mapping[str, int], seen: _Seen
) -> SkeletonClip | Fault:
    found: list[Segment] = []
    for table, row in rows:
        unit = units[table.path] or _unit_of(clip, rows)
        place = f"{table.path.name}{f' line {row.line}' if row.line else ''}"
        if unit is None:
            return Fault(
                f"{place}: the table does not say whether {row.start:g} to {row.end:g} are seconds or frames; give "
                "--segments-in seconds or frames",
                clip.name,
                "segments",
            )
        if unit == "seconds" and clip.fps is None:
            return Fault("does not say its frame rate, which segments in seconds need: give --fps", clip.name, "fps")
        rate = float(clip.fps or 0) if unit == "seconds" else 1.0
        start, end = round(row.start * rate), round(row.end * rate)
        if start >= clip.frames:
            wanted = f"begins at {row.start:g} {unit}, frame {start:,}, the recording has {clip.frames:,}"
            return Fault(f"{place} {wanted}; are frame rate and unit right?", clip.name, "segments")
        if end > clip.frames + 1:
            seen.cut.append(f"{clip.name} {row.label} at {row.start:g}")
        if end <= start:
            seen.short.append(f"{clip.name} {row.label} at {row.start:g}")
        end = min(max(end, start + 1), clip.frames)
        segment = Segment(start, end, number[plain_name(row.label)], plain_name(row.person))
        if segment in found:
            seen.twice.append(f"{clip.name} {row.label} at {row.start:g}")
        else:
            found.append(segment)
    for table in dict.fromkeys(table for table, _ in rows):
        if table.frames not in (None, clip.frames):
            seen.lengths.append(f"{clip.name} ({table.frames:,} of {clip.frames:,})")
    return replace(
        clip, label=None, segments=tuple(sorted(found, key=lambda segment: (segment.start, segment.end, segment.label)))
    )


def _unit_of(clip: SkeletonClip, rows: Rows) -> Unit | None:
    """Frames, where the rows would be longer than the recording in seconds; None where both are possible."""
    last = max(row.end for _, row in rows)
    return "frames" if clip.fps and last > clip.frames / clip.fps + 1 else None


# ---- a clip of each segment: what networks of clips learn from long recordings ---------------------------------------


def clips_of_segments(found: Recordings) -> Recordings:
    """Each segment as a clip NAME_START with its label; the gaps too, where they have a class.

    Raises ValueError for recordings without segments.
    """
    none = found.class_names.index(found.none) if found.none else None
    cut = each_clip(found.clips, lambda item: _clips(item, none, len(found.class_names)))
    return replace(found, clips=cut, none="")


def _clips(item: SkeletonClip, none: int | None, classes: int) -> Iterator[Item]:
    if item.segments is None:
        raise ValueError(f"clip '{item.name}' has no segments to cut; --segments TABLE gives them")
    gaps: list[Segment] = []
    if none is not None:
        free = ~labels_of_frames(item.segments, item.frames, classes).any(axis=1)
        gaps = runs(np.where(free, none, IGNORED))
    names: dict[str, int] = {}
    for segment in sorted((*item.segments, *gaps), key=lambda segment: segment.start):
        name = f"{item.name}_{segment.start:06d}"
        names[name] = names.get(name, 0) + 1
        yield _clip(item, segment, name if names[name] == 1 else f"{name}-{names[name]}")


def _clip(recording: SkeletonClip, segment: Segment, name: str) -> SkeletonClip:
    part = slice(segment.start, segment.end)
    score = None if recording.score is None else recording.score[:, part]
    keypoint = recording.keypoint[:, part]
    return replace(recording, keypoint=keypoint, score=score, name=name, label=segment.label, segments=None)
