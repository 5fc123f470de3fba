"""SkateFormer, attention between joints and moments in four kinds of groups, of Do and Kim 2024 (arXiv:2403.09508).

Written from its formulas alone and held to published outputs by the tests. Clips are (clip, time, joint, channel), and
the joints of all people of a clip stand side by side, so that people attend to one another.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import check_people, over_time, picked
from kinegraph.models.layers.folding import fold_norm
from kinegraph.models.layers.products import quick_linear
from kinegraph.models.layers.streaming import StreamedNetwork
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.tensor_forms import Leaf, Row, Sizes, Table, copies, first, rows

DEPTH = 2  # blocks of a stage
STEP = 8  # frames of a group
KERNEL, HEADS, GROUPS, UNIT = 7, 4, 8, 32  # widths are multiples of UNIT: eight groups, in a quarter of the channels
SCALE = HEADS**-0.5  # of products of queries and keys; as published, not by the width of a head
NTU = ((6, 7, 21, 22), (10, 11, 23, 24), (12, 13, 14, 15), (16, 17, 18, 19), (4, 8, 5, 9), (1, 2, 0, 3))
NW_UCLA = ((4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15), (16, 17, 18, 19), (1, 2, 0, 3))
PUBLISHED = {  # joints in parts of all people -> joints of the layout, people, parts, `near`
    48: (25, 2, NTU, 8),
    20: (20, 1, NW_UCLA, 4),
}
PARTS = {joints: parts for joints, _, parts, _ in PUBLISHED.values()}


class GroupAttention(nn.Module):
    """softmax(q k / 2 + bias) v, within groups of 8 frames by some joints.

    The frames are next to each other or `spread` over the clip; so are the joints. For joints that are spread, the bias
    depends on the two joints and on how many frames lie between; for joints next to each other, as published, on the
    places p and q of the two tokens in their group, by p mod 8 - q mod 8.
    """

    def __init__(self, joints: int, spread_frames: bool, spread_joints: bool, dropout: float):
        super().__init__()
        self.joints, self.spread_frames, self.spread_joints, self.dropout = (
            joints,
            spread_frames,
            spread_joints,
            dropout,
        )
        self.table = nn.Parameter(torch.empty(2 * STEP - 1, *((joints, joints) if spread_joints else ()), HEADS))

    def bias(self) -> Float[Tensor, "heads P P"]:
        """Of every pair of tokens of a group; a token is (frame, joint)."""
        token = torch.arange(STEP * self.joints, device=self.table.device)
        frame, joint = (token // self.joints, token % self.joints) if self.spread_joints else (token % STEP, None)
        apart = frame[:, None] - frame + STEP - 1
        row = apart if joint is None else (apart * self.joints + joint[:, None]) * self.joints + joint
        return picked(self.table.flatten(0, -2), row.flatten()).unflatten(0, row.shape).permute(2, 0, 1)

    def attend(
        self,
        queries: Float[Tensor, "G heads P d"],
        keys: Float[Tensor, "G heads P d"],
        values: Float[Tensor, "G heads P d"],
        bias: Float[Tensor, "heads P P"],
    ) -> Float[Tensor, "G heads P d"]:
        if not self.training and not torch.compiler.is_exporting():  # its strides are others in the graph
            return F.scaled_dot_product_attention(queries, keys, values, bias[None], scale=SCALE)
        # torch's own way on a CPU, with a bias that learns, is slower than these three steps
        weight = torch.softmax(queries * SCALE @ keys.mT + bias, 3)
        return F.dropout(weight, self.dropout, self.training) @ values

    def forward(self, x: Float[Tensor, "B T U C"]) -> Float[Tensor, "B T U D"]:
        """x: queries, keys and values of all heads, one behind another."""
        x = x.unflatten(2, (self.joints, -1) if self.spread_joints else (-1, self.joints))
        x = x.unflatten(1, (STEP, -1) if self.spread_frames else (-1, STEP))  # (B, frames, frames, joints, joints, C)
        frames, n = (2, 1) if self.spread_frames else (1, 2)  # axes of the group and of the frame in it
        joints, k = (4, 3) if self.spread_joints else (3, 4)
        order = (0, frames, joints, n, k)
        x = x.permute(*order, 5)
        tokens = x.flatten(3, 4).flatten(0, 2).unflatten(2, (3, HEADS, -1))  # (B groups, P, 3, heads, d)
        queries, keys, values = tokens.permute(2, 0, 3, 1, 4)  # each (B groups, heads, P, d)
        y = self.attend(queries, keys, values, self.bias().to(queries.dtype))
        y = y.transpose(1, 2).flatten(2).view(*x.shape[:-1], -1)  # (B, groups, groups, frames, joints, D)
        back = sorted(range(5), key=order.__getitem__)
        return y.permute(*back, 5).flatten(3, 4).flatten(1, 2)


class Block(nn.Module):
    """h = x + P [G(f_1), T(f_2), A_1(f_3), .., A_4(f_6)], y = h + MLP(LN(h)), [f_1, .., f_6] = W LN(x).

    G mixes joints by a learned matrix for each eighth of its channels, T is a convolution over seven frames in such
    eighths, A_i attends within groups of frames and joints. While training each sum is left out in a clip with
    probability `skip`.
    """

    def __init__(self, all_joints: int, near: int, parts: int, width: int, hidden: int, dropout: float, skip: float):
        super().__init__()
        self.skip, self.sizes = skip, (width // 4, width // 4, *[3 * width // 8] * 4)
        self.norm = nn.LayerNorm(width)
        self.divide = nn.Linear(width, 2 * width)  # W
        self.between_joints = nn.Parameter(torch.empty(GROUPS, all_joints, all_joints))
        self.temporal = nn.Conv2d(width // 4, width // 4, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=GROUPS)
        self.attention = nn.ModuleList(
            GroupAttention(parts if spread_joints else near, spread_frames, spread_joints, dropout)
            for spread_frames in (False, True)
            for spread_joints in (False, True)
        )
        self.join = nn.Linear(width, width)  # P
        self.mlp_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "B T U C"]) -> Float[Tensor, "B T U C"]:
        of_joints, of_time, *groups = quick_linear(self.divide, self.norm(x)).split(self.sizes, dim=3)
        mixed = torch.einsum("gvu,btugc->btvgc", self.between_joints, of_joints.unflatten(3, (GROUPS, -1))).flatten(3)
        seen = [layer(group) for layer, group in zip(self.attention, groups, strict=True)]
        x = x + self._left_out(
            quick_linear(self.join, torch.cat([mixed, over_time(self.temporal, of_time), *seen], dim=3))
        )
        return x + self._left_out(quick_linear(self.narrow, F.gelu(quick_linear(self.widen, self.mlp_norm(x)))))

    def _left_out(self, y: Float[Tensor, "B T U C"]) -> Float[Tensor, "B T U C"]:
        if not (self.training and self.skip):
            return y
        kept = torch.empty(len(y), 1, 1, 1, device=y.device).bernoulli_(1 - self.skip)
        return y * (kept / (1 - self.skip)).to(y.dtype)


class Halving(nn.Module):
    """BN of a convolution over seven frames that keeps every other one."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.convolution = nn.Conv2d(width_in, width, (KERNEL, 1), (2, 1), (KERNEL // 2, 0))
        self.norm = BatchNorm(width)

    def forward(self, x: Float[Tensor, "B T U C"]) -> Float[Tensor, "B S U D"]:
        return self.norm(over_time(self.convolution, x))


# ---- names of tensors in the published files -------------------------------------------------------------------------


def _published_graph(parts: list[Tensor], partitions: int) -> Tensor:
    """There is none: zeros for as many joints as the layout has."""
    joints = parts[0].shape[1]
    if joints not in PUBLISHED:
        raise ValueError(f"it is for {joints} joints of all people, expected {' or '.join(map(str, PUBLISHED))}")
    return torch.zeros(1, PUBLISHED[joints][0], PUBLISHED[joints][0])


def _other_parts(config: Mapping[str, Any]) -> bool:
    found = config["people"], config["parts"], config["near"]
    return found not in [(people, list(map(list, parts)), near) for _, people, parts, near in PUBLISHED.values()]


def _their_index(table: Tensor, sizes: Sizes) -> list[Tensor]:
    places = torch.arange(STEP)
    return [table, places[:, None] - places + STEP - 1]


TABLES = [Leaf("", "", first, _their_index)]
NOTHING = [Leaf("", "", _published_graph, lambda graph, _: [graph])]  # the embedding's own row comes later


def _block(i: int) -> list[Row]:
    ours, stage, theirs = f"blocks.{i}", i // DEPTH, f"stages.{i // DEPTH}.blocks.{i % DEPTH}"
    inside = f"{theirs}.transformer"
    table = "relative_position_bias_table", "relative_position_index"
    halving = [
        (f"halvings.{stage - 1}.convolution", f"{theirs}.downsample.reduction", "layer"),
        (f"halvings.{stage - 1}.norm", f"{theirs}.downsample.bn", "norm"),
    ]
    heads = [f"attention.{k}" for k in range(4)]
    return [
        *(halving if stage and i % DEPTH == 0 else []),
        (f"{ours}.norm", f"{inside}.norm_1", "layer"),
        (f"{ours}.divide", f"{inside}.mapping", "layer"),
        (f"{ours}.between_joints", f"{inside}.gconv", "tensor"),
        (f"{ours}.temporal", f"{inside}.tconv", "layer"),
        *((f"{ours}.{head}.table", [f"{inside}.{head}.{part}" for part in table], TABLES) for head in heads),
        (f"{ours}.join", f"{inside}.proj", "layer"),
        (f"{ours}.mlp_norm", f"{inside}.norm_2", "layer"),
        (f"{ours}.widen", f"{inside}.mlp.fc1", "layer"),
        (f"{ours}.narrow", f"{inside}.mlp.fc2", "layer"),
    ]


STEM = [rows(".weight", copies, convolution=True), rows(".bias", copies)]


class SkateFormer(SkeletonNetwork):
    """logits = Linear(mean over time and all joints (Blocks(Stem(x) + E * te))), E being learned for each joint.

    te is the sine and cosine of when a frame was, from -1 to 1, at 48 frequencies. Between stages the frames halve.

    Args:
        adjacency: (K, V, V). It says how many joints there are; no bone is used.
        channels: numbers per joint and frame.
        classes: number of classes.
        people: bodies of a clip, who attend to one another. Fewer are filled up with zeros, more are refused.
        parts: the joints in parts of the body, equally many in each; joints that are in none are not looked at. By
            default those published for layouts of 25 (NTU RGB+D) and 20 joints (NW-UCLA).
        near: joints next to each other that attend as a group, by default two parts, or one where that does not divide
            all joints.
        moments: the last channel says when a frame was (`preprocessing.moments`); else frames are taken as evenly
            spread.
        widths: channels of each stage of two blocks, multiples of 32.
        mlp: how much wider the hidden layer is; 4 as published for NTU RGB+D, 1 for NW-UCLA.
        dropout: probability, of weights of attention.
        skip: probability of leaving out half of the last block in training; it rises evenly from 0 in the first one.

    Clips have a multiple of 64 frames, 8 for each halving. Raises ValueError naming what is out of range.

    Source: the paper's formulas and published outputs; the code of the authors is not under a licence for any use.
    """

    CHECKPOINTS = (
        Table(
            "skateformer",
            [
                ("A", "joint_person_embedding", NOTHING),
                ("embedding", "joint_person_embedding", "tensor"),
                *((f"stem.{k}", f"stem.{2 * k}", STEM) for k in range(3)),
                ("head", "head", "layer"),
                *(row for i in range(4 * DEPTH) for row in _block(i)),
            ],
            "stages.{i}.",
            [],
            lacks=(
                ("moments", False, "without moments"),
                ("parts", _other_parts, "with other people, parts or near than published, which files do not say"),
            ),
        ),
    )

    def __init__(
        self,
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        *,
        people: int = 2,
        parts: Sequence[Sequence[int]] | None = None,
        near: int | None = None,
        moments: bool = False,
        widths: Sequence[int] = (96, 192, 192, 192),
        mlp: float = 4.0,
        dropout: float = 0.5,
        skip: float = 0.2,
    ):
        super().__init__(adjacency, channels, classes, width=0)
        check_people(people)
        joints = self.A.shape[1]
        chosen = check_parts(parts, joints)
        near = near or default_near(people, chosen)
        read, everybody, last = channels - moments, people * chosen.numel(), DEPTH * len(widths) - 1
        check_numbers(everybody, near, widths, dropout, skip, read)
        self.config |= {"parts": chosen.tolist(), "near": near}
        self.people, self.moments, self.joints = people, moments, joints
        self.order: list[int] = chosen.flatten().tolist()
        self.stem = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((read, 2 * read, 3 * read, widths[0])))
        self.embedding = nn.Parameter(torch.empty(widths[0], everybody))
        self.halvings = nn.ModuleList(Halving(a, b) for a, b in pairwise(widths))
        self.blocks = nn.ModuleList(
            Block(everybody, near, people * len(chosen), width, int(mlp * width), dropout, skip * i / last)
            for i, width in enumerate(width for width in widths for _ in range(DEPTH))
        )
        self.head = nn.Linear(widths[-1], classes)
        initialise(self)

    def beside_blocks(self, blocks: int) -> Sequence[str]:
        return ("stem", "embedding", *(f"halvings.{i}" for i in range((blocks - 1) // DEPTH)))

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N 1 T U C"]:
        """The joints of all people, part by part, as of one body."""
        N, M, T = x.shape[:3]
        if self.people < M:
            raise ValueError(
                f"the network was built for {self.people} people, the clips have {M}: give "
                f"--preprocessing.people {self.people}"
            )
        multiple = STEP * 2 ** len(self.halvings)
        if T % multiple:
            raise ValueError(
                f"SkateFormer takes clips of {multiple} frames or a multiple, these have {T}: give "
                f"--preprocessing.frames {multiple}"
            )
        if self.moments and (x[:, 0, :, :, -1] != x[:, 0, :, :1, -1]).any():
            raise ValueError(
                "the last channel of the clips differs from joint to joint, so it is not when a frame was: give "
                "--preprocessing.moments true, or build the network without moments"
            )
        if self.people > M:
            x = torch.cat([x, x.new_zeros(N, self.people - M, *x.shape[2:])], dim=1)
        return x[:, :, :, self.order].transpose(1, 2).flatten(2, 3)[:, None]

    def by_person(self, y: Float[Tensor, "N 1 S U"]) -> Float[Tensor, "N P S V"]:
        """What was said of all joints, person by person in the layout's order; 0 for joints that are in no part."""
        y = y[:, 0].unflatten(2, (self.people, -1)).transpose(1, 2)
        order = torch.tensor(self.order, device=y.device)
        return y.new_zeros(*y.shape[:3], self.joints).index_add(3, order, y)

    def forward_features(self, x: Float[Tensor, "B T U C"]) -> Float[Tensor, "B S U D"]:
        """The blocks one after another. x: from `whole_clips`."""
        if self.moments:
            x, moment = x[..., :-1], x[:, :, 0, -1]  # of the first person, who is always there
        else:
            moment = ((torch.arange(x.shape[1], device=x.device) + 0.5) * (2 / x.shape[1]) - 1).expand(x.shape[0], -1)
        narrow, wide, last = self.stem
        x = last(F.gelu(wide(F.gelu(narrow(x)))))
        x = x + waves(moment, x.shape[3]).to(x.dtype)[:, :, None] * self.embedding.T
        for i, block in enumerate(self.blocks):
            if i and i % DEPTH == 0:
                x = self.halvings[i // DEPTH - 1](x)
            x = block(x)
        return x

    @torch.no_grad()
    def fold(self, dtype: torch.dtype = torch.float32) -> Self:
        """BatchNorm goes into the convolution before it; in a subclass, which may use it otherwise, it stays."""
        model: Any = super().fold(dtype)
        if type(self) is SkateFormer:
            for halving in model.halvings:
                fold_norm(halving, halving.convolution, "norm")
        return model

    def streamed(self) -> StreamedNetwork:
        """Is not possible: attention looks at all frames."""
        raise NotImplementedError("it attends to frames all over a clip")

    @classmethod
    def config_of(cls, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        _, people, parts, near = PUBLISHED[tensors["embedding"].shape[1]]
        widths = [len(tensors[f"blocks.{i}.norm.weight"]) for i in range(0, 4 * DEPTH, DEPTH)]
        return {
            "channels": tensors["stem.0.weight"].shape[1] + 1,
            "classes": tensors["head.weight"].shape[0],
            "people": people,
            "parts": [list(part) for part in parts],
            "near": near,
            "moments": True,
            "widths": widths,
            "mlp": len(tensors["blocks.0.widen.weight"]) / widths[0],
        }


def waves(moment: Float[Tensor, "B T"], width: int) -> Float[Tensor, "B T C"]:
    """Sine and cosine of each moment, in turn, at frequencies from 1 down to nearly 1/10000."""
    frequency = 10000 ** (-torch.arange(0, width, 2, device=moment.device) / width)
    angle = moment.float()[..., None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=3).flatten(2)


def check_parts(parts: Sequence[Sequence[int]] | None, joints: int) -> torch.Tensor:
    """(parts, joints of each). Raises ValueError where they do not fit the layout."""
    if parts is None and joints not in PARTS:
        raise ValueError(
            f"no parts of the body are known for {joints} joints: give parts, lists of equally many joints each"
        )
    chosen = PARTS[joints] if parts is None else parts
    if not chosen or len({len(part) for part in chosen}) != 1 or not chosen[0]:
        raise ValueError(f"parts have {', '.join(str(len(part)) for part in chosen)} joints, expected equally many")
    if wrong := [joint for part in chosen for joint in part if not 0 <= joint < joints]:
        raise ValueError(f"parts have joint {wrong[0]}, the layout has 0 to {joints - 1}")
    return torch.tensor([list(part) for part in chosen], device="cpu")


def default_near(people: int, parts: Tensor) -> int:
    """Two parts of a body, or one where all parts are no multiple of two."""
    return parts.shape[1] * (1 if people * len(parts) % 2 else 2)


def check_numbers(joints: int, near: int, widths: Sequence[int], dropout: float, skip: float, read: int) -> None:
    """Raises ValueError naming a number that is out of range."""
    if near < 1 or joints % near:
        raise ValueError(f"near is {near}, expected a divisor of {joints}, the joints of all people")
    wrong = [width for width in widths if width < UNIT or width % UNIT]
    if wrong or not widths:
        raise ValueError(f"widths has {wrong[0] if wrong else 'no number'}, expected multiples of {UNIT}")
    for name, value in (("dropout", dropout), ("skip", skip)):
        if not 0 <= value < 1:
            raise ValueError(f"{name} is {value}, expected a probability below 1")
    if read < 1:
        raise ValueError("the only channel says when a frame was, expected others before it")


def initialise(model: SkateFormer) -> None:
    """First weights as published: normal(0, 0.02) for what is learned of joints and moments, else torch's."""
    if model.head.weight.is_meta:
        return  # shapes alone; for numbers that are not kept torch would import its compiler, which takes a second
    tables = [layer.table for layer in model.modules() if isinstance(layer, GroupAttention)]
    mixing = [layer.between_joints for layer in model.modules() if isinstance(layer, Block)]
    for weight in (model.embedding, *tables, *mixing):
        nn.init.trunc_normal_(weight, std=0.02)
