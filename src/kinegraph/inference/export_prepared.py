"""A network and the preparation of its clips as one graph: a recording as it is goes in, scores come out.

The recording is (M, T, V, D) with `people` bodies, absent ones zero. Torch's operations compute what `prepare_clip`
computes. Recipes whose steps depend on random numbers, or drop frames in the middle, stay outside of the graph.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kinegraph.atomic import atomic_file
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.clip_matching import kinds
from kinegraph.inference.export import (
    LENGTHS,
    TOLERANCE,
    Report,
    describe,
    exportable,
    in_float64,
    largest_difference,
    traced,
    traced_folded,
)
from kinegraph.inference.exported import RECORDING, Exported, load_exported, recording_of
from kinegraph.inference.predictor import Predictor, answering
from kinegraph.models.network import network_kind
from kinegraph.models.weights import Weights, built_with
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import UPRIGHT
from kinegraph.skeleton.layout import JointLayout

PREPARED = 1e-5  # largest difference from `prepare_clip`, in units of the recording


# ---- the preparation as a network ------------------------------------------------------------------------------------


NORMALISED, SAMPLED = ("none", "facing", "sized"), ("resample", "loop")


def obstacle_to_tracing(steps: Preprocessing) -> str | None:
    """Why a recipe cannot be a part of the graph; None where it can."""
    if steps.normalize not in NORMALISED:
        return f"normalize '{steps.normalize}' is not among {', '.join(NORMALISED)}"
    if steps.sampling not in SAMPLED:
        return f"sampling '{steps.sampling}' is not among {', '.join(SAMPLED)}"
    if steps.moments:
        return "moments depends on who is absent"
    return None


class Preparation(nn.Module):
    """What the network sees of one recording, all of its test views. scored: the last channel of D is a score."""

    def __init__(self, steps: Preprocessing, layout: JointLayout, dimensions: int, scored: bool):
        super().__init__()
        self.steps, self.dimensions, self.scored = steps, dimensions, scored
        self.frames = steps.test_frames or steps.frames
        parents = torch.tensor(layout.parents)
        near = parents[parents] == parents
        self.parents, self.grandparents = parents, torch.where(near, torch.arange(len(parents)), parents[parents])
        self.mirrored = torch.tensor(layout.mirrored()) if steps.test_mirror else None
        self.shoulders = list(layout.shoulders or ())
        self.root = layout.spine[0] if layout.spine else layout.centre
        self.upright = torch.tensor(UPRIGHT[steps.up], dtype=torch.float32)

    def forward(self, recording: Float[Tensor, "M T V D"]) -> Float[Tensor, "W M F V C"]:
        x, T = recording, recording.shape[1]
        frames = torch.arange(T)
        start = frames[0]
        if self.steps.normalize != "none":
            shown = _seen(x[0, :, [self.root, *(self.shoulders if self.steps.normalize == "facing" else ())]])
            start = shown.all(1).int().argmax()  # the first frame that shows what the clip is placed by
        kept = frames >= start
        if self.steps.normalize == "sized":
            place = x[..., : self.dimensions]
            x = torch.cat([place / self._size(place[0], kept), x[..., self.dimensions :]], 3)
        if self.steps.sampling == "resample":
            x = _without_gaps(x * kept[:, None, None])
        x = self._placed(x, start)
        if self.steps.min_score is not None:
            sure = x[..., -1:] > self.steps.min_score
            x = torch.cat([x[..., :-1] * sure, x[..., -1:]], 3)
        views = [x]
        if self.mirrored is not None:
            flipped = x[:, :, self.mirrored]
            views.append(torch.cat([-flipped[..., :1], flipped[..., 1:]], 3))
        return torch.stack([self._chosen(self._streams(view), start, T) for view in views])

    def _placed(self, x: Float[Tensor, "M T V D"], start: Int[Tensor, ""]) -> Float[Tensor, "M T V D"]:
        if self.steps.normalize == "none":
            return x
        place, score = x[..., : self.dimensions], x[..., self.dimensions :]
        if self.steps.normalize == "facing" and self.steps.up != "y":
            place = place @ self.upright.T
        there = (place != 0).any(3, keepdim=True)
        first = place[0].index_select(0, start[None])  # (1, V, C)
        place = (place - first[None, :, self.root : self.root + 1]) * there
        if self.steps.normalize == "facing":
            place = self._faced(place, start)
        return torch.cat([place, score], 3)

    def _faced(self, place: Float[Tensor, "M T V 3"], start: Int[Tensor, ""]) -> Float[Tensor, "M T V 3"]:
        """Turned about the vertical: from the left to the right shoulder is x."""
        left, right = self.shoulders
        first = place[0].index_select(0, start[None])[0]
        across = first[right] - first[left]
        length = (across[0] ** 2 + across[2] ** 2).sqrt()
        level = length > 0
        cosine = torch.where(level, across[0] / torch.where(level, length, 1.0), 1.0)
        sine = torch.where(level, across[2] / torch.where(level, length, 1.0), 0.0)
        x, y, z = place.unbind(3)
        return torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], 3)

    def _size(self, body: Float[Tensor, "T V C"], kept: Bool[Tensor, "T"]) -> Float[Tensor, ""]:
        """The mean over bones of their median length in the frames that show them."""
        there = (body != 0).any(2)
        shown = there & there[:, self.parents] & kept[:, None]
        bones = body - body[:, self.parents]
        lengths = torch.where(shown, (bones**2).sum(2).sqrt(), torch.inf).sort(0).values  # (T, V)
        count = shown.sum(0)
        low, high = ((count - 1).clamp(min=0) // 2, (count // 2).minimum((count - 1).clamp(min=0)))
        middle = (lengths.gather(0, low[None])[0] + lengths.gather(0, high[None])[0]) / 2
        middle = torch.where(count > 0, middle, 0.0)
        size = middle.sum() / (middle > 0).sum().clamp(min=1)
        return torch.where(size > 0, size, 1.0)

    def _streams(self, x: Float[Tensor, "M T V D"]) -> Float[Tensor, "M T V C"]:
        made = {"joint": x}
        made["bone"] = self._difference(x, x[:, :, self.parents])
        made["k_bone"] = self._difference(x, x[:, :, self.grandparents])
        found: list[Tensor] = []
        for name in self.steps.streams:
            values = made[name.removesuffix("_motion")]
            if name.endswith("_motion"):
                step = self._difference(values[:, 1:], values[:, :-1])
                values = torch.cat([step, torch.zeros_like(values[:, :1])], 1)
            found.append(values)
        return torch.cat(found, 3)

    def _difference(self, ends: Float[Tensor, "M T V D"], starts: Float[Tensor, "M T V D"]) -> Tensor:
        if not self.scored:
            return ends - starts
        return torch.cat([(ends - starts)[..., :-1], (ends + starts)[..., -1:] / 2], 3)

    def _chosen(self, x: Float[Tensor, "M T V C"], start: Int[Tensor, ""], T: int) -> Float[Tensor, "M F V C"]:
        """The wanted number of frames, from `start` on."""
        i, last = torch.arange(self.frames), T - 1 - start
        if self.steps.sampling == "loop":
            return x.index_select(1, start + i % (last + 1))
        gaps = max(self.frames - 1, 1)
        before = (i * last // gaps).minimum((last - 1).clamp(min=0))
        share = ((i * last - before * gaps).float() / gaps)[:, None, None]
        earlier = x.index_select(1, start + before)
        later = x.index_select(1, start + (before + 1).minimum(last))
        return earlier + share * (later - earlier)


def _seen(x: Float[Tensor, "T J D"]) -> Bool[Tensor, "T J"]:
    return (x != 0).any(2)


def _without_gaps(x: Float[Tensor, "M T V D"]) -> Float[Tensor, "M T V D"]:
    """Frames in which a person is away, between two in which he or she is there, on the line between these."""
    M, T = x.shape[:2]
    frames = torch.arange(T)
    there = (x != 0).any(3).any(2).long()  # (M, T)
    number = there.cumsum(1)  # of frames that show the person, up to each
    shown = torch.full((M, T + 2), T).scatter(1, number * there, frames.expand(M, T))  # the first, second ... of them
    shown = torch.cat([torch.full((M, 1), -1), shown[:, 1:]], 1)
    before, behind = shown.gather(1, number), shown.gather(1, number + 1 - there)
    inside = (before >= 0) & (behind < T) & (before < behind)
    first, second = before.clamp(min=0), behind.clamp(max=T - 1)
    people = torch.arange(x.shape[0])[:, None]
    a, b = x[people, first], x[people, second]  # (M, T, V, D)
    share = ((frames - first).float() / (second - first).clamp(min=1))[..., None, None]
    both = (a != 0).any(3, keepdim=True) & (b != 0).any(3, keepdim=True)
    return torch.where(inside[..., None, None], (a + share * (b - a)) * both, x)


# ---- the graph -------------------------------------------------------------------------------------------------------


def export_prepared(model: nn.Module | Weights | str | Path, out: str | Path) -> Report:
    """Write a network as ONNX: a recording (people, T, V, D), absent bodies zero -> (1, classes).

    The scores are logits, of several test views the log of their mean probability. D: coordinates and a score, if the
    network takes one. Raises ValueError where the recipe cannot be a part of the graph, with the reason, or where the
    graph computes something else than `prepare_clip` and torch; then nothing is left.
    """
    out, predictor = Path(out), exportable(model)
    steps = predictor.preprocessing
    if reason := obstacle_to_tracing(steps):
        raise ValueError(f"preparing cannot be part of the graph: {reason}; --preprocessing graph and --page need that")
    network = answering(predictor.network).cpu().float()
    _, config = built_with(network)
    width, fitting = config["channels"] // len(steps.streams), kinds(steps, config["channels"], predictor.coordinates)
    if not fitting:
        raise ValueError(f"preparing cannot be part of the graph: its {width} channels are not x, y, z and a score")
    if len(fitting) > 1:
        raise ValueError(
            "preparing cannot be part of the graph: the weights do not say whether the third number of a joint is z or "
            "a score; --preprocessing graph and --page need that"
        )
    ((dimensions, scored),) = fitting
    if steps.test_mirror and steps.normalize == "none" and dimensions == 2:
        raise ValueError(
            "preparing cannot be part of the graph: test_mirror turns pixels round in the width of the picture, which "
            "a recording does not hold; --preprocessing graph and --page need that"
        )
    preparation = Preparation(steps, predictor.layout, dimensions, scored)
    x = torch.randn(steps.people, 40, len(predictor.layout), width)
    name = network_kind(network).__name__
    content = traced_folded(
        network,
        lambda network_: traced(
            _Prepared(preparation, network_).eval(), x, {1: torch.export.Dim.DYNAMIC}, RECORDING, name
        ),
    )
    describe(content, predictor, network, prepares=True)
    with atomic_file(out) as unfinished:
        unfinished.write_bytes(content.SerializeToString())
        return _compared(unfinished, out, network, predictor, preparation)


class _Prepared(nn.Module):
    """Preparation, network and the mean over views as a function of one recording."""

    def __init__(self, preparation: Preparation, network: nn.Module):
        super().__init__()
        self.preparation, self.network = preparation, network

    def forward(self, recording: Float[Tensor, "M T V D"]) -> Float[Tensor, "1 classes"]:
        return mean_of_views(self.network(self.preparation(recording)))


def mean_of_views(logits: Float[Tensor, "W classes"]) -> Float[Tensor, "1 classes"]:
    """The log of the mean probability of several views; of one its logits."""
    if logits.shape[0] == 1:
        return logits
    return logits.log_softmax(-1).logsumexp(0, keepdim=True) - math.log(logits.shape[0])


def _compared(file: Path, out: Path, network: nn.Module, predictor: Predictor, preparation: Preparation) -> Report:
    """`prepare_clip` and torch beside the graph. Raises ValueError where they differ."""
    exported: Exported = load_exported(file)
    largest, same, clips = 0.0, 0, 0
    for clip in _recordings(predictor, preparation):
        views = torch.from_numpy(prepare_clip(clip, predictor.preprocessing))
        recording = torch.from_numpy(recording_of(clip, predictor.preprocessing.people))
        with torch.no_grad():
            wanted = mean_of_views(network(views))
            off = float((preparation(recording) - views).abs().max())
        found = exported.scores([clip])
        difference = largest_difference(found, wanted, lambda x=views: mean_of_views(in_float64(network, x)))
        if not (off <= PREPARED and difference <= TOLERANCE):
            raise ValueError(
                f"the graph prepares a clip of {clip.frames} frames with a difference of {off:.1e} and gives scores "
                f"with one of {difference:.1e} of their spread; {out} was not written"
            )
        largest, clips = max(largest, difference), clips + 1
        same += int(found.argmax() == wanted.numpy().argmax())
    return Report(out, largest, clips, same, file.stat().st_size, predictor.preprocessing.people)


def _recordings(predictor: Predictor, preparation: Preparation) -> Iterator[SkeletonClip]:
    """Random bodies: of several lengths, with joints and people that are away for some frames, and an absent one."""
    rng, layout = np.random.default_rng(0), predictor.layout
    for people in dict.fromkeys((1, predictor.preprocessing.people)):
        for T in dict.fromkeys((*LENGTHS, 100)):
            body = rng.normal(0, 0.5, (people, 1, len(layout), preparation.dimensions))
            keypoint = (body + rng.normal(0, 0.05, (people, T, *body.shape[2:]))).astype(np.float32)
            if T > 6:
                keypoint[0, 0] = keypoint[0, 3:5] = keypoint[:, 2, -1] = 0
                keypoint[-1, 1:3] = 0
            score = rng.random(keypoint.shape[:3]).astype(np.float32) if preparation.scored else None
            if score is not None:
                score *= keypoint.any(3)
            yield SkeletonClip(keypoint, layout, "made up", score=score)
