"""Checkpoints of other projects: which project wrote one, and its tensors under our names.

Known is ST-GCN of yysijie/st-gcn, MMAction2 0.x and 1.x, and PYSKL. The graph comes from the file, never from a
layout: the projects' layouts differ, and the stored graph is what the weights were trained with.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import rebuild

# Published name -> ours, of a module or of a single tensor; {i} counts blocks.
STGCN2018 = {
    "A": "A",
    "data_bn": "data_norm",
    "edge_importance.{i}": "blocks.{i}.importance",
    "st_gcn_networks.{i}.gcn.conv": "blocks.{i}.spatial",
    "st_gcn_networks.{i}.tcn.0": "blocks.{i}.spatial_norm",
    "st_gcn_networks.{i}.tcn.2": "blocks.{i}.temporal",
    "st_gcn_networks.{i}.tcn.3": "blocks.{i}.temporal_norm",
    "st_gcn_networks.{i}.residual.0": "blocks.{i}.residual.mix",
    "st_gcn_networks.{i}.residual.1": "blocks.{i}.residual.norm",
    "fcn": "head",
}
MMACTION0 = {("cls_head.fc" if theirs == "fcn" else f"backbone.{theirs}"): ours for theirs, ours in STGCN2018.items()}
MMACTION1 = {
    "backbone.data_bn": "data_norm",
    "backbone.gcn.{i}.gcn.A": "blocks.{i}.A",
    "backbone.gcn.{i}.gcn.PA": "blocks.{i}.importance",
    "backbone.gcn.{i}.gcn.conv": "blocks.{i}.spatial",
    "backbone.gcn.{i}.gcn.bn": "blocks.{i}.spatial_norm",
    "backbone.gcn.{i}.tcn.conv": "blocks.{i}.temporal",
    "backbone.gcn.{i}.tcn.bn": "blocks.{i}.temporal_norm",
    "backbone.gcn.{i}.residual.conv": "blocks.{i}.residual.mix",
    "backbone.gcn.{i}.residual.bn": "blocks.{i}.residual.norm",
    "cls_head.fc": "head",
}
PYSKL = {theirs.replace("cls_head.fc", "cls_head.fc_cls"): ours for theirs, ours in MMACTION1.items()}
DIALECTS = {"stgcn2018": STGCN2018, "mmaction0": MMACTION0, "mmaction1": MMACTION1, "pyskl": PYSKL}


def load_published(source: str | Path | Mapping[str, Tensor]) -> STGCN:
    """The network of a published .pth file or state dict, in evaluation mode. A file is read without running its code.

    Raises ValueError when it is no checkpoint, or of a network that is not known.
    """
    origin = "the checkpoint" if isinstance(source, Mapping) else str(source)
    state = source if isinstance(source, Mapping) else _read(Path(source))
    try:
        state = to_ours(state)
        blocks = range(sum(name.endswith(".temporal.weight") for name in state))
        config = {
            "channels": state["data_norm.weight"].numel() // state["A"].shape[1],
            "classes": state["head.weight"].shape[0],
            "widths": [state[f"blocks.{i}.temporal.weight"].shape[0] for i in blocks],
            "kernel": state["blocks.0.temporal.weight"].shape[2],
            "edges": "importance" if "blocks.0.importance" in state else "fixed",
        }
    except KeyError as error:
        raise ValueError(f"{origin} lacks the tensor we call {error}") from None
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"{origin}: {error}") from None
    return rebuild(STGCN, config, state, origin)


def identify(state: Mapping[str, Tensor]) -> str:
    """Which project's ST-GCN the names belong to. Raises ValueError with what was found."""
    for dialect, table in DIALECTS.items():
        theirs = {ours: theirs for theirs, ours in table.items()}
        if {f"{theirs['head']}.weight", f"{theirs['blocks.{i}.temporal']}.weight".format(i=0)} <= state.keys():
            return dialect
    names = ", ".join(list(state)[:3])
    raise ValueError(f"its {len(state)} tensors ({names} ...) are of no ST-GCN of {', '.join(DIALECTS)}")


def to_ours(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published ST-GCN's tensors under our names and in our shapes."""
    dialect = identify(state)
    named = {_our_name(name, dialect): tensor for name, tensor in state.items()}
    graphs = [named.pop(name) for name in list(named) if name == "A" or name.endswith(".A")]
    if not graphs:
        raise ValueError("it holds no graph")
    if any(not torch.equal(graph, graphs[0]) for graph in graphs):
        raise ValueError("its blocks have different graphs")
    partitions = len(graphs[0])
    return {"A": graphs[0]} | dict(_reshaped(name, tensor, partitions) for name, tensor in named.items())


def _our_name(name: str, dialect: str) -> str:
    for theirs, ours in DIALECTS[dialect].items():
        pattern = re.escape(theirs).replace(r"\{i\}", r"(?P<i>\d+)")
        if found := re.fullmatch(rf"{pattern}(?P<leaf>\.[a-z_]+)?", name):
            return ours.format(**found.groupdict()) + (found["leaf"] or "")
    raise ValueError(f"tensor '{name}' does not belong to an ST-GCN of {dialect}")


def _reshaped(name: str, tensor: Tensor, partitions: int) -> tuple[str, Tensor]:
    """1x1 convolutions are matrices here; that of the graph has its partitions side by side, not one below another."""
    if name.endswith("spatial.weight"):
        split = tensor.flatten(1).unflatten(0, (partitions, -1))  # (K, D, C)
        return name.replace("spatial.weight", "spatial.mix.weight"), split.transpose(0, 1).flatten(1)  # (D, K C)
    if name.endswith("spatial.bias"):
        return name, tensor.view(partitions, -1)
    if name.endswith(("residual.mix.weight", "head.weight")):
        return name, tensor.flatten(1)
    return name, tensor


def _read(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path} is not a checkpoint that can be read safely: {reason}") from None
    state = found.get("state_dict", found) if isinstance(found, dict) else {}
    state = {str(name).removeprefix("module."): tensor for name, tensor in state.items()}
    if not state or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path} holds no state dict: expected tensors by name")
    return state
