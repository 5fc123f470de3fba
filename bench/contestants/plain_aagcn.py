"""AAGCN read plainly, and without attention MMAction2 1.x's 2s-AGCN; tensors have the names of MMAction2 1.x."""

import torch
from contestants.plain_parts import Ten, projected
from torch import nn
from torch.nn import functional as F


class GraphConvolution(nn.Module):
    """ReLU(BN(sum_k W_k (x (A_k + alpha tanh(S_k)))) + D(x)), S_k being how alike joints move; then attention."""

    def __init__(self, graph, width_in, width, attention):
        super().__init__()
        self.A, self.alpha = nn.Parameter(graph.clone()), nn.Parameter(torch.full((1,), 0.2))
        self.conv_a, self.conv_b = (nn.ModuleList(nn.Conv2d(width_in, width // 4, 1) for _ in graph) for _ in range(2))
        self.conv_d = nn.ModuleList(nn.Conv2d(width_in, width, 1) for _ in graph)
        self.bn = nn.BatchNorm2d(width)
        self.down = projected(width_in, width)
        self.attention = attention
        if attention:
            kernel = graph.shape[1] // 2 * 2 - 1 + 2 * (graph.shape[1] % 2)
            self.conv_sa = nn.Conv1d(width, 1, kernel, padding=kernel // 2)
            self.conv_ta = nn.Conv1d(width, 1, 9, padding=4)
            self.fc1c, self.fc2c = nn.Linear(width, width // 2), nn.Linear(width // 2, width)

    def forward(self, x):  # (B, C, T, V)
        B, C, T, V = x.shape
        y = 0
        for k, graph in enumerate(self.A):
            a = self.conv_a[k](x).permute(0, 3, 1, 2).reshape(B, V, -1)
            b = self.conv_b[k](x).reshape(B, -1, V)
            graph = graph + self.alpha * torch.tanh(a @ b / b.shape[1])
            y = y + self.conv_d[k]((x.reshape(B, C * T, V) @ graph).view(B, C, T, V))
        y = F.relu(self.bn(y) + self.down(x))
        if self.attention:
            y = y + y * self.conv_sa(y.mean(2)).sigmoid()[:, :, None]
            y = y + y * self.conv_ta(y.mean(3)).sigmoid()[..., None]
            y = y + y * self.fc2c(F.relu(self.fc1c(y.mean((2, 3))))).sigmoid()[..., None, None]
        return y


class OverTime(nn.Module):
    def __init__(self, width, stride):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(width, width, (9, 1), (stride, 1), (4, 0)), nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.conv(x))


class AAGCN(Ten):
    def __init__(self, graph, attention):
        super().__init__(graph, "gcn", "gcn", "tcn", lambda a, b: GraphConvolution(graph, a, b, attention), OverTime)
        self.backbone.register_buffer("A", graph.clone())
