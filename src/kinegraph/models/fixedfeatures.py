"""What is known of a movement before any class is seen: random convolutions and statistics, side by side.

It is the encoder of `enroll any`, and a member of `Ensemble` that nobody trains.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.minirocket import MiniRocket
from kinegraph.models.network import ClosedForm, SkeletonNetwork
from kinegraph.models.posestatistics import PoseStatistics


class FixedFeatures(SkeletonNetwork):
    """features = [those of `MiniRocket`, scale * those of `PoseStatistics`].

    The scale is chosen by `see`, so that over the bodies that it sees the second part varies `share` times as much as
    the first.

    Args:
        adjacency, channels, classes: see `SkeletonNetwork`; the channels are those of the joint and the bone stream. A
            score counts as one more coordinate.
        kernels, dilations, seed: of `MiniRocket`.
        share: how much the statistics count.
    """

    keeps_places: ClassVar[bool] = False
    scale: Float[Tensor, ""]

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        kernels: int = 3000,
        dilations: Sequence[int] = (1, 2, 3, 4, 6, 7),
        seed: int = 0,
        share: float = 0.5,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        options = {"streams": 2, "kernels": kernels, "dilations": dilations, "seed": seed}
        self.convolutions = MiniRocket(self.A, channels, classes, **options)
        self.statistics = PoseStatistics(self.A, channels, classes)
        self.share = share
        self.register_buffer("scale", torch.ones(()))
        parts = self.convolutions, self.statistics
        self.head = nn.Linear(sum(part.head.in_features for part in parts), classes)
        for part in parts:
            del part.head

    def closed_form_parts(self) -> Sequence[ClosedForm]:
        return (ClosedForm(self, range(self.config["channels"]), lambda head: head.copy_to(self.head)),)

    @torch.no_grad()
    def see(self, x: Float[Tensor, "B T V C"]) -> None:
        self.convolutions.see(x)
        first, second = (_spread(network.forward_features(x)) for network in (self.convolutions, self.statistics))
        self.scale.fill_(self.share * first / second if second > 0 else 1.0)

    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B 1 1 D"]:
        parts = self.convolutions.forward_features(x), self.scale * self.statistics.forward_features(x)
        return torch.cat(parts, dim=3)


def _spread(features: Float[Tensor, "B 1 1 D"]) -> float:
    """The deviation from the mean in all numbers together."""
    return float(features.var(0, correction=0).sum().sqrt())
