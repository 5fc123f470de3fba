"""A network that answers for every frame: the same features and the same head, without the mean over time."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.layers.absent import frame_logits
from kinegraph.models.network import SkeletonNetwork


class FrameWise(nn.Module):
    """Logits of each frame of clips (N, M, T, V, C). The network inside is the one that learns and is saved.

    The head is linear, so that the mean of the logits over time is what the network says of the clip: weights of clips
    start a training on frames, and the other way round.
    Raises ValueError for a network whose features are not known or not of moments, or that brings a loss of its own.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        if not isinstance(network, SkeletonNetwork):
            raise ValueError(
                f"task: frames needs a network with forward_features, {type(network).__name__} has none; "
                "docs/own_network.md says how one is written"
            )
        if not network.keeps_places:
            raise ValueError(
                f"task: frames needs features of each moment, {type(network).__name__} has some of a whole clip alone: "
                "all frames would get the same answer"
            )
        if network.brings_loss:
            raise ValueError(f"{type(network).__name__} brings a loss of clips; it is not trained on frames")
        self.network = network

    def forward(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N T classes"]:
        return frame_logits(self.network, x, people)


@torch.no_grad()
def frames_a_moment(network: SkeletonNetwork, x: Float[Tensor, "N M T V C"]) -> int:
    """How many frames of these clips share one answer, by the number of moments that the network has features of."""
    mode, weight = network.training, next(network.parameters())
    moments = network.eval().features(x.to(weight)).shape[2]
    network.train(mode)
    return round(x.shape[2] / moments)


def frame_probabilities(logits: Float[Tensor, "N T classes"], several: bool) -> Float[Tensor, "N T classes"]:
    """several: whether a frame may have several classes, each with a probability of its own."""
    return logits.float().sigmoid() if several else torch.softmax(logits.float(), dim=-1)
