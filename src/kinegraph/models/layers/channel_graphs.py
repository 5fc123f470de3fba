"""Sum over neighbouring joints where every channel of every body has a graph of its own.

In (channel, body, time and joint) order a channel's moments and joints lie together, so that each sum is a matrix
product and nothing is put into another order.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from kinegraph.models.layers.products import product


def channel_graph_product(
    x: Float[Tensor, "C B T V"],
    graph: Float[Tensor, "K D B V V"],
    weight: Float[Tensor, "K D C"],
    bias: Float[Tensor, "K D"],
) -> Float[Tensor, "D B N"]:
    """y_d[w] = sum_k sum_v graph_kd[v, w] h_kd[v] in every frame, h_k = W_k x + b_k."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, graph, weight, bias = (it.to(dtype) for it in (x, graph, weight, bias))
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _ChannelGraphProduct.apply(x.contiguous(), graph.contiguous(), weight, bias)
    rows, (_, B, T, V), (K, D) = x.flatten(1), x.shape, weight.shape[:2]
    y = None
    for k in range(K):
        h, graphs = torch.addmm(bias[k][:, None], weight[k], rows).view(-1, T, V), graph[k].flatten(0, 1)
        y = torch.bmm(h, graphs) if y is None else torch.baddbmm(y, h, graphs)
    assert y is not None
    return y.view(D, B, T * V)


class _ChannelGraphProduct(torch.autograd.Function):
    """Partition after partition, each added to the result, and to the gradient of x, that are there."""

    @staticmethod
    def forward(
        ctx, x: Float[Tensor, "C B T V"], graph: Float[Tensor, "K D B V V"], weight: Tensor, bias: Tensor
    ) -> Float[Tensor, "D B N"]:
        (C, B, T, V), (K, D) = x.shape, weight.shape[:2]
        rows, h, y = x.view(C, -1), x.new_empty(K, D, B * T * V), x.new_empty(D * B, T, V)
        for k in range(K):
            torch.add(product(weight[k], rows.T), bias[k][:, None], out=h[k])
            torch.baddbmm(y, h[k].view(-1, T, V), graph[k].view(-1, V, V), beta=int(k > 0), out=y)
        ctx.save_for_backward(x, graph, weight, h)
        return torch.ops.aten._unsafe_view(y, (D, B, T * V))  # no view: it may be changed in place

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "D B N"]):
        x, graph, weight, h = ctx.saved_tensors
        (C, _, T, V), K = x.shape, len(weight)
        g, rows = gradient.reshape(-1, T, V), x.view(C, -1)
        of_x, of_graph, of_h, of_weight, of_bias = None, torch.empty_like(graph), torch.empty_like(h[0]), [], []
        for k in range(K):
            torch.bmm(h[k].view(-1, T, V).mT, g, out=of_graph[k].view(-1, V, V))
            torch.bmm(g, graph[k].view(-1, V, V).mT, out=of_h.view(-1, T, V))
            of_weight.append(product(of_h, rows))
            of_bias.append(of_h.sum(1))
            seen = product(weight[k].T, of_h.T)
            of_x = seen if of_x is None else of_x.add_(seen)
        assert of_x is not None
        return of_x.view(x.shape), of_graph, torch.stack(of_weight), torch.stack(of_bias)
