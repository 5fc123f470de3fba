"""MiniRocket of Dempster, Schmidt and Webb 2021 (arXiv:2012.08791): convolutions over time that nobody trains.

A kernel is drawn at random, and a clip is described by the share of its frames in which the kernel's answer is above a
threshold. A linear head on thousands of such shares, fitted in closed form, is about as good on few clips as a trained
network, and makes other mistakes: a good member of an `Ensemble`.

As in MiniRocket a kernel has nine taps, three of 2 and six of -1, so a body that rests gives 0; thresholds are answers
to training clips. Other than there, kernels see a random mix of a few coordinates (theirs a sum of channels), all
kernels are drawn (theirs are all 84), and a threshold is a short slope, so that rounding moves no share by a frame.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from kinegraph.models.layers.blocks import stream_channels
from kinegraph.models.network import ClosedForm, SkeletonNetwork

TAPS, HIGH = 9, 3  # of a kernel, and how many of them are 2
MOST = 8  # coordinates that a kernel mixes
SLOPE = 0.1  # width of a threshold, in deviations of the kernel's answers
SMALLEST = 1e-6
ROUNDING = 1e-5  # of what a kernel mixes: what rounding makes of a body that rests


class MiniRocket(SkeletonNetwork):
    """features = share of frames with kernel(coordinates) > threshold, one number per kernel.

    The coordinates are those of the joints around the body's middle and of this middle, divided by the body's size.
    `see` takes thresholds from training clips, and a ridge regression makes the head; weights files keep all of it.

    Args:
        adjacency, channels, classes: see `SkeletonNetwork`. The graph is not looked at.
        streams: of how many equal parts the channels consist, by default those of the recipe, else one; the first is
            the joints, the others are not looked at.
        kernels: how many. A multiple of the number of dilations is taken.
        dilations: frames from tap to tap; as many kernels have each of them. A kernel should span less than the clip.
        seed: of the kernels.
    """

    keeps_places: ClassVar[bool] = False
    mixing: Float[Tensor, "D Q"]
    taps: Float[Tensor, "D 1 9"]
    threshold: Float[Tensor, "D"]

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        streams: int | None = None,
        kernels: int = 3000,
        dilations: Sequence[int] = (1, 2, 3),
        seed: int = 0,
    ):
        if not dilations or min(dilations) < 1:
            raise ValueError(f"dilations is {list(dilations)}, expected numbers from 1 on")
        if kernels < len(dilations):
            raise ValueError(f"kernels is {kernels}, expected at least one for each of {len(dilations)} dilations")
        count = kernels // len(dilations) * len(dilations)
        super().__init__(adjacency, channels, classes, width=count)
        self.coordinates = stream_channels(1 if streams is None else streams, channels)
        self.dilations = tuple(dilations)
        random = np.random.default_rng(seed)
        numbers = (self.A.shape[1] + 1) * self.coordinates
        self.register_buffer("mixing", torch.tensor(_mixing(random, count, numbers)))
        self.register_buffer("taps", torch.tensor(_taps(random, count)))
        self.register_buffer("threshold", torch.zeros(count))

    def closed_form_parts(self) -> Sequence[ClosedForm]:
        return (ClosedForm(self, range(self.config["channels"]), lambda head: head.copy_to(self.head)),)

    @torch.no_grad()
    def see(self, x: Float[Tensor, "B T V C"]) -> None:
        """Make each threshold the kernel's answer at a random moment of these bodies, and all deviations 1.

        A kernel whose answer to all these bodies is the same is switched off: it would answer to rounding errors.
        """
        random = np.random.default_rng(len(x))
        moment = torch.tensor(random.integers(len(x) * x.shape[1], size=len(self.threshold)), device=x.device)
        numbers = self._numbers(x)
        size = numbers.abs().mean((0, 1)) @ self.mixing.abs().T
        for place in range(len(self.dilations)):  # all at once are gigabytes
            kernels = self._kernels(place)
            answers = self._part(numbers, place).transpose(0, 1).flatten(1)
            deviation = answers.std(1, correction=0)
            moved = deviation > ROUNDING * size[kernels]
            deviation = deviation.clamp_min(SMALLEST)
            level = answers.gather(1, moment[kernels, None])[:, 0] / deviation
            self.mixing[kernels] = torch.where(moved[:, None], self.mixing[kernels] / deviation[:, None], 0.0)
            self.threshold[kernels] = torch.where(moved, level, 0.0)

    @torch.no_grad()
    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B 1 1 D"]:
        with torch.autocast(x.device.type, enabled=False):  # a small movement is lost in half precision
            numbers = self._numbers(x)
            answers = torch.cat([self._part(numbers, place) for place in range(len(self.dilations))], dim=1)
            above = ((answers - self.threshold[:, None]) / SLOPE + 0.5).clamp(0, 1)
            return above.mean(2)[:, None, None]

    def _numbers(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B T Q"]:
        joint = x[..., : self.coordinates].to(torch.promote_types(x.dtype, torch.float32))
        middle = joint.mean(2, keepdim=True)
        size = (joint - middle).norm(dim=3).mean((1, 2)).clamp_min(SMALLEST)
        return torch.cat([joint - middle, middle], dim=2).flatten(2) / size[:, None, None]

    def _kernels(self, place: int) -> slice:
        """Those of one dilation."""
        count = len(self.taps) // len(self.dilations)
        return slice(place * count, (place + 1) * count)

    def _part(self, numbers: Float[Tensor, "B T Q"], place: int) -> Float[Tensor, "B D T"]:
        """What the kernels of one dilation answer to each frame; the ends of a clip are held."""
        dilation, kernels = self.dilations[place], self._kernels(place)
        margin = TAPS // 2 * dilation
        mixed = F.pad((numbers @ self.mixing[kernels].T).transpose(1, 2), (margin, margin), mode="replicate")
        return F.conv1d(mixed, self.taps[kernels], dilation=dilation, groups=len(self.taps[kernels]))


def _mixing(random: np.random.Generator, kernels: int, numbers: int) -> Float[np.ndarray, "D Q"]:
    """Normal weights of one to eight coordinates a kernel, few more often than many."""
    mixing = np.zeros((kernels, numbers), np.float32)
    for row in mixing:
        count = min(int(2 ** (random.random() * np.log2(MOST + 1))), numbers)
        row[random.permutation(numbers)[:count]] = random.standard_normal(count) / count**0.5
    return mixing


def _taps(random: np.random.Generator, kernels: int) -> Float[np.ndarray, "D 1 9"]:
    taps = np.full((kernels, 1, TAPS), -1, np.float32)
    for row in taps:
        row[0, random.permutation(TAPS)[:HIGH]] = 2
    return taps
