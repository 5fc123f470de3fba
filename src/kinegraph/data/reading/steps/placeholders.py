"""What programs write in place of a joint that was not seen, and of a score from 0 to 1."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from kinegraph.data.large import blocks, zeros
from kinegraph.data.reading.clips.conventions import PERCENT
from kinegraph.data.reading.clips.recordings import Item, Recordings, mapped, peeked
from kinegraph.skeleton.clip import SkeletonClip

PLACEHOLDERS = (-1.0, -99.0, -999.0, -9999.0, 9999.0, 99999.0)
LOOKED_AT = 5000  # frames of a clip
LEVELS = (0, 1, 2, 3)  # of a Kinect
FEWEST = 2  # joints of a clip: a single one may be there by chance


def without_placeholders(found: Recordings) -> Recordings:
    """The recordings with zero, which means unseen, in place of such joints; `changed` says how many there were."""
    counts: dict[float, int] = {}

    def cleared(clip: SkeletonClip) -> SkeletonClip:
        for value in PLACEHOLDERS:
            if clip.keypoint.size and (count := _count(clip, value)) >= FEWEST:
                clip = _cleared(clip, value)
                counts[value] = counts.get(value, 0) + count
        return clip

    def lines() -> list[str]:
        what = "joints whose coordinates are all"
        return [f"{count:,} {what} {value:g} count as not seen" for value, count in counts.items()]

    return replace(found, clips=mapped(found.clips, cleared), changed=lambda: found.changed() + lines())


def _count(clip: SkeletonClip, value: float) -> int:
    same = np.float32(value)  # half precision knows no number above 65,504
    return sum(int((clip.keypoint[:, part] == same).all(3).sum()) for part in blocks(clip.keypoint))


def _cleared(clip: SkeletonClip, value: float) -> SkeletonClip:
    keypoint, score = zeros(clip.keypoint.shape), None if clip.score is None else zeros(clip.score.shape)
    for part in blocks(clip.keypoint, keypoint):
        there = (clip.keypoint[:, part] != np.float32(value)).any(3)
        keypoint[:, part] = np.where(there[..., None], clip.keypoint[:, part], 0)
        if score is not None and clip.score is not None:
            score[:, part] = np.where(there, clip.score[:, part], 0)
    return replace(clip, keypoint=keypoint, score=score)


def with_shares(found: Recordings) -> Recordings:
    """The recordings with scores from 0 to 1 where files have percent or a Kinect's levels, by the first clips.

    Levels are 0, 1 (low or inferred), 2 (medium or tracked) and 3 (high). It is said.
    """
    said: list[str] = []

    def clips() -> Iterator[Item]:
        first, items = peeked(found.clips)
        some = [clip.score[:, :LOOKED_AT] for clip in first if clip.score is not None and clip.score.size]
        most, least = (
            max((float(score.max()) for score in some), default=0),
            min((float(score.min()) for score in some), default=0),
        )
        if most in LEVELS[2:] and all(np.isin(score, LEVELS).all() for score in some):
            full = LEVELS[2]
            said.append(f"scores are levels from 0 to {most:g}: divided by 2, at most 1")
        elif least >= 0 and PERCENT < most <= 100:
            full = 100
            said.append(f"scores are in percent, as they go up to {most:g}: divided by 100")
        else:
            yield from items
            return
        yield from mapped(
            items, lambda clip: clip if clip.score is None else replace(clip, score=_shares(clip.score, full))
        )

    return replace(found, clips=clips(), changed=lambda: found.changed() + said)


def _shares(score: Float[np.ndarray, "M T V"], full: float) -> Float[np.ndarray, "M T V"]:
    return np.minimum(score / np.float32(full), 1)
