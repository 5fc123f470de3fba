"""A fixed description of a movement, with nothing to train but the head: for classes of which there are a few clips.

A temporal pyramid, as of Wang et al. 2012 (Mining Actionlet Ensemble for Action Recognition, section 4.2) and, over
space, of Lazebnik et al. 2006: mean, standard deviation and mean speed of what the body does, over the clip, its
halves, its quarters and its eighths. Theirs takes Fourier coefficients of each part in place of these three.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.network import SkeletonNetwork

SHORTEST = 1e-3  # of a body, of a bone to have a direction
DEVIATION, SPEED = 2.0, 8.0  # factors by which three kinds of numbers vary alike


class PoseStatistics(SkeletonNetwork):
    """Statistics of joints around the body's middle, of this middle, and of the directions of bones.

    Lengths are divided by the body's mean bone length, so size and unit do not matter.

    Args:
        adjacency, channels, classes: see `SkeletonNetwork`; the channels are those of the joint and the bone stream,
            without scores. The graph is not looked at.
        parts: the clip is divided into so many equal parts, for each number once.
    """

    keeps_places: ClassVar[bool] = False

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        parts: Sequence[int] = (1, 2, 4, 8),
    ):
        super().__init__(adjacency, channels, classes, width=0)
        if channels % 2:
            raise ValueError(f"there are {channels} channels, expected the streams joint and bone without scores")
        if not parts or min(parts) < 1:
            raise ValueError(f"parts is {list(parts)}, expected numbers from 1 on")
        self.parts = tuple(parts)
        width = 3 * sum(parts) * (2 * self.A.shape[1] + 1) * (channels // 2)
        self.head = nn.Linear(width, classes)

    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B 1 1 D"]:
        joint, bone = x.float().chunk(2, dim=3)
        length = bone.norm(dim=3, keepdim=True)
        size = length.mean((1, 2), keepdim=True).clamp_min(1e-6)
        middle = joint.mean(2, keepdim=True)
        course = torch.cat([(joint - middle) / size, middle / size, bone / (length + SHORTEST * size)], dim=2).flatten(
            2
        )
        step = (torch.cat([course[:, 1:], course[:, -1:]], dim=1) - course).abs()
        shares, scale = _shares(self.parts, x.shape[1], x.device)
        whole = course.mean(1, keepdim=True)
        mean, square, speed = (
            shares @ channels for channels in (course - whole, (course - whole) ** 2, step)
        )  # (B, P, Q)
        spread = (square - mean**2).clamp_min(1e-8).sqrt()
        kinds = torch.stack([mean + whole, DEVIATION * spread, SPEED * speed], dim=2)
        return (scale * kinds.flatten(2)).flatten(1)[:, None, None]


def _shares(
    parts: Sequence[int], frames: int, device: torch.device
) -> tuple[Float[Tensor, "P T"], Float[Tensor, "P 1"]]:
    """The mean over each part of the clip as a matrix, and factors by which each division into parts counts as much.

    A part has at least a frame; the frame that an end lies in belongs to both sides.
    """
    count = torch.tensor([size for size in parts for _ in range(size)], device=device)
    part = torch.tensor([place for size in parts for place in range(size)], device=device)
    first, behind = part * frames // count, ((part + 1) * frames + count - 1) // count
    frame = torch.arange(frames, device=device)
    inside = ((frame >= first[:, None]) & (frame < behind[:, None])).float()
    return inside / inside.sum(1, keepdim=True), count.float().rsqrt()[:, None]
