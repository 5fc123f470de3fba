"""Sum over neighbouring joints, then mix channels, piece by piece: what lies between the two never leaves the cache."""

import torch
from jaxtyping import Float
from torch import Tensor

from kinegraph.models.layers.products import Packed, by_onednn, product, product_of_rows
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


# ---- the same where every channel of every body has a graph of its own -----------------------------------------------
# In (channel, body, time and joint) order a channel's moments and joints lie together, so that each sum is a matrix
# product and nothing is put into another order.


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
        x, graph, weight, bias = (tensor.to(dtype) for tensor in (x, graph, weight, bias))
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
