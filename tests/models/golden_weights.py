"""The networks of tests/golden: state dicts of published implementations, made from the names of their tensors."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS = json.loads((GOLDEN / "networks.json").read_text(encoding="utf-8"))


def golden_state(network: str) -> dict[str, Tensor]:
    """The weights under their published names."""
    spec = NETWORKS[network]
    graph = _graph(network)
    return {
        name: torch.from_numpy(graph.copy() if name in spec["fixed_A"] else filled(name, shape, spec["seed"], graph))
        for name, shape in spec["state"].items()
    }


def golden_arrays(network: str) -> dict[str, np.ndarray]:
    """Input (N, M, T, V, C) and logits as the published implementation has them."""
    with np.load(GOLDEN / "networks.npz") as file:
        arrays = {name: file[f"{network}/{name}"] for name in ("input", "logits")}
    if NETWORKS[network]["input_axes"] == "N C T V M":
        arrays["input"] = arrays["input"].transpose(0, 4, 2, 3, 1)
    return arrays


def filled(name: str, shape: list[int], seed: int, graph: np.ndarray) -> np.ndarray:
    """A tensor made from its own name; learned graphs begin with the given one."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    t = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return 0.5 + np.abs(t)
    if t.ndim == 1:
        return 1 + 0.1 * t if name.endswith("weight") else 0.1 * t
    if name.endswith("PA") and "agcn_networks" in name:
        return 0.02 * t
    if "edge_importance" in name or name.endswith("PA"):
        return 1 + 0.2 * t
    if name.endswith(".A"):
        return graph + 0.05 * t
    return t * np.float32((1 / t[0].size) ** 0.5)


def _graph(network: str) -> np.ndarray:
    """What the network holds, or where its learned graphs begin."""
    with np.load(GOLDEN / "networks.npz") as file:
        if f"{network}/A" in file:
            return file[f"{network}/A"]
    with np.load(GOLDEN / "graphs.npz") as file:
        return file[f"{NETWORKS[network]['dialect']}/{NETWORKS[network]['layout']}/spatial"].astype(np.float32)
