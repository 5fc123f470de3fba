"""The same weights in other projects' tensors and in ours: what is one of ours may be several, or shaped otherwise.

A `Table` has the names that one project gives the tensors of one network; every network's module has its own tables.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kinegraph.models.layers.blocks import published_strides
from kinegraph.models.network import graph_of


@dataclass(frozen=True)
class Sizes:
    """What dividing one of our tensors into theirs depends on: partitions, the block's width, how many of theirs."""

    partitions: int
    width: int
    parts: int


@dataclass(frozen=True)
class Leaf:
    """One tensor of a module: our name and theirs, theirs -> ours for so many partitions, ours -> theirs."""

    ours: str
    theirs: str
    join: Callable[[list[Tensor], int], Tensor]
    divide: Callable[[Tensor, Sizes], list[Tensor]]


def first(parts: list[Tensor], partitions: int) -> Tensor:
    return parts[0]


def copies(whole: Tensor, sizes: Sizes) -> list[Tensor]:
    return [whole] * sizes.parts


def all_alike(parts: list[Tensor], partitions: int) -> Tensor:
    if any(not torch.equal(part, parts[0]) for part in parts):
        raise ValueError("its blocks have different graphs")
    return parts[0]


def as_convolutions(matrices: list[Tensor]) -> list[Tensor]:
    """Matrices as convolutions with a kernel of 1x1."""
    return [matrix[..., None, None] for matrix in matrices]


def stacked(parts: list[Tensor], partitions: int) -> Tensor:
    """Vectors, or 1x1 convolutions as matrices, one below another."""
    return torch.cat([part.flatten(1) if part.ndim > 1 else part for part in parts])


def equal_rows(whole: Tensor, sizes: Sizes) -> list[Tensor]:
    return list(whole.chunk(sizes.parts))


def below_to_beside(parts: list[Tensor], partitions: int) -> Tensor:
    """The matrices of all partitions: (K D, C, 1, 1), one below another -> (D, K C), side by side."""
    return parts[0].flatten(1).unflatten(0, (partitions, -1)).transpose(0, 1).flatten(1)


def beside_to_below(whole: Tensor, sizes: Sizes) -> list[Tensor]:
    return as_convolutions([whole.unflatten(1, (sizes.partitions, -1)).transpose(0, 1).flatten(0, 1)])


def same(name: str) -> Leaf:
    return Leaf(name, name, first, lambda whole, _: [whole])


def rows(name: str, divide: Callable[[Tensor, Sizes], list[Tensor]], convolution: bool = False) -> Leaf:
    """Theirs one below another are ours."""
    if convolution:
        return Leaf(name, name, stacked, lambda whole, sizes: as_convolutions(divide(whole, sizes)))
    return Leaf(name, name, stacked, divide)


def from_keras(parts: list[Tensor], partitions: int) -> Tensor:
    """A kernel of Keras, (height, width, C, D), as torch has it: (D, C, height, width)."""
    return parts[0].permute(3, 2, 0, 1)


def to_keras(whole: Tensor, sizes: Sizes) -> list[Tensor]:
    return [whole.permute(2, 3, 1, 0)]


VECTORS = (".weight", ".bias", ".running_mean", ".running_var")
COUNT = ".num_batches_tracked"
FORMS = {
    "tensor": [same("")],
    "copies": [Leaf("", "", all_alike, copies)],
    "layer": [same(".weight"), same(".bias")],
    "matrix": [rows(".weight", copies, convolution=True), same(".bias")],  # a 1x1 convolution there
    "norm": [*map(same, VECTORS), same(COUNT)],
    "spatial": [  # one convolution to the channels of all partitions
        Leaf(".mix.weight", ".weight", below_to_beside, beside_to_below),
        Leaf(".bias", ".bias", lambda parts, k: parts[0].unflatten(0, (k, -1)), lambda whole, _: [whole.flatten()]),
    ],
    "keras_layer": [Leaf(".weight", "/kernel", from_keras, to_keras), Leaf(".bias", "/bias", first, copies)],
    "keras_matrix": [
        Leaf(
            ".weight",
            "/kernel",
            lambda parts, k: from_keras(parts, k).flatten(1),
            lambda whole, sizes: to_keras(whole[..., None, None], sizes),
        ),
        Leaf(".bias", "/bias", first, copies),
    ],
    "keras_norm": [
        Leaf(ours, theirs, first, copies)
        for ours, theirs in zip(VECTORS, ("/gamma", "/beta", "/moving_mean", "/moving_variance"), strict=True)
    ],
    "keras_spatial": [  # one convolution to the channels of all partitions
        Leaf(
            ".mix.weight",
            "/kernel",
            lambda parts, k: below_to_beside([from_keras(parts, k)], k),
            lambda whole, sizes: to_keras(beside_to_below(whole, sizes)[0], sizes),
        ),
        Leaf(".bias", "/bias", lambda parts, k: parts[0].unflatten(0, (k, -1)), lambda whole, _: [whole.flatten()]),
    ],
}
GCN_BLOCK = [  # what MMAction2 1.x and PYSKL build both ST-GCN and ST-GCN++ of
    ("spatial", "gcn.conv", "spatial"),
    ("spatial_norm", "gcn.bn", "norm"),
    ("graph_residual.mix", "gcn.down.0", "matrix"),
    ("graph_residual.norm", "gcn.down.1", "norm"),
    ("temporal_norm", "tcn.bn", "norm"),
    ("residual.mix", "residual.conv", "matrix"),
    ("residual.norm", "residual.bn", "norm"),
]


Row = tuple[str, str | Sequence[str], str | Sequence[Leaf]]  # our name, theirs, the form


@dataclass(frozen=True)
class Table:
    """The names that one project has for one network; {i} counts blocks from 0, {n} from 1.

    rows: our module or tensor, theirs (several may make one of ours), and the form, of FORMS or a list of leaves.
    block, inside: what names in a block begin with, and rows without that (ours begin with "blocks.{i}.").
    lacks: options of ours that the project does not have: argument, value, and what a network with it does. In place
        of the value there may be a function of all options.
    always: options that every network of the project has, though its checkpoints do not say so: argument, value.
    counts: whether its norms count batches, as torch's do.
    graph: where its files hold none, the strategy of the graph that its networks are built with.
    network: the class; `known_tables` fills it in.
    """

    dialect: str
    rows: Sequence[Row]
    block: str
    inside: Sequence[Row]
    lacks: Sequence[tuple[str, Any, str]] = ()
    always: Sequence[tuple[str, Any]] = ()
    counts: bool = True
    graph: str | None = None
    network: type[nn.Module] = nn.Module

    def entries(self, blocks: int) -> Iterator[tuple[str, list[str], Leaf]]:
        """Name and parts of every tensor that a network of so many blocks may have. Not all of them need be there."""
        inside = [
            (f"blocks.{{i}}.{ours}", [self.block + name for name in _listed(theirs)], form)
            for ours, theirs, form in self.inside
        ]
        for ours, theirs, form in [*self.rows, *inside]:
            for leaf in FORMS[form] if isinstance(form, str) else form:
                names = [name + leaf.theirs for name in _listed(theirs)]
                if "{i}" in ours:
                    for i in range(blocks):
                        yield (ours + leaf.ours).format(i=i), [name.format(i=i, n=i + 1) for name in names], leaf
                else:  # one of ours for all blocks
                    names = [n.format(i=i) for n in names for i in range(blocks if "{i}" in n else 1)]
                    yield ours + leaf.ours, names, leaf


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def config_of_blocks(tensors: Mapping[str, Tensor], channels: int | None = None) -> dict[str, Any]:
    """What every network of blocks is built with, from the shapes of its tensors. Raises KeyError when one is lacking.

    channels: of the input, by default those that the first block mixes. The strides are a guess: 2 where the width
    doubles, or where there is a projection though it does not change.
    """
    blocks = range(sum(name.endswith(".temporal_norm.weight") for name in tensors))
    widths = [tensors[f"blocks.{i}.temporal_norm.weight"].numel() for i in blocks]
    strides = published_strides(widths)
    for i in blocks[1:]:
        if widths[i] == widths[i - 1] and f"blocks.{i}.residual.mix.weight" in tensors:
            strides[i] = 2  # what else would the projection be for
    if channels is None:
        channels = tensors["blocks.0.spatial.mix.weight"].shape[1] // len(graph_of(tensors))
    return {"channels": channels, "classes": tensors["head.weight"].shape[0], "widths": widths, "strides": strides}


def people_of(tensors: Mapping[str, Tensor], channels: int) -> int:
    """The people of a norm over all of a clip. Raises ValueError when there is none."""
    return tensors["data_norm.weight"].numel() // (graph_of(tensors).shape[1] * channels)
