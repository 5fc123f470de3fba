"""Sum over neighbouring joints, then mix channels, piece by piece: what lies between the two never leaves the cache."""

import torch
from jaxtyping import Float
from torch import Tensor

from kinegraph.models.layers.packed import Packed
from kinegraph.models.layers.products import by_onednn, product, product_of_rows
from kinegraph.models.layers.threads import each, shares

PIECE = 2**18  # numbers in what lies between, on a CPU: 1 MB stay in a core's own cache
FEW = 2**21  # numbers in what lies between that are no burden as a whole: pieces of them would only cost calls
LARGE = 2**21  # multiplications of a frame from which each frame is a product of its own: those of windows


def graph_product(
    x: Float[Tensor, "B T V C"],
    graph: Float[Tensor, "K V V"],
    weight: Float[Tensor, "D KC"],
    constant: Float[Tensor, "V D"],
) -> Float[Tensor, "B T V D"]:
    """y[w] = sum_k W_k (sum_v graph_k[v, w] x[v]) + constant[w] in every frame, weight being [W_1 | ... | W_K].

    The neighbours' sums are K times as large as x. They are neither built as a whole nor kept for the backward pass,
    which computes them again.
    """
    gather, device = gathering(graph), x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, gather, weight, constant = (t.to(dtype) for t in (x, gather, weight, constant))
    return product_with(x, gather, weight, constant)


def gathering(graph: Float[Tensor, "K V V"]) -> Float[Tensor, "VK V"]:
    """The graph as one matrix; row (w, k), so that a joint's partitions end up beside its channels."""
    return graph.permute(2, 0, 1).flatten(0, 1)


def product_with(
    x: Float[Tensor, "B T V C"], gather: Float[Tensor, "VK V"], weight: Float[Tensor, "D KC"], constant
) -> Float[Tensor, "B T V D"]:
    """`graph_product` with a graph from `gathering`."""
    numbers = x.shape[0] * x.shape[1] * len(gather) * x.shape[3]
    little = numbers <= (FEW if torch.is_grad_enabled() else PIECE)
    if little or torch.compiler.is_compiling():  # also while exporting: a compiler does not see through pieces
        return _neighbours(x.flatten(0, 1), gather).view(*x.shape[:3], -1) @ weight.T + constant
    return _GraphProduct.apply(x.flatten(0, 1), gather, weight, constant).unflatten(0, x.shape[:2])


def packed_product(
    x: Float[Tensor, "B T V C"], gather: Float[Tensor, "VK V"], mix: Packed, constant: Float[Tensor, "V D"]
) -> Float[Tensor, "B T V D"]:
    """`product_with` a weight that is packed; without gradients."""
    y = x.new_empty(*x.shape[:3], mix.out_features)
    frames, rows = x.flatten(0, 1), y.flatten(0, 1)
    at_once = max(1, PIECE // (len(gather) * x.shape[3]))
    for start in range(0, len(frames), at_once):
        piece = slice(start, start + at_once)
        sums = _neighbours(frames[piece], gather)
        torch.add(mix(sums.view(-1, mix.in_features)).view_as(rows[piece]), constant, out=rows[piece])
    return y


class _GraphProduct(torch.autograd.Function):
    """Frames F = (body, time) at once. Each thread of a CPU has its share of them, piece after piece."""

    @staticmethod
    def forward(ctx, x: Float[Tensor, "F V C"], gather: Float[Tensor, "VK V"], weight, constant):
        ctx.save_for_backward(x, gather, weight)
        y = x.new_empty(*x.shape[:2], len(weight))

        def compute(share: list[slice]) -> None:
            room = _room(share, x, gather)
            for frames in share:
                sums = _neighbours(x[frames], gather, room)
                mixed = product(sums.view(-1, weight.shape[1]), weight).view(y[frames].shape)
                torch.add(mixed, constant, out=y[frames])

        each(compute, _shares(x, gather))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "F V D"]):
        x, gather, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        exact = torch.promote_types(x.dtype, torch.float32)
        of_x, scatter = torch.empty_like(x), gather.T.contiguous()

        def compute(share: list[slice]) -> list[Tensor]:
            of_gather, of_weight = (torch.zeros_like(t, dtype=exact) for t in (gather, weight))
            room = _room(share, x, gather)
            for frames in share:
                seen, incoming = x[frames], gradient[frames].flatten(0, 1)
                sums = _neighbours(seen, gather, room).view(-1, weight.shape[1])
                of_weight += product_of_rows(incoming, sums)
                of_sums = product(incoming, weight.T).view(len(seen), len(gather), -1)  # (frames, V K, C)
                if ctx.needs_input_grad[1]:
                    of_gather += _summed(of_sums, seen, exact)
                of_x[frames] = _neighbours(of_sums, scatter)
            return [of_gather, of_weight, gradient[share[0].start : share[-1].stop].sum(0, dtype=exact)]

        parts = each(compute, _shares(x, gather))
        of_gather, of_weight, of_constant = (torch.stack(t).sum(0).to(x.dtype) for t in zip(*parts, strict=True))
        return of_x, of_gather, of_weight, of_constant


def _neighbours(
    x: Float[Tensor, "F V C"], gather: Float[Tensor, "VK V"], room: Float[Tensor, "most VK C"] | None = None
) -> Float[Tensor, "F VK C"]:
    """gather @ x, in the memory of `room` if there is one."""
    if _large(x, len(gather)):
        return torch.stack([product(gather, frame.T) for frame in x])
    return torch.bmm(gather.expand(x.shape[0], -1, -1), x, out=None if room is None else room[: len(x)])


def _summed(of_sums: Float[Tensor, "F VK C"], x: Float[Tensor, "F V C"], exact: torch.dtype) -> Float[Tensor, "VK V"]:
    """sum over frames of of_sums x^T."""
    if _large(x, of_sums.shape[1]):
        return torch.stack([product(*frame) for frame in zip(of_sums, x, strict=True)]).sum(0)
    return (of_sums @ x.mT).sum(0, dtype=exact)


def _large(x: Float[Tensor, "F V C"], rows: int) -> bool:
    """Whether a product of one frame, with so many rows, is worth a call; such products have no gradients."""
    worth = rows * x.shape[1] * x.shape[2] >= LARGE
    return worth and not torch.is_grad_enabled() and by_onednn(x)


def _room(share: list[slice], x: Float[Tensor, "F V C"], gather: Float[Tensor, "VK V"]) -> Float[Tensor, "most VK C"]:
    """Memory for the largest piece, for one after another, so that it stays in the cache."""
    return x.new_empty(share[0].stop - share[0].start, len(gather), x.shape[2])


def _shares(x: Float[Tensor, "F V C"], gather: Float[Tensor, "VK V"]) -> list[list[slice]]:
    if x.device.type != "cpu":
        return [[slice(0, len(x))]]
    frames = max(1, PIECE // (len(gather) * max(x.shape[2], 64)))  # long sums of weight gradients would lose accuracy
    return shares(len(x), frames, x.device)
