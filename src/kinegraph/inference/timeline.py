"""What is done when in a long recording: windows over it, their answers laid over each other, stretches of one class.

The network is asked about overlapping windows. At each moment the answers of all windows over it are averaged. Then
the course of classes is chosen that explains these probabilities best, if every change of class has its price: a short
uncertain stretch in the middle of a movement is not worth two changes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

CHANGE = 0.5  # price of a change of class: what a class e^0.5 times as likely gains in the length of a window
LEAST = 1e-4  # probability that a class is given at least: one confident window does not decide alone


@dataclass(frozen=True, eq=False)
class Segment:
    """A stretch of a recording in which one thing is done: frames start to stop, stop not included."""

    start: int
    stop: int
    probabilities: Float[np.ndarray, "classes"]


def frames_of(length: int | str, fps: float | None = None, called: str = "the clip") -> int:
    """A length in frames: 90 or "90", or "3s" for seconds at `fps` frames each.

    Raises ValueError for another text, and for seconds where the frame rate is not known. called: whose rate it is.
    """
    number, seconds = parsed_length(length)
    if not seconds:
        return int(number)
    if fps is None:
        raise ValueError(f"{called} does not say its frame rate, which {length} needs: give --fps")
    return max(1, round(number * fps))


def parsed_length(length: int | str) -> tuple[float, bool]:
    """The number of a length, and whether it counts seconds. Raises ValueError for what is no length."""
    found = re.fullmatch(r"([0-9]{1,9})|([0-9]{1,6}(?:\.[0-9]+)?)\s*s(?:ec|econds)?", str(length).strip())
    number = float(found[1] or found[2]) if found else 0
    if not found or not number:
        raise ValueError(f"'{length}' is no length of time, expected frames, such as 90, or seconds, such as 3s")
    return number, found[2] is not None


def check_lengths(window: int | str | None, stride: int | str | None) -> None:
    """Raises ValueError for what is no length, and for a stride that leaves frames out, as far as that is known."""
    lengths = [None if length is None else parsed_length(length) for length in (window, stride)]
    if None not in lengths and lengths[0][1] == lengths[1][1] and lengths[1][0] > lengths[0][0]:
        raise ValueError(f"a stride of {stride} between windows of {window}, expected from 1 to {window}")


def window_starts(frames: int, window: int, stride: int) -> list[int]:
    """First frames of the windows: one every `stride` frames. The last window ends with the recording.

    Raises ValueError where windows would leave frames out.
    """
    if not 1 <= stride <= window:
        raise ValueError(f"a stride of {stride} frames between windows of {window}, expected from 1 to {window}")
    return [*range(0, frames - window, stride), frames - window] if frames > window else [0]


def segments(
    starts: Sequence[int], window: int, frames: int, probabilities: Float[np.ndarray, "windows classes"]
) -> list[Segment]:
    """Stretches of one class from the answers for each window; together they are all that the windows cover.

    starts, window, frames: of the recording, all counted in frames.
    A segment's probabilities are the mean over its time, and its class is the likeliest by them.
    """
    edges = np.unique([*starts, *(min(start + window, frames) for start in starts)])
    smooth, there = smoothed(starts, window, edges, probabilities)
    cells, length = np.flatnonzero(there), np.diff(edges)
    path = steady_path(smooth[cells], length[cells] / window)
    ends = np.flatnonzero((np.diff(path) != 0) | (np.diff(cells) > 1)) + 1
    found: list[Segment] = []
    for run in np.split(cells, ends):
        mean = np.average(smooth[run], axis=0, weights=length[run])
        segment = Segment(int(edges[run[0]]), int(edges[run[-1] + 1]), mean)
        if found and found[-1].stop == segment.start and found[-1].probabilities.argmax() == mean.argmax():
            segment = _joined(found.pop(), segment)
        found.append(segment)
    return found


def _joined(first: Segment, second: Segment) -> Segment:
    lengths = [first.stop - first.start, second.stop - second.start]
    mean = np.average([first.probabilities, second.probabilities], axis=0, weights=lengths)
    return Segment(first.start, second.stop, mean)


def smoothed(
    starts: Sequence[int],
    window: int,
    edges: Int[np.ndarray, "edges"],
    probabilities: Float[np.ndarray, "windows classes"],
) -> tuple[Float[np.ndarray, "cells classes"], Bool[np.ndarray, "cells"]]:
    """The mean probabilities of the windows over each cell, from one edge to the next, and whether there are any."""
    total, count = np.zeros((len(edges) - 1, probabilities.shape[1])), np.zeros((len(edges) - 1, 1))
    first = np.searchsorted(edges, starts)
    last = np.searchsorted(edges, np.minimum(np.add(starts, window), edges[-1]))
    for probability, a, b in zip(probabilities, first, last, strict=True):
        total[a:b] += probability
        count[a:b] += 1
    return total / np.maximum(count, 1), count[:, 0] > 0


def steady_path(
    probabilities: Float[np.ndarray, "cells classes"], windows: Float[np.ndarray, "cells"], change: float = CHANGE
) -> Int[np.ndarray, "cells"]:
    """The class of each cell that makes Σ windows · log p(class) − change · (number of changes) largest.

    windows: length of each cell in windows. Source: the Viterbi algorithm, with one price for all changes.
    """
    gain = np.log(np.maximum(probabilities, LEAST)) * windows[:, None]
    best, came_from = gain[0], np.zeros(gain.shape, np.int64)
    stay = np.arange(gain.shape[1])
    for cell in range(1, len(gain)):
        top = int(best.argmax())
        came_from[cell] = np.where(best >= best[top] - change, stay, top)
        best = np.maximum(best, best[top] - change) + gain[cell]
    path = np.empty(len(gain), np.int64)
    path[-1] = best.argmax()
    for cell in range(len(gain) - 1, 0, -1):
        path[cell - 1] = came_from[cell, path[cell]]
    return path
