"""Distances between all joints and a convolution over time, after DD-Net of Yang et al. 2019 (arXiv:1907.09658).

It knows no graph: a moment is one list of numbers. So it makes other mistakes than graph convolutions do, and is a good
member of an `Ensemble`. As in DD-Net, three convolutions over time narrow the distances, six more follow, and the
largest value over time is taken. Other than there, the numbers of all streams stand in place of its slow and fast
motion, each of them has a BatchNorm of its own, and nothing is dropped out.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import over_time, scale_joints, stream_channels
from kinegraph.models.network import SkeletonNetwork

SLOPE = 0.2  # of LeakyReLU below zero
LEAST = 1e-8  # added to squared distances, whose root has no slope at 0


class JointDistances(SkeletonNetwork):
    """features = largest over time of convolutions of [h(|x_i - x_j| of all pairs of joints), h'(all numbers)].

    Args:
        adjacency, channels, classes: see `SkeletonNetwork`. The graph is not looked at.
        streams: of how many equal parts the channels consist, by default those of the recipe, else one; the first is
            the joints.
        width: channels of each of h and h'; in the end there are eight times as many.
    """

    keeps_places: ClassVar[bool] = False

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        streams: int | None = None,
        width: int = 64,
    ):
        super().__init__(adjacency, channels, classes, width=8 * width)
        joints = self.A.shape[1]
        if joints < 2:
            raise ValueError("there is 1 joint, expected two or more: it has no distance to others")
        self.coordinates = stream_channels(1 if streams is None else streams, channels)
        pairs = joints * (joints - 1) // 2
        self.data_norm = BatchNorm(joints * channels)
        self.distance_norm = BatchNorm(pairs)
        self.of_distances, self.of_numbers = (_Narrowing(width_in, width) for width_in in (pairs, joints * channels))
        wide = [2 * width, 4 * width, 8 * width]
        self.blocks = nn.ModuleList(_Pair(a, b) for a, b in zip([2 * width, *wide], wide, strict=False))

    def beside_blocks(self, blocks: int) -> Sequence[str]:
        return ("data_norm", "distance_norm", "of_distances", "of_numbers")

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B 1 1 D"]:
        joint = x[..., : self.coordinates].to(torch.promote_types(x.dtype, torch.float32))
        first, second = torch.triu_indices(x.shape[2], x.shape[2], 1, device=x.device)
        offset = joint[:, :, first] - joint[:, :, second]
        distance = (offset.square().sum(3) + LEAST).sqrt().unsqueeze(2)  # (B, T, 1, pairs)
        numbers = scale_joints(self.data_norm, x, copies).flatten(2).unsqueeze(2)
        narrow = self.of_distances(self.distance_norm(distance, copies), copies), self.of_numbers(numbers, copies)
        y = torch.cat(narrow, dim=3)
        for block in self.blocks:
            y = block(_halved(y), copies)
        return y.amax(1, keepdim=True)


class _Step(nn.Module):
    """Convolution over time, BatchNorm, LeakyReLU."""

    def __init__(self, width_in: int, width: int, kernel: int):
        super().__init__()
        self.mix = nn.Conv2d(width_in, width, (kernel, 1), padding=(kernel // 2, 0), bias=False)
        self.norm = BatchNorm(width)

    def forward(self, x: Float[Tensor, "B T 1 C"], copies: int) -> Float[Tensor, "B T 1 D"]:
        return F.leaky_relu(self.norm(over_time(self.mix, x), copies), SLOPE)


class _Steps(nn.ModuleList):
    def forward(self, x: Float[Tensor, "B T 1 C"], copies: int) -> Float[Tensor, "B T 1 D"]:
        for step in self:
            x = step(x, copies)
        return x


class _Narrowing(_Steps):
    """From many numbers of a moment to a few of it and its neighbours."""

    def __init__(self, width_in: int, width: int):
        super().__init__([_Step(width_in, 2 * width, 1), _Step(2 * width, width, 3), _Step(width, width, 1)])


class _Pair(_Steps):
    def __init__(self, width_in: int, width: int):
        super().__init__([_Step(width_in, width, 3), _Step(width, width, 3)])


def _halved(x: Float[Tensor, "B T 1 C"]) -> Float[Tensor, "B S 1 C"]:
    """The larger of two moments; a single moment, or the last of an odd number, counts for itself."""
    return x if x.shape[1] == 1 else F.max_pool2d(x.permute(0, 3, 1, 2), (2, 1), ceil_mode=True).permute(0, 2, 3, 1)
