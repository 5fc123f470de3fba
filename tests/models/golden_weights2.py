"""The newer networks of tests/golden: state dicts of published implementations, made from the names of their tensors.

Rules and arrays as tests/golden/README.md says of networks2.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kinegraph.models.network import SkeletonNetwork
from tests.models.golden_weights import GOLDEN


def read_specs(path: Path) -> dict[str, dict[str, Any]]:
    """What a file says of each network; a tensor is [shape] or [shape, name of the array that it is]."""
    specs = json.loads(path.read_text(encoding="utf-8"))
    for spec in specs.values():  # the complete set of figures says it by names
        for name, tensor in spec["state"].items():
            if isinstance(tensor, dict):
                spec["state"][name] = [tensor["shape"], *filter(None, [tensor["fixed"]])]
    return specs


IN_FILE = {path: read_specs(path) for path in sorted(GOLDEN.glob("networks2*.json"))}
NETWORKS = IN_FILE[GOLDEN / "networks2.json"]
EVERY = {name: spec for networks in IN_FILE.values() for name, spec in networks.items()}


def golden_state(network: str) -> dict[str, Tensor]:
    """The weights under their published names."""
    return state_of(EVERY[network], golden_arrays(network))


def state_of(spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    attention = any(".conv_sa." in name for name in spec["state"])
    adaptive = any(".conv_d." in name for name in spec["state"])
    return {
        name: torch.from_numpy(
            arrays[fixed[0]].copy()
            if fixed
            else filled(name, shape, spec["seed"], arrays.get("A"), adaptive, attention)
        )
        for name, (shape, *fixed) in spec["state"].items()
    }


def golden_arrays(network: str) -> dict[str, np.ndarray]:
    """Input, logits, the first block's output and fixed arrays, as the published implementation has them."""
    return arrays_in(next(path for path, networks in IN_FILE.items() if network in networks), network)


def check_figures(network: str, model: SkeletonNetwork, x: Tensor) -> None:
    """The size of a network and its logits, features and first block of x are as published."""
    spec, arrays, seen = EVERY[network], golden_arrays(network), []
    model.blocks[0].register_forward_hook(lambda _, given, made: seen.append(made))
    with torch.no_grad():
        found = {"logits": model(x), "features": model.features(x).mean((1, 2, 3))}
    found["block0"] = seen[0][0, spec["block0_frames"]].permute(2, 0, 1)
    assert sum(it.numel() for it in model.parameters()) == spec["parameters"]
    for key, values in found.items():
        assert np.abs(values.numpy() - arrays[key]).max() < 1e-5 * arrays[key].std(), key


def arrays_in(path: Path, network: str) -> dict[str, np.ndarray]:
    with np.load(path.with_suffix(".npz")) as file:
        start = f"{network}/"
        return {name.removeprefix(start): file[name] for name in file.files if name.startswith(start)}


def filled(
    name: str, shape: list[int], seed: int, graph: np.ndarray | None, adaptive: bool, attention: bool
) -> np.ndarray:
    """A tensor made from its own name."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    t = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF).standard_normal(shape).astype(np.float32)
    last = name.rpartition(".")[2]
    if name.endswith("running_var"):
        return 0.5 + np.abs(t)
    if last in ("alpha", "beta", "add_coeff"):
        return 0.2 + 0.1 * t
    if name.endswith(".gcn1.bn.weight"):
        return 0.3 + 0.1 * t
    if adaptive and name.endswith((".gcn.bn.weight", ".tcn.bn.weight", ".tcn1.bn.weight")):
        return (0.3 if attention else 0.5) + 0.1 * t
    if t.ndim == 1:
        return 1 + 0.1 * t if last == "weight" else 0.1 * t
    if last == "PA":
        return 0.02 * t
    if last == "A":
        return 0.04 + 0.02 * t if graph is None else graph + 0.05 * t
    if name.startswith("backbone.prn."):
        return t
    if last == "gconv":
        return t / np.float32(t.shape[-1] ** 0.5)
    if last == "relative_position_bias_table":
        return 0.5 * t
    return t * np.float32((1 / t[0].size) ** 0.5)
