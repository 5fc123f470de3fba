"""Figures of the probabilities of all classes, not only of the answers: AUROC, Brier score, log loss.

Scores are logits; their softmax is the probability. Nothing here is an accuracy: each says how good the numbers are.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

PART = 4096  # clips whose probabilities are in memory at once


def auroc(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """How often a clip of a class gets a higher probability of that class than a clip of another, mean over classes.

    0.5 is chance, 1 the best; equal probabilities count half. Over the classes that some but not all clips have; NaN
    where there is none. Source: Hanley and McNeil 1982; one class against the rest, each class with equal weight.
    """
    total = np.concatenate([total for _, total in _parts(scores)])
    areas = []
    for number in np.unique(labels):
        own = labels == number
        shares = (scores[:, number] - total).astype(np.float32)  # equal ones that rounding made differ are equal
        mine, others = shares[own], np.sort(shares[~own])
        if len(others):
            below = np.searchsorted(others, mine, "left") + np.searchsorted(others, mine, "right")
            areas.append(below.mean() / (2 * len(others)))
    return float(np.mean(areas)) if areas else float("nan")


def brier_score(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """Mean over clips of the squared error of all probabilities, summed over the classes: 0 the best, 2 the worst.

    Source: Brier 1950, equation 2.
    """
    errors = []
    for rows, total in _parts(scores):
        shares = np.exp(scores[rows] - total[:, None])
        shares[np.arange(len(shares)), labels[rows]] -= 1
        errors.append(np.square(shares).sum(1))
    return float(np.concatenate(errors).mean())


def log_loss(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """Mean of -log(probability of the true class), natural logarithm: 0 the best, log(classes) is guessing."""
    own = np.take_along_axis(scores, labels[:, None], 1)[:, 0].astype(np.float64)
    return float((np.concatenate([total for _, total in _parts(scores)]) - own).mean())


def _parts(scores: Float[np.ndarray, "N classes"]) -> Iterator[tuple[slice, Float[np.ndarray, "n"]]]:
    """Rows and log(sum(exp(scores))) of each, a part of the clips at a time."""
    for start in range(0, len(scores), PART):
        rows = slice(start, start + PART)
        part = scores[rows].astype(np.float64)
        largest = part.max(1)
        yield rows, largest + np.log(np.exp(part - largest[:, None]).sum(1))
