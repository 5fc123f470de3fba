"""ST-GCN, the spatial-temporal graph convolutional network of Yan et al. 2018 (arXiv:1801.07455).

The function that yysijie/st-gcn and MMAction2 compute, held to their published outputs by the tests, written for bodies
in (body, time, joint, channel) order from the first layer to the last: mixing channels is then one matrix product
without a copy, and the convolution over time runs in its fastest memory order.
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity, check_blocks, check_kernel, over_time, scale_joints, shortcut
from kinegraph.models.layers.folding import FoldedGraphConvolution, finish_folding, fold_norm
from kinegraph.models.layers.graph_product import graph_product
from kinegraph.models.layers.streaming import Ring, Rows, StreamedBlock, StreamedNetwork, over_frames
from kinegraph.models.layers.winograd import TemporalConvolution
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import GCN_BLOCK, Table, config_of_blocks


class GraphConvolution(nn.Module):
    """z[w] = sum_k W_k (sum_v G_k[v, w] x[v]) + b_k (sum_v G_k[v, w]), where G_k[v, w] weighs the edge v -> w.

    The published code mixes channels first and sums over neighbours then. With the sum first the result is the same,
    and the K times wider array of mixed channels is never built.
    """

    def __init__(self, partitions: int, width_in: int, width: int):
        super().__init__()
        self.mix = nn.Linear(partitions * width_in, width, bias=False)  # [W_1 | ... | W_K]
        self.bias = nn.Parameter(torch.zeros(partitions, width))

    @torch.no_grad()
    def draw_uniform(self) -> None:
        """First weights of torch's own for the published convolution, which mixes no partitions."""
        bound = 1 / math.sqrt(self.mix.in_features // len(self.bias))
        nn.init.uniform_(self.mix.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

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
        padding: str,
    ):
        super().__init__()
        self.importance = nn.Parameter(torch.ones(graph.shape, dtype=graph.dtype)) if edges == "importance" else None
        self.graph = nn.Parameter(graph.clone()) if edges == "learned" else None
        self.spatial = GraphConvolution(len(graph), width_in, width)
        self.spatial_norm = BatchNorm(width)
        self.temporal = TemporalConvolution(width, kernel, stride, padding)
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


class Streamed(StreamedBlock):
    """A folded block, frame by frame."""

    def __init__(self, block: Any):
        (kernel, _), (stride, _) = block.temporal.kernel_size, block.temporal.stride
        join = over_frames(block.temporal)
        super().__init__(block.spatial, block.graph_residual, block.residual, join, kernel // 2, stride)
        self.kernel = kernel

    def across(self, h: Ring) -> Rows:
        return h.at(0, self.kernel)


BLOCK_2018 = [  # our module or tensor in a block, theirs, and the form that one takes as the other (tensor_forms.py)
    ("spatial", "gcn.conv", "spatial"),
    ("spatial_norm", "tcn.0", "norm"),
    ("temporal", "tcn.2", "layer"),
    ("temporal_norm", "tcn.3", "norm"),
    ("residual.mix", "residual.0", "matrix"),
    ("residual.norm", "residual.1", "norm"),
]
BLOCK = [*GCN_BLOCK, ("importance", "gcn.PA", "tensor"), ("temporal", "tcn.conv", "layer")]
NEVER_LEARNED = ("edges", "learned", "learns its edges as edges='learned' does")
BLOCK_TENSORFLOW = [
    ("spatial", "sgcn/conv", "keras_spatial"),
    ("spatial_norm", "tgcn/layer_with_weights-0", "keras_norm"),
    ("temporal", "tgcn/layer_with_weights-1", "keras_layer"),
    ("temporal_norm", "tgcn/layer_with_weights-2", "keras_norm"),
    ("residual.mix", "residual/layer_with_weights-0", "keras_matrix"),
    ("residual.norm", "residual/layer_with_weights-1", "keras_norm"),
]
PADS_SAME = ("padding", "same", "pads its convolutions over time as TensorFlow does")
NO_IMPORTANCE = ("edges", "importance", "learns the importance of its edges")
NO_GRAPH_RESIDUAL = ("graph_residual", True, "has a residual path around its graph convolution")


def table_2018(dialect: str, backbone: str, head: str) -> Table:
    """yysijie/st-gcn and MMAction2 0.x, which differ in the first words of the names."""
    return Table(
        dialect,
        [
            ("A", f"{backbone}A", "tensor"),
            ("data_norm", f"{backbone}data_bn", "norm"),
            ("blocks.{i}.importance", backbone + "edge_importance.{i}", "tensor"),
            ("head", head, "matrix"),
        ],
        backbone + "st_gcn_networks.{i}.",
        BLOCK_2018,
        [NEVER_LEARNED, NO_GRAPH_RESIDUAL, PADS_SAME],
    )


def table_of_blocks(dialect: str, head: str) -> Table:
    """MMAction2 1.x and PYSKL."""
    rows = [
        ("A", "backbone.gcn.{i}.gcn.A", "copies"),
        ("data_norm", "backbone.data_bn", "norm"),
        ("head", head, "layer"),
    ]
    return Table(dialect, rows, "backbone.gcn.{i}.", BLOCK, [NEVER_LEARNED, PADS_SAME])


def table_tensorflow() -> Table:
    """itskalvik/ST-GCN."""
    rows = [("A", "A", "tensor"), ("data_norm", "data_bn", "keras_norm"), ("head", "logits", "keras_matrix")]
    return Table(
        "tensorflow",
        rows,
        "STGCN_layers/{i}/",
        BLOCK_TENSORFLOW,
        [NEVER_LEARNED, NO_IMPORTANCE, NO_GRAPH_RESIDUAL],
        [("norm_eps", 1e-3), ("norm_momentum", 0.01), ("padding", "same")],
        counts=False,
    )


class STGCN(SkeletonNetwork):
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
        padding: zeros before and after the frames of a convolution over time. "symmetric" adds kernel // 2 at both
            ends; "same" divides them as TensorFlow does: at stride 2, 3 and 4 for an even number of frames.
        init: first weights as in MMAction2 0.x ("kaiming"), MMAction2 1.x ("mmaction1"), PYSKL ("pyskl"),
            yysijie/st-gcn ("stgcn2018") or itskalvik/ST-GCN ("tensorflow").
        norm_eps: added to the variance; 1e-3 in the TensorFlow implementation.
        norm_momentum: share of a batch in the running statistics; 0.01 in the TensorFlow implementation.

    Raises ValueError naming a number or word that is out of range.

    Source: MMAction2 0.x, backbones/stgcn.py and heads/stgcn_head.py; yysijie/st-gcn, net/st_gcn.py;
    itskalvik/ST-GCN, model/stgcn.py.
    """

    CHECKPOINTS = (
        table_2018("stgcn2018", "", "fcn"),
        table_2018("mmaction0", "backbone.", "cls_head.fc"),
        table_of_blocks("mmaction1", "cls_head.fc"),
        table_of_blocks("pyskl", "cls_head.fc_cls"),
        table_tensorflow(),
    )

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
        padding: Literal["symmetric", "same"] = "symmetric",
        init: Literal["kaiming", "mmaction1", "pyskl", "stgcn2018", "tensorflow"] = "kaiming",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout)
        check_kernel(kernel)
        _check_choices(edges=edges, init=init, padding=padding)
        graph = self.A
        self.data_norm = BatchNorm(graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, kernel, dropout if i else 0.0, edges, i > 0, graph_residual, padding)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, strides, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self, init)
        for norm in self.modules():
            if isinstance(norm, BatchNorm):
                norm.eps, norm.momentum = norm_eps, norm_momentum

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The blocks one after another. copies: how many bodies the last one stands for while training."""
        x = scale_joints(self.data_norm, x, copies)
        for block in self.blocks:
            x = block(x, self.A, copies)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the convolutions before it, graphs and constants are computed once.

        A subclass may do something else with its graph or between layers: its copy keeps all of them.
        """
        if type(self) is not STGCN:
            return super().fold(dtype)
        model: Any = deepcopy(self).eval().requires_grad_(False)
        for block in model.blocks:
            importance, block.importance = block.importance, None
            graph = block.graph if block.graph is not None else model.A
            graph = graph if importance is None else graph * importance
            mix, bias, norm = block.spatial.mix.weight, block.spatial.bias, block.spatial_norm
            block.spatial, block.spatial_norm = FoldedGraphConvolution(mix, bias, norm, graph), Identity()
            fold_norm(block, block.temporal, "temporal_norm")
        finish_folding(model, dtype)
        return model

    @torch.no_grad()
    def streamed(self) -> StreamedNetwork:
        """Folded, frame by frame; not of a subclass, which may look at time in other ways."""
        if type(self) is not STGCN:
            return super().streamed()
        if self.config["padding"] == "same" and max(self.config["strides"]) > 1:
            raise NotImplementedError("its padding depends on how many frames a clip has")
        model: Any = self.fold(torch.float64).float()  # in float64 convolutions over time stay as they are
        return StreamedNetwork(self.data_norm, [Streamed(block) for block in model.blocks])

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return config_of_blocks(tensors) | {
            "kernel": tensors["blocks.0.temporal.weight"].shape[2],
            "edges": "importance" if "blocks.0.importance" in tensors else "fixed",
            "graph_residual": any(".graph_residual." in name for name in tensors),
        }


UNIFORM = {"mmaction1": (".spatial", ".graph_residual"), "pyskl": ("blocks.",)}  # layers whose weights are torch's own


def initialise(model: STGCN, init: str) -> None:
    """First weights as a published implementation draws them; biases 0, BatchNorm scales 1 where nothing else is said.

    "kaiming": normal, variance 2 / fan-out, the head's 1e-4 (MMAction2 0.x). "stgcn2018": normal(0, 0.02), scales of
    BatchNorm normal(1, 0.02). "tensorflow": normal cut at two deviations, variance 2 / fan-out. "pyskl": torch's own,
    uniform within 1 / sqrt(fan-in), biases too, the head as "kaiming". "mmaction1": the graph convolution as "pyskl",
    all else as "kaiming".
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for name, layer in model.named_modules():
        if isinstance(layer, BatchNorm) and init == "stgcn2018":
            nn.init.normal_(layer.weight, 1.0, 0.02)
        if isinstance(layer, GraphConvolution) and init in UNIFORM:
            layer.draw_uniform()
        if not isinstance(layer, nn.Linear | nn.Conv2d) or any(part in name for part in UNIFORM.get(init, ())):
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


def _check_choices(**given: str) -> None:
    """Raises ValueError with what was found and what is allowed."""
    choices = {
        "edges": ("importance", "fixed", "learned"),
        "init": ("kaiming", "mmaction1", "pyskl", "stgcn2018", "tensorflow"),
        "padding": ("symmetric", "same"),
    }
    for name, allowed in choices.items():
        if given[name] not in allowed:
            raise ValueError(f"{name} is '{given[name]}', expected {' or '.join(allowed)}")
