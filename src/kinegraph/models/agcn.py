"""2s-AGCN, the adaptive graph convolutional network of Shi et al. 2019 (arXiv:1805.07694), one of its two streams.

The function that MMAction2 0.x computes, held to its published outputs by the tests, in (body, time, joint, channel)
order as `stgcn.py`. The two streams are two such networks, on joints and on bones, whose scores are added.
"""

import math
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
    check_blocks,
    check_kernel,
    check_people,
    draw_head,
    over_time,
    scale_joints,
    scale_people,
    shortcut,
)
from kinegraph.models.layers.body_graphs import likeness, neighbours
from kinegraph.models.layers.folding import finish_folding, fold_norm, scale_and_shift
from kinegraph.models.layers.products import mix_last
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.layers.winograd import TemporalConvolution
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import (
    Leaf,
    Row,
    Table,
    as_convolutions,
    config_of_blocks,
    equal_rows,
    people_of,
    rows,
)

PARTITIONS = 3
REDUCTION = 4  # the embeddings that joints are compared in have a quarter of the channels


class AdaptiveGraphConvolution(nn.Module):
    """z[w] = sum_k W_k (sum_v B_k[v, w] x[v]) + b_k, with B = A + P + S: the skeleton, what is learned, what is seen.

    S_k[v, w] = softmax over v (theta_k(x[v]) . phi_k(x[w]) / size), the product over all frames and channels of the
    embeddings: how alike two joints of this body move. P is learned and the same for every body.
    """

    def __init__(self, graph: Float[Tensor, "K V V"], width_in: int, width: int):
        super().__init__()
        K = len(graph)
        self.offset = nn.Parameter(torch.full(graph.shape, 1e-6, dtype=graph.dtype))  # P
        self.theta = nn.Linear(width_in, K * (width // REDUCTION))
        self.phi = nn.Linear(width_in, K * (width // REDUCTION))
        self.mix = nn.Linear(K * width_in, width, bias=False)  # [W_1 | ... | W_K]
        self.bias = nn.Parameter(torch.zeros(K, width))

    def forward(self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"]) -> Float[Tensor, "B T V D"]:
        return mix_last(neighbours(x, graph + self.offset + self.seen(x)), self.mix.weight, self.bias.sum(0))

    def seen(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B K V V"]:
        """S: for each body and partition, how much every joint takes from every other; each column sums to 1."""
        return likeness(x, self.theta, self.phi, len(self.bias)).softmax(2)


class Block(nn.Module):
    """y = ReLU(TCN(h) + R(x)), h = ReLU(BN(GCN(x)) + D(x)), TCN being convolution over time, BatchNorm and dropout.

    R is nothing in the first block; else R and D are x itself where the shapes agree, and otherwise projections.
    """

    def __init__(
        self,
        graph: Float[Tensor, "K V V"],
        width_in: int,
        width: int,
        stride: int,
        kernel: int,
        dropout: float,
        residual: bool,
    ):
        super().__init__()
        self.spatial = AdaptiveGraphConvolution(graph, width_in, width)
        self.spatial_norm = BatchNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.temporal = TemporalConvolution(width, kernel, stride)
        self.temporal_norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"], copies: int = 1
    ) -> Float[Tensor, "B S V D"]:
        y = self.spatial_norm(self.spatial(x, graph), copies)
        y = F.relu_(y.add_(self.graph_residual(x, copies)))  # (B, T, V, D)
        y = self.dropout(self.temporal_norm(over_time(self.temporal, y), copies))  # (B, S, V, D), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return F.relu_(y)


def folded(network: nn.Module, dtype: torch.dtype) -> Any:
    """A copy for inference of a network of such blocks: BatchNorm has gone into the convolutions before it."""
    model: Any = deepcopy(network).eval().requires_grad_(False)
    for block in model.blocks:
        spatial, (scale, shift) = block.spatial, scale_and_shift(block.spatial_norm)
        spatial.mix.weight.copy_(spatial.mix.weight * scale[:, None])
        constant = spatial.bias.sum(0) * scale + shift
        spatial.bias.zero_()[0] = constant
        block.spatial_norm = Identity()
        fold_norm(block, block.temporal, "temporal_norm")
    finish_folding(model, dtype)
    return model


EMBEDDINGS = [rows(".weight", equal_rows, convolution=True), rows(".bias", equal_rows)]  # one for each partition
ADAPTIVE = [  # a convolution for each partition, whose results are summed
    Leaf(
        ".mix.weight",
        ".weight",
        lambda parts, _: torch.cat([part.flatten(1) for part in parts], 1),
        lambda ours, sizes: as_convolutions(list(ours.chunk(sizes.parts, 1))),
    ),
    Leaf(".bias", ".bias", lambda parts, _: torch.stack(parts), lambda ours, _: list(ours)),
]


def adaptive(gcn: str) -> list[Row]:
    """Rows of the graph convolution that both papers name alike."""
    convolutions = {letter: [f"{gcn}.conv_{letter}.{k}" for k in range(PARTITIONS)] for letter in "abd"}
    return [
        ("spatial.theta", convolutions["a"], EMBEDDINGS),
        ("spatial.phi", convolutions["b"], EMBEDDINGS),
        ("spatial", convolutions["d"], ADAPTIVE),
        ("spatial_norm", f"{gcn}.bn", "norm"),
        ("graph_residual.mix", f"{gcn}.down.0", "matrix"),
        ("graph_residual.norm", f"{gcn}.down.1", "norm"),
    ]


def over_time_rows(tcn: str, convolution: str, norm: str) -> list[Row]:
    """Rows of the convolution over time and of the projection beside it."""
    return [
        ("temporal", f"{tcn}.{convolution}", "layer"),
        ("temporal_norm", f"{tcn}.{norm}", "norm"),
        ("residual.mix", f"residual.{convolution}", "matrix"),
        ("residual.norm", f"residual.{norm}", "norm"),
    ]


MMACTION0 = Table(
    "mmaction0",
    [("A", "backbone.A", "tensor"), ("data_norm", "backbone.data_bn", "norm"), ("head", "cls_head.fc", "matrix")],
    "backbone.agcn_networks.{i}.",
    [("spatial.offset", "gcn.PA", "tensor"), *adaptive("gcn"), *over_time_rows("tcn", "0", "1")],
)
AUTHORS = Table(
    "2s-agcn",
    [("data_norm", "data_bn", "norm"), ("head", "fc", "layer")],
    "l{n}.",
    [("spatial.offset", "gcn1.PA", "tensor"), *adaptive("gcn1"), *over_time_rows("tcn1", "conv", "bn")],
    graph="inward_outward",
)


class AGCN(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))), one BN scale for each joint and channel.

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w. Published with
            the strategy `inward_outward`.
        channels: numbers per joint and frame.
        classes: number of classes.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        kernel: frames that the convolution over time sees, an odd number.
        dropout: probability, in every block but the first; 0 as published.

    Raises ValueError naming a number that is out of range.

    Source: MMAction2 0.x, backbones/agcn.py; lshiwjx/2s-AGCN, model/agcn.py.
    """

    CHECKPOINTS = (MMACTION0,)

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        kernel: int = 9,
        dropout: float = 0.0,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout, narrowest=REDUCTION)
        check_kernel(kernel)
        graph = self.A
        self.data_norm = BatchNorm(graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, kernel, dropout if i else 0.0, residual=i > 0)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self)

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. copies: how many bodies the last one stands for while training."""
        x = scale_joints(self.data_norm, x, copies)
        for block in self.blocks:
            x = block(x, self.A, copies)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the convolutions before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) not in (AGCN, PersonAGCN):
            return super().fold(dtype)
        return folded(self, dtype)

    def streamed(self) -> StreamedNetwork:
        """Is not possible: the graph depends on all frames."""
        raise NotImplementedError("its graph compares the joints over all frames of a clip")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return config_of_blocks(tensors) | {"kernel": tensors["blocks.0.temporal.weight"].shape[2]}


class PersonAGCN(AGCN):
    """2s-AGCN as in its authors' own code: BN scales each person, joint and channel, and the head begins wider.

    A clip is normalised as a whole, as in `AAGCN`. Files of weights of that code hold no graph: it is the layout's.

    Args:
        people: bodies that the norm has scales for. A clip of fewer is filled up with zeros, of more is refused.
        adjacency, channels, classes, widths, strides, kernel, dropout: as of `AGCN`.

    Source: lshiwjx/2s-AGCN, model/agcn.py.
    """

    CHECKPOINTS = (AUTHORS,)

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        people: int = 2,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        kernel: int = 9,
        dropout: float = 0.0,
    ):
        super().__init__(adjacency, channels, classes, widths=widths, strides=strides, kernel=kernel, dropout=dropout)
        check_people(people)
        self.people = people
        self.data_norm = BatchNorm(people * self.A.shape[1] * channels)
        if not self.head.weight.is_meta:
            self.head.reset_parameters()
            draw_head(self.head, "authors")

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N P T V C"]:
        """The norm over all people of a clip."""
        return scale_people(self.data_norm, x, self.people)

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. x: normalised. copies: how many bodies the last one stands for in training."""
        for block in self.blocks:
            x = block(x, self.A, copies)
        return x

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        config = super().config_of(tensors)
        return config | {"people": people_of(tensors, config["channels"])}


def initialise(model: AGCN) -> None:
    """First weights as published: normal with variance 2 / fan-out, the head's 1e-4 (MMAction2); biases 0.

    W_k has variance 2 / (in · out · K), and the scale of the BatchNorm behind the graph convolution is 1e-6: at first
    its shortcut speaks alone.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for name, layer in model.named_modules():
        if isinstance(layer, AdaptiveGraphConvolution):
            nn.init.normal_(layer.mix.weight, 0.0, math.sqrt(2 / layer.mix.weight.numel()))
        elif isinstance(layer, nn.Linear | nn.Conv2d) and not name.endswith("spatial.mix"):
            fan_out = layer.weight[:, 0].numel()
            if name.endswith(("theta", "phi")):
                fan_out //= len(model.A)  # published as one convolution for each partition
            nn.init.normal_(layer.weight, 0.0, 0.01 if name == "head" else math.sqrt(2 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, BatchNorm) and name.endswith("spatial_norm"):
            nn.init.constant_(layer.weight, 1e-6)
