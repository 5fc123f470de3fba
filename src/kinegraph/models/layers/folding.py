"""Steps of `fold`: BatchNorm goes into the layer before it, and what does not change is computed once."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity, Projection
from kinegraph.models.layers.graph_product import gathering, packed_product, product_with
from kinegraph.models.layers.products import Packed, packs
from kinegraph.models.layers.winograd import PACKED_NARROWEST, MinimalFiltering, TemporalConvolution, filters


class FoldedGraphConvolution(nn.Module):
    """A graph convolution and its BatchNorm, on a graph that does not change any more.

    mix, bias: of a `GraphConvolution`.
    """

    gather: Tensor
    constant: Tensor

    def __init__(
        self, mix: Float[Tensor, "D KC"], bias: Float[Tensor, "K D"], norm: BatchNorm, graph: Float[Tensor, "K V V"]
    ):
        super().__init__()
        scale, shift = scale_and_shift(norm)
        self.register_buffer("gather", gathering(graph).float().contiguous())
        self.mix = nn.Linear(mix.shape[1], len(mix), bias=False, device="meta")
        self.mix.weight = nn.Parameter((mix * scale[:, None]).float(), requires_grad=False)
        constant = graph.double().sum(1).T @ bias.double()  # (V, D)
        self.register_buffer("constant", (constant * scale + shift).float())

    def forward(self, x: Float[Tensor, "B T V C"], graph: Tensor) -> Float[Tensor, "B T V D"]:
        if isinstance(self.mix, Packed):
            return packed_product(x, self.gather, self.mix, self.constant)
        return product_with(x, self.gather, self.mix.weight, self.constant)


class Rounded(nn.Module):
    """BatchNorm in float32, whose result has another type."""

    like: Tensor

    def __init__(self, norm: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.norm = norm
        self.register_buffer("like", torch.empty(0, dtype=dtype))  # what it becomes when the engine is converted

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B T V C"]:
        return self.norm(x).to(self.like)


def fold_norm(owner: nn.Module, layer: nn.Linear | nn.Conv2d, name: str) -> None:
    """layer(x) becomes norm(layer(x)), norm being the owner's of that name, which becomes nothing.

    Where norm has fewer channels than the layer, in the first ones.
    """
    assert layer.bias is not None
    scale, shift = scale_and_shift(owner.get_submodule(name))
    rows = slice(len(scale))
    layer.weight[rows] = (layer.weight[rows].transpose(0, -1) * scale).transpose(0, -1).to(layer.weight.dtype)
    layer.bias[rows] = (layer.bias[rows] * scale + shift).to(layer.bias.dtype)
    owner.register_module(name, Identity())


def scale_and_shift(norm: nn.Module) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
    """What a BatchNorm does in evaluation mode is x * scale + shift; in float64."""
    assert isinstance(norm, BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def finish_folding(model: Any, dtype: torch.dtype) -> None:
    """The last steps for a model of blocks: projections, minimal filtering in float32 on a CPU, and dtype.

    All between the input norm, whose scales stay exact, and the mean over time and joints is computed in dtype.
    """
    for module in list(model.modules()):
        if isinstance(module, Projection):
            fold_norm(module, module.mix, "norm")
    model.float()
    if dtype == torch.float32 and model.A.device.type == "cpu":
        _filter_minimally(model.blocks)
    for module in model.blocks.modules():
        if not isinstance(module, BatchNorm):
            _convert(module, dtype)
    model.data_norm = Rounded(model.data_norm, dtype)


def _filter_minimally(blocks: Iterable[nn.Module]) -> None:
    for block in blocks:
        layer = getattr(block, "temporal", None)
        if not isinstance(layer, TemporalConvolution) or not filters(layer.weight, layer.stride):
            continue
        if min(layer.weight.shape[:2]) >= PACKED_NARROWEST or not packs(layer.weight):
            block.temporal = MinimalFiltering(layer)


def _convert(module: nn.Module, dtype: torch.dtype) -> None:
    """The tensors of this module alone, without those inside it; kernels in the memory order of their input."""
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        tensor.data = tensor.data.to(dtype)
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
