"""Checkpoints of other projects: read into a network of ours, and written back.

Known are yysijie/st-gcn and mmskeleton ("stgcn2018"), MMAction2 0.x ("mmaction0") and 1.x ("mmaction1"), PYSKL
("pyskl"), ProtoGCN ("protogcn"), SkateFormer ("skateformer"), itskalvik/ST-GCN ("tensorflow"), lshiwjx/2s-AGCN
("2s-agcn"), Uason-Chen/CTR-GCN ("ctr-gcn") and kenziyuliu/MS-G3D ("ms-g3d"). The graph comes from the file, never from
a layout: the projects' layouts differ, and the stored graph is what the weights were trained with. Files of the last
three hold none: it is that of a layout.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kinegraph.allowed import NETWORKS
from kinegraph.messages import quoted
from kinegraph.models.checkpoint_file import read_state, write_state
from kinegraph.models.network import SkeletonNetwork, graph_of, network_class, rebuild
from kinegraph.models.tensor_forms import COUNT, Sizes, Table
from kinegraph.models.tensorflow_checkpoint import write_variables
from kinegraph.plugins import plugin_classes
from kinegraph.skeleton.graph import STRATEGIES, adjacency
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

TENSORFLOW = "tensorflow"  # the dialect whose checkpoints are folders
BARE = ("stgcn2018", "skateformer", "2s-agcn", "ctr-gcn", "ms-g3d")  # whose files are the state dict alone
SKELETONS = {25: "ntu25", 18: "openpose18", 20: "kinect20"}  # of projects whose files hold no graph, by joints


def load_published(
    source: str | Path | Mapping[str, Tensor],
    *,
    strides: Sequence[int] | None = None,
    layout: JointLayout | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> nn.Module:
    """The network of a published checkpoint or state dict, in evaluation mode. A file is read without running its code.

    All is inferred from the tensors' names and shapes but the strides: if not given, 2 where the width doubles, or
    where there is a projection though it does not change.
    layout: whose graph a network has where the file holds none; if left out, that of the project for so many joints.
    say: gets a line on a graph that is not the file's.
    Raises ValueError when it is no checkpoint, or of a network that is not known; OSError when it cannot be read.
    """
    origin = "the checkpoint" if isinstance(source, Mapping) else str(source)
    state = source if isinstance(source, Mapping) else read_state(Path(source))
    if wrong := [name for name, t in state.items() if t.is_floating_point() and not t.isfinite().all()]:
        raise ValueError(
            f"{origin} holds values that are not finite, first in {quoted(wrong[0])}; did its training diverge?"
        )
    state = {name: t.to(torch.float32 if t.is_floating_point() else t.dtype, copy=True) for name, t in state.items()}
    try:
        table, blocks = identify(state)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None
    try:
        ours = to_ours(state, table, blocks)
        if table.graph is not None:
            ours["A"] = _graph_of_layout(ours, table, layout, say)
        config = _network(table).config_of(ours) | dict(table.always)
        if strides is not None:
            config["strides"] = list(strides)
        _check_shapes(state, table, ours, config)
    except KeyError:  # too little of it is known to say how large the rest has to be
        names = [name for _, parts, _ in table.entries(max(blocks, 1)) for name in parts]
        raise ValueError(f"{origin}: {_misfit(state, table, names)}") from None
    except (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"{origin}: {str(error).splitlines()[0]}") from None
    return rebuild(_network(table), config, ours, origin)


def save_published(path: str | Path, model: nn.Module, dialect: str) -> None:
    """Write a network as a checkpoint that another project loads, completely or not at all.

    dialect: one of those above; "tensorflow" makes a folder. Raises ValueError when that project has no such network.
    """
    state = to_dialect(model, dialect)
    if dialect == TENSORFLOW:
        write_variables(Path(path), state)
    else:
        write_state(Path(path), state, None if dialect in BARE else {"meta": {}})


def infer_layout(model: nn.Module) -> JointLayout | None:
    """The only built-in layout with the network's graph; None if there is none such, or more than one.

    Learned graphs: the layout whose graph the mean over blocks is clearly nearest to, twice as near as to the next.
    """
    learned = [block.graph for block in model.blocks if getattr(block, "graph", None) is not None]
    graph = (torch.stack(learned).mean(0) if learned else model.A).detach().numpy()
    distances, kept = {}, type(model).kept_graph if isinstance(model, SkeletonNetwork) else lambda own: own
    for layout in map(load_layout, layout_names()):
        for strategy in STRATEGIES if len(layout) == graph.shape[1] else ():
            if (own := kept(torch.from_numpy(adjacency(layout, strategy))).numpy()).shape == graph.shape:
                distance = float(np.linalg.norm(own - graph) / np.linalg.norm(own))
                distances[layout.name] = min(distance, distances.get(layout.name, np.inf))
    if not distances:
        return None
    name = min(distances, key=distances.get)
    others = [distance for other, distance in distances.items() if other != name]
    near = 0.5 * min(others, default=1.0) if learned else 1e-5
    return load_layout(name) if distances[name] <= near < min(others, default=1.0) else None


def _graph_of_layout(
    ours: Mapping[str, Tensor], table: Table, layout: JointLayout | None, say: Callable[[str], None]
) -> Tensor:
    """The graph of a file that holds none. Raises ValueError where no layout is known to have its joints."""
    joints = next(
        tensor.shape[-1] for name, tensor in ours.items() if name.endswith((".spatial.offset", ".spatial.graph"))
    )
    if layout is None and joints not in SKELETONS:
        raise ValueError(
            f"files of dialect '{table.dialect}' hold no graph: name the layout of its {joints} joints, as in "
            "`kinegraph convert IN OUT.safetensors --layout NAME`"
        )
    layout = layout or load_layout(SKELETONS[joints])
    if len(layout) != joints:
        raise ValueError(f"it is of a network for {joints} joints, layout '{layout.name}' has {len(layout)}")
    assert table.graph is not None
    say(f"the checkpoint holds no graph: it is that of layout '{layout.name}', as dialect '{table.dialect}' makes it")
    return _network(table).kept_graph(torch.from_numpy(adjacency(layout, table.graph)).float())


def _network(table: Table) -> type[SkeletonNetwork]:
    assert issubclass(table.network, SkeletonNetwork)  # it has tables
    return table.network


def _check_shapes(
    state: Mapping[str, Tensor], table: Table, ours: Mapping[str, Tensor], config: dict[str, Any]
) -> None:
    """The network of that config must have the very names and shapes of the state."""
    with torch.device("meta"):  # shapes alone
        expected = to_dialect(_network(table)(graph_of(ours), **config), table.dialect)
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
    wrong = [f"has an unknown '{name}'" for name in state if name not in known][:1]
    return (
        f"fits no network that is known; nearest is {table.network.__name__} in dialect {table.dialect}, with "
        f"{fitting} of the file's {len(state)} tensors, but it {' and '.join(lacking + wrong)}"
    )


# ---- how other projects name the tensors of a network, and the same tensors under our names --------------------------


def _known_networks() -> list[type[nn.Module]]:
    """All classes that `network_class` gives: ours in their order, then those of the loaded plugins."""
    own = [class_ for class_ in plugin_classes().values() if issubclass(class_, nn.Module)]
    return [*map(network_class, NETWORKS), *own]


def known_tables() -> list[Table]:
    """The tables of all networks, ours and those of the loaded plugins; a subclass has only those of its own."""
    return [
        replace(table, network=network)
        for network in _known_networks()
        for table in vars(network).get("CHECKPOINTS", ())
    ]


def identify(state: Mapping[str, Tensor]) -> tuple[Table, int]:
    """The table that knows most of the names, and the number of blocks. Raises ValueError if none knows any."""
    known, tables = {}, known_tables()
    for place, table in enumerate(tables):
        blocks = _blocks(state, table)
        names = {name for _, parts, _ in table.entries(blocks) for name in parts}
        found = len(names & state.keys())
        known[found, found - len(names), -place] = (table, blocks)  # of two that know as many, the one that lacks fewer
    best = max(known)
    if not best[0]:
        raise ValueError(
            f"fits no network that is known; none of its {len(state)} tensors ('{next(iter(state), '')}' ...) is named "
            f"as in dialect {', '.join(dict.fromkeys(table.dialect for table in tables))}"
        )
    return known[best]


def to_ours(state: Mapping[str, Tensor], table: Table, blocks: int) -> dict[str, Tensor]:
    """Tensors under our names and in our shapes; what is not there in full is left out.

    Raises ValueError when the network has one graph and the blocks' differ, or it is none.
    """
    graphs = (
        leaf.join([state[name]], 0).shape
        for ours, names, leaf in table.entries(blocks)
        if ours in ("A", "blocks.0.graph")
        for name in names
        if name in state
    )
    shape = next(graphs, (0, 0, 0))
    if len(shape) != 3:
        raise ValueError(f"its graph has shape {tuple(shape)}, expected (partitions, joints, joints)")
    found = {
        ours: leaf.join([state[name] for name in names], shape[0])
        for ours, names, leaf in table.entries(blocks)
        if names and all(name in state for name in names)
    }
    if not table.counts:
        means = [name for name in found if name.endswith(".running_mean")]
        found |= {name.replace(".running_mean", COUNT): torch.tensor(0) for name in means}
    return found


def to_dialect(model: nn.Module, dialect: str) -> dict[str, Tensor]:
    """The state dict of a network as a project names and shapes it. Raises ValueError when it has no such network."""
    tables = {table.dialect: table for table in vars(type(model)).get("CHECKPOINTS", ())}
    if dialect not in tables:
        known = f", only in {', '.join(tables)}" if tables else ": it is of Kinegraph alone, which reads .safetensors"
        raise ValueError(f"no {type(model).__name__} in dialect '{dialect}'{known}")
    table = tables[dialect]
    _check_exportable(model, table)
    state, blocks = model.state_dict(), len(model.blocks)
    partitions = len(graph_of(state))
    theirs = {}
    for ours, names, leaf in table.entries(blocks):
        if ours in state:
            block = re.match(r"blocks\.\d+\.", ours)
            width = len(state.get(f"{block[0]}temporal_norm.weight", ())) if block else 0
            theirs |= zip(names, leaf.divide(state[ours], Sizes(partitions, width, len(names))), strict=True)
    return theirs


def _check_exportable(model: nn.Module, table: Table) -> None:
    """Options of ours that the other project does not have."""
    for argument, value, what in table.lacks:
        if value(model.config) if callable(value) else model.config.get(argument) == value:
            raise ValueError(f"no {type(model).__name__} in dialect '{table.dialect}' {what}")
    norm = {"norm_eps": 1e-5} if hasattr(model, "data_norm") else {}
    always = norm | dict(table.always)
    for argument, value in always.items():
        found = model.data_norm.eps if argument == "norm_eps" else model.config[argument]
        if found != value:
            raise ValueError(f"the network has {argument} {found}, dialect '{table.dialect}' always {value}")


def _blocks(state: Mapping[str, Tensor], table: Table) -> int:
    pattern = re.compile(re.escape(table.block).replace(r"\{i\}", r"(\d+)").replace(r"\{n\}", r"(\d+)"))
    return len({found[1] for name in state if (found := pattern.match(name))})
