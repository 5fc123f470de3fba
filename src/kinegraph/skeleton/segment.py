"""A labelled part of a recording: what is done from one frame to another."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

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


def runs_of_each(
    frames: Bool[np.ndarray, "T classes"], confidence: Float[np.ndarray, "T classes"] | None = None
) -> list[Segment]:
    """The stretches of every class by itself, where a frame may be of several; in the order of their starts."""
    found = [
        Segment(one.start, one.end, label, confidence=one.confidence)
        for label in range(frames.shape[1])
        for one in runs(np.where(frames[:, label], 0, IGNORED), None if confidence is None else confidence[:, [label]])
    ]
    return sorted(found, key=lambda one: (one.start, one.label))


def labels_of_frames(segments: Iterable[Segment], frames: int, classes: int) -> Bool[np.ndarray, "T classes"]:
    """Which classes each frame has, by the segments of a recording of so many frames."""
    labels = np.zeros((frames, classes), bool)
    for one in segments:
        labels[max(one.start, 0) : max(one.end, 0), one.label] = True
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
