"""DG-STGCN, of Duan et al. 2022 (arXiv:2210.05895): graphs of every channel and body, and no skeleton behind them.

The function that PYSKL computes, held to its published outputs by the tests, in (body, time, joint, channel) order as
`stgcn.py`. Written from its formulas.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import check_blocks, scale_joints
from kinegraph.models.layers.channel_norm import ChannelNorm
from kinegraph.models.layers.folding import finish_folding, fold_norm
from kinegraph.models.layers.mixing import channels_first, channels_last, mixed, shortcut
from kinegraph.models.layers.products import mix_last
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.layers.time_branches import Plan, branches, quick
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcnpp import DILATIONS, MULTI_SCALE, branch_widths
from kinegraph.models.tensor_forms import Leaf, Sizes, Table, config_of_blocks

PARTITIONS, SHARE = 8, 8  # a partition has an eighth of the width
MEAN, DEVIATION = 0.04, 0.02  # of the first graph
SHARES = 25  # numbers of `BodyAndJoints.share` as published, whatever the layout


class DynamicGraphConvolution(nn.Module):
    """y = U z + c, z_d[w] = sum_v G_d[v, w] p_d[v], p = ReLU(BN(W x + b)), with a graph for each channel d and body.

    G_d[v, w] = A_k[v, w] + alpha tanh(u_d[v] - s_d[w]) + beta softmax_v (sum_e u_e[v] s_e[w]), u = theta(m) and
    s = phi(m), m being the mean of x over time: the learned graph of the partition k of channel d, how two joints of
    this body differ in this channel, and how alike they are in the partition's channels e. Of alpha and beta only the
    first number is used, as published.
    """

    def __init__(self, partitions: int, width_in: int, width: int):
        super().__init__()
        inner = partitions * (width // SHARE)
        self.value = nn.Linear(width_in, inner)  # W
        self.value_norm = ChannelNorm(inner)
        self.theta = nn.Linear(width_in, inner)
        self.phi = nn.Linear(width_in, inner)
        self.alpha = nn.Parameter(torch.zeros(partitions))
        self.beta = nn.Parameter(torch.zeros(partitions))
        self.mix = nn.Linear(inner, width)  # U

    def summed(
        self, x: Float[Tensor, "C B T V"], graph: Float[Tensor, "K V V"], copies: int = 1
    ) -> Float[Tensor, "E B N"]:
        """z, the sums over neighbours."""
        _, B, T, V = x.shape
        p = mixed(self.value, self.value_norm, x.flatten(2), copies, active=True)  # (E, B, T V)
        graphs = self.related(x.mean(2), graph).flatten(0, 2)  # (E B, V, V)
        return torch.bmm(p.view(-1, T, V), graphs.to(p.dtype)).view(-1, B, T * V)

    def related(
        self, mean: Float[Tensor, "C B V"], graph: Float[Tensor, "K V V"] | None = None
    ) -> Float[Tensor, "K e B V V"]:
        """G, partition by partition; without a graph how two joints of a body are related."""
        partitions = len(self.alpha)
        u, s = (mixed(layer, None, mean).unflatten(0, (partitions, -1)) for layer in (self.theta, self.phi))
        apart = torch.tanh(u[..., None] - s[..., None, :])  # (K, e, B, V, V)
        alike = (u.permute(0, 2, 3, 1) @ s.permute(0, 2, 1, 3)).softmax(2)  # (K, B, V, V)
        common = self.beta[0] * alike if graph is None else graph[:, None] + self.beta[0] * alike
        return common[:, None] + self.alpha[0] * apart


class BodyAndJoints(nn.Module):
    """y[v] = U ReLU(BN(f[v] + g_v f[mean])): six views of every joint over time, as in ST-GCN++, and of the body.

    f = [conv_1(h_1), .., conv_4(h_4), max(h_5), h_6] of [h_1, .., h_5] = ReLU(BN(W x)), h_6 = W' x. The mean over the
    joints of a body goes through the branches as one more joint; g, `share`, begins at 0.
    """

    def __init__(self, width: int, stride: int, joints: int):
        super().__init__()
        self.stride, self.joints = stride, joints
        *self.moving, still = branch_widths(width)
        self.divide = nn.Linear(width, width)  # [W; W']
        self.divide_norm = ChannelNorm(width - still)
        self.dilated = nn.ModuleList(
            nn.Conv2d(branch, branch, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
            for dilation, branch in zip(DILATIONS, self.moving, strict=False)
        )
        self.join_norm = ChannelNorm(width)
        self.join = nn.Linear(width, width)  # U
        self.share = nn.Parameter(torch.zeros(max(joints, SHARES)))

    def joined(self, x: Float[Tensor, "C B N"], copies: int = 1) -> Float[Tensor, "C B M"]:
        """ReLU(BN(f[v] + g_v f[mean]))."""
        own_steps, V = quick(x, self.divide_norm), self.joints + 1
        x = with_mean(x.unflatten(2, (-1, self.joints)), own_steps)  # (C, B, T, V + 1)
        moving, divide = sum(self.moving), self.divide
        h = mixed(divide, self.divide_norm, x.flatten(2), copies, active=True, rows=slice(moving))
        still = mixed(divide, None, x[:, :, :: self.stride].flatten(2), rows=slice(moving, None))
        seen = branches(h, still, self.dilated, Plan(tuple(self.moving), V, self.stride, DILATIONS), own_steps)
        y = shared_out(seen.unflatten(2, (-1, V)), self.share.to(seen.dtype), own_steps).flatten(2)
        return self.join_norm(y, copies, active=True)


def with_mean(x: Float[Tensor, "C B T V"], by_product: bool) -> Float[Tensor, "C B T V+1"]:
    """The joints of a moment and their mean. by_product: one matrix product, whose backward pass is one as well."""
    if not by_product:
        return torch.cat([x, x.mean(3, keepdim=True)], 3)
    itself = torch.eye(x.shape[3], dtype=x.dtype, device=x.device)
    joining = torch.cat([itself, torch.full_like(itself[:, :1], 1 / len(itself))], 1)
    return mix_last(x, joining.T)


def shared_out(
    seen: Float[Tensor, "C B S W"], share: Float[Tensor, "_"], by_product: bool
) -> Float[Tensor, "C B S W-1"]:
    """f[v] + g_v f[mean]. seen: of the V joints and, last, their mean: W = V + 1."""
    V = seen.shape[3] - 1
    if not by_product:
        return torch.addcmul(seen[..., :V], seen[..., V:], share[:V])
    sharing = torch.cat([torch.eye(V, dtype=seen.dtype, device=seen.device), share[None, :V]])
    return mix_last(seen, sharing.T)


class Block(nn.Module):
    """y = ReLU(BN(TCN(h)) + R(x)), h = ReLU(BN(GCN(x)) + D(x)).

    R is nothing in the first block; else R and D are x itself where the shapes agree, and otherwise projections.
    """

    def __init__(
        self, graph: Float[Tensor, "K V V"], width_in: int, width: int, stride: int, dropout: float, residual: bool
    ):
        super().__init__()
        self.graph = nn.Parameter(graph.clone())
        self.spatial = DynamicGraphConvolution(len(graph), width_in, width)
        self.spatial_norm = ChannelNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.temporal = BodyAndJoints(width, stride, graph.shape[1])
        self.temporal_norm = ChannelNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        spatial, temporal, x = self.spatial, self.temporal, channels_first(x)
        y = mixed(spatial.mix, self.spatial_norm, spatial.summed(x, self.graph, copies), copies)
        y = F.relu_(y.add_(self.graph_residual(x, copies)))  # (D, B, T V)
        y = self.dropout(
            mixed(temporal.join, self.temporal_norm, temporal.joined(y, copies), copies)
        )  # (D, B, S V), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return channels_last(F.relu_(y).unflatten(2, (-1, x.shape[3])))


def _published_shares(share: Tensor, sizes: Sizes) -> list[Tensor]:
    if len(share) != SHARES:
        raise ValueError(f"PYSKL's DGSTGCN has up to {SHARES} joints, the network has {len(share)}")
    return [share]


PYSKL = Table(
    "pyskl",
    [("data_norm", "backbone.data_bn", "norm"), ("head", "cls_head.fc_cls", "layer")],
    "backbone.gcn.{i}.",
    [
        ("graph", "gcn.A", "tensor"),
        ("spatial.alpha", "gcn.alpha", "tensor"),
        ("spatial.beta", "gcn.beta", "tensor"),
        ("spatial.value", "gcn.pre.0", "matrix"),
        ("spatial.value_norm", "gcn.pre.1", "norm"),
        ("spatial.theta", "gcn.conv1", "matrix"),
        ("spatial.phi", "gcn.conv2", "matrix"),
        ("spatial.mix", "gcn.post", "matrix"),
        ("spatial_norm", "gcn.bn", "norm"),
        ("graph_residual.mix", "gcn.down.0", "matrix"),
        ("graph_residual.norm", "gcn.down.1", "norm"),
        *MULTI_SCALE,
        ("temporal.share", "tcn.add_coeff", [Leaf("", "", lambda parts, _: parts[0], _published_shares)]),
        ("temporal_norm", "tcn.bn", "norm"),
        ("residual.mix", "residual.conv", "matrix"),
        ("residual.norm", "residual.bn", "norm"),
    ],
)


class DGSTGCN(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))), one BN scale for each joint and channel.

    Args:
        adjacency: (K, V, V). It says how many joints there are; no bone is used.
        channels: numbers per joint and frame.
        classes: number of classes.
        partitions: graphs of each block. They begin as random numbers, the same ones in all blocks.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        dropout: probability, in every block but the first; 0 as published.

    Raises ValueError naming a number that is out of range.

    Source: PYSKL, models/gcns/dgstgcn.py with tcn_type "dgmstcn", graph mode "random" and 8 filters.
    """

    at_once = 2
    CHECKPOINTS = (PYSKL,)

    def __init__(
        self,
        adjacency: Float[Tensor, "_ V V"] | Float[np.ndarray, "_ V V"],
        channels: int,
        classes: int,
        *,
        partitions: int = PARTITIONS,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        dropout: float = 0.0,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout, narrowest=SHARE)
        if partitions < 1:
            raise ValueError(f"partitions is {partitions}, expected at least 1")
        joints = torch.as_tensor(self._buffers.pop("A")).shape[1]
        graph = torch.empty(partitions, joints, joints)
        self.data_norm = BatchNorm(joints * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, dropout if i else 0.0, residual=i > 0)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self)

    @property
    def A(self) -> Float[Tensor, "K V V"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The first block's graph; no other is common to all."""
        return next(block.graph for block in self.blocks.modules() if isinstance(block, Block))

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. copies: how many bodies the last one stands for while training."""
        x = scale_joints(self.data_norm, x, copies)
        for block in self.blocks:
            x = block(x, copies)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the layers before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) is not DGSTGCN:
            return super().fold(dtype)
        model: Any = deepcopy(self).eval().requires_grad_(False)
        fold_blocks(model, dtype)
        return model

    def streamed(self) -> StreamedNetwork:
        """Is not possible: the graph depends on all frames."""
        raise NotImplementedError("its graph looks at the mean over all frames of a clip")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        channels = tensors["blocks.0.spatial.value.weight"].shape[1]
        return config_of_blocks(tensors, channels) | {"partitions": len(tensors["blocks.0.graph"])}


def fold_blocks(model: Any, dtype: torch.dtype) -> None:
    """BatchNorm goes into the layers before it, and all between the input norm and the last block becomes dtype."""
    for block in model.blocks:
        fold_norm(block.spatial, block.spatial.value, "value_norm")
        fold_norm(block, block.spatial.mix, "spatial_norm")
        fold_norm(block.temporal, block.temporal.divide, "divide_norm")
        fold_norm(block, block.temporal.join, "temporal_norm")
    finish_folding(model, dtype)


@torch.no_grad()
def initialise(model: DGSTGCN) -> None:
    """First weights as published: one random graph for all blocks, the head's normal(0, 0.01) and 0; else torch's."""
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    graph = torch.normal(MEAN, DEVIATION, model.A.shape)
    for block in model.blocks:
        block.get_parameter("graph").copy_(graph)
    nn.init.normal_(model.head.weight, 0.0, 0.01)
    nn.init.zeros_(model.head.bias)
