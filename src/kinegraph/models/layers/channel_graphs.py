"""Sum over neighbouring joints where every channel of every body has a graph of its own, body after body.

A channel's moments and joints have to lie together for that. They are brought together for a body at a time, in the
cache of a CPU's core, and what lies between is not kept for the backward pass, which computes it again.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from kinegraph.models.layers.threads import each, shares


def channel_graph_product(
    x: Float[Tensor, "B T V C"],
    graph: Float[Tensor, "B K D V V"],
    weight: Float[Tensor, "K D C"] | None = None,
    bias: Float[Tensor, "K D"] | None = None,
) -> Float[Tensor, "B T V D"]:
    """y_d[w] = sum_k sum_v graph_kd[v, w] h_kd[v] in every frame, h_k = W_k x + b_k, or x where there is no weight."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, graph, weight, bias = (None if it is None else it.to(dtype) for it in (x, graph, weight, bias))
    assert x is not None
    assert graph is not None
    if device != "cpu" or torch.compiler.is_compiling():  # a GPU is quickest with all bodies at once
        return _at_once(x, graph, weight, bias)
    return _ChannelGraphProduct.apply(x.contiguous(), graph.contiguous(), weight, bias)


def _at_once(
    x: Float[Tensor, "B T V C"], graph: Float[Tensor, "B K D V V"], weight: Tensor | None, bias: Tensor | None
) -> Float[Tensor, "B T V D"]:
    (B, T, V, _), (_, K, D, _, _) = x.shape, graph.shape
    if weight is not None:
        x = torch.nn.functional.linear(x, weight.flatten(0, 1), None if bias is None else bias.flatten())
    h = x.view(B, T, V, K, D).permute(0, 4, 1, 3, 2).reshape(B, D, T, K * V)
    return (h @ graph.transpose(1, 2).flatten(2, 3)).permute(0, 2, 3, 1)


class _ChannelGraphProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Float[Tensor, "B T V C"], graph: Float[Tensor, "B K D V V"], weight, bias):
        ctx.save_for_backward(x, graph, weight, bias)
        (B, T, V, _), (_, K, D, _, _) = x.shape, graph.shape
        y = x.new_empty(B, T, V, D)

        def compute(bodies: list[slice]) -> None:
            h, z = x.new_empty(D, T * V), x.new_empty(D, T, V)
            for body in (it.start for it in bodies):
                for k in range(K):
                    _value(x[body], weight, bias, k, h)
                    torch.baddbmm(z, h.view(D, T, V), graph[body, k], beta=int(k > 0), out=z)
                y[body].view(-1, D).copy_(z.view(D, -1).T)

        each(compute, shares(B, 1, x.device))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "B T V D"]):
        x, graph, weight, bias = ctx.saved_tensors
        (B, T, V, C), (_, K, D, _, _) = x.shape, graph.shape
        gradient = gradient.contiguous()
        of_x, of_graph = torch.empty_like(x), torch.empty_like(graph)
        exact = torch.promote_types(x.dtype, torch.float32)

        def compute(bodies: list[slice]) -> list[Tensor]:
            h, g, of_h = (x.new_empty(D, T * V) for _ in range(3))
            of_weight, of_bias = x.new_zeros(K, D, C, dtype=exact), x.new_zeros(K, D, dtype=exact)
            for body in (it.start for it in bodies):
                g.copy_(gradient[body].view(-1, D).T)
                rows, of_rows = x[body].view(-1, C), of_x[body].view(-1, C)
                for k in range(K):
                    _value(x[body], weight, bias, k, h)
                    torch.bmm(h.view(D, T, V).mT, g.view(D, T, V), out=of_graph[body, k])
                    torch.bmm(g.view(D, T, V), graph[body, k].mT, out=of_h.view(D, T, V))
                    if weight is None:
                        of_rows.copy_(of_h.T)
                    else:
                        of_weight[k] += of_h @ rows
                        of_bias[k] += of_h.sum(1, dtype=exact)
                        torch.addmm(of_rows, of_h.T, weight[k], beta=int(k > 0), out=of_rows)
            return [of_weight, of_bias]

        parts = each(compute, shares(B, 1, x.device))
        if weight is None:
            return of_x, of_graph, None, None
        of_weight, of_bias = (torch.stack(part).sum(0).to(x.dtype) for part in zip(*parts, strict=True))
        return of_x, of_graph, of_weight, of_bias


def _value(
    x: Float[Tensor, "T V C"], weight: Float[Tensor, "K D C"] | None, bias: Tensor | None, k: int, place: Tensor
) -> None:
    """h_k of a body, channel after channel, in a given place (D, T V)."""
    rows = x.view(-1, x.shape[2])
    if weight is None or bias is None:
        place.copy_(rows.T)
    else:
        torch.addmm(bias[k][:, None], weight[k], rows.T, out=place)
