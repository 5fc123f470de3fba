"""The exact engine without torch: an exported graph takes a frame of each person and his or her state."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.inference.exported import FRAME, OUTPUT, STATE, Exported, finite
from kinegraph.inference.streaming.causal import CausalFrames, pushed
from kinegraph.inference.streaming.moments import Absent, Body, Pool, moments_of, scores_of
from kinegraph.inference.streaming.poses import Form, Person, Poses, Scores

if TYPE_CHECKING:
    from kinegraph.inference.streaming.saved import Saved

LONGEST = 100_000  # frames: what a file may say of its delay
State = tuple[np.ndarray, ...]  # the clock and what the blocks keep, people first; zeros are a new person


@dataclass(frozen=True, eq=False)
class FrameGraph:
    """A graph of single frames. delay, reach: frames after and before a moment that it sees. stride: frames from one
    moment to the next. shapes: of the states of one person."""

    session: Any
    delay: int
    reach: int
    stride: int
    shapes: tuple[tuple[int, ...], ...]

    def start(self) -> State:
        """The state of a new person."""
        return np.zeros((1, 2), np.int64), *(np.zeros((1, *shape), np.float32) for shape in self.shapes)

    def step(
        self, frame: Float[np.ndarray, "P V C"], state: State, there: bool
    ) -> tuple[Float[np.ndarray, "P classes"], Bool[np.ndarray, "P"], State]:
        """The logits of the moments that are complete now, of whom they are, and the state after the frame.

        there: False where the recordings have ended and the frame stands for nothing.
        """
        feed = {FRAME: np.ascontiguousarray(frame, np.float32), "there": np.full(len(frame), int(there), np.int64)}
        feed |= {"clock": state[0]} | {f"{STATE}{i}": tensor for i, tensor in enumerate(state[1:])}
        logits, ready, *after = self.session.run(None, feed)
        return finite(logits), ready, tuple(after)


@dataclass(frozen=True, eq=False)
class Kept:
    """The state of a person: a row among those of the people who were computed together."""

    together: State
    row: int

    @property
    def own(self) -> State:
        """Of this person alone."""
        return tuple(tensor[self.row : self.row + 1] for tensor in self.together)


def _joined(kept: Sequence[Kept]) -> State:
    """One state of several people; copied only where they were not computed together."""
    together = kept[0].together
    in_order = [state.row for state in kept] == list(range(len(together[0])))
    if in_order and all(state.together is together for state in kept):
        return together
    return tuple(np.concatenate(rows) for rows in zip(*(state.own for state in kept), strict=True))


def frame_graph(exported: Exported) -> FrameGraph | str:
    """The graph of a file of `export --stream`, or the reason why it is none. Raises ValueError for a damaged file."""
    if exported.frame_by_frame is None:
        return "an exported network sees complete clips; `kinegraph export --stream` writes one of single frames"
    known: list[Any] = [exported.frame_by_frame.get(name) for name in ("delay", "reach", "stride")]
    delay, reach, stride = known
    inputs = exported.session.get_inputs()
    shapes = {input_.name: tuple(input_.shape[1:]) for input_ in inputs if input_.name.startswith(STATE)}
    wanted = [FRAME, "there", "clock", *(f"{STATE}{i}" for i in range(len(shapes)))]
    made = [OUTPUT, "ready", *(f"next_{name}" for name in wanted[2:])]
    fits = [input_.name for input_ in inputs] == wanted and [
        output.name for output in exported.session.get_outputs()
    ] == made
    fits &= all(type(size) is int and 0 <= size <= LONGEST for size in known) and stride != 0
    fits &= all(type(size) is int and 0 < size <= LONGEST for shape in shapes.values() for size in shape)
    if not fits:
        raise ValueError("the graph of single frames is not as its metadata says; export the weights again")
    return FrameGraph(exported.session, delay, reach, stride, tuple(shapes.values()))


class GraphEngine:
    """Logits of the complete recording, `delay` frames after each moment: as `ExactEngine`, computed by onnxruntime.

    window: frames that an answer is the mean over; None: all since the person came.
    """

    tick = 0  # of the window engine

    def __init__(self, exported: Exported, graph: FrameGraph, form: Form, window: int | None):
        self.steps, self.form, self.graph = exported.preprocessing, form, graph
        self.classes, self.moments = len(exported.class_names), moments_of(window, graph.stride)
        self.bodies: dict[Person, Body] = {}
        self.states: dict[Person, Kept] = {}

    def push(self, poses: Mapping[Person, Poses], frame: int) -> dict[Person, Scores]:
        """Take the next frames of some people. Returns the scores that changed."""
        for person in poses.keys() - self.bodies.keys():
            pool = Pool(self.moments, self.classes)
            self.bodies[person] = Body(CausalFrames(self.steps, self.form), pool)
            self.states[person] = Kept(self.graph.start(), 0)
        prepared = pushed({person: self.bodies[person].frames for person in poses}, poses)
        made = self._moments(self.states, prepared)
        for person, rows in prepared.items():
            self.bodies[person].length += len(rows)
            self.bodies[person].pool.add(made[person])
        return self._scores({person: self.bodies[person].pool for person, rows in made.items() if len(rows)})

    def _moments(
        self, states: dict[Person, Kept], frames: Mapping[Person, Float[np.ndarray, "_ V C"]], there: bool = True
    ) -> dict[Person, Float[np.ndarray, "m classes"]]:
        """The logits of the moments that are complete after these frames. The states take the frames."""
        made: dict[Person, list[np.ndarray]] = {person: [] for person in frames}
        for number in range(max(map(len, frames.values()), default=0)):
            people = [person for person, rows in frames.items() if len(rows) > number]
            x = np.stack([frames[person][number] for person in people])
            logits, ready, after = self.graph.step(x, _joined([states[person] for person in people]), there)
            for i, person in enumerate(people):
                states[person] = Kept(after, i)
                if ready[i]:
                    made[person].append(logits[i])
        return {person: np.array(rows, np.float32).reshape(-1, self.classes) for person, rows in made.items()}

    def _ended(self, states: dict[Person, Kept]) -> dict[Person, Float[np.ndarray, "m classes"]]:
        """The logits of the moments that wait for frames, when no frame follows; of nobody but the person."""
        nothing = np.zeros((self.graph.delay, len(self.form.layout), self._channels), np.float32)
        return self._moments(states, {person: nothing for person in states}, there=False)

    def _scores(self, pools: Mapping[Person, Pool]) -> dict[Person, Scores]:
        if not pools:
            return {}
        logits = np.stack([pool.mean() for pool in pools.values()])
        return scores_of(pools, logits, self.bodies, self.graph.stride)

    def ended(self, people: Collection[Person]) -> dict[Person, Scores]:
        """Some people's scores if no frame followed: also of the moments that wait for frames. Nothing changes."""
        states, pools = {person: self.states[person] for person in people}, dict[Person, Pool]()
        rest = {person: self.bodies[person].frames.rest() for person in people}
        complete = self._moments(states, rest)
        for person, rows in self._ended(states).items():
            body = self.bodies[person]
            pool = body.pool.copied()
            pool.add(complete[person])
            if len(rows):
                absent = self._absent.at_end(len(rows), body.length + len(rest[person]))
                pool.add(self._absent.with_others(rows, absent))
            if pool.count:
                pools[person] = pool
        return self._scores(pools)

    @property
    def _channels(self) -> int:
        return self.steps.channels(self.form.dimensions, self.form.scored)

    @cached_property
    def _absent(self) -> Absent:
        """Of somebody who is not there; in frames that do not see the end the graph itself counts that."""
        graph = self.graph
        return Absent(self._of_recording, graph.reach, graph.delay, graph.stride, self.steps, self.form)

    def _of_recording(self, x: Float[np.ndarray, "n V C"]) -> Float[np.ndarray, "m classes"]:
        states: dict[Person, Kept] = {0: Kept(self.graph.start(), 0)}
        return np.concatenate([self._moments(states, {0: x})[0], self._ended(states)[0]])

    def drop(self, people: Iterable[Person]) -> None:
        """Forget some people."""
        for person in people:
            del self.bodies[person], self.states[person]

    def forked(self) -> "GraphEngine":
        """An engine that goes its own way from here; the network is the same."""
        other = copy(self)
        other.bodies = {person: body.copied() for person, body in self.bodies.items()}
        other.states = dict(self.states)  # a step makes new arrays
        return other

    def saved(self, person: Person) -> dict[str, np.ndarray]:
        """The state of a person, as arrays."""
        clock, *kept = self.states[person].own
        return self.bodies[person].saved() | {"clock": clock} | {f"{STATE}{i}": tensor for i, tensor in enumerate(kept)}

    def restore(self, person: Person, saved: "Saved") -> None:
        """Go on from what `saved` gave. Raises ValueError where it does not fit."""
        body = Body(CausalFrames(self.steps, self.form), Pool(self.moments, self.classes))
        body.restore(saved)
        clock = saved.array("clock", 1, 2, kind=np.int64)
        if clock.tolist() != [[body.length, 0]]:
            raise ValueError(f"'clock' is {clock.tolist()} after {body.length} frames")
        kept = [saved.array(f"{STATE}{i}", 1, *shape) for i, shape in enumerate(self.graph.shapes)]
        self.bodies[person], self.states[person] = body, Kept((clock, *kept), 0)
