"""A network of blocks computed as frames arrive: each block keeps the few frames that later outputs still need.

A convolution over time is centred on its frame, so an output waits for the frames after it. Between blocks the strides
stay: behind two blocks of stride 2 there is one output for four frames. Zeros stand before the first frame and after
the last one, as in the network itself, so the outputs are those of the complete sequence.

All that is summed is summed in the same order, however many frames arrive at once. So the outputs of single frames and
of the complete sequence have the same bits where the matrix library computes a row alike among few and many (MKL does).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import Identity
from kinegraph.models.layers.folding import scale_and_shift

AT_ONCE = 8  # frames that a block takes at once: what lies between its layers stays in the cache


@dataclass(eq=False)
class Ring:
    """The latest frames of a layer, `first` to `last` of its memory; when the memory is full they move to its start."""

    memory: Float[Tensor, "B V room C"]
    first: int
    last: int

    @property
    def frames(self) -> Float[Tensor, "B V L C"]:
        """The frames that are kept, where they lie."""
        return self.memory[:, :, self.first : self.last]

    def push(self, x: Float[Tensor, "B n V C"]) -> None:
        """Keep further frames; there must be room for them."""
        if self.last + x.shape[1] > self.memory.shape[2]:
            kept = self.frames.clone()
            self.first, self.last = 0, kept.shape[2]
            self.memory[:, :, : self.last] = kept
        self.memory[:, :, self.last : self.last + x.shape[1]] = x.transpose(1, 2)
        self.last += x.shape[1]


State = list[Ring]  # two of each block: what it convolves, and what its residual path will add


class StreamedBlock(nn.Module):
    """y[j] = ReLU(across(h, j stride) + R(x[j stride])) with h[t] = before(x[t]); across sees `around` frames each way.

    A subclass defines `before` and `across`. around: frames. residual: R, a folded `Projection`, or Identity; None
    where there is none. spatial: a `FoldedGraphConvolution`, graph_residual: as residual.
    """

    graph: Tensor
    mix: Tensor
    constant: Tensor

    def __init__(
        self,
        spatial: Any,
        graph_residual: nn.Module | None,
        residual: nn.Module | None,
        around: int,
        stride: int,
    ):
        super().__init__()
        self.around, self.stride = around, stride
        self.span = max(2 * around + 1, stride)  # frames that have to be there for an output
        self.residual, self.graph_residual = _added(residual), _added(graph_residual)
        self.register_buffer("graph", spatial.gather)
        self.register_buffer("mix", spatial.weight.T.contiguous())
        self.register_buffer("constant", spatial.constant)
        joints, (self.width, width_in) = len(spatial.constant), spatial.weight.shape
        self.width_in = width_in * joints // len(spatial.gather)

    def over_joints(self, x: Float[Tensor, "B n V C"]) -> Float[Tensor, "B n V D"]:
        """ReLU of the graph convolution and its residual path, of each frame alone."""
        rows = x.flatten(0, 1)
        sums = torch.bmm(self.graph.expand(len(rows), -1, -1), rows)
        y = torch.mm(sums.view(-1, len(self.mix)), self.mix).view(*x.shape[:3], -1).add_(self.constant)
        if self.graph_residual is not None:
            y += self.graph_residual(x)
        return F.relu_(y)

    def before(self, x: Float[Tensor, "B n V C"]) -> Float[Tensor, "B n V D"]:
        """The part of the block that looks at each frame alone."""
        return self.over_joints(x)

    def across(self, h: Float[Tensor, "B V L D"], start: int) -> Float[Tensor, "B V E"]:
        """The part that looks at the frames from `start` on, `around` on both sides of a middle one; no residual."""
        raise NotImplementedError

    def start(self, bodies: int) -> State:
        """What the block knows before the first frame: the zeros of the convolution's padding, and no x."""
        room, V = self.span - 1 + AT_ONCE, self.constant.shape[0]
        h = self.constant.new_zeros(bodies, V, room, self.width)
        x = self.constant.new_zeros(bodies, V, 0 if self.residual is None else room - self.around, self.width_in)
        return [Ring(h, 0, self.around), Ring(x, 0, 0)]

    def forward(
        self, x: Float[Tensor, "B n V C"], convolved: Ring, added: Ring, last: bool
    ) -> Float[Tensor, "B m V E"]:
        """The outputs that are complete now; the rings take x. last: no frame follows."""
        made: list[Tensor] = []
        for piece in x.split(AT_ONCE, 1) if x.shape[1] else ():
            convolved.push(self.before(piece))
            if self.residual is not None:
                added.push(piece)
            made += self._outputs(convolved, added, convolved.frames)
        if last:
            after = (
                self.around + self.span - 2 * self.around - 1
            )  # zeros of the padding, and frames that are not needed
            made += self._outputs(convolved, added, F.pad(convolved.frames, (0, 0, 0, after)))
        if len(made) == 1:
            return made[0].unsqueeze(1)
        return torch.stack(made, 1) if made else x.new_zeros(len(x), 0, x.shape[2], self.width)

    def _outputs(self, convolved: Ring, added: Ring, h: Float[Tensor, "B V L D"]) -> list[Float[Tensor, "B V E"]]:
        """The outputs that h is enough for; the rings drop the frames that no later output needs."""
        count = max(0, (h.shape[2] - self.span) // self.stride + 1)
        residual = added.frames
        made = [self._output(h, residual, j * self.stride) for j in range(count)]
        convolved.first += count * self.stride
        added.first += 0 if self.residual is None else count * self.stride
        return made

    def _output(self, h: Tensor, residual: Tensor, start: int) -> Float[Tensor, "B V E"]:
        y = self.across(h, start)
        if self.residual is not None:
            y += self.residual(residual[:, :, start])
        return F.relu_(y)


class StreamedNetwork(nn.Module):
    """`forward_features` of a trained network, frame by frame. data_norm: before the first block. blocks: in order."""

    scale: Tensor
    shift: Tensor

    def __init__(self, data_norm: BatchNorm, blocks: Sequence[StreamedBlock]):
        super().__init__()
        joints = blocks[0].constant.shape[0]
        for name, values in zip(("scale", "shift"), scale_and_shift(data_norm), strict=True):
            self.register_buffer(name, values.float().view(joints, -1))
        self.blocks = nn.ModuleList(blocks)
        self.width, self.stride = blocks[-1].width, prod(block.stride for block in blocks)
        self.delay = sum((block.span - 1 - block.around) * stride for block, stride in self.strided())

    def start(self, bodies: int) -> State:
        """The state before the first frame."""
        return [ring for block in self._blocks() for ring in block.start(bodies)]

    def forward(self, x: Float[Tensor, "B n V C"], state: State, last: bool = False) -> Float[Tensor, "B m V D"]:
        """The features of the moments that are complete now. The state takes x.

        The moment j, of frame j stride, is complete `delay` frames later, or with the last frame.
        """
        y = x * self.scale + self.shift
        for i, block in enumerate(self._blocks()):
            if not (y.shape[1] or last):
                return x.new_zeros(len(x), 0, x.shape[2], self.width)
            y = block(y, state[2 * i], state[2 * i + 1], last)
        return y

    def phase_after(self, frames: int) -> tuple[int, ...]:
        """The `phase` of a state that took so many frames."""
        kept: list[int] = []
        for block in self._blocks():
            made = max(0, (block.around + frames - block.span) // block.stride + 1)
            after = frames - made * block.stride
            kept += [block.around + after, 0 if block.residual is None else after]
            frames = made
        return tuple(kept)

    def strided(self) -> list[tuple[StreamedBlock, int]]:
        """The blocks, and how many frames lie between those that each of them sees."""
        strides = accumulate((block.stride for block in self._blocks()), mul, initial=1)
        return list(zip(self._blocks(), strides, strict=False))

    def _blocks(self) -> Sequence[StreamedBlock]:
        return [block for block in self.blocks if isinstance(block, StreamedBlock)]


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


class Mixed(nn.Module):
    """A linear layer of joints wherever they lie: its rows need not be next to each other."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Float[Tensor, "C D"], bias: Float[Tensor, "D"]):
        super().__init__()
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows D"]:
        return torch.addmm(self.bias, x.flatten(0, -2), self.weight).view(*x.shape[:-1], -1)


def over_frames(convolution: nn.Conv2d) -> Mixed:
    """A convolution over k frames as a layer of rows of k C numbers."""
    assert convolution.bias is not None
    weight = convolution.weight.detach().squeeze(3)  # (D, C, k)
    return Mixed(weight.permute(2, 1, 0).flatten(0, 1), convolution.bias.detach())


def linear(layer: nn.Module) -> Mixed:
    """A linear layer with a bias."""
    assert isinstance(layer, nn.Linear)
    return Mixed(layer.weight.detach().T, layer.bias.detach())


def _added(path: nn.Module | None) -> nn.Module | None:
    """A residual path of folded layers."""
    return path if path is None or isinstance(path, Identity) else linear(path.get_submodule("mix"))
