"""Batch normalisation of the last axis, as accurate as torch's for its default memory order; a body may count often."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

RUN = 128  # numbers summed one after another: the rounding of so few is small, and the sums stay in the cache


class BatchNorm(nn.BatchNorm2d):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over all axes but the last; state as torch's BatchNorm.

    The last body may stand for several that are alike. They count as several in the statistics, and what comes back
    for it in the backward pass is the sum of their gradients: all as if each of them were there.

    On a CPU torch sums the statistics of channels-last data in one float32 run over all rows, which makes them about
    a hundred times less accurate than in its default order, and gradients of deep networks several times. So while
    training, sums are of at most RUN numbers each, and those are pooled per channel: quicker, and accurate.
    """

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B T V C"]:
        """copies: how many bodies the last one stands for. It matters while training only."""
        if not self.training or (copies == 1 and (x.device.type != "cpu" or x.dtype.itemsize == 2)):
            y = super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # torch's axes; in memory nothing moves
            return torch.ops.aten._unsafe_view(y, y.shape)  # no view: it may be changed in place
        return _Normalise.apply(x, *self._statistics(x, copies), self.weight, self.bias, self.eps, copies)

    @torch.no_grad()
    def _statistics(self, x: Float[Tensor, "B T V C"], copies: int) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
        """Mean and (biased) variance of this batch; the running ones move towards them, unbiased."""
        B, T, V, _ = x.shape
        bodies = B - 1 + copies
        rows = bodies * T * V
        if rows < 2:
            raise ValueError(
                f"training needs more than one value per channel to normalise, found shape {tuple(x.shape)}"
            )
        mean, variance = _statistics(x[:-1] if B > 1 and copies > 1 else x)
        if copies > 1:  # pool them with those of the last body
            share = copies / bodies
            of_last, varied = _statistics(x[-1:])
            offset = of_last - mean
            mean = mean + share * offset
            variance = (1 - share) * (variance + share * offset.square()) + share * varied
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
        return mean, variance


def _statistics(x: Float[Tensor, "B T V C"]) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
    """Mean and (biased) variance of each channel, at least in float32."""
    columns, exact = _columns(x), torch.promote_types(x.dtype, torch.float32)
    if x.device.type == "cpu":
        unused = torch.zeros(columns.shape[1], dtype=exact)  # running statistics: of this type are also the new ones
        means, variances = torch.batch_norm_update_stats(columns, unused, unused, 0.0)
    else:
        variances, means = torch.var_mean(columns.to(exact), 0, correction=0)
    means, variances = (values.view(-1, x.shape[-1]) for values in (means, variances))
    mean = means.mean(0)
    return mean, (variances + (means - mean).square()).mean(0)


def _columns(x: Float[Tensor, "B T V C"]) -> Float[Tensor, "run columns"]:
    """Every channel in several columns of the same length, the longest up to RUN."""
    rows = x[..., 0].numel()
    return x.reshape(next(run for run in range(min(RUN, rows), 0, -1) if rows % run == 0), -1)


class _Normalise(torch.autograd.Function):
    """BatchNorm by given statistics; its gradient knows that they are those of x, the last body counted `copies` times.

    With n rows in all, g the gradient of y, and z = (x - mean) / deviation:
        gradient of x = weight / deviation * (g - copies of the body * (sum g + z sum g z) / n)
    where the g of the last body is already the sum over its copies.
    """

    @staticmethod
    def forward(ctx, x: Float[Tensor, "B T V C"], mean, variance, weight, bias, eps, copies):
        inverse_deviation = (variance + eps).rsqrt()
        ctx.copies = copies
        ctx.save_for_backward(x, mean, inverse_deviation, weight)
        scale = weight * inverse_deviation
        return _affine(x, scale, bias - mean * scale)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        x, mean, inverse_deviation, weight = ctx.saved_tensors
        columns = _columns(x)
        places = columns.shape[1] // len(mean)
        _, *sums = torch.ops.aten.native_batch_norm_backward(
            gradient.reshape(columns.shape), columns, None, None, None, mean.repeat(places),
            inverse_deviation.repeat(places), True, 0.0, (False, True, True),
        )  # fmt: skip
        of_weight, of_bias = (values.view(places, -1).sum(0) for values in sums)  # in two steps, as the statistics
        rows = (len(x) - 1 + ctx.copies) * x[0, ..., 0].numel()
        scale = weight * inverse_deviation
        slope = -scale * inverse_deviation * of_weight / rows
        of_x = _affine(x, slope, -scale * of_bias / rows - mean * slope)
        of_x[-1] *= ctx.copies
        return of_x.addcmul_(gradient, scale.to(gradient.dtype)), None, None, of_weight, of_bias, None, None


def _affine(x: Float[Tensor, "B T V C"], scale: Float[Tensor, "C"], shift: Float[Tensor, "C"]) -> Tensor:
    """x * scale + shift in the type of x, computed in that of scale."""
    if x.dtype == scale.dtype:
        return torch.addcmul(shift, x, scale)
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    y = torch.batch_norm(x.reshape(-1, len(scale)), scale, shift, zero, one, False, 0.0, 0.0, False)
    return torch.ops.aten._unsafe_view(y, x.shape)  # no view: it may be changed in place
