"""Graphs of joints some bones apart, in one frame and in a window of frames, and convolutions on them (MS-G3D)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.folding import scale_and_shift
from kinegraph.models.layers.graph_product import gathering, graph_product, product_with

SCALES, WINDOW_SCALES = 13, 6  # as published for NTU RGB+D, in one frame and in a window


def bones_of(adjacency: Float[Tensor, "K V V"]) -> Float[Tensor, "1 V V"]:
    """1 where any partition joins two joints in either direction, 0 elsewhere and on the diagonal."""
    if adjacency.is_meta:
        return adjacency[:1]  # shapes alone, for which torch would import its compiler
    joined = (adjacency != 0).any(0)
    joined = joined | joined.T
    return (joined & ~torch.eye(len(joined), dtype=torch.bool, device=joined.device)).to(adjacency.dtype)[None]


def scales_of(bones: Float[Tensor, "V V"], scales: int, symmetric: bool = False) -> Float[Tensor, "K V V"]:
    """For each distance k the joints that are k bones away, and the joint itself; columns sum to 1.

    So near and far neighbours have graphs of their own; the powers of a graph would count the near ones again.
    symmetric: in place of a column's sum by the square root of both joints' sums.
    """
    itself = torch.eye(len(bones), dtype=bones.dtype, device=bones.device)
    near = ((bones + itself) > 0).to(bones.dtype)
    reached, graphs = itself, [itself]
    for _ in range(1, scales):
        further = ((reached @ near) > 0).to(bones.dtype)
        graphs.append(further - reached + itself)
        reached = further
    graph = torch.stack(graphs)
    degree = graph.sum(1, keepdim=True)
    return graph / (degree * degree.mT).sqrt() if symmetric else graph / degree


def windows_of(
    bones: Float[Tensor, "V V"], window: int, symmetric: bool = False, scales: int = WINDOW_SCALES
) -> Float[Tensor, "K wV wV"]:
    """The scales of a graph in which a joint meets itself and its neighbours in every frame of a window."""
    near = bones + torch.eye(len(bones), dtype=bones.dtype, device=bones.device)
    return scales_of(near.repeat(window, window), scales, symmetric)


class ScaledGraphConvolution(nn.Module):
    """y = ReLU(BN(b + sum_k W_k sum_v (A_k + O_k)[v, w] x[v])), O_k being learned for each scale."""

    def __init__(self, scales: int, nodes: int, width_in: int, width: int):
        super().__init__()
        self.offset = nn.Parameter(torch.empty(scales, nodes, nodes))
        self.mix = nn.Linear(scales * width_in, width)  # [W_1 | .. | W_K]
        self.norm = BatchNorm(width)

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"], copies: int = 1
    ) -> Float[Tensor, "B T V D"]:
        constant = self.mix.bias.expand(x.shape[2], -1)
        y = graph_product(x.contiguous(), graph + self.offset, self.mix.weight, constant)
        return F.relu_(self.norm(y, copies))


class FixedGraphConvolution(nn.Module):
    """The same on a graph that does not change any more, its BatchNorm inside the weights."""

    gather: Tensor
    weight: Tensor
    constant: Tensor

    def __init__(self, layer: ScaledGraphConvolution, graph: Float[Tensor, "K V V"]):
        super().__init__()
        scale, shift = scale_and_shift(layer.norm)
        self.register_buffer("gather", gathering(graph + layer.offset).float().contiguous())
        self.register_buffer("weight", (layer.mix.weight * scale[:, None]).float())
        self.register_buffer("constant", (layer.mix.bias * scale + shift).float().repeat(graph.shape[1], 1))

    def forward(self, x: Float[Tensor, "B T V C"], graph: Tensor, copies: int = 1) -> Float[Tensor, "B T V D"]:
        return F.relu_(product_with(x.contiguous(), self.gather, self.weight, self.constant))
