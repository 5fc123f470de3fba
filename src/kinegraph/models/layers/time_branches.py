"""Branches over time side by side, in (channel, body, time and joint) order: dilated convolutions, a maximum, itself.

A convolution of few channels is a matrix product for each of its frames, added up in the place of the branch: nothing
is copied together afterwards, and nothing apart in the backward pass.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm


class Plan(NamedTuple):
    """What does not change from step to step: channels of each branch but the last, joints, stride, dilations."""

    widths: tuple[int, ...]
    joints: int
    stride: int
    dilations: tuple[int, ...]

    def parts(self, x: Float[Tensor, "D B N"]) -> list[Float[Tensor, "B _ T V"]]:
        """The channels of each branch and, where there are more, those of the last one; views."""
        x = x.unflatten(2, (-1, self.joints)).transpose(0, 1)
        rest = x.shape[1] - sum(self.widths)
        return list(x.split([*self.widths, rest] if rest else self.widths, 1))


def quick(x: Tensor, norm: nn.Module) -> bool:
    """Whether steps of our own are quicker than torch's: on a CPU, while training and in the inference engine.

    A GPU, a compiler and a counter of multiplications get torch's. norm: of the network, not in the engine.
    """
    ours = torch.is_grad_enabled() or not isinstance(norm, BatchNorm)
    return ours and x.device.type == "cpu" and not torch.compiler.is_compiling()


def branches(
    h: Float[Tensor, "c B N"], still: Float[Tensor, "d B M"], dilated: Iterable[nn.Module], plan: Plan, own_steps: bool
) -> Float[Tensor, "c+d B M"]:
    """[conv_1(h_1), .., conv_n(h_n), max(h_n+1), still] at every stride-th moment. own_steps: see `quick`."""
    layers = [layer for layer in dilated if isinstance(layer, nn.Conv2d)]
    if own_steps:
        parameters = [layer.get_parameter(name) for name in ("weight", "bias") for layer in layers]
        return _Branches.apply(h, still, plan, *(parameter.to(h.dtype) for parameter in parameters))
    *parts, highest = plan.parts(h)
    seen = [layer(part) for layer, part in zip(layers, parts, strict=True)]
    seen.append(F.max_pool2d(highest, (3, 1), (plan.stride, 1), (1, 0)))
    return torch.cat([*(tensor.transpose(0, 1).flatten(2) for tensor in seen), still])


class _Branches(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h: Float[Tensor, "c B N"], still: Float[Tensor, "d B M"], plan: Plan, *layers: Tensor):
        weights, biases = layers[: len(plan.dilations)], layers[len(plan.dilations) :]
        y = h.new_empty(len(h) + len(still), *still.shape[1:])
        taps = [weight[..., 0].permute(2, 0, 1).contiguous() for weight in weights]  # each (k, D, C)
        *seen, highest = plan.parts(h)
        *places, of_highest, _ = plan.parts(y)
        for x, place, tap, bias, dilation in zip(seen, places, taps, biases, plan.dilations, strict=True):
            _convolve(x, place, tap, bias, dilation, plan.stride)
        maximum(highest, plan.stride, of_highest)
        y[len(h) :] = still
        ctx.plan = plan
        ctx.save_for_backward(h, y, *taps)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "D B M"]):
        h, y, *taps = ctx.saved_tensors
        plan, gradient = ctx.plan, gradient.contiguous()
        of_h, of_taps = torch.zeros_like(h), [torch.zeros_like(tap) for tap in taps]
        *seen, highest = plan.parts(h)
        *of_seen, of_highest = plan.parts(of_h)
        *gradients, of_maximum, _ = plan.parts(gradient)
        for number, dilation in enumerate(plan.dilations):
            arguments = (values[number] for values in (seen, of_seen, gradients, taps, of_taps))
            _convolve_back(*arguments, dilation, plan.stride)
        _maximum_back(highest, plan.parts(y)[-2], of_maximum, plan.stride, of_highest)
        widths = plan.widths[: len(taps)]
        of_biases = gradient[: sum(widths)].sum((1, 2)).split(widths)
        return of_h, gradient[len(h) :], None, *(tap.permute(1, 2, 0)[..., None] for tap in of_taps), *of_biases


def _windows(frames: int, moments: int, taps: int, dilation: int, stride: int) -> Iterator[tuple[int, slice, slice]]:
    """For each tap the moments that see a frame there, and these frames; the middle one comes first."""
    middle = taps // 2
    for tap in sorted(range(taps), key=lambda tap: abs(tap - middle)):
        shift = (tap - middle) * dilation
        first = -(min(shift, 0) // stride)  # the first moment whose frame is there, and the one after the last
        end = min(moments, (frames - 1 - shift) // stride + 1)
        if first < end:
            start = first * stride + shift
            yield tap, slice(first, end), slice(start, start + (end - first - 1) * stride + 1, stride)


def _convolve(
    x: Float[Tensor, "B C T V"],
    place: Float[Tensor, "B D S V"],
    taps: Float[Tensor, "k D C"],
    bias: Float[Tensor, "D"],
    dilation: int,
    stride: int,
) -> None:
    """The convolution, in a given place."""
    place.copy_(bias[:, None, None].expand_as(place))
    for tap, moments, frames in _windows(x.shape[2], place.shape[2], len(taps), dilation, stride):
        weight = taps[tap].expand(len(x), -1, -1)
        place[:, :, moments].flatten(2).baddbmm_(weight, x[:, :, frames].flatten(2))  # into the place itself


def _convolve_back(
    x: Float[Tensor, "B C T V"],
    of_x: Float[Tensor, "B C T V"],
    gradient: Float[Tensor, "B D S V"],
    taps: Float[Tensor, "k D C"],
    of_taps: Float[Tensor, "k D C"],
    dilation: int,
    stride: int,
) -> None:
    """Adds the gradients of x and of the taps to what is there."""
    for tap, moments, frames in _windows(x.shape[2], gradient.shape[2], len(taps), dilation, stride):
        incoming, seen = gradient[:, :, moments].flatten(2), x[:, :, frames]
        of_taps[tap] += torch.bmm(incoming, seen.flatten(2).mT).sum(0)
        weight = taps[tap].T.expand(len(x), -1, -1)
        if stride == 1:
            of_x[:, :, frames].flatten(2).baddbmm_(weight, incoming)
        else:
            of_x[:, :, frames] += torch.bmm(weight, incoming).view(seen.shape)


def maximum(x: Float[Tensor, "B C T V"], stride: int, place: Float[Tensor, "B C S V"]) -> None:
    """The largest of a moment and those beside it, in a given place."""
    place.copy_(x[:, :, ::stride])
    for target, frames in _beside(x, stride, place):
        torch.maximum(target, frames, out=target)


def _beside(x: Tensor, stride: int, place: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Moments and the frame before each, moments and the frame after each."""
    before, after = x[:, :, stride - 1 : x.shape[2] - 1 : stride], x[:, :, 1::stride]
    return [(place[:, :, place.shape[2] - before.shape[2] :], before), (place[:, :, : after.shape[2]], after)]


def _maximum_back(
    x: Float[Tensor, "B C T V"],
    y: Float[Tensor, "B C S V"],
    gradient: Float[Tensor, "B C S V"],
    stride: int,
    of_x: Float[Tensor, "B C T V"],
) -> None:
    """Adds the gradient to that of the first of the three frames that is the largest, as torch does."""
    left = gradient.clone()  # what no earlier frame has taken
    (largest, before), (largest_too, after) = _beside(x, stride, y)
    (rest, of_before), (rest_too, of_after) = _beside(of_x, stride, left)
    for frames, top, g, of_frames in (
        (before, largest, rest, of_before),
        (x[:, :, ::stride], y, left, of_x[:, :, ::stride]),
        (after, largest_too, rest_too, of_after),
    ):
        taken = top.clone().eq_(frames)  # numbers, not truth values: several times as fast
        of_frames.addcmul_(g, taken)
        g.addcmul_(g, taken, value=-1)
