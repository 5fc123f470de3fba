"""2s-AGCN read plainly, in torch's usual order; tensors have the names of MMAction2 0.x."""

import torch
from jobs import CHANNELS, CLASSES
from torch import nn
from torch.nn import functional as F

WIDTHS = (64,) * 4 + (128,) * 3 + (256,) * 3


def projection(width_in, width, stride=1):
    """1x1 convolution and BatchNorm, or x itself where the shapes agree."""
    if (width_in, stride) == (width, 1):
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(width_in, width, 1, (stride, 1)), nn.BatchNorm2d(width))


class AdaptiveGraphConvolution(nn.Module):
    """ReLU(BN(sum_k W_k (x (A_k + P_k + S_k))) + D(x)), S_k being how alike the joints of this body move."""

    def __init__(self, graph, width_in, width):
        super().__init__()
        self.PA = nn.Parameter(torch.full_like(graph, 1e-6))
        self.conv_a = nn.ModuleList(nn.Conv2d(width_in, width // 4, 1) for _ in graph)
        self.conv_b = nn.ModuleList(nn.Conv2d(width_in, width // 4, 1) for _ in graph)
        self.conv_d = nn.ModuleList(nn.Conv2d(width_in, width, 1) for _ in graph)
        self.bn = nn.BatchNorm2d(width)
        self.down = projection(width_in, width)

    def forward(self, x, graph):  # (B, C, T, V)
        B, C, T, V = x.shape
        y = 0
        for k in range(len(graph)):
            theta = self.conv_a[k](x).permute(0, 3, 1, 2).reshape(B, V, -1)
            phi = self.conv_b[k](x).reshape(B, -1, V)
            alike = (theta @ phi / phi.shape[1]).softmax(1)  # (B, V, V)
            gathered = x.reshape(B, C * T, V) @ (alike + graph[k] + self.PA[k])
            y = y + self.conv_d[k](gathered.view(B, C, T, V))
        return F.relu(self.bn(y) + self.down(x))


class Block(nn.Module):
    def __init__(self, graph, width_in, width, stride, residual):
        super().__init__()
        self.gcn = AdaptiveGraphConvolution(graph, width_in, width)
        self.tcn = nn.Sequential(nn.Conv2d(width, width, (9, 1), (stride, 1), (4, 0)), nn.BatchNorm2d(width))
        self.residual = projection(width_in, width, stride) if residual else None

    def forward(self, x, graph):
        y = self.tcn(self.gcn(x, graph))
        return F.relu(y if self.residual is None else y + self.residual(x))


class AGCN(nn.Module):
    """(N, M, T, V, C) -> logits."""

    def __init__(self, graph):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.register_buffer("A", graph.clone())
        self.backbone.data_bn = nn.BatchNorm1d(graph.shape[1] * CHANNELS)
        widths = (CHANNELS, *WIDTHS)
        self.backbone.agcn_networks = nn.ModuleList(
            Block(graph, a, b, 2 if b == 2 * a else 1, a != CHANNELS) for a, b in zip(widths, WIDTHS, strict=False)
        )
        self.cls_head = nn.Module()
        self.cls_head.fc = nn.Conv2d(WIDTHS[-1], CLASSES, 1)

    def forward(self, x):
        N, M, T, V, C = x.shape
        x = self.backbone.data_bn(x.permute(0, 1, 3, 4, 2).reshape(N * M, V * C, T))
        x = x.view(N * M, V, C, T).permute(0, 2, 3, 1).contiguous()
        for block in self.backbone.agcn_networks:
            x = block(x, self.backbone.A)
        x = x.mean((2, 3)).view(N, M, -1).mean(1)
        return self.cls_head.fc(x[:, :, None, None]).flatten(1)
