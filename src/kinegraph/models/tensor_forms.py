"""The same weights in other projects' tensors and in ours: what is one of ours may be several, or shaped otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kinegraph.models.stgcnpp import branch_widths


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


def branch_rows(whole: Tensor, sizes: Sizes) -> list[Tensor]:
    """What belongs to each branch over time of an ST-GCN++ block."""
    return list(whole.split(branch_widths(sizes.width)[: sizes.parts]))


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
    "adaptive": [  # a convolution for each partition, whose results are summed
        Leaf(
            ".mix.weight",
            ".weight",
            lambda parts, _: torch.cat([part.flatten(1) for part in parts], 1),
            lambda whole, sizes: as_convolutions(list(whole.chunk(sizes.parts, 1))),
        ),
        Leaf(".bias", ".bias", lambda parts, _: torch.stack(parts), lambda whole, _: list(whole)),
    ],
    "embeddings": [rows(".weight", equal_rows, convolution=True), rows(".bias", equal_rows)],  # one for each partition
    "branches": [rows(".weight", branch_rows, convolution=True), rows(".bias", branch_rows)],
    "branch norms": [*(rows(name, branch_rows) for name in VECTORS), Leaf(COUNT, COUNT, first, copies)],
}
