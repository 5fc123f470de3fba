"""The exact engine: each frame goes through the network once, and the features are those of the complete recording."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.predictor import Predictor, check_finite
from kinegraph.inference.streaming.causal import CausalFrames, obstacle, pushed
from kinegraph.inference.streaming.moments import Absent, Body, Pool, moments_of, scores_of
from kinegraph.inference.streaming.poses import Form, Person, Poses, Scores
from kinegraph.models.layers.streaming import State, StreamedNetwork, bodies_of, copied, joined, phase
from kinegraph.models.network import SkeletonNetwork, network_kind
from kinegraph.models.precision import slower_bf16
from kinegraph.models.quickest import quickest, shown

if TYPE_CHECKING:
    from kinegraph.inference.streaming.saved import Saved

MOMENTS = 4  # that are computed to be measured


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
        self.moments = moments_of(window, network.stride)
        head = predictor.network.get_submodule("head")
        self.weight, self.bias = (parameter.detach().double().cpu().numpy() for parameter in head.parameters())
        self.absent = absent_of(network, self.steps, form)
        self.absent.of(0, 1)  # computed now, not in the middle of a stream
        self.bodies: dict[Person, Body] = {}
        self.groups: list[Group] = []

    @torch.inference_mode()
    def push(self, poses: Mapping[Person, Poses], frame: int) -> dict[Person, Scores]:
        """Take the next frames of some people. Returns the scores that changed."""
        for person in poses.keys() - self.bodies.keys():
            pool = Pool(self.moments, self.network.width)
            self.bodies[person] = Body(CausalFrames(self.steps, self.form), pool)
            self.groups.append(Group([person], self.network.start(1)))
        prepared = pushed({person: self.bodies[person].frames for person in poses}, poses)
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
            pool.add(self.absent.with_others(rows, self.absent.of(pool.count, len(rows))))
        return self._scores({person: self.bodies[person].pool for person in group.people})

    def _scores(self, pools: Mapping[Person, Pool]) -> dict[Person, Scores]:
        logits = np.stack([pool.mean() for pool in pools.values()]) @ self.weight.T + self.bias
        check_finite(torch.from_numpy(logits))
        return scores_of(pools, logits, self.bodies, self.network.stride)

    @torch.inference_mode()
    def ended(self, people: Collection[Person]) -> dict[Person, Scores]:
        """Some people's scores if no frame followed: also of the moments that wait for frames. Nothing changes."""
        pools: dict[Person, Pool] = {}
        for group in self.groups:
            for place, person in enumerate(group.people):
                if person not in people:
                    continue
                body = self.bodies[person]
                rest = body.frames.rest()
                pool = body.pool.copied()
                features = pooled(self.network, rest[None], bodies_of(group.state, [place]), last=True)[0]
                if len(features):
                    absent = self.absent.at_end(len(features), body.length + len(rest))
                    pool.add(self.absent.with_others(features, absent))
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
        other.bodies = {person: body.copied() for person, body in self.bodies.items()}
        other.groups = [Group(list(group.people), copied(group.state)) for group in self.groups]
        return other

    @torch.inference_mode()
    def saved(self, person: Person) -> dict[str, np.ndarray]:
        """The state of a person, as arrays."""
        group = next(group for group in self.groups if person in group.people)
        state = bodies_of(group.state, [group.people.index(person)])
        rings = {f"ring{i}": ring.frames.float().cpu().numpy() for i, ring in enumerate(state)}
        return self.bodies[person].saved() | rings

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
        body = Body(CausalFrames(self.steps, self.form), Pool(self.moments, self.network.width))
        body.restore(saved)
        if phase(state) != self.network.phase_after(body.length):
            raise ValueError(f"frames of another number than {body.length} are kept")
        self.bodies[person] = body
        self.groups = _merged([*self.groups, Group([person], state)])


def pooled(
    network: StreamedNetwork, x: Float[np.ndarray, "B n V C"], state: State, last: bool
) -> Float[np.ndarray, "B m D"]:
    """The mean features over joints of the moments that are complete now."""
    return network(torch.from_numpy(x).to(network.scale), state, last).float().mean(2).cpu().numpy()


def absent_of(network: StreamedNetwork, steps: Preprocessing, form: Form) -> Absent:
    """The features of a body who is not there."""

    @torch.inference_mode()
    def compute(x: Float[np.ndarray, "n V C"]) -> Float[np.ndarray, "m D"]:
        return pooled(network, x[None], network.start(1), last=True)[0]

    return Absent(compute, network.reach, network.delay, network.stride, steps, form)


def _parted(group: Group, prepared: Mapping[Person, Float[np.ndarray, "_ V C"]]) -> list[Group]:
    """The group itself, or its parts that take as many frames."""
    sizes = [len(prepared.get(person, ())) for person in group.people]
    if len(set(sizes)) == 1:
        return [group]
    parts: list[Group] = []
    for size in dict.fromkeys(sizes):
        places = [i for i, other in enumerate(sizes) if other == size]
        parts.append(Group([group.people[i] for i in places], bodies_of(group.state, places)))
    return parts


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Groups of the same phase become one."""
    same: dict[tuple[int, ...], list[Group]] = {}
    for group in groups:
        same.setdefault(phase(group.state), []).append(group)
    return [members[0] if len(members) == 1 else _joined(members) for members in same.values()]


def _joined(groups: Sequence[Group]) -> Group:
    people = [person for group in groups for person in group.people]
    return Group(people, joined([group.state for group in groups]))


# ---- what bfloat16 gains on this machine, and how far it is from float32: measured, as for clips ---------------------


def in_bf16(
    predictor: Predictor, streamed: StreamedNetwork | None, people: int, window: int | None
) -> tuple[StreamedNetwork | None, str]:
    """The exact engine's network in bfloat16, and a line about what that changes; "" where nothing is to be said.

    streamed: None for the window engine, which computes clips of `window` frames under autocast.
    """
    if streamed is None:
        return None, slower_bf16(predictor.network, "answer", predictor.preprocessing.people, window)
    assert isinstance(predictor.network, SkeletonNetwork), "other networks have no exact engine"
    return streamed.cast(torch.bfloat16), _measured(predictor.network, streamed, people)


def _measured(network: SkeletonNetwork, streamed: StreamedNetwork, people: int) -> str:
    """A line: how many milliseconds a frame takes in both precisions, and how much the features differ."""
    frames = streamed.delay + MOMENTS * streamed.stride
    shape = (people, frames, streamed.joints, network.config["channels"])
    about = {"work": "a stream", "network": network_kind(network).__name__, "config": network.config, "frames": shape}
    about |= {"threads": torch.get_num_threads(), "device": str(streamed.scale.device)}
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(streamed.scale)
    ways = {"32-true": lambda: streamed, "bf16-mixed": lambda: streamed.cast(torch.bfloat16)}
    found = quickest(ways, partial(_features, x=x), about, np.inf).measured
    exact, rough = (found.milliseconds[name] / frames for name in ways)
    of = "one person" if people == 1 else f"{people} people"
    differs = f"the features differ by up to {found.differences['bf16-mixed']:.1g} of their spread"
    if rough < exact:
        return f"bf16-mixed: a frame of {of} takes {shown(rough)} instead of {shown(exact)}, and {differs}"
    return (
        f"bf16-mixed is slower than 32-true on this machine: a frame of {of} takes {shown(rough)} instead of "
        f"{shown(exact)}, and {differs}; leave --precision out"
    )


@torch.inference_mode()
def _features(streamed: StreamedNetwork, x: Float[torch.Tensor, "B n V C"]) -> Float[np.ndarray, "B m V D"]:
    state = streamed.start(len(x))
    made = [streamed(frame[:, None], state) for frame in x.unbind(1)]
    return torch.cat(made, 1).float().cpu().numpy()
