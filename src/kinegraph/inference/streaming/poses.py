"""What the parts of a stream pass to each other: poses of one person as rows of numbers, and scores."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

Person = Hashable
Poses = Float[np.ndarray, "_ V D"]  # some frames: coordinates and, where there is one, the score of each joint


@dataclass(frozen=True)
class Form:
    """What all frames of a stream have in common. dimensions: 2 or 3 coordinates."""

    layout: JointLayout
    dimensions: int
    scored: bool
    image_size: tuple[int, int] | None = None
    fps: float | None = None

    @property
    def said(self) -> str:
        """In words."""
        return f"{'xyz'[: self.dimensions]} {'with' if self.scored else 'without'} scores"

    def clip(self, poses: Poses) -> SkeletonClip:
        """A clip of one person."""
        place, score = poses[None, ..., : self.dimensions], poses[None, ..., -1] if self.scored else None
        return SkeletonClip(place, self.layout, score=score, image_size=self.image_size, fps=self.fps)


@dataclass(frozen=True, eq=False)
class Scores:
    """Probabilities, and the frames of the person that they rest on, from 0 on, `stop` not included."""

    start: int
    stop: int
    probabilities: Float[np.ndarray, "classes"]


@dataclass(eq=False)
class Someone:
    """What a stream knows of a person. begin: the first frame. poses: the last one that was seen, in frame `seen`."""

    begin: int
    seen: int
    poses: Poses
    scores: Scores | None = None


def form_of(clip: SkeletonClip) -> Form:
    """The form of the frames of a clip."""
    return Form(clip.layout, clip.keypoint.shape[3], clip.score is not None, clip.image_size, clip.fps)


def poses_of(clip: SkeletonClip) -> Float[np.ndarray, "M T V D"]:
    """Coordinates and scores side by side."""
    if clip.score is None:
        return clip.keypoint
    return np.concatenate([clip.keypoint, clip.score[..., None]], axis=3)


def between(before: Poses, after: Poses, frames: int) -> Poses:
    """So many frames between two poses (1, V, D), linear; a joint that one of them does not show stays unseen.

    As `sampling.without_gaps` fills a clip.
    """
    share = (np.arange(1, frames + 1, dtype=np.float32) / (frames + 1))[:, None, None]
    both = before.any(-1, keepdims=True) & after.any(-1, keepdims=True)
    return ((before + share * (after - before)) * both).astype(np.float32)


def array_of(values: object, name: str, axes: int) -> Float[np.ndarray, "..."]:
    """People first, also where there is one. Raises ValueError for anything else."""
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of a frame is a {type(values).__name__} that holds no array of numbers") from None
    array = array[None] if array.ndim == axes - 1 else array
    if array.ndim != axes:
        shape = "(people, joints, channels)" if axes == 3 else "(people, joints)"
        raise ValueError(f"{name} of a frame has shape {array.shape}, expected {shape}")
    return array


def ids_of(given: object, people: int) -> list[Hashable]:
    """The ids as plain numbers or texts: tensors are never equal, so each frame's would be new people."""
    try:
        ids: list[Any] = [id_.item() if hasattr(id_, "item") else id_ for id_ in given]  # type: ignore[attr-defined]
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"ids are {quoted(given)}, expected one for each person") from None
    if not all(isinstance(id_, Hashable) and id_ == id_ for id_ in ids):
        raise ValueError(f"ids are {quoted(ids)}, expected numbers or texts")
    if len(ids) != people or len(set(ids)) != len(ids):
        raise ValueError(f"ids are {quoted(ids)}, expected one for each of {people} people, all different")
    return ids
