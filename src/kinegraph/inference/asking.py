"""Asking a network about clips, whatever computes it: torch, or an exported file without torch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self

import numpy as np
from jaxtyping import Float

from kinegraph.data.conditions import Conditions
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

MOST_FRAMES = 200_000  # of all people of a batch: some hundred megabytes


class Asked(Protocol):
    """A network with what belongs to it. trained: how the recordings were made that it was trained on.

    least: probability below which an answer is rather none of the classes; 0 where that is not known.
    """

    @property
    def layout(self) -> JointLayout: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def preprocessing(self) -> Preprocessing: ...
    @property
    def trained(self) -> Conditions: ...
    @property
    def least(self) -> float: ...

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        ...

    def ready(self) -> Self:
        """The same, in the mode in which it answers."""
        ...

    def answer(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
        """The probabilities of each clip, float64. clips: that fit."""
        ...


def probabilities(
    asked: Asked, clips: Iterable[SkeletonClip], batch_size: int = 32
) -> Iterator[Float[np.ndarray, "classes"]]:
    """The probabilities of each clip, float64, taking `batch_size` of them at a time.

    clips: that fit (`Asked.fit`) and may be read while they are taken. Raises ValueError where one lacks what its
    preparation needs (image size, scores ...).
    """
    asked = asked.ready()
    for batch in batches(clips, min(batch_size, asked.preprocessing.largest_batch)):
        yield from asked.answer(batch)


def batches(clips: Iterable[SkeletonClip], most: int) -> Iterator[list[SkeletonClip]]:
    """Up to `most` clips at a time, fewer where they are long: all of their frames are in memory."""
    batch, frames = [], 0
    for clip in clips:
        batch.append(clip)
        frames += clip.people * clip.frames
        if len(batch) == most or frames > MOST_FRAMES:
            yield batch
            batch, frames = [], 0
    if batch:
        yield batch
