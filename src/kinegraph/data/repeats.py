"""The same recording twice, also where it was moved, scaled or brought to another frame rate."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

POSES = 9  # of a clip, that are compared
NEAR = 0.02  # as a share of the body: about a centimetre a joint; two takes of one person differ by several
SHARE = 0.2  # of the movement: people who hardly move are alike without being the same recording
BLOCK = 1024


def course(keypoint: Float[np.ndarray, "M T V C"]) -> Float[np.ndarray, "D"] | None:
    """The poses of the first person at equal distances in time, centred, of length 1; None where nobody moves.

    Frames in which the person is away are left out.
    """
    return course_by(keypoint.any(axis=(2, 3)), lambda person, frames: keypoint[person, frames])


def course_by(
    there: Bool[np.ndarray, "M T"], poses_of: Callable[[int, Int[np.ndarray, "n"]], Float[np.ndarray, "n V C"]]
) -> Float[np.ndarray, "D"] | None:
    """The course of a clip of which not all is in memory. poses_of: gives a person's joints in some frames."""
    person = int(there.sum(1).argmax())
    frames = np.flatnonzero(there[person])
    if len(frames) < 2:
        return None
    places = np.linspace(0, len(frames) - 1, POSES)
    before = np.minimum(places.astype(int), len(frames) - 2)
    share = (places - before)[:, None, None]
    poses = poses_of(person, frames[before]) * (1 - share) + poses_of(person, frames[before + 1]) * share
    if not np.isfinite(poses).all() or (poses[1:] == poses[:-1]).all():
        return None
    poses = (poses - poses.mean((0, 1))).ravel()
    length = np.linalg.norm(poses)
    return (poses / length).astype(np.float32) if length > 0 else None


def repeats(
    some: Sequence[Float[np.ndarray, "D"]], others: Sequence[Float[np.ndarray, "D"]]
) -> Iterator[tuple[int, int]]:
    """Pairs of clips, one of each side, that are nearer than `NEAR` and than a `SHARE` of how far their joints move.

    The vectors are of `course`.
    """
    if not some or not others:
        return
    a, b = np.stack(some), np.stack(others)
    axis = _widest(np.concatenate([a, b]))  # clips that are near are near along any axis
    order_a, order_b = np.argsort(a @ axis), np.argsort(b @ axis)
    along_a, along_b = (a @ axis)[order_a], (b @ axis)[order_b]
    for start in range(0, len(a), BLOCK):
        block = order_a[start : start + BLOCK]
        low, high = np.searchsorted(along_b, along_a[[start, start + len(block) - 1]] + [-NEAR, NEAR])
        yield from _near(a, b, block, order_b[low:high])


def _near(
    a: Float[np.ndarray, "N D"], b: Float[np.ndarray, "M D"], rows: Int[np.ndarray, "n"], columns: Int[np.ndarray, "m"]
) -> Iterator[tuple[int, int]]:
    alike = a[rows] @ b[columns].T
    for i, j in zip(*np.nonzero(alike > 1 - 0.55 * NEAR**2), strict=True):  # |a - b|^2 = 2 - 2 a b, before rounding
        one, other = a[rows[i]], b[columns[j]]
        if np.linalg.norm(one - other) < min(NEAR, SHARE * min(_movement(one), _movement(other))):
            yield int(rows[i]), int(columns[j])


def _movement(vector: Float[np.ndarray, "D"]) -> float:
    poses = vector.reshape(POSES, -1)
    return float(np.linalg.norm(poses - poses.mean(0)))


def _widest(vectors: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "D"]:
    """About the axis along which vectors differ most, by a few steps of the power method."""
    axis, centred = np.random.default_rng(0).standard_normal(vectors.shape[1]), vectors - vectors.mean(0)
    for _ in range(4):
        axis = centred.T @ (centred @ axis)
        axis /= max(np.linalg.norm(axis), 1e-30)
    return axis.astype(np.float32)
