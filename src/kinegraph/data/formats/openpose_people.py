"""Who is who: from the people that a detector saw in each frame, in any order, to a few bodies over a clip."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

REACH = 0.5  # body sizes that a person may move from one frame to the next and still be taken for the same
LONGEST_GAP = 15  # frames without a person after which he or she is a new one
PUBLISHED_PEOPLE = 5  # the published reader looks at the first five people of a frame

Bodies = tuple[Float[np.ndarray, "M T V 2"], Float[np.ndarray, "M T V"]]


@dataclass(frozen=True)
class Detections:
    """The people of each frame as x, y, score; a joint that was not seen is all zero."""

    frames: Sequence[Float[np.ndarray, "_ V 3"]]  # as many people as there are in each


@dataclass
class _Track:
    """One person: which detection of which frame."""

    at: dict[int, int] = field(default_factory=dict)
    quality: float = 0.0
    last: int = -1
    pose: Float[np.ndarray, "V 3"] | None = None


def best_of_each_frame(seen: Detections, people: int) -> Bodies:
    """Body 0 is in every frame the person with the largest sum of scores, body 1 the next: identities may change.

    Source: feeder_kinetics.py of yysijie/st-gcn, which also looks at the first five people only.
    """
    chosen = []
    for poses in seen.frames:
        total = poses[:PUBLISHED_PEOPLE, :, 2].sum(1)
        chosen.append(np.argsort(-total, kind="stable")[:people].tolist())
    bodies = max(map(len, chosen), default=0)
    return _filled(seen, [{t: row[body] for t, row in enumerate(chosen) if len(row) > body} for body in range(bodies)])


def tracked(seen: Detections, people: int) -> Bodies:
    """People followed from frame to frame by nearness; those with the largest sum of scores over the clip are kept.

    A person in a frame goes to the track whose last pose is nearest: mean distance of the joints seen in both, in
    sizes of the body, at most REACH for each frame in between, LONGEST_GAP frames at most. What goes to no track begins
    one. Tracks are then given to bodies, best first; a later track that shares no frame with a body continues it.
    """
    tracks: list[_Track] = []
    for t, poses in enumerate(seen.frames):
        there = [i for i, pose in enumerate(poses) if pose.any()]
        active = [track for track in tracks if t - track.last <= LONGEST_GAP]
        taken = _matched(poses, there, active, t)
        for i in there:
            if i not in taken:
                tracks.append(_Track())
            track = taken.get(i) or tracks[-1]
            track.at[t], track.last, track.pose = i, t, poses[i]
            track.quality += float(poses[i, :, 2].mean())
    tracks.sort(key=lambda track: -track.quality)  # a stable sort: equals stay in the order they appeared
    bodies: list[dict[int, int]] = []
    for track in tracks:
        free = next((body for body in bodies if body.keys().isdisjoint(track.at)), None)
        if len(bodies) < people and free is None:
            bodies.append(dict(track.at))
        elif free is not None:
            free |= track.at
    return _filled(seen, bodies)


def _matched(poses: Float[np.ndarray, "P V 3"], there: list[int], active: list[_Track], t: int) -> dict[int, _Track]:
    """Detection -> track, nearest pairs first."""
    if not there or not active:
        return {}
    last = np.stack([track.pose for track in active])  # (tracks, V, 3)
    now = poses[there][:, None]
    both = (last[..., 2] > 0) & (now[..., 2] > 0)  # (there, tracks, V)
    apart = np.linalg.norm(now[..., :2] - last[..., :2], axis=-1)
    mean = (apart * both).sum(-1) / np.maximum(both.sum(-1), 1)
    reach = REACH * np.array([t - track.last for track in active]) * np.array([_size(track.pose) for track in active])
    cost = np.where(both.any(-1), mean, np.inf) / reach
    pairs: dict[int, _Track] = {}
    free = set(range(len(active)))
    for flat in np.argsort(cost, axis=None, kind="stable"):
        i, j = divmod(int(flat), len(active))
        if cost[i, j] > 1:
            break
        if there[i] not in pairs and j in free:
            pairs[there[i]] = active[j]
            free.remove(j)
    return pairs


def _size(pose: Float[np.ndarray, "V 3"]) -> float:
    """The diagonal of the box around the seen joints."""
    joints = pose[pose[:, 2] > 0, :2]
    return max(float(np.linalg.norm(np.ptp(joints, axis=0))), 1e-6)


def _filled(seen: Detections, bodies: Sequence[dict[int, int]]) -> Bodies:
    """Coordinates and scores of bodies, zero in the frames they are not in; no bodies where nobody was seen."""
    joints = next((poses.shape[1] for poses in seen.frames), 0)
    filled = np.zeros((len(bodies), len(seen.frames), joints, 3), np.float32)
    for body, at in zip(filled, bodies, strict=True):
        for t, i in at.items():
            body[t] = seen.frames[t][i]
    return np.ascontiguousarray(filled[..., :2]), np.ascontiguousarray(filled[..., 2])
