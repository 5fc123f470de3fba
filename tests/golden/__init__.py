"""Figures that the published implementations compute on made-up inputs; README.md tells their origin."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of one file."""
    with np.load(FOLDER / name, allow_pickle=False) as arrays:
        return dict(arrays)
