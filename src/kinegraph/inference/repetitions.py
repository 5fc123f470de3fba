"""Repetitions of an exercise that comes back to where it began: count, duration and phase. Pure functions.

The distance of the body from its first pose, in body sizes, rises and falls with every repetition. One begins where
the distance passes a share of what the last repetitions reached, and ends where it has fallen to a smaller share.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

LEAST = 0.02  # body sizes, root mean square over joints: the smallest movement that counts
RISE, FALL = 0.6, 0.4  # shares of the usual distance at which a repetition begins and ends
SMOOTHING = 2  # frames
REMEMBERED = 5  # repetitions that say what is usual
SHORTEST = 10  # frames
BEHIND = 0.95  # share of the largest distance below which a repetition is on its way back


@dataclass(frozen=True)
class Repetition:
    """Frames start to end, not included. reach: the largest distance from the first pose, in body sizes."""

    start: int
    end: int
    reach: float


@dataclass(frozen=True, eq=False)
class Counting:
    """What is known of an exercise after a frame; begin with Counting().

    count: complete repetitions. phase: of the one that goes on, 0 at rest, 0.5 at the largest distance, up to 1 at rest
    again. distance: from the first pose, in body sizes. begin, reach: of the repetition that goes on.
    """

    count: int = 0
    phase: float = 0.0
    distance: float = 0.0
    begin: int | None = None
    reach: float = 0.0
    recent: tuple[Repetition, ...] = ()
    rest: Float[np.ndarray, "V C"] | None = None
    pose: Float[np.ndarray, "V C"] | None = None  # smoothed

    @property
    def usual(self) -> float:
        """The distance that repetitions reach."""
        return float(np.median([repetition.reach for repetition in self.recent])) if self.recent else LEAST / RISE


def counted(counting: Counting, frame: int, pose: Float[np.ndarray, "V C"]) -> tuple[Counting, Repetition | None]:
    """The next pose of a person, and the repetition that is complete with it.

    pose: one person's joints; a joint that was not seen is zero. A pose without joints is passed over.
    """
    seen = np.asarray(pose.any(-1))
    if not seen.any():
        return counting, None
    if counting.rest is None or counting.pose is None:
        pose = pose.astype(np.float64)
        return replace(counting, rest=pose, pose=pose), None
    known = np.asarray(counting.pose.any(-1))
    smooth = np.where((seen & known)[:, None], counting.pose + (pose - counting.pose) / SMOOTHING, 0)
    smooth = np.where((seen & ~known)[:, None], pose, smooth)
    distance = _distance(counting.rest, smooth)
    counting = replace(counting, pose=np.where(seen[:, None], smooth, counting.pose), distance=distance)
    if counting.begin is None:
        if distance < max(RISE * counting.usual, LEAST):
            return counting, None
        return replace(counting, begin=frame, reach=distance, phase=_phase(distance, distance, counting.usual)), None
    reach = max(counting.reach, distance)
    if distance > FALL * max(reach, counting.usual):
        phase = max(counting.phase, _phase(distance, reach, counting.usual))  # time does not go back
        return replace(counting, reach=reach, phase=phase), None
    done = Repetition(counting.begin, frame + 1, reach)
    counting = replace(counting, begin=None, reach=0.0, phase=0.0)
    if done.end - done.start < SHORTEST:
        return counting, None
    return replace(counting, count=counting.count + 1, recent=(*counting.recent, done)[-REMEMBERED:]), done


def repetitions(poses: Iterable[Float[np.ndarray, "V C"]]) -> list[Repetition]:
    """The complete repetitions of a recording of one person, (T, V, C)."""
    counting, found = Counting(), list[Repetition]()
    for frame, pose in enumerate(poses):
        counting, done = counted(counting, frame, pose)
        found += [] if done is None else [done]
    return found


def _distance(rest: Float[np.ndarray, "V C"], pose: Float[np.ndarray, "V C"]) -> float:
    """Root mean square over the joints that both poses show, in sizes of the body at rest."""
    both = np.asarray(rest.any(-1) & pose.any(-1))
    if not both.any():
        return 0.0
    shown = rest[rest.any(-1)]
    size = float(np.linalg.norm(shown.max(0) - shown.min(0)))
    return float(np.sqrt(((pose[both] - rest[both]) ** 2).sum(-1).mean())) / max(size, 1e-9)


def _phase(distance: float, reach: float, usual: float) -> float:
    share = min(1.0, distance / max(reach, usual))
    return 1 - share / 2 if distance < BEHIND * reach and reach >= RISE * usual else share / 2
