"""Products of the inference engine by oneDNN, with weights in its own memory order, where it is faster: products.py."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.layers.products import onednn_pays


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
