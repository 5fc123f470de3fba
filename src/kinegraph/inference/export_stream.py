"""A network as a graph of single frames: a frame and a state go in, the logits of a moment and the new state come out.

The state of a person is what each block keeps, the oldest frame first, and a clock. Where a block of stride 2 makes no
output, the blocks behind it compute nothing: they take the rows of those people who are due.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kinegraph.atomic import atomic_file
from kinegraph.inference.export import OPSET, Report, describe, exportable, first_cause, quiet
from kinegraph.inference.exported import FRAME, OUTPUT, STATE, load_exported
from kinegraph.inference.predictor import Predictor
from kinegraph.inference.streaming.exact import ExactEngine, absent_of, frame_by_frame
from kinegraph.inference.streaming.graph import FrameGraph, GraphEngine, frame_graph
from kinegraph.inference.streaming.poses import Form, Person, Poses, Scores
from kinegraph.messages import one_line
from kinegraph.models.layers.streaming import Ring, StreamedBlock, StreamedNetwork
from kinegraph.models.network import network_kind
from kinegraph.models.weights import Weights

TOLERANCE = 1e-5  # of the spread of logits
Frames = Float[Tensor, "P V C"]


def export_stream(model: nn.Module | Weights | str | Path, out: str | Path) -> Report:
    """Write a network as ONNX of single frames, prepared as its metadata says. model: as `kinegraph.predict` takes it.

    Raises ValueError where the exact engine refuses the network, with its reason, or where onnxruntime computes
    something else than that engine; then nothing is left.
    """
    out, predictor = Path(out), exportable(model)
    predictor = predictor.ready()
    predictor.network.cpu().float()
    network = frame_by_frame(predictor.network, predictor.preprocessing)
    if isinstance(network, str):
        raise ValueError(f"the network cannot be computed frame by frame: {network}; leave --stream out")
    form = _form_of(predictor)
    content = _content(network, predictor, form)
    spans = {"delay": network.delay, "reach": network.reach, "stride": network.stride}
    describe(content, predictor, predictor.network, frame_by_frame=spans)
    with atomic_file(out) as unfinished:
        unfinished.write_bytes(content.SerializeToString())
        return _compared(unfinished, out, network, predictor, form)


def _form_of(predictor: Predictor) -> Form:
    """The form of frames that such a network takes; the size of a picture is any."""
    steps = predictor.preprocessing
    width = predictor.channels // len(steps.streams)
    dimensions = 2 if steps.normalize.startswith("image") or width == 2 else 3
    return Form(predictor.layout, dimensions, width > dimensions, (1920, 1080))


def _content(network: StreamedNetwork, predictor: Predictor, form: Form) -> Any:
    """The graph, as onnx.ModelProto. Raises ValueError with the first line of what torch says."""
    head, others = predictor.network.get_submodule("head"), predictor.preprocessing.people - 1
    absent = absent_of(network, predictor.preprocessing, form).begin if others else np.zeros((1, network.width))
    module = FrameByFrame(network, head, torch.from_numpy(absent).float(), others).eval()
    x = torch.zeros(2, network.joints, predictor.channels)
    clock, there, state = torch.zeros(2, 2, dtype=torch.int64), torch.ones(2, dtype=torch.int64), module.start(2)
    names = [f"{STATE}{i}" for i in range(len(state))]
    people = {0: torch.export.Dim.DYNAMIC}
    with quiet(), torch.no_grad():
        try:
            made: Any = torch.onnx.export(
                module,
                (x, there, clock, state),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
                input_names=[FRAME, "there", "clock", *names],
                output_names=[OUTPUT, "ready", "next_clock", *(f"next_{name}" for name in names)],
                dynamic_shapes=(people, people, people, [people] * len(state)),
            )
        except Exception as error:  # of torch's compiler, onnxscript and onnx, each with its own classes
            name = network_kind(predictor.network).__name__
            raise ValueError(f"{name} cannot be exported frame by frame: {one_line(first_cause(error))}") from None
    return made.model_proto


class FrameByFrame(nn.Module):
    """A `StreamedNetwork` and its head as a function of a frame and a state, for people who came at different times.

    absent: the first features of somebody who is not there, the last of them for all later moments. others: so many of
    them count.
    """

    def __init__(self, network: StreamedNetwork, head: nn.Module, absent: Float[Tensor, "m D"], others: int):
        super().__init__()
        self.network, self.head, self.others = network, head, others
        self.absent = head(absent).detach()

    def start(self, people: int) -> list[Tensor]:
        """The states of new people: zeros, what a convolution sees before the first frame."""
        shapes = [shape for block in self.network.blocks for shape in _kept(block)]
        return [torch.zeros(people, self.network.joints, *shape) for shape in shapes]

    def forward(
        self, frame: Frames, there: Int[Tensor, "P"], clock: Int[Tensor, "P 2"], state: list[Tensor]
    ) -> tuple[Tensor, ...]:
        """Logits of the moments that are complete now, of whom they are, and the new clock and state.

        there: 1, or 0 where the recording has ended and the frame stands for nothing. clock: frames before this one,
        and how many of them came after the end.
        """
        network, due = self.network, None
        age, after = clock[:, 0], clock[:, 1] + 1 - there
        y, delay, new = frame * network.scale + network.shift, 0, list[Tensor]()
        for block, stride in network.strided():
            own = state[len(new) : len(new) + len(_kept(block))]
            inside = (_of(age, due) >= delay) & (_of(after, due) <= delay)  # else zeros of the padding
            seen = _seen(block, y, inside, own, due)
            new += [_into(before, values[:, :, 1:], due) for before, values in zip(own, seen, strict=True)]
            delay += (block.span - 1 - block.around) * stride
            if block.stride > 1:
                following = _due(age, delay, stride * block.stride)
                seen = [values[following.index if due is None else due.place[following.index]] for values in seen]
                due = following
            y = _output(block, seen)
        ready = (_of(age, due) >= delay) & (_of(after, due) <= delay)
        moment = (_of(age, due) - delay) // network.stride
        logits = self._with_others(self.head(y.mean(1)), moment, _of(there, due))
        nothing = frame.new_zeros(frame.shape[0], logits.shape[1])
        ready = _into(torch.zeros_like(there), ready.long(), due) == 1
        return _into(nothing, logits, due), ready, torch.stack([age + 1, after], 1), *new

    def _with_others(
        self, own: Float[Tensor, "P classes"], moment: Int[Tensor, "P"], there: Int[Tensor, "P"]
    ) -> Float[Tensor, "P classes"]:
        """The mean over all bodies of the recipe, as long as frames come: the end changes those who are not there."""
        if not self.others:
            return own
        absent = self.absent[moment.clamp(0, len(self.absent) - 1)]
        return torch.where(there[:, None] == 1, (own + self.others * absent) / (self.others + 1), own)


def _kept(block: StreamedBlock) -> list[tuple[int, int]]:
    """(frames, channels) of the past that a block keeps: for its convolution, and for its residual path."""
    kept = [(block.span - 1, block.width)]
    return kept if block.residual is None else [*kept, (block.span - 1 - block.around, block.width_in)]


class Due(NamedTuple):
    """The people who make an output now. index: their numbers. place: of each of all people among them."""

    index: Int[Tensor, "Q"]
    place: Int[Tensor, "P"]


def _due(age: Int[Tensor, "P"], delay: int, steps: int) -> Due:
    """Every `steps` frames, counted from `delay` on."""
    now = (age + -delay % steps) % steps == 0  # of small numbers: OpenVINO computes remainders in float32
    return Due(torch.nonzero(now).squeeze(1), now.long().cumsum(0) - 1)


def _of(x: Tensor, due: Due | None) -> Tensor:
    """The rows of those who are due, or of all."""
    return x if due is None else x[due.index]


def _into(before: Tensor, rows: Tensor, due: Due | None) -> Tensor:
    """The rows of all people, new for those who are due."""
    return rows if due is None else before.index_copy(0, due.index, rows)


def _seen(
    block: StreamedBlock, x: Frames, inside: Bool[Tensor, "Q"], state: list[Tensor], due: Due | None
) -> list[Float[Tensor, "Q V _ _"]]:
    """What a block keeps, and the frame x behind it. inside: whether the frame is one of the recording."""
    rows = x.shape[0] * block.joints
    place = x.new_zeros(rows, block.width)
    block.before(x.reshape(rows, block.width_in), place)
    h = place.view(x.shape[0], block.joints, 1, block.width) * inside.to(x.dtype)[:, None, None, None]
    latest = [h] if block.residual is None else [h, x[:, :, None]]
    return [torch.cat([_of(before, due), now], 2) for before, now in zip(state, latest, strict=True)]


def _output(block: StreamedBlock, seen: list[Float[Tensor, "Q V _ _"]]) -> Frames:
    """Of the moment in the middle of what is seen."""
    y = block.across(Ring(seen[0], 0, block.span))
    added = None if block.residual is None else seen[1][:, :, 0].reshape(y.shape[0], block.width_in)
    return block.output(y, added).view(-1, block.joints, block.width)


# ---- compared --------------------------------------------------------------------------------------------------------


def _compared(file: Path, out: Path, network: StreamedNetwork, predictor: Predictor, form: Form) -> Report:
    """The exact engine beside the graph, while people come and go. Raises ValueError where they differ."""
    exported = load_exported(file)
    graph = frame_graph(exported)
    assert isinstance(graph, FrameGraph), graph
    exact, other = ExactEngine(predictor, network, form, None), GraphEngine(exported, graph, form, None)
    wanted, found, people = list[np.ndarray](), list[np.ndarray](), set[Person]()
    for number, poses in enumerate(_made_up(form, network.delay)):
        gone = people - poses.keys()
        exact.drop(gone), other.drop(gone)
        people = set(poses)
        wanted += _logits(exact.push(poses, number))
        found += _logits(other.push(poses, number))
    wanted += _logits(exact.ended(exact.bodies))
    found += _logits(other.ended(other.bodies))
    largest = np.inf
    if len(wanted) == len(found) > 0:
        largest = float(np.abs(np.stack(found) - np.stack(wanted)).max()) / max(float(np.std(wanted)), 1e-6)
    if not largest <= TOLERANCE:
        raise ValueError(
            f"onnxruntime computes {largest:.1e} of the logits' spread something else than the exact engine, of "
            f"{len(wanted)} answers of which it has {len(found)}; {out} was not written"
        )
    same = sum(int(a.argmax() == b.argmax()) for a, b in zip(found, wanted, strict=True))
    return Report(out, largest, len(wanted), same, file.stat().st_size, None)


def _logits(scores: Mapping[Person, Scores]) -> list[np.ndarray]:
    """Logits less their mean, person by person."""
    logs = [np.log(scores[person].probabilities) for person in sorted(scores, key=str)]
    return [rows - rows.mean() for rows in logs]


def _made_up(form: Form, delay: int) -> Iterator[dict[Person, Poses]]:
    """Random bodies: one who stays, one who comes later, one who goes, one who is lost for two frames at a time."""
    rng, width = np.random.default_rng(0), form.dimensions + form.scored
    scale = 1.0 if form.dimensions == 3 else 200.0
    frames = 2 * delay + 40
    bodies = rng.normal(0, 0.5, (4, 1, len(form.layout), width))
    bodies = bodies + rng.normal(0, 0.1, (4, frames + 3, len(form.layout), width)).cumsum(1) / 3
    bodies[..., : form.dimensions] *= scale
    if form.scored:
        bodies[..., -1] = rng.random(bodies.shape[:3])
    poses = bodies.astype(np.float32)
    poses[0, 5:8, -1] = 0  # a joint that is not seen
    for t in range(frames):
        there: dict[Person, Poses] = {"stays": poses[0, t : t + 1]}
        if t > 9:
            there["comes"] = poses[1, t : t + 1]
        if t < frames - 21:
            there["goes"] = poses[2, t : t + 1]
        there["lost"] = poses[3, t : t + (3 if t % 3 == 2 else 0)]
        yield there
