"""The window engine: the latest frames as a clip, asked about every few frames, everybody's window in one batch.

It takes every network and every recipe, and costs a clip each time.
"""

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinegraph.inference.streaming.poses import Form, Person, Poses, Scores
from kinegraph.inference.trained_network import Asked, probabilities

if TYPE_CHECKING:
    from kinegraph.inference.streaming.saved import Saved

BATCH = 32


@dataclass(eq=False)
class Recent:
    """The latest frames of a person. length: of all that came."""

    poses: Poses
    length: int = 0
    asked: bool = True  # whether the network has seen them


class WindowEngine:
    """Probabilities of the latest `window` frames, every `stride` frames; from `least` frames on."""

    def __init__(self, asked: Asked, form: Form, window: int, stride: int, least: int):
        self.asked, self.form = asked, form
        self.window, self.stride, self.least = window, stride, min(least, window)
        self.people: dict[Person, Recent] = {}
        self.tick = 0

    def push(self, poses: Mapping[Person, Poses], frame: int) -> dict[Person, Scores]:
        """Take the next frames of some people. Returns the scores that changed. frame: number of the stream's frame."""
        for person, rows in poses.items():
            recent = self.people.setdefault(person, Recent(rows[:0]))
            recent.poses = np.concatenate([recent.poses, rows])[-self.window :]
            recent.length, recent.asked = recent.length + len(rows), False
        tick, self.tick = self.tick, frame // self.stride
        return self._asked() if self.tick != tick else {}

    def _asked(self) -> dict[Person, Scores]:
        due = {
            person: recent for person, recent in self.people.items() if not recent.asked and recent.length >= self.least
        }
        clips = (self.form.clip(recent.poses) for recent in due.values())
        found = dict(zip(due, probabilities(self.asked, clips, BATCH), strict=True))
        for recent in due.values():
            recent.asked = True
        return {
            person: Scores(due[person].length - len(due[person].poses), due[person].length, row)
            for person, row in found.items()
        }

    def ended(self, people: Collection[Person]) -> dict[Person, Scores]:
        """The scores of the latest frames of some people. Nothing changes."""
        other = self.forked()
        other.drop(other.people.keys() - set(people))
        return other._asked()

    def drop(self, people: Iterable[Person]) -> None:
        """Forget some people."""
        for person in people:
            del self.people[person]

    def forked(self) -> "WindowEngine":
        """An engine that goes its own way from here; the network is the same."""
        other = copy(self)
        other.people = {person: copy(recent) for person, recent in self.people.items()}
        return other

    def saved(self, person: Person) -> dict[str, np.ndarray]:
        """The state of a person, as arrays."""
        recent = self.people[person]
        return {"poses": recent.poses, "at": np.array([recent.length, int(recent.asked)])}

    def restore(self, person: Person, saved: "Saved") -> None:
        """Go on from what `saved` gave. Raises ValueError where it does not fit."""
        length, asked = saved.counts("at", 2)
        poses = saved.array("poses", None, len(self.form.layout), self.form.dimensions + self.form.scored)
        if len(poses) != min(length, self.window):
            raise ValueError(f"{len(poses)} frames are kept of {length}")
        self.people[person] = Recent(poses, length, asked == 1)
