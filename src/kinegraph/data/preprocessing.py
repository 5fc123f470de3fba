"""From a recorded clip to what a network sees: one data class says how, one function does it, in one fixed order.

normalise -> augment (training only) -> streams -> frames -> people

Frames that no chosen frame is made of are left out before the first step; what comes out is the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data import normalize, sampling
from kinegraph.data.augment import Augmentation, augment, check_fields, mirror, random_bend, random_crop
from kinegraph.data.features import Stream, streams
from kinegraph.messages import quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up, body_size

Placing = Literal[
    "none", "ntu_published", "first_frame", "first_frame_centre", "facing", "sized", "box", "image", "image_published"
]
OF_ALL_FRAMES = ("ntu_published", "box")  # ways that repeat frames before they look at them, or look at all
FIRST_FRAME = ("first_frame", "first_frame_centre")  # ways that drop frames, and put the person seen most often first
UniformSampling = Literal["uniform", "uniform_pyskl", "uniform_random_start"]
Sampling = Literal["loop", "fill", "pad", "window", UniformSampling, "sorted", "resample", "stretch"]
UNIFORM = get_args(UniformSampling)
CHOOSING = (*UNIFORM, "sorted")  # ways that take frames out of a clip, far apart or more than once
Between = Literal["recorded", "chosen"]
LEAST_CROP = 64  # frames, of CTR-GCN's crops, however many the network sees
MOST_POSES = 30_000  # a clip; published recipes have up to 4,000
BATCH_POSES = 64_000  # that a network should see at once: some gigabytes


@dataclass(frozen=True)
class Preprocessing:
    """How a recorded clip becomes what a network sees. Saved with the weights.

    Args:
        people: bodies a clip has for the network; missing ones are zeros, further ones are left out.
        normalize: "none" keeps the recording's coordinates; "ntu_published" centres every frame on the first body and
            turns it upright (2s-AGCN, MMAction2 0.x, TensorFlow); "first_frame" does so with one offset for the whole
            clip (MMAction2 1.x, PYSKL); "first_frame_centre" is that without the turns (DG-STGCN, ProtoGCN); "facing"
            also has one offset, but turns about the vertical only: how a body leans is kept; "sized" has one offset
            too, divides by the mean bone length and turns nothing; "box" maps each axis of a clip to [-1, 1], behind
            the turns of `augment` (NW-UCLA in Shift-GCN, CTR-GCN, SkateFormer); "image" maps pixels to [-1, 1] with the
            clip's image size; "image_published" maps 1920x1080 pixels and scores to [-0.5, 0.5], absent people too
            (MMAction2 0.x).
        up: the vertical of 3D recordings, for "facing"; it becomes y.
        min_score: joints with this score or a lower one are put at the origin after normalising (PYSKL: 0.01).
        streams: joint, bone, k_bone (each joint from its parent's parent, ProtoGCN), joint_motion, bone_motion,
            k_bone_motion; several become channels side by side.
        motion_between: "recorded" frames, one after another; or "chosen" ones, so that a step is as long as the way
            from one to the next, in a test also from choice to choice (ProtoGCN on Kinetics and FineGYM; the "uniform"
            ways and "sorted" only). With "stretch" it is always between stretched frames.
        moments: one more channel says when each frame was, from -1 to 1 over the recording (SkateFormer).
        sampling: "loop" repeats a short clip and cuts a long one (MMAction2 0.x); "fill" does so body by body before
            normalising (2s-AGCN, TensorFlow); "pad" adds zeros to a short one (ST-GCN 2018); "window" takes frames in a
            row, from a random place while training (ST-GCN 2018 on Kinetics); "uniform" takes a frame from each of
            equal parts (MMAction2 1.x); "uniform_pyskl" does too, and draws the frames of a test as PYSKL
            does; "uniform_random_start" also begins a short clip of a test at a random frame (DG-STGCN, ProtoGCN);
            "sorted" takes any frames in their order, evenly spread in a test (NW-UCLA in Shift-GCN and CTR-GCN);
            "resample" stretches the clip to the wanted frames, linear between recorded ones, also over frames in which
            a person is away; "stretch" does as pictures are resized: each wanted frame is the middle of an equal share
            (CTR-GCN; crops keep at least 64 frames).
        frames: frames the network sees.
        test_frames: frames it sees at test time, if others.
        test_crop: share of a clip, around its middle, that a test looks at, "stretch" only.
        test_clips: choices of frames per clip at test time, the "uniform" ways only; their
            probabilities are averaged. Validation while training looks at the first alone.
        test_mirror: also look at each test clip in the mirror.
        augment: random variations of training clips.

    Raises ValueError naming a number that is out of range, or a word that is not known.
    """

    people: int = 2
    normalize: Placing = "none"
    up: Up = "y"
    min_score: float | None = None
    streams: tuple[Stream, ...] = ("joint",)
    motion_between: Between = "recorded"
    moments: bool = False
    sampling: Sampling = "loop"
    frames: int = 300
    test_frames: int | None = None
    test_crop: float = 1.0
    test_clips: int = 1
    test_mirror: bool = False
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        words = [("normalize", self.normalize, Placing), ("up", self.up, Up), ("sampling", self.sampling, Sampling)]
        words.append(("motion_between", self.motion_between, Between))
        for name, word, known in words + [("streams", stream, Stream) for stream in self.streams]:
            if word not in get_args(known):  # a weights file may say anything
                raise ValueError(
                    f"preprocessing.{name} is {quoted(word)}, expected one of {', '.join(get_args(known))}"
                )
        for name in ("people", "frames", "test_frames", "test_clips"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"preprocessing.{name} is {getattr(self, name)}, expected at least 1")
        if self.min_score is not None and not np.isfinite(self.min_score):
            raise ValueError(f"preprocessing.min_score is {self.min_score}, expected a finite number")
        if not self.streams:
            raise ValueError("preprocessing.streams is empty, expected at least one of " + ", ".join(get_args(Stream)))
        if self.test_clips > 1 and self.sampling not in UNIFORM:
            raise ValueError(f"preprocessing.test_clips needs sampling 'uniform', found '{self.sampling}'")
        if not 0 < self.test_crop <= 1:
            raise ValueError(f"preprocessing.test_crop is {self.test_crop}, expected more than 0 and at most 1")
        if self.test_crop < 1 and self.sampling != "stretch":
            raise ValueError(f"preprocessing.test_crop needs sampling 'stretch', found '{self.sampling}'")
        if self.motion_between == "chosen" and self.sampling not in CHOOSING:
            raise ValueError(
                f"preprocessing.motion_between 'chosen' needs sampling 'uniform', found '{self.sampling}', which takes "
                "frames in a row or stretches them"
            )
        if self.test_mirror and self.augment.mirror_labels:
            raise ValueError(
                "preprocessing.test_mirror takes the mean over a clip and its mirror image, which are of different "
                "classes with augment.mirror_labels; leave one of them out"
            )
        if (poses := self.poses) > MOST_POSES:  # else the machine runs out of memory, and of patience
            raise ValueError(
                f"preprocessing asks for {poses:,} poses a clip (people x frames x test views), "
                f"expected at most {MOST_POSES:,}"
            )

    @property
    def poses(self) -> int:
        """Of a clip, in all of its test views."""
        return self.people * max(self.frames, self.test_frames or 0) * self.test_clips * (1 + self.test_mirror)

    @property
    def largest_batch(self) -> int:
        """Clips that fit into memory at once, whatever a weights file says."""
        return max(1, BATCH_POSES // self.poses)

    def channels(self, dimensions: int, scored: bool) -> int:
        """Channels of the network's input for a dataset with 2 or 3 coordinates, with or without scores."""
        return (dimensions + scored) * len(self.streams) + self.moments

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the weights file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of to_dict, also after a round trip through JSON.

        A setting that is not there has its default. Raises ValueError for one that is unknown or out of range.
        """
        read: dict[str, Any] = dict(saved)
        if not isinstance(amounts := read.pop("augment", {}), Mapping):
            raise ValueError(f"preprocessing.augment is {quoted(amounts)}, expected amounts by name")
        check_fields(cls, "", read)
        if not isinstance(chosen := read.get("streams", ("joint",)), list | tuple):
            raise ValueError(f"preprocessing.streams is {quoted(chosen)}, expected a list")
        read["streams"] = tuple(chosen)
        return cls(**read, augment=Augmentation.from_dict(amounts))


def prepare_clip(
    clip: SkeletonClip, steps: Preprocessing, rng: np.random.Generator | None = None
) -> Float[np.ndarray, "views M F V D"]:
    """What the network sees of one clip: one random view with `rng` (training), else the fixed test views.

    Returns float32 with M = steps.people and D channels as `Preprocessing.channels` counts them, stream after stream,
    in the unit that `steps.normalize` leaves. Mirrored views come last.
    Raises ValueError where the clip lacks what `steps` need (image size, shoulders ...).
    """
    scored = clip.score is not None
    frames = steps.frames if rng is not None else steps.test_frames or steps.frames
    joints = _bodies(clip, steps)
    if steps.sampling == "resample":
        joints = sampling.without_gaps(joints)
    chosen, share = _frames(joints.shape[1], frames, steps, rng)
    recorded = needed = np.arange(joints.shape[1])
    if chosen is not None and steps.normalize not in OF_ALL_FRAMES:
        moving = steps.motion_between == "recorded" and any(stream.endswith("motion") for stream in steps.streams)
        needed, chosen = sampling.needed_frames(chosen, joints.shape[1], moving)
        joints = joints if len(needed) == joints.shape[1] else joints.take(needed, axis=1)
    joints = _normalise(joints, clip, steps, frames)[: steps.people]
    views = _views(joints, clip, steps, rng)
    if steps.motion_between == "chosen" and chosen is not None:  # all choices of a test in a row, as published
        needed, views = needed[chosen.ravel()], [sampling.take_frames(view, chosen.ravel()) for view in views]
        chosen = np.arange(chosen.size).reshape(chosen.shape)
    when = [_moments(views[0], needed, len(recorded))] if steps.moments else []
    if steps.sampling == "stretch" and chosen is not None and share is not None:
        views, when = ([sampling.between(value, chosen, share) for value in values] for values in (views, when))
    made = [[*streams(view, clip.layout, steps.streams, scored), *when] for view in views]
    joined = [np.concatenate(view, axis=3) for view in made]  # before frames are chosen: that is done once for all
    if chosen is None:
        joined = [sampling.resample(view, frames, *_part(steps, rng)) for view in joined]
    elif steps.sampling == "resample" and share is not None:
        joined = [sampling.between(view, chosen, share) for view in joined]
    elif steps.sampling != "stretch":
        joined = [sampling.take_frames(view, row) for view in joined for row in chosen]
    return np.stack([fit_people(view, steps.people) for view in joined]).astype(np.float32, copy=False)


def _frames(
    recorded: int, frames: int, steps: Preprocessing, rng: np.random.Generator | None
) -> tuple[Int[np.ndarray, "_ F"] | None, Float[np.ndarray, "F"] | None]:
    """The frames of each view; or those around each wanted frame, with how far it is from the one to the other.

    None where a training clip is resampled, whose part is drawn after its augmentation.
    """
    if steps.sampling == "resample":
        return sampling.moments(recorded, frames) if rng is None else (None, None)
    if steps.sampling == "stretch":
        return _stretched(recorded, frames, steps, rng)
    filled = steps.normalize == "ntu_published" and steps.sampling == "fill"
    return _choose(frames if filled else recorded, frames, steps, rng), None


def _views(
    joints: Float[np.ndarray, "M t V C"], clip: SkeletonClip, steps: Preprocessing, rng: np.random.Generator | None
) -> list[Float[np.ndarray, "M t V C"]]:
    """A random variation of a training clip; a test clip, maybe with its mirror image."""
    dimensions = clip.keypoint.shape[3]
    if rng is not None:
        views = [augment(joints, clip.layout, steps.augment, dimensions, rng, _width(clip, steps))]
    else:
        views = [joints, _mirrored(joints, clip, steps)] if steps.test_mirror else [joints]
    return [normalize.to_box(view, dimensions) for view in views] if steps.normalize == "box" else views


def _moments(
    joints: Float[np.ndarray, "M t V C"], needed: Int[np.ndarray, "n"], recorded: int
) -> Float[np.ndarray, "M t V 1"]:
    """When each frame was, 2 frame / recorded - 1. needed: the recorded frames that are still there, if not all."""
    if len(needed) != joints.shape[1]:  # normalising repeated frames
        needed, recorded = np.arange(joints.shape[1]), joints.shape[1]
    moments = (2 * needed / recorded - 1).astype(np.float32)
    return np.broadcast_to(moments[None, :, None, None], (*joints.shape[:3], 1))


def fit_people(joints: Float[np.ndarray, "M T V C"], people: int) -> Float[np.ndarray, "P T V C"]:
    """The first `people` bodies, or zeros for those that are not there."""
    if len(joints) >= people:
        return joints[:people]
    fitted = np.zeros((people, *joints.shape[1:]), joints.dtype)
    fitted[: len(joints)] = joints
    return fitted


def _bodies(clip: SkeletonClip, steps: Preprocessing) -> Float[np.ndarray, "M T V C"]:
    """The bodies that the recipe looks at, with their scores."""
    people = max(2, steps.people) if steps.normalize in FIRST_FRAME else steps.people  # the second may come first there
    joints = clip.keypoint[:people]
    if clip.score is not None:
        joints = np.concatenate([joints, clip.score[:people, ..., None]], axis=3)
    joints = joints.astype(np.float32, copy=False)
    if steps.normalize == "image_published":
        return fit_people(joints, steps.people)
    if steps.normalize in FIRST_FRAME:
        return normalize.drop_empty_frames(joints)
    if steps.normalize in ("facing", "sized"):
        turned_by = clip.layout.shoulders if steps.normalize == "facing" and clip.layout.shoulders else ()
        joints = normalize.from_first_seen(joints, (_root(clip), *turned_by))
    if steps.normalize == "sized":
        size = np.ones(joints.shape[3], np.float32)
        size[: clip.keypoint.shape[3]] = body_size(joints[..., : clip.keypoint.shape[3]], clip.layout)
        joints = joints / size
    return joints


def _root(clip: SkeletonClip) -> int:
    return clip.layout.spine[0] if clip.layout.spine else clip.layout.centre


def _normalise(
    joints: Float[np.ndarray, "M T V C"], clip: SkeletonClip, steps: Preprocessing, frames: int
) -> Float[np.ndarray, "M t V C"]:
    placed = _placed(joints, clip, steps, frames)
    if steps.min_score is None:
        return placed
    if clip.score is None:
        raise ValueError(f"clip '{clip.name}' has no scores, which preprocessing.min_score needs")
    recorded = joints if steps.normalize == "image_published" else placed  # which shifts scores, too
    unsure = recorded[..., -1:] <= steps.min_score
    return np.concatenate([placed[..., :-1] * ~unsure, placed[..., -1:]], axis=3)


def _placed(
    joints: Float[np.ndarray, "M T V C"], clip: SkeletonClip, steps: Preprocessing, frames: int
) -> Float[np.ndarray, "M t V C"]:
    match steps.normalize:
        case "none" | "box":
            return joints
        case "image":
            if clip.image_size is None:
                raise ValueError(
                    f"clip '{clip.name}' has no image size, which normalize 'image' needs: give --image-size, such as "
                    "1920x1080 (in Python image_size)"
                )
            return normalize.image_to_unit(joints, *clip.image_size)
        case "image_published":
            return normalize.image_and_score_to_half(joints)
        case "sized":
            place, score = np.split(joints, [clip.keypoint.shape[3]], axis=3)
            return np.concatenate([normalize.centre_first_frame(place, _root(clip)), score], axis=3)
        case _:
            pass
    if clip.keypoint.shape[3] != 3:
        raise ValueError(
            f"clip '{clip.name}' has no z, which normalize '{steps.normalize}' needs; for pixels there is 'image'"
        )
    if steps.normalize == "ntu_published":
        joints = normalize.fill_missing_frames(joints, frames if steps.sampling == "fill" else joints.shape[1])
    placed = _turned(joints[..., :3], clip, steps)
    return placed if clip.score is None else np.concatenate([placed, joints[..., 3:]], axis=3)


def _turned(
    joints: Float[np.ndarray, "M T V 3"], clip: SkeletonClip, steps: Preprocessing
) -> Float[np.ndarray, "M T V 3"]:
    if steps.normalize == "facing":
        upright = normalize.set_upright(joints, steps.up)
        return normalize.face_front(normalize.centre_first_frame(upright, _root(clip)), clip.layout)
    if steps.normalize == "first_frame_centre":
        return normalize.centre_first_frame(joints, normalize.origin(clip.layout))
    return normalize.centre_and_align(joints, clip.layout, each_frame=steps.normalize == "ntu_published")


def _width(clip: SkeletonClip, steps: Preprocessing) -> float:
    """Of the picture that a mirror turns round, where coordinates still are its pixels."""
    if steps.normalize != "none" or clip.keypoint.shape[3] != 2 or clip.image_size is None:
        return 0.0
    return float(clip.image_size[0])


def _mirrored(
    joints: Float[np.ndarray, "M T V C"], clip: SkeletonClip, steps: Preprocessing
) -> Float[np.ndarray, "M T V C"]:
    seen = mirror(joints, clip.layout, _width(clip, steps))
    seen[clip.people :] = joints[clip.people :]  # absent people look the same everywhere
    return seen


def _choose(
    recorded: int, frames: int, steps: Preprocessing, rng: np.random.Generator | None
) -> Int[np.ndarray, "views F"]:
    """The frames of each view, by index."""
    if steps.sampling in UNIFORM and rng is None:
        return sampling.uniform_test_indices(recorded, frames, steps.test_clips, steps.sampling)
    start, stop = (0.0, 1.0) if rng is None else random_crop(steps.augment, rng)
    first = min(int(start * recorded), recorded - 1)
    length = min(int(np.ceil(stop * recorded)), recorded) - first
    match steps.sampling:
        case "uniform" | "uniform_pyskl" | "uniform_random_start" if rng is not None:
            chosen = sampling.uniform_indices(length, frames, rng)
        case "pad":
            chosen = sampling.pad_indices(length, frames)
        case "window":
            chosen = sampling.window_indices(length, frames, rng)
        case "sorted":
            chosen = sampling.sorted_indices(length, frames, rng)
        case _:
            chosen = sampling.loop_indices(length, frames)
    if bend := 0.0 if rng is None else random_bend(steps.augment, rng):
        chosen = sampling.bent_indices(chosen, length, bend)
    if first:
        chosen = np.where(chosen == sampling.NO_FRAME, sampling.NO_FRAME, chosen + first)
    return chosen[None]


def _stretched(
    recorded: int, frames: int, steps: Preprocessing, rng: np.random.Generator | None
) -> tuple[Int[np.ndarray, "2 F"], Float[np.ndarray, "F"]]:
    """The recorded frames around each wanted one, and how far it is from the one to the other."""
    if rng is None:
        first = int((1 - steps.test_crop) * recorded / 2)
        return sampling.stretched(first, recorded - 2 * first, frames)
    start, stop = random_crop(steps.augment, rng)
    length = min(max(int(recorded * (stop - start)), LEAST_CROP), recorded)
    room = recorded - length
    first = min(int(start / (1 - stop + start) * (room + 1)), room) if room else 0
    return sampling.stretched(first, length, frames, random_bend(steps.augment, rng))


def _part(steps: Preprocessing, rng: np.random.Generator | None) -> tuple[float, float, float]:
    """From where to where a clip is resampled, and how its speed changes."""
    return (0.0, 1.0, 0.0) if rng is None else (*random_crop(steps.augment, rng), random_bend(steps.augment, rng))
