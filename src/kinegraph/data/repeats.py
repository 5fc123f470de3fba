"""The same recording twice, also where it was moved, scaled or brought to another frame rate."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

POSES = 9  # of a clip, that are compared
NEAR = 0.02  # as a share of the body: about a centimetre a joint; two takes of one person differ by several
SHARE = 0.2  # of the movement: people who hardly move are alike without being the same recording
BLOCK = 1024


def course_by(
    there: Bool[np.ndarray, "M T"], poses_of: Callable[[int, Int[np.ndarray, "n"]], Float[np.ndarray, "n V C"]]
) -> Float[np.ndarray, "D"] | None:
    """The poses of who is there longest, at equal distances in time, centred, of length 1; None where nobody moves.

    Frames in which the person is away are left out. poses_of: gives a person's joints in some frames.
    """
    person = int(there.sum(1).argmax())
    frames = np.flatnonzero(there[person])
    if len(frames) < 2:
        return None
    places = np.linspace(0, len(frames) - 1, POSES)
    before = np.minimum(places.astype(int), len(frames) - 2)
    share = (places - before)[:, None, None]
    early, late = np.split(poses_of(person, frames[[*before, *(before + 1)]]), 2)
    poses = early * (1 - share) + late * share
    if not np.isfinite(poses).all() or (poses[1:] == poses[:-1]).all():
        return None
    poses = (poses - poses.mean((0, 1))).ravel()
    length = np.linalg.norm(poses)
    return (poses / length).astype(np.float32) if length > 0 else None


def repeats(
    some: Sequence[Float[np.ndarray, "D"]], others: Sequence[Float[np.ndarray, "D"]]
) -> Iterator[tuple[int, int]]:
    """Pairs of clips, one of each side, that are nearer than `NEAR` and than a `SHARE` of how far their joints move.

    The vectors are of `course_by`.
    """
    if not some or not others:
        return
    axis = _widest(_few_of(some) + _few_of(others))  # clips that are near are near along any axis
    along_a, along_b = _along(axis, some), _along(axis, others)
    order_a, order_b = np.argsort(along_a), np.argsort(along_b)
    for block in _blocks(order_a):
        ends = along_a[block[[0, -1]]] + [-NEAR, NEAR]
        low, high = np.searchsorted(along_b, ends, sorter=order_b)
        for window in _blocks(order_b[low:high]):
            yield from _near(some, others, block, window)


def _few_of(vectors: Sequence[Float[np.ndarray, "D"]]) -> list[Float[np.ndarray, "D"]]:
    return [vectors[i] for i in np.unique(np.linspace(0, len(vectors) - 1, BLOCK).astype(int))]


def _along(axis: Float[np.ndarray, "D"], vectors: Sequence[Float[np.ndarray, "D"]]) -> Float[np.ndarray, "N"]:
    return np.array([vector @ axis for vector in vectors])


def _blocks(order: Int[np.ndarray, "N"]) -> Iterator[Int[np.ndarray, "n"]]:
    """Only the vectors of two blocks are copied at a time: memory does not grow with the number of clips."""
    return (order[start : start + BLOCK] for start in range(0, len(order), BLOCK))


def _near(
    some: Sequence[Float[np.ndarray, "D"]],
    others: Sequence[Float[np.ndarray, "D"]],
    rows: Int[np.ndarray, "n"],
    columns: Int[np.ndarray, "m"],
) -> Iterator[tuple[int, int]]:
    alike = np.stack([some[i] for i in rows]) @ np.stack([others[j] for j in columns]).T
    for i, j in zip(*np.nonzero(alike > 1 - 0.55 * NEAR**2), strict=True):  # |a - b|^2 = 2 - 2 a b, before rounding
        one, other = some[rows[i]], others[columns[j]]
        if np.linalg.norm(one - other) < min(NEAR, SHARE * min(_movement(one), _movement(other))):
            yield int(rows[i]), int(columns[j])


def _movement(vector: Float[np.ndarray, "D"]) -> float:
    poses = vector.reshape(POSES, -1)
    return float(np.linalg.norm(poses - poses.mean(0)))


def _widest(vectors: Sequence[Float[np.ndarray, "D"]]) -> Float[np.ndarray, "D"]:
    """About the axis along which vectors differ most, by a few steps of the power method."""
    centred = np.stack(vectors) - np.mean(vectors, axis=0)
    axis = np.random.default_rng(0).standard_normal(centred.shape[1])
    for _ in range(4):
        axis = centred.T @ (centred @ axis)
        axis /= max(np.linalg.norm(axis), 1e-30)
    return axis.astype(np.float32)
