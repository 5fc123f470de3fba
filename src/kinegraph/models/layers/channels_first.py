"""Folded blocks in torch's usual order (body, channel, time, joint), for networks in which every channel has its graph.

A channel's moments and joints have to lie together for its graph, and a matrix product from the left mixes channels as
well as one from the right: so nothing is put into another order between the steps of a block.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity, Projection
from kinegraph.models.layers.folding import scale_and_shift

AT_ONCE = 2  # bodies, on a CPU: fewer spend their time in calls, more do not stay in its cache


class ChannelsFirst(nn.Module):
    """Blocks of (body, channel, time, joint) as one block of (body, time, joint, channel)."""

    def __init__(self, blocks: Iterable[nn.Module]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        seen = []
        for part in x.permute(0, 3, 1, 2).split(AT_ONCE if x.device.type == "cpu" else len(x)):
            y = part.contiguous()
            for block in self.blocks:
                y = block(y)
            seen.append(y)
        return torch.cat(seen).permute(0, 2, 3, 1)


class Mix(nn.Module):
    """W x + b in the first axis behind the bodies."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: nn.Linear, norm: BatchNorm | None = None):
        """norm: comes behind the layer, and may have fewer channels: the first ones."""
        super().__init__()
        assert layer.bias is not None
        weight, bias = layer.weight.double().clone(), layer.bias.double().clone()
        if norm is not None:
            scale, shift = scale_and_shift(norm)
            rows = slice(len(scale))
            weight[rows] *= scale[:, None]
            bias[rows] = bias[rows] * scale + shift
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float()[:, None])

    def forward(self, x: Float[Tensor, "B C N"]) -> Float[Tensor, "B D N"]:
        return torch.baddbmm(self.bias, self.weight.expand(len(x), -1, -1), x)


class Residual(nn.Module):
    """x or its projection, added to y of other frames."""

    def __init__(self, path: nn.Module | None):
        super().__init__()
        assert path is None or isinstance(path, Identity | Projection)
        self.nothing = path is None
        self.stride = path.stride if isinstance(path, Projection) else 1
        self.mix = Mix(path.mix, path.norm) if isinstance(path, Projection) else None

    def forward(self, y: Float[Tensor, "B D S V"], x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B D S V"]:
        if self.nothing:
            return y
        if self.mix is None:
            return y.add_(x)
        x = x[:, :, :: self.stride].flatten(2)
        y.flatten(2).baddbmm_(self.mix.weight.expand(len(x), -1, -1), x).add_(self.mix.bias)
        return y


class Affine(nn.Module):
    """A BatchNorm that no layer before it takes."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: BatchNorm):
        super().__init__()
        scale, shift = scale_and_shift(norm)
        self.register_buffer("scale", scale.float()[:, None, None])
        self.register_buffer("shift", shift.float()[:, None, None])

    def forward(self, x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B C T V"]:
        return torch.addcmul(self.shift, x, self.scale)


class Views(nn.Module):
    """[conv_1(h_1), .., max(h), g] of [h_1, .., h] = ReLU(W x + b), g = W' x + b': branches over time, side by side.

    divide: [W; W'], norm: behind W. dilated: conv_1 .. with their dilations, of moving channels each; the last of
    `moving` are those of the maximum.
    """

    def __init__(
        self, divide: nn.Linear, norm: BatchNorm, dilated: Sequence[nn.Conv2d], moving: Sequence[int], stride: int
    ):
        super().__init__()
        self.divide = Mix(divide, norm)
        self.dilated = nn.ModuleList(OverTime(convolution) for convolution in dilated)
        self.moving, self.stride = list(moving), stride

    def forward(self, x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B D S V"]:
        B, _, T, V = x.shape
        h = self.divide(x.flatten(2)).view(B, -1, T, V)
        end = sum(self.moving)
        F.relu_(h[:, :end])
        y = h.new_empty(B, h.shape[1], -(-T // self.stride), V)
        *parts, highest = h[:, :end].split(self.moving, 1)
        places = y.split([*self.moving, h.shape[1] - end], 1)
        for convolve, part, place in zip(self.dilated, parts, places, strict=False):
            convolve(part, place)
        maximum(highest, self.stride, places[-2])
        places[-1].copy_(h[:, end:, :: self.stride])
        return y


class OverTime(nn.Module):
    """A convolution over time as a matrix product for each of its frames, added up in a given place."""

    taps: Tensor
    bias: Tensor

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        assert convolution.bias is not None
        self.dilation, self.stride = convolution.dilation[0], convolution.stride[0]
        self.register_buffer("taps", convolution.weight.float()[..., 0].permute(2, 0, 1).contiguous())
        self.register_buffer("bias", convolution.bias.float()[:, None, None])

    def forward(self, x: Float[Tensor, "B C T V"], place: Float[Tensor, "B D S V"]) -> None:
        T = x.shape[2]
        place.copy_(self.bias.expand_as(place))
        middle = len(self.taps) // 2
        for tap, weight in enumerate(self.taps):
            shift = (tap - middle) * self.dilation
            first = -(min(shift, 0) // self.stride)  # the first moment whose frame is there, and the one after the last
            end = min(place.shape[2], (T - 1 - shift) // self.stride + 1)
            if first >= end:
                continue
            frames = x[:, :, first * self.stride + shift :: self.stride][:, :, : end - first].flatten(2)
            place[:, :, first:end].flatten(2).baddbmm_(weight.expand(len(x), -1, -1), frames)  # into the place itself


def maximum(x: Float[Tensor, "B C T V"], stride: int, place: Float[Tensor, "B C S V"]) -> None:
    """The largest of a moment and those beside it, in a given place."""
    T, S = x.shape[2], place.shape[2]
    place.copy_(x[:, :, ::stride])
    before, after = x[:, :, stride - 1 : T - 1 : stride], x[:, :, 1::stride]
    for target, frames in ((place[:, :, S - before.shape[2] :], before), (place[:, :, : after.shape[2]], after)):
        torch.maximum(target, frames, out=target)
