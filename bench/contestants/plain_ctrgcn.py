"""CTR-GCN read plainly, one subset of the graph after another; tensors have the names of MMAction2 1.x."""

import torch
from contestants.plain_parts import Branches, Ten, projected
from torch import nn
from torch.nn import functional as F


class Refined(nn.Module):
    """sum_v (A + alpha (E tanh(u[v] - w[w]) + e)) h[v], u and w being means over time."""

    def __init__(self, width_in, width):
        super().__init__()
        inner = 8 if width_in <= 16 else width_in // 8
        self.conv1, self.conv2 = (nn.Conv2d(width_in, inner, 1) for _ in range(2))
        self.conv3, self.conv4 = nn.Conv2d(width_in, width, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x, graph, alpha):  # (B, C, T, V)
        u, w, h = self.conv1(x).mean(2), self.conv2(x).mean(2), self.conv3(x)
        graph = alpha * self.conv4(torch.tanh(u[..., None] - w[:, :, None])) + graph
        return torch.einsum("bdvw,bdtv->bdtw", graph, h)


class GraphConvolution(nn.Module):
    def __init__(self, graph, width_in, width):
        super().__init__()
        self.A, self.alpha = nn.Parameter(graph.clone()), nn.Parameter(torch.full((1,), 0.2))
        self.convs = nn.ModuleList(Refined(width_in, width) for _ in graph)
        self.bn = nn.BatchNorm2d(width)
        self.down = projected(width_in, width)

    def forward(self, x):
        y = sum(refined(x, graph, self.alpha) for refined, graph in zip(self.convs, self.A, strict=True))
        return F.relu(self.bn(y) + self.down(x))


class OverTime(Branches):
    """ReLU of four branches of a quarter of the width: dilations 1 and 2, a maximum, the frame itself."""

    def __init__(self, width, stride):
        super().__init__(width, stride, [width // 4] * 4, kernel=5, dilations=(1, 2), normalised=True)

    def forward(self, x):
        return F.relu(super().forward(x))


class CTRGCN(Ten):
    def __init__(self, graph, **sizes):
        super().__init__(graph, "net", "gcn1", "tcn1", lambda a, b: GraphConvolution(graph, a, b), OverTime, **sizes)
        self.backbone.register_buffer("A", graph.clone())
