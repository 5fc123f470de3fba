"""Clips without what a detector or sensor adds: doubtful joints, swapped sides, jumps, gaps, jitter. Pure functions.

All work on each joint of each person by itself, in the order of `Cleaning`. A joint that was not seen is all zero.
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import pi
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.data.large import BLOCK_BYTES, blocks
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import body_extent, seen

Smoothing = Literal["savgol", "one-euro"]
WINDOW, DEGREE = 7, 2  # frames and degree of the polynomial of Savitzky and Golay
LEAST_CUTOFF, BETA, SPEED_CUTOFF = 1.0, 0.3, 1.0  # Hz; per size of a body and second
GAP, JUMP = 10, 0.5  # frames, bodies: what `needs` counts
USUAL_RATE = 30.0  # frames a second of a clip that does not say it
CLEARLY = 0.5  # of the way that both joints would go without an exchange
APART = 0.05  # size of a body; joints that lie nearer together are no evidence
LONGEST = 30  # frames


@dataclass(frozen=True)
class Cleaning:
    """What is done to clips when they are read; nothing by default.

    min_score: joints with a lower score count as not seen. mend_sides: left and right that swap for some frames are
    exchanged back (`mended_sides`). jumps: positions that lie farther than this from the way between their neighbours,
    in sizes of a body, count as not seen. fill: gaps of up to so many frames are filled.
    smooth: "savgol" fits a parabola to each 7 frames, both sides alike; "one-euro" looks back only, as in a stream.
    """

    min_score: float | None = None
    mend_sides: bool | None = None
    jumps: float | None = None
    fill: int | None = None
    smooth: Smoothing | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) not in (None, False) for field in fields(self))

    def __str__(self) -> str:
        words = {"min_score": "without scores below {}", "mend_sides": "left and right mended",
                 "jumps": "without jumps beyond {} bodies",
                 "fill": "gaps of up to {} frames filled", "smooth": "smoothed by {}"}  # fmt: skip
        return ", ".join(
            text.format(value) for name, text in words.items() if (value := getattr(self, name)) not in (None, False)
        )


def cleaned(clip: SkeletonClip, steps: Cleaning) -> SkeletonClip:
    """The clip after all steps. Raises ValueError for `min_score` and a clip without scores, and for `mend_sides` and a
    layout without left and right."""
    if steps.min_score is not None:
        clip = without_doubtful(clip, steps.min_score)
    if steps.mend_sides:
        if not clip.layout.mirror:
            raise ValueError(
                f"layout '{clip.layout.name}' says no left and right (mirror), which --mend-sides exchanges"
            )
        clip = mended_sides(clip)
    if steps.jumps is not None:
        clip = without_jumps(clip, steps.jumps)
    if steps.fill is not None:
        clip = filled(clip, steps.fill)
    if steps.smooth is not None:
        clip = smoothed(clip, steps.smooth)
    return clip


@dataclass(frozen=True)
class Needs:
    """What cleaning would change in a clip, as shares of its joints and, for swaps, of its frames with somebody.

    gaps: of up to `GAP` frames. jumps: of more than `JUMP` bodies. swaps: of left and right.
    """

    gaps: float = 0.0
    jumps: float = 0.0
    swaps: float = 0.0


def needs(clip: SkeletonClip) -> Needs:
    """What `filled`, `without_jumps` and `mended_sides` would change; in a long recording, block of frames by block."""
    if clip.keypoint.nbytes <= BLOCK_BYTES:
        return _needs(clip)
    parts = list(blocks(clip.keypoint))
    found = [_needs(replace(clip, keypoint=clip.keypoint[:, part], score=None)) for part in blocks(clip.keypoint)]
    frames = [part.stop - part.start for part in parts]
    shares = ([getattr(some, field.name) for some in found] for field in fields(Needs))
    return Needs(*(float(np.average(share, weights=frames)) for share in shares))


def _needs(clip: SkeletonClip) -> Needs:
    there = seen(clip.keypoint)
    frames = there.any((0, 2)).sum()
    if not frames:
        return Needs()
    jumped = there & ~seen(without_jumps(clip, JUMP).keypoint)
    swapped = swapped_pairs(clip).any((0, 2)).sum()
    return Needs(float(_in_gaps(there, GAP).mean()), float(jumped.sum() / there.sum()), float(swapped / frames))


def _in_gaps(there: Bool[np.ndarray, "M T V"], most: int) -> Bool[np.ndarray, "M T V"]:
    """Which joints are unseen in gaps of up to so many frames, with a frame that shows them on both sides."""
    number, last = np.arange(there.shape[1])[None, :, None], there.shape[1]
    before = np.maximum.accumulate(np.where(there, number, -1), axis=1)
    after = np.minimum.accumulate(np.where(there, number, last)[:, ::-1], axis=1)[:, ::-1]
    return ~there & (before >= 0) & (after < last) & (after - before <= most + 1)


# ---- left out --------------------------------------------------------------------------------------------------------


def without_doubtful(clip: SkeletonClip, least: float) -> SkeletonClip:
    """Joints with a score below `least` as not seen. Raises ValueError for a clip without scores."""
    if clip.score is None:
        raise ValueError(f"clip '{clip.name}' has no scores, which --min-score compares")
    return _kept(clip, clip.score >= least)


def without_jumps(clip: SkeletonClip, most: float) -> SkeletonClip:
    """Joints as not seen that leave their way for one frame: farther than `most` sizes of a body from the middle
    between the frames before and after, which lie nearer to each other than that."""
    if clip.frames < 3:
        return clip
    points = np.where(seen(clip.keypoint)[..., None], clip.keypoint, np.nan)
    limit = most * body_extent(points)
    before, now, after = points[:, :-2], points[:, 1:-1], points[:, 2:]
    with np.errstate(invalid="ignore"):
        far = np.linalg.norm(now - (before + after) / 2, axis=-1) > limit
        far &= np.linalg.norm(after - before, axis=-1) < limit
    jumps = np.pad(far, ((0, 0), (1, 1), (0, 0)))
    return _kept(clip, ~jumps)


def _kept(clip: SkeletonClip, kept: Bool[np.ndarray, "M T V"]) -> SkeletonClip:
    score = None if clip.score is None else clip.score * kept
    return replace(clip, keypoint=clip.keypoint * kept[..., None], score=score)


# ---- gaps ------------------------------------------------------------------------------------------------------------


def filled(clip: SkeletonClip, most: int) -> SkeletonClip:
    """Gaps of up to `most` frames filled, between two frames that show the joint.

    The way is the cubic (Hermite) that leaves and arrives with the speed of the frames beside the gap, or a line where
    these are not seen. Scores in a gap are the line between those beside it.
    """
    there = seen(clip.keypoint)
    keypoint, score = clip.keypoint.copy(), None if clip.score is None else clip.score.copy()
    for person, joint in np.argwhere((~there).any(1) & there.any(1)).tolist():
        frames = np.flatnonzero(there[person, :, joint])
        for first, last in pairwise(frames.tolist()):
            if 1 < last - first <= most + 1:
                share = np.arange(1, last - first)[:, None] / (last - first)
                row = keypoint[person, :, joint]
                row[first + 1 : last] = _way(row, there[person, :, joint], first, last, share)
                if score is not None:
                    ends = score[person, [first, last], joint]
                    score[person, first + 1 : last, joint] = ends[0] + share[:, 0] * (ends[1] - ends[0])
    return replace(clip, keypoint=keypoint, score=score)


def _way(
    row: Float[np.ndarray, "T C"], there: Bool[np.ndarray, "T"], first: int, last: int, share: Float[np.ndarray, "g 1"]
) -> Float[np.ndarray, "g C"]:
    start, end, gap = row[first], row[last], last - first
    straight = (end - start) / gap
    leaving = row[first] - row[first - 1] if first and there[first - 1] else straight
    arriving = row[last + 1] - row[last] if last + 1 < len(row) and there[last + 1] else straight
    square, cube = share**2, share**3
    return (
        (2 * cube - 3 * square + 1) * start
        + (cube - 2 * square + share) * gap * leaving
        + (3 * square - 2 * cube) * end
        + (cube - square) * gap * arriving
    )


# ---- jitter ----------------------------------------------------------------------------------------------------------


def smoothed(clip: SkeletonClip, way: Smoothing) -> SkeletonClip:
    """Joints without jitter, each stretch in which a joint is seen by itself; gaps stay gaps."""
    there, keypoint = seen(clip.keypoint), clip.keypoint.copy()
    points = np.where(there[..., None], clip.keypoint, np.nan)
    size, rate = body_extent(points), clip.fps or USUAL_RATE
    for person, joint in np.argwhere(there.any(1)).tolist():
        for start, stop in _stretches(there[person, :, joint]):
            row = clip.keypoint[person, start:stop, joint].astype(np.float64)
            keypoint[person, start:stop, joint] = savitzky_golay(row) if way == "savgol" else one_euro(row, rate, size)
    return replace(clip, keypoint=keypoint * there[..., None])


def _stretches(there: Bool[np.ndarray, "T"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.pad(there.astype(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def savitzky_golay(
    row: Float[np.ndarray, "T C"], window: int = WINDOW, degree: int = DEGREE
) -> Float[np.ndarray, "T C"]:
    """At each place the value of the polynomial that fits the `window` places around best; at the ends, of the first
    and the last ones. Source: Savitzky and Golay 1964."""
    window = min(window, len(row) - (len(row) + 1) % 2)
    if window <= degree:
        return row
    half = window // 2
    powers = np.arange(-half, half + 1)[:, None] ** np.arange(degree + 1)
    fit = powers @ np.linalg.pinv(powers)  # (window, window): values on the polynomial from values around
    made = np.empty_like(row)
    around = np.lib.stride_tricks.sliding_window_view(row, window, axis=0)  # (T - window + 1, C, window)
    made[half : len(row) - half] = around @ fit[half]
    made[:half] = fit[:half] @ row[:window]
    made[len(row) - half :] = fit[half + 1 :] @ row[-window:]
    return made


def one_euro(row: Float[np.ndarray, "T C"], rate: float, size: float) -> Float[np.ndarray, "T C"]:
    """A low-pass that lets fast movement through: its cutoff grows with the speed, in sizes of a body a second.

    rate: frames a second. Source: Casiez et al. 2012, with one speed for all coordinates.
    """

    def share(cutoff: float) -> float:
        turn = 2 * pi * cutoff / rate
        return turn / (turn + 1)

    made, speed = row.copy(), np.zeros(row.shape[1])
    for t in range(1, len(row)):
        speed += share(SPEED_CUTOFF) * ((row[t] - made[t - 1]) * rate - speed)
        cutoff = LEAST_CUTOFF + BETA * float(np.linalg.norm(speed)) / max(size, 1e-9) * 2 * pi
        made[t] = made[t - 1] + share(cutoff) * (row[t] - made[t - 1])
    return made


# ---- left and right exchanged by an estimator in the middle of a clip ------------------------------------------------
# A pair, such as both knees, is exchanged from one frame to the next where each joint lies clearly nearer to the place
# of the other one before than to its own. Only stretches that begin and end so within `LONGEST` frames are mended:
# where a pair stays exchanged, nobody knows which side is the right one.


def mended_sides(clip: SkeletonClip) -> SkeletonClip:
    """The clip with left and right exchanged back, in coordinates and scores."""
    swapped = swapped_pairs(clip)
    if not swapped.any():
        return clip
    keypoint, score = clip.keypoint.copy(), None if clip.score is None else clip.score.copy()
    for number, (left, right) in enumerate(clip.layout.mirror):
        there = swapped[:, :, number]
        for array in (keypoint, score):
            if array is not None:
                array[there, left], array[there, right] = array[there, right], array[there, left]
    return replace(clip, keypoint=keypoint, score=score)


def swapped_pairs(clip: SkeletonClip) -> Bool[np.ndarray, "M T pairs"]:
    """In which frames each pair of the layout is exchanged."""
    points = np.where(seen(clip.keypoint)[..., None], clip.keypoint, np.nan).astype(np.float64)
    found = np.zeros((*points.shape[:2], len(clip.layout.mirror)), bool)
    if not found.size or clip.frames < 3 or not (size := body_extent(points)) > 0:
        return found
    left, right = (points[:, :, [pair[side] for pair in clip.layout.mirror]] for side in (0, 1))
    exchanges = _exchanges(left, right, size)
    for person, pair in np.argwhere(exchanges.any(1)).tolist():
        _mark(found[person, :, pair], np.flatnonzero(exchanges[person, :, pair]))
    return found


def _exchanges(
    left: Float[np.ndarray, "M T pairs C"], right: Float[np.ndarray, "M T pairs C"], size: float
) -> Bool[np.ndarray, "M T pairs"]:
    """The frames in which a pair changes places, by the frame before that shows both joints."""
    both = ~np.isnan(left[..., 0] + right[..., 0])
    numbers = np.where(both, np.arange(both.shape[1])[None, :, None], -1)
    before = np.maximum.accumulate(numbers, axis=1)[:, :-1]
    place = np.maximum(before, 0)[..., None]
    left_before, right_before = (np.take_along_axis(side, place, axis=1) for side in (left, right))

    def way(one: Float[np.ndarray, "M t pairs C"], two: Float[np.ndarray, "M t pairs C"]) -> Float[np.ndarray, "..."]:
        return np.linalg.norm(one - two, axis=-1)

    now, then = left[:, 1:], right[:, 1:]
    stay = way(now, left_before) + way(then, right_before)
    exchange = way(now, right_before) + way(then, left_before)
    apart = np.minimum(way(now, then), way(left_before, right_before))
    with np.errstate(invalid="ignore"):
        found = (exchange < CLEARLY * stay) & (apart > APART * size) & (before >= 0)
    return np.pad(found, ((0, 0), (1, 0), (0, 0)))


def _mark(frames: Bool[np.ndarray, "T"], times: Int[np.ndarray, "n"]) -> None:
    """Mark the stretches from an exchange to the next one, where that comes soon."""
    i = 0
    while i + 1 < len(times):
        if times[i + 1] - times[i] <= LONGEST:
            frames[times[i] : times[i + 1]] = True
            i += 2
        else:
            i += 1
