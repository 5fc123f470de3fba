"""From recorded clips to class probabilities: a trained network with all that it takes to ask it."""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.conditions import Conditions
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.data.windows import cut, window_starts
from kinegraph.evaluation.scoring import view_scores, window_weight
from kinegraph.evaluation.timelines import SEVERAL_FROM
from kinegraph.inference.clip_matching import fitted
from kinegraph.inference.timeline import Segment
from kinegraph.messages import quoted
from kinegraph.models.frames import FrameWise, frame_probabilities
from kinegraph.models.layers.absent import clip_vectors
from kinegraph.models.network import BlackBox, SkeletonNetwork, network_kind
from kinegraph.models.optimize import can_optimize, optimize
from kinegraph.models.weights import Weights, built_with, load_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import runs, runs_of_each, without_short

DEVICES = ("cpu", "cuda", "mps")
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "64-true")
WIDE = 256  # channels from which `optimize` pays: 1.3 to 1.4 times as fast on two threads of a CPU
ENGINES: dict[str, Literal["fp32", "bf16"]] = {"32-true": "fp32", "bf16-mixed": "bf16"}
MIXED = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network ready to be asked.

    preprocessing: how clips are prepared for it. precision: in Lightning's words, "32-true", "64-true", "bf16-mixed" or
    "16-mixed". map_layout: take joints by name from clips of other layouts. trained: how the recordings were made that
    it was trained on, as far as its weights say it. least: probability below which an answer is rather none of the
    classes; 0 where the weights do not say it. of_frames: whether it was trained to answer for every frame; several:
    with several classes at once. training: what the weights say of their training; any content is possible.
    """

    network: nn.Module
    layout: JointLayout
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    precision: str = "32-true"
    map_layout: bool = False
    trained: Conditions = field(default_factory=Conditions)
    least: float = 0.0
    of_frames: bool = False
    several: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Of the network's input."""
        return self._channels

    @cached_property
    def _channels(self) -> int:
        return built_with(self.network)[1]["channels"]  # looked up once: a stream asks in every frame

    @property
    def coordinates(self) -> object:
        """The names of a joint's numbers, where the weights say them."""
        return self.training.get("coordinates")

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all tensors of the network, by name."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        facts = self.map_layout, self.coordinates, self.class_names
        return fitted(clip, self.layout, self.preprocessing, self.channels, *facts)

    def ready(self) -> "Predictor":
        """This, with its network in evaluation mode."""
        return replace(self, network=answering(self.network))

    def answer(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
        """The probabilities of each clip, float64. clips: that fit."""
        weight = next(self.network.parameters())
        views = torch.from_numpy(np.stack([prepare_clip(clip, self.preprocessing) for clip in clips]))
        present = torch.tensor([min(clip.people, self.preprocessing.people) for clip in clips])
        with torch.no_grad(), _autocast(weight.device.type, self.precision):
            scores = view_scores(self.network, views.to(weight.device, weight.dtype), present.to(weight.device))
        check_finite(scores)
        return scores.double().softmax(-1).cpu().numpy()

    def describe(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N views D"]:
        """What the head of the network sees of each view of each clip. clips: that fit.

        Raises ValueError for a network that is no `SkeletonNetwork`.
        """
        if not isinstance(self.network, SkeletonNetwork):
            raise ValueError(
                f"a {network_kind(self.network).__name__} has no features that its classes are computed from: they "
                "need a SkeletonNetwork, whose class defines forward_features"
            )
        weight = next(self.network.parameters())
        views = torch.from_numpy(np.stack([prepare_clip(clip, self.preprocessing) for clip in clips]))
        count, present = views.shape[1], torch.tensor([min(clip.people, self.preprocessing.people) for clip in clips])
        with torch.no_grad(), _autocast(weight.device.type, self.precision):
            x = views.flatten(0, 1).to(weight.device, weight.dtype)
            vectors = clip_vectors(self.network, x, present.repeat_interleave(count).to(weight.device))
        check_finite(vectors)
        return vectors.float().unflatten(0, (-1, count)).cpu().numpy()


def predictor_of(
    model: nn.Module | Weights | str | Path, preprocessing: Preprocessing | None = None, *, map_layout: bool = False
) -> Predictor:
    """A network with what belongs to it. Raises ValueError where that is not known.

    model: a path or name as `load_weights` takes it, or what that or `load_model` gave. preprocessing: for weights that
    do not have it, or in place of theirs.
    """
    weights = weights_of(model)
    if not isinstance(preprocessing, Preprocessing | None):
        raise ValueError(f"preprocessing is a {type(preprocessing).__name__}, expected a Preprocessing")
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
    least = float(weights.extra.get("least_probability", 0))
    training = weights.extra.get("training")
    about = training if isinstance(training, Mapping) else {}
    of_frames = about.get("task") == "frames"
    if of_frames:  # its windows are those of the training, as in a test
        preprocessing = replace(preprocessing, test_frames=None)
    return Predictor(
        network,
        weights.layout,
        names,
        preprocessing,
        map_layout=map_layout,
        trained=trained,
        least=least,
        of_frames=of_frames,
        several=about.get("several") is True,
        training=about,
    )


def weights_of(model: nn.Module | Weights | str | Path) -> Weights:
    """What belongs to a network, as `predictor_of` takes it. Raises ValueError where that is not known."""
    if isinstance(model, str | PathLike):  # also a run
        model = load_weights(model)
    if not isinstance(model, nn.Module | Weights):
        raise ValueError(
            f"a {type(model).__name__} is no network: kg.predict(model, clip) takes what load_model gives, or the path "
            "or name of a weights file, and then the clip"
        )
    weights = model if isinstance(model, Weights) else getattr(model, "weights", None)
    if not isinstance(weights, Weights):
        raise ValueError(
            f"this {type(model).__name__} does not know its classes and joints, as one that load_model reads from a "
            ".safetensors file does; of a .pth, `kinegraph convert` makes such a file"
        )
    return weights


def conditions_of_training(weights: Weights) -> Conditions:
    """How the recordings were made that a network was trained on, as far as its weights say it."""
    training = weights.extra.get("training")
    return Conditions.from_dict(training.get("recorded")) if isinstance(training, Mapping) else Conditions()


def placed(predictor: Predictor, device: str = "auto", precision: str = "32-true", many: bool = False) -> Predictor:
    """The same on a device and in a precision; a network that is elsewhere stays there, and its copy is moved.

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
        place, dtype = torch.empty(0, device=device).device, torch.float64 if precision == "64-true" else torch.float32
        network = predictor.network
        tensors = [*network.parameters(), *network.buffers()]
        if any(tensor.device != place or (tensor.is_floating_point() and tensor.dtype != dtype) for tensor in tensors):
            network = copy.deepcopy(network).to(place, dtype)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(f"device '{device}' cannot be used here: {str(error).splitlines()[0]}") from None
    if many and precision in ENGINES and can_optimize(network) and widest(network) >= WIDE:
        return replace(predictor, network=optimize(network, ENGINES[precision]))
    return replace(predictor, network=network, precision=precision)


def widest(network: nn.Module) -> int:
    """Channels of the widest block, in an ensemble of any member; 0 where a config has no list of `widths`."""
    parts = [part for part in network.modules() if isinstance(part, SkeletonNetwork | BlackBox)]
    lists = [widths for part in parts if isinstance(widths := part.config.get("widths"), list)]
    return max((width for widths in lists for width in widths if isinstance(width, int)), default=0)


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


def _autocast(device: str, precision: str) -> AbstractContextManager[object]:
    return torch.autocast(device, MIXED[precision]) if precision in MIXED else nullcontext()


# ---- a network that was trained on frames: each frame of a long recording, and stretches of one class ----------------


def frame_stretches(predictor: Predictor, clip: SkeletonClip, batch_size: int = 32, least: int = 1) -> list[Segment]:
    """Stretches of one class, of which each frame's likeliest is; where a frame may have several, stretches of each.

    clip: that fits (`Predictor.fit`). least: frames; shorter stretches go to their neighbours (`without_short`), or are
    left out where a frame may have several classes. A stretch's probabilities are the mean over its frames. Where a
    frame may have several classes and no class is there, the answer is one stretch: the likeliest class, over the clip.
    """
    rows = frame_rows(predictor, clip, batch_size)
    if predictor.several:
        found = [run for run in runs_of_each(rows >= SEVERAL_FROM) if run.end - run.start >= least]
    else:
        found = runs(without_short(rows.argmax(axis=1), rows, least))
    if predictor.several and not found:
        found = runs(np.full(len(rows), rows.mean(axis=0).argmax()))
    return [
        Segment(run.start, run.end, _of(run.label, rows[run.start : run.end].mean(axis=0), predictor)) for run in found
    ]


def _of(label: int, mean: Float[np.ndarray, "classes"], predictor: Predictor) -> Float[np.ndarray, "classes"]:
    """The probabilities of a stretch; where a frame may have several classes, of its own class alone."""
    return np.where(np.arange(len(mean)) == label, mean, 0) if predictor.several else mean


@torch.no_grad()
def frame_rows(predictor: Predictor, clip: SkeletonClip, batch_size: int = 32) -> Float[np.ndarray, "T classes"]:
    """The probabilities of each frame, as `kinegraph test` computes them: of all windows over it."""
    steps = predictor.preprocessing
    weight = next(predictor.network.parameters())
    network, share = FrameWise(predictor.ready().network), window_weight(steps.frames)[:, None]
    starts = window_starts(clip.frames, steps.frames, max(steps.frames // 2, 1))
    total, count = np.zeros((clip.frames, len(predictor.class_names))), np.zeros((clip.frames, 1))
    size = min(batch_size, steps.largest_batch)
    for batch in (starts[i : i + size] for i in range(0, len(starts), size)):
        views = np.stack([prepare_clip(cut(clip, start, steps.frames), steps)[0] for start in batch])
        people = torch.full((len(batch),), min(clip.people, steps.people), device=weight.device)
        with _autocast(weight.device.type, predictor.precision):
            logits = network(torch.from_numpy(views).to(weight.device, weight.dtype), people)
        check_finite(logits)
        for start, row in zip(
            batch, frame_probabilities(logits, predictor.several).double().cpu().numpy(), strict=True
        ):
            there = min(steps.frames, clip.frames - start)
            total[start : start + there] += (share * row)[:there]
            count[start : start + there] += share[:there]
    return total / count
