"""An evaluation looked at in parts: how far its probabilities can be trusted, and which kinds of clips are harder."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.report.evaluation import Evaluation

BINS = 15
FEW = 24  # different values that a column may have to be worth a row each
LENGTHS = 5  # groups of clips by their length


@dataclass(frozen=True, eq=False)
class Calibration:
    """Clips in bins of equal width by the probability of their prediction; NaN where a bin is empty.

    error: mean |accuracy - confidence| over the clips, bin by bin.
    """

    count: Int[np.ndarray, "bins"]
    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]
    error: float


def calibration(confidence: Float[np.ndarray, "N"], right: Bool[np.ndarray, "N"], bins: int = BINS) -> Calibration:
    """How often predictions are right that claim to be so sure: the reliability diagram and its expected error.

    Source: Guo et al. 2017 (arXiv:1706.04599), equations 2, 3 and 5; a bin holds its upper edge.
    """
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    sums = [np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, right)]
    mean = [np.where(count > 0, total / np.maximum(count, 1), np.nan) for total in sums]
    error = np.abs(sums[0] - sums[1]).sum() / max(count.sum(), 1)
    return Calibration(count, *mean, float(error))


@dataclass(frozen=True)
class Group:
    """Clips that have something in common. low, high: 95 % interval of their accuracy."""

    name: str
    clips: int
    accuracy: float
    low: float
    high: float


def groups(evaluation: Evaluation) -> dict[str, list[Group]]:
    """Accuracy by length, people and each column of the dataset with few values, where clips differ in it."""
    found = {}
    for what, values in evaluation.facts.items():
        rows = _by_length(values, evaluation.right) if what == "frames" else _by_value(values, evaluation.right)
        if len(rows) > 1:
            found["length" if what == "frames" else what] = rows
    return found


def _by_value(values: np.ndarray, right: Bool[np.ndarray, "N"]) -> list[Group]:
    different = np.unique(values)
    if len(different) > FEW:
        return []
    return [_group(str(value) or "not known", right[values == value]) for value in different]


def _by_length(frames: Int[np.ndarray, "N"], right: Bool[np.ndarray, "N"]) -> list[Group]:
    """Groups of about equally many clips, in which none is split between groups of the same length."""
    edges = np.unique(np.quantile(frames, np.linspace(0, 1, LENGTHS + 1), method="nearest"))
    group_of = np.clip(np.searchsorted(edges, frames, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for number in np.unique(group_of):
        here = group_of == number
        low, high = frames[here].min(), frames[here].max()
        found.append(_group(f"{low} – {high} frames" if low < high else f"{low} frames", right[here]))
    return found


def _group(name: str, right: Bool[np.ndarray, "n"]) -> Group:
    return Group(name, len(right), float(right.mean()), *wilson(int(right.sum()), len(right)))


def wilson(hits: int, clips: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share; unlike the bootstrap's it has a width where all or none are hits.

    Source: Wilson 1927, the score interval.
    """
    share, spread = hits / clips, z * z / clips
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def near_order(confusion: Int[np.ndarray, "classes classes"]) -> list[int]:
    """An order of the classes that puts those that are confused with each other side by side.

    Along the Fiedler vector of the graph whose edges are shares of mistakes: Atkins et al. 1998, spectral seriation.
    """
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    edges = share + share.T
    np.fill_diagonal(edges, 0)
    edges += 1e-6  # classes without mistakes belong to the graph too
    scale = 1 / np.sqrt(edges.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(edges)) - scale[:, None] * edges * scale)
    return np.argsort(vectors[:, 1] * scale, kind="stable").tolist() if len(edges) > 2 else list(range(len(edges)))
