"""`track` while it happens: people keep their numbers from frame to frame."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from kinegraph.data.tracking import LONGEST_GAP, _canonical, _continue, _Track


class Follower:
    """Gives each person of a frame a number, the same as in the frames before.

    gap: frames from one in which a person was seen to the next, from which on he or she is a new one.
    """

    def __init__(self, gap: int = LONGEST_GAP):
        self.gap, self.begun = gap, 0
        self._active: dict[int, _Track] = {}

    def follow(self, poses: Float[np.ndarray, "P V D"], frame: int) -> list[int | None]:
        """The number of each person, from 1 on; None for those who are not looked at. frame: above the last one."""
        poses = poses.astype(np.float64)
        seen = np.asarray(poses.any(-1))
        self._active = {number: one for number, one in self._active.items() if frame - one.last <= self.gap}
        there = _canonical(poses, seen.mean(1) if seen.size else np.zeros(len(seen)))
        for one in _continue(list(self._active.values()), poses, seen, there, frame):
            self.begun += 1
            self._active[self.begun] = one
        numbers: list[int | None] = [None] * len(poses)
        for number, one in self._active.items():
            if one.last == frame:
                numbers[one.row] = number
                one.at = {frame: one.row}  # earlier ones are not asked for
        return numbers

    def saved(self) -> dict[int, dict[str, np.ndarray]]:
        """What is known of each person, as arrays."""
        return {
            number: {
                "pose": one.pose, "velocity": one.velocity,
                "size": np.array([one.size]), "at": np.array([one.last, one.row]),
            }
            for number, one in self._active.items()
        }  # fmt: skip

    def restore(self, begun: int, people: Mapping[int, Mapping[str, np.ndarray]]) -> None:
        """Go on from what `saved` gave."""
        self.begun, self._active = begun, {}
        for number, it in people.items():
            pose, (last, row) = it["pose"], it["at"].tolist()
            self._active[number] = _Track(
                pose, np.asarray(pose.any(-1)), float(it["size"][0]), it["velocity"], {last: row}, last, row
            )
