"""Checkpoints of other projects: read into a network of ours, given what they lack, written back.

Known are yysijie/st-gcn and mmskeleton ("stgcn2018"), MMAction2 0.x ("mmaction0") and 1.x ("mmaction1"), and PYSKL
("pyskl"). The graph comes from the file, never from a layout: the projects' layouts differ, and the stored graph is
what the weights were trained with.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinegraph.models.agcn import AGCN
from kinegraph.models.checkpoint_file import read_state, write_state
from kinegraph.models.dialects import Table, identify, to_dialect, to_ours
from kinegraph.models.layers.blocks import published_strides
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import Weights, graph_of, is_published, load_weights, rebuild, save_weights
from kinegraph.skeleton.graph import STRATEGIES, adjacency
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout


def load_published(source: str | Path | Mapping[str, Tensor], *, strides: Sequence[int] | None = None) -> nn.Module:
    """The network of a published .pth file or state dict, in evaluation mode. A file is read without running its code.

    All is inferred from the tensors' names and shapes but the strides: if not given, 2 where the width doubles, or
    where there is a projection though it does not change.
    Raises ValueError when it is no checkpoint, or of a network that is not known; OSError when it cannot be read.
    """
    origin = "the checkpoint" if isinstance(source, Mapping) else str(source)
    state = source if isinstance(source, Mapping) else read_state(Path(source))
    state = {name: t.to(torch.float32 if t.is_floating_point() else t.dtype, copy=True) for name, t in state.items()}
    try:
        table, blocks = identify(state)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None
    try:
        ours = to_ours(state, table, blocks)
        config = _config(ours, table.network)
        if strides is not None:
            config["strides"] = list(strides)
        _check_shapes(state, table, ours, config)
    except KeyError:  # too little of it is known to say how large the rest has to be
        names = [name for _, parts, _ in table.entries(max(blocks, 1)) for name in parts]
        raise ValueError(f"{origin}: {_misfit(state, table, names)}") from None
    except (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{origin}: {str(error).splitlines()[0]}") from None
    return rebuild(table.network, config, ours, origin)


def save_published(path: str | Path, model: nn.Module, dialect: str) -> None:
    """Write a network as a checkpoint that another project loads, whole or not at all.

    dialect: "stgcn2018", "mmaction0", "mmaction1" or "pyskl". Raises ValueError when that project has no such network.
    """
    beside = None if dialect == "stgcn2018" else {"meta": {}}  # yysijie/st-gcn reads and writes the bare state dict
    write_state(Path(path), to_dialect(model, dialect), beside)


def published_weights(
    path: str | Path,
    *,
    layout: JointLayout | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: Mapping | None = None,
    strides: Sequence[int] | None = None,
) -> Weights:
    """A published checkpoint with what it does not hold.

    layout: if left out, the built-in one whose graph is in the file. class_names: if left out, "0", "1" ...
    preprocessing: how clips are prepared for it, as plain data; {} leaves that open.
    Raises ValueError when the layout is needed or does not fit.
    """
    model = load_published(path, strides=strides)
    joints, classes = model.A.shape[1], model.config["classes"]
    layout = layout or infer_layout(model)
    if layout is None:
        raise ValueError(
            f"{path} has a graph of {joints} joints that is of no built-in layout, or of several: "
            "name the layout, one of them or your own .yaml file"
        )
    class_names = tuple(map(str, range(classes)) if class_names is None else class_names)
    if len(layout) != joints:
        raise ValueError(f"{path} is of a network for {joints} joints, layout '{layout.name}' has {len(layout)}")
    if len(class_names) != classes:
        raise ValueError(f"{path} is of a network for {classes} classes, there are {len(class_names)} class names")
    return Weights(model, layout, class_names, dict(preprocessing or {}), {"source": Path(path).name})


def convert_checkpoint(
    source: str | Path,
    out: str | Path,
    *,
    to: str | None = None,
    layout: JointLayout | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: Mapping | None = None,
    strides: Sequence[int] | None = None,
) -> str:
    """Make a weights file of a published checkpoint, or with `to` a checkpoint of that dialect of either.

    Returns what was done, for people to read. Raises ValueError when source, out and options do not go together.
    """
    source, out = Path(source), Path(out)
    if is_published(out) != (to is not None):
        raise ValueError(
            f"{out} is named as a checkpoint of another project: name the dialect, e.g. mmaction1"
            if to is None
            else f"a checkpoint of dialect '{to}' is a .pth file, found {out}"
        )
    if to is not None:
        given = {"layout": layout, "class names": class_names, "preprocessing": preprocessing}
        if lost := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"a checkpoint of dialect '{to}' holds no {lost[0]}; leave it out")
        model = load_published(source, strides=strides) if is_published(source) else load_weights(source).model
        save_published(out, model, to)
        return f"{out}: {type(model).__name__} for {to}"
    if not is_published(source):
        raise ValueError(f"{source} is no .pth checkpoint of another project; nothing to convert")
    weights = published_weights(
        source, layout=layout, class_names=class_names, preprocessing=preprocessing, strides=strides
    )
    told = {"class_names": weights.class_names, "preprocessing": weights.preprocessing, "extra": weights.extra}
    save_weights(out, weights.model, layout=weights.layout, **told)
    joints, classes = len(weights.layout), len(weights.class_names)
    return f"{out}: {type(weights.model).__name__}, {joints} joints of '{weights.layout.name}', {classes} classes"


def infer_layout(model: nn.Module) -> JointLayout | None:
    """The only built-in layout with the network's graph; None if there is none such, or more than one.

    Learned graphs: the layout whose graph the mean over blocks is clearly nearest to, twice as near as to the next.
    """
    learned = [block.graph for block in model.blocks if getattr(block, "graph", None) is not None]
    graph = (torch.stack(learned).mean(0) if learned else model.A).detach().numpy()
    distances = {}
    for layout in map(load_layout, layout_names()):
        for strategy in STRATEGIES if len(layout) == graph.shape[1] else ():
            if (own := adjacency(layout, strategy)).shape == graph.shape:
                distance = float(np.linalg.norm(own - graph) / np.linalg.norm(own))
                distances[layout.name] = min(distance, distances.get(layout.name, np.inf))
    if not distances:
        return None
    name = min(distances, key=distances.get)
    others = [distance for other, distance in distances.items() if other != name]
    near = 0.5 * min(others, default=1.0) if learned else 1e-5
    return load_layout(name) if distances[name] <= near < min(others, default=1.0) else None


def _config(ours: Mapping[str, Tensor], network: type[nn.Module]) -> dict[str, Any]:
    """What a network is built with, from the shapes of its tensors. Raises KeyError when one is lacking."""
    blocks = range(sum(name.endswith(".temporal_norm.weight") for name in ours))
    widths = [ours[f"blocks.{i}.temporal_norm.weight"].numel() for i in blocks]
    strides = published_strides(widths)
    for i in blocks[1:]:
        if widths[i] == widths[i - 1] and f"blocks.{i}.residual.mix.weight" in ours:
            strides[i] = 2  # what else would the projection be for
    config = {
        "channels": ours["blocks.0.spatial.mix.weight"].shape[1] // len(graph_of(ours)),
        "classes": ours["head.weight"].shape[0],
        "widths": widths,
        "strides": strides,
    }
    if network in (STGCN, AGCN):
        config["kernel"] = ours["blocks.0.temporal.weight"].shape[2]
    if network is STGCN:
        config["edges"] = "importance" if "blocks.0.importance" in ours else "fixed"
        config["graph_residual"] = any(".graph_residual." in name for name in ours)
    return config


def _check_shapes(
    state: Mapping[str, Tensor], table: Table, ours: Mapping[str, Tensor], config: dict[str, Any]
) -> None:
    """The network of that config must have the very names and shapes of the state."""
    with torch.device("meta"):  # shapes alone
        expected = to_dialect(table.network(graph_of(ours), **config), table.dialect)
    if expected.keys() != state.keys():
        raise ValueError(_misfit(state, table, list(expected)))
    for name, tensor in expected.items():
        if state[name].shape != tensor.shape:
            raise ValueError(
                f"tensor '{name}' has shape {tuple(state[name].shape)}, expected {tuple(tensor.shape)} beside the "
                f"other tensors of {table.network.__name__} in dialect {table.dialect}"
            )


def _misfit(state: Mapping[str, Tensor], table: Table, expected: Sequence[str]) -> str:
    """What is wrong with the names, the nearest network being that of the table."""
    known = set(expected)
    fitting = sum(name in known for name in state)
    lacking = [f"lacks '{name}'" for name in expected if name not in state][:1]
    odd = [f"has an unknown '{name}'" for name in state if name not in known][:1]
    return (
        f"fits no network that is known; nearest is {table.network.__name__} in dialect {table.dialect}, with "
        f"{fitting} of the file's {len(state)} tensors, but it {' and '.join(lacking + odd)}"
    )
