"""Calibration: whether predictions are right as often as their probabilities say."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 15
TEMPERATURES = np.geomspace(0.05, 20, 241)  # steps of 2.5 %


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
    losses = [-_log_shares(scores / it)[rows, labels].mean() for it in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def least_probability(
    scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"], accepted: float = 0.95
) -> float:
    """The probability that the share `accepted` of the rightly answered clips reaches; 0 where none is right."""
    shares = np.exp(_log_shares(scores))
    right = shares.argmax(1) == labels
    return float(np.quantile(shares.max(1)[right], 1 - accepted)) if right.any() else 0.0


def _log_shares(scores: Float[np.ndarray, "N classes"]) -> Float[np.ndarray, "N classes"]:
    scores = scores.astype(np.float64) - scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))
