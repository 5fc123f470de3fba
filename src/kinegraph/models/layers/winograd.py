"""Convolution over time with fewer multiplications: for each output of a 9-tap kernel 2.8 instead of 9.

Winograd's minimal filtering F(3, 3) finds 3 outputs of a 3-tap filter with 5 products instead of 9. Nine taps are
three times three: a 3-tap filter over blocks of three frames, whose products are 3-tap filters themselves, so F(3, 3)
is used twice, 25 products for 9 outputs. F(9, 9) would need 17, but with numbers so large that float32 is lost; here
the error is about twice that of the plain sum (relative L2 of the output at 256 channels: 1.0e-6 for 6e-7).

The inference engine filters so. Training does in the backward pass alone: a gradient that is a little off stays so,
while a result that is a little off tips ReLUs over.

Source: Winograd 1980, Arithmetic Complexity of Computations; Lavin & Gray 2016 (arXiv:1509.09308) for the transforms.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.products import Packed, packs
from kinegraph.models.layers.threads import each, shares

TAPS = 3  # of each of the two levels
MOST_TAPS = TAPS * TAPS
PIECE = 2**19  # numbers in the products of some tiles that are computed together: they stay in the cache
POINTS = (0, 1, -1, 2)  # where polynomials are evaluated, and infinity
NARROWEST = 48  # channels from which it pays
PACKED_NARROWEST, PACKED_PIECE = 128, 2**20  # the same of an engine where packed products are faster: products.py
LONGEST = 600  # frames up to which gradients are filtered


def minimal_filter(outputs: int, taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices A (outputs, P), G (P, taps), B (P, P) of y = A ((G w) * (B x)) with P = outputs + taps - 1.

    y[i] = sum_j w[j] x[i + j]. Toom and Cook's multiplication of polynomials, transposed.
    """
    points = [Fraction(p) for p in POINTS[: outputs + taps - 2]]
    A = [[p**i for p in points] + [Fraction(i == outputs - 1)] for i in range(outputs)]
    G, B = [], []
    for p in points:
        others = [q for q in points if q != p]
        G.append([p**j / math.prod(p - q for q in others) for j in range(taps)])
        B.append([*_polynomial(others), Fraction(0)])
    G.append([Fraction(j == taps - 1) for j in range(taps)])
    B.append(_polynomial(points))
    return tuple(np.array(matrix, np.float64) for matrix in (A, G, B))


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients of prod (x - root), from the constant on."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - root * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


@dataclass(frozen=True)
class Tile:
    """So many outputs of a convolution over time from so many frames: y = writes ((gain w) * (reads x))."""

    gain: Float[Tensor, "P taps"]
    reads: Float[Tensor, "P frames"]
    writes: Float[Tensor, "outputs P"]

    def fits(self, frames: int) -> bool:
        """Whether tiles cover so many frames without much waste, and without much memory, for a body is one piece."""
        outputs = len(self.writes)
        return frames <= LONGEST and outputs * -(-frames // outputs) <= 1.2 * frames


@cache
def tile_of(taps: int) -> Tile:
    """Minimal filters inside a minimal filter, for up to nine taps. Float64."""
    blocks = -(-taps // TAPS)
    A, G, B = minimal_filter(TAPS, TAPS)
    outer_A, outer_G, outer_B = minimal_filter(TAPS if blocks > 1 else 1, blocks)
    frames = TAPS * (len(outer_B) - 1) + len(B)
    reads = np.zeros((len(outer_B), len(B), frames))
    for block, column in enumerate(outer_B.T):
        reads[:, :, TAPS * block : TAPS * block + len(B)] += column[:, None, None] * B
    gain = np.kron(outer_G, G)[:, :taps]  # taps that the last block has too many are zero
    return Tile(*map(torch.from_numpy, (gain, reads.reshape(-1, frames), np.kron(outer_A, A))))


class MinimalFiltering(nn.Module):
    """A trained convolution (k, 1) of stride 1 with padding (k // 2, 0), for k up to 9; in torch's axes."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        weight = convolution.weight.detach().double().squeeze(3)  # (D, C, k)
        self.padding, tile = convolution.padding[0], tile_of(weight.shape[2])
        self.register_buffer("reads", tile.reads.float())
        self.register_buffer("weight", torch.einsum("pk,dck->pcd", tile.gain, weight).float().contiguous())
        self.register_buffer("writes", tile.writes.float())
        self.register_buffer("bias", convolution.bias.detach().float())
        self.packed = nn.ModuleList(Packed(w.T) for w in self.weight) if packs(self.weight) else None

    def forward(self, x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B D T V"]:
        x = x.permute(0, 2, 3, 1)  # (B, T, V, C), as it is in memory
        T, (outputs, products) = x.shape[1], self.writes.shape
        D = self.weight.shape[2]
        x = _tiles(x, outputs, self.reads.shape[1], self.padding)
        B, tiles, V = x.shape[:3]
        y = x.new_empty(B, tiles, outputs, V, D)
        piece = PIECE if self.packed is None else PACKED_PIECE
        at_once = max(1, piece // (B * products * V * max(self.weight.shape[1:])))
        room = x.new_empty(2, products * B * min(at_once, tiles) * V * max(self.weight.shape[1:]))  # stays in the cache
        for start in range(0, tiles, at_once):
            read = _read(x[:, start : start + at_once], self.reads, *room)  # (P, B tiles V, C)
            found = self._products(read, _within(room[0], *read.shape[:2], D)).flatten(1)
            rows = torch.mm(self.writes, found, out=_within(room[1], outputs, found.shape[1]))
            rows = rows.view(outputs, B, -1, V, D).permute(1, 2, 0, 3, 4)
            torch.add(rows, self.bias, out=y[:, start : start + at_once])
        return y.flatten(1, 2)[:, :T].permute(0, 3, 1, 2)

    def _products(self, x: Float[Tensor, "P rows C"], into: Float[Tensor, "P rows D"]) -> Float[Tensor, "P rows D"]:
        if self.packed is None:
            return torch.bmm(x, self.weight, out=into)
        for i, product in enumerate(self.packed):
            into[i] = product(x[i])
        return into


class TemporalConvolution(nn.Conv2d):
    """A convolution (k, 1) with padding (k // 2, 0), while training as exact as torch's for its default memory order.

    For our memory order oneDNN adds up all products of an output in one run, which makes float32 results two to four
    times less exact. So those of wide layers take the default order, and their gradients fewer multiplications;
    gradients of those gradients there are none.

    zeros: "symmetric", or "same" to divide them as TensorFlow does.
    """

    def __init__(self, width: int, kernel: int, stride: int, zeros: str = "symmetric"):
        super().__init__(width, width, (kernel, 1), (stride, 1), (kernel // 2, 0))
        self.same = zeros == "same" and stride > 1  # at stride 1 both are equal

    def forward(self, x: Float[Tensor, "B C T V"]) -> Float[Tensor, "B D S V"]:
        padding = self.padding
        if self.same:
            x, padding = pad_same(x, self.kernel_size[0], self.stride[0]), (0, 0)
        exact = self.training and x.device.type == "cpu" and x.dtype.itemsize >= 4 and wide(self.weight)
        if exact and not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu"):
            return _Convolution.apply(x, self.weight, self.bias, self.stride, padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding)


def pad_same(x: Float[Tensor, "B C T V"], taps: int, stride: int) -> Float[Tensor, "B C frames V"]:
    """Frames with as many zeros as ceil(T / stride) outputs need; where their number is odd, one more at the end.

    Source: tensorflow/core/framework/kernel_shape_util.cc, padding SAME.
    """
    T = x.shape[2]
    zeros = max(0, (-(-T // stride) - 1) * stride + taps - T)
    return F.pad(x, (0, 0, zeros // 2, zeros - zeros // 2))


def filters(weight: Float[Tensor, "D C k 1"], stride: tuple[int, ...]) -> bool:
    """Whether a convolution over time is one that minimal filtering makes quicker; strides leave little to save."""
    return wide(weight) and stride[0] == 1 and 1 < weight.shape[2] <= MOST_TAPS


def wide(weight: Float[Tensor, "D C k 1"]) -> bool:
    """Whether products are most of the work, not passes over memory."""
    return min(weight.shape[:2]) >= NARROWEST


class _Convolution(torch.autograd.Function):
    """Results by way of torch's default memory order, gradients in ours."""

    @staticmethod
    def forward(
        ctx, x: Float[Tensor, "B C T V"], weight: Float[Tensor, "D C k 1"], bias: Float[Tensor, "D"], stride, zeros
    ):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.zeros = stride, zeros
        weight, padding = weight.contiguous(), zeros[0]
        y = x.new_empty(len(x), 1 + (x.shape[2] + 2 * padding - weight.shape[2]) // stride[0], x.shape[3], len(weight))

        def compute(share: list[slice]) -> None:
            for bodies in share:
                found = F.conv2d(x[bodies].contiguous(), weight, bias, stride, (padding, 0))
                y[bodies] = found.permute(0, 2, 3, 1)

        each(compute, shares(len(x), max(1, PIECE // x[0].numel()), x.device))
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "B D S V"]):
        x, weight = ctx.saved_tensors
        x, gradient = (t.contiguous(memory_format=torch.channels_last) for t in (x, gradient))
        taps, wanted = weight.shape[2], ctx.needs_input_grad[:3]
        if all(wanted) and filters(weight, ctx.stride) and tile_of(taps).fits(x.shape[2]):
            x, gradient = (t.permute(0, 2, 3, 1).contiguous() for t in (x, gradient))
            of_x, of_weight = filtered_gradients(x, weight, gradient)
            return of_x.permute(0, 3, 1, 2), of_weight, gradient.sum((0, 1, 2)), None, None
        gradients = torch.ops.aten.convolution_backward(
            gradient, x, weight, weight.shape[:1], ctx.stride, ctx.zeros, (1, 1), False, (0, 0), 1, wanted
        )  # fmt: skip
        return *gradients, None, None


def filtered_gradients(
    x: Float[Tensor, "B T V C"], weight: Float[Tensor, "D C k 1"], gradient: Float[Tensor, "B T V D"]
) -> tuple[Float[Tensor, "B T V C"], Float[Tensor, "D C k 1"]]:
    """The gradients of x and weight, given that of a convolution of stride 1 with padding k // 2.

    With y = writes (w' * x'), w' = gain w and x' = reads x, the gradient g of y becomes g' = writes^T g, that of w is
    gain^T (sum over tiles of g' * x'), and that of x is reads^T (w' * g').
    """
    tile, padding = tile_of(weight.shape[2]), weight.shape[2] // 2
    gain, reads, writes = (t.to(x.dtype) for t in (tile.gain, tile.reads, tile.writes))
    mixed = (gain @ weight.reshape(-1, weight.shape[2]).T).view(-1, *weight.shape[:2])  # (P, D, C)
    (outputs, products), frames = writes.shape, reads.shape[1]
    tiles = -(-x.shape[1] // outputs)
    at_once = max(1, PIECE // (products * tiles * x.shape[2] * max(weight.shape[:2])))
    of_x = torch.empty_like(x)

    def compute(share: list[slice]) -> Tensor:
        of_mixed = torch.zeros_like(mixed)
        most = (share[0].stop - share[0].start) * tiles * x.shape[2] * max(weight.shape[:2])
        room = x.new_empty(3, products * most)  # the same for each: it stays in the cache
        for bodies in share:
            seen = _read(_tiles(x[bodies], outputs, frames, padding), reads, room[0], room[1])  # (P, B tiles V, C)
            incoming = _read(_tiles(gradient[bodies], outputs, outputs, 0), writes.T, room[0], room[2])
            of_mixed.baddbmm_(incoming.mT, seen)
            found = torch.bmm(incoming, mixed, out=seen).flatten(1)
            found = torch.mm(reads.T, found, out=_within(room[0], frames, found.shape[1]))
            of_x[bodies] = _written(found, outputs, of_x[bodies].shape, padding)
        return of_mixed

    of_mixed = torch.stack(each(compute, shares(len(x), at_once, x.device))).sum(0)
    of_taps = (gain.T @ of_mixed.flatten(1)).view(-1, *weight.shape[:2])
    return of_x, of_taps.permute(1, 2, 0).unsqueeze(3)


def _tiles(x: Float[Tensor, "B T V C"], outputs: int, frames: int, padding: int) -> Float[Tensor, "B tiles V C frames"]:
    """What each tile reads, zeros before and after: a view."""
    tiles = -(-x.shape[1] // outputs)
    after = outputs * (tiles - 1) + frames - x.shape[1] - padding
    return F.pad(x, (0, 0, 0, 0, padding, after)).unfold(1, frames, outputs)


def _read(
    x: Float[Tensor, "B tiles V C frames"], reads: Float[Tensor, "P frames"], scratch: Tensor, into: Tensor
) -> Float[Tensor, "P rows C"]:
    """reads @ x for every tile, joint and channel, in memory that is there; a row is a (body, tile, joint)."""
    x = x.permute(4, 0, 1, 2, 3)
    seen = _within(scratch, *x.shape).copy_(x).flatten(1)
    return torch.mm(reads, seen, out=_within(into, len(reads), seen.shape[1])).view(len(reads), -1, x.shape[4])


def _within(room: Float[Tensor, "n"], *shape: int) -> Tensor:
    return room[: math.prod(shape)].view(shape)


def _written(
    y: Float[Tensor, "frames rows"], outputs: int, shape: tuple[int, int, int, int], padding: int
) -> Float[Tensor, "B T V C"]:
    """The transpose of `_tiles`: what tiles have for the same frame is added up."""
    B, T, V, C = shape
    y = y.view(len(y), B, -1, V, C).permute(1, 2, 0, 3, 4)  # (B, tiles, frames, V, C)
    x = y.new_zeros(B, y.shape[1] + 1, outputs, V, C)
    x[:, :-1] = y[:, :, :outputs]
    x[:, 1:, : y.shape[2] - outputs] += y[:, :, outputs:]
    return x.flatten(1, 2)[:, padding : padding + T]
