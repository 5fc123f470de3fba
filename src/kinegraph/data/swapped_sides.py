"""Left and right joints that an estimator exchanges for some frames: found, and exchanged back. Pure functions.

A pair, such as both knees, is exchanged from one frame to the next where each joint lies clearly nearer to the place of
the other one before than to its own. Only stretches that begin and end so within `LONGEST` frames are mended: where a
pair stays exchanged, nobody knows which side is the right one.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import body_extent, seen

CLEARLY = 0.5  # of the way that both joints would go without an exchange
APART = 0.05  # size of a body; joints that lie nearer together are no evidence
LONGEST = 30  # frames


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
