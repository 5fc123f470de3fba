"""Late fusion: the weighted mean of several networks' probabilities for the same clips, and the search for its weights.

    p[n, c] = sum_s w_s softmax(z_s)[n, c] / sum_s w_s

Source: PYSKL and MMAction2 1.x, whose results are probabilities. 2s-AGCN adds logits instead, so that a network with
larger numbers counts more than its weight says.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from kinegraph.messages import did_you_mean

PUBLISHED = {2: (1.0, 1.0), 4: (2.0, 2.0, 1.0, 1.0)}  # joint, bone[, joint motion, bone motion]


class PublishedFusion(NamedTuple):
    """How a project fuses streams, in this order.

    adds: the numbers that it adds up, with these weights; "lengths of 1" are logits divided by the length of their row.
    """

    streams: tuple[str, ...]
    weights: tuple[float, ...]
    adds: Literal["probabilities", "logits", "lengths of 1"]


TWO, FOUR = ("joint", "bone"), ("joint", "bone", "joint motion", "bone motion")
SIX = ("joint", "bone", "k-bone", "joint motion", "bone motion", "k-bone motion")
CENTRES = ("joint CoM 1", "bone CoM 1", "joint CoM 2", "bone CoM 2", "joint CoM 21", "bone CoM 21")  # of HD-GCN's graph
# Sources: PYSKL and MMAction2 1.x, configs/stgcn/README.md; ProtoGCN, data/README.md; 2s-AGCN, CTR-GCN, Hyperformer,
# BlockGCN and HD-GCN, ensemble.py, which add what the network gives, before any softmax.
BY_PROJECT = {
    **{
        f"{project}-2s": PublishedFusion(TWO, (1, 1), "probabilities") for project in ("pyskl", "mmaction2", "protogcn")
    },
    **{f"{project}-4s": PublishedFusion(FOUR, (2, 2, 1, 1), "probabilities") for project in ("pyskl", "mmaction2")},
    "protogcn-4s": PublishedFusion(FOUR, (2, 2, 1, 1), "probabilities"),
    "protogcn-6s": PublishedFusion(SIX, (2, 2, 2, 1, 1, 1), "probabilities"),
    "2s-agcn": PublishedFusion(TWO, (1, 1), "logits"),
    "ms-g3d": PublishedFusion(TWO, (1, 1), "logits"),
    "ctrgcn-2s": PublishedFusion(TWO, (1, 1), "logits"),
    "ctrgcn-4s": PublishedFusion(FOUR, (0.6, 0.6, 0.4, 0.4), "logits"),
    "hyperformer-4s": PublishedFusion(FOUR, (0.4, 0.6, 0.2, 0.2), "logits"),
    "blockgcn-4s": PublishedFusion(FOUR, (0.6, 0.7, 0.35, 0.2), "logits"),
    "hd-gcn-6s": PublishedFusion(CENTRES, (1, 1, 1, 1, 1, 1), "lengths of 1"),
}
MOST_SEARCHED = 8  # streams
SMALLEST = np.finfo(np.float64).tiny  # stands for a probability of 0 where a logarithm is taken
NUMBERS_AT_ONCE = 1 << 23

Probability = Float[np.ndarray, "N classes"]
Streams = Sequence[Probability] | Float[np.ndarray, "S N classes"]


def published_weights(streams: int) -> tuple[float, ...]:
    """1:1 for two streams, 2:2:1:1 for joint, bone, joint motion and bone motion; otherwise all equal.

    Source: the published results of PYSKL and MMAction2 1.x.
    """
    return PUBLISHED.get(streams, (1.0,) * streams)


def fusion_named(name: str, streams: int) -> PublishedFusion:
    """A project's fusion by its name, such as "pyskl-4s". Raises ValueError for another name or number of streams."""
    if name not in BY_PROJECT:
        hint = did_you_mean(name, BY_PROJECT)
        raise ValueError(f"--weights: '{name}', expected numbers or one of {', '.join(BY_PROJECT)}{hint}")
    found = BY_PROJECT[name]
    if len(found.streams) != streams:
        meant = f"{len(found.streams)} result files ({', '.join(found.streams)})"
        raise ValueError(f"--weights {name} is for {meant}, there are {streams}")
    return found


def check_weights(weights: Sequence[float] | Real[np.ndarray, "S"], streams: int) -> None:
    """Raises ValueError unless there is one weight a stream, none is negative and one is positive."""
    if len(weights) != streams:
        raise ValueError(f"{len(weights)} weights for {streams} result files, expected one a file")
    shown = " ".join(f"{weight:g}" for weight in weights)
    if not all(np.isfinite(weight) and weight >= 0 for weight in weights):
        raise ValueError(f"the weights are {shown}, expected numbers from 0 up")
    if not any(weights):
        raise ValueError(f"the weights are {shown}: at least one must be above 0")


def fuse(streams: Streams, weights: Sequence[float] | Real[np.ndarray, "S"]) -> Probability:
    """The weighted mean of the streams' probabilities; only the ratio of the weights counts.

    Raises ValueError as `check_weights` does, and unless all streams are of as many clips and classes.
    """
    check_weights(weights, len(streams))
    _check_streams(streams)
    share = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    return sum(part * np.asarray(stream, dtype=np.float64) for part, stream in zip(share, streams, strict=True))


def candidate_weights(streams: int) -> Int[np.ndarray, "candidates streams"]:
    """Every way of dividing 12 equal parts (6 from five streams on) between the streams: 13, 91, 455, 210, ...

    12 parts hold the published weights, 6:6, 4:4:4 and 4:4:2:2. The nearest to equal come first. Raises ValueError for
    one stream or more than 8.
    """
    if not 2 <= streams <= MOST_SEARCHED:
        raise ValueError(f"weights can be searched for 2 to {MOST_SEARCHED} result files, there are {streams}")
    ways = np.array(list(_divisions(12 if streams < 5 else 6, streams)))
    return ways[np.argsort((ways**2).sum(axis=1), kind="stable")]


def _divisions(parts: int, streams: int) -> Iterator[tuple[int, ...]]:
    if streams == 1:
        yield (parts,)
        return
    for first in range(parts, -1, -1):
        for rest in _divisions(parts - first, streams - 1):
            yield (first, *rest)


def search_weights(streams: Streams, labels: Int[np.ndarray, "N"]) -> tuple[int, ...]:
    """The weights with most clips right; of several, those that give the labels the highest probability.

    Every candidate is tried. What they reach on these very clips is too good: measure them on others, or `cross_fit`.
    """
    candidates = candidate_weights(len(streams))
    right, likelihood = _merits(streams, labels, candidates)
    return tuple(candidates[_best(right, likelihood)].tolist())


def cross_fit(
    streams: Streams, labels: Int[np.ndarray, "N"], fold: Int[np.ndarray, "N"]
) -> tuple[Probability, list[tuple[int, ...]]]:
    """Each clip fused with weights that were searched on the clips of the other folds only.

    fold: of each clip, 0 to F - 1. Returns the probabilities and each fold's weights.
    """
    candidates = candidate_weights(len(streams))
    right, likelihood = _merits(streams, labels, candidates)
    fused, weights = np.empty(np.shape(streams[0])), []
    for number in range(fold.max() + 1):
        inside = fold == number
        found = candidates[_best(right[:, ~inside], likelihood[:, ~inside])]
        fused[inside] = fuse([np.asarray(stream)[inside] for stream in streams], found)
        weights.append(tuple(found.tolist()))
    return fused, weights


def log_probability(probability: Probability) -> Probability:
    """Scores whose softmax is `probability`; a probability of 0 becomes the smallest there is."""
    return np.log(np.maximum(probability, SMALLEST))


def _check_streams(streams: Streams) -> None:
    shapes = [np.shape(stream) for stream in streams]
    if len(shapes[0]) != 2 or len(set(shapes)) > 1:
        found = ", ".join(map(str, shapes))
        raise ValueError(f"the streams have shapes {found}, expected the same one of all: (clips, classes)")


def _merits(
    streams: Streams, labels: Int[np.ndarray, "N"], candidates: Int[np.ndarray, "G S"]
) -> tuple[np.ndarray, np.ndarray]:
    """For each candidate and clip: whether it is right (G, N), and the log of the label's probability (G, N)."""
    _check_streams(streams)
    share = candidates / candidates.sum(axis=1, keepdims=True)
    clips, classes = np.shape(streams[0])
    right = np.empty((len(share), clips), dtype=bool)
    likelihood = np.empty((len(share), clips), dtype=np.float32)
    step = max(1, NUMBERS_AT_ONCE // (len(share) * classes))
    for start in range(0, clips, step):
        part = slice(start, start + step)
        own = labels[part]
        block = np.stack([np.asarray(stream[part], dtype=np.float64) for stream in streams])  # (S, n, classes)
        fused = np.tensordot(share, block, axes=1)  # (G, n, classes)
        right[:, part] = fused.argmax(axis=2) == own
        likelihood[:, part] = log_probability(fused[:, np.arange(len(own)), own])
    return right, likelihood


def _best(right: np.ndarray, likelihood: np.ndarray) -> int:
    """The candidate with most hits, then the highest likelihood, then the one that comes first."""
    hits, total = right.sum(axis=1), likelihood.sum(axis=1, dtype=np.float64)
    return int(np.lexsort((np.arange(len(hits)), -total, -hits))[0])
