"""The moments of a clip that one picture of it shows."""

import numpy as np
from jaxtyping import Float, Int

STILL = 0.35  # part of the way through a clip that is counted by the clock, the rest by movement
ENOUGH = 0.5  # of the most joints that anybody ever shows: with fewer a frame is no picture of a person


def key_frames(points: Float[np.ndarray, "M T V C"], count: int) -> Int[np.ndarray, "k"]:
    """The first frame, the last, and those between that divide the movement into equal parts; at most `count`.

    points: NaN where a joint was not seen. Frames that show nobody, or a few joints only, are left out. Some of the way
    is counted by the clock, so that long stillness is shown too.
    """
    joints = (~np.isnan(points).any(axis=3)).sum(axis=2).max(axis=0)  # (T,) of the person who shows most
    there = np.flatnonzero(joints >= max(ENOUGH * joints.max(), 1))
    return there[_of_movement(points[:, there], count)]


def _of_movement(points: Float[np.ndarray, "M T V C"], count: int) -> Int[np.ndarray, "k"]:
    frames = points.shape[1]
    if frames <= count:
        return np.arange(frames)
    if count == 1:
        return np.array([frames // 2])
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)  # (M, T - 1, V)
    moved = np.nansum(np.minimum(steps, 5 * max(np.nanmedian(steps), 1e-9) if (~np.isnan(steps)).any() else 1), (0, 2))
    moved = np.convolve(np.pad(moved, 2, mode="edge"), np.ones(5) / 5, mode="valid")  # sensors tremble
    even = np.full(frames - 1, 1 / (frames - 1))
    pace = STILL * even + (1 - STILL) * (moved / moved.sum() if moved.sum() > 0 else even)
    way = np.concatenate([[0], np.cumsum(pace)])
    wanted = np.searchsorted(way, np.linspace(0, way[-1], count) - 1e-9)
    wanted[0], wanted[-1], place = 0, frames - 1, np.arange(count)
    wanted = np.maximum.accumulate(wanted - place) + place  # no frame twice,
    return np.minimum(wanted, frames - count + place)  # and room for those that follow
