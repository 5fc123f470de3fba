"""The mean of the weights that a training passes through, which is often better than the last of them."""

from copy import deepcopy

import torch
from torch import nn


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
