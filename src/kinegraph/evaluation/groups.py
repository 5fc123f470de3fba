"""Accuracy by groups of clips: by length, number of people, and what else the dataset knows of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import wilson

FEW = 24  # different values that a column may have to be worth a row each
LENGTHS = 5  # groups of clips by their length


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
