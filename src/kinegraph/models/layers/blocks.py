"""What the blocks of several papers share: residual paths, one scale for each joint and channel, checks."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.products import quick_linear

Init = Literal["pyskl", "mmaction1"]
InitOrAuthors = Literal["pyskl", "mmaction1", "authors"]


class Projection(nn.Module):
    """1x1 convolution and BatchNorm: a residual path between different widths or frame rates."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__()
        self.stride = stride
        self.mix = nn.Linear(width_in, width)
        self.norm = BatchNorm(width)

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        return self.norm(quick_linear(self.mix, x[:, :: self.stride].contiguous()), copies)


class Identity(nn.Module):
    """x itself, where a projection or BatchNorm could be."""

    def forward(self, x: Tensor, copies: int = 1) -> Tensor:
        return x


def picked(x: Float[Tensor, "..."], places: Int[Tensor, "n"], axis: int = 0) -> Float[Tensor, "..."]:
    """x at some places of an axis, of which one may be there often; the same gradients each time.

    On a CPU several threads add up the gradients of x[places] in the order in which they come, of more than 32,768
    numbers: a resumed run was not the uninterrupted one. Those of index_select on a GPU have no order either.
    """
    return x.index_select(axis, places) if x.device.type == "cpu" else x[(slice(None),) * axis + (places,)]


def shortcut(width_in: int, width: int, stride: int = 1) -> nn.Module:
    """x itself where the shapes agree, else a projection."""
    return Identity() if (width_in, stride) == (width, 1) else Projection(width_in, width, stride)


def scale_joints(norm: nn.Module, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B T V C"]:
    """BatchNorm with statistics and scales of every joint and channel: norm is a BatchNorm over V C numbers."""
    return norm(x.flatten(2).unsqueeze(2), copies).reshape(x.shape)


def scale_people(norm: nn.Module, x: Float[Tensor, "N M T V C"], people: int) -> Float[Tensor, "N P T V C"]:
    """The same with statistics and scales of every person too: norm is a BatchNorm over P V C numbers.

    A clip of fewer people is filled up with zeros, which become the constants of the norm. Raises ValueError for more.
    """
    N, M = x.shape[:2]
    if people < M:
        raise ValueError(
            f"the network was built for {people} people, the clips have {M}: give --preprocessing.people {people}"
        )
    if people > M:
        x = torch.cat([x, x.new_zeros(N, people - M, *x.shape[2:])], dim=1)
    together = x.transpose(1, 2).flatten(2, 3)  # (N, T, P V, C)
    return scale_joints(norm, together).unflatten(2, (people, -1)).transpose(1, 2)


def over_time(convolution: nn.Module, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B S V D"]:
    """A convolution whose kernel is one joint wide, in torch's axes; in memory nothing moves."""
    return convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def published_strides(widths: Sequence[int]) -> list[int]:
    """2 where the width doubles, 1 elsewhere."""
    return [1] + [2 if b == 2 * a else 1 for a, b in pairwise(widths)]


def check_blocks(widths: Sequence[int], strides: Sequence[int], dropout: float, narrowest: int = 1) -> None:
    """Raises ValueError when the numbers that every network of blocks is built with are out of range."""
    if not widths or len(strides) != len(widths):
        raise ValueError(f"{len(widths)} widths and {len(strides)} strides, expected one of each for every block")
    for name, numbers, least in (("widths", widths, narrowest), ("strides", strides, 1)):
        if min(numbers) < least:
            raise ValueError(f"{name} has {min(numbers)}, expected at least {least}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}, expected a probability below 1")


def stream_channels(streams: int, channels: int) -> int:
    """Channels of each stream. Raises ValueError where the streams cannot be of one size."""
    if streams < 1 or channels % streams:
        raise ValueError(f"streams is {streams}, which does not divide the {channels} channels")
    return channels // streams


def check_people(people: int) -> None:
    """Raises ValueError when a norm would be over nobody."""
    if people < 1:
        raise ValueError(f"people is {people}, expected at least 1")


def check_kernel(kernel: int) -> None:
    """Raises ValueError when a convolution over time would not be centred on its frame."""
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel}, expected an odd number of frames")


# ---- first weights that PYSKL, MMAction2 1.x and the authors draw otherwise; torch's own remain for all else ---------


def check_init(init: str, known: object = Init) -> None:
    """Raises ValueError for first weights of another name. known: the type of the option."""
    if init not in get_args(known):
        raise ValueError(f"init is '{init}', expected {' or '.join(get_args(known))}")


@torch.no_grad()
def draw_kaiming(layer: nn.Module, fan_out: int | None = None) -> None:
    """A matrix or kernel: normal with variance 2 / fan-out, biases 0."""
    weight = layer.get_parameter("weight")
    nn.init.normal_(weight, 0.0, math.sqrt(2 / (fan_out or weight[:, 0].numel())))
    nn.init.zeros_(layer.get_parameter("bias"))


def draw_projections(blocks: Iterable[nn.Module], init: str) -> None:
    """Projections of shortcuts over time: torch's own in PYSKL, else as other convolutions over time."""
    for block in blocks:
        if init != "pyskl" and isinstance(block.residual, Projection):
            draw_kaiming(block.residual.mix)


def draw_head(head: nn.Linear, init: str) -> None:
    """normal(0, 0.01) and 0; in the authors' own code normal with variance 2 / classes, and biases as torch's."""
    nn.init.normal_(head.weight, 0.0, math.sqrt(2 / head.out_features) if init == "authors" else 0.01)
    if init != "authors":
        nn.init.zeros_(head.bias)
