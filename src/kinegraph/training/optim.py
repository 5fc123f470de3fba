"""Optimizer, learning rate as a function of the step, and the average of the weights that a training passes through."""

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from kinegraph.models.network import SkeletonNetwork


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


def parameter_groups(network: nn.Module, *, decay_all: bool = True, head_lr: float = 1.0) -> list[dict[str, Any]]:
    """The parameters that learn, in one group, or in several.

    decay_all: false: weight decay only for matrices and kernels. head_lr: the head's learning rate as a multiple of
    the others'; the groups keep it until `scale_rates` applies it. Raises ValueError for a head_lr of a network without
    a head.
    """
    if head_lr != 1 and not hasattr(network, "head"):
        raise ValueError(f"head_lr is {head_lr:g}, but {type(network).__name__} has no part named 'head'")
    kept = {id(parameter) for parameter in network.undecayed()} if isinstance(network, SkeletonNetwork) else set()
    matrices = {id(part.weight) for part in network.modules() if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d)}
    head = {id(parameter) for parameter in network.get_submodule("head").parameters()} if head_lr != 1 else set()
    kinds = [(of_head, spared) for of_head in (False, True) for spared in (False, True)]
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {kind: [] for kind in kinds}
    for parameter in network.parameters():
        if parameter.requires_grad:
            spared = id(parameter) in kept or (not decay_all and id(parameter) not in matrices)
            groups[id(parameter) in head, spared].append(parameter)
    return [
        {"params": parameters} | ({"weight_decay": 0.0} if spared else {}) | ({"lr_factor": head_lr} if of_head else {})
        for (of_head, spared), parameters in groups.items()
        if parameters
    ]


def graph_parameters(network: nn.Module) -> list[nn.Parameter]:
    """What the blocks of a network of ours learn of the graph: edges, offsets to them, or weights of them."""
    names = ("graph", "offset", "importance")
    return [parameter for name, parameter in network.named_parameters() if name.rpartition(".")[2] in names]


def unfuse(optimizer: torch.optim.Optimizer) -> None:
    """Have a fused optimizer compute as others do: fused ones scale fp16 gradients back too late to be clipped."""
    for group in optimizer.param_groups:
        if group.get("fused"):
            group["fused"] = False
    optimizer.__dict__.pop("_step_supports_amp_scaling", None)


def scale_rates(optimizer: torch.optim.Optimizer, factor: float = 1.0) -> float:
    """Multiply every group's learning rate by `factor` and by its own. Returns the first group's."""
    for group in optimizer.param_groups:
        group["lr"] *= factor * group.get("lr_factor", 1.0)
    return optimizer.param_groups[0]["lr"]


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes over training, step by step.

    Args:
        kind: "step" multiplies by `gamma` at each milestone, "cosine" falls to `floor` along half a wave.
        milestones: epochs after which "step" lowers the rate.
        gamma: factor at each milestone.
        warmup: share of all steps over which the rate rises linearly from zero.
        warmup_steps: the same as a number of steps.
        floor: share of the rate that "cosine" ends at.
        period: epochs from the first rate of "cosine" to `floor`, and of its way back; 0: all there are.

    Raises ValueError for an unknown kind, a share outside [0, 1), a warmup said twice, a negative gamma and milestones
    that do not rise.
    """

    kind: Literal["step", "cosine"] = "step"
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    warmup: float = 0.0
    warmup_steps: int = 0
    floor: float = 0.0
    period: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("step", "cosine"):
            raise ValueError(f"schedule.kind is '{self.kind}', expected step or cosine")
        if not 0 <= self.warmup < 1:
            also = "; for a number of steps there is warmup_steps"
            raise ValueError(f"schedule.warmup is {self.warmup}, expected a share of the steps from 0 to below 1{also}")
        if self.warmup_steps < 0 or (self.warmup and self.warmup_steps):
            raise ValueError(f"schedule.warmup_steps is {self.warmup_steps}, expected 0 or more, without warmup")
        if not 0 <= self.floor < 1:
            raise ValueError(f"schedule.floor is {self.floor}, expected a share of the rate from 0 to below 1")
        if not 0 <= self.period < math.inf:
            raise ValueError(f"schedule.period is {self.period}, expected a number of epochs, or 0 for all")
        if not 0 <= self.gamma < math.inf:
            raise ValueError(f"schedule.gamma is {self.gamma}, expected a factor from 0 on, such as 0.1")
        if any(not milestone >= 0 for milestone in self.milestones):
            raise ValueError(f"schedule.milestones {list(self.milestones)}, expected numbers of epochs from 0 on")
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"schedule.milestones {list(self.milestones)} are not in rising order")

    def remarks(self, steps: int, epochs: int) -> list[str]:
        """A line for each part of the schedule that does not do in such a training what it is there for."""
        said = []
        if self.warmup_steps > steps:
            reached = f"{steps / self.warmup_steps:.0%} of the rate is reached"
            said.append(f"the training has {steps:,} steps, fewer than schedule.warmup_steps, so {reached}")
        idle = (
            {"milestones": self.milestones} if self.kind == "cosine" else {"floor": self.floor, "period": self.period}
        )
        said += [f"schedule.{name} does nothing with kind {self.kind}" for name, value in idle.items() if value]
        if self.kind == "step" and (late := [f"{milestone:g}" for milestone in self.milestones if milestone >= epochs]):
            said.append(f"schedule.milestones {', '.join(late)} do nothing: the training ends with epoch {epochs}")
        return said

    def factor(self, step: int, steps: int, epochs: int) -> float:
        """What the base rate is multiplied with at `step` of `steps` steps that make `epochs` epochs."""
        rising = self.warmup_steps or self.warmup * steps
        rise = min(1.0, (step + 1) / rising) if rising else 1.0
        if self.kind == "cosine":
            whole = self.period * steps / epochs if self.period else steps
            past = max(0.0, step - rising) / max(1.0, whole - rising)
            return rise * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * past)))
        epoch = step * epochs / steps
        return rise * self.gamma ** sum(epoch >= milestone - 1e-9 for milestone in self.milestones)


class Averaged:
    """A copy of a network whose numbers are an exponential moving average of that network's.

    mean = decay * mean + (1 - decay) * now after each step of the optimizer, for parameters and for the running
    statistics of norms; whole numbers are copied. In the first steps decay is at most (1 + steps) / (10 + steps), so
    that the initial weights are soon forgotten.
    Source: Polyak and Juditsky 1992; the first steps as in TensorFlow's ExponentialMovingAverage(num_updates).
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network, self.decay = deepcopy(network).requires_grad_(False).eval(), decay

    @torch.no_grad()
    def update(self, now: nn.Module, steps: int) -> None:
        """Take the numbers of `now` in. steps: of the optimizer before this one."""
        share = 1 - min(self.decay, (1 + steps) / (10 + steps))
        for mean, value in zip(self.network.state_dict().values(), now.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)
