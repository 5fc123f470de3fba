"""From probabilities over time to events: who does what from when to when. Pure functions, one person at a time.

The probabilities are averaged over `delay` frames before and behind each moment, so that events come `delay` frames
late. An event begins where a class reaches `enter`, and ends where it falls below `leave` or another class takes over.
With two thresholds (hysteresis) a probability that varies around one of them gives one event and not many.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

NOTHING = ("none", "nothing", "background", "no action", "idle")  # names of a class of nothing


@dataclass(frozen=True)
class EventRule:
    """What counts as an event. Lengths are in frames.

    enter, leave: probabilities. Below `enter` nothing begins: it is the threshold that rejects what is no class.
    least: shorter events are left out. delay: of the smoothing. none: number of the class of nothing, if there is one.
    Raises ValueError for numbers that are out of range.
    """

    enter: float = 0.6
    leave: float = 0.4
    least: int = 15
    delay: int = 5
    none: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.leave <= self.enter <= 1:
            raise ValueError(
                f"events begin at {self.enter:g} and end at {self.leave:g}, expected 0 <= end <= begin <= 1"
            )
        if self.least < 1 or self.delay < 0:
            raise ValueError(f"events of {self.least} frames with a delay of {self.delay}, expected at least 1 and 0")


@dataclass(frozen=True)
class Event:
    """A person does something from frame `start` on to `end`, not included. end: None while it goes on.

    label: number of the class. confidence: the mean smoothed probability so far.
    """

    person: Hashable
    label: int
    start: int
    end: int | None
    confidence: float


@dataclass(frozen=True, eq=False)
class Watch:
    """What is known of one person between two frames. waiting: probabilities that are not yet smoothed, or are needed
    for the next ones. done: frames up to this one are smoothed. open: an event that goes on, said: whether its
    beginning was given out; last: its latest frame; total, count: of its probabilities."""

    person: Hashable
    waiting: tuple[tuple[int, Float[np.ndarray, "classes"]], ...] = ()
    done: int = -1
    open: Event | None = None
    said: bool = False
    last: int = -1
    count: int = 0


def none_class(names: Sequence[str]) -> int | None:
    """The number of the class of nothing, by its name; None where no class is called so."""
    return next((i for i, name in enumerate(names) if name.strip().lower() in NOTHING), None)


def watched(
    watch: Watch, frame: int, probabilities: Float[np.ndarray, "classes"], rule: EventRule
) -> tuple[Watch, list[Event]]:
    """The next probabilities of a person, of a later frame. Returns the events that begin (end None) or end."""
    return _smooth(replace(watch, waiting=(*watch.waiting, (frame, probabilities))), frame - rule.delay, rule)


def ended(watch: Watch, rule: EventRule, end: int = 0) -> list[Event]:
    """The events when no frame follows: the person has left, or the stream has ended.

    end: the frame behind the last one in which the person was seen. What still goes on ends there: the last
    probabilities, of a frame half a window before it, are the best that is known of these frames.
    """
    if not watch.waiting:
        return []
    watch, found = _smooth(watch, watch.waiting[-1][0], rule)
    return found + [replace(event, end=max(event.end or 0, end)) for event in _closed(watch, rule)]


def events(
    person: Hashable, frames: Iterable[int], probabilities: Iterable[Float[np.ndarray, "classes"]], rule: EventRule
) -> list[Event]:
    """The complete events of a person in a recording."""
    watch, found = Watch(person), list[Event]()
    for frame, row in zip(frames, probabilities, strict=True):
        watch, more = watched(watch, frame, row, rule)
        found += more
    return [event for event in found + ended(watch, rule) if event.end is not None]


def fitted_threshold(probabilities: Float[np.ndarray, "N classes"], keep: float = 0.95) -> float:
    """The value of `enter` that keeps this share of clips. probabilities: of validation clips.

    Raises ValueError without clips, and for a share that is none.
    """
    if not len(probabilities) or not 0 < keep <= 1:
        raise ValueError(
            f"{len(probabilities)} clips and a share of {keep}, expected clips and a share above 0, up to 1"
        )
    return float(np.quantile(probabilities.max(1), 1 - keep, method="lower"))


def false_alarms(probabilities: Float[np.ndarray, "N classes"], enter: float) -> float:
    """The share of clips of nothing that a threshold does not reject."""
    return float((probabilities.max(1) >= enter).mean()) if len(probabilities) else 0.0


# ---- one moment after another ----------------------------------------------------------------------------------------


def _smooth(watch: Watch, until: int, rule: EventRule) -> tuple[Watch, list[Event]]:
    """Look at the moments up to frame `until`, each with those around it."""
    found: list[Event] = []
    for frame, _ in watch.waiting:
        if watch.done < frame <= until:
            near = [row for at, row in watch.waiting if abs(at - frame) <= rule.delay]
            watch, more = _step(watch, frame, np.mean(near, axis=0), rule)
            found += more
    kept = tuple(pair for pair in watch.waiting if pair[0] >= until - rule.delay)
    return replace(watch, waiting=kept, done=max(watch.done, until)), found


def _step(watch: Watch, frame: int, smooth: Float[np.ndarray, "classes"], rule: EventRule) -> tuple[Watch, list[Event]]:
    """One moment: an event goes on, ends, begins, or there is none."""
    best, event = int(smooth.argmax()), watch.open
    begins = best != rule.none and smooth[best] >= rule.enter
    if event is not None and smooth[event.label] >= rule.leave and not (begins and best != event.label):
        count = watch.count + 1
        mean = event.confidence + (float(smooth[event.label]) - event.confidence) / count
        event = replace(event, confidence=mean)
        said = watch.said or frame + 1 - event.start >= rule.least
        found = [event] if said and not watch.said else []
        return replace(watch, open=event, said=said, last=frame, count=count), found
    found = _closed(replace(watch, last=frame - 1) if event is None else watch, rule)
    if not begins:
        return replace(watch, open=None, said=False), found
    event = Event(watch.person, best, frame, None, float(smooth[best]))
    said = rule.least <= 1
    return replace(watch, open=event, said=said, last=frame, count=1), found + ([event] if said else [])


def _closed(watch: Watch, rule: EventRule) -> list[Event]:
    """The end of the event that goes on, if it is long enough."""
    event = watch.open
    if event is None or watch.last + 1 - event.start < rule.least:
        return []
    return [replace(event, end=watch.last + 1)]
