"""Clips at another frame rate, and with another axis upward. Pure functions; what was not seen stays zero."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.data.normalize import set_upright
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up, seen
from kinegraph.skeleton.segment import Segment

MOST_FRAMES = 10_000_000


def at_rate(clip: SkeletonClip, fps: float) -> SkeletonClip:
    """The clip with `fps` frames a second: coordinates between two frames lie on the line between them.

    A joint that only one of the two frames shows is taken from that frame if it is the nearer one. A clip that has this
    rate stays as it is. Raises ValueError for a clip whose own rate is not known.
    """
    if clip.fps is None:
        raise ValueError(f"clip '{clip.name}' does not say its frame rate, give --fps")
    if clip.fps == fps or clip.frames < 2:
        return clip if clip.fps == fps else replace(clip, fps=fps)
    frames = round((clip.frames - 1) * fps / clip.fps) + 1
    if frames > MOST_FRAMES:
        raise ValueError(f"clip '{clip.name}' would have {frames:,} frames at {fps:g} a second")
    place = np.minimum(np.arange(frames) * (clip.fps / fps), clip.frames - 1)
    before = np.minimum(place.astype(int), clip.frames - 2)
    share = (place - before)[:, None]
    there = seen(clip.keypoint)
    keypoint = between(clip.keypoint, there, before, share)
    score = None if clip.score is None else between(clip.score[..., None], there, before, share)[..., 0]
    segments = (
        None if clip.segments is None else tuple(_at_rate(segment, fps / clip.fps, frames) for segment in clip.segments)
    )
    return replace(clip, keypoint=keypoint, score=score, fps=fps, segments=segments)


def _at_rate(segment: Segment, share: float, frames: int) -> Segment:
    """A segment of a recording that now has so many frames; of one frame at least."""
    start = min(round(segment.start * share), frames - 1)
    return replace(segment, start=start, end=min(max(round(segment.end * share), start + 1), frames))


def between(
    values: Float[np.ndarray, "M T V C"], there: Bool[np.ndarray, "M T V"], before: np.ndarray, share: np.ndarray
) -> Float[np.ndarray, "M t V C"]:
    """The values on the line between frame `before` and the next one, `share` of the way from it."""
    first, second = there[:, before], there[:, before + 1]
    nearer = np.where(share < 0.5, 0.0, 1.0)
    weight = np.where(first & second, share, nearer)[..., None].astype(values.dtype)
    made = values[:, before] * (1 - weight) + values[:, before + 1] * weight
    return made * np.where(first & second, True, np.where(share < 0.5, first, second))[..., None]


def turned_up(clip: SkeletonClip, up: Up) -> SkeletonClip:
    """The clip whose vertical axis was `up`, turned to the usual one: y upward in 3D, y downward in pictures.

    In a picture, y is counted from the other side of the image (or of the highest joint, where its size is not known).
    Raises ValueError for an axis that a picture does not have.
    """
    if clip.keypoint.shape[3] == 3:
        turned = set_upright(clip.keypoint, up)
        return clip if up == "y" else replace(clip, keypoint=turned * seen(clip.keypoint)[..., None])
    if up == "-y":
        return clip
    if up != "y":
        raise ValueError(f"--up {up} is for 3D recordings; in pictures it is y or -y (the usual one)")
    there = seen(clip.keypoint)
    height = clip.image_size[1] if clip.image_size else float(clip.keypoint[..., 1][there].max(initial=0))
    keypoint = clip.keypoint.copy()
    keypoint[..., 1] = (height - keypoint[..., 1]) * there
    return replace(clip, keypoint=keypoint)
