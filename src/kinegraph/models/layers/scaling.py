"""Features scaled by a factor for each place and another for each channel, in (body, time, joint, channel) order."""

import torch
from jaxtyping import Float
from torch import Tensor


def scaled(
    y: Float[Tensor, "B T V C"], place: Float[Tensor, "B T V"], channel: Float[Tensor, "B C"]
) -> Float[Tensor, "B T V C"]:
    """y[t, v, c] place[t, v] channel[c], in the type of y."""
    place, channel = place.to(y.dtype), channel.to(y.dtype)
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return _Scaled.apply(y, place, channel)
    return (y * place[..., None]) * channel[:, None, None]


class _Scaled(torch.autograd.Function):
    """The product of all three, not kept in between; its gradients take few passes over memory."""

    @staticmethod
    def forward(ctx, y: Float[Tensor, "B T V C"], place: Float[Tensor, "B T V"], channel: Float[Tensor, "B C"]):
        ctx.save_for_backward(y, place, channel)
        return (y * place[..., None]).mul_(channel[:, None, None])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "B T V C"]):
        y, place, channel = ctx.saved_tensors
        product = (gradient * y).flatten(1, 2)  # (B, T V, C)
        of_place = (product @ channel[..., None]).view(place.shape)
        of_channel = (place.flatten(1)[:, None] @ product).squeeze(1)
        return (gradient * place[..., None]).mul_(channel[:, None, None]), of_place, of_channel
