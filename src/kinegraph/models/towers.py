"""Several ST-GCNs side by side, each on some of the streams, trained at once: late fusion in one network.

Networks on joints, bones and their motions make different mistakes. Published results fuse the scores of networks that
were trained apart (2s-AGCN, Shi et al. 2019, arXiv:1805.07694, and most papers since). Here each tower is trained by a
loss of its own, so that it learns as it would alone, and the mean of their logits is the answer.
"""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcn import STGCN


class Towers(SkeletonNetwork):
    """logits = mean of the towers' logits; a tower is an `STGCN` on its channels.

    Args:
        adjacency: the graph in K partitions; adjacency[k, v, w] weighs the edge from joint v to joint w.
        channels: numbers per joint and frame.
        classes: number of classes.
        streams: into how many equal parts the channels are divided: the streams of the preprocessing.
        towers: of each tower, which of these parts it sees, from 0; the same part may be seen by several.
        label_smoothing: of the towers' own losses.
        widths, strides, kernel, dropout, edges, graph_residual: of every tower, see `STGCN`.

    Raises ValueError naming a number that is out of range.
    """

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        streams: int = 1,
        towers: Sequence[Sequence[int]] = ((0,),),
        label_smoothing: float = 0.0,
        widths: Sequence[int] = (64,) * 4 + (128,) * 3 + (256,) * 3,
        strides: Sequence[int] | None = None,
        kernel: int = 9,
        dropout: float = 0.0,
        edges: Literal["importance", "fixed", "learned"] = "importance",
        graph_residual: bool = False,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        if streams < 1 or channels % streams:
            raise ValueError(f"streams is {streams}, which does not divide the {channels} channels")
        if not towers or not all(towers):
            raise ValueError(f"towers is {list(towers)}, expected for each tower the streams that it sees")
        if wrong := [part for tower in towers for part in tower if not 0 <= part < streams]:
            raise ValueError(f"towers names stream {wrong[0]}, expected 0 to {streams - 1}")
        strides = self.choose_strides(widths, strides)
        each = channels // streams
        self.seen = [[part * each + i for part in tower for i in range(each)] for tower in towers]
        options: dict[str, Any] = {"widths": widths, "strides": strides, "kernel": kernel, "dropout": dropout}
        options |= {"edges": edges, "graph_residual": graph_residual}
        self.towers = nn.ModuleList(_headless(STGCN(self.A, len(seen), classes, **options)) for seen in self.seen)
        self.head = nn.Linear(len(towers) * widths[-1], classes)
        self.label_smoothing = label_smoothing

    def forward_features(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B S V D"]:
        """The features of all towers, one after another on the last axis."""
        towers: Any = self.towers
        parts = (x[..., seen].contiguous() for seen in self.seen)
        return torch.cat([tower.forward_features(it, copies) for tower, it in zip(towers, parts, strict=True)], dim=3)

    def own_loss(
        self, more: Float[Tensor, "N M S V D"], logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        """The mean cross entropy of the towers, each answering alone."""
        count = len(self.seen)
        features = more.mean((1, 2, 3), dtype=torch.promote_types(more.dtype, torch.float32)).chunk(count, dim=1)
        weights = self.head.weight.chunk(count, dim=1)
        losses = [
            F.cross_entropy(F.linear(x, weight * count, self.head.bias), labels, label_smoothing=self.label_smoothing)
            for x, weight in zip(features, weights, strict=True)
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """Each tower is folded as an `STGCN` is."""
        if type(self) is not Towers:
            return super().fold(dtype)
        model: Any = super().fold(torch.float32)
        model.towers = nn.ModuleList(tower.fold(dtype) for tower in model.towers)
        return model


def _headless(tower: STGCN) -> STGCN:
    del tower.head
    return tower
