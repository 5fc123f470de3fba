"""From recorded clips to class probabilities: a trained network with all that it takes to ask it."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.conditions import Conditions
from kinegraph.data.dataset_write import LARGEST
from kinegraph.data.preprocessing import FIRST_FRAME, Preprocessing, prepare_clip
from kinegraph.evaluation.scoring import view_scores
from kinegraph.messages import first_few, quoted
from kinegraph.models.optimize import can_optimize, optimize
from kinegraph.models.weights import Weights, built_with, load_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

DEVICES = ("cpu", "cuda", "mps")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")
MOST_FRAMES = 200_000  # of all people of a batch: some hundred megabytes
WIDE = 256  # channels from which `optimize` pays: 1.3 to 1.4 times as fast on two threads of a CPU
ENGINES: dict[str, Literal["fp32", "bf16"]] = {"32-true": "fp32", "bf16-mixed": "bf16"}
MIXED = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network ready to be asked.

    how: the way clips are prepared for it. precision: in Lightning's words, "32-true", "64-true", "bf16-mixed" or
    "16-mixed". map_layout: take joints by name from clips of other layouts. trained: how the recordings were made that
    it was trained on, as far as its weights say it.
    """

    network: nn.Module
    layout: JointLayout
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    precision: str = "32-true"
    map_layout: bool = False
    trained: Conditions = field(default_factory=Conditions)

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        return fitted(clip, self.layout, self.preprocessing, built_with(self.network)[1]["channels"], self.map_layout)


def predictor_of(
    model: nn.Module | Weights | str | Path, preprocessing: Preprocessing | None = None, *, map_layout: bool = False
) -> Predictor:
    """A network with what belongs to it. Raises ValueError where that is not known.

    model: a path or name as `load_weights` takes it, or what that or `load_model` gave. preprocessing: for weights that
    do not have it, or in place of theirs.
    """
    if isinstance(model, str | Path):
        model = load_weights(model)
    if not isinstance(model, nn.Module | Weights):
        raise ValueError(
            f"a {type(model).__name__} is no network: kg.predict(model, clip) takes what load_model gives, or the path "
            "or name of a weights file, and then the clip"
        )
    if not isinstance(preprocessing, Preprocessing | None):
        raise ValueError(f"preprocessing is a {type(preprocessing).__name__}, expected a Preprocessing")
    weights = model if isinstance(model, Weights) else getattr(model, "weights", None)
    if not isinstance(weights, Weights):
        raise ValueError(
            f"this {type(model).__name__} does not know its classes and joints, as one that load_model reads from a "
            ".safetensors file does; of a .pth, `kinegraph convert` makes such a file"
        )
    if preprocessing is None and not weights.preprocessing:
        raise ValueError(
            "these weights do not say how clips are prepared for them: give preprocessing, "
            "on the command line --preprocessing CONFIG, the YAML of their recipe"
        )
    try:
        preprocessing = preprocessing or Preprocessing.from_dict(weights.preprocessing)
    except (TypeError, LookupError, AttributeError) as error:  # of a file that was not written by training
        raise ValueError(f"the weights say of preprocessing what cannot be read: {quoted(error)}") from None
    network = model if isinstance(model, nn.Module) else weights.model
    names, trained = tuple(weights.class_names), conditions_of_training(weights)
    return Predictor(network, weights.layout, names, preprocessing, map_layout=map_layout, trained=trained)


def conditions_of_training(weights: Weights) -> Conditions:
    """How the recordings were made that a network was trained on, as far as its weights say it."""
    training = weights.extra.get("training")
    return Conditions.from_dict(training.get("recorded")) if isinstance(training, Mapping) else Conditions()


def placed(predictor: Predictor, device: str = "auto", precision: str = "32-true", many: bool = False) -> Predictor:
    """The same on a device and in a precision, with its network moved there.

    device: cpu, cuda, cuda:1, mps, or auto. many: make a large network quick before it is asked (`optimize`).
    Raises ValueError for a device that this machine does not have, and a precision that there is not.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if str(device).partition(":")[0] not in DEVICES:
        raise ValueError(f"there is no device '{device}', expected auto, {', '.join(DEVICES)}")
    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision '{precision}', expected {', '.join(PRECISIONS)}")
    try:
        torch.empty(0, device=device)
        network = predictor.network.to(device, torch.float64 if precision == "64-true" else torch.float32)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(f"device '{device}' cannot be used here: {str(error).splitlines()[0]}") from None
    wide = can_optimize(network) and max(built_with(network)[1].get("widths", [0])) >= WIDE
    if many and precision in ENGINES and wide:
        return replace(predictor, network=optimize(network, ENGINES[precision]))
    return replace(predictor, network=network, precision=precision)


def probabilities(
    predictor: Predictor, clips: Iterable[SkeletonClip], batch_size: int = 32
) -> Iterator[Float[np.ndarray, "classes"]]:
    """The probabilities of each clip, float64, taking `batch_size` of them at a time.

    clips: that fit (`Predictor.fit`) and may be read while they are taken. Raises ValueError where one lacks what its
    preparation needs (image size, scores ...).
    """
    network = answering(predictor.network)
    weight = next(network.parameters())
    people = predictor.preprocessing.people
    for batch in _batches(clips, min(batch_size, predictor.preprocessing.largest_batch)):
        views = torch.from_numpy(np.stack([prepare_clip(clip, predictor.preprocessing) for clip in batch]))
        present = torch.tensor([min(clip.people, people) for clip in batch])
        with torch.no_grad(), _autocast(weight.device.type, predictor.precision):
            scores = view_scores(network, views.to(weight.device, weight.dtype), present.to(weight.device))
        check_finite(scores)
        yield from scores.double().softmax(-1).cpu().numpy()


def answering(network: nn.Module) -> nn.Module:
    """The network in evaluation mode: itself if all of it is, else a copy with the same weights.

    The caller's network keeps its mode, in which another thread may be training it.
    """
    if not any(part.training for part in network.modules()):
        return network
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared).eval()


def check_finite(scores: torch.Tensor) -> None:
    """Raises ValueError where a network answers with what is no number."""
    if not scores.isfinite().all():
        raise ValueError(
            "the network's scores are not finite numbers: its weights hold NaN, infinity or huge numbers; its training "
            "has probably diverged (`kinegraph inspect WEIGHTS` says more)"
        )


def _batches(clips: Iterable[SkeletonClip], most: int) -> Iterator[list[SkeletonClip]]:
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


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, MIXED[precision]) if precision in MIXED else nullcontext()


# ---- clips that fit a network --------------------------------------------------------------------------------------

JOINTS_NAMED = 4
TURNED = ("ntu_published", *FIRST_FRAME, "facing")  # ways to normalise that need x, y and z


def fitted(
    clip: SkeletonClip, wanted: JointLayout, preprocessing: Preprocessing, channels: int, map_layout: bool = False
) -> SkeletonClip:
    """The clip as the network wants it: its layout, and scores only where it was trained with them.

    wanted: the layout of the network. channels: of its input, all streams together. map_layout: also take joints by
    name from a layout with other or further joints; nothing is made up, so the layout must have all of them.
    Raises ValueError with what the network wants, what the clip has, and what can be done.
    """
    clip = with_joints(clip, wanted, map_layout)
    clip = with_channels(clip, preprocessing, channels)
    if not np.isfinite(clip.keypoint).all() or (clip.score is not None and not np.isfinite(clip.score).all()):
        raise ValueError(f"{_called(clip)} holds values that are not finite; a joint that was not seen is all zero")
    if (largest := float(max(clip.keypoint.max(initial=0), -clip.keypoint.min(initial=0)))) > LARGEST:
        raise ValueError(f"{_called(clip)} has a coordinate of {largest:.3g}: no recording is that large")
    if not clip.keypoint.any():
        raise ValueError(f"{_called(clip)} shows nobody: every joint in all of its {clip.frames} frames is zero")
    return clip


# ---- joints ----------------------------------------------------------------------------------------------------------


def with_joints(clip: SkeletonClip, wanted: JointLayout, map_layout: bool) -> SkeletonClip:
    """The clip with the joints of a layout, and with that layout: its bones are those that the network knows."""
    if clip.layout.joints == wanted.joints:
        return clip if clip.layout == wanted else replace(clip, layout=wanted)
    order = joints_by_name(clip.layout.joints, wanted.joints)
    found = f"{_called(clip)} has {_told(clip.layout)}, the network was trained on {_told(wanted)}"
    if None in order:
        raise ValueError(f"{found}; {_what_can_be_done(clip.layout, wanted, order)}")
    if not map_layout:
        raise ValueError(f"{found}; all of them are there by name: map_layout (--map-layout) takes them")
    places = [place for place in order if place is not None]
    score = None if clip.score is None else clip.score[:, :, places]
    return replace(clip, keypoint=clip.keypoint[:, :, places], score=score, layout=wanted)


@lru_cache
def joints_by_name(found: Sequence[str], wanted: Sequence[str]) -> tuple[int | None, ...]:
    """For each wanted joint the number of the found one with the same name; None where there is none, or several.

    Names are the same however they are spelled: left_knee, "Left Knee", LEFT-KNEE, leftKnee and LKnee.
    """
    plain = [plain_joint(name) for name in found]
    places = {name: plain.index(name) for name in plain if plain.count(name) == 1}
    asked = [plain_joint(name) for name in wanted]
    return tuple(places.get(name) if asked.count(name) == 1 else None for name in asked)


def _told(layout: JointLayout) -> str:
    return f"the {len(layout)} joints of layout '{layout.name}'"


def _what_can_be_done(found: JointLayout, wanted: JointLayout, order: Sequence[int | None]) -> str:
    lacking = [name for name, place in zip(wanted.joints, order, strict=True) if place is None]
    if len(lacking) == len(wanted) == len(found):
        return f"no name is the same; if they are the same joints in the same order, say --layout {wanted.name}"
    text = f"it lacks {first_few(lacking, JOINTS_NAMED)}"
    text += f" ({len(lacking)} of {len(wanted)})" if len(lacking) > JOINTS_NAMED else ""
    enough = [name for name in layout_names() if 2 * len(load_layout(name)) >= len(found)]
    others = [name for name in enough if load_layout(name).joints != wanted.joints]
    fitting = [name for name in others if None not in joints_by_name(found.joints, load_layout(name).joints)]
    return f"{text}: use weights that were trained on {' or '.join(sorted({found.name, *fitting}))}"


# ---- channels --------------------------------------------------------------------------------------------------------


def with_channels(clip: SkeletonClip, preprocessing: Preprocessing, channels: int) -> SkeletonClip:
    """The clip with scores where the network was trained with them. They are left out where it was not."""
    # channels of one stream: coordinates and, with scores, one more
    each = (channels - preprocessing.moments) // len(preprocessing.streams)
    flat = _wants_pixels(preprocessing)
    dimensions, scored = clip.keypoint.shape[3], clip.score is not None
    allowed = [(size, size < each) for size in (2, 3) if each - 1 <= size <= each and flat in (None, size == 2)]
    if (dimensions, scored) in allowed:
        return clip
    if (dimensions, False) in allowed:
        return replace(clip, score=None)
    wanted = " or ".join(_coordinates(size, score) for size, score in allowed) or f"{each} numbers a joint"
    if (dimensions, True) in allowed:
        hint = "give each joint its confidence, or use weights that were trained without"
    else:
        hint = f"use weights that were trained on {dimensions}D clips"
    raise ValueError(f"{_called(clip)} has {_coordinates(dimensions, scored)}, the network wants {wanted}; {hint}")


def _wants_pixels(preprocessing: Preprocessing) -> bool | None:
    """Whether the recipe is for 2D clips, for 3D ones, or (None) for either."""
    if preprocessing.normalize.startswith("image"):
        return True
    return False if preprocessing.normalize in TURNED else None


def _coordinates(dimensions: int, scored: bool) -> str:
    return f"{'xyz'[:dimensions]} {'with' if scored else 'without'} scores"


def _called(clip: SkeletonClip) -> str:
    return f"clip '{clip.name}'" if clip.name else "the clip"
