"""What the optimizer is given: the parameters that learn, in groups with their weight decay and learning rate."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class PublishedSGD(torch.optim.SGD):
    """torch's SGD with the settings of MMAction2's ST-GCN recipes as defaults.

    Args:
        params: parameters, or groups of them.
        lr: learning rate before the schedule.
        momentum: share of the last step that goes into the next one.
        nesterov: look at the gradient where momentum leads.
        weight_decay: pull of every parameter to zero, as a factor of it that is added to its gradient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 1e-4,
    ):
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)


def parameter_groups(network: nn.Module, *, decay_all: bool = True, head_lr: float = 1.0) -> list[dict]:
    """The parameters that learn, in one group, or in several.

    decay_all: false spares all but matrices and kernels from weight decay. head_lr: the head's learning rate as a
    multiple of the others'; it waits in its groups until `scale_rates` applies it. Raises ValueError for a head_lr of a
    network without a head.
    """
    if head_lr != 1 and not hasattr(network, "head"):
        raise ValueError(f"head_lr is {head_lr:g}, but {type(network).__name__} has no part named 'head'")
    matrices = {id(part.weight) for part in network.modules() if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d)}
    head = {id(parameter) for parameter in network.head.parameters()} if head_lr != 1 else set()
    groups: dict[tuple[bool, bool], list] = {(part, spared): [] for part in (False, True) for spared in (False, True)}
    for parameter in network.parameters():
        if parameter.requires_grad:
            spared = not decay_all and id(parameter) not in matrices
            groups[id(parameter) in head, spared].append(parameter)
    return [
        {"params": parameters} | ({"weight_decay": 0.0} if spared else {}) | ({"lr_factor": head_lr} if of_head else {})
        for (of_head, spared), parameters in groups.items()
        if parameters
    ]


def scale_rates(optimizer: torch.optim.Optimizer, factor: float = 1.0) -> float:
    """Multiply every group's learning rate by `factor` and by its own. Returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] *= factor * group.get("lr_factor", 1.0)
    return optimizer.param_groups[0]["lr"]
