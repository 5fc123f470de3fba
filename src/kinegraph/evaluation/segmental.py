"""The figures of long recordings: of frames, of segments, of detections, and of alarms. Pure functions.

Frame accuracy, edit score and F1@k are those of Lea et al. 2017 (Temporal Convolutional Networks for Action
Segmentation and Detection), computed as in the public code of MS-TCN (Farha and Gall 2019): F1 sums hits over all
recordings, the edit score is the mean over recordings. Mean average precision is that of the ActivityNet challenge. All
figures are shares from 0 to 1. Segments of the class of nothing are left out before these functions are called.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.segment import Segment

OVERLAPS = (0.10, 0.25, 0.50)  # of F1@k: the least intersection over union of a hit
TIOU = (0.3, 0.4, 0.5, 0.6, 0.7)  # of the mean average precision, as for THUMOS14


@dataclass(frozen=True)
class Counts:
    """Hits, false alarms and misses of segments."""

    hits: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.hits + other.hits, self.wrong + other.wrong, self.missed + other.missed)

    @property
    def precision(self) -> float:
        return self.hits / found if (found := self.hits + self.wrong) else 0.0

    @property
    def recall(self) -> float:
        return self.hits / there if (there := self.hits + self.missed) else 0.0

    @property
    def f1(self) -> float:
        """NaN where there is nothing to find and nothing was found."""
        total = 2 * self.hits + self.wrong + self.missed
        return 2 * self.hits / total if total else float("nan")


def edit_score(truth: Sequence[int], predicted: Sequence[int]) -> float:
    """1 - Levenshtein distance of two orders of classes / the length of the longer one; 1 where both are empty."""
    distance = np.arange(len(truth) + 1)
    for row, label in enumerate(predicted, start=1):
        before, distance = distance, np.empty(len(truth) + 1, np.int64)
        distance[0] = row
        for column, other in enumerate(truth, start=1):
            swapped = before[column - 1] + (label != other)
            distance[column] = min(before[column] + 1, distance[column - 1] + 1, swapped)
    longest = max(len(truth), len(predicted))
    return 1 - float(distance[-1]) / longest if longest else 1.0


def overlap(segment: Segment, others: Sequence[Segment]) -> Float[np.ndarray, "others"]:
    """Intersection over union with each of the others, in time."""
    start, end = (np.array([getattr(other, name) for other in others], float) for name in ("start", "end"))
    shared = np.minimum(segment.end, end) - np.maximum(segment.start, start)
    return np.maximum(shared, 0) / (np.maximum(segment.end, end) - np.minimum(segment.start, start))


def hits(truth: Sequence[Segment], predicted: Sequence[Segment], least: float) -> Counts:
    """Each prediction hits the segment of its class that it overlaps most, if that is enough and nothing hit it before.

    Predictions in the order of their starts, as in MS-TCN's code: there a second prediction of a segment is wrong.
    """
    taken = np.zeros(len(truth), bool)
    count = 0
    for segment in sorted(predicted, key=lambda segment: segment.start):
        if not len(truth):
            break
        shares = overlap(segment, truth) * [segment.label == other.label for other in truth]
        best = int(shares.argmax())
        if shares[best] >= least and not taken[best]:
            taken[best] = True
            count += 1
    return Counts(count, len(predicted) - count, len(truth) - count)


def average_precision(
    truth: Sequence[Sequence[Segment]], predicted: Sequence[Sequence[Segment]], label: int, least: float
) -> float:
    """Area below precision over recall for one class, over all recordings; NaN for a class that never happens.

    A prediction, the surest first, takes the free segment of its recording that it overlaps most, if that is enough.
    """
    there = [[segment for segment in recording if segment.label == label] for recording in truth]
    total = sum(map(len, there))
    if not total:
        return float("nan")
    surest = [
        (segment, number)
        for number, recording in enumerate(predicted)
        for segment in recording
        if segment.label == label
    ]
    surest.sort(key=lambda pair: -pair[0].confidence)
    taken = [np.zeros(len(recording), bool) for recording in there]
    right = np.zeros(len(surest), bool)
    for place, (segment, number) in enumerate(surest):
        shares = np.where(taken[number], -1.0, overlap(segment, there[number]))
        if len(shares) and shares.max() >= least:
            taken[number][shares.argmax()] = right[place] = True
    recall = right.cumsum() / total
    precision = right.cumsum() / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    return float((np.diff(recall, prepend=0) * envelope).sum())


def delays(truth: Sequence[Segment], predicted: Sequence[Segment]) -> list[int | None]:
    """Frames from the start of each segment to the first frame in it that has its class; None for a missed one."""
    found: list[int | None] = []
    for true in truth:
        starts = [segment.start for segment in _touching(true, predicted)]
        found.append(min((max(start - true.start, 0) for start in starts), default=None))
    return found


def false_alarms(truth: Sequence[Segment], predicted: Sequence[Segment]) -> list[Segment]:
    """The predictions that share no frame with a segment of their class."""
    return [segment for segment in predicted if not _touching(segment, truth)]


def _touching(segment: Segment, others: Sequence[Segment]) -> list[Segment]:
    """The others of the same class that share a frame with a segment."""
    same = [other for other in others if other.label == segment.label]
    return [other for other in same if other.start < segment.end and other.end > segment.start]


# ---- bouts: how often and for how long each class is done, and what follows what -------------------------------------


@dataclass(frozen=True)
class Bouts:
    """Of one class. mean, longest: duration in seconds, NaN without bouts or where a frame rate is unknown."""

    label: int
    count: int
    mean: float
    longest: float


def bouts(recordings: Sequence[tuple[Sequence[Segment], float]], label: int) -> Bouts:
    """recordings: the segments of each, and its frames a second."""
    lasts = [
        (segment.end - segment.start) / fps
        for segments, fps in recordings
        for segment in segments
        if segment.label == label
    ]
    mean, longest = (float(np.mean(lasts)), max(lasts)) if lasts else (float("nan"),) * 2
    return Bouts(label, len(lasts), mean, longest)


def transitions(recordings: Sequence[Sequence[Segment]]) -> Counter[tuple[int, int]]:
    """How often a segment of one class is the next one after a segment of another, by their starts."""
    found: Counter[tuple[int, int]] = Counter()
    for segments in recordings:
        order = [segment.label for segment in sorted(segments, key=lambda segment: (segment.start, segment.end))]
        found.update((before, after) for before, after in itertools.pairwise(order))
    return found
