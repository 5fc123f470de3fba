"""AAGCN, of Shi et al. 2020 (arXiv:1912.06971): 2s-AGCN with attention to joints, frames and channels.

The function that PYSKL and MMAction2 1.x compute, held to their published outputs by the tests, in (body, time, joint,
channel) order as `stgcn.py`. Without attention it is what MMAction2 1.x calls 2s-AGCN; `agcn.py` is the other one, of
the paper of 2019 and of MMAction2 0.x.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.agcn import REDUCTION, adaptive, folded, over_time_rows
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import (
    Identity,
    InitOrAuthors,
    Projection,
    check_blocks,
    check_init,
    check_kernel,
    check_people,
    draw_head,
    draw_projections,
    over_time,
    scale_people,
    shortcut,
)
from kinegraph.models.layers.body_graphs import likeness, neighbours
from kinegraph.models.layers.products import mix_last
from kinegraph.models.layers.scaling import scaled
from kinegraph.models.layers.winograd import TemporalConvolution
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import Row, Table, config_of_blocks, people_of

FRAMES = 9  # that the attention to a frame looks at


class AdaptiveGraphConvolution(nn.Module):
    """z[w] = sum_k W_k (sum_v B_k[v, w] x[v]) + b_k, with B = A + alpha S: what is learned and what is seen.

    S_k[v, w] = tanh(theta_k(x[v]) . phi_k(x[w]) / size), the product over all frames and channels of the embeddings:
    how alike two joints of this body move. A begins as the skeleton and is the same for every body.
    """

    def __init__(self, graph: Float[Tensor, "K V V"], width_in: int, width: int):
        super().__init__()
        K = len(graph)
        self.graph = nn.Parameter(graph.clone())  # A
        self.alpha = nn.Parameter(torch.zeros(1))
        self.theta = nn.Linear(width_in, K * (width // REDUCTION))
        self.phi = nn.Linear(width_in, K * (width // REDUCTION))
        self.mix = nn.Linear(K * width_in, width, bias=False)  # [W_1 | ... | W_K]
        self.bias = nn.Parameter(torch.zeros(K, width))

    def forward(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T V D"]:
        graph = self.graph + self.alpha * likeness(x, self.theta, self.phi, len(self.graph)).tanh()
        return mix_last(neighbours(x, graph), self.mix.weight, self.bias.sum(0))


class Attention(nn.Module):
    """y (1 + s_v), then (1 + s_t), then (1 + s_c): what matters of joints, of frames, of channels, each from 0 to 1.

    s_v = sigmoid(conv(mean of y over time)), along the joints in their order; s_t = sigmoid(conv(mean over joints)),
    along time; s_c = sigmoid(W' ReLU(W mean over both)).
    """

    def __init__(self, width: int, joints: int):
        super().__init__()
        kernel = joints - (1 - joints % 2)  # odd
        self.joints = nn.Conv1d(width, 1, kernel, padding=kernel // 2)
        self.frames = nn.Conv1d(width, 1, FRAMES, padding=FRAMES // 2)
        self.squeeze = nn.Linear(width, width // 2)
        self.excite = nn.Linear(width // 2, width)

    def forward(self, y: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T V C"]:
        # means of y itself, weighted by the attention so far: y is scaled once
        of_joints = 1 + self.joints(y.mean(1).mT).sigmoid()  # (B, 1, V)
        frames = (of_joints[:, None] @ y).squeeze(2) / y.shape[2]  # (B, T, C)
        of_frames = 1 + self.frames(frames.mT).sigmoid()  # (B, 1, T)
        mean = (of_frames @ frames).squeeze(1) / y.shape[1]  # (B, C)
        of_channels = 1 + self.excite(F.relu(self.squeeze(mean))).sigmoid()
        return scaled(y, of_frames.mT * of_joints, of_channels)


class Block(nn.Module):
    """y = ReLU(BN(TCN(h)) + R(x)), h = attention(ReLU(BN(GCN(x)) + D(x))), TCN being convolution over time.

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
        attention: bool,
    ):
        super().__init__()
        self.spatial = AdaptiveGraphConvolution(graph, width_in, width)
        self.spatial_norm = BatchNorm(width)
        self.graph_residual = shortcut(width_in, width)
        self.attention = Attention(width, graph.shape[1]) if attention else Identity()
        self.temporal = TemporalConvolution(width, kernel, stride)
        self.temporal_norm = BatchNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = shortcut(width_in, width, stride) if residual else None

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        y = self.spatial_norm(self.spatial(x), copies)
        y = self.attention(F.relu_(y.add_(self.graph_residual(x, copies))))  # (B, T, V, D)
        y = self.dropout(self.temporal_norm(over_time(self.temporal, y), copies))  # (B, S, V, D), S = T / stride
        if self.residual is not None:
            y = y.add_(self.residual(x, copies))
        return F.relu_(y)


def _rows(gcn: str, graph: str, tcn: str) -> list[Row]:
    return [
        ("spatial.graph", f"{gcn}.{graph}", "tensor"),
        ("spatial.alpha", f"{gcn}.alpha", "tensor"),
        *adaptive(gcn),
        ("attention.joints", f"{gcn}.conv_sa", "layer"),
        ("attention.frames", f"{gcn}.conv_ta", "layer"),
        ("attention.squeeze", f"{gcn}.fc1c", "layer"),
        ("attention.excite", f"{gcn}.fc2c", "layer"),
        *over_time_rows(tcn, "conv", "bn"),
    ]


class AAGCN(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Blocks(BN(x)))); BN scales each person, joint and channel.

    A clip is normalised as a whole: the scales know the first person from the second, so exchanging people changes the
    result, and a person who is not there becomes the constants of the norm, not zero.

    Args:
        adjacency: where every block's graph starts, 3 partitions; adjacency[k, v, w] weighs the edge from joint v to
            joint w. Published with the strategy `inward_outward`.
        channels: numbers per joint and frame.
        classes: number of classes.
        attention: to joints, frames and channels; False is the 2s-AGCN of MMAction2 1.x.
        people: bodies that the norm has scales for. A clip of fewer is filled up with zeros, of more is refused.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        kernel: frames that the convolution over time sees, an odd number.
        dropout: probability, in every block but the first; 0 as published.
        init: first weights of PYSKL ("pyskl"), of MMAction2 1.x ("mmaction1") or of the "authors", see `initialise`.

    Raises ValueError naming a number that is out of range.

    Source: PYSKL, models/gcns/aagcn.py; MMAction2 1.x, backbones/aagcn.py; the same function is lshiwjx/2s-AGCN,
    model/aagcn.py.
    """

    CHECKPOINTS = (
        *(
            Table(
                dialect,
                [("A", "backbone.A", "tensor"), ("data_norm", "backbone.data_bn", "norm"), ("head", head, "layer")],
                "backbone.gcn.{i}.",
                _rows("gcn", "A", "tcn"),
            )
            for dialect, head in (("mmaction1", "cls_head.fc"), ("pyskl", "cls_head.fc_cls"))
        ),
        Table(
            "2s-agcn",
            [("data_norm", "data_bn", "norm"), ("head", "fc", "layer")],
            "l{n}.",
            _rows("gcn1", "PA", "tcn1"),
            graph="inward_outward",
        ),
    )

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        attention: bool = True,
        people: int = 2,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        kernel: int = 9,
        dropout: float = 0.0,
        init: InitOrAuthors = "pyskl",
    ):
        super().__init__(adjacency, channels, classes, width=0)
        check_init(init, InitOrAuthors)
        strides = self.choose_strides(widths, strides)
        check_blocks(widths, strides, dropout, narrowest=REDUCTION)
        check_kernel(kernel)
        check_people(people)
        graph = self.A
        self.people = people
        self.data_norm = BatchNorm(people * graph.shape[1] * channels)
        self.blocks = nn.ModuleList(
            Block(graph, a, b, stride, kernel, dropout if i else 0.0, residual=i > 0, attention=attention)
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
        """BatchNorm goes into the convolutions before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) is not AAGCN:
            return super().fold(dtype)
        return folded(self, dtype)

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        config = config_of_blocks(tensors)
        return config | {
            "attention": "blocks.0.attention.joints.weight" in tensors,
            "people": people_of(tensors, config["channels"]),
            "kernel": tensors["blocks.0.temporal.weight"].shape[2],
        }


def initialise(model: AAGCN, init: str) -> None:
    """First weights as published: normal with variance 2 / fan-out, the head's 1e-4; biases 0.

    W_k has variance 2 / (in · out · K), and the scale of the BatchNorm behind the graph convolution is 1e-6: at first
    its shortcut speaks alone. Every attention begins at 1/2. Projections between blocks keep torch's choice, as in
    PYSKL; MMAction2 1.x and the authors draw them like the others. The authors' head: see `draw_head`.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for block in model.blocks:
        assert isinstance(block, Block)
        spatial, temporal = block.spatial, block.temporal
        embedded = spatial.theta.out_features // len(spatial.graph)
        layers = [(spatial.theta, embedded), (spatial.phi, embedded), (temporal, temporal.weight[:, 0].numel())]
        if isinstance(block.graph_residual, Projection):
            layers.append((block.graph_residual.mix, block.graph_residual.mix.out_features))
        for layer, fan_out in layers:
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / fan_out))
            nn.init.zeros_(layer.get_parameter("bias"))
        nn.init.normal_(spatial.mix.weight, 0.0, math.sqrt(2 / spatial.mix.weight.numel()))
        nn.init.constant_(block.spatial_norm.weight, 1e-6)
        if isinstance(block.attention, Attention):
            initialise_attention(block.attention)
    draw_projections(model.blocks, init)
    draw_head(model.head, init)


def initialise_attention(attention: Attention) -> None:
    """To joints Xavier normal, to frames and channels 0 behind Kaiming normal by fan-in."""
    nn.init.xavier_normal_(attention.joints.weight)
    nn.init.zeros_(attention.frames.weight)
    nn.init.normal_(attention.squeeze.weight, 0.0, math.sqrt(2 / attention.squeeze.in_features))
    nn.init.zeros_(attention.excite.weight)
    for layer in attention.children():
        nn.init.zeros_(layer.get_parameter("bias"))
