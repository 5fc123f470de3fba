"""The learning rate as a function of how far training has come; nothing to save, nothing to resume."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes over training, step by step.

    Args:
        kind: "step" multiplies by `gamma` at each milestone, "cosine" falls to zero along half a wave.
        milestones: epochs after which "step" lowers the rate.
        gamma: factor at each milestone.
        warmup: share of all steps over which the rate rises linearly from zero.

    Raises ValueError for an unknown kind, a warmup outside [0, 1) and milestones that do not rise.
    """

    kind: Literal["step", "cosine"] = "step"
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("step", "cosine"):
            raise ValueError(f"schedule.kind is '{self.kind}', expected step or cosine")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"schedule.warmup is {self.warmup}, expected a share of the steps from 0 to below 1")
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"schedule.milestones {list(self.milestones)} are not in rising order")

    def factor(self, step: int, steps: int, epochs: int) -> float:
        """What the base rate is multiplied with at `step` of `steps` steps that make `epochs` epochs."""
        rise = min(1.0, (step + 1) / (self.warmup * steps)) if self.warmup else 1.0
        if self.kind == "cosine":
            past = max(0.0, (step / steps - self.warmup) / (1 - self.warmup))
            return rise * 0.5 * (1 + math.cos(math.pi * past))
        epoch = step * epochs / steps
        return rise * self.gamma ** sum(epoch >= milestone - 1e-9 for milestone in self.milestones)
