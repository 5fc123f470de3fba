"""MS-G3D, multi-scale graph convolutions in space and in space-time, of Liu et al. 2020 (arXiv:2003.14111).

The function that PYSKL and MMAction2 1.x compute, held to their published outputs by the tests, in (body, time, joint,
channel) order as `stgcn.py`. Written from its formulas. The authors' own code divides graphs by the degrees of both
joints of an edge (`symmetric`).
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
    InitOrAuthors,
    check_init,
    check_people,
    draw_head,
    draw_kaiming,
    draw_projections,
    over_time,
    scale_people,
    shortcut,
)
from kinegraph.models.layers.folding import Rounded, finish_folding, fold_norm
from kinegraph.models.layers.products import quick_linear
from kinegraph.models.layers.scales import (
    SCALES,
    WINDOW_SCALES,
    FixedGraphConvolution,
    ScaledGraphConvolution,
    bones_of,
    scales_of,
    windows_of,
)
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import COUNT, VECTORS, Leaf, Row, Sizes, Table, copies, first, rows

STAGES = 3
WINDOWS = (3, 5)  # frames
DILATIONS = (1, 2, 3, 4)
BRANCHES = len(DILATIONS) + 2


# ---- layers ----------------------------------------------------------------------------------------------------------


class WindowConvolution(nn.Module):
    """y[t] = BN(W h[t - r .. t + r]), h = the graph convolution of all joints of the w = 2 r + 1 frames around t.

    A joint so meets its neighbours of other frames in one step. Before the first and behind the last frame lie zeros.
    """

    def __init__(
        self, window: int, joints: int, width_in: int, inner: int, width: int, stride: int, scales: int = WINDOW_SCALES
    ):
        super().__init__()
        self.window, self.stride = window, stride
        self.spatial = ScaledGraphConvolution(scales, window * joints, width_in, inner)
        self.join = nn.Linear(window * inner, width)
        self.join_norm = BatchNorm(width)

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "K wV wV"], copies: int = 1
    ) -> Float[Tensor, "B S V D"]:
        V, w = x.shape[2], self.window
        x = F.pad(x, (0, 0, 0, 0, w // 2, w // 2)).unfold(1, w, self.stride)  # (B, S, V, C, w)
        h = self.spatial(x.permute(0, 1, 4, 2, 3).flatten(2, 3), graph, copies)  # (B, S, w V, C)
        h = h.unflatten(2, (w, V)).transpose(2, 3).flatten(3)  # (B, S, V, w C)
        return self.join_norm(quick_linear(self.join, h), copies)


class MultiScaleConvolution(nn.Module):
    """y = BN([conv_1(h_1), .., conv_4(h_4), max(h_5), g]) + R(x), and ReLU(y) where it is `active`.

    [h_1, .., h_5] = ReLU(BN(W x)), g = W' x; conv_d sees three frames d apart, max three, g only its own. R is x itself
    where the shapes agree, else a projection.
    """

    def __init__(self, width_in: int, width: int, stride: int = 1, active: bool = True):
        super().__init__()
        self.stride, self.active, self.share = stride, active, width // BRANCHES
        self.moving = (BRANCHES - 1) * self.share
        self.divide = nn.Linear(width_in, width)  # [W; W']
        self.divide_norm = BatchNorm(self.moving)
        self.dilated = nn.ModuleList(
            nn.Conv2d(self.share, self.share, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
            for dilation in DILATIONS
        )
        self.highest = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.norm = BatchNorm(width)
        self.residual = shortcut(width_in, width, stride)

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        moving = quick_linear(self.divide, x, slice(self.moving))
        moving = F.relu_(self.divide_norm(moving, copies)).split(self.share, dim=3)  # each (B, T, V, c)
        seen = [over_time(convolve, h) for convolve, h in zip(self.dilated, moving, strict=False)]
        seen.append(over_time(self.highest, moving[-1]))
        still = quick_linear(self.divide, x[:, :: self.stride], slice(self.moving, None))
        y = self.norm(torch.cat([*seen, still], dim=3), copies) + self.residual(x, copies)
        return F.relu_(y) if self.active else y


class Stage(nn.Module):
    """y = TCN(ReLU(F(x) + sum_w G_w(x))): one path factorises space and time, the others see windows of w frames.

    F is a graph convolution of several scales and two convolutions over time, of which the second has no ReLU.
    """

    def __init__(
        self, joints: int, width_in: int, width: int, stride: int, first: bool, scales: int, window_scales: int
    ):
        super().__init__()
        inner = width if first else width_in
        self.spatial = ScaledGraphConvolution(scales, joints, width_in, inner)
        self.temporal = nn.ModuleList(
            (MultiScaleConvolution(inner, width, stride), MultiScaleConvolution(width, width, active=False))
        )
        self.windows = nn.ModuleList(
            WindowConvolution(w, joints, width_in, inner, width, stride, window_scales) for w in WINDOWS
        )
        self.last = MultiScaleConvolution(width, width)

    def forward(
        self, x: Float[Tensor, "B T V C"], graph: Tensor, window_graphs: Sequence[Tensor], copies: int = 1
    ) -> Float[Tensor, "B S V D"]:
        y = self.spatial(x, graph, copies)
        for layer in self.temporal:
            y = layer(y, copies)
        for layer, window_graph in zip(self.windows, window_graphs, strict=True):
            y = y + layer(x, window_graph, copies)
        return self.last(F.relu_(y), copies)


# ---- names of tensors in other projects ------------------------------------------------------------------------------


def branch_rows(ours: Tensor, sizes: Sizes) -> list[Tensor]:
    """Equal shares; the last branch also takes the rest."""
    share = len(ours) // sizes.parts
    return list(ours.split([share] * (sizes.parts - 1) + [len(ours) - (sizes.parts - 1) * share]))


def _graph_names() -> list[str]:
    """Where they keep the graph, and all that follows from it."""
    windows = [f"backbone.gcn3d{i}.gcn3d.{k}.gcn3d.1.A" for k in range(2) for i in range(1, STAGES + 1)]
    return ["backbone.A", *(f"backbone.sgcn{i}.0.A" for i in range(1, STAGES + 1)), *windows]


def their_graphs(graph: Tensor, sizes: Sizes | None = None) -> list[Tensor]:
    """The tensors of `_graph_names`."""
    bones = graph[0]
    return [
        bones,
        *[scales_of(bones, SCALES)] * STAGES,
        *(windows_of(bones, w) for w in WINDOWS for _ in range(STAGES)),
    ]


def our_graph(parts: list[Tensor], partitions: int) -> Tensor:
    bones = parts[0][None]
    if any(a.shape != b.shape or (a - b).abs().max() > 1e-5 for a, b in zip(parts, their_graphs(bones), strict=False)):
        raise ValueError("the graphs of its layers are not the scales of its graph 'backbone.A'")
    return bones


def _windowed(window: int) -> list[Leaf]:
    """A convolution over the frames of a window, as a matrix."""
    return [
        Leaf(
            ".weight",
            ".weight",
            lambda parts, _: parts[0].squeeze(4).squeeze(2).transpose(1, 2).flatten(1),
            lambda ours, _: [ours.unflatten(1, (window, -1)).transpose(1, 2)[:, :, None, :, None]],
        ),
        Leaf(".bias", ".bias", first, copies),
    ]


BRANCH_LAYERS = [rows(".weight", branch_rows, convolution=True), rows(".bias", branch_rows)]
BRANCH_NORMS = [*(rows(name, branch_rows) for name in VECTORS), Leaf(COUNT, COUNT, first, copies)]


def _multi_scale(ours: str, theirs: str) -> list[Row]:
    branch = [f"{theirs}.branches.{k}" for k in range(BRANCHES)]
    return [
        (f"{ours}.divide", [f"{name}.0" for name in branch], BRANCH_LAYERS),
        (f"{ours}.divide_norm", [f"{name}.1" for name in branch[:-1]], BRANCH_NORMS),
        *((f"{ours}.dilated.{k}", f"{branch[k]}.3.conv", "layer") for k in range(4)),
        (f"{ours}.norm", [*(f"{name}.3.bn" for name in branch[:4]), f"{branch[4]}.4", f"{branch[5]}.1"], BRANCH_NORMS),
        (f"{ours}.residual.mix", f"{theirs}.residual.conv", "matrix"),
        (f"{ours}.residual.norm", f"{theirs}.residual.bn", "norm"),
    ]


def _below(parts: list[Tensor], partitions: int) -> Tensor:
    """Offsets of all scales, one below another, from the joint that gathers to those it gathers from."""
    return parts[0].unflatten(0, (-1, parts[0].shape[1])).mT.contiguous()


PYSKL_OFFSET: Row = ("offset", "PA", "tensor")
AUTHORS_OFFSET: Row = ("offset", "A_res", [Leaf("", "", _below, lambda ours, _: [ours.mT.flatten(0, 1)])])


def _graph_layer(ours: str, theirs: str, offset: Row) -> list[Row]:
    return [
        (f"{ours}.{offset[0]}", f"{theirs}.{offset[1]}", offset[2]),
        (f"{ours}.mix", f"{theirs}.mlp.layers.0", "matrix"),
        (f"{ours}.norm", f"{theirs}.mlp.layers.1", "norm"),
    ]


def _stage(i: int, prefix: str, offset: Row) -> list[Row]:
    ours, there, spatial = f"blocks.{i}", f"{prefix}gcn3d{i + 1}.gcn3d", f"{prefix}sgcn{i + 1}"
    windows = [
        row
        for k, window in enumerate(WINDOWS)
        for row in (
            *_graph_layer(f"{ours}.windows.{k}.spatial", f"{there}.{k}.gcn3d.1", offset),
            (f"{ours}.windows.{k}.join", f"{there}.{k}.out_conv", _windowed(window)),
            (f"{ours}.windows.{k}.join_norm", f"{there}.{k}.out_bn", "norm"),
        )
    ]
    return [
        *_graph_layer(f"{ours}.spatial", f"{spatial}.0", offset),
        *(row for k in (0, 1) for row in _multi_scale(f"{ours}.temporal.{k}", f"{spatial}.{k + 1}")),
        *windows,
        *_multi_scale(f"{ours}.last", f"{prefix}tcn{i + 1}"),
    ]


def _stages(prefix: str, offset: Row) -> list[Row]:
    return [
        ("data_norm", f"{prefix}data_bn", "norm"),
        *(row for i in range(STAGES) for row in _stage(i, prefix, offset)),
    ]


class MSG3D(SkeletonNetwork):
    """logits = Linear(mean over people, time and joints (Stages(BN(x)))); BN scales each person, joint and channel.

    A clip is normalised as a whole: the scales know the first person from the second, so exchanging people changes the
    result, and a person who is not there becomes the constants of the norm, not zero.

    Args:
        adjacency: any partition of the bones; only which joints are connected matters.
        channels: numbers per joint and frame.
        classes: number of classes.
        people: bodies that the norm has scales for. A clip of fewer is filled up with zeros, of more is refused.
        widths: channels of each of the three stages.
        scales, window_scales: distances in bones, from 0 on, that have a graph each, in one frame and in a window.
        symmetric: graphs are divided by the degrees of both joints of an edge, as in the authors' own code.
        init: first weights of PYSKL ("pyskl"), of MMAction2 1.x ("mmaction1") or of the "authors", see `initialise`.

    Raises ValueError naming a number that is out of range.

    Source: PYSKL, models/gcns/msg3d.py; MMAction2 1.x, projects/msg3d; kenziyuliu/MS-G3D, model/msg3d.py.
    """

    CHECKPOINTS = (
        *(
            Table(
                dialect,
                [
                    ("A", _graph_names(), [Leaf("", "", our_graph, their_graphs)]),
                    ("head", head, "layer"),
                    *_stages("backbone.", PYSKL_OFFSET),
                ],
                "backbone.sgcn{n}.",
                [],
                always=(("symmetric", False), ("scales", SCALES), ("window_scales", WINDOW_SCALES)),
            )
            for dialect, head in (("mmaction1", "cls_head.fc"), ("pyskl", "cls_head.fc_cls"))
        ),
        Table(
            "ms-g3d",
            [("head", "fc", "layer"), *_stages("", AUTHORS_OFFSET)],
            "sgcn{n}.",
            [],
            always=(("symmetric", True),),
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
        widths: Sequence[int] = (96, 192, 384),
        scales: int = SCALES,
        window_scales: int = WINDOW_SCALES,
        symmetric: bool = False,
        init: InitOrAuthors = "pyskl",
    ):
        super().__init__(adjacency, channels, classes, width=0)
        check_init(init, InitOrAuthors)
        check_people(people)
        if len(widths) != STAGES:
            raise ValueError(f"{len(widths)} widths, expected {STAGES}")
        if min(scales, window_scales) < 1:
            raise ValueError(f"scales are {scales}, in a window {window_scales}, expected at least 1")
        if min(widths) < BRANCHES:
            raise ValueError(f"widths has {min(widths)}, expected at least {BRANCHES}")
        self.A = self.kept_graph(self.A)
        self.people, self.symmetric, joints = people, symmetric, self.A.shape[1]
        self.scales, self.window_scales = scales, window_scales
        self.data_norm = BatchNorm(people * joints * channels)
        self.blocks = nn.ModuleList(
            Stage(joints, a, b, stride, i == 0, scales, window_scales)
            for i, (a, b, stride) in enumerate(zip([channels, *widths], widths, (1, 2, 2), strict=False))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self, init)

    @staticmethod
    def kept_graph(graph: Float[Tensor, "K V V"]) -> Float[Tensor, "1 V V"]:
        """The bones of the graph, from which all graphs of the network are computed."""
        return bones_of(graph)

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N P T V C"]:
        """The norm over all people of a clip."""
        return scale_people(self.data_norm, x, self.people)

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The stages one after another. x: normalised. copies: how many bodies the last one stands for in training."""
        graph, windows = self.graphs()
        for stage in self.blocks:
            x = stage(x, graph, windows, copies)
        return x

    def graphs(self) -> tuple[Float[Tensor, "K V V"], list[Float[Tensor, "L wV wV"]]]:
        """The scales of the skeleton in one frame, and in each window."""
        bones, symmetric = self.A[0], self.symmetric
        windows = [windows_of(bones, window, symmetric, self.window_scales) for window in WINDOWS]
        return scales_of(bones, self.scales, symmetric), windows

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the layers before it; in a subclass, which may use them otherwise, it stays."""
        if type(self) is not MSG3D:
            return super().fold(dtype)
        model: Any = deepcopy(self).eval().requires_grad_(False)
        graph, windows = self.graphs()
        for stage in model.blocks:
            stage.spatial = FixedGraphConvolution(stage.spatial, graph)
            for layer, window_graph in zip(stage.windows, windows, strict=True):
                layer.spatial = FixedGraphConvolution(layer.spatial, window_graph)
                fold_norm(layer, layer.join, "join_norm")
            for layer in (*stage.temporal, stage.last):
                fold_norm(layer, layer.divide, "divide_norm")
                layer.norm = Rounded(layer.norm, dtype)
        finish_folding(model, dtype)
        return model

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        scales, joints, _ = tensors["blocks.0.spatial.offset"].shape
        channels = tensors["blocks.0.spatial.mix.weight"].shape[1] // scales
        return {
            "channels": channels,
            "classes": tensors["head.weight"].shape[0],
            "people": tensors["data_norm.weight"].numel() // (joints * channels),
            "widths": [tensors[f"blocks.{i}.last.norm.weight"].numel() for i in range(STAGES)],
            "scales": scales,
            "window_scales": tensors["blocks.0.windows.0.spatial.offset"].shape[0],
        }


def initialise(model: MSG3D, init: str) -> None:
    """First weights as published: torch's own, the graphs' offsets within 1e-6, the head's normal(0, 0.01) and 0.

    In MMAction2 1.x all of the convolutions over time are normal with variance 2 / fan-out, their biases 0. The
    authors' head is torch's own too.
    """
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    for layer in model.modules():
        if isinstance(layer, ScaledGraphConvolution):
            nn.init.uniform_(layer.offset, -1e-6, 1e-6)
        if isinstance(layer, MultiScaleConvolution) and init == "mmaction1":
            draw_kaiming(layer.divide, layer.share)  # published as one matrix for each branch
            for convolution in layer.dilated:
                draw_kaiming(convolution)
            draw_projections([layer], init)
    if init != "authors":
        draw_head(model.head, init)
