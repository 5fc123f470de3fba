"""Networks as a user writes them, loaded as a plugin by test_own_network.py."""

import torch
from torch import nn

from kinegraph.models.layers.blocks import scale_joints
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcn import STGCN


class AttentiveSTGCN(STGCN):
    """A subclass with layers and an argument of its own; the other arguments go to STGCN."""

    def __init__(self, adjacency, channels, classes, *, reduction: int = 2, **options):
        super().__init__(adjacency, channels, classes, **options)
        widths = [block.spatial_norm.num_features for block in self.blocks]
        self.attention = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width // reduction), nn.ReLU(), nn.Linear(width // reduction, width))
            for width in widths
        )

    def forward_features(self, x, copies=1):
        x = scale_joints(self.data_norm, x, copies)
        for block, attend in zip(self.blocks, self.attention, strict=True):
            x = block(x, self.A, copies)
            x = x * attend(x.mean((1, 2), keepdim=True)).sigmoid()
        return x


class Narrow(STGCN):
    """Nothing new, no option left to choose: its constructor takes three arguments."""

    def __init__(self, adjacency, channels, classes):
        super().__init__(adjacency, channels, classes, widths=(8, 16), kernel=3, dropout=0.1)


class Raw(SkeletonNetwork):
    """forward_features alone: the head reads the coordinates."""

    def forward_features(self, x):
        return self.A.sum(0) @ x


class Untyped(SkeletonNetwork):
    """A constructor without types, a buffer that is not in the state, and torch's own BatchNorm."""

    def __init__(self, graph, inputs, outputs, width=8, steps=(1, 2)):
        super().__init__(graph, inputs, outputs, width=width)
        self.register_buffer("smooth", torch.ones(len(steps)) / len(steps), persistent=False)
        self.mix = nn.Linear(inputs, width)
        self.norm = nn.BatchNorm1d(width)

    def forward_features(self, x):
        y = self.norm(self.mix(x).flatten(0, 2).contiguous()).view(*x.shape[:3], -1)
        return (y * self.smooth.sum()).relu()


class Plain(nn.Module):
    """A black box of (N, M, T, V, C)."""

    def __init__(self, graph, channels, classes, hidden=8, **more):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(graph.shape[1] * channels, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, x):
        return self.layers(x.flatten(3)).mean((1, 2))
