"""First weights that PYSKL and MMAction2 1.x draw otherwise; torch's own remain for what is not drawn."""

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import nn

from kinegraph.models.layers.blocks import Projection

Init = Literal["pyskl", "mmaction1"]


def check_init(init: str) -> None:
    """Raises ValueError for first weights that are nobody's."""
    if init not in get_args(Init):
        raise ValueError(f"init is '{init}', expected {' or '.join(get_args(Init))}")


@torch.no_grad()
def draw_kaiming(layer: nn.Module, fan_out: int | None = None) -> None:
    """A matrix or kernel: normal with variance 2 / fan-out, biases 0."""
    weight = layer.get_parameter("weight")
    nn.init.normal_(weight, 0.0, math.sqrt(2 / (fan_out or weight[:, 0].numel())))
    nn.init.zeros_(layer.get_parameter("bias"))


def draw_projections(blocks: Iterable[nn.Module], init: str) -> None:
    """Projections of shortcuts over time: torch's own in PYSKL, as other convolutions over time in MMAction2 1.x."""
    for block in blocks:
        if init == "mmaction1" and isinstance(block.residual, Projection):
            draw_kaiming(block.residual.mix)
