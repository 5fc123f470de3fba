"""A network and the preparation of its clips as one graph: a recording as it is goes in, scores come out."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinegraph.atomic import atomic_file
from kinegraph.data.preprocessing import prepare_clip
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
from kinegraph.inference.preparation import Preparation, obstacle_to_tracing
from kinegraph.models.network import network_kind
from kinegraph.models.weights import Weights, built_with
from kinegraph.skeleton.clip import SkeletonClip

PREPARED = 1e-5  # largest difference from `prepare_clip`, in units of the recording


def export_prepared(model: nn.Module | Weights | str | Path, out: str | Path) -> Report:
    """Write a network as ONNX: a recording (people, T, V, D), absent bodies zero -> (1, classes).

    The scores are logits, of several test views the log of their mean probability. D: coordinates and a score, if the
    network takes one. Raises ValueError where the recipe cannot be a part of the graph, with the reason, or where the
    graph computes something else than `prepare_clip` and torch; then nothing is left.
    """
    out, predictor = Path(out), exportable(model)
    steps = predictor.preprocessing
    if reason := obstacle_to_tracing(steps):
        raise ValueError(f"preparing cannot be part of the graph: {reason}; leave --preprocessing graph out")
    network = answering(predictor.network).cpu().float()
    _, config = built_with(network)
    width, fitting = config["channels"] // len(steps.streams), kinds(steps, config["channels"], predictor.coordinates)
    if not fitting:
        raise ValueError(f"preparing cannot be part of the graph: its {width} channels are not x, y, z and a score")
    if len(fitting) > 1:
        raise ValueError(
            "preparing cannot be part of the graph: the weights do not say whether the third number of a joint is z or "
            "a score; leave --preprocessing graph out"
        )
    ((dimensions, scored),) = fitting
    if steps.test_mirror and steps.normalize == "none" and dimensions == 2:
        raise ValueError(
            "preparing cannot be part of the graph: test_mirror turns pixels round in the width of the picture, which "
            "a recording does not hold; leave --preprocessing graph out"
        )
    preparation = Preparation(steps, predictor.layout, dimensions, scored)
    x = torch.randn(steps.people, 40, len(predictor.layout), width)
    name = network_kind(network).__name__
    content = traced_folded(
        network,
        lambda it: traced(_Prepared(preparation, it).eval(), x, {1: torch.export.Dim.DYNAMIC}, RECORDING, name),
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
