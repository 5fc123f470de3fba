"""What the segments of recordings are like: how long, how many, how unequal, what lies between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinegraph.skeleton.segment import Segment, labels_of_frames

UNEQUAL = 20  # times as many frames of the most frequent class as of the rarest


@dataclass(frozen=True)
class SegmentSummary:
    """Frames of recordings. lengths: of each class's segments, in seconds, or frames where no rate is known."""

    recordings: int
    frames: int
    gaps: int
    overlaps: int
    of_class: tuple[int, ...]
    lengths: tuple[tuple[float, ...], ...]
    seconds: bool


def summarize_segments(
    recordings: Iterable[tuple[Sequence[Segment], int, float | None]], classes: int
) -> SegmentSummary:
    """recordings: segments, frames and frames a second of each."""
    all_of = list(recordings)
    seconds = all(fps and fps == fps for _, _, fps in all_of)
    gaps = overlaps = 0
    of_class, lengths = np.zeros(classes, int), [list[float]() for _ in range(classes)]
    for segments, frames, fps in all_of:
        labels = labels_of_frames(segments, frames, classes)
        count = labels.sum(axis=1)
        gaps, overlaps = gaps + int((count == 0).sum()), overlaps + int((count > 1).sum())
        of_class += labels.sum(axis=0)
        for segment in segments:
            lengths[segment.label].append((segment.end - segment.start) / (fps if seconds and fps else 1))
    total = sum(frames for _, frames, _ in all_of)
    found = tuple(map(tuple, lengths))
    return SegmentSummary(len(all_of), total, gaps, overlaps, tuple(of_class.tolist()), found, seconds)


def facts_of_segments(found: SegmentSummary, names: Sequence[str], none: str = "") -> dict[str, Any]:
    """The same as plain data, for JSON."""
    every = [length for lengths in found.lengths for length in lengths]
    unit = "seconds" if found.seconds else "frames"
    return {
        "segments": sum(map(len, found.lengths)),
        "recordings": found.recordings,
        f"duration_{unit}": _spread(every),
        "between_segments": round(found.gaps / max(found.frames, 1), 4),
        "gaps_are": none or "ignored",
        "several_labels": round(found.overlaps / max(found.frames, 1), 4),
        "classes": {
            name: {"segments": len(lengths), "frames": frames, f"duration_{unit}": _spread(lengths)}
            for name, lengths, frames in zip(names, found.lengths, found.of_class, strict=True)
            if lengths
        },
    }


def lines_of_segments(found: SegmentSummary, names: Sequence[str], none: str) -> list[tuple[str, str]]:
    """The same as rows of a table, for people: durations, gaps, overlaps, and classes by their share of frames."""
    unit = "s" if found.seconds else "frames"
    every = sorted(length for lengths in found.lengths for length in lengths)
    if not every:
        return [("segments", "none")]
    low, middle, high = _spread(every).values()
    if found.gaps:
        gaps = f"{found.gaps / found.frames:.0%} of the frames, " + (f"class {none}" if none else "ignored")
    elif none and not found.of_class[names.index(none)]:
        gaps = f"nothing, so class {none} has no frames (--none ignore leaves it out)"
    else:
        gaps = f"nothing; {none} is the class of nothing" if none else "nothing"
    rows = [
        (
            "segments",
            f"{len(every):,} of {found.recordings:,} recordings; {low:g} to {high:g} {unit}, median {middle:g}",
        ),
        ("between them", gaps),
        ("several labels", f"{found.overlaps / found.frames:.0%} of the frames"),
    ]
    order = np.argsort([-count for count in found.of_class], kind="stable").tolist()
    shown = [i for i in order if found.of_class[i]]
    shares = [f"{names[i]} {found.of_class[i] / found.frames:.1%} ({len(found.lengths[i]):,})" for i in shown[:12]]
    more = f" and {len(shown) - 12} more" if len(shown) > 12 else ""
    times = found.of_class[shown[0]] / found.of_class[shown[-1]]
    unequal = f"; {times:,.0f} times as many frames of {names[shown[0]]} as of {names[shown[-1]]}"
    return [*rows, ("share of frames (segments)", f"{', '.join(shares)}{more}{unequal * (times >= UNEQUAL)}")]


def _spread(lengths: Sequence[float]) -> dict[str, float]:
    if not lengths:
        return {}
    low, middle, high = np.percentile(lengths, (0, 50, 100)).round(2).tolist()
    return {"shortest": low, "median": middle, "longest": high}
