"""A labelled part of a recording: what is done from one frame to another."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.messages import first_few, quoted

IGNORED = -1  # the label of a frame that nobody labelled


@dataclass(frozen=True)
class Segment:
    """Frames start to end, end not included, with the number of their class.

    person: who does it, in the words of the annotator; empty for everybody who is there. confidence: of a prediction.
    """

    start: int
    end: int
    label: int
    person: str = ""
    confidence: float = 1.0


def runs(
    frames: Int[np.ndarray, "T"], confidence: Float[np.ndarray, "T classes"] | None = None, none: int | None = None
) -> list[Segment]:
    """The stretches of one class, of a label for each frame; not those of the class `none` and of ignored frames.

    confidence: probabilities; a segment gets the mean of its own class.
    """
    frames = np.asarray(frames)
    edges = np.flatnonzero(np.diff(frames)) + 1
    bounds = [0, *edges.tolist(), len(frames)] if len(frames) else []
    found: list[Segment] = []
    for start, end in itertools.pairwise(bounds):
        label = int(frames[start])
        if label in (IGNORED, none):
            continue
        mean = 1.0 if confidence is None else float(confidence[start:end, label].mean())
        found.append(Segment(start, end, label, confidence=mean))
    return found


def without_short(
    frames: Int[np.ndarray, "T"], probabilities: Float[np.ndarray, "T classes"], least: int
) -> Int[np.ndarray, "T"]:
    """The class of each frame without stretches of fewer than `least` frames, which are taken away shortest first.

    Their frames get the class of the neighbour that is likelier in them. What is left alone stays, however short.
    """
    frames = np.array(frames)
    while True:
        bounds = [0, *(np.flatnonzero(np.diff(frames)) + 1).tolist(), len(frames)]
        lengths = np.diff(bounds)
        if len(lengths) < 2 or lengths.min() >= least:
            return frames
        start, end = bounds[lengths.argmin()], bounds[lengths.argmin() + 1]
        beside = [int(frames[at]) for at in (start - 1, end) if 0 <= at < len(frames)]
        frames[start:end] = max(beside, key=lambda label: float(probabilities[start:end, label].sum()))


def runs_of_each(
    frames: Bool[np.ndarray, "T classes"], confidence: Float[np.ndarray, "T classes"] | None = None
) -> list[Segment]:
    """The stretches of every class by itself, where a frame may be of several; in the order of their starts."""
    found = [
        Segment(run.start, run.end, label, confidence=run.confidence)
        for label in range(frames.shape[1])
        for run in runs(np.where(frames[:, label], 0, IGNORED), None if confidence is None else confidence[:, [label]])
    ]
    return sorted(found, key=lambda segment: (segment.start, segment.label))


def labels_of_frames(segments: Iterable[Segment], frames: int, classes: int) -> Bool[np.ndarray, "T classes"]:
    """Which classes each frame has, by the segments of a recording of so many frames."""
    labels = np.zeros((frames, classes), bool)
    for segment in segments:
        labels[max(segment.start, 0) : max(segment.end, 0), segment.label] = True
    return labels


def one_label(
    labels: Bool[np.ndarray, "T classes"], none: int | None = None
) -> tuple[Int[np.ndarray, "T"], Bool[np.ndarray, "T"]]:
    """The class of each frame, and which frames have several classes: these are ignored.

    Frames without a class are of the class `none`, or ignored where there is none.
    """
    count = labels.sum(axis=1)
    single = np.where(count == 1, labels.argmax(axis=1), IGNORED)
    return np.where(count == 0, IGNORED if none is None else none, single), count > 1


def of_person(
    segments: Sequence[Segment], person: int, names: Sequence[str], first: int, frames: int
) -> tuple[Segment, ...]:
    """The segments of the person in a row of a recording, from 0, who is there for `frames` frames from `first` on.

    names: of all people of the recording, "" where it has none for one. A segment has a name, or a number from 1.
    Raises ValueError for a person who is named with another word where there are several people.
    """
    known = [name.casefold() for name in names]
    words = sorted({segment.person for segment in segments if segment.person and not segment.person.isdecimal()})
    strangers = [word for word in words if word.casefold() not in known]
    if len(names) > 1 and strangers:
        here = f"; the recording has {first_few([name for name in names if name])}" if any(names) else ""
        raise ValueError(
            f"its segments name the person {quoted(strangers[0])}{here}; --per-person needs their names, or numbers "
            "from 1 for the first person"
        )
    mine = {"", known[person]} if known[person] in map(str.casefold, words) else {"", known[person], str(person + 1)}
    own = [segment for segment in segments if len(names) == 1 or segment.person.casefold() in mine]
    kept = [
        replace(segment, start=max(segment.start - first, 0), end=min(segment.end - first, frames)) for segment in own
    ]
    return tuple(segment for segment in kept if segment.start < segment.end)
