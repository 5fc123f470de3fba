"""Batch normalisation of the last axis, with statistics as accurate as torch's for its default memory order."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over all axes but the last; state as torch's BatchNorm.

    On a CPU torch sums the statistics of channels-last data in one float32 run over all rows, which makes them about
    a hundred times less accurate than in its default order, and gradients of deep networks several times. So while
    training there, every (frame, joint, channel) gets the statistics of its column of bodies first, and those are
    pooled per channel: as quick, and accurate.
    """

    def forward(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T V C"]:
        columns = x.permute(0, 3, 1, 2)  # torch's axes; in memory nothing moves
        if self.training and x.device.type == "cpu" and x.dtype == torch.float32:
            y = _Normalise.apply(columns, *self._statistics(x), self.weight, self.bias, self.eps)
        else:
            y = super().forward(columns)
        return y.permute(0, 2, 3, 1)

    @torch.no_grad()
    def _statistics(self, x: Float[Tensor, "B T V C"]) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
        """Mean and (biased) variance of this batch; the running ones move towards them, unbiased."""
        channels = x.shape[3]
        rows = x.numel() // channels
        if rows < 2:
            raise ValueError(
                f"training needs more than one value per channel to normalise, found shape {tuple(x.shape)}"
            )
        columns = torch.batch_norm_update_stats(x.flatten(1), None, None, 0.0)
        means, variances = (column.view(-1, channels) for column in columns)  # (T V, C)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (rows / (rows - 1)), self.momentum)
        return mean, variance


class _Normalise(torch.autograd.Function):
    """BatchNorm by given statistics; its gradient knows that they are those of x."""

    @staticmethod
    def forward(ctx, x: Float[Tensor, "B C T V"], mean, variance, weight, bias, eps):
        ctx.eps = eps
        ctx.save_for_backward(x, mean, (variance + eps).rsqrt(), weight)
        return torch.batch_norm(x, weight, bias, mean, variance, False, 0.0, eps, False)

    @staticmethod
    def backward(ctx, gradient):
        x, mean, inverse_deviation, weight = ctx.saved_tensors
        gradient_x, gradient_weight, gradient_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, None, None, mean, inverse_deviation, True, ctx.eps, (True, True, True)
        )
        return gradient_x, None, None, gradient_weight, gradient_bias, None
