"""MS-G3D read plainly; tensors have the names of MMAction2 1.x."""

from collections import OrderedDict
from itertools import pairwise

import torch
from contestants.plain_parts import PEOPLE
from jobs import CHANNELS, CLASSES
from torch import nn
from torch.nn import functional as F

WIDTHS = (96, 192, 384)
SCALES, WINDOW_SCALES, WINDOWS = 13, 6, (3, 5)


def scales_of(graph, count):
    """Neighbours at exactly so many steps, and the joint itself; columns sum to 1."""
    joints = torch.eye(len(graph))
    reached = [joints] + [((graph + joints).matrix_power(k) > 0).float() for k in range(1, count)]
    apart = [joints] + [b - a + joints for a, b in pairwise(reached)]
    return torch.stack([it / it.sum(0) for it in apart])


class Scales(nn.Module):
    """ReLU(BN(W [(A_k + PA_k) x])) of all scales side by side."""

    def __init__(self, graph, count, width_in, width):
        super().__init__()
        self.register_buffer("A", scales_of(graph, count))
        self.PA = nn.Parameter(torch.empty_like(self.A).uniform_(-1e-6, 1e-6))
        self.mlp = nn.Module()
        self.mlp.layers = nn.Sequential(nn.Conv2d(count * width_in, width, 1), nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x):  # (B, C, T, V)
        seen = torch.einsum("kvw,bctv->bkctw", self.A + self.PA, x)
        return self.mlp.layers(seen.flatten(1, 2))


class Window(nn.Module):
    """Frames within a window as joints of one graph, then summed over the window."""

    def __init__(self, graph, window, width_in, width, stride):
        super().__init__()
        self.window, self.stride = window, stride
        joints = len(graph)
        inner = width if width_in == CHANNELS else width_in
        together = (graph + torch.eye(joints)).repeat(window, window)
        self.gcn3d = nn.ModuleList([nn.Identity(), Scales(together, WINDOW_SCALES, width_in, inner)])
        self.out_conv = nn.Conv3d(inner, width, (1, window, 1))
        self.out_bn = nn.BatchNorm2d(width)

    def forward(self, x):
        B, C, _, V = x.shape
        x = F.unfold(x, (self.window, 1), padding=(self.window // 2, 0), stride=(self.stride, 1))
        x = x.view(B, C, self.window, -1, V).transpose(2, 3).flatten(3)  # (B, C, S, window V)
        y = F.relu(self.gcn3d[1](x)).unflatten(3, (self.window, V))
        return self.out_bn(self.out_conv(y).squeeze(3))


class Windows(nn.Module):
    def __init__(self, graph, width_in, width, stride):
        super().__init__()
        self.gcn3d = nn.ModuleList(Window(graph, window, width_in, width, stride) for window in WINDOWS)

    def forward(self, x):
        return sum(window(x) for window in self.gcn3d)


class OverTime(nn.Module):
    """Six branches, a residual path and ReLU."""

    def __init__(self, width_in, width, stride=1, active=True):
        super().__init__()
        share = width // 6
        branches = []
        for dilation in (1, 2, 3, 4, None):
            steps = [nn.Conv2d(width_in, share, 1), nn.BatchNorm2d(share), nn.ReLU()]
            if dilation:
                convolution = nn.Conv2d(share, share, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
                steps.append(nn.Sequential(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(share))))
            else:
                steps += [nn.MaxPool2d((3, 1), (stride, 1), (1, 0)), nn.BatchNorm2d(share)]
            branches.append(nn.Sequential(*steps))
        rest = width - 5 * share
        branches.append(nn.Sequential(nn.Conv2d(width_in, rest, 1, (stride, 1)), nn.BatchNorm2d(rest)))
        self.branches, self.active = nn.ModuleList(branches), active
        if (width_in, stride) != (width, 1):
            convolution = nn.Conv2d(width_in, width, 1, (stride, 1))
            self.residual = nn.Sequential(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(width)))

    def forward(self, x):
        y = torch.cat([branch(x) for branch in self.branches], 1)
        y = y + (self.residual(x) if hasattr(self, "residual") else x)
        return F.relu(y) if self.active else y


class MSG3D(nn.Module):
    """(N, M, T, V, C) -> logits. graph: (K, V, V); all that is connected in it counts as a bone."""

    def __init__(self, graph):
        super().__init__()
        bones = ((graph + graph.transpose(1, 2)).sum(0) > 0).float()
        bones.fill_diagonal_(0)
        self.backbone, self.cls_head = nn.Module(), nn.Module()
        self.backbone.register_buffer("A", bones)
        self.backbone.data_bn = nn.BatchNorm1d(PEOPLE * len(bones) * CHANNELS)
        width_in = CHANNELS
        for i, width in enumerate(WIDTHS, 1):
            stride, middle = (1, width) if i == 1 else (2, width_in)
            alone = [Scales(bones, SCALES, width_in, middle), OverTime(middle, width, stride)]
            self.backbone.add_module(f"sgcn{i}", nn.Sequential(*alone, OverTime(width, width, active=False)))
            self.backbone.add_module(f"gcn3d{i}", Windows(bones, width_in, width, stride))
            self.backbone.add_module(f"tcn{i}", OverTime(width, width))
            width_in = width
        self.cls_head.fc = nn.Linear(WIDTHS[-1], CLASSES)

    def forward(self, x):
        N, M, T, V, C = x.shape
        x = F.pad(x, (0, 0) * 3 + (0, PEOPLE - M))
        x = self.backbone.data_bn(x.permute(0, 1, 3, 4, 2).reshape(N, -1, T))
        x = x.view(N * PEOPLE, V, C, T).permute(0, 2, 3, 1).contiguous()
        for i in range(1, len(WIDTHS) + 1):
            alone, windows, over_time = (getattr(self.backbone, f"{part}{i}") for part in ("sgcn", "gcn3d", "tcn"))
            x = over_time(F.relu(alone(x) + windows(x)))
        return self.cls_head.fc(x.mean((2, 3)).view(N, PEOPLE, -1).mean(1))
