"""A network of blocks computed as frames arrive: each block keeps the few frames that later outputs still need.

A convolution over time is centred on its frame, so an output waits for the frames after it. Between blocks the strides
stay: behind two blocks of stride 2 there is one output for four frames. Zeros stand before the first frame and after
the last one, as in the network itself, so the outputs are those of the complete sequence.

All that is summed is summed in the same order, however many frames arrive at once. So the outputs of single frames and
of the complete sequence have the same bits where the matrix library computes a row alike among few and many (MKL does).
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity
from kinegraph.models.layers.folding import scale_and_shift

ROOM = 9  # frames that fit at least into a memory until they move; odd, so that rows do not share lines of the cache


@dataclass(eq=False)
class Ring:
    """The latest frames of a layer, `first` to `last` of its memory; when the memory is full they move to its start."""

    memory: Float[Tensor, "B V room C"]
    first: int
    last: int
    rows: Float[Tensor, "BV roomC"] = field(init=False)  # the same memory
    views: dict[tuple[int, int], Float[Tensor, "BV countC"]] = field(init=False)  # parts of it; to make one takes time

    def __post_init__(self) -> None:
        self.rows, self.views = self.memory.flatten(2).flatten(0, 1), {}

    @property
    def frames(self) -> Float[Tensor, "B V L C"]:
        """The frames that are kept, where they lie."""
        return self.memory[:, :, self.first : self.last]

    def place(self) -> Float[Tensor, "BV C"]:
        """Where the next frame is to be written. It counts as kept from now on."""
        if self.last == self.memory.shape[2]:
            kept = self.frames
            self.first, self.last = 0, kept.shape[2]
            self.memory[:, :, : self.last] = kept  # never onto itself: less than half of a full memory is kept
        self.last += 1
        return self.at(self.last - self.first - 1)

    def at(self, frame: int, count: int = 1) -> Float[Tensor, "BV countC"]:
        """Frames side by side, counted from the first that is kept."""
        part = self.first + frame, count
        if part not in self.views:
            width = self.memory.shape[3]
            self.views[part] = self.rows[:, part[0] * width : (part[0] + count) * width]
        return self.views[part]


State = list[Ring]  # two of each block: what it convolves, and what its residual path will add
Rows = Float[Tensor, "BV _"]  # a frame: the joints of all bodies, of as many channels as a step has


class StreamedBlock:
    """y[j] = ReLU(R(x[j stride]) + b + W across(h, j stride)) with h[t] = before(x[t]).

    A subclass defines `before` and `across`, which sees `around` frames each way. join: W and b. residual: R, a folded
    `Projection`, or Identity; None where there is none. spatial: a `FoldedGraphConvolution`, graph_residual: as
    residual.
    """

    def __init__(
        self,
        spatial: Any,
        graph_residual: nn.Module | None,
        residual: nn.Module | None,
        join: "Mixed",
        around: int,
        stride: int,
    ):
        self.around, self.stride = around, stride
        self.span = max(2 * around + 1, stride)  # frames that have to be there for an output
        self.graph_residual, self.join = _added(graph_residual), join
        self.residual = None if residual is None else _added(residual, join.bias)  # with b: one pass less
        self.graph: Tensor = spatial.gather
        self.mix: Tensor = spatial.mix.weight.T.contiguous()
        self.constant: Tensor = spatial.constant
        self.constants: dict[int, Tensor] = {}  # by bodies
        self.joints, (self.width, width_in) = len(spatial.constant), spatial.mix.weight.shape
        self.width_in = width_in * self.joints // len(spatial.gather)

    def cast(self, dtype: torch.dtype) -> "StreamedBlock":
        """A block that computes and keeps its frames in another precision."""
        other = copy(self)
        vars(other).update({name: _cast(value, dtype) for name, value in vars(self).items()})
        other.constants = {}
        return other

    def over_joints(self, x: Rows, place: Rows | None = None) -> Rows:
        """ReLU of the graph convolution and its residual path. place: where the result is wanted."""
        rows = x.shape[0]
        bodies = rows // self.joints
        sums = torch.bmm(self.graph.expand(bodies, -1, -1), x.view(bodies, self.joints, self.width_in))
        y = torch.addmm(self._constant_of(bodies), sums.view(-1, self.mix.shape[0]), self.mix)
        if self.graph_residual is not None:
            y += self.graph_residual(x)
        return y.relu_() if place is None else torch.clamp_min(y, 0, out=place)  # a place is slow: it is touched once

    def _constant_of(self, bodies: int) -> Rows:
        """Kept for each number of bodies, but where that number is not known yet: in an export."""
        if torch.compiler.is_exporting():
            return self.constant.repeat(bodies, 1)
        if bodies not in self.constants:
            self.constants[bodies] = self.constant.repeat(bodies, 1)
        return self.constants[bodies]

    def before(self, x: Rows, place: Rows) -> None:
        """The part of the block that looks at one frame alone, written to its place."""
        self.over_joints(x, place)

    def across(self, h: Ring) -> Rows:
        """What W mixes, of the kept frames: `around` on both sides of a middle one."""
        raise NotImplementedError

    def output(self, h: Rows, x: Rows | None) -> Rows:
        """ReLU(R(x) + b + W h). x: None where there is no residual path."""
        if self.residual is None or x is None:
            return self.join(h).relu_()
        return self.residual(x).addmm_(h, self.join.weight).relu_()

    def start(self, bodies: int) -> State:
        """What the block knows before the first frame: the zeros of the convolution's padding, and no x."""
        room = self.span - 1 + max(ROOM, self.span)
        h = self.constant.new_zeros(bodies, self.joints, room, self.width)
        x = self.constant.new_zeros(
            bodies, self.joints, 0 if self.residual is None else room - self.around, self.width_in
        )
        return [Ring(h, 0, self.around), Ring(x, 0, 0)]

    def push(self, x: Rows, convolved: Ring, added: Ring) -> Rows | None:
        """Take a frame. Returns the output that is complete now, if one is."""
        self.before(x, convolved.place())
        if self.residual is not None:
            added.place().copy_(x)
        return self._output(convolved, added)

    def end(self, convolved: Ring, added: Ring) -> list[Rows]:
        """The outputs that waited, when no frame follows."""
        made: list[Rows] = []
        for _ in range(self.span - self.around - 1):  # zeros of the padding, and frames that are not needed
            convolved.place().zero_()
            if (y := self._output(convolved, added)) is not None:
                made.append(y)
        return made

    def _output(self, convolved: Ring, added: Ring) -> Rows | None:
        """The output that is complete, if one is; the rings then drop the frames that no later output needs."""
        if convolved.last - convolved.first < self.span:
            return None
        y = self.output(self.across(convolved), None if self.residual is None else added.at(0))
        convolved.first += self.stride
        if self.residual is not None:
            added.first += self.stride
        return y


class StreamedNetwork:
    """`forward_features` of a trained network, frame by frame. data_norm: before the first block. blocks: in order."""

    def __init__(self, data_norm: BatchNorm, blocks: Sequence[StreamedBlock]):
        self.joints = blocks[0].joints
        self.scale, self.shift = (values.float().view(self.joints, -1) for values in scale_and_shift(data_norm))
        self.blocks = tuple(blocks)
        self.width, self.stride = blocks[-1].width, prod(block.stride for block in blocks)
        self.delay = sum((block.span - 1 - block.around) * stride for block, stride in self.strided())
        self.reach = sum(
            block.around * stride for block, stride in self.strided()
        )  # frames before a moment that it sees

    def cast(self, dtype: torch.dtype) -> "StreamedNetwork":
        """A network whose blocks compute in another precision, with the same weights."""
        other = copy(self)
        other.blocks = tuple(block.cast(dtype) for block in self.blocks)
        return other

    def start(self, bodies: int) -> State:
        """The state before the first frame."""
        return [ring for block in self.blocks for ring in block.start(bodies)]

    def __call__(self, x: Float[Tensor, "B n V C"], state: State, last: bool = False) -> Float[Tensor, "B m V D"]:
        """The features of the moments that are complete now. The state takes x.

        The moment j, of frame j stride, is complete `delay` frames later, or with the last frame.
        """
        steps = list(zip(self.blocks, state[::2], state[1::2], strict=True))
        made: list[Rows] = []
        for frame in (x * self.scale + self.shift).to(self.blocks[0].constant).unbind(1):
            y: Rows | None = frame.flatten(0, 1)
            for block, convolved, added in steps:
                if (y := block.push(y, convolved, added)) is None:
                    break
            else:
                made.append(y)
        made += _ended(steps) if last else ()
        if not made:
            return self.blocks[0].constant.new_zeros(len(x), 0, self.joints, self.width)
        return torch.stack(made).view(len(made), len(x), self.joints, -1).transpose(0, 1)

    def phase_after(self, frames: int) -> tuple[int, ...]:
        """The `phase` of a state that took so many frames."""
        kept: list[int] = []
        for block in self.blocks:
            made = max(0, (block.around + frames - block.span) // block.stride + 1)
            after = frames - made * block.stride
            kept += [block.around + after, 0 if block.residual is None else after]
            frames = made
        return tuple(kept)

    def strided(self) -> list[tuple[StreamedBlock, int]]:
        """The blocks, and how many frames lie between those that each of them sees."""
        strides = accumulate((block.stride for block in self.blocks), mul, initial=1)
        return list(zip(self.blocks, strides, strict=False))


def _ended(steps: Sequence[tuple[StreamedBlock, Ring, Ring]]) -> list[Rows]:
    """The features that wait for frames, when no frame follows."""
    made: list[Rows] = []
    for block, convolved, added in steps:
        outputs = [block.push(y, convolved, added) for y in made]
        made = [y for y in (*outputs, *block.end(convolved, added)) if y is not None]
    return made


def copied(state: State) -> State:
    """A state that goes its own way from here."""
    return [replace(ring, memory=ring.memory.clone()) for ring in state]


def bodies_of(state: State, bodies: Sequence[int]) -> State:
    """The state of some bodies alone, copied."""
    return [replace(ring, memory=ring.memory[list(bodies)]) for ring in state]


def phase(state: State) -> tuple[int, ...]:
    """States of the same phase can be joined: each block keeps as many frames."""
    return tuple(ring.last - ring.first for ring in state)


def joined(states: Sequence[State]) -> State:
    """One state of the bodies of several, which have the same phase."""
    made: State = []
    for rings in zip(*states, strict=True):
        memory = torch.cat([_moved(ring) for ring in rings])
        made.append(Ring(memory, 0, rings[0].last - rings[0].first))
    return made


def _moved(ring: Ring) -> Float[Tensor, "B V room C"]:
    memory = torch.zeros_like(ring.memory)
    memory[:, :, : ring.last - ring.first] = ring.frames
    return memory


# ---- layers of one frame ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Mixed:
    """A linear layer of joints wherever they lie: its rows need not be next to each other."""

    weight: Float[Tensor, "C D"]
    bias: Float[Tensor, "D"]

    def __call__(self, x: Rows, place: Float[Tensor, "BV D"] | None = None) -> Float[Tensor, "BV D"]:
        return torch.addmm(self.bias, x, self.weight, out=place)


@dataclass(frozen=True, eq=False)
class Shifted:
    """x plus a bias."""

    bias: Float[Tensor, "D"]

    def __call__(self, x: Rows) -> Rows:
        return self.bias + x


def over_frames(convolution: nn.Conv2d) -> Mixed:
    """A convolution over k frames as a layer of rows of k C numbers."""
    assert convolution.bias is not None
    weight = convolution.weight.detach().squeeze(3)  # (D, C, k)
    return Mixed(weight.permute(2, 1, 0).flatten(0, 1).contiguous(), convolution.bias.detach())


def linear(layer: nn.Module) -> Mixed:
    """A linear layer with a bias."""
    assert isinstance(layer, nn.Linear)
    return Mixed(layer.weight.detach().T.contiguous(), layer.bias.detach())


def _added(path: nn.Module | None, bias: Tensor | None = None) -> Callable[[Rows], Rows] | None:
    """A residual path of folded layers, plus a bias."""
    if path is None or isinstance(path, Identity):
        return path if bias is None else Shifted(bias)
    mix = linear(path.get_submodule("mix"))
    return mix if bias is None else Mixed(mix.weight, mix.bias + bias)


def _cast(part: Any, dtype: torch.dtype) -> Any:
    """A tensor, a layer of one frame or a list of them in another precision; anything else as it is."""
    match part:
        case Tensor():
            return part.to(dtype)
        case Mixed(weight, bias):
            return Mixed(weight.to(dtype), bias.to(dtype))
        case Shifted(bias):
            return Shifted(bias.to(dtype))
        case list():
            return [_cast(tensor, dtype) for tensor in part]
        case _:
            return part
