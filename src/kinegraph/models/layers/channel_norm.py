"""Batch normalisation in (channel, body, time and joint) order, with few passes over memory."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm


class ChannelNorm(BatchNorm):
    """y = ReLU(BN(x + bias)), state as torch's BatchNorm; the last body may stand for several, as in `BatchNorm`.

    While training, a bias before a norm changes nothing but the running mean: it is not added, and its gradient is 0.
    """

    def forward(
        self, x: Float[Tensor, "C B N"], copies: int = 1, bias: Float[Tensor, "C"] | None = None, active: bool = False
    ) -> Float[Tensor, "C B N"]:
        """copies: how many bodies the last one stands for while training. active: with the ReLU."""
        if self.training:
            return _Normalise.apply(x.contiguous(), bias, self.weight, self.bias, self, copies, active)
        if bias is not None:
            x = x + bias[:, None, None].to(x.dtype)
        y = F.batch_norm(_rows(x), self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps).view(
            x.shape
        )
        return F.relu_(y) if active else y

    @torch.no_grad()
    def update(self, mean: Float[Tensor, "C"], variance: Float[Tensor, "C"], rows: int) -> None:
        """The running statistics move towards those of a batch, whose variance is the biased one."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)


class _Normalise(torch.autograd.Function):
    """With n rows in all, g the gradient of y where its ReLU is open, and z = (x - mean) / deviation:

        gradient of x = weight / deviation * (g - copies of the body * (sum g + z sum g z) / n)

    where the g of the last body is already the sum over its copies.
    """

    @staticmethod
    def forward(ctx, x: Float[Tensor, "C B N"], bias, weight, shift, norm: ChannelNorm, copies: int, active: bool):
        rows = (x.shape[1] - 1 + copies) * x.shape[2]
        if rows < 2:
            raise ValueError(
                f"training needs more than one value per channel to normalise, found shape {tuple(x.shape)}"
            )
        if copies == 1:  # a norm of groups of one channel: statistics and result of a row in one go, in the cache
            y, mean, inverse = torch.native_group_norm(
                _rows(x), weight, shift, 1, len(x), x[0].numel(), len(x), norm.eps
            )
            mean, inverse = mean[0].to(weight.dtype), inverse[0].to(weight.dtype)
            variance = inverse.pow(-2) - norm.eps
        else:
            mean, variance = _statistics(x, copies, weight.dtype)
            inverse = (variance + norm.eps).rsqrt()
            y = torch.batch_norm(_rows(x), weight, shift, mean, variance, False, 0.0, norm.eps, False)
        norm.update(mean if bias is None else mean + bias, variance, rows)
        y = torch.ops.aten._unsafe_view(y, x.shape)  # no view: it may be changed in place
        if active:
            F.relu_(y)
        ctx.copies, ctx.active, ctx.has_bias = copies, active, bias is not None
        ctx.save_for_backward(x, y if active else None, mean, inverse, weight)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "C B N"]):
        x, y, *about = ctx.saved_tensors
        if ctx.active:
            gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        of_x, of_weight, of_shift = _gradients(gradient.contiguous(), x, *about, ctx.copies)
        return of_x, torch.zeros_like(of_shift) if ctx.has_bias else None, of_weight, of_shift, None, None, None


def _statistics(x: Float[Tensor, "C B N"], copies: int, exact: torch.dtype) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of every channel, the last body counted so often."""
    parts = [(x, 1), (x[:, -1:].contiguous(), copies - 1)]
    rows = sum(count * part[0].numel() for part, count in parts)
    mean = torch.stack([count * part.sum((1, 2), dtype=exact) for part, count in parts]).sum(0) / rows
    products, sums = torch.stack([count * torch.stack(_sums(part, part, mean)) for part, count in parts]).sum(0)
    return mean, (products / rows - mean * (sums / rows - mean)).clamp_(min=0)  # for the mean is rounded


def _gradients(
    gradient: Float[Tensor, "C B N"],
    x: Float[Tensor, "C B N"],
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    copies: int,
) -> tuple[Float[Tensor, "C B N"], Float[Tensor, "C"], Float[Tensor, "C"]]:
    """Those of x, weight and shift; inverse: of the deviation."""
    if copies == 1:
        of_x, *others = torch.ops.aten.native_batch_norm_backward(
            _rows(gradient), _rows(x), weight, None, None, mean, inverse, True, 0.0, (True, True, True)
        )
        return of_x.view(x.shape), *others
    products, of_shift = _sums(gradient, x, mean)
    of_weight, rows, scale = products * inverse, (x.shape[1] - 1 + copies) * x.shape[2], weight * inverse
    slope = -scale * inverse * of_weight / rows
    constant = -scale * of_shift / rows - mean * slope
    slope, constant, scale = (values[:, None, None].to(x.dtype) for values in (slope, constant, scale))
    of_x = torch.addcmul(constant, x, slope)
    of_x[:, -1] *= copies
    return of_x.addcmul_(gradient, scale), of_weight, of_shift


def _sums(
    gradient: Float[Tensor, "C B N"], x: Float[Tensor, "C B N"], mean: Float[Tensor, "C"]
) -> tuple[Tensor, Tensor]:
    """sum g (x - mean) and sum g of every channel, in one pass."""
    _, products, sums = torch.ops.aten.native_batch_norm_backward(
        _rows(gradient), _rows(x), None, None, None, mean, torch.ones_like(mean), True, 0.0, (False, True, True)
    )
    return products, sums


def _rows(x: Float[Tensor, "C B N"]) -> Float[Tensor, "1 C BN"]:
    """As torch's BatchNorm takes them: each channel is one long row."""
    return x.reshape(1, len(x), -1)
