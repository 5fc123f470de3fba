"""ST-GCN, the spatial-temporal graph convolutional network of Yan et al. 2018 (arXiv:1801.07455).

The network as yysijie/st-gcn and MMAction2 define it: the same function of the same numbers, which the tests hold to
their published outputs. Written for bodies in (body, time, joint, channel) order from the first layer to the last:
mixing channels is then one matrix product without a copy, and the temporal convolution runs in its fastest layout.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

Edges = Literal["importance", "fixed", "learned"]
Init = Literal["kaiming", "stgcn2018", "tensorflow"]


class GraphConvolution(nn.Module):
    """z[w] = sum_k W_k (sum_v G_k[v, w] x[v]) + b_k sum_v G_k[v, w], with G the graph's weighted edges.

    The published code mixes channels before it sums over neighbours. The sum comes first here: the result is the same
    and the K times wider array of mixed channels is never built. What the bias gains on its way through the graph is
    a constant per joint, the last term.
    """

    def __init__(self, partitions: int, wide_in: int, wide_out: int):
        super().__init__()
        self.mix = nn.Linear(partitions * wide_in, wide_out, bias=False)  # [W_1 | ... | W_K]
        self.bias = nn.Parameter(torch.zeros(partitions, wide_out))

    def forward(self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"]) -> Float[Tensor, "B T V D"]:
        (bodies, frames, joints, wide), partitions = x.shape, len(graph)
        gather = graph.permute(2, 0, 1).reshape(joints * partitions, joints)  # (w k, v): k fast, beside the channels
        x = gather.expand(bodies * frames, -1, -1) @ x.reshape(bodies * frames, joints, wide)  # (B T, w k, C)
        x = self.mix(x.view(bodies, frames, joints, partitions * wide))
        return x + graph.sum(1).T @ self.bias


class Block(nn.Module):
    """y = ReLU(TCN(ReLU(BN(GCN(x)))) + R(x)), TCN = convolution over time, BN, dropout.

    R is zero in the first block, x itself where the shapes agree, otherwise 1x1 convolution and BN.
    """

    def __init__(
        self,
        graph: Float[Tensor, "K V V"],
        wide_in: int,
        wide_out: int,
        stride: int,
        *,
        kernel: int,
        dropout: float,
        first: bool,
        edges: Edges,
        graph_residual: bool,
    ):
        super().__init__()
        if edges != "fixed":
            self.edges = nn.Parameter(torch.ones_like(graph) if edges == "importance" else graph.clone())
        self.importance = edges == "importance"
        self.spatial = GraphConvolution(len(graph), wide_in, wide_out)
        self.spatial_norm = nn.BatchNorm2d(wide_out)
        self.temporal = nn.Conv2d(wide_out, wide_out, (kernel, 1), (stride, 1), (kernel // 2, 0))
        self.temporal_norm = nn.BatchNorm2d(wide_out)
        self.dropout = nn.Dropout(0.0 if first else dropout)
        self.residual = None if first else _shortcut(wide_in, wide_out, stride)

    def forward(self, x: Float[Tensor, "B C T V"], graph: Float[Tensor, "K V V"]) -> Float[Tensor, "B D S V"]:
        y = self.spatial(x.permute(0, 2, 3, 1), graph * self.edges).permute(0, 3, 1, 2)
        y = F.relu(self.spatial_norm(y), inplace=True)
        y = self.dropout(self.temporal_norm(self.temporal(y)))
        if self.residual is not None:
            y = y + self.residual(x)
        return F.relu(y, inplace=True)


def _shortcut(wide_in: int, wide_out: int, stride: int) -> nn.Module:
    if wide_in == wide_out and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(wide_in, wide_out, 1, (stride, 1)), nn.BatchNorm2d(wide_out))


class STGCN(nn.Module):
    def __init__(self, adjacency, channels, classes, *, widths=(64,)*4+(128,)*3+(256,)*3, kernel=9, dropout=0.0):
        super().__init__()
        A = torch.as_tensor(adjacency, dtype=torch.get_default_dtype())
        V = A.shape[1]
        self.register_buffer("A", A)
        self.data_norm = nn.BatchNorm1d(V * channels)
        ins = (channels, *widths[:-1])
        self.blocks = nn.ModuleList(
            Block(A, i, o, 2 if (l and o == 2 * i) else 1, kernel=kernel, dropout=dropout, first=l == 0, edges="importance", graph_residual=False)
            for l, (i, o) in enumerate(zip(ins, widths))
        )
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x):
        N, M, T, V, C = x.shape
        x = self.data_norm(x.reshape(N * M * T, V * C)).view(N * M, T, V, C)
        x = x.permute(0, 3, 1, 2)
        for b in self.blocks:
            x = b(x, self.A)
        return self.head(x.mean((2, 3)).view(N, M, -1).mean(1))
