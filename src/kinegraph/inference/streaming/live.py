"""All that happens in a stream: answers, events and repetitions of each person, in the order of the frames."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.inference.events import Event, EventRule, Watch, ended, watched
from kinegraph.inference.repetitions import Counting, Repetition, counted
from kinegraph.inference.streaming.poses import Person
from kinegraph.inference.streaming.stream import Stream, StreamAnswer


@dataclass(frozen=True)
class Repeated:
    """A complete repetition of a person. count: its number, from 1."""

    person: Person
    count: int
    repetition: Repetition


Happening = StreamAnswer | Event | Repeated


class Live:
    """A stream, and what follows from its answers. rule: of events. count: count repetitions.

    counts: the people who are there, and their repetitions.
    """

    def __init__(self, stream: Stream, rule: EventRule, count: bool = False):
        self.stream, self.rule, self.count = stream, rule, count
        self.watches: dict[Person, Watch] = {}
        self.counts: dict[Person, Counting] = {}

    def push(
        self,
        keypoint: Float[np.ndarray, "P V C"] | None,
        score: Float[np.ndarray, "P V"] | None = None,
        ids: Iterable[Hashable] | None = None,
        frame: int | None = None,
    ) -> list[Happening]:
        """What a frame changes: answers that are new, events that begin or end, repetitions. See `Stream.push`."""
        answers = self.stream.push(keypoint, score, ids=ids, frame=frame)
        return [*self._events(answers), *self._repetitions()]

    def finish(self) -> list[Happening]:
        """What is left when no frame follows; then the stream is as new."""
        answers = self.stream.finish()
        found = self._events(answers)
        self.watches, self.counts = {}, {}
        return found

    def _events(self, answers: Sequence[StreamAnswer]) -> list[Happening]:
        found = self._watched(answer for answer in answers if answer.last)
        for person, end in self.stream.left.items():
            found += ended(self.watches.pop(person, Watch(person)), self.rule, end)
        return found + self._watched(answer for answer in answers if answer.new and not answer.last)

    def _watched(self, answers: Iterable[StreamAnswer]) -> list[Happening]:
        found: list[Happening] = []
        for answer in answers:
            found.append(answer)
            watch = self.watches.get(answer.person, Watch(answer.person))
            if not watch.waiting or answer.middle > watch.waiting[-1][0]:
                watch, events = watched(watch, answer.middle, answer.prediction.probabilities, self.rule)
                found += events
            self.watches[answer.person] = watch
        return found

    def _repetitions(self) -> list[Repeated]:
        if not self.count:
            return []
        found: list[Repeated] = []
        seen = self.stream.seen()
        self.counts = {person: counter for person, counter in self.counts.items() if person in self.stream.known()}
        for person, pose in seen.items():
            counting, done = counted(self.counts.get(person, Counting()), self.stream.frame, pose)
            self.counts[person] = counting
            if done is not None:
                found.append(Repeated(person, counting.count, done))
        return found


def as_object(happening: Happening, stream: Stream, name: str, top: int = 1) -> dict[str, Any]:
    """Plain data. Times are in frames and seconds from the beginning of the recording."""
    fps, names = stream.fps or 1.0, stream.class_names
    about: dict[str, Any] = {"recording": name, "person": happening.person}

    def times(**frames: int) -> dict[str, float]:
        return frames | {f"{key}_seconds": round(frame / fps, 3) for key, frame in frames.items()}

    if isinstance(happening, StreamAnswer):
        best = happening.prediction.top(top)
        more = [{"class": name, "probability": round(p, 4)} for name, p in best]
        about = {"kind": "answer"} | about | times(frame=happening.frame, start=happening.start, stop=happening.stop)
        doubted = {} if happening.prediction.known else {"known": False}
        lost = {"lost": happening.lost} if happening.lost else {}
        return about | more[0] | doubted | ({"top": more} if top > 1 else {}) | lost
    if isinstance(happening, Event):
        kind = "begin" if happening.end is None else "end"
        ends = {"start": happening.start} | ({} if happening.end is None else {"end": happening.end})
        about = {"kind": kind} | about | times(**ends)
        return about | {"class": names[happening.label], "confidence": round(happening.confidence, 4)}
    about = {"kind": "repetition"} | about | {"count": happening.count}
    return about | times(start=happening.repetition.start, end=happening.repetition.end)
