"""Whether probabilities are good: calibration (right as often as they say), AUROC, Brier score, log loss."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 15
TEMPERATURES = np.geomspace(0.05, 20, 241)  # steps of 2.5 %
TINY = 1e-9  # 10 * (1 - 0.9) is to be 1


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


def best_temperature(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """The number by which logits are divided so that true classes are likeliest; above 1 where answers are too sure.

    scores: logits of clips that the network was not trained on. Source: Guo et al. 2017, section 4.2.
    """
    rows = np.arange(len(labels))
    losses = [-_log_shares(scores / temperature)[rows, labels].mean() for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def least_probability(
    scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"], accepted: float = 0.95
) -> float:
    """The probability that the share `accepted` of the right answers about new clips reaches; 0 where none is right.

    A new right answer is as likely to be the lowest of n + 1 as any other is, so the k-th lowest of n is exceeded by
    1 - k / (n + 1) of the new ones. If n is too small it is the lowest, which n / (n + 1) reach (`promised`).
    Four digits, rounded down: rounded up, a network that is very sure would reject every clip.
    Source: Papadopoulos et al. 2002 (inductive confidence machines), the quantile of split conformal prediction.
    """
    shares = np.exp(_log_shares(scores))
    right = np.sort(shares.max(1)[shares.argmax(1) == labels])
    if not len(right):
        return 0.0
    rank = max(int((len(right) + 1) * (1 - accepted) + TINY), 1)
    return float(np.floor(right[rank - 1] * 10_000) / 10_000)


def promised(right: int, accepted: float) -> float:
    """The share of new right answers that reach `least_probability`, by so many right ones: `accepted`, or less."""
    return min(accepted, right / (right + 1))


def _log_shares(scores: Float[np.ndarray, "N classes"]) -> Float[np.ndarray, "N classes"]:
    scores = scores.astype(np.float64) - scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


# ---- AUROC, Brier score, log loss: how good the probabilities of all classes are; softmax of logits ------------------


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
