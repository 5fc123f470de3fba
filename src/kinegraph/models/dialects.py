"""How other projects name the tensors of a network, and the same tensors under our names, both ways."""

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from kinegraph.models.network import known_networks
from kinegraph.models.tensor_forms import COUNT, Sizes, Table, graph_of


def known_tables() -> list[Table]:
    """The tables of all networks, ours and those of the loaded plugins; a subclass has only those of its own."""
    return [
        replace(table, network=network)
        for network in known_networks()
        for table in vars(network).get("CHECKPOINTS", ())
    ]


def identify(state: Mapping[str, Tensor]) -> tuple[Table, int]:
    """The table that knows most of the names, and the number of blocks. Raises ValueError if none knows any."""
    known, tables = {}, known_tables()
    for place, table in enumerate(tables):
        blocks = _blocks(state, table)
        names = {name for _, parts, _ in table.entries(blocks) for name in parts}
        known[len(names & state.keys()), -place] = (table, blocks)
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
    pattern = re.compile(re.escape(table.block).replace(r"\{i\}", r"(\d+)"))
    return len({found[1] for name in state if (found := pattern.match(name))})
