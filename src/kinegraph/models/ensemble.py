"""Several networks in one, each on some of the streams, trained in one run: late fusion with one weights file.

Networks of other kinds, on other streams or from other seeds make different mistakes. Published results fuse the scores
of networks trained apart (2s-AGCN, Shi et al. 2019, arXiv:1805.07694, and most papers since). Here every batch
is divided among the members while training, so that each sees clips of its own and learns as it would alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.messages import did_you_mean, one_line, quoted
from kinegraph.models.layers.absent import check_input, clip_logits, clip_vectors
from kinegraph.models.layers.blocks import stream_channels
from kinegraph.models.network import ClosedForm, SkeletonNetwork, last_layer, network_class
from kinegraph.models.ridge import LinearHead

Member = Mapping[str, Any]


class Ensemble(SkeletonNetwork):
    """logits = mean of the trained members' logits + mean of the fitted members' logits.

    Members that are fitted in closed form before the training (`FixedFeatures`) see no batch. While training a clip is
    seen by one of the others, which answers alone. So a batch of three trained members has three times the clips, and
    an epoch passes over the clips three times (`repeat`).

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w.
        channels: numbers per joint and frame.
        classes: number of classes.
        streams: number of equal parts of the channels; by default the recipe's number of streams, or 1.
        members: for each member `network`, the class; `streams`, the parts that the member sees, from 0, by default
            all; and the options of the class. A class with an argument `streams` gets the number of these parts.
            Networks that norm all people of a clip together, or have a loss of their own, cannot be members.

    Raises ValueError naming what is wrong with a member.
    """

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        streams: int | None = None,
        members: Sequence[Member] = (),
    ):
        super().__init__(adjacency, channels, classes, width=0)
        streams = 1 if streams is None else streams
        each = stream_channels(streams, channels)
        if not members:
            raise ValueError("members is empty, expected a network and its streams for each")
        parts = [_parts(member, streams) for member in members]
        self.seen = [[stream * each + i for stream in part for i in range(each)] for part in parts]
        built = [_built(member, self.A, len(part), each, classes) for member, part in zip(members, parts, strict=True)]
        placed = [network for network in built if network.keeps_places]
        if len(strides := {str(network.config.get("strides")) for network in placed}) > 1:
            raise ValueError(f"members see time at other strides: {' and '.join(map(str, sorted(strides)))}")
        self.keeps_places = bool(placed)
        fitted = [bool(network.closed_form_parts()) for network in built]
        heads = [last_layer(network) for network in built]
        self.widths = [head.in_features + own for head, own in zip(heads, fitted, strict=True)]
        self.head = _joined(heads, self.widths)
        self.trained, self.fitted = ([i for i, fit in enumerate(fitted) if fit is kind] for kind in (False, True))
        self.members = nn.ModuleList(built)
        for network in built:
            del network.head

    def closed_form_parts(self) -> Sequence[ClosedForm]:
        members: Any = self.members
        return [ClosedForm(members[i], self.seen[i], partial(self._put, i)) for i in self.fitted]

    def of_whole_bodies(self) -> Mapping[str, slice]:
        members: Any = self.members
        ends = np.cumsum(self.widths).tolist()
        return {
            f"member {i} ({type(member).__name__})": slice(end - width, end)
            for i, (member, width, end) in enumerate(zip(members, self.widths, ends, strict=True), start=1)
            if not member.keeps_places
        }

    def undecayed(self) -> Sequence[Tensor]:
        return [self.head.weight] if self.fitted else []

    @torch.no_grad()
    def _put(self, member: int, head: LinearHead) -> None:
        columns = torch.cat([torch.from_numpy(head.weight), torch.from_numpy(head.bias)[:, None]], dim=1)
        self.head.weight.split(self.widths, dim=1)[member].copy_(columns)

    def training_logits(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """The first clips are those of the first member, and so on; fewer clips than members are seen by all."""
        check_input(self, x)
        members: Any = [self.members[i] for i in self.trained]
        if not members:
            return clip_logits(self, x, people)
        few = len(x) < len(members)
        shares = [x] * len(members) if few else x.tensor_split(len(members))
        there = [people] * len(members) if few or people is None else people.tensor_split(len(members))
        weights = self.head.weight.split(self.widths, dim=1)
        logits = []
        for i, member, share, count in zip(self.trained, members, shares, there, strict=True):
            vectors = clip_vectors(member, share[..., self.seen[i]].contiguous(), count)
            logits.append(F.linear(vectors, weights[i], self.head.bias))
        return torch.stack(logits).mean(0) if few else torch.cat(logits)

    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B S V D"]:
        """The features of all members, one after another on the last axis, divided by the number of members of a kind.

        Those of a member that does not keep places are the same at every place. The last feature of a member that is
        fitted in closed form is 1: its weight is the bias of this member's head.
        """
        members: Any = self.members
        features = []
        for i, member in enumerate(members):
            y = member.forward_features(x[..., self.seen[i]].contiguous())
            features.append(F.pad(y, (0, 1), value=1) / len(self.fitted) if i in self.fitted else y / len(self.trained))
        places = max(feature.shape[1] for feature in features), max(feature.shape[2] for feature in features)
        return torch.cat([feature.expand(-1, *places, -1) for feature in features], dim=3)

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """Each member is folded as it would be alone."""
        if type(self) is not Ensemble:
            return super().fold(dtype)
        model: Any = super().fold(torch.float32)
        model.members = nn.ModuleList(member.fold(dtype) for member in model.members)
        return model


def _joined(heads: Sequence[nn.Linear], widths: Sequence[int]) -> nn.Linear:
    """Heads side by side, with one bias: of the members' vectors, each divided by their number, the mean answer.

    widths: of each head, or one more, whose weight is 0 at first.
    """
    head = nn.Linear(sum(widths), heads[0].out_features)
    with torch.no_grad():
        columns = [F.pad(head.weight, (0, width - head.in_features)) for head, width in zip(heads, widths, strict=True)]
        head.weight.copy_(torch.cat(columns, dim=1))
        head.bias.copy_(torch.stack([head.bias for head in heads]).mean(0))
    return head


def _parts(member: Member, streams: int) -> Sequence[int]:
    """The streams that a member sees."""
    parts = member.get("streams", list(range(streams)))
    if not isinstance(parts, list | tuple) or not parts or any(part not in range(streams) for part in parts):
        raise ValueError(
            f"a member's streams are {quoted(parts)}, expected a list of some of 0 to {streams - 1}, of "
            "preprocessing.streams"
        )
    return parts


def _built(member: Member, graph: Tensor, streams: int, channels: int, classes: int) -> SkeletonNetwork:
    """A member of so many streams of so many channels."""
    options = {key: value for key, value in member.items() if key not in ("network", "streams")}
    if "network" not in member:
        raise ValueError(f"a member names no network, only {quoted(dict(member))}")
    kind = network_class(str(member["network"]))
    if not issubclass(kind, SkeletonNetwork) or kind is Ensemble or kind.brings_loss:
        raise ValueError(f"{kind.__name__} cannot be a member: its bodies or its loss are not those of ST-GCN")
    if kind.whole_clips is not SkeletonNetwork.whole_clips:
        raise ValueError(f"{kind.__name__} cannot be a member: it norms all people of a clip together")
    known = signature(kind).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    if not takes_any and (unknown := [name for name in options if name not in known]):
        raise ValueError(f"{kind.__name__}, a member, has no option '{unknown[0]}'{did_you_mean(unknown[0], known)}")
    if "streams" in known:
        options["streams"] = streams
    try:
        return kind(graph, streams * channels, classes, **options)
    except (TypeError, ValueError) as error:
        about = f"{kind.__name__}, a member, cannot be built with {quoted(options)}"
        raise ValueError(f"{about}: {one_line(error)}") from None
