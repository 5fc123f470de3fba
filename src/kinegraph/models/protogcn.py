"""ProtoGCN, DG-STGCN that learns to tell classes apart by prototypes of motion, of Liu et al. 2025 (arXiv:2411.18941).

Logits are those of a wider DG-STGCN. While training a loss of the network's own is added: what the last block says of
how joints are related is made of prototypes, and so described clips are to be near to those of their class. Held to
published outputs and losses by the tests.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.dgstgcn import DGSTGCN, PARTITIONS, PYSKL, SHARE, Block, fold_blocks
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import scale_joints
from kinegraph.models.layers.mixing import channels_first
from kinegraph.models.tensor_forms import Leaf, Sizes, Table, copies, first

DESCRIBED = 256  # numbers that describe a clip
KEPT, TEMPERATURE = 0.9, 0.125
DROPOUT = 0.1


class PrototypeContrast(nn.Module):
    """f = F g, g[p] = mean of ReLU(BN(W r_p + b)), r_p = M softmax(Q h_p), p being a pair of joints.

    h_p is how the two joints are related, in every channel, and r_p the same made of a few prototypes. Each class has a
    mean description, which its recognised clips move towards their own. The loss is the cross entropy of the
    similarities, cosine / 0.125, between a clip's description and those of the classes.
    """

    means: Tensor

    def __init__(self, joints: int, width: int, classes: int, prototypes: int):
        super().__init__()
        self.query = nn.Linear(width, prototypes, bias=False)  # Q
        self.memory = nn.Linear(prototypes, width, bias=False)  # M
        self.mix = nn.Linear(width, width)  # W
        self.norm = BatchNorm(width)
        self.describe = nn.Linear(joints * joints, DESCRIBED)  # F
        self.register_buffer("means", first_means(classes))

    def graph(self, related: Float[Tensor, "N V V D"]) -> Float[Tensor, "N VV"]:
        """g. related: the mean over people. Nothing here sees the people apart, so dropout may."""
        made = self.memory(self.query(related).softmax(3))
        made = F.dropout(made, DROPOUT, self.training)
        return F.relu_(self.norm(self.mix(made))).mean(3).flatten(1)

    def forward(
        self, related: Float[Tensor, "N V V D"], logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        """The loss. While training the classes' means move, too."""
        described = self.describe(self.graph(related)).to(self.means.dtype)  # (N, 256)
        with torch.autocast(described.device.type, enabled=False):
            means = moved_means(self.means, described, logits, labels)
            near = F.normalize(described, dim=1) @ F.normalize(means, dim=0)
        if self.training:
            self.means.copy_(means.detach())
        return F.cross_entropy(near / TEMPERATURE, labels)


def first_means(classes: int) -> Float[Tensor, "256 classes"]:
    """Random numbers, the same ones for every network: they are not in published files."""
    random = torch.Generator("cpu").manual_seed(0)
    return torch.randn(DESCRIBED, classes, generator=random, device="cpu")


def moved_means(
    means: Float[Tensor, "D classes"],
    described: Float[Tensor, "N D"],
    logits: Float[Tensor, "N classes"],
    labels: Int[Tensor, "N"],
) -> Float[Tensor, "D classes"]:
    """The means of classes, a tenth of the way to that of their clips that are recognised, where there are any."""
    right = (logits.argmax(1) == labels).to(described.dtype)
    chosen = F.one_hot(labels, means.shape[1]).to(described.dtype) * right[:, None]  # (N, classes)
    count = chosen.sum(0)
    found = (described.T @ chosen) / (count + 1e-12)
    return torch.where(count > 0, KEPT * means + (1 - KEPT) * found, means)


# ---- names of tensors in the published files -------------------------------------------------------------------------


def _first_means_of(parts: list[Tensor], partitions: int) -> Tensor:
    return first_means(len(parts[0]))


def _not_theirs(means: Tensor, sizes: Sizes) -> list[Tensor]:
    return [means]  # the row of the head's own weight comes later


ALONE = [Leaf(".weight", ".weight", first, copies)]
PROTOGCN = Table(
    "protogcn",
    [
        ("contrast.means", "cls_head.fc_cls.weight", [Leaf("", "", _first_means_of, _not_theirs)]),
        *PYSKL.rows,
        ("contrast.query", "backbone.prn.query_matrix", ALONE),
        ("contrast.memory", "backbone.prn.memory_matrix", ALONE),
        ("contrast.mix", "backbone.post", "matrix"),
        ("contrast.norm", "backbone.bn", "norm"),
        ("contrast.describe", "cls_head.csc_loss.cl_fc", "layer"),
    ],
    PYSKL.block,
    PYSKL.inside,
)


class ProtoGCN(DGSTGCN):
    """The logits of DG-STGCN, and while training a loss of its own: `weight` times that of `PrototypeContrast`.

    Args:
        adjacency: (K, V, V). It says how many joints there are; no bone is used.
        channels: numbers per joint and frame.
        classes: number of classes.
        prototypes: that relations between joints are made of; 400 as published for joints, 100 for bones and k-bones.
        weight: of the network's own loss beside that of the run; as published 0.2 for joints, 0.3 for bones, 0.1 for
            k-bones.
        partitions: graphs of each block. They begin as random numbers, the same ones in all blocks.
        widths: channels of each block.
        strides: of each block in time; by the published rule 2 where the width doubles, 1 elsewhere.
        dropout: probability, in every block but the first; 0 as published.

    The classes' means are kept in the state, so that a resumed run is the uninterrupted one; published files lack them.
    Raises ValueError naming a number that is out of range.

    Source: firework8/ProtoGCN (MIT), whose formulas these are.
    """

    CHECKPOINTS = (PROTOGCN,)

    def __init__(
        self,
        adjacency: Float[Tensor, "_ V V"] | Float[np.ndarray, "_ V V"],
        channels: int,
        classes: int,
        *,
        prototypes: int = 400,
        weight: float = 0.2,
        partitions: int = PARTITIONS,
        widths: Sequence[int] = (96,) * 4 + (192,) * 3 + (384,) * 3,
        strides: Sequence[int] | None = None,
        dropout: float = 0.0,
    ):
        super().__init__(
            adjacency, channels, classes, partitions=partitions, widths=widths, strides=strides, dropout=dropout
        )
        if prototypes < 1:
            raise ValueError(f"prototypes is {prototypes}, expected at least 1")
        if weight < 0:
            raise ValueError(f"weight is {weight}, expected at least 0")
        self.weight = weight
        self.contrast = PrototypeContrast(self.A.shape[1], partitions * (widths[-1] // SHARE), classes, prototypes)

    def features_and_more(
        self, x: Float[Tensor, "B T V C"], copies: int = 1
    ) -> tuple[Float[Tensor, "B S V D"], Float[Tensor, "B V V E"]]:
        """The features, and how the last block says that joints are related."""
        x = scale_joints(self.data_norm, x, copies)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, copies)
        assert isinstance(last, Block)
        related = last.spatial.related(channels_first(x).mean(2)).flatten(0, 1)  # (E, B, V, V)
        return last(x, copies), related.permute(1, 2, 3, 0)

    def own_loss(
        self, more: Float[Tensor, "N M V V E"], logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        """That of the prototypes. The mean over people counts those who are not there, as the logits do."""
        return self.weight * self.contrast(more.mean(1), logits, labels)

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """As DG-STGCN's, without what only the loss needs; in a subclass BatchNorm stays, since it may be used."""
        model: Any = deepcopy(self).eval().requires_grad_(False)
        del model.contrast
        if type(self) is not ProtoGCN:
            return model.float()
        fold_blocks(model, dtype)
        return model

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        return super().config_of(tensors) | {"prototypes": len(tensors["contrast.query.weight"])}
