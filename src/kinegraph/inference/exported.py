"""An exported network (.onnx), computed by onnxruntime: torch is not imported.

What belongs to the network is JSON in the file's metadata: layout, class names, preprocessing, the conditions of its
training, and the checksum of the weights that it was exported from.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float

from kinegraph.data.conditions import Conditions
from kinegraph.data.preprocessing import Preprocessing, fit_people, prepare_clip
from kinegraph.evaluation.metrics import softmax
from kinegraph.inference.clip_matching import fitted
from kinegraph.messages import one_line, plain_name, quoted
from kinegraph.safe_io import parsed_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

KEY, VERSION = "kinegraph", 1  # of our text in the metadata
INPUT, OUTPUT = "clips", "logits"  # (N, M, T, V, C) as `prepare_clip` makes them -> (N, classes)
RECORDING = "recording"  # the input where preparing is part of the graph: (people, T, V, D) -> (1, classes)
FRAME, STATE = "frame", "state_"  # of a graph of single frames: (P, V, C), and what it keeps of each person
MOST_LENGTHS = 1_000  # of clips, whose logits of nobody are kept: a server sees ever new ones
EXTRA = 'pip install "kinegraph[export]"'
PRECISIONS = {"fp32": "f32", "bf16": "bf16"}  # OpenVINO's default on a processor with AMX is bf16


@dataclass(frozen=True, eq=False)
class Exported:
    """An exported network with what belongs to it, see `trained_network.Asked`.

    about: all that the metadata says. content: the file.
    """

    session: Any
    layout: JointLayout
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    channels: int
    map_layout: bool = False
    trained: Conditions = field(default_factory=Conditions)
    about: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    content: bytes = field(default=b"", repr=False)
    absent: dict[int, Float[np.ndarray, "1 classes"]] = field(default_factory=dict)  # logits of nobody, by frames

    @property
    def prepares(self) -> bool:
        """Whether preparing a recording is part of the graph."""
        return self.about.get("prepares") is True

    @property
    def frame_by_frame(self) -> Mapping[str, Any] | None:
        """What the file says of a graph of single frames; None where the graph takes clips."""
        about = self.about.get("frame_by_frame")
        return about if isinstance(about, Mapping) else None

    @property
    def training(self) -> Mapping[str, Any]:
        """What the file says of the training, as far as it is used here: the lengths of clips."""
        training = self.about.get("training")
        frames = training.get("frames") if isinstance(training, Mapping) else None
        fits = (
            isinstance(frames, list) and len(frames) == 3 and all(type(frame) is int and frame > 0 for frame in frames)
        )
        return {"frames": frames} if fits else {}

    @property
    def coordinates(self) -> object:
        """The names of a joint's numbers, where the file says them."""
        training = self.about.get("training")
        return training.get("coordinates") if isinstance(training, Mapping) else None

    @property
    def least(self) -> float:
        """Probability below which an answer is rather none of the classes; 0 where the file does not say it."""
        least = self.about.get("least_probability", 0)
        return float(least) if isinstance(least, int | float) else 0.0

    def fit(self, clip: SkeletonClip) -> SkeletonClip:
        """The clip with the network's joints and channels. Raises ValueError where it cannot have them."""
        facts = self.map_layout, self.coordinates, self.class_names
        return fitted(clip, self.layout, self.preprocessing, self.channels, *facts)

    def ready(self) -> Self:
        """Itself: there is no other mode. Raises ValueError where the graph takes no clips."""
        if self.frame_by_frame is not None:
            raise ValueError(
                "this network was exported with --stream and takes single frames: `kinegraph stream` asks it; for "
                "recordings export the weights without --stream"
            )
        return self

    def answer(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
        """The probabilities of each clip, float64. clips: that fit."""
        return softmax(self.scores(clips))

    def scores(self, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "N classes"]:
        """The logits of each clip, float64; of several views the log of their mean probability. clips: that fit."""
        if self.prepares:
            recordings = (recording_of(clip, self.preprocessing.people) for clip in clips)
            found = [self.session.run([OUTPUT], {RECORDING: recording})[0] for recording in recordings]
            return finite(np.concatenate(found).astype(np.float64))
        views = np.stack([prepare_clip(clip, self.preprocessing) for clip in clips])  # (N, W, M, T, V, C)
        logits = finite(self.logits(views.reshape(-1, *views.shape[2:])).astype(np.float64))
        logits = logits.reshape(*views.shape[:2], -1)
        return logits[:, 0] if views.shape[1] == 1 else np.log(softmax(logits).mean(1))

    def logits(self, x: Float[np.ndarray, "N M T V C"]) -> Float[np.ndarray, "N classes"]:
        """Of each clip. People who are all zeros are computed once for each length. x: as `prepare_clip` makes it."""
        x = np.ascontiguousarray(x, np.float32)
        there = x.any(axis=(2, 3, 4))
        if there.all() or self.about.get("people_averaged") is not True:
            return self.computed(x)
        N, M, T = x.shape[:3]
        if (nobody := self.absent.get(T)) is None:
            if len(self.absent) >= MOST_LENGTHS:
                self.absent.clear()
            nobody = self.absent[T] = self.computed(np.zeros_like(x[:1, :1]))
        logits = np.repeat(nobody, N * M, 0).reshape(N, M, -1)
        if there.any():
            logits[there] = self.computed(x[there][:, None])
        return logits.mean(1)

    def computed(self, x: Float[np.ndarray, "N M T V C"]) -> Float[np.ndarray, "N classes"]:
        """What the graph computes of all people."""
        return self.session.run([OUTPUT], {INPUT: x})[0]


def recording_of(clip: SkeletonClip, people: int) -> Float[np.ndarray, "people T V D"]:
    """A recording as such a graph takes it: coordinates and, if there are any, scores; absent bodies are zero."""
    parts = [clip.keypoint] if clip.score is None else [clip.keypoint, clip.score[..., None]]
    return fit_people(np.concatenate(parts, axis=3).astype(np.float32), people)


def finite(logits: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The logits. Raises ValueError if one is no number."""
    if not np.isfinite(logits).all():
        raise ValueError("the network's scores are not finite numbers")
    return logits


def load_exported(path: str | Path, *, map_layout: bool = False, threads: int | None = None) -> Exported:
    """Read a file that `kinegraph export` wrote.

    threads: that compute, by default one a core. Raises ValueError where onnxruntime is missing, or the file is no
    such file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ValueError(f"{path} needs onnxruntime: {EXTRA}") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised
    if threads:
        options.intra_op_num_threads = threads
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    content = Path(path).read_bytes()  # no file beside it is opened for its tensors
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own for each cause
        raise ValueError(f"{path} is no ONNX file that onnxruntime can run: {one_line(error)[:200]}") from None
    metadata = session.get_modelmeta().custom_metadata_map
    if KEY not in metadata:
        raise ValueError(f"{path} does not say its joints and classes; `kinegraph export` writes files that do")
    about = parsed_json(metadata[KEY], f"the metadata of {path}")
    if not isinstance(about, Mapping) or about.get("version") != VERSION:
        raise ValueError(f"{path} is of another version of Kinegraph; export the weights again")
    try:
        layout, names = JointLayout.from_dict(about["layout"]), tuple(map(plain_name, about["class_names"]))
        steps, channels = Preprocessing.from_dict(about["preprocessing"]), int(about["channels"])
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} says of its network what cannot be read: {quoted(error)}") from None
    wanted = (RECORDING, channels // len(steps.streams)) if about.get("prepares") is True else (INPUT, channels)
    if single := isinstance(about.get("frame_by_frame"), Mapping):
        wanted = (FRAME, channels)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    taken, given = inputs[0], outputs[0]
    shapes = tuple(taken.shape[-2:]), given.shape[-1]
    fits = (taken.name, given.name) == (wanted[0], OUTPUT) and shapes == ((len(layout), wanted[1]), len(names))
    if not fits or (len(inputs) > 1 or len(outputs) > 1) != single:
        raise ValueError(f"{path} has a graph of other joints, channels or classes than its metadata says")
    trained = Conditions.from_dict(about.get("trained"))
    digest = hashlib.sha256(content).hexdigest()
    return Exported(session, layout, names, steps, channels, map_layout, trained, about, digest, content)


def metadata(
    layout: JointLayout, class_names: Sequence[str], steps: Preprocessing, channels: int, **about: object
) -> dict[str, str]:
    """What is written into the file."""
    known = {"layout": layout.to_dict(), "class_names": list(class_names), "preprocessing": steps.to_dict()}
    return {KEY: json.dumps({"version": VERSION, **known, "channels": channels, **about})}


# ---- OpenVINO in place of onnxruntime: the same file, the same answers -----------------------------------------------


class OpenVinoSession:
    """A graph with the method `run` of onnxruntime's sessions. threads: that compute, by default one a core."""

    def __init__(self, content: bytes, threads: int | None, precision: Literal["fp32", "bf16"]):
        try:
            import openvino
        except ImportError:
            raise ValueError('openvino is not installed: pip install "kinegraph[openvino]"') from None
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        settings |= {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
        try:
            core: Any = openvino.Core()
            self._graph = core.compile_model(core.read_model(content), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot run the network: {one_line(error)[:200]}") from None

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names. Several threads may ask at once."""
        found = self._graph.create_infer_request().infer(dict(inputs))
        return [found[name] for name in outputs]


def by_openvino(
    exported: Exported, threads: int | None = None, precision: Literal["fp32", "bf16"] = "fp32"
) -> Exported:
    """The same file, computed by OpenVINO. Raises ValueError where that is not possible."""
    return replace(exported, session=OpenVinoSession(exported.content, threads, precision), absent={})
