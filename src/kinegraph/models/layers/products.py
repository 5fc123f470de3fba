"""Matrix products by oneDNN, in float32 on a CPU, while training and in the inference engine.

torch multiplies by MKL, which uses vectors of half the width on processors of other makers than its own: on an AMD EPYC
(Zen 5) one core reaches 110 GFLOP/s, and 250 by oneDNN. Where both are alike, torch's own stay.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from kinegraph.models.layers.threads import with_one_thread
from kinegraph.models.quickest import quickest

ROWS, WIDTH = 340, 256  # of the products that decide
GAIN = 1.3  # so many times as fast oneDNN has to be: another product rounds otherwise, so nothing is to hang on chance


def by_onednn(x: Tensor) -> bool:
    """Whether products with x are computed so. A compiler and a counter of multiplications get torch's own."""
    watched = torch.compiler.is_compiling() or is_in_torch_dispatch_mode()
    return x.dtype == torch.float32 and x.device.type == "cpu" and not watched and onednn_pays()


@cache
def onednn_pays() -> bool:
    """Measured once for each machine, and kept.

    In the processor time of a single thread: other programs lengthen the time of the wall of both at random, more so
    where threads wait for each other.
    """
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # torch was built without it
        return False
    numbers = torch.randn(ROWS + WIDTH, WIDTH, generator=torch.Generator().manual_seed(0))
    x, weight = numbers[:ROWS], numbers[ROWS:]
    ways: dict[str, Callable[[], Callable[[], Tensor]]] = {
        "torch": lambda: partial(nn.functional.linear, x, weight),
        "oneDNN": lambda: partial(torch.ops.mkldnn._linear_pointwise, x, weight, None, "none", [], ""),
    }
    about = {"work": "products", "rows": ROWS, "width": WIDTH, "clock": "processor time of one thread"}
    times = with_one_thread(lambda: quickest(ways, _asked, about, clock=time.thread_time)).measured.milliseconds
    return times["torch"] > GAIN * times.get("oneDNN", np.inf)


@torch.no_grad()
def _asked(way: Callable[[], Tensor]) -> Float[np.ndarray, "rows D"]:
    return way().numpy()


def product(
    a: Float[Tensor, "M K"], b: Float[Tensor, "N K"], bias: Float[Tensor, "N"] | None = None
) -> Float[Tensor, "M N"]:
    """a b^T + bias, without gradients. Either may be a transposed view. A transposed a is copied."""
    if by_onednn(a):
        with torch.no_grad():
            return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
    return a @ b.T if bias is None else torch.addmm(bias, a, b.T)


def product_of_rows(a: Float[Tensor, "K M"], b: Float[Tensor, "K N"]) -> Float[Tensor, "M N"]:
    """a^T b, a sum over many rows, such as the gradient of a weight; without gradients."""
    return product(a.T, b.T) if a.shape[1] <= b.shape[1] else product(b.T, a.T).T


def quick_linear(layer: nn.Linear, x: Float[Tensor, "... C"], rows: slice | None = None) -> Float[Tensor, "... D"]:
    """layer(x), or only these rows of its weight and bias."""
    if rows is None and not torch.is_grad_enabled():
        return layer(x)  # an engine has layers of its own
    rows = rows or slice(None)
    return mix_last(x, layer.weight[rows], None if layer.bias is None else layer.bias[rows])


def mix_last(
    x: Float[Tensor, "... C"], weight: Float[Tensor, "D C"], bias: Float[Tensor, "D"] | None = None
) -> Float[Tensor, "... D"]:
    """weight x + bias, for x whose channels come last."""
    if by_onednn(x) and not torch.is_autocast_enabled("cpu"):
        return _MixLast.apply(x, weight, bias)
    return nn.functional.linear(x, weight, bias)


class _MixLast(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Float[Tensor, "... C"], weight: Float[Tensor, "D C"], bias: Float[Tensor, "D"] | None):
        ctx.save_for_backward(x, weight)
        y = product(x.reshape(-1, x.shape[-1]), weight, bias)
        return torch.ops.aten._unsafe_view(y, (*x.shape[:-1], len(weight)))  # no view: it may be changed in place

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "... D"]):
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradient.reshape(-1, len(weight))
        return (
            product(gradient, weight.T).view(x.shape) if of_x else None,
            product_of_rows(gradient, x.reshape(-1, x.shape[-1])) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


def mix_first(weight: Float[Tensor, "D C"], x: Float[Tensor, "C N"]) -> Float[Tensor, "D N"]:
    """weight x, for x whose channels come first."""
    return _MixFirst.apply(weight, x) if by_onednn(x) else torch.mm(weight, x)


class _MixFirst(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight: Float[Tensor, "D C"], x: Float[Tensor, "C N"]):
        ctx.save_for_backward(weight, x)
        return product(weight, x.T)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Float[Tensor, "D N"]):
        weight, x = ctx.saved_tensors
        of_weight, of_x = ctx.needs_input_grad
        return product(gradient, x) if of_weight else None, product(weight.T, gradient.T) if of_x else None


# ---- products of the inference engine by oneDNN, with weights in its own memory order --------------------------------


class Packed(nn.Linear):
    """A trained linear layer. Its weight is packed when it is used for the first time; float32, on a CPU."""

    def __init__(self, weight: Float[Tensor, "D C"], bias: Float[Tensor, "D"] | None = None):
        super().__init__(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        self.weight = nn.Parameter(weight.detach(), requires_grad=False)
        if bias is not None:
            self.bias = nn.Parameter(bias.detach(), requires_grad=False)
        self.packed: Tensor | None = None

    def forward(self, input: Float[Tensor, "... C"]) -> Float[Tensor, "... D"]:
        asked = input.requires_grad and torch.is_grad_enabled()  # for gradients, which oneDNN's product does not have
        if asked or torch.compiler.is_compiling() or not packs(input):  # also while exporting, and moved to a GPU since
            return super().forward(input)
        if self.packed is None:
            self.packed = _packed(self.weight, input.numel() // input.shape[-1])
        return _product(input, self.packed, self.bias)

    def _load_from_state_dict(self, *args: Any) -> None:
        self.packed = None  # of the weight before
        super()._load_from_state_dict(*args)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "packed": None}  # what oneDNN made cannot be copied


def pack(network: nn.Module) -> None:
    """Every linear layer of a folded network becomes a packed one, in float32 on a CPU where that pays."""
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is nn.Linear and packs(layer.weight):
                setattr(module, name, Packed(layer.weight, layer.bias))


def packs(tensor: Tensor) -> bool:
    """Whether products with such a tensor are faster with a packed weight."""
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32 and onednn_pays()


def _packed(weight: Float[Tensor, "D C"], rows: int) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)


def _product(x: Float[Tensor, "... C"], packed: Tensor, bias: Float[Tensor, "D"] | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
