"""From recorded clips to class probabilities: a trained network with all that it takes to ask it."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.evaluation.scoring import view_scores
from kinegraph.inference.fitting import fitted
from kinegraph.messages import quoted
from kinegraph.models.optimize import can_optimize, optimize
from kinegraph.models.weights import Weights, built_with, load_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

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
    "16-mixed". map_layout: take joints by name from clips of other layouts.
    """

    network: nn.Module
    layout: JointLayout
    class_names: tuple[str, ...]
    how: Preprocessing
    precision: str = "32-true"
    map_layout: bool = False

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        return fitted(clip, self.layout, self.how, built_with(self.network)[1]["channels"], self.map_layout)


def predictor_of(
    model: nn.Module | Weights | str | Path, preprocessing: Preprocessing | None = None, *, map_layout: bool = False
) -> Predictor:
    """A network with what belongs to it. Raises ValueError where that is not known.

    model: a path or name as `load_weights` takes it, or what that or `load_model` gave. preprocessing: for weights that
    do not tell, or in place of what they tell.
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
        how = preprocessing or Preprocessing.from_dict(weights.preprocessing)
    except (TypeError, LookupError, AttributeError) as error:  # of a file that was not written by training
        raise ValueError(f"the weights say of preprocessing what cannot be read: {quoted(error)}") from None
    network = model if isinstance(model, nn.Module) else weights.model
    return Predictor(network, weights.layout, tuple(weights.class_names), how, map_layout=map_layout)


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
    wide = max(network.config.get("widths", [0])) >= WIDE if can_optimize(network) else False
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
    network = predictor.network
    weight = next(network.parameters())
    people = predictor.how.people
    for batch in _batches(clips, batch_size):
        views = torch.from_numpy(np.stack([prepare_clip(clip, predictor.how) for clip in batch]))
        present = torch.tensor([min(clip.people, people) for clip in batch])
        training = network.training
        network.eval()
        with torch.no_grad(), _autocast(weight.device.type, predictor.precision):
            scores = view_scores(network, views.to(weight.device, weight.dtype), present.to(weight.device))
        network.train(training)
        yield from scores.double().softmax(-1).cpu().numpy()


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
