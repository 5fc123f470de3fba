"""From a recorded clip to what a network sees: one data class says how, one function does it, in one fixed order.

people -> normalise -> augment (training only) -> streams -> frames
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data import normalize, sampling
from kinegraph.data.augment import Augmentation, augment, mirror, random_crop
from kinegraph.data.features import Stream, streams
from kinegraph.skeleton.clip import SkeletonClip


@dataclass(frozen=True)
class Preprocessing:
    """How a recorded clip becomes what a network sees. Saved with the weights.

    Args:
        people: bodies a clip has for the network; missing ones are zeros, further ones are left out.
        normalize: "none" keeps the recording's coordinates; "ntu_published" centres every frame on the first body and
            turns it upright (2s-AGCN, MMAction2 0.x, TensorFlow); "first_frame" does so with one offset for the whole
            clip (MMAction2 1.x, PYSKL); "facing" also has one offset, but turns about the vertical (y) only: how a
            body leans is kept; "image" maps pixels to [-1, 1] with the clip's image size; "image_published"
            maps 1920x1080 pixels and scores to [-0.5, 0.5] (MMAction2 0.x).
        streams: joint, bone, joint_motion, bone_motion; several become channels side by side.
        sampling: "loop" repeats a short clip and cuts a long one (MMAction2 0.x); "fill" does so body by body before
            normalising (2s-AGCN, TensorFlow); "uniform" takes a frame from each of equal parts (MMAction2 1.x);
            "resample" stretches the clip to the wanted frames, linear between recorded ones.
        frames: frames the network sees.
        test_clips: choices of frames per clip at test time, "uniform" only; their probabilities are averaged.
        test_mirror: also look at each test clip in the mirror.
        augment: random variations of training clips.
    """

    people: int = 2
    normalize: Literal["none", "ntu_published", "first_frame", "facing", "image", "image_published"] = "none"
    streams: tuple[Stream, ...] = ("joint",)
    sampling: Literal["loop", "fill", "uniform", "resample"] = "loop"
    frames: int = 300
    test_clips: int = 1
    test_mirror: bool = False
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self):
        for name in ("people", "frames", "test_clips"):
            if getattr(self, name) < 1:
                raise ValueError(f"preprocessing.{name} is {getattr(self, name)}, expected at least 1")
        if not self.streams:
            raise ValueError(
                "preprocessing.streams is empty, expected at least one of joint, bone, joint_motion, bone_motion"
            )
        if self.test_clips > 1 and self.sampling != "uniform":
            raise ValueError(f"preprocessing.test_clips needs sampling 'uniform', found '{self.sampling}'")

    def channels(self, dimensions: int, scored: bool) -> int:
        """Channels of the network's input for a dataset with 2 or 3 coordinates, with or without scores."""
        return (dimensions + scored) * len(self.streams)

    def to_dict(self) -> dict:
        """Plain data, for the weights file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict) -> "Preprocessing":
        """The inverse of to_dict, also after a round trip through JSON."""
        known = {f.name for f in fields(cls)}
        if odd := sorted(set(saved) - known):
            raise ValueError(
                f"the weights ask for preprocessing '{odd[0]}', which this version of Kinegraph does not know"
            )
        varied = dict(saved.get("augment", {}))
        varied["rotation"] = tuple(varied.get("rotation", (0.0, 0.0, 0.0)))
        return cls(**{**saved, "streams": tuple(saved["streams"]), "augment": Augmentation(**varied)})


def prepare_clip(
    clip: SkeletonClip, how: Preprocessing, rng: np.random.Generator | None = None
) -> Float[np.ndarray, "views M F V C"]:
    """What the network sees of one clip: one random view with `rng` (training), else the fixed test views.

    Raises ValueError where the clip lacks what `how` needs (image size, shoulders in the layout ...).
    """
    scored, dimensions = clip.score is not None, clip.keypoint.shape[3]
    joints = clip.keypoint if not scored else np.concatenate([clip.keypoint, clip.score[..., None]], axis=3)
    joints = fit_people(joints.astype(np.float32, copy=False), how.people)
    joints = _normalise(joints, clip, how)
    if rng is not None:
        views = [augment(joints, clip.layout, how.augment, dimensions, rng)]
    else:
        views = [joints, mirror(joints, clip.layout)] if how.test_mirror else [joints]
    seen = [streams(view, clip.layout, how.streams, scored) for view in views]
    return np.stack([sampled for view in seen for sampled in _sample(view, how, rng)])


def fit_people(joints: Float[np.ndarray, "M T V C"], people: int) -> Float[np.ndarray, "P T V C"]:
    """The first `people` bodies, or zeros for those that are not there."""
    fitted = np.zeros((people, *joints.shape[1:]), joints.dtype)
    fitted[: len(joints)] = joints[:people]
    return fitted


def _normalise(joints, clip: SkeletonClip, how: Preprocessing):
    match how.normalize:
        case "none":
            return joints
        case "ntu_published":
            frames = how.frames if how.sampling == "fill" else joints.shape[1]
            return normalize.ntu_published(joints, clip.layout, frames)
        case "first_frame":
            return normalize.prenormalize3d(joints, clip.layout)
        case "facing":
            spine = clip.layout.spine or (clip.layout.centre,)
            return normalize.face_front(normalize.centre_first_frame(joints, spine[0]), clip.layout)
        case "image":
            return _image(joints, clip)
        case "image_published":
            return normalize.image_and_score_to_half(joints)


def _image(joints, clip: SkeletonClip):
    if clip.image_size is None:
        raise ValueError(f"clip '{clip.name}' has no image size, which normalize 'image' needs")
    placed = joints.copy()
    placed[..., :2] = normalize.image_to_unit(joints[..., :2], *clip.image_size)
    return placed


def _sample(values, how: Preprocessing, rng: np.random.Generator | None) -> list:
    recorded = values.shape[1]
    if how.sampling == "resample":
        crop = (0.0, 1.0) if rng is None else random_crop(how.augment, rng)
        return [sampling.resample(values, how.frames, *crop)]
    if how.sampling == "uniform" and rng is not None:
        return [values[:, sampling.uniform_indices(recorded, how.frames, rng)]]
    if how.sampling == "uniform":
        return [values[:, chosen] for chosen in sampling.uniform_test_indices(recorded, how.frames, how.test_clips)]
    return [values[:, sampling.loop_indices(recorded, how.frames)]]
