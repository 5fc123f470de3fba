"""A network of blocks computed as frames arrive: each block keeps the few frames that later outputs still need.

A convolution over time is centred on its frame, so an output waits for the frames after it. Between blocks the strides
stay: behind two blocks of stride 2 there is one output for four frames. Zeros stand before the first frame and after
the last one, as in the network itself, so the outputs are those of the complete sequence.

All that is summed is summed in the same order, however many frames arrive at once. So the outputs of single frames and
of the complete sequence have the same bits where the matrix library computes a row alike among few and many (MKL does).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.models.layers.blocks import scale_joints

State = tuple[Tensor, ...]  # of all blocks; the first axis of each tensor is the body, the third the frame


class StreamedBlock(nn.Module):
    """y[j] = ReLU(across(h, j stride) + R(x[j stride])) with h[t] = before(x[t]); across sees `around` frames each way.

    A subclass defines `before` and `across`. residual: R, a 1x1 convolution, or Identity; None where there is none.
    """

    def __init__(self, width_in: int, width: int, around: int, stride: int, residual: nn.Module | None):
        super().__init__()
        self.width_in, self.width, self.around, self.stride = width_in, width, around, stride
        self.span = max(2 * around + 1, stride)  # frames that have to be there for an output
        self.residual = residual

    def before(self, x: Float[Tensor, "B n V C"]) -> Float[Tensor, "B n V D"]:
        """The part of the block that looks at each frame alone."""
        raise NotImplementedError

    def across(self, h: Float[Tensor, "B V L D"], start: int) -> Float[Tensor, "B V E"]:
        """The part that looks at frames start to start + 2 around + 1 of h, before the residual path."""
        raise NotImplementedError

    def start(self, like: Float[Tensor, "B n V C"]) -> State:
        """What the block knows before the first frame: the zeros of the convolution's padding, and no x."""
        B, _, V, _ = like.shape
        return like.new_zeros(B, V, self.around, self.width), like.new_zeros(B, V, 0, self.width_in)

    def forward(
        self, x: Float[Tensor, "B n V C"], state: State, last: bool
    ) -> tuple[Float[Tensor, "B m V E"], State]:
        """The outputs that are complete now. last: no frame follows."""
        h, waiting = state
        if x.shape[1]:
            h = torch.cat((h, self.before(x).transpose(1, 2)), 2)
            waiting = torch.cat((waiting, x.transpose(1, 2)), 2) if self.residual is not None else waiting
        if last:
            h = torch.cat((h, h.new_zeros(*h.shape[:2], self.around + self.span - 2 * self.around - 1, h.shape[3])), 2)
        count = max(0, (h.shape[2] - self.span) // self.stride + 1)
        made = [self._output(h, waiting, j * self.stride) for j in range(count)]
        y = torch.stack(made, 1) if made else x.new_zeros(*x.shape[:1], 0, x.shape[2], self.width)
        done = count * self.stride
        return y, (h[:, :, done:], waiting[:, :, done:])

    def _output(self, h: Tensor, waiting: Tensor, start: int) -> Float[Tensor, "B V E"]:
        y = self.across(h, start)
        if self.residual is not None:
            y = y + self.residual(waiting[:, :, start].unsqueeze(1)).squeeze(1)
        return torch.relu_(y)


class StreamedNetwork(nn.Module):
    """`forward_features` of a trained network, frame by frame.

    data_norm: over the V C numbers of each frame, before the first block. blocks: in their order.
    """

    def __init__(self, data_norm: nn.Module, blocks: Sequence[StreamedBlock]):
        super().__init__()
        self.data_norm, self.blocks = data_norm, nn.ModuleList(blocks)
        self.stride, self.delay = 1, 0
        for block in blocks:
            self.delay += self.stride * (block.span - 1 - block.around)
            self.stride *= block.stride

    def start(self, bodies: int, like: Float[Tensor, "... V C"]) -> State:
        """The state before the first frame. like: any poses; their joints, channels and type are those of the stream."""
        x = like.new_zeros(bodies, 0, *like.shape[-2:])
        return tuple(tensor for block in self._blocks() for tensor in block.start(x))

    def forward(
        self, x: Float[Tensor, "B n V C"], state: State, last: bool = False
    ) -> tuple[Float[Tensor, "B m V D"], State]:
        """The features of the moments that are complete now, and the state behind them; the old state stays as it is.

        The moment j, of frame j stride, is complete `delay` frames later, or with the last frame.
        """
        after: list[Tensor] = []
        x = scale_joints(self.data_norm, x) if x.shape[1] else x
        for i, block in enumerate(self._blocks()):
            own = state[2 * i : 2 * i + 2]
            if x.shape[1] or last:
                x, own = block(x, own, last)
            else:
                x = x.new_zeros(len(x), 0, x.shape[2], block.width)
            after += own
        return x, tuple(after)

    def _blocks(self) -> Sequence[StreamedBlock]:
        return [block for block in self.blocks if isinstance(block, StreamedBlock)]


def taps(convolution: nn.Conv2d) -> Float[Tensor, "kC D"]:
    """The weights of a convolution over time as one matrix for a row of k frames."""
    weight = convolution.weight.detach().squeeze(3)  # (D, C, k)
    return weight.permute(2, 1, 0).flatten(0, 1).contiguous()
