"""A graph for each body: how alike its joints move, and the sum over neighbours in it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.layers.products import mix_last, quick_linear


def neighbours(x: Float[Tensor, "B T V C"], graph: Float[Tensor, "B K V V"]) -> Float[Tensor, "B T V KC"]:
    """sum_v graph_k[v, w] x[v] for each partition k."""
    (B, T, V, C), K = x.shape, graph.shape[1]
    gather = graph.permute(0, 3, 1, 2).reshape(B, 1, V * K, V)  # row (w, k): partitions end up beside the channels
    return (gather.to(x.dtype) @ x).view(B, T, V, K * C)


def likeness(
    x: Float[Tensor, "B T V C"], theta: nn.Linear, phi: nn.Linear, partitions: int
) -> Float[Tensor, "B K V V"]:
    """The mean of theta_k(x[v]) phi_k(x[w]) over frames and channels: how alike two joints of a body move."""
    if not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return mean_product(quick_linear(theta, x), quick_linear(phi, x), partitions)
    weight, bias = (torch.cat([layer.get_parameter(name) for layer in (theta, phi)]) for name in ("weight", "bias"))
    return _MeanProduct.apply(mix_last(x, weight, bias), partitions)


def mean_product(
    theta: Float[Tensor, "B T V KE"], phi: Float[Tensor, "B T V KE"], partitions: int
) -> Float[Tensor, "B K V V"]:
    """How alike joints are in each partition's channels: the mean of their products over frames and channels."""
    theta, phi = (tensor.unflatten(3, (partitions, -1)) for tensor in (theta, phi))
    alike = torch.einsum("btvke,btwke->bkvw", theta, phi)
    return alike / (theta.shape[4] * theta.shape[1])


class _MeanProduct(torch.autograd.Function):
    """`mean_product` of both embeddings side by side, put into the order of the products in one copy."""

    @staticmethod
    def forward(ctx, embedded: Float[Tensor, "B T V 2KE"], partitions: int) -> Float[Tensor, "B K V V"]:
        B, T, V, _ = embedded.shape
        parts = embedded.view(B, T, V, 2, partitions, -1).permute(3, 0, 4, 2, 1, 5)  # (2, B, K, V, T, E)
        ctx.order, ctx.mean = parts.shape, 1 / (T * parts.shape[5])
        theta, phi = parts.reshape(2, B * partitions, V, -1)
        ctx.save_for_backward(theta, phi)
        return torch.bmm(theta, phi.mT).mul_(ctx.mean).view(B, partitions, V, V)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "B K V V"]):
        theta, phi = ctx.saved_tensors
        gradient, both = gradient.flatten(0, 1) * ctx.mean, theta.new_empty(2, *theta.shape)
        torch.bmm(gradient, phi, out=both[0])
        torch.bmm(gradient.mT, theta, out=both[1])
        return both.view(ctx.order).permute(1, 4, 3, 0, 2, 5).flatten(3), None
