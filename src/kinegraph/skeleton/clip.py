"""A recorded clip: what every reader yields and every transform starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from kinegraph.messages import quoted
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import Segment


class ClipError(ValueError):
    """Arrays that do not make a clip. kind: "joints", "axes", "swapped_axes" or "score"."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, eq=False)
class SkeletonClip:
    """Some people's joints over the frames of one recording, in the recording's own coordinates.

    keypoint: C = 2 (pixels) or 3 (metres, camera or world frame); the dataset says which. A joint that was not seen
        is all zero; a person who is absent for a while has frames of zeros.
    name: no two clips of a dataset have the same. label: number of the class, from 0, in the dataset's class names.
    score: detector confidence in [0, 1], where the source has one. fps: frames per second, where it is known.
    image_size: (width, height) in pixels, for 2D keypoints.
    attributes: what the source knows about the clip (subject, camera, setup ...).
    splits: which part of each published split the clip belongs to, e.g. {"xsub": "train", "xview": "val"}.
    segments: of a long recording, what is done from when to when; None for a clip of one action, which has a label.
    Raises ValueError when keypoint, score and layout do not fit each other, or are of other kinds.
    """

    keypoint: Float[np.ndarray, "M T V C"]
    layout: JointLayout
    name: str = ""
    label: int | None = None
    score: Float[np.ndarray, "M T V"] | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[Segment, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.layout, JointLayout):
            found, name = quoted(self.layout), self.layout if isinstance(self.layout, str) else "ntu25"
            raise ValueError(f"clip '{self.name}': layout is {found}, expected a JointLayout: load_layout('{name}')")
        if not isinstance(self.keypoint, np.ndarray):
            found = type(self.keypoint).__name__
            raise ValueError(f"clip '{self.name}': keypoint is a {found}, expected a numpy array")
        shape = self.keypoint.shape
        if len(shape) != 4 or shape[3] not in (2, 3):
            swapped = len(shape) == 4 and len(self.layout) in shape and {2, 3} & {*shape}
            hint = "; its axes seem to be in another order" if swapped else ""
            message = f"clip '{self.name}': keypoint has shape {shape}, expected (people, frames, joints, 2 or 3){hint}"
            raise ClipError("swapped_axes" if swapped else "axes", message)
        if shape[2] != len(self.layout):
            raise ClipError(
                "joints",
                f"clip '{self.name}' has {shape[2]} joints, layout '{self.layout.name}' has {len(self.layout)}",
            )
        if self.score is not None and self.score.shape != shape[:3]:
            raise ClipError("score", f"clip '{self.name}': score has shape {self.score.shape}, expected {shape[:3]}")

    @property
    def people(self) -> int:
        """M, also counting people who are never seen."""
        return self.keypoint.shape[0]

    @property
    def frames(self) -> int:
        """T, of the recording at its own frame rate."""
        return self.keypoint.shape[1]
