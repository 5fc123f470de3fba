"""Bouts: how often and for how long each class is done, and what follows what. Truth or prediction, over recordings."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinegraph.skeleton.segment import Segment


@dataclass(frozen=True)
class Bouts:
    """Of one class. mean, longest: duration in seconds, NaN without bouts or where a frame rate is unknown."""

    label: int
    count: int
    mean: float
    longest: float


def bouts(recordings: Sequence[tuple[Sequence[Segment], float]], label: int) -> Bouts:
    """recordings: the segments of each, and its frames a second."""
    lasts = [(it.end - it.start) / fps for segments, fps in recordings for it in segments if it.label == label]
    mean, longest = (float(np.mean(lasts)), max(lasts)) if lasts else (float("nan"),) * 2
    return Bouts(label, len(lasts), mean, longest)


def transitions(recordings: Sequence[Sequence[Segment]]) -> Counter[tuple[int, int]]:
    """How often a segment of one class is the next one after a segment of another, by their starts."""
    found: Counter[tuple[int, int]] = Counter()
    for segments in recordings:
        order = [it.label for it in sorted(segments, key=lambda it: (it.start, it.end))]
        found.update((before, after) for before, after in itertools.pairwise(order))
    return found
