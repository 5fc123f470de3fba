"""What the plain readings of the newer papers share, in torch's usual order (body, channel, time, joint)."""

from collections import OrderedDict

import torch
from jobs import CHANNELS, CLASSES
from torch import nn
from torch.nn import functional as F

WIDTHS = (64,) * 4 + (128,) * 3 + (256,) * 3
PEOPLE = 2


def projected(width_in, width):
    """1x1 convolution and BatchNorm, or x itself where the widths agree."""
    if width_in == width:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(width_in, width, 1), nn.BatchNorm2d(width))


class Branches(nn.Module):
    """Dilated convolutions, a maximum and the frame itself, side by side; normalised: a BatchNorm behind each."""

    def __init__(self, width, stride, narrow, kernel, dilations, normalised):
        super().__init__()
        branches = []
        for share, dilation in zip(narrow, (*dilations, None), strict=False):
            steps = [nn.Conv2d(width, share, 1), nn.BatchNorm2d(share), nn.ReLU()]
            if dilation:
                padding = dilation * (kernel - 1) // 2
                convolution = nn.Conv2d(share, share, (kernel, 1), (stride, 1), (padding, 0), (dilation, 1))
                parts = [("conv", convolution)] + [("bn", nn.BatchNorm2d(share))] * normalised
                steps.append(nn.Sequential(OrderedDict(parts)))
            else:
                steps += [nn.MaxPool2d((3, 1), (stride, 1), (1, 0))] + [nn.BatchNorm2d(share)] * normalised
            branches.append(nn.Sequential(*steps))
        still = nn.Conv2d(width, narrow[-1], 1, (stride, 1))
        branches.append(nn.Sequential(still, nn.BatchNorm2d(narrow[-1])) if normalised else still)
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Block(nn.Module):
    """ReLU(over_time(spatial(x)) + R(x)); spatial, over_time: each a name and a layer."""

    def __init__(self, spatial, over_time, width_in, width, stride, first):
        super().__init__()
        self.names = spatial[0], over_time[0]
        for name, layer in (spatial, over_time):
            self.add_module(name, layer)
        self.plain = (width_in, stride) == (width, 1)
        if not first and not self.plain:
            convolution = nn.Conv2d(width_in, width, 1, (stride, 1))
            self.residual = nn.Sequential(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(width)))
        self.first = first

    def forward(self, x):
        spatial, over_time = (getattr(self, name) for name in self.names)
        y = over_time(spatial(x))
        if not self.first:
            y = y + (x if self.plain else self.residual(x))
        return F.relu(y)


class Ten(nn.Module):
    """(N, M, T, V, C) -> logits through ten blocks. together: the input norm is over all people of a clip."""

    def __init__(
        self, graph, blocks, gcn, tcn, spatial, over_time, head="fc", together=True, widths=WIDTHS, classes=CLASSES
    ):
        super().__init__()
        self.backbone, self.cls_head, self.names, self.together = nn.Module(), nn.Module(), (blocks, head), together
        self.backbone.data_bn = nn.BatchNorm1d(graph.shape[1] * CHANNELS * (PEOPLE if together else 1))
        layers = []
        for a, b in zip((CHANNELS, *widths), widths, strict=False):
            stride = 2 if b == 2 * a else 1
            layers.append(Block((gcn, spatial(a, b)), (tcn, over_time(b, stride)), a, b, stride, a == CHANNELS))
        self.backbone.add_module(blocks, nn.ModuleList(layers))
        self.cls_head.add_module(head, nn.Linear(widths[-1], classes))

    def forward(self, x):
        N, M, T, V, C = x.shape
        if self.together:
            x = F.pad(x, (0, 0) * 3 + (0, PEOPLE - M))
            M = PEOPLE
        x = x.permute(0, 1, 3, 4, 2).reshape(N if self.together else N * M, -1, T)
        x = self.backbone.data_bn(x).view(N * M, V, C, T).permute(0, 2, 3, 1).contiguous()
        blocks, head = self.names
        for block in getattr(self.backbone, blocks):
            x = block(x)
        return getattr(self.cls_head, head)(x.mean((2, 3)).view(N, M, -1).mean(1))
