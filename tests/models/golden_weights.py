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
    graph = golden_arrays(network)["A"]
    return {
        name: torch.from_numpy(graph.copy() if name in spec["fixed_A"] else _filled(name, shape, spec))
        for name, shape in spec["state"].items()
    }


def golden_arrays(network: str) -> dict[str, np.ndarray]:
    """Input (N, M, T, V, C), logits and graph as the published implementation has them."""
    with np.load(GOLDEN / "networks.npz") as file:
        arrays = {name: file[f"{network}/{name}"] for name in ("input", "logits", "A")}
    if NETWORKS[network]["input_axes"] == "N C T V M":
        arrays["input"] = arrays["input"].transpose(0, 4, 2, 3, 1)
    return arrays


def _filled(name: str, shape: list[int], spec: dict) -> np.ndarray:
    if name in spec["integer"]:
        return np.zeros(shape, np.int64)
    seed = (zlib.crc32(name.encode()) ^ spec["seed"]) & 0xFFFFFFFF
    t = np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return 0.5 + np.abs(t)
    if t.ndim == 1:
        return 1 + 0.1 * t if name.endswith("weight") else 0.1 * t
    if "edge_importance" in name or name.endswith("PA"):
        return 1 + 0.2 * t
    return t * np.float32((1 / t[0].size) ** 0.5)
