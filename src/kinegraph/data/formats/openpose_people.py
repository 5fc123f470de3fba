"""From the people that OpenPose saw in each frame, in any order, to the bodies of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kinegraph.data.tracking import Tracks, gathered, track

PUBLISHED_PEOPLE = 5  # the published reader looks at the first five people of a frame


@dataclass(frozen=True)
class Detections:
    """The people of each frame as x, y, score; a joint that was not seen is all zero."""

    frames: Sequence[Float[np.ndarray, "_ V 3"]]  # as many people as there are in each
    ids: Sequence[Sequence[int]] | None = None  # who they are, where OpenPose tracked them


@dataclass(frozen=True, eq=False)
class Bodies:
    """The bodies of a clip, zero in the frames that they are not in. left_out: detections that are of none."""

    keypoint: Float[np.ndarray, "M T V 2"]
    score: Float[np.ndarray, "M T V"]
    left_out: int


def best_of_each_frame(seen: Detections, people: int) -> Bodies:
    """Body 0 is in every frame the person with the largest sum of scores, body 1 the next: identities may change.

    Source: feeder_kinetics.py of yysijie/st-gcn, which also looks at the first five people only.
    """
    chosen = [np.argsort(-poses[:PUBLISHED_PEOPLE, :, 2].sum(1), kind="stable")[:people] for poses in seen.frames]
    rows = np.full((max(map(len, chosen), default=0), len(chosen)), -1)
    for t, best in enumerate(chosen):
        rows[: len(best), t] = best
    there = sum(int(poses.any((1, 2)).sum()) for poses in seen.frames)
    taken = sum(int(poses[best].any((1, 2)).sum()) for poses, best in zip(seen.frames, chosen, strict=True))
    return _bodies(seen, Tracks(rows, left_out=there - taken))


def tracked(seen: Detections, people: int) -> Bodies:
    """People by their ids, or followed from frame to frame; those with the largest sum of scores are kept."""
    places = [poses[..., :2] for poses in seen.frames]
    return _bodies(seen, track(places, [poses[..., 2].mean(1) for poses in seen.frames], people, seen.ids))


def _bodies(seen: Detections, tracks: Tracks) -> Bodies:
    found = gathered(seen.frames, tracks)
    return Bodies(np.ascontiguousarray(found[..., :2]), np.ascontiguousarray(found[..., 2]), tracks.left_out)
