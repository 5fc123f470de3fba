"""CTR-GCN, channel-wise topology refinement of Chen et al. 2021 (arXiv:2107.12213).

The function that PYSKL and MMAction2 1.x compute, held to their published outputs by the tests, in (body, time, joint,
channel) order as `stgcn.py`. Written from its formulas. The authors' own code has no ReLU behind the convolutions over
time (`temporal_relu=False`), and its edges run the other way: the same function of other weights, see `AUTHORS_BLOCK`.
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
    InitOrAuthors,
    check_blocks,
    check_init,
    check_people,
    draw_head,
    draw_projections,
    scale_people,
)
from kinegraph.models.layers.channel_norm import ChannelNorm
from kinegraph.models.layers.folding import finish_folding, fold_norm
from kinegraph.models.layers.graph_product import channel_graph_product
from kinegraph.models.layers.mixing import channels_first, channels_last, mixed, shortcut
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.layers.time_branches import Plan, branches, quick
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import (
    COUNT,
    VECTORS,
    Leaf,
    Table,
    as_convolutions,
    config_of_blocks,
    copies,
    equal_rows,
    first,
    people_of,
    rows,
)

KERNEL, DILATIONS, BRANCHES = 5, (1, 2), 4
REDUCTION, FEW, FEW_EMBEDDED = 8, 16, 8  # joints are compared in an eighth of the channels, in 8 of up to 16


def embedded(width_in: int) -> int:
    """Channels in which joints are compared."""
    return FEW_EMBEDDED if width_in <= FEW else width_in // REDUCTION


class ChannelwiseGraphConvolution(nn.Module):
    """z[w] = sum_k sum_v Q_k[v, w] * h_k[v], with a graph for each channel and body.

    Q_k[v, w] = A_k[v, w] + alpha (E_k tanh(theta_k(m[v]) - phi_k(m[w])) + e_k), m being the mean of x over time: the
    learned graph, refined for each channel by how two joints of this body differ. h_k = H_k x + b_k.
    """

    def __init__(self, graph: Float[Tensor, "K V V"], width_in: int, width: int):
        super().__init__()
        K, inner = len(graph), embedded(width_in)
        self.graph = nn.Parameter(graph.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.theta = nn.Linear(width_in, K * inner)
        self.phi = nn.Linear(width_in, K * inner)
        self.expand = nn.Parameter(torch.empty(K, width, inner))  # E
        self.expand_bias = nn.Parameter(torch.zeros(K, width))  # e
        self.value = nn.Linear(width_in, K * width)  # [H_1; ..; H_K]

    def forward(self, x: Float[Tensor, "C B T V"]) -> Float[Tensor, "D B N"]:
        K, D, _ = self.expand.shape
        weight, bias = self.value.weight.view(K, D, -1), self.value.get_parameter("bias").view(K, D)
        return channel_graph_product(x, self.refined(x.mean(2)), weight, bias)

    def refined(self, mean: Float[Tensor, "C B V"]) -> Float[Tensor, "K D B V V"]:
        """Q, the graph of every channel and partition: [alpha E | alpha e | 1] [tanh(theta - phi); 1; A]."""
        (K, V, _), B = self.graph.shape, mean.shape[1]
        theta, phi = (mixed(layer, None, mean).unflatten(0, (K, -1)) for layer in (self.theta, self.phi))
        apart = torch.tanh(theta[..., None] - phi[..., None, :])  # (K, E, B, V, V)
        others = torch.stack([torch.ones_like(self.graph), self.graph], 1)  # (K, 2, V, V)
        others = others.to(apart.dtype)[:, :, None].expand(-1, -1, B, -1, -1)
        expand = self.alpha * torch.cat([self.expand, self.expand_bias[..., None]], 2)
        expand = torch.cat([expand, torch.ones_like(expand[..., :1])], 2)  # (K, D, E + 2)
        return (expand @ torch.cat([apart, others], 1).flatten(2)).unflatten(2, (B, V, V))


class MultiScaleConvolution(nn.Module):
    """[conv_1(h_1), conv_2(h_2), max(h_3), g]: four views of a moment and those around it, each a quarter of the width.

    [h_1, h_2, h_3] = ReLU(BN(W x)), g = W' x; conv_d sees five frames d apart, max three, g only its own.
    """

    def __init__(self, width: int, stride: int):
        super().__init__()
        self.stride, self.share = stride, width // BRANCHES
        self.divide = nn.Linear(width, width)  # [W; W']
        self.divide_norm = ChannelNorm(width - self.share)
        self.dilated = nn.ModuleList(
            nn.Conv2d(self.share, self.share, (KERNEL, 1), (stride, 1), (2 * dilation, 0), (dilation, 1))
            for dilation in DILATIONS
        )

    def forward(self, x: Float[Tensor, "C B T V"], copies: int = 1) -> Float[Tensor, "C B M"]:
        moving, own_steps = 3 * self.share, quick(x, self.divide_norm)
        h = mixed(self.divide, self.divide_norm, x.flatten(2), copies, active=True, rows=slice(moving))
        still = mixed(self.divide, None, x[:, :, :: self.stride].flatten(2), rows=slice(moving, None))
        plan = Plan((self.share,) * 3, x.shape[3], self.stride, DILATIONS)
        return branches(h, still, self.dilated, plan, own_steps)


class Block(nn.Module):
    """y = ReLU(h' + R(x)), h' = ReLU(BN(TCN(h))), h = ReLU(BN(GCN(x)) + D(x)).

    R is nothing in the first block; else R and D are x itself where the shapes agree, and otherwise projections.
    relu: whether h' has its ReLU.
    """

    def __init__(
        self,
        graph: Float[Tensor, "K V V"],
        width_in: int,
        width: int,
        stride: int,
        dropout: float,
        residual: bool,
        relu: bool,
    ):
        super().__init__()
        self.relu = relu
        self.spatial = ChannelwiseGraphConvolution(graph, width_in, width)
        self.spatial_norm = ChannelNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.temporal = MultiScaleConvolution(width, stride)
        self.temporal_norm = ChannelNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        x = channels_first(x)
        y = self.spatial_norm(self.spatial(x), copies)
        y = F.relu_(y.add_(self.graph_residual(x, copies))).view(-1, *x.shape[1:])  # (D, B, T, V)
        y = self.dropout(self.temporal_norm(self.temporal(y, copies), copies, active=self.relu))  # (D, B, S V)
        if self.residual is not None:
            y = F.relu_(y + self.residual(x, copies))
        elif not self.relu:
            y = F.relu(y)
        return channels_last(y.unflatten(2, (-1, x.shape[3])))


PARTITIONS = 3
EMBEDDINGS = [rows(".weight", equal_rows, convolution=True), rows(".bias", equal_rows)]  # one for each partition
NORMS = [*(rows(name, equal_rows) for name in VECTORS), Leaf(COUNT, COUNT, first, copies)]


def expansions(sign: int) -> list[Leaf]:
    """E, or -E, and e."""
    return [
        Leaf(
            ".expand",
            ".weight",
            lambda parts, _: sign * torch.stack([part.flatten(1) for part in parts]),
            lambda ours, _: as_convolutions(list(sign * ours)),
        ),
        Leaf(".expand_bias", ".bias", lambda parts, _: torch.stack(parts), lambda ours, _: list(ours)),
    ]


def _convs(number: int) -> list[str]:
    return [f"gcn1.convs.{k}.conv{number}" for k in range(PARTITIONS)]


COMMON = [
    ("spatial.alpha", "gcn1.alpha", "tensor"),
    ("spatial.value", _convs(3), EMBEDDINGS),
    ("spatial_norm", "gcn1.bn", "norm"),
    ("graph_residual.mix", "gcn1.down.0", "matrix"),
    ("graph_residual.norm", "gcn1.down.1", "norm"),
    ("temporal.divide", [f"tcn1.branches.{k}.0" for k in range(4)], EMBEDDINGS),
    ("temporal.divide_norm", [f"tcn1.branches.{k}.1" for k in range(3)], NORMS),
    *((f"temporal.dilated.{k}", f"tcn1.branches.{k}.3.conv", "layer") for k in range(2)),
    (
        "temporal_norm",
        ["tcn1.branches.0.3.bn", "tcn1.branches.1.3.bn", "tcn1.branches.2.4", "tcn1.branches.3.1"],
        NORMS,
    ),
    ("residual.mix", "residual.conv", "matrix"),
    ("residual.norm", "residual.bn", "norm"),
]
BLOCK = [
    ("spatial.graph", "gcn1.A", "tensor"),
    ("spatial.theta", _convs(1), EMBEDDINGS),
    ("spatial.phi", _convs(2), EMBEDDINGS),
    ("spatial", _convs(4), expansions(1)),
    *COMMON,
]
# Their z[v] = sum_w Q[v, w] h[w] is ours with A transposed and, as tanh is odd, theta for phi and -E for E.
AUTHORS_BLOCK = [
    (
        "spatial.graph",
        "gcn1.PA",
        [Leaf("", "", lambda parts, _: parts[0].mT.contiguous(), lambda ours, _: [ours.mT.contiguous()])],
    ),
    ("spatial.theta", _convs(2), EMBEDDINGS),
    ("spatial.phi", _convs(1), EMBEDDINGS),
    ("spatial", _convs(4), expansions(-1)),
    *COMMON,
]


class CTRGCN(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))); BN scales each person, joint and channel.

    A clip is normalised as a whole: the scales know the first person from the second, so exchanging people changes the
    result, and a person who is not there becomes the constants of the norm, not zero.

    Args:
        adjacency: where every block's graph starts, 3 partitions; adjacency[k, v, w] weighs the edge from joint v to
            joint w. Published with the strategy `inward_outward`.
        channels: numbers per joint and frame.
        classes: number of classes.
        people: bodies that the norm has scales for. A clip of fewer is filled up with zeros, of more is refused.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        dropout: probability, in every block but the first; 0 as published.
        temporal_relu: whether a ReLU follows the convolutions over time; False in the authors' own code.
        init: first weights of PYSKL ("pyskl"), of MMAction2 1.x ("mmaction1") or of the "authors", see `initialise`.

    Raises ValueError naming a number that is out of range.

    Source: PYSKL, models/gcns/ctrgcn.py; MMAction2 1.x, projects/ctrgcn; Uason-Chen/CTR-GCN, model/ctrgcn.py.
    """

    at_once = 2
    CHECKPOINTS = (
        *(
            Table(
                dialect,
                [("A", "backbone.A", "tensor"), ("data_norm", "backbone.data_bn", "norm"), ("head", head, "layer")],
                "backbone.net.{i}.",
                BLOCK,
                always=(("temporal_relu", True),),
            )
            for dialect, head in (("mmaction1", "cls_head.fc"), ("pyskl", "cls_head.fc_cls"))
        ),
        Table(
            "ctr-gcn",
            [("data_norm", "data_bn", "norm"), ("head", "fc", "layer")],
            "l{n}.",
            AUTHORS_BLOCK,
            always=(("temporal_relu", False),),
            graph="inward_outward",
        ),
    )

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        people: int = 2,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        dropout: float = 0.0,
        temporal_relu: bool = True,
        init: InitOrAuthors = "pyskl",
    ):
        super().__init__(adjacency, channels, classes, width=0)
        check_init(init, InitOrAuthors)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout, narrowest=BRANCHES)
        check_people(people)
        if wrong := [width for width in widths if width % BRANCHES]:
            raise ValueError(f"widths has {wrong[0]}, expected multiples of {BRANCHES}")
        graph = self.A
        self.people = people
        self.data_norm = BatchNorm(people * graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, dropout if i else 0.0, residual=i > 0, relu=temporal_relu)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self, init)

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N P T V C"]:
        """The norm over all people of a clip."""
        return scale_people(self.data_norm, x, self.people)

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. x: normalised. copies: how many bodies the last one stands for in training."""
        for block in self.blocks:
            x = block(x, copies)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the layers before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) is not CTRGCN:
            return super().fold(dtype)
        model: Any = deepcopy(self).eval().requires_grad_(False)
        for block in model.blocks:
            fold_norm(block.temporal, block.temporal.divide, "divide_norm")
        finish_folding(model, dtype)
        return model

    def streamed(self) -> StreamedNetwork:
        """Is not possible: the graph depends on all frames."""
        raise NotImplementedError("its graph looks at the mean over all frames of a clip")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        config = config_of_blocks(tensors, channels=tensors["blocks.0.spatial.value.weight"].shape[1])
        return config | {"people": people_of(tensors, config["channels"])}


def initialise(model: CTRGCN, init: str) -> None:
    """First weights as published: Kaiming normal by fan-out in the blocks, biases 0, the head's normal(0, 0.01) and 0.

    The BatchNorm behind the graph convolution begins at 1e-6: at first its shortcut speaks alone. Projections between
    blocks keep torch's choice, as in PYSKL; MMAction2 1.x and the authors draw them like the others. The authors draw
    the scales of BatchNorm in the convolutions over time from normal(1, 0.02); their head: see `draw_head`.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for block in model.blocks:
        assert isinstance(block, Block)
        spatial, temporal = block.spatial, block.temporal
        _, width, inner = spatial.expand.shape
        for weight, fan_out in (
            (spatial.theta.weight, inner), (spatial.phi.weight, inner), (spatial.value.weight, width),
            (spatial.expand, width), (temporal.divide.weight, temporal.share),
            *((layer.weight, temporal.share * KERNEL) for layer in temporal.dilated if isinstance(layer, nn.Conv2d)),
        ):  # fmt: skip
            nn.init.normal_(weight, 0.0, (2 / fan_out) ** 0.5)
        if not isinstance(block.graph_residual, Identity):
            nn.init.normal_(block.graph_residual.get_parameter("mix.weight"), 0.0, (2 / width) ** 0.5)
            nn.init.zeros_(block.graph_residual.get_parameter("mix.bias"))
        for layer in (spatial.theta, spatial.phi, spatial.value, temporal.divide, *temporal.dilated):
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(spatial.expand_bias)
        nn.init.constant_(block.spatial_norm.weight, 1e-6)
        if init == "authors":
            for norm in (temporal.divide_norm, block.temporal_norm):
                nn.init.normal_(norm.weight, 1.0, 0.02)
    draw_projections(model.blocks, init)
    draw_head(model.head, init)
