"""The three networks as their papers and the published code write them: axes N C T V, nothing left out, torch's layers.

They hold no weights: `plain_logits` computes with those of a network of kinegraph.models. What the fast path computes
is held to this.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.agcn import AGCN
from kinegraph.models.stgcn import STGCN


def plain_logits(model: nn.Module, x: Tensor) -> Tensor:
    """Logits of clips (N, M, T, V, C), every body computed; in training BatchNorm's running statistics move too."""
    N, M, T, V, C = x.shape
    x = x.permute(0, 1, 3, 4, 2).reshape(N * M, V * C, T)
    x = _norm(model.data_norm, x).view(N * M, V, C, T).permute(0, 2, 3, 1)  # (N M, C, T, V)
    block = stgcn_block if isinstance(model, STGCN) else agcn_block if isinstance(model, AGCN) else stgcnpp_block
    for layers in model.blocks:
        x = block(layers, x, model.A)
    return model.head(x.mean((2, 3)).view(N, M, -1).mean(1))


def stgcn_block(block: nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    graph = graph * block.importance if block.importance is not None else graph
    graph = block.graph if block.graph is not None else graph
    y = _norm(block.spatial_norm, graph_convolution(block.spatial, x, graph))
    if block.graph_residual is not None:
        y = y + _path(block.graph_residual, x)
    y = _norm(block.temporal_norm, _convolve(block.temporal, F.relu(y)))
    return F.relu(y if block.residual is None else y + _path(block.residual, x))


def stgcnpp_block(block: nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    y = _norm(block.spatial_norm, graph_convolution(block.spatial, x, block.graph))
    y = _norm(block.temporal_norm, multi_scale(block.temporal, F.relu(y + _path(block.graph_residual, x))))
    return F.relu(y if block.residual is None else y + _path(block.residual, x))


def agcn_block(block: nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    y = _norm(block.spatial_norm, adaptive_convolution(block.spatial, x, graph))
    y = _norm(block.temporal_norm, _convolve(block.temporal, F.relu(y + _path(block.graph_residual, x))))
    return F.relu(y if block.residual is None else y + _path(block.residual, x))


def graph_convolution(layer: nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    """Channels first, then neighbours, one partition after another."""
    weights = layer.mix.weight.chunk(len(graph), 1)
    mixed = [_mix(x, w, b) for w, b in zip(weights, layer.bias, strict=True)]
    return sum(y @ A for y, A in zip(mixed, graph, strict=True))


def adaptive_convolution(layer: nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    K, (_, _, T, _) = len(graph), x.shape
    rows = zip(
        *(t.chunk(K) for t in (layer.theta.weight, layer.theta.bias, layer.phi.weight, layer.phi.bias)), strict=True
    )
    total = 0
    for k, (theta, theta_bias, phi, phi_bias) in enumerate(rows):
        one, other = _mix(x, theta, theta_bias), _mix(x, phi, phi_bias)
        alike = torch.einsum("netv,netw->nvw", one, other) / (one.shape[1] * T)
        whole = graph[k] + layer.offset[k] + alike.softmax(1)
        total = total + _mix(torch.einsum("nctv,nvw->nctw", x, whole), layer.mix.weight.chunk(K, 1)[k], layer.bias[k])
    return total


def multi_scale(layer: nn.Module, x: Tensor) -> Tensor:
    *moving, still = _mix(x, layer.divide.weight, layer.divide.bias).split([*layer.moving, layer.still], 1)
    moving = F.relu(_norm(layer.divide_norm, torch.cat(moving, 1))).split(layer.moving, 1)
    seen = [_convolve(convolution, h) for convolution, h in zip(layer.dilated, moving, strict=False)]
    seen += [F.max_pool2d(moving[-1], (3, 1), (layer.stride, 1), (1, 0)), still[:, :, :: layer.stride]]
    return _mix(F.relu(_norm(layer.join_norm, torch.cat(seen, 1))), layer.join.weight, layer.join.bias)


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation)


def _mix(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None], bias)


def _path(path: nn.Module, x: Tensor) -> Tensor:
    if not hasattr(path, "mix"):
        return x
    return _norm(path.norm, _mix(x[:, :, :: path.stride], path.mix.weight, path.mix.bias))


def _norm(norm: nn.Module, x: Tensor) -> Tensor:
    state = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return F.batch_norm(x.contiguous(), *state, norm.training, norm.momentum, norm.eps)
