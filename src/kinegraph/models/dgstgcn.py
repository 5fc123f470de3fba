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
from kinegraph.models.layers.blocks import check_blocks, scale_joints, shortcut
from kinegraph.models.layers.channel_graphs import channel_graph_product
from kinegraph.models.layers.channels_first import Affine, ChannelsFirst, Mix, Residual, Views
from kinegraph.models.layers.folding import Rounded, finish_folding, fold_norm
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcnpp import MULTI_SCALE, MultiScaleConvolution
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
        self.value_norm = BatchNorm(inner)
        self.theta = nn.Linear(width_in, inner)
        self.phi = nn.Linear(width_in, inner)
        self.alpha = nn.Parameter(torch.zeros(partitions))
        self.beta = nn.Parameter(torch.zeros(partitions))
        self.mix = nn.Linear(inner, width)  # U

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"], copies: int = 1
    ) -> Float[Tensor, "B T V D"]:
        p = F.relu_(self.value_norm(self.value(x), copies))  # (B, T, V, E)
        return self.mix(channel_graph_product(p, self.of_channels(x.mean(1), graph)[:, None]))

    def of_channels(self, mean: Float[Tensor, "B V C"], graph: Float[Tensor, "K V V"]) -> Float[Tensor, "B E V V"]:
        """G, the graph of every channel."""
        return self.related(mean, graph).flatten(1, 2)

    def related(
        self, mean: Float[Tensor, "B V C"], graph: Float[Tensor, "K V V"] | float = 0.0
    ) -> Float[Tensor, "B K e V V"]:
        """G, partition by partition; without a graph how two joints of a body are related."""
        partitions = len(self.alpha)
        u, s = (layer(mean).transpose(1, 2).unflatten(1, (partitions, -1)) for layer in (self.theta, self.phi))
        apart = torch.tanh(u[..., None] - s[:, :, :, None])  # (B, K, e, V, V)
        alike = (u.mT @ s).softmax(2)  # (B, K, V, V)
        common = graph + self.beta[0] * alike
        return common[:, :, None] + self.alpha[0] * apart


class BodyAndJoints(MultiScaleConvolution):
    """y[v] = U ReLU(BN(f[v] + g_v f[mean])): six views of every joint over time, as in ST-GCN++, and of the body.

    The mean over the joints of a body goes through the branches as one more joint; g, `share`, begins at 0.
    """

    def __init__(self, width: int, stride: int, joints: int):
        super().__init__(width, stride)
        self.share = nn.Parameter(torch.zeros(max(joints, SHARES)))

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V C"]:
        V = x.shape[2]
        seen = self.views(torch.cat([x, x.mean(2, keepdim=True)], dim=2), copies)
        y = torch.addcmul(seen[:, :, :V], seen[:, :, V:], self.share[:V, None].to(seen.dtype))
        return self.join(F.relu_(self.join_norm(y, copies)))


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
        self.spatial_norm = BatchNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.temporal = BodyAndJoints(width, stride, graph.shape[1])
        self.temporal_norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        y = self.spatial_norm(self.spatial(x, self.graph, copies), copies)
        y = F.relu_(y.add_(self.graph_residual(x, copies)))  # (B, T, V, D)
        y = self.dropout(self.temporal_norm(self.temporal(y, copies), copies))  # (B, S, V, D), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return F.relu_(y)


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
        return next(block.graph for block in self.blocks.modules() if isinstance(block, Block | FoldedBlock))

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
        model.data_norm = Rounded(model.data_norm.float(), dtype)
        model.blocks = nn.ModuleList([ChannelsFirst(map(FoldedBlock, model.blocks)).to(dtype)])
        model.head.float()
        return model

    def streamed(self) -> StreamedNetwork:
        """Is not possible: the graph depends on all frames."""
        raise NotImplementedError("its graph looks at the mean over all frames of a clip")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        channels = tensors["blocks.0.spatial.value.weight"].shape[1]
        return config_of_blocks(tensors, channels) | {"partitions": len(tensors["blocks.0.graph"])}


class FoldedBlock(nn.Module):
    """A block for inference, in (body, channel, time, joint) order: BatchNorm is in the layers before it."""

    graph: Tensor
    beta: Tensor
    alpha: Tensor
    share: Tensor

    def __init__(self, block: Block):
        super().__init__()
        spatial, temporal = block.spatial, block.temporal
        self.register_buffer("graph", block.graph.float())
        self.register_buffer("alpha", spatial.alpha[0].float())
        self.register_buffer("beta", spatial.beta[0].float())
        self.register_buffer("share", temporal.share[: block.graph.shape[1]].float())
        self.value = Mix(spatial.value, spatial.value_norm)
        self.theta, self.phi, self.mix = Mix(spatial.theta), Mix(spatial.phi), Mix(spatial.mix, block.spatial_norm)
        self.graph_residual = Residual(block.graph_residual)
        dilated = [it for it in temporal.dilated if isinstance(it, nn.Conv2d)]
        self.views = Views(temporal.divide, temporal.divide_norm, dilated, temporal.moving, temporal.stride)
        self.join_norm, self.join = Affine(temporal.join_norm), Mix(temporal.join, block.temporal_norm)
        self.residual = Residual(block.residual)

    def forward(self, x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B D S V"]:
        B, _, T, V = x.shape
        p = F.relu_(self.value(x.flatten(2))).view(-1, T, V)  # (B E, T, V)
        z = p.bmm(self.of_channels(x.mean(2)).flatten(0, 1)).view(B, -1, T * V)
        y = F.relu_(self.graph_residual(self.mix(z).view(B, -1, T, V), x))
        seen = self.views(y).addcmul_(self.views(y.mean(3, keepdim=True)), self.share)  # (B, D, S, V)
        seen = F.relu_(self.join_norm(seen))
        return F.relu_(self.residual(self.join(seen.flatten(2)).view(seen.shape), x))

    def of_channels(self, mean: Float[Tensor, "B C V"]) -> Float[Tensor, "B E V V"]:
        """The graph of every channel."""
        u, s = self.theta(mean), self.phi(mean)  # (B, E, V)
        apart = torch.tanh_(u[..., None] - s[:, :, None]).unflatten(1, (len(self.graph), -1))
        u, s = (it.unflatten(1, (len(self.graph), -1)) for it in (u, s))
        common = self.graph + self.beta * (u.mT @ s).softmax(2)  # (B, K, V, V)
        return apart.mul_(self.alpha).add_(common[:, :, None]).flatten(1, 2)


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
