"""A trained network made quick for inference: what is known beforehand is computed beforehand."""

from copy import deepcopy
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.agcn import AGCN, AdaptiveGraphConvolution
from kinegraph.models.layers.absent import check_input, clip_logits
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity, Projection
from kinegraph.models.layers.graph_product import gathering, product_with
from kinegraph.models.layers.winograd import MinimalFiltering, filters
from kinegraph.models.stgcn import STGCN, GraphConvolution
from kinegraph.models.stgcnpp import STGCNPP, MultiScaleConvolution

AT_ONCE = 2**15  # rows (frame, joint) that a thread of a CPU computes at once: 19 bodies of 100 frames, 17 joints
Network = STGCN | STGCNPP | AGCN
NETWORKS = (STGCN, STGCNPP, AGCN)


def optimize(
    model: nn.Module, precision: Literal["auto", "fp32", "bf16"] = "auto", at_once: int | None = None
) -> "Engine":
    """The same function, for inference: engine(x, people) with x (N, M, T, V, C) -> logits (N, classes) in float32.

    BatchNorm goes into the convolutions before it, graphs and constants are computed once, convolutions over time take
    fewer multiplications (float32 on a CPU), and bodies are computed a few at a time, so that memory does not grow with
    the batch. The model is left alone; later changes of it are not seen.

    model: an STGCN, STGCNPP or AGCN, in float32 or float64.
    precision: "fp32" gives the model's logits to about 1e-6 of their size, "bf16" to about 1e-2. "auto" takes bf16
        where the device has matrix units for it (AMX, or a GPU) and fp32 elsewhere.
    at_once: bodies to compute at once; by default some on a CPU, where each thread has its own, and all on a GPU.
    Raises ValueError for another network, a precision that there is not, and no body at once.
    """
    if not isinstance(model, NETWORKS):
        names = ", ".join(network.__name__ for network in NETWORKS)
        raise ValueError(f"a {type(model).__name__} cannot be optimized, expected one of {names}")
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision is '{precision}', expected auto, fp32 or bf16")
    if at_once is not None and at_once < 1:
        raise ValueError(f"at_once is {at_once}, expected at least 1 body")
    device = model.head.weight.device
    if precision == "auto":
        precision = "bf16" if has_bf16_units(device) else "fp32"
    return Engine(model, torch.bfloat16 if precision == "bf16" else torch.float32, at_once).to(device)


def has_bf16_units(device: torch.device) -> bool:
    """Whether the device has matrix units for bfloat16.

    AVX512-BF16 alone does not count: vectors of bfloat16 make networks 1.7 to 2.1 times as quick at logits that differ
    by 1e-2, which is left to those who ask for it.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


class Engine(nn.Module):
    """What `optimize` returns. dtype: of all between the first BatchNorm and the mean over time and joints."""

    network: Any  # a Network whose parts are others now, which no static type follows

    def __init__(self, model: Network, dtype: torch.dtype, at_once: int | None):
        super().__init__()
        self.config, self.at_once = model.config, at_once
        self.weights = getattr(model, "weights", None)  # what load_model knows of it
        self.network = folded(model)
        if dtype == torch.float32 and model.head.weight.device.type == "cpu":
            _filter_minimally(self.network)
        for module in self.network.blocks.modules():
            if not isinstance(module, BatchNorm):  # its scales stay exact
                _convert(module, dtype)
        self.network.data_norm = Rounded(self.network.data_norm, dtype)

    @property
    def A(self) -> Float[Tensor, "K V V"]:
        return self.network.A

    @torch.no_grad()
    def forward(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """Logits, before any softmax. people: how many bodies of each clip are real; the others are computed once."""
        check_input(self.network, x)
        at_once = self.at_once
        if at_once is None and x.device.type == "cpu":
            at_once = max(1, AT_ONCE // (x.shape[2] * x.shape[3]))
        with torch.autocast(x.device.type, enabled=False):  # the precision is decided
            return clip_logits(self.network, x.float(), people, at_once)

    def train(self, mode: bool = True) -> "Engine":
        """Stays in evaluation mode: there is no BatchNorm left that could be trained."""
        return super().train(False)


class Rounded(nn.Module):
    """BatchNorm in float32, whose result has another type."""

    like: Tensor

    def __init__(self, norm: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.norm = norm
        self.register_buffer("like", torch.empty(0, dtype=dtype))  # what it becomes when the engine is converted

    def forward(self, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B T V C"]:
        return self.norm(x).to(self.like)


class FoldedGraphConvolution(nn.Module):
    """A graph convolution and its BatchNorm, on a graph that does not change any more."""

    gather: Tensor
    weight: Tensor
    constant: Tensor

    def __init__(self, spatial: GraphConvolution, norm: BatchNorm, graph: Float[Tensor, "K V V"]):
        super().__init__()
        scale, shift = _scale_and_shift(norm)
        self.register_buffer("gather", gathering(graph).float().contiguous())
        self.register_buffer("weight", (spatial.mix.weight * scale[:, None]).float())
        constant = graph.double().sum(1).T @ spatial.bias.double()  # (V, D)
        self.register_buffer("constant", (constant * scale + shift).float())

    def forward(self, x: Float[Tensor, "B T V C"], graph: Tensor) -> Float[Tensor, "B T V D"]:
        return product_with(x, self.gather, self.weight, self.constant)


@torch.no_grad()
def folded(model: Any) -> Any:
    """A float32 copy in evaluation mode, with BatchNorm in the layer before it wherever there is one."""
    model = deepcopy(model).eval().requires_grad_(False)
    for block in model.blocks:
        if isinstance(block.spatial, AdaptiveGraphConvolution):
            _fold_adaptive(block.spatial, block.spatial_norm)
        else:
            block.spatial = FoldedGraphConvolution(block.spatial, block.spatial_norm, _graph(block, model))
        block.spatial_norm = Identity()
        last = block.temporal
        if isinstance(last, MultiScaleConvolution):
            _fold(last.divide, last.divide_norm)
            last.register_module("divide_norm", Identity())
            last = last.join
        _fold(last, block.temporal_norm)
        block.temporal_norm = Identity()
    for path in [module for module in model.modules() if isinstance(module, Projection)]:
        _fold(path.mix, path.norm)
        path.register_module("norm", Identity())
    return model.float()


def _graph(block: Any, model: Any) -> Float[Tensor, "K V V"]:
    """The graph that a block of ST-GCN or ST-GCN++ works on, learned weights included."""
    learned = getattr(block, "graph", None)
    importance, block.importance = getattr(block, "importance", None), None
    return learned if learned is not None else model.A if importance is None else model.A * importance


def _fold(layer: nn.Linear | nn.Conv2d, norm: BatchNorm) -> None:
    """layer(x) becomes norm(layer(x)); where norm has fewer channels, in the first ones."""
    assert layer.bias is not None
    scale, shift = _scale_and_shift(norm)
    rows = slice(len(scale))
    layer.weight[rows] = (layer.weight[rows].transpose(0, -1) * scale).transpose(0, -1).to(layer.weight.dtype)
    layer.bias[rows] = (layer.bias[rows] * scale + shift).to(layer.bias.dtype)


def _fold_adaptive(spatial: AdaptiveGraphConvolution, norm: BatchNorm) -> None:
    scale, shift = _scale_and_shift(norm)
    spatial.mix.weight.copy_(spatial.mix.weight * scale[:, None])
    constant = spatial.bias.sum(0) * scale + shift
    spatial.bias.zero_()[0] = constant


def _scale_and_shift(norm: BatchNorm) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def _filter_minimally(model: Any) -> None:
    for block in model.blocks:
        layer = block.temporal
        if isinstance(layer, nn.Conv2d) and filters(layer.weight, layer.stride):
            block.temporal = MinimalFiltering(layer)


def _convert(module: nn.Module, dtype: torch.dtype) -> None:
    """The tensors of this module alone, without those inside it; kernels in the memory order of their input."""
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        tensor.data = tensor.data.to(dtype)
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
