"""Numbers that programs write in place of a joint that was not seen: all its coordinates are -1, or -999."""

from dataclasses import replace

import numpy as np

from kinegraph.data.formats.as_asked import mapped
from kinegraph.data.formats.recordings import Recordings
from kinegraph.data.large import blocks, zeros
from kinegraph.skeleton.clip import SkeletonClip

PLACEHOLDERS = (-1.0, -99.0, -999.0, -9999.0)
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
    return sum(int((clip.keypoint[:, part] == value).all(3).sum()) for part in blocks(clip.keypoint))


def _cleared(clip: SkeletonClip, value: float) -> SkeletonClip:
    keypoint, score = zeros(clip.keypoint.shape), None if clip.score is None else zeros(clip.score.shape)
    for part in blocks(clip.keypoint, keypoint):
        there = (clip.keypoint[:, part] != value).any(3)
        keypoint[:, part] = np.where(there[..., None], clip.keypoint[:, part], 0)
        if score is not None and clip.score is not None:
            score[:, part] = np.where(there, clip.score[:, part], 0)
    return replace(clip, keypoint=keypoint, score=score)
