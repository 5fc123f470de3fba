"""A trained network as one ONNX file, which is compared with torch before it is kept.

Clips, people and frames stay dynamic. People do not where a network norms all people of a clip together (CTR-GCN,
AAGCN, MS-G3D): their number is then that of the training.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph import __version__
from kinegraph.atomic import atomic_file
from kinegraph.inference.exported import EXTRA, INPUT, OUTPUT, load_exported, metadata
from kinegraph.inference.predictor import Predictor, answering, predictor_of
from kinegraph.messages import one_line
from kinegraph.models.network import SkeletonNetwork, network_kind
from kinegraph.models.optimize import can_optimize
from kinegraph.models.weights import Weights, built_with

OPSET = 18
TOLERANCE = 1e-4  # of the spread of logits
FOLDED = ("STGCN", "STGCNPP", "AGCN")  # what `fold` makes of others takes the exporter minutes, or is refused
LENGTHS = (1, 2, 7, 33)  # frames of the clips that are compared, besides those of the recipe


@dataclass(frozen=True)
class Report:
    """What was written and how near it is to torch. difference: the largest, in spreads of the logits.

    clips: that were compared. same: of these, with the same likeliest class. fixed: people, where not any number goes.
    """

    path: Path
    difference: float
    clips: int
    same: int
    bytes: int
    fixed: int | None


def export(model: nn.Module | Weights | str | Path, out: str | Path, *, stream: bool = False) -> Report:
    """Write a network as ONNX: clips (N, M, T, V, C), prepared as its metadata says, -> logits.

    model: as `kinegraph.predict` takes it. stream: single frames and a state instead of clips, see `export_stream`.
    Raises ValueError where the network cannot be exported, or where onnxruntime computes something else; then nothing
    is left.
    """
    if stream:
        from kinegraph.inference.export_stream import export_stream

        return export_stream(model, out)
    out, predictor = Path(out), exportable(model)
    network = answering(predictor.network).cpu().float()
    fixed = predictor.preprocessing.people if _sees_all_people(network) else None
    content = _content(network, predictor, fixed)
    averaged = fixed is None and can_optimize(network)  # logits are the mean of those of each person alone
    describe(content, predictor, network, **({"people_averaged": True} if averaged else {}))
    with atomic_file(out) as unfinished:
        unfinished.write_bytes(content.SerializeToString())
        report = _compared(unfinished, out, network, predictor, fixed)
    return report


def exportable(model: nn.Module | Weights | str | Path) -> Predictor:
    """The network with what belongs to it. Raises ValueError where it cannot be exported, or a package is missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401  torch needs it
    except ImportError:
        raise ValueError(f"exporting needs onnx, onnxscript and onnxruntime: {EXTRA}") from None
    predictor = predictor_of(model)
    if predictor.of_frames:
        raise ValueError("these weights answer for every frame of a recording: only those of clips can be exported")
    return predictor


def describe(content: Any, predictor: Predictor, network: nn.Module, **more: object) -> None:
    """Write into an onnx.ModelProto what belongs to the network."""
    import onnx

    _, config = built_with(network)
    about: dict[str, Any] = {"network": network_kind(network).__name__, "made_with": {"kinegraph": __version__}}
    about |= {"trained": predictor.trained.to_dict(), "training": dict(predictor.training)}
    about |= {"weights": predictor.fingerprint}
    known = predictor.layout, predictor.class_names, predictor.preprocessing, config["channels"]
    about |= {"least_probability": predictor.least} if predictor.least else {}
    onnx.helper.set_model_props(content, metadata(*known, **about, **more))


def _sees_all_people(network: nn.Module) -> bool:
    return isinstance(network, SkeletonNetwork) and type(network).whole_clips is not SkeletonNetwork.whole_clips


def _content(network: nn.Module, predictor: Predictor, fixed: int | None) -> Any:
    """The network in ONNX, as onnx.ModelProto: folded where that can be exported, which has fewer steps."""
    graph, config = built_with(network)
    x = torch.randn(2, fixed or 2, max(predictor.preprocessing.frames or 0, 16), graph.shape[1], config["channels"])
    dynamic = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    dynamic |= {} if fixed else {1: torch.export.Dim.DYNAMIC}
    name = network_kind(network).__name__
    return traced_folded(network, lambda network_: traced(_Logits(network_).eval(), x, dynamic, INPUT, name))


def traced_folded(network: nn.Module, trace: Callable[[nn.Module], Any]) -> Any:
    """trace(the folded network) where that can be exported, which has fewer steps, else trace(network)."""
    if isinstance(network, SkeletonNetwork) and can_optimize(network) and network_kind(network).__name__ in FOLDED:
        with suppress(ValueError):
            return trace(network.fold(torch.float64).float())  # in float64 convolutions over time stay as they are
    return trace(network)


class _Logits(nn.Module):
    """The network as a function of its clips alone."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, clips: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N classes"]:
        return self.network(clips)


def traced(module: nn.Module, x: Tensor, dynamic: dict[int, Any], name: str, network: str) -> Any:
    """A module of one argument as onnx.ModelProto. name: of the argument, in the module and in the graph.

    Raises ValueError with what torch found first.
    """
    names = {"input_names": [name], "output_names": [OUTPUT], "opset_version": OPSET}
    with quiet():
        try:
            made: Any = torch.onnx.export(
                module, (x,), dynamo=True, dynamic_shapes={name: dynamic}, verbose=False, **names
            )
        except Exception as error:  # of torch's compiler, onnxscript and onnx, each with its own classes
            raise ValueError(f"{network} cannot be exported: {one_line(first_cause(error))}") from None
    return made.model_proto


def first_cause(error: BaseException) -> BaseException:
    """What went wrong first: torch wraps it in advice for those who write exporters."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the notes of the exporter, which are for its developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _compared(file: Path, out: Path, network: nn.Module, predictor: Predictor, fixed: int | None) -> Report:
    """Torch and onnxruntime on clips of many shapes. Raises ValueError where they differ."""
    exported, largest, same, clips = load_exported(file), 0.0, 0, 0
    for x in _made_up(predictor, network, fixed):
        try:
            with torch.no_grad():
                wanted = network(torch.from_numpy(x))
        except (ValueError, RuntimeError):
            continue  # the network itself does not take such clips
        found = exported.computed(x)
        difference = largest_difference(found, wanted, partial(in_float64, network, torch.from_numpy(x)))
        if not difference <= TOLERANCE:
            raise ValueError(
                f"onnxruntime computes {difference:.1e} of the logits' spread something else than torch for clips of "
                f"shape {x.shape}; {out} was not written"
            )
        largest, clips = max(largest, difference), clips + len(x)
        same += int((found.argmax(1) == wanted.numpy().argmax(1)).sum())
    return Report(out, largest, clips, same, file.stat().st_size, fixed)


def largest_difference(found: np.ndarray, wanted: Tensor, precise: Callable[[], Tensor]) -> float:
    """From torch's logits, in units of their spread.

    precise: what torch computes in float64. It decides where float32 differs by more than TOLERANCE, because the
    softmax of 2s-AGCN can make torch's own rounding as large as that on made-up clips.
    """

    def apart(logits: np.ndarray) -> float:
        spread = logits.std() if logits.shape[-1] > 1 else np.abs(logits).max()  # one class has none
        return float(np.abs(found - logits).max()) / max(float(spread), 1e-6)

    if found.shape != wanted.shape:
        return np.inf
    if (difference := apart(wanted.numpy())) <= TOLERANCE:
        return difference
    try:
        return apart(precise().numpy())
    except RuntimeError:  # a network of the user's own that computes in float32 alone
        return difference


def in_float64(network: nn.Module, x: Tensor) -> Tensor:
    """What the network computes without the rounding of float32."""
    with torch.no_grad():
        return deepcopy(network).double()(x.double())


def _made_up(predictor: Predictor, network: nn.Module, fixed: int | None) -> Iterator[Float[np.ndarray, "N M T V C"]]:
    """Random clips of several numbers of clips, people and frames; the last person is absent."""
    graph, config = built_with(network)
    rng, people = np.random.default_rng(0), (fixed,) if fixed else (1, 2, 3)
    for T in dict.fromkeys((*LENGTHS, predictor.preprocessing.frames or 100)):
        for N, M in zip((1, 2, 3), people * 3, strict=False):
            x = rng.standard_normal((N, M, T, graph.shape[1], config["channels"])).astype(np.float32)
            if M > 1:
                x[0, -1] = 0
            yield x
