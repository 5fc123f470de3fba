"""ST-GCN++, of Duan et al. 2022 (arXiv:2205.09443): ST-GCN with a learned graph and a multi-scale view of time.

The function that PYSKL and MMAction2 1.x compute, held to their published outputs by the tests, in (body, time, joint,
channel) order as `stgcn.py`.
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
from kinegraph.models.layers.blocks import (
    Identity,
    Init,
    check_blocks,
    check_init,
    draw_kaiming,
    draw_projections,
    over_time,
    scale_joints,
    shortcut,
)
from kinegraph.models.layers.folding import FoldedGraphConvolution, finish_folding, fold_norm, scale_and_shift
from kinegraph.models.layers.products import quick_linear
from kinegraph.models.layers.streaming import Ring, Rows, StreamedBlock, StreamedNetwork, linear, over_frames
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcn import GraphConvolution
from kinegraph.models.tensor_forms import (
    COUNT,
    GCN_BLOCK,
    VECTORS,
    Leaf,
    Sizes,
    Table,
    config_of_blocks,
    copies,
    first,
    rows,
)

DILATIONS = (1, 2, 3, 4)
BRANCHES = len(DILATIONS) + 2


def branch_widths(width: int) -> list[int]:
    """Channels of the branches over time: equal shares, the first one also takes the rest."""
    share = width // BRANCHES
    return [width - (BRANCHES - 1) * share] + [share] * (BRANCHES - 1)


class MultiScaleConvolution(nn.Module):
    """y = U ReLU(BN([conv_1(h_1), .., conv_4(h_4), max(h_5), g])): six views of a moment and those around it.

    [h_1, .., h_5] = ReLU(BN(W x)), g = W' x; conv_d sees three frames d apart, max three frames, g only its own.
    The six 1x1 convolutions of the published code are one matrix here, their BatchNorms one BatchNorm.
    """

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.stride = stride
        *self.moving, self.still = branch_widths(width)  # channels of h_1 .. h_5, of g
        self.divide = nn.Linear(width, width)  # [W; W']
        self.divide_norm = BatchNorm(width - self.still)
        self.dilated = nn.ModuleList(
            nn.Conv2d(branch, branch, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
            for dilation, branch in zip(DILATIONS, self.moving, strict=False)
        )
        self.highest = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.join_norm = BatchNorm(width)
        self.join = nn.Linear(width, width)  # U

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V C"]:
        return quick_linear(self.join, F.relu_(self.join_norm(self.views(x, copies), copies)))

    def views(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V C"]:
        """What the branches see, side by side."""
        moving, still = self.divided(x)
        moving = F.relu_(self.divide_norm(moving, copies)).split(self.moving, dim=3)  # each (B, T, V, c)
        seen = [over_time(convolve, h) for convolve, h in zip(self.dilated, moving, strict=False)]  # each (B, S, V, c)
        seen.append(over_time(self.highest, moving[-1]))
        return torch.cat([*seen, still], dim=3)

    def divided(self, x: Float[Tensor, "B T V C"]) -> tuple[Float[Tensor, "B T V m"], Float[Tensor, "B S V s"]]:
        """W x and W' x, apart: pieces of one product would have to be copied."""
        moving = sum(self.moving)
        return quick_linear(self.divide, x, slice(moving)), quick_linear(
            self.divide, x[:, :: self.stride], slice(moving, None)
        )


class Block(nn.Module):
    """y = ReLU(BN(TCN(h)) + R(x)), h = ReLU(BN(GCN(x)) + D(x)).

    R is nothing in the first block; else R and D are x itself where the shapes agree, and otherwise projections.
    """

    def __init__(
        self, graph: Float[Tensor, "K V V"], width_in: int, width: int, stride: int, dropout: float, residual: bool
    ):
        super().__init__()
        self.graph = nn.Parameter(graph.clone())  # learned, edges that are no bones too
        self.spatial = GraphConvolution(len(graph), width_in, width)
        self.spatial_norm = BatchNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.temporal = MultiScaleConvolution(width, stride)
        self.temporal_norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        y = self.spatial_norm(self.spatial(x, self.graph), copies)
        y = F.relu_(y.add_(self.graph_residual(x, copies)))  # (B, T, V, D)
        y = self.dropout(self.temporal_norm(self.temporal(y, copies), copies))  # (B, S, V, D), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return F.relu_(y)


class Streamed(StreamedBlock):
    """A folded block, frame by frame. The maximum is padded with zeros too: its input is never negative."""

    def __init__(self, block: Any):
        temporal = block.temporal
        join, around = linear(temporal.join), max(DILATIONS)
        super().__init__(block.spatial, block.graph_residual, block.residual, join, around, temporal.stride)
        self.parts, self.moving = (*temporal.moving, temporal.still), sum(temporal.moving)
        self.divide = linear(temporal.divide)
        self.dilated = [over_frames(convolution) for convolution in temporal.dilated]
        self.join_scale, self.join_shift = (values.float() for values in scale_and_shift(temporal.join_norm))

    def before(self, x: Rows, place: Rows) -> None:
        self.divide(self.over_joints(x), place)[:, : self.moving].relu_()

    def across(self, h: Ring) -> Rows:
        seen = h.at(0, self.span).view(-1, self.span, self.width)
        *moving, highest, still = seen.split(self.parts, dim=2)
        middle = self.around
        made = [
            convolve(branch[:, middle - d : middle + d + 1 : d].flatten(1))
            for d, branch, convolve in zip(DILATIONS, moving, self.dilated, strict=True)
        ]
        made += [highest[:, middle - 1 : middle + 2].amax(1), still[:, middle]]
        return torch.addcmul(self.join_shift, torch.cat(made, 1), self.join_scale).relu_()


def branch_rows(ours: Tensor, sizes: Sizes) -> list[Tensor]:
    """What belongs to each branch over time."""
    return list(ours.split(branch_widths(sizes.width)[: sizes.parts]))


BRANCH_LAYERS = [rows(".weight", branch_rows, convolution=True), rows(".bias", branch_rows)]
BRANCH_NORMS = [*(rows(name, branch_rows) for name in VECTORS), Leaf(COUNT, COUNT, first, copies)]
MULTI_SCALE = [
    ("temporal.divide", [*(f"tcn.branches.{k}.0" for k in range(5)), "tcn.branches.5"], BRANCH_LAYERS),
    ("temporal.divide_norm", [f"tcn.branches.{k}.1" for k in range(5)], BRANCH_NORMS),
    *((f"temporal.dilated.{k}", f"tcn.branches.{k}.3.conv", "layer") for k in range(4)),
    ("temporal.join_norm", "tcn.transform.0", "norm"),
    ("temporal.join", "tcn.transform.2", "matrix"),
]
BLOCK = [*GCN_BLOCK, ("graph", "gcn.A", "tensor"), *MULTI_SCALE]


class STGCNPP(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))), one BN scale for each joint and channel.

    Args:
        adjacency: where every block's graph starts, K partitions; adjacency[k, v, w] weighs the edge from joint v to
            joint w. Published with the strategy `inward_outward`. It is not kept: the blocks' graphs take its place.
        channels: numbers per joint and frame.
        classes: number of classes.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        dropout: probability, in every block but the first.
        init: first weights of PYSKL ("pyskl") or of MMAction2 1.x ("mmaction1"), see `initialise`.

    Raises ValueError naming a number that is out of range.

    Source: PYSKL, models/gcns/stgcn.py with gcn_adaptive "init", gcn_with_res and tcn_type "mstcn"; MMAction2
    1.x, backbones/stgcn.py, likewise.
    """

    CHECKPOINTS = tuple(
        Table(dialect, [("data_norm", "backbone.data_bn", "norm"), ("head", head, "layer")], "backbone.gcn.{i}.", BLOCK)
        for dialect, head in (("mmaction1", "cls_head.fc"), ("pyskl", "cls_head.fc_cls"))
    )

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        dropout: float = 0.0,
        init: Init = "pyskl",
    ):
        super().__init__(adjacency, channels, classes, width=0)
        check_init(init)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout, narrowest=BRANCHES)
        graph = torch.as_tensor(self._buffers.pop("A"))  # each block learns its own
        self.data_norm = BatchNorm(graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, dropout if i else 0.0, residual=i > 0)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self, init)

    @property
    def A(self) -> Float[Tensor, "K V V"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The first block's graph; no other is common to all."""
        return next(block.graph for block in self.blocks if isinstance(block, Block))

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. copies: how many bodies the last one stands for while training."""
        x = scale_joints(self.data_norm, x, copies)
        for block in self.blocks:
            x = block(x, copies)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the layers before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) is not STGCNPP:
            return super().fold(dtype)
        model: Any = deepcopy(self).eval().requires_grad_(False)
        for block in model.blocks:
            mix, bias, norm = block.spatial.mix.weight, block.spatial.bias, block.spatial_norm
            block.spatial, block.spatial_norm = FoldedGraphConvolution(mix, bias, norm, block.graph), Identity()
            fold_norm(block.temporal, block.temporal.divide, "divide_norm")
            fold_norm(block, block.temporal.join, "temporal_norm")
        finish_folding(model, dtype)
        return model

    @torch.no_grad()
    def streamed(self) -> StreamedNetwork:
        """Folded, frame by frame; not of a subclass, which may look at time in other ways."""
        if type(self) is not STGCNPP:
            return super().streamed()
        model: Any = self.fold(torch.float32)
        return StreamedNetwork(self.data_norm, [Streamed(block) for block in model.blocks])

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return config_of_blocks(tensors)


def initialise(model: STGCNPP, init: str) -> None:
    """First weights as published: uniform within 1 / sqrt(fan-in), biases too; the head's normal(0, 0.01) and 0.

    That is torch's own choice for all layers but these. In MMAction2 1.x dilated convolutions and projections between
    blocks are normal with variance 2 / fan-out, their biases 0.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for layer in model.modules():
        if isinstance(layer, GraphConvolution):
            layer.draw_uniform()
        if isinstance(layer, MultiScaleConvolution) and init == "mmaction1":
            for convolution in layer.dilated:
                draw_kaiming(convolution)
    draw_projections(model.blocks, init)
    nn.init.normal_(model.head.weight, 0.0, 0.01)
    nn.init.zeros_(model.head.bias)
