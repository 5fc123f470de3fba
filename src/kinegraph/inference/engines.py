"""`--engine`: what answers clips fastest on this machine, torch, our engine, onnxruntime or OpenVINO."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from kinegraph.inference.export import export
from kinegraph.inference.exported import Exported, by_openvino, load_exported
from kinegraph.inference.predictor import ENGINES, Predictor
from kinegraph.models.network import network_kind
from kinegraph.models.optimize import can_optimize, optimize
from kinegraph.models.quickest import EXACT, ROUGH, cache_folder, machine, quickest
from kinegraph.models.weights import Weights, built_with
from kinegraph.skeleton.clip import SkeletonClip

SMALLEST = 1e-30  # probability, whose log is a number


def engine_asked(
    predictor: Predictor, engine: str, clips: Sequence[SkeletonClip], say: Callable[[str], None]
) -> Predictor | Exported:
    """The predictor as an engine computes it.

    predictor: on its device, see `predictor.placed`.
    engine: "onnxruntime", "openvino", or "auto": the fastest engine that is as exact as the predictor's precision asks,
        measured once and kept.
    clips: some of the clips to predict, which fit the network; each engine is measured on all of them.
    say: gets a line with the choice and its reason.
    Raises ValueError where the named engine is not possible.
    """
    if reason := _no_choice(predictor):
        if engine != "auto":
            raise ValueError(f"--engine {engine} is not possible: torch is the only one {reason}; leave it out")
        say(f"engine: torch, which is the only one {reason}")
        return predictor
    if engine != "auto":
        return _named(predictor.ready(), engine)
    if not clips:
        return predictor
    predictor = predictor.ready()
    name = network_kind(predictor.network).__name__
    shape = [[min(clip.people, predictor.preprocessing.people), clip.frames] for clip in clips]
    about = {"network": name, "weights": predictor.fingerprint, "clips": shape, "threads": torch.get_num_threads()}
    about |= {"preprocessing": predictor.preprocessing.to_dict(), "precision": predictor.precision}
    tolerance = EXACT if predictor.precision == "32-true" else ROUGH
    ways = _ways(predictor)
    if not find_spec("openvino"):  # which few have: nothing is said of it
        ways = {name: way for name, way in ways.items() if "openvino" not in name}
    found = quickest(ways, partial(_scores, clips=clips), about, tolerance)
    say(f"engine: {found.measured}{', as measured before' if found.kept else ''}")
    return found.way


def _no_choice(predictor: Predictor) -> str:
    """Why torch has to answer; "" where there is a choice."""
    if next(predictor.network.parameters()).device.type != "cpu":
        return "on a GPU"
    if predictor.of_frames:
        return "that answers for every frame"
    if predictor.precision not in ENGINES:
        return f"in {predictor.precision}"
    return ""


def _named(predictor: Predictor, engine: str) -> Exported:
    name = engine if predictor.precision == "32-true" else f"{engine} bf16"
    ways: Mapping[str, Callable[[], Predictor | Exported]] = _ways(predictor)
    if name not in ways:
        raise ValueError(f"--engine {engine} computes in 32-true: leave --precision out")
    return ways[name]()


def _ways(predictor: Predictor) -> dict[str, Callable[[], Predictor | Exported]]:
    """Each way to answer, by name: the one that is asked without a choice first, in float32."""
    exact = replace(predictor, precision="32-true")
    ways: dict[str, Callable[[], Predictor | Exported]] = {"torch": lambda: exact}
    optimizable = can_optimize(predictor.network)
    if optimizable:
        ways["optimized"] = lambda: replace(exact, network=optimize(predictor.network, "fp32"))
    ways["onnxruntime"] = lambda: _exported(exact)
    ways["openvino"] = lambda: by_openvino(_exported(exact), torch.get_num_threads())
    if predictor.precision == "bf16-mixed":
        ways["torch bf16"] = lambda: predictor
        if optimizable:
            ways["optimized bf16"] = lambda: replace(exact, network=optimize(predictor.network, "bf16"))
        ways["openvino bf16"] = lambda: by_openvino(_exported(exact), torch.get_num_threads(), "bf16")
    return ways


def _scores(way: Predictor | Exported, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
    """Log probabilities, which are logits but for a constant of each clip."""
    return np.log(way.answer(clips) + SMALLEST)


def _exported(predictor: Predictor) -> Exported:
    """The network as onnxruntime computes it, exported once and kept. Raises ValueError where that is not possible."""
    path = _file_of(predictor)
    try:
        found = load_exported(path, threads=torch.get_num_threads())
    except (ValueError, OSError):
        _export(predictor, path)
        found = load_exported(path, threads=torch.get_num_threads())
    return replace(found, map_layout=predictor.map_layout)


def _export(predictor: Predictor, path: Path) -> None:
    about = {"training": dict(predictor.training), "least_probability": predictor.least}
    steps = predictor.preprocessing.to_dict()
    weights = Weights(predictor.network, predictor.layout, predictor.class_names, steps, about)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        export(weights, path)
    except OSError as error:
        raise ValueError(f"the exported network cannot be kept in {path.parent}: {error}") from None


def _file_of(predictor: Predictor) -> Path:
    """Its name changes with everything that the file depends on."""
    _, config = built_with(predictor.network)
    facts = [predictor.fingerprint, config, predictor.preprocessing.to_dict(), predictor.layout.to_dict()]
    facts += [predictor.class_names, predictor.least, dict(predictor.training), machine()["versions"]]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    if (folder := cache_folder()) is None:
        raise ValueError("the exported network cannot be kept, no home folder is known: set KINEGRAPH_CACHE")
    return folder / f"{digest[:32]}.onnx"
