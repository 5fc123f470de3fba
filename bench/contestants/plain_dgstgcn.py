"""DG-STGCN read plainly; tensors have the names of PYSKL."""

import torch
from contestants.plain_parts import Branches, Ten, projected
from torch import nn
from torch.nn import functional as F


class GraphConvolution(nn.Module):
    """post(sum_v ReLU(BN(pre(x)))[v] (A + alpha tanh(u[v] - w[w]) + beta softmax_v(u . w))), by partition."""

    def __init__(self, graph, width_in, width):
        super().__init__()
        self.A = nn.Parameter(graph.clone())
        self.alpha, self.beta = (nn.Parameter(torch.full((len(graph),), 0.2)) for _ in range(2))
        self.pre = nn.Sequential(nn.Conv2d(width_in, width, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.conv1, self.conv2 = (nn.Conv2d(width_in, width, 1) for _ in range(2))
        self.post, self.bn = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        self.down = projected(width_in, width)

    def forward(self, x):  # (B, C, T, V)
        K, mean = len(self.A), x.mean(2, keepdim=True)
        p = self.pre(x).unflatten(1, (K, -1))  # (B, K, c, T, V)
        u, w = (conv(mean).squeeze(2).unflatten(1, (K, -1)) for conv in (self.conv1, self.conv2))  # (B, K, c, V)
        apart = torch.tanh(u[..., None] - w[:, :, :, None])
        alike = torch.einsum("bkcv,bkcw->bkvw", u, w).softmax(2)
        graph = self.A[:, None] + self.alpha[0] * apart + self.beta[0] * alike[:, :, None]
        z = torch.einsum("bkctv,bkcvw->bkctw", p, graph).contiguous()
        return F.relu(self.bn(self.post(z.flatten(1, 2))) + self.down(x))


class OverTime(nn.Module):
    """ST-GCN++'s six branches on the joints and on their mean, which every joint takes its share of."""

    def __init__(self, width, stride):
        super().__init__()
        share = width // 6
        narrow = [width - 5 * share] + 5 * [share]
        self.views = Branches(width, stride, narrow, kernel=3, dilations=(1, 2, 3, 4), normalised=False)
        self.branches = self.views.branches
        del self.views
        self.add_coeff = nn.Parameter(torch.full((25,), 0.2))
        self.transform = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 1))
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        V = x.shape[3]
        x = torch.cat([x, x.mean(3, keepdim=True)], 3)
        seen = torch.cat([branch(x) for branch in self.branches], 1)
        y = seen[..., :V] + torch.einsum("bct,v->bctv", seen[..., V], self.add_coeff[:V])
        return self.bn(self.transform(y))


class DGSTGCN(Ten):
    def __init__(self, graph, **sizes):
        first = torch.normal(0.04, 0.02, (8, *graph.shape[1:]))
        super().__init__(
            graph, "gcn", "gcn", "tcn", lambda a, b: GraphConvolution(first, a, b), OverTime, head="fc_cls",
            together=False, **sizes,
        )  # fmt: skip
