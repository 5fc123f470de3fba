"""ST-GCN, the spatial-temporal graph convolutional network of Yan et al. 2018 (arXiv:1801.07455).

The function that yysijie/st-gcn and MMAction2 compute, held to their published outputs by the tests, written for bodies
in (body, time, joint, channel) order from the first layer to the last: mixing channels is then one matrix product
without a copy, and the convolution over time runs in its fastest memory order.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.absent import clip_features, clip_logits
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import (
    check_kernel,
    check_network,
    over_time,
    published_strides,
    scale_joints,
    shortcut,
)
from kinegraph.models.layers.graph_product import graph_product
from kinegraph.models.layers.winograd import TemporalConvolution


class GraphConvolution(nn.Module):
    """z[w] = sum_k W_k (sum_v G_k[v, w] x[v]) + b_k (sum_v G_k[v, w]), where G_k[v, w] weighs the edge v -> w.

    The published code mixes channels first and sums over neighbours then. With the sum first the result is the same,
    and the K times wider array of mixed channels is never built.
    """

    def __init__(self, partitions: int, width_in: int, width: int):
        super().__init__()
        self.mix = nn.Linear(partitions * width_in, width, bias=False)  # [W_1 | ... | W_K]
        self.bias = nn.Parameter(torch.zeros(partitions, width))

    def forward(self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"]) -> Float[Tensor, "B T V D"]:
        return graph_product(x, graph, self.mix.weight, graph.sum(1).T @ self.bias)


class Block(nn.Module):
    """y = ReLU(TCN(ReLU(BN(GCN(x)))) + R(x)), TCN being convolution over time, BatchNorm and dropout.

    R is nothing in the first block, x itself where the shapes agree, else a projection. graph_residual adds one more
    path around the GCN, as ST-GCN++ does: ReLU(BN(GCN(x)) + R'(x)).
    """

    def __init__(
        self,
        graph: Float[Tensor, "K V V"],
        width_in: int,
        width: int,
        stride: int,
        kernel: int,
        dropout: float,
        edges: str,
        residual: bool,
        graph_residual: bool,
    ):
        super().__init__()
        self.importance = nn.Parameter(torch.ones_like(graph)) if edges == "importance" else None
        self.graph = nn.Parameter(graph.clone()) if edges == "learned" else None
        self.spatial = GraphConvolution(len(graph), width_in, width)
        self.spatial_norm = BatchNorm(width)
        self.temporal = TemporalConvolution(width, kernel, stride)
        self.temporal_norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None
        self.graph_residual = shortcut(width_in, width) if graph_residual else None

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K V V"], copies: int = 1
    ) -> Float[Tensor, "B S V D"]:
        if self.importance is not None:
            graph = graph * self.importance
        elif self.graph is not None:
            graph = self.graph
        y = self.spatial_norm(self.spatial(x, graph), copies)
        if self.graph_residual is not None:
            y = y.add_(self.graph_residual(x, copies))  # in place: no one else needs what BatchNorm returns
        y = F.relu_(y)  # (B, T, V, D)
        y = self.dropout(self.temporal_norm(over_time(self.temporal, y), copies))  # (B, S, V, D), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return F.relu_(y)


class STGCN(nn.Module):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))), one BN scale for each joint and channel.

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w.
        channels: numbers per joint and frame.
        classes: number of classes.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        kernel: frames that the convolution over time sees, an odd number.
        dropout: probability, in every block but the first.
        edges: "importance" multiplies every edge of every block by a learned weight, 1 at first, as published; "fixed"
            learns none, as the TensorFlow implementation; "learned" starts each block with the graph and learns all of
            it, edges that were not there too: not ST-GCN as published, but better on small data.
        graph_residual: also a residual path around the graph convolution; not ST-GCN as published either.
        init: first weights as in MMAction2 ("kaiming"), yysijie/st-gcn ("stgcn2018"), itskalvik/ST-GCN ("tensorflow").
        norm_eps: added to the variance; 1e-3 in the TensorFlow implementation.
        norm_momentum: share of a batch in the running statistics; 0.01 in the TensorFlow implementation.

    Raises ValueError naming a number or word that is out of range.

    Source: MMAction2 0.x, backbones/stgcn.py and heads/stgcn_head.py; yysijie/st-gcn, net/st_gcn.py. The TensorFlow
    implementation pads a stride of 2 by 3 and 4 frames, this network by 4 and 4 as the others.
    """

    A: Float[Tensor, "K V V"]

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
        edges: Literal["importance", "fixed", "learned"] = "importance",
        graph_residual: bool = False,
        init: Literal["kaiming", "stgcn2018", "tensorflow"] = "kaiming",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ):
        super().__init__()
        self.config: dict[str, Any] = {  # all it takes, with A, to build this network again
            "channels": channels,
            "classes": classes,
            "widths": list(widths),
            "strides": published_strides(widths) if strides is None else list(strides),
            "kernel": kernel,
            "dropout": dropout,
            "edges": edges,
            "graph_residual": graph_residual,
            "init": init,
            "norm_eps": norm_eps,
            "norm_momentum": norm_momentum,
        }
        graph = torch.as_tensor(adjacency, dtype=torch.get_default_dtype())
        _check(graph, self.config)
        self.register_buffer("A", graph.clone())
        self.data_norm = BatchNorm(graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, kernel, dropout if i else 0.0, edges, i > 0, graph_residual)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, self.config["strides"], strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self, init)
        for norm in self.modules():
            if isinstance(norm, BatchNorm):
                norm.eps, norm.momentum = norm_eps, norm_momentum

    def forward(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """Logits, before any softmax. x: as `prepare_clip` makes it. Raises ValueError for other joints or channels.

        people: how many bodies of each clip are real; the others are computed once, see `clip_logits`.
        """
        return clip_logits(self, x, people)

    def features(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N M S V D"]:
        """What the last block says of each person, moment and joint; their mean through `head` gives the logits."""
        return clip_features(self, x)

    def bodies(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. copies: how many bodies the last one stands for while training."""
        x = scale_joints(self.data_norm, x, copies)
        for block in self.blocks:
            x = block(x, self.A, copies)
        return x


def initialise(model: STGCN, init: str) -> None:
    """First weights as a published implementation draws them; biases 0, BatchNorm scales 1 where nothing else is said.

    "kaiming": normal, variance 2 / fan-out, the head's 1e-4 (MMAction2). "stgcn2018": normal(0, 0.02), scales of
    BatchNorm normal(1, 0.02). "tensorflow": normal cut at two deviations, variance 2 / fan-out.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for name, layer in model.named_modules():
        if isinstance(layer, BatchNorm) and init == "stgcn2018":
            nn.init.normal_(layer.weight, 1.0, 0.02)
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        fan_out = layer.weight[:, 0].numel()
        if name.endswith("spatial.mix"):
            fan_out *= len(model.A)  # published as one convolution to the channels of all partitions
        deviation = math.sqrt(2 / fan_out)
        if init == "stgcn2018":
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif init == "tensorflow":
            deviation /= 0.87962566  # what cutting a normal distribution at two deviations leaves of its deviation
            nn.init.trunc_normal_(layer.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
        else:
            nn.init.normal_(layer.weight, 0.0, 0.01 if name == "head" else deviation)


def _check(graph: Tensor, config: dict[str, Any]) -> None:
    """Raises ValueError with what was found and what is allowed."""
    check_network(graph, config)
    check_kernel(config["kernel"])
    choices = {"edges": ("importance", "fixed", "learned"), "init": ("kaiming", "stgcn2018", "tensorflow")}
    for name, allowed in choices.items():
        if config[name] not in allowed:
            raise ValueError(f"{name} is '{config[name]}', expected {' or '.join(allowed)}")
