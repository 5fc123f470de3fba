"""The papers read plainly, in torch's usual order (body, channel, time, joint): what the fast path is measured against.

Tensors have the names that MMAction2 gives them, so that one file of weights serves every contestant.
"""

from collections import OrderedDict

import numpy as np
import torch
from contestants import torch_steps
from jobs import CHANNELS, CLASSES, Job
from torch import nn
from torch.nn import functional as F

WIDTHS = (64,) * 4 + (128,) * 3 + (256,) * 3


class GraphConvolution(nn.Module):
    """h = ReLU(BN(sum_k (W_k x) G_k) + D(x)): channels are mixed first, then neighbours are summed.

    learned: G is learned and D a path around it, as in ST-GCN++; else G = A * importance, and no D, as in ST-GCN.
    """

    def __init__(self, graph, width_in, width, learned):
        super().__init__()
        if learned:
            self.A = nn.Parameter(graph.clone())
        else:
            self.register_buffer("A", graph.clone())
            self.PA = nn.Parameter(torch.ones_like(graph))
        self.conv = nn.Conv2d(width_in, width * len(graph), 1)
        self.bn = nn.BatchNorm2d(width)
        self.learned = learned
        if learned and width_in != width:
            self.down = nn.Sequential(nn.Conv2d(width_in, width, 1), nn.BatchNorm2d(width))

    def forward(self, x):  # (B, C, T, V)
        graph = self.A if self.learned else self.A * self.PA
        mixed = self.conv(x).unflatten(1, (len(graph), -1))  # (B, K, D, T, V)
        y = self.bn(torch.einsum("bkdtv,kvw->bdtw", mixed, graph))
        if self.learned:
            y = y + (self.down(x) if hasattr(self, "down") else x)
        return F.relu(y)


class TemporalConvolution(nn.Module):
    """BN(conv(x)) over time."""

    def __init__(self, width_in, width, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(width_in, width, (kernel, 1), (stride, 1), (kernel // 2, 0))
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.conv(x))


class MultiScale(nn.Module):
    """ST-GCN++'s six branches over time: four dilated convolutions, a maximum, the frame itself."""

    def __init__(self, width, stride):
        super().__init__()
        share = width // 6
        branches = []
        for dilation in (1, 2, 3, 4, None):
            narrow = width - 5 * share if dilation == 1 else share
            if dilation:
                convolution = nn.Conv2d(narrow, narrow, (3, 1), (stride, 1), (dilation, 0), (dilation, 1))
                over_time = nn.Sequential(OrderedDict(conv=convolution))
            else:
                over_time = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
            branches.append(nn.Sequential(nn.Conv2d(width, narrow, 1), nn.BatchNorm2d(narrow), nn.ReLU(), over_time))
        self.branches = nn.ModuleList([*branches, nn.Conv2d(width, share, 1, (stride, 1))])
        self.transform = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 1))
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.bn(self.transform(torch.cat([branch(x) for branch in self.branches], 1)))


class Block(nn.Module):
    def __init__(self, graph, width_in, width, stride, residual, plus):
        super().__init__()
        self.gcn = GraphConvolution(graph, width_in, width, learned=plus)
        self.tcn = MultiScale(width, stride) if plus else TemporalConvolution(width, width, 9, stride)
        if residual and (width_in, stride) == (width, 1):
            self.residual = nn.Identity()
        else:
            self.residual = TemporalConvolution(width_in, width, 1, stride) if residual else None

    def forward(self, x):
        y = self.tcn(self.gcn(x))
        return F.relu(y if self.residual is None else y + self.residual(x))


class Backbone(nn.Module):
    """Ten blocks on all bodies, absent ones too."""

    def __init__(self, graph, plus):
        super().__init__()
        self.data_bn = nn.BatchNorm1d(graph.shape[1] * CHANNELS)
        widths = (CHANNELS, *WIDTHS)
        self.gcn = nn.ModuleList(
            Block(graph, a, b, 2 if b == 2 * a else 1, a != CHANNELS, plus)
            for a, b in zip(widths, WIDTHS, strict=False)
        )

    def forward(self, x):  # (N, M, T, V, C)
        N, M, T, V, C = x.shape
        x = self.data_bn(x.permute(0, 1, 3, 4, 2).reshape(N * M, V * C, T))
        x = x.view(N * M, V, C, T).permute(0, 2, 3, 1).contiguous()  # (B, C, T, V)
        for block in self.gcn:
            x = block(x)
        return x.view(N, M, *x.shape[1:])


class Recognizer(nn.Module):
    """Linear(mean over people, time and joints)."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.cls_head = nn.Module()
        self.cls_head.fc = nn.Linear(WIDTHS[-1], CLASSES)

    def forward(self, x):
        return self.cls_head.fc(self.backbone(x).mean((3, 4)).mean(1))


def network(name: str, graph: torch.Tensor) -> nn.Module:
    if name == "agcn":
        from contestants.plain_agcn import AGCN

        return AGCN(graph)
    if name == "ctrgcn":
        from contestants.plain_ctrgcn import CTRGCN

        return CTRGCN(graph)
    if name == "dgstgcn":
        from contestants.plain_dgstgcn import DGSTGCN

        return DGSTGCN(graph)
    if name == "protogcn":
        from contestants.plain_protogcn import ProtoGCN

        return ProtoGCN(graph)
    if name == "msg3d":
        from contestants.plain_msg3d import MSG3D

        return MSG3D(graph if graph.ndim == 3 else graph[None])
    if name in ("aagcn", "agcn1"):
        from contestants.plain_aagcn import AAGCN

        return AAGCN(graph, attention=name == "aagcn")
    return Recognizer(Backbone(graph, plus=name == "stgcnpp"))


def random_weights(name: str, graph: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a network with running statistics that fit them, so that nothing dies or explodes."""
    torch.manual_seed(seed)
    built = network(name, torch.from_numpy(graph).float())
    for module in built.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.1)
            module.momentum = None  # the mean over all batches
        if getattr(module, "PA", None) is not None:
            nn.init.uniform_(module.PA, 0.5, 1.5)
    built.train()
    with torch.no_grad():
        for _ in range(2):
            built(torch.randn(2, 1, 32, graph.shape[1], CHANNELS))
    return {key: tensor.numpy() for key, tensor in built.state_dict().items()}


def prepare(job: Job) -> torch_steps.Step:
    state = torch_steps.load(job.weights)
    graph = next(tensor for key, tensor in state.items() if key.endswith(("gcn.A", "backbone.A", "gcn1.A")))
    built = network(job.network, graph)
    built.load_state_dict(state)
    return torch_steps.step(job, built)


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}
