"""Calibration: whether predictions are right as often as their probabilities say."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 15


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
