"""What the exact engines do with the moments that come out of a network: means, absent people, probabilities."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.evaluation.metrics import softmax
from kinegraph.inference.streaming.causal import CausalFrames, absent_body
from kinegraph.inference.streaming.poses import Form, Person, Scores

if TYPE_CHECKING:
    from kinegraph.inference.streaming.saved import Saved


class Pool:
    """The mean of the latest moments, or of all of them. A moment is a row: features, or logits, which are linear."""

    def __init__(self, moments: int | None, width: int):
        self.moments, self.count = moments, 0
        self.kept = np.zeros((moments or 0, width), np.float32)
        self.total = np.zeros(width)

    def add(self, rows: Float[np.ndarray, "m D"]) -> None:
        """Take further moments."""
        if self.moments is None:
            self.total = self.total + rows.sum(0, dtype=np.float64)
        else:
            for row, number in zip(rows, range(self.count, self.count + len(rows)), strict=True):
                self.kept[number % self.moments] = row
        self.count += len(rows)

    @property
    def rests_on(self) -> int:
        """Moments that the mean is of."""
        return self.count if self.moments is None else min(self.count, self.moments)

    def mean(self) -> Float[np.ndarray, "D"]:
        """In float64; there must be moments."""
        if self.moments is None:
            return self.total / self.count
        return self.kept[: self.rests_on].mean(0, dtype=np.float64)

    def copied(self) -> "Pool":
        """A pool that goes its own way from here."""
        other = copy(self)
        other.kept = self.kept.copy()
        return other


@dataclass(eq=False)
class Body:
    """One person: frames on their way into the network, and moments that came out of it."""

    frames: CausalFrames
    pool: Pool
    length: int = 0  # frames that the network has seen

    def copied(self) -> "Body":
        """A body that goes its own way from here."""
        return Body(copy(self.frames), self.pool.copied(), self.length)

    def saved(self) -> dict[str, np.ndarray]:
        """All of it, as arrays."""
        pool, frames = self.pool, self.frames
        arrays = {"at": np.array([self.length, frames.skipped, pool.count]), "kept": pool.kept, "total": pool.total}
        poses = {"first": frames.first, "waiting": frames.waiting}
        return arrays | {name: array for name, array in poses.items() if array is not None}

    def restore(self, saved: "Saved") -> None:
        """Become what `saved` gave. Raises ValueError where it does not fit."""
        form, pool, frames = self.frames.form, self.pool, self.frames
        self.length, frames.skipped, pool.count = saved.counts("at", 3)
        pool.kept = saved.array("kept", *pool.kept.shape)
        pool.total = saved.array("total", *pool.total.shape, kind=np.float64)
        shape = (1, len(form.layout), form.dimensions + form.scored)
        frames.first = saved.array("first", *shape) if saved.has("first") else None
        frames.waiting = saved.array("waiting", *shape) if saved.has("waiting") else None
        if frames.first is None and (self.length or frames.waiting is not None):
            raise ValueError("the first frame is not there")


def moments_of(window: int | None, stride: int) -> int | None:
    """Moments that an answer rests on: as many as a clip of `window` frames has."""
    return None if window is None else -(-window // stride)


def scores_of(
    pools: Mapping[Person, Pool], logits: Float[np.ndarray, "P classes"], bodies: Mapping[Person, Body], stride: int
) -> dict[Person, Scores]:
    """The probabilities of some people, and the frames that they rest on."""
    found: dict[Person, Scores] = {}
    for (person, pool), row in zip(pools.items(), softmax(logits), strict=True):
        skipped = bodies[person].frames.skipped
        first, last = (pool.count - pool.rests_on) * stride, (pool.count - 1) * stride
        found[person] = Scores(skipped + first, skipped + last + 1, row)
    return found


class Absent:
    """The moments of a body who is not there, which count among those of everybody: `people` of the recipe bodies.

    Away from the ends of a recording they are always the same.
    compute: the moments of a complete recording. reach: frames before a moment that it sees, delay: after it. stride:
    frames from one moment to the next.
    """

    def __init__(
        self,
        compute: Callable[[Float[np.ndarray, "n V C"]], Float[np.ndarray, "m D"]],
        reach: int,
        delay: int,
        stride: int,
        steps: Preprocessing,
        form: Form,
    ):
        self.compute, self.delay, self.stride, self.others = compute, delay, stride, steps.people - 1
        self.pose = absent_body(steps, form) if self.others else np.zeros(0, np.float32)
        self.made: dict[int, Float[np.ndarray, "m D"]] = {}  # frames of a recording -> its moments
        self.edge = -(-reach // stride)  # moments that see the beginning
        self.reach = reach

    @cached_property
    def begin(self) -> Float[np.ndarray, "m D"]:
        """The first moments of a recording that does not end, up to those that do not see its beginning."""
        return self._moments(self.reach + self.delay + self.stride)[: self.edge + 1]

    def of(self, first: int, count: int) -> Float[np.ndarray, "count D"] | None:
        """Moments that do not see the end; None where the recipe is of one person."""
        if not self.others:
            return None
        return self.begin[np.minimum(np.arange(first, first + count), self.edge)]

    def at_end(self, count: int, length: int) -> Float[np.ndarray, "count D"] | None:
        """The last moments of a recording of so many frames."""
        if not self.others:
            return None
        enough = self.stride * (2 * self.edge + count + self.delay)
        return self._moments(length - max(0, length - enough) // self.stride * self.stride)[-count:]

    def with_others(
        self, own: Float[np.ndarray, "m D"], absent: Float[np.ndarray, "m D"] | None
    ) -> Float[np.ndarray, "m D"]:
        """The mean over all bodies of the recipe: those who are not there count, as in training."""
        return own if absent is None else (own + self.others * absent) / (self.others + 1)

    def _moments(self, frames: int) -> Float[np.ndarray, "m D"]:
        if frames not in self.made:
            if len(self.made) > self.stride:  # those that follow each other stay
                self.made.clear()
            self.made[frames] = self.compute(self.pose[None].repeat(frames, axis=0))
        return self.made[frames]
