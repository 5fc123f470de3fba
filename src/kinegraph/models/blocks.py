"""What the networks of several papers share: shortcuts, one scale for each joint and channel, from bodies to clips."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.batchnorm import BatchNorm


class Projection(nn.Module):
    """1x1 convolution and BatchNorm: a residual path between different widths or frame rates."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__()
        self.stride = stride
        self.mix = nn.Linear(width_in, width)
        self.norm = BatchNorm(width)

    def forward(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B S V D"]:
        return self.norm(self.mix(x[:, :: self.stride]))


def shortcut(width_in: int, width: int, stride: int = 1) -> nn.Module:
    """x itself where the shapes agree, else a projection."""
    return nn.Identity() if (width_in, stride) == (width, 1) else Projection(width_in, width, stride)


def scale_joints(norm: BatchNorm, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T V C"]:
    """BatchNorm with statistics and scales of every joint and channel: norm is over V C numbers."""
    return norm(x.flatten(2).unsqueeze(2)).reshape(x.shape)


def published_strides(widths: Sequence[int]) -> list[int]:
    """2 where the width doubles, 1 elsewhere."""
    return [1] + [2 if b == 2 * a else 1 for a, b in pairwise(widths)]


def mean_over_bodies(
    bodies: Callable[[Float[Tensor, "B T V C"]], Float[Tensor, "B S V D"]],
    x: Float[Tensor, "N M T V C"],
    people: Int[Tensor, "N"] | None,
) -> Float[Tensor, "N D"]:
    """bodies(x) for the people of each clip, and its mean over people, time and joints.

    people: how many bodies of each clip are real, the first ones; the caller promises that all others are alike
        (padding). One of those is computed then and counted for all.
    """
    N, M = x.shape[:2]
    x = x.flatten(0, 1)  # (N M, T, V, C)
    if people is None:
        x = bodies(x).mean((1, 2))  # (N M, D)
    else:
        real = (torch.arange(M, device=x.device) < people[:, None]).flatten()  # (N M)
        x = torch.cat((x[real], x[~real][:1]))  # (bodies, T, V, C), the last one for all who are absent
        place = torch.where(real, real.cumsum(0) - 1, real.sum())  # (N M), which of them each body is
        x = bodies(x).mean((1, 2))[place]  # (N M, D)
    return x.view(N, M, -1).mean(1)


def check_input(x: Tensor, joints: int, channels: int) -> None:
    """Raises ValueError when clips are not what a network was built for."""
    if x.ndim != 5:
        raise ValueError(f"the network takes (clips, people, frames, joints, channels), found shape {tuple(x.shape)}")
    for axis, what, built in ((3, "joints", joints), (4, "channels", channels)):
        if x.shape[axis] != built:
            raise ValueError(f"the network was built for {built} {what}, the clips have {x.shape[axis]}")


def check_network(graph: Tensor, config: Mapping, narrowest: int = 1) -> None:
    """Raises ValueError when a graph or the numbers that every network has in its config are out of range."""
    widths, strides = config["widths"], config["strides"]
    if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
        raise ValueError(f"the adjacency has shape {tuple(graph.shape)}, expected (partitions, joints, joints)")
    if not widths or len(strides) != len(widths):
        raise ValueError(f"{len(widths)} widths and {len(strides)} strides, expected one of each for every block")
    for name, numbers, least in (("widths", widths, narrowest), ("strides", strides, 1)):
        if min(numbers) < least:
            raise ValueError(f"{name} has {min(numbers)}, expected at least {least}")
    for name in ("channels", "classes"):
        if config[name] < 1:
            raise ValueError(f"{name} is {config[name]}, expected at least 1")
    if not 0 <= config["dropout"] < 1:
        raise ValueError(f"dropout is {config['dropout']}, expected a probability below 1")


def check_kernel(kernel: int) -> None:
    """Raises ValueError when a convolution over time would not be centred on its frame."""
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel}, expected an odd number of frames")
