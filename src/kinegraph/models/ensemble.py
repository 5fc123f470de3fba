"""Several networks side by side, each on some of the streams, trained at once: late fusion in one network.

Networks of other kinds, or on other streams, make different mistakes. Published results fuse the scores of networks that
were trained apart (2s-AGCN, Shi et al. 2019, arXiv:1805.07694, and most papers since). Here each member learns by a loss
of its own, as it would alone, and the mean of their logits is the answer. There is one training and one weights file.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.network import SkeletonNetwork, network_class

Member = Mapping[str, Any]


class JoinedHead(nn.Linear):
    """The members' heads side by side, with one bias. While training it answers for each member.

    It takes the members' vectors one after another, each divided by the number of members: what comes out is their mean.
    """

    def __init__(self, heads: Sequence[nn.Linear]):
        super().__init__(sum(one.in_features for one in heads), heads[0].out_features)
        self.widths = [one.in_features for one in heads]
        with torch.no_grad():
            self.weight.copy_(torch.cat([one.weight for one in heads], dim=1))
            self.bias.copy_(torch.stack([one.bias for one in heads]).mean(0))

    def forward(self, input: Float[Tensor, "*N D"]) -> Float[Tensor, "*N classes"]:
        """Logits; of clips (N, D) while training (N, members, classes)."""
        if not self.training or input.ndim != 2:
            return super().forward(input)
        vectors = (len(self.widths) * input).split(self.widths, dim=1)
        weights = self.weight.split(self.widths, dim=1)
        answers = zip(vectors, weights, strict=True)
        return torch.stack([F.linear(vector, weight, self.bias) for vector, weight in answers], dim=1)


class Ensemble(SkeletonNetwork):
    """logits = mean of the members' logits; while training the logits of each, so that each has a loss of its own.

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w.
        channels: numbers per joint and frame.
        classes: number of classes.
        streams: into how many equal parts the channels are divided: the streams of the preprocessing.
        members: of each member `network`, its class; `streams`, which of these parts it sees, from 0, by default all;
            and its options. Networks that norm all people of a clip together cannot be members.

    Raises ValueError naming what is wrong with a member.
    """

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        streams: int = 1,
        members: Sequence[Member] = (),
    ):
        super().__init__(adjacency, channels, classes, width=0)
        if streams < 1 or channels % streams:
            raise ValueError(f"streams is {streams}, which does not divide the {channels} channels")
        if not members:
            raise ValueError("members is empty, expected a network and its streams for each")
        each = channels // streams
        self.seen = [[part * each + i for part in _parts(it, streams) for i in range(each)] for it in members]
        built = [_built(it, self.A, len(seen), classes) for it, seen in zip(members, self.seen, strict=True)]
        if len(strides := {tuple(one.config["strides"]) for one in built}) > 1:
            raise ValueError(f"members see time at other strides: {' and '.join(map(str, sorted(strides)))}")
        self.head = JoinedHead([one.head for one in built])
        self.members = nn.ModuleList(built)
        for one in built:
            del one.head

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The features of all members, one after another on the last axis, divided by the number of members."""
        members: Any = self.members
        parts = (x[..., seen].contiguous() for seen in self.seen)
        features = [one.forward_features(it, copies) for one, it in zip(members, parts, strict=True)]
        return torch.cat(features, dim=3) / len(features)

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """Each member is folded as it would be alone."""
        if type(self) is not Ensemble:
            return super().fold(dtype)
        model: Any = super().fold(torch.float32)
        model.members = nn.ModuleList(one.fold(dtype) for one in model.members)
        return model


def _parts(member: Member, streams: int) -> Sequence[int]:
    """The streams that a member sees."""
    parts = member.get("streams", range(streams))
    if not parts or any(not isinstance(it, int) or not 0 <= it < streams for it in parts):
        raise ValueError(f"a member's streams are {parts}, expected some of 0 to {streams - 1}")
    return parts


def _built(member: Member, graph: Tensor, channels: int, classes: int) -> SkeletonNetwork:
    options = {key: value for key, value in member.items() if key not in ("network", "streams")}
    kind = network_class(str(member.get("network")))
    if not issubclass(kind, SkeletonNetwork) or kind is Ensemble or kind.brings_loss or not kind.takes_copies:
        raise ValueError(f"{kind.__name__} cannot be a member: its bodies or its loss are not those of ST-GCN")
    if kind.whole_clips is not SkeletonNetwork.whole_clips:
        raise ValueError(f"{kind.__name__} cannot be a member: it norms all people of a clip together")
    return kind(graph, channels, classes, **options)
