"""Channels mixed by a matrix from the left, in (channel, body, time and joint) order, with what comes behind that."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers import blocks
from kinegraph.models.layers.blocks import Identity
from kinegraph.models.layers.channel_norm import ChannelNorm
from kinegraph.models.layers.products import mix_first


def mixed(
    layer: nn.Linear,
    norm: nn.Module | None,
    x: Float[Tensor, "C B N"],
    copies: int = 1,
    active: bool = False,
    rows: slice = slice(None),
) -> Float[Tensor, "D B N"]:
    """BN(W x + b), or ReLU of it, for these rows of W. norm: None or an Identity where there is none."""
    weight, bias = layer.weight[rows], layer.get_parameter("bias")[rows]
    device, shape = x.device.type, (len(weight), *x.shape[1:])
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight = x.to(dtype), weight.to(dtype)
    if isinstance(norm, ChannelNorm):
        y = mix_first(weight, x.flatten(1)).view(shape)
        return norm.forward(y, copies, bias, active)  # called as a module it could not be given rows of a bias
    y = mix_first(weight, x.flatten(1)).add_(bias.to(x.dtype)[:, None]).view(shape)
    return F.relu_(y) if active else y


class Projection(blocks.Projection):
    """1x1 convolution and BatchNorm: a residual path between different widths or frame rates."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__(width_in, width, stride)
        self.norm = ChannelNorm(width)

    def forward(self, x: Float[Tensor, "C B T V"], copies: int = 1) -> Float[Tensor, "D B N"]:
        return mixed(self.mix, self.norm, x[:, :, :: self.stride].flatten(2), copies)


class Same(Identity):
    """x itself."""

    def forward(self, x: Float[Tensor, "C B T V"], copies: int = 1) -> Float[Tensor, "C B N"]:
        return x.flatten(2)


def shortcut(width_in: int, width: int, stride: int = 1) -> nn.Module:
    """x itself where the shapes agree, else a projection."""
    return Same() if (width_in, stride) == (width, 1) else Projection(width_in, width, stride)


def channels_first(x: Float[Tensor, "B T V C"]) -> Float[Tensor, "C B T V"]:
    """x in the order of this module. Where it is in that order in memory already, nothing moves."""
    return x.permute(3, 0, 1, 2).contiguous()


def channels_last(x: Float[Tensor, "C B T V"]) -> Float[Tensor, "B T V C"]:
    """x in the order of other modules; in memory nothing moves."""
    return x.permute(1, 2, 3, 0)
