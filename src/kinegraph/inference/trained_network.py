"""Asking a network about clips, whatever computes it: torch, or an exported file without torch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from jaxtyping import Float

from kinegraph.data.conditions import Conditions
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.clip_matching import made_up_clip
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

if TYPE_CHECKING:  # torch takes seconds to import: only where it computes
    from torch import nn

    from kinegraph.inference.exported import Exported
    from kinegraph.inference.predictor import Predictor
    from kinegraph.models.weights import Weights

EngineChoice = Literal["torch", "auto", "onnxruntime", "openvino"]
MOST_USUAL = 3_000  # frames of a clip to measure with, whatever a file says
MOST_FRAMES = 200_000  # of all people of a batch: some hundred megabytes


class Asked(Protocol):
    """A network with what belongs to it. trained: how the recordings were made that it was trained on.

    least: probability below which an answer is rather none of the classes; 0 where that is not known. channels: of its
    input. training: what the file says of its training, coordinates: of the names of a joint's numbers; any content
    is possible. fingerprint: of its weights.
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
    @property
    def channels(self) -> int: ...
    @property
    def training(self) -> Mapping[str, Any]: ...
    @property
    def coordinates(self) -> object: ...
    @property
    def map_layout(self) -> bool: ...
    @property
    def fingerprint(self) -> str: ...

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        ...

    def ready(self) -> Self:
        """The same, in the mode in which it answers."""
        ...

    def answer(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
        """The probabilities of each clip, float64. clips: that fit."""
        ...


def load_trained(path: str | Path) -> "Weights | Exported":
    """A weights file or an exported network, as its name says. Raises ValueError where it is none."""
    from kinegraph.inference.exported import load_exported
    from kinegraph.models.weights_path import is_exported

    if is_exported(path):
        return load_exported(path)
    from kinegraph.models.weights import load_weights

    return load_weights(path)


def asked_of(
    model: "nn.Module | Weights | Exported | str | PathLike[str]",
    preprocessing: Preprocessing | None = None,
    *,
    map_layout: bool = False,
) -> "Predictor | Exported":
    """A network with what belongs to it; torch is imported only where torch computes it.

    model: as `kinegraph.predict` takes it. Raises ValueError where what belongs to it is not known.
    """
    from kinegraph.inference.exported import Exported, load_exported
    from kinegraph.models.weights_path import is_exported

    if isinstance(model, PathLike):  # also a run
        model = Path(model)
    if isinstance(model, str | Path) and is_exported(model):
        model = load_exported(model)
    if isinstance(model, Exported):
        if preprocessing is not None:
            raise ValueError("an exported network has its own preprocessing: leave preprocessing out")
        return replace(model, map_layout=map_layout or model.map_layout)
    from kinegraph.inference.predictor import predictor_of

    return predictor_of(model, preprocessing, map_layout=map_layout)


def placed_asked(
    asked: "Predictor | Exported",
    device: str,
    precision: str = "32-true",
    many: bool = False,
    engine: str = "torch",
    say: Callable[[str], None] = lambda line: None,
) -> "Predictor | Exported":
    """The same on a device and in a precision, see `predictor.placed`. Raises ValueError where that is not possible.

    engine: "torch", or another to leave the network as it is for `by_engine`. say: gets a line where the precision is
    slower than float32 on this machine.
    """
    from kinegraph.inference.exported import Exported

    if isinstance(asked, Exported):
        if device not in ("auto", "cpu") or precision != "32-true":
            raise ValueError("an exported network runs on the CPU in 32-true: leave --device and --precision out")
        if engine == "auto":
            raise ValueError("--engine auto is for weights; an exported file is computed by onnxruntime or openvino")
        return asked
    from kinegraph.inference.predictor import placed

    if precision == "bf16-mixed" and engine == "torch":
        from kinegraph.models.precision import slower_bf16

        steps = asked.preprocessing
        if line := slower_bf16(placed(asked, device).network, "answer", steps.people, steps.frames):
            say(line)
    return placed(asked, device, precision, many and engine == "torch")


def by_engine(
    asked: "Predictor | Exported", engine: str, clips: Sequence[SkeletonClip], say: Callable[[str], None]
) -> "Predictor | Exported":
    """The same, computed by an engine, see `engines.engine_asked`. asked: of `placed_asked`.

    clips: that fit, by which "auto" chooses. Raises ValueError where the engine is not possible.
    """
    from kinegraph.inference.exported import Exported

    if engine == "torch":
        return asked
    if isinstance(asked, Exported):
        from kinegraph.inference.exported import by_openvino

        return by_openvino(asked) if engine == "openvino" else asked
    from kinegraph.inference.engines import engine_asked

    return engine_asked(asked, engine, clips, say)


def answering(
    asked: "Predictor | Exported", device: str, engine: str, say: Callable[[str], None]
) -> "Predictor | Exported":
    """The same on a device, computed by an engine, before there are clips: "auto" chooses by a made-up one, which is as
    long as the median clip of the training."""
    placed = placed_asked(asked, device, engine=engine)
    if engine == "torch":
        return placed
    lengths = placed.training.get("frames")
    known = isinstance(lengths, list | tuple) and len(lengths) == 3 and type(lengths[1]) is int
    frames = min(max(lengths[1] if known else placed.preprocessing.frames, 2), MOST_USUAL)
    clip = made_up_clip(placed.layout, placed.preprocessing, placed.channels, frames, placed.coordinates)
    return by_engine(placed, engine, [clip], say)


def probabilities(
    asked: Asked, clips: Iterable[SkeletonClip], batch_size: int = 32
) -> Iterator[Float[np.ndarray, "classes"]]:
    """The probabilities of each clip, float64, taking `batch_size` of them at a time.

    clips: that fit (`Asked.fit`) and may be read while they are taken. Raises ValueError where one lacks what its
    preparation needs (image size, scores ...), and for a network that has no likeliest class.
    """
    check_one_class(asked)
    asked = asked.ready()
    for batch in batches(clips, min(batch_size, asked.preprocessing.largest_batch)):
        yield from asked.answer(batch)


def check_one_class(asked: Asked) -> None:
    """Raises ValueError for a network that says yes or no of each class: shares of them all would be made up."""
    if getattr(asked, "several", False):
        raise ValueError(
            "these weights say yes or no of each class in every frame, so a window or a clip has no likeliest class; "
            "`kinegraph predict` without --window says when each class is there"
        )


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
