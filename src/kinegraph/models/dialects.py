"""How other projects name the tensors of a network, and the same tensors under our names, both ways."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from kinegraph.models.agcn import AGCN
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.tensor_forms import FORMS, Leaf, Sizes
from kinegraph.models.weights import graph_of

# Our module or tensor, theirs, and the form that one takes as the other (tensor_forms.py). Below, names of one block.
STGCN2018_BLOCK = [
    ("spatial", "gcn.conv", "spatial"),
    ("spatial_norm", "tcn.0", "norm"),
    ("temporal", "tcn.2", "layer"),
    ("temporal_norm", "tcn.3", "norm"),
    ("residual.mix", "residual.0", "matrix"),
    ("residual.norm", "residual.1", "norm"),
]
AGCN_BLOCK = [
    ("spatial.offset", "gcn.PA", "tensor"),
    ("spatial.theta", ["gcn.conv_a.0", "gcn.conv_a.1", "gcn.conv_a.2"], "embeddings"),
    ("spatial.phi", ["gcn.conv_b.0", "gcn.conv_b.1", "gcn.conv_b.2"], "embeddings"),
    ("spatial", ["gcn.conv_d.0", "gcn.conv_d.1", "gcn.conv_d.2"], "adaptive"),
    ("spatial_norm", "gcn.bn", "norm"),
    ("graph_residual.mix", "gcn.down.0", "matrix"),
    ("graph_residual.norm", "gcn.down.1", "norm"),
    ("temporal", "tcn.0", "layer"),
    ("temporal_norm", "tcn.1", "norm"),
    ("residual.mix", "residual.0", "matrix"),
    ("residual.norm", "residual.1", "norm"),
]
GCN_BLOCK = [  # what MMAction2 1.x and PYSKL build both ST-GCN and ST-GCN++ of
    ("spatial", "gcn.conv", "spatial"),
    ("spatial_norm", "gcn.bn", "norm"),
    ("graph_residual.mix", "gcn.down.0", "matrix"),
    ("graph_residual.norm", "gcn.down.1", "norm"),
    ("temporal_norm", "tcn.bn", "norm"),
    ("residual.mix", "residual.conv", "matrix"),
    ("residual.norm", "residual.bn", "norm"),
]
STGCN_BLOCK = [*GCN_BLOCK, ("importance", "gcn.PA", "tensor"), ("temporal", "tcn.conv", "layer")]
STGCNPP_BLOCK = [
    *GCN_BLOCK,
    ("graph", "gcn.A", "tensor"),
    ("temporal.divide", [*(f"tcn.branches.{k}.0" for k in range(5)), "tcn.branches.5"], "branches"),
    ("temporal.divide_norm", [f"tcn.branches.{k}.1" for k in range(5)], "branch norms"),
    *((f"temporal.dilated.{k}", f"tcn.branches.{k}.3.conv", "layer") for k in range(4)),
    ("temporal.join_norm", "tcn.transform.0", "norm"),
    ("temporal.join", "tcn.transform.2", "matrix"),
]


@dataclass(frozen=True)
class Table:
    """The names that one project has for one network; {i} counts blocks.

    rows: our module or tensor, theirs (several may make one of ours), and the form.
    block, inside: what names in a block begin with, and rows without that (ours begin with "blocks.{i}.").
    """

    dialect: str
    network: type[nn.Module]
    rows: list[tuple]
    block: str
    inside: list[tuple]

    def entries(self, blocks: int) -> Iterator[tuple[str, list[str], Leaf]]:
        """Name and parts of every tensor that a network of so many blocks may have. Not all of them need be there."""
        inside = [
            (f"blocks.{{i}}.{ours}", [self.block + name for name in _listed(theirs)], form)
            for ours, theirs, form in self.inside
        ]
        for ours, theirs, form in [*self.rows, *inside]:
            for leaf in FORMS[form]:
                names = [name + leaf.theirs for name in _listed(theirs)]
                if "{i}" in ours:
                    for i in range(blocks):
                        yield (ours + leaf.ours).format(i=i), [name.format(i=i) for name in names], leaf
                else:  # one of ours for all blocks
                    names = [n.format(i=i) for n in names for i in range(blocks if "{i}" in n else 1)]
                    yield ours + leaf.ours, names, leaf


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


TABLES = [
    Table(
        "stgcn2018",
        STGCN,
        [
            ("A", "A", "tensor"),
            ("data_norm", "data_bn", "norm"),
            ("blocks.{i}.importance", "edge_importance.{i}", "tensor"),
            ("head", "fcn", "matrix"),
        ],
        "st_gcn_networks.{i}.",
        STGCN2018_BLOCK,
    ),
    Table(
        "mmaction0",
        STGCN,
        [
            ("A", "backbone.A", "tensor"),
            ("data_norm", "backbone.data_bn", "norm"),
            ("blocks.{i}.importance", "backbone.edge_importance.{i}", "tensor"),
            ("head", "cls_head.fc", "matrix"),
        ],
        "backbone.st_gcn_networks.{i}.",
        STGCN2018_BLOCK,
    ),
    Table(
        "mmaction0",
        AGCN,
        [
            ("A", "backbone.A", "tensor"),
            ("data_norm", "backbone.data_bn", "norm"),
            ("head", "cls_head.fc", "matrix"),
        ],
        "backbone.agcn_networks.{i}.",
        AGCN_BLOCK,
    ),
]
for _dialect, _head in (("mmaction1", "cls_head.fc"), ("pyskl", "cls_head.fc_cls")):
    _rows = [("data_norm", "backbone.data_bn", "norm"), ("head", _head, "layer")]
    _graph = ("A", "backbone.gcn.{i}.gcn.A", "copies")
    TABLES += [
        Table(_dialect, STGCN, [_graph, *_rows], "backbone.gcn.{i}.", STGCN_BLOCK),
        Table(_dialect, STGCNPP, _rows, "backbone.gcn.{i}.", STGCNPP_BLOCK),
    ]
DIALECTS = tuple(dict.fromkeys(table.dialect for table in TABLES))


def identify(state: Mapping[str, Tensor]) -> tuple[Table, int]:
    """The table that knows most of the names, and the number of blocks. Raises ValueError if none knows any."""
    known = {}
    for place, table in enumerate(TABLES):
        blocks = _blocks(state, table)
        names = {name for _, parts, _ in table.entries(blocks) for name in parts}
        known[len(names & state.keys()), -place] = (table, blocks)
    best = max(known)
    if not best[0]:
        raise ValueError(
            f"fits no network that is known; none of its {len(state)} tensors ('{next(iter(state), '')}' ...) is named "
            f"as in dialect {', '.join(DIALECTS)}"
        )
    return known[best]


def to_ours(state: Mapping[str, Tensor], table: Table, blocks: int) -> dict[str, Tensor]:
    """Tensors under our names and in our shapes; what is not there in full is left out.

    Raises ValueError when the network has one graph and the blocks' differ, or it is none.
    """
    places = [name for ours, names, _ in table.entries(blocks) if ours in ("A", "blocks.0.graph") for name in names]
    shape = next((state[name].shape for name in places if name in state), (0, 0, 0))
    if len(shape) != 3:
        raise ValueError(f"its graph has shape {tuple(shape)}, expected (partitions, joints, joints)")
    return {
        ours: leaf.join([state[name] for name in names], shape[0])
        for ours, names, leaf in table.entries(blocks)
        if names and all(name in state for name in names)
    }


def to_dialect(model: nn.Module, dialect: str) -> dict[str, Tensor]:
    """The state dict of a network as a project names and shapes it. Raises ValueError when it has no such network."""
    tables = [table for table in TABLES if table.dialect == dialect and table.network is type(model)]
    if not tables:
        there = [table.dialect for table in TABLES if table.network is type(model)]
        raise ValueError(f"no {type(model).__name__} in dialect '{dialect}', only in {', '.join(there) or 'none'}")
    _check_exportable(model, dialect)
    state, blocks = model.state_dict(), len(model.blocks)
    partitions = len(graph_of(state))
    theirs = {}
    for ours, names, leaf in tables[0].entries(blocks):
        if ours in state:
            block = re.match(r"blocks\.\d+\.", ours)
            width = len(state[f"{block[0]}temporal_norm.weight"]) if block else 0
            theirs |= zip(names, leaf.divide(state[ours], Sizes(partitions, width, len(names))), strict=True)
    return theirs


def _check_exportable(model: nn.Module, dialect: str) -> None:
    """Options of ours that no other project has."""
    if model.config.get("edges") == "learned":
        raise ValueError(f"no STGCN in dialect '{dialect}' learns its edges as edges='learned' does")
    if model.config.get("graph_residual") and dialect not in ("mmaction1", "pyskl"):
        raise ValueError(f"no STGCN in dialect '{dialect}' has a residual path around its graph convolution")
    if model.data_norm.eps != 1e-5:
        raise ValueError(f"the network has norm_eps {model.data_norm.eps}, dialect '{dialect}' always 1e-5")


def _blocks(state: Mapping[str, Tensor], table: Table) -> int:
    pattern = re.compile(re.escape(table.block).replace(r"\{i\}", r"(\d+)"))
    return len({found[1] for name in state if (found := pattern.match(name))})
