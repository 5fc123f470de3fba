"""The exact engine: each frame goes through the network once, and the features are those of the complete recording."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.predictor import Predictor, check_finite
from kinegraph.inference.streaming.causal import CausalFrames, absent_body, obstacle, waits
from kinegraph.inference.streaming.poses import Form, Person, Poses, Scores
from kinegraph.models.layers.streaming import State, StreamedNetwork, bodies_of, copied, joined, phase
from kinegraph.models.network import SkeletonNetwork


def frame_by_frame(network: nn.Module, steps: Preprocessing) -> StreamedNetwork | str:
    """The network computed as frames arrive, or the reason why that is not possible."""
    if not isinstance(network, SkeletonNetwork):
        return f"a {type(network).__name__} is not a SkeletonNetwork"
    for name in ("forward", "whole_clips"):
        if getattr(type(network), name) is not getattr(SkeletonNetwork, name):
            return f"{type(network).__name__} has its own {name}"
    try:
        return obstacle(steps) or network.streamed()
    except NotImplementedError as error:
        return str(error)


def delay_of(network: StreamedNetwork, steps: Preprocessing) -> int:
    """Frames between a moment and its features; motion waits for one more."""
    return network.delay + waits(steps)


class Pool:
    """The mean of the latest features, or of all of them."""

    def __init__(self, moments: int | None, width: int):
        self.moments, self.count = moments, 0
        self.kept = np.zeros((moments or 0, width), np.float32)
        self.total = np.zeros(width)

    def add(self, features: Float[np.ndarray, "m D"]) -> None:
        """Take further features."""
        if self.moments is None:
            self.total = self.total + features.sum(0, dtype=np.float64)
        else:
            for row, number in zip(features, range(self.count, self.count + len(features)), strict=True):
                self.kept[number % self.moments] = row
        self.count += len(features)

    @property
    def rests_on(self) -> int:
        """Features that the mean is of."""
        return self.count if self.moments is None else min(self.count, self.moments)

    def mean(self) -> Float[np.ndarray, "D"]:
        """In float64; there must be features."""
        if self.moments is None:
            return self.total / self.count
        return self.kept[: self.rests_on].mean(0, dtype=np.float64)

    def copied(self) -> "Pool":
        """A pool that goes its own way from here."""
        other = copy(self)
        other.kept = self.kept.copy()
        return other


if TYPE_CHECKING:
    from kinegraph.inference.streaming.saved import Saved


@dataclass(eq=False)
class Body:
    """One person: frames on their way into the network, and features that came out of it."""

    frames: CausalFrames
    pool: Pool
    length: int = 0  # frames that the network has seen


@dataclass(eq=False)
class Group:
    """People of the same phase, who are computed together."""

    people: list[Person]
    state: State


class ExactEngine:
    """Features of the complete recording, `delay` frames after each moment.

    window: frames that an answer is the mean over; None: all since the person came.
    """

    tick = 0  # of the window engine

    def __init__(self, predictor: Predictor, network: StreamedNetwork, form: Form, window: int | None):
        self.steps, self.form, self.network = predictor.preprocessing, form, network
        self.moments = None if window is None else max(1, round(window / network.stride))
        head = predictor.network.get_submodule("head")
        self.weight, self.bias = (it.detach().double().cpu().numpy() for it in head.parameters())
        self.absent = Absent(self.network, self.steps, form)
        self.bodies: dict[Person, Body] = {}
        self.groups: list[Group] = []

    @torch.inference_mode()
    def push(self, poses: Mapping[Person, Poses], frame: int) -> dict[Person, Scores]:
        """Take the next frames of some people. Returns the scores that changed."""
        for person in poses.keys() - self.bodies.keys():
            pool = Pool(self.moments, self.network.width)
            self.bodies[person] = Body(CausalFrames(self.steps, self.form), pool)
            self.groups.append(Group([person], self.network.start(1)))
        prepared = {person: self.bodies[person].frames.push(rows) for person, rows in poses.items()}
        changed: dict[Person, Scores] = {}
        parts = [part for group in self.groups for part in _parted(group, prepared)]
        for group in parts:
            rows = [prepared[person] for person in group.people if person in prepared and len(prepared[person])]
            if rows:
                changed |= self._advanced(group, np.stack(rows))
        self.groups = _merged(parts)
        return changed

    def _advanced(self, group: Group, x: Float[np.ndarray, "B n V C"]) -> dict[Person, Scores]:
        for person in group.people:
            self.bodies[person].length += x.shape[1]
        features = pooled(self.network, x, group.state, last=False)
        if not features.shape[1]:
            return {}
        for person, rows in zip(group.people, features, strict=True):
            pool = self.bodies[person].pool
            pool.add(self._of_all(rows, self.absent.of(pool.count, len(rows))))
        return self._scores({person: self.bodies[person].pool for person in group.people})

    def _of_all(
        self, features: Float[np.ndarray, "m D"], absent: Float[np.ndarray, "m D"] | None
    ) -> Float[np.ndarray, "m D"]:
        """The mean over all bodies of the recipe: those who are not there count, as in training."""
        others = self.steps.people - 1
        return features if absent is None else (features + others * absent) / (others + 1)

    def _scores(self, pools: Mapping[Person, Pool]) -> dict[Person, Scores]:
        logits = np.stack([pool.mean() for pool in pools.values()]) @ self.weight.T + self.bias
        check_finite(torch.from_numpy(logits))
        powers = np.exp(logits - logits.max(1, keepdims=True))
        stride, found = self.network.stride, {}
        for (person, pool), row in zip(pools.items(), powers / powers.sum(1, keepdims=True), strict=True):
            skipped = self.bodies[person].frames.skipped
            first, last = (pool.count - pool.rests_on) * stride, (pool.count - 1) * stride
            found[person] = Scores(skipped + first, skipped + last + 1, row)
        return found

    @torch.inference_mode()
    def ended(self) -> dict[Person, Scores]:
        """The scores if no frame followed: also of the moments that wait for frames. Nothing changes."""
        pools: dict[Person, Pool] = {}
        for group in self.groups:
            for place, person in enumerate(group.people):
                body = self.bodies[person]
                rest = body.frames.rest()
                pool = body.pool.copied()
                features = pooled(self.network, rest[None], bodies_of(group.state, [place]), last=True)[0]
                if len(features):
                    absent = self.absent.at_end(len(features), body.length + len(rest))
                    pool.add(self._of_all(features, absent))
                if pool.count:
                    pools[person] = pool
        return self._scores(pools) if pools else {}

    @torch.inference_mode()
    def drop(self, people: Iterable[Person]) -> None:
        """Forget some people."""
        gone = set(people)
        for person in gone:
            del self.bodies[person]
        kept: list[Group] = []
        for group in self.groups:
            places = [i for i, person in enumerate(group.people) if person not in gone]
            if len(places) == len(group.people):
                kept.append(group)
            elif places:
                kept.append(Group([group.people[i] for i in places], bodies_of(group.state, places)))
        self.groups = kept

    @torch.inference_mode()
    def forked(self) -> "ExactEngine":
        """An engine that goes its own way from here; the network is the same."""
        other = copy(self)
        other.bodies = {
            person: Body(copy(body.frames), body.pool.copied(), body.length) for person, body in self.bodies.items()
        }
        other.groups = [Group(list(group.people), copied(group.state)) for group in self.groups]
        return other

    @torch.inference_mode()
    def saved(self, person: Person) -> dict[str, np.ndarray]:
        """The state of a person, as arrays."""
        body = self.bodies[person]
        group = next(group for group in self.groups if person in group.people)
        state = bodies_of(group.state, [group.people.index(person)])
        pool, frames = body.pool, body.frames
        arrays = {"at": np.array([body.length, frames.skipped, pool.count]), "kept": pool.kept, "total": pool.total}
        arrays |= {f"ring{i}": ring.frames.cpu().numpy() for i, ring in enumerate(state)}
        poses = {"first": frames.first, "waiting": frames.waiting}
        return arrays | {name: array for name, array in poses.items() if array is not None}

    @torch.inference_mode()
    def restore(self, person: Person, saved: "Saved") -> None:
        """Go on from what `saved` gave. Raises ValueError where it does not fit."""
        state = self.network.start(1)
        for i, ring in enumerate(state):
            _, V, room, C = ring.memory.shape
            frames = torch.from_numpy(saved.array(f"ring{i}", 1, V, None, C))
            ring.first, ring.last = 0, frames.shape[2]
            if ring.last <= room:
                ring.memory[:, :, : ring.last] = frames
        length, skipped, count = saved.counts("at", 3)
        if phase(state) != self.network.phase_after(length):
            raise ValueError(f"frames of another number than {length} are kept")
        body = Body(CausalFrames(self.steps, self.form), Pool(self.moments, self.network.width), length)
        body.pool.count, body.frames.skipped = count, skipped
        body.pool.kept = saved.array("kept", *body.pool.kept.shape)
        body.pool.total = saved.array("total", *body.pool.total.shape, kind=np.float64)
        shape = (1, len(self.form.layout), self.form.dimensions + self.form.scored)
        body.frames.first = saved.array("first", *shape) if saved.has("first") else None
        body.frames.waiting = saved.array("waiting", *shape) if saved.has("waiting") else None
        if body.frames.first is None and (length or body.frames.waiting is not None):
            raise ValueError("the first frame is not there")
        self.bodies[person] = body
        self.groups = _merged([*self.groups, Group([person], state)])


def pooled(
    network: StreamedNetwork, x: Float[np.ndarray, "B n V C"], state: State, last: bool
) -> Float[np.ndarray, "B m D"]:
    """The mean features over joints of the moments that are complete now."""
    return network(torch.from_numpy(x).to(network.scale), state, last).mean(2).cpu().numpy()


def _parted(group: Group, prepared: Mapping[Person, Float[np.ndarray, "n V C"]]) -> list[Group]:
    """The group itself, or its parts that take as many frames."""
    sizes = [len(prepared.get(person, ())) for person in group.people]
    if len(set(sizes)) == 1:
        return [group]
    parts: list[Group] = []
    for size in dict.fromkeys(sizes):
        places = [i for i, it in enumerate(sizes) if it == size]
        parts.append(Group([group.people[i] for i in places], bodies_of(group.state, places)))
    return parts


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Groups of the same phase become one."""
    same: dict[tuple[int, ...], list[Group]] = {}
    for group in groups:
        same.setdefault(phase(group.state), []).append(group)
    return [
        them[0]
        if len(them) == 1
        else Group([it for one in them for it in one.people], joined([one.state for one in them]))
        for them in same.values()
    ]


class Absent:
    """The features of a body who is not there, which count among those of everybody: `people` of the recipe bodies.

    Away from the ends of a recording they are always the same.
    """

    def __init__(self, network: StreamedNetwork, steps: Preprocessing, form: Form):
        self.network, needed = network, steps.people > 1
        self.pose = absent_body(steps, form) if needed else np.zeros(0, np.float32)
        self.made: dict[int, Float[np.ndarray, "m D"]] = {}  # frames of a recording -> its features
        reach = sum(block.around * stride for block, stride in network.strided())  # frames before a moment that it sees
        self.edge = -(-reach // network.stride)  # moments that see the beginning
        self.begin = self._features(reach + network.delay + network.stride)[: self.edge + 1] if needed else None

    def of(self, first: int, count: int) -> Float[np.ndarray, "count D"] | None:
        """The features of moments that do not see the end."""
        if self.begin is None:
            return None
        return self.begin[np.minimum(np.arange(first, first + count), self.edge)]

    def at_end(self, count: int, length: int) -> Float[np.ndarray, "count D"] | None:
        """Of the last moments of a recording of so many frames."""
        if self.begin is None:
            return None
        stride = self.network.stride
        enough = stride * (2 * self.edge + count + self.network.delay)
        return self._features(length - max(0, length - enough) // stride * stride)[-count:]

    def _features(self, frames: int) -> Float[np.ndarray, "m D"]:
        if frames not in self.made:
            if len(self.made) > self.network.stride:  # those that follow each other stay
                self.made.clear()
            x = self.pose[None, None].repeat(frames, axis=1)
            self.made[frames] = pooled(self.network, x, self.network.start(1), last=True)[0]
        return self.made[frames]
