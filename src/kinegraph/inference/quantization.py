"""int8: an exported network whose weights and features are whole numbers of 8 bits.

Weights have a scale for each channel. Scales of features are those of training clips (static calibration). Which steps
are quantised is tried: the fastest setting that keeps top-1 on clips of the other part is written, or nothing.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Int

from kinegraph.atomic import write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.preprocessing import prepare_clip
from kinegraph.inference.clip_matching import check_fit
from kinegraph.inference.export import LENGTHS, export, quiet
from kinegraph.inference.export_prepared import export_prepared
from kinegraph.inference.exported import INPUT, OUTPUT, RECORDING, Exported, load_exported, metadata, recording_of
from kinegraph.inference.trained_network import batches
from kinegraph.messages import counted

Feed = dict[str, np.ndarray]  # the input of a graph by its name
PRODUCTS = ("Conv", "MatMul", "Gemm")
SETTINGS = {  # what is quantised
    "convolutions": ("Conv",),
    "convolutions and products": PRODUCTS,
    "all steps": (*PRODUCTS, "Relu", "Add", "Transpose", "Reshape"),
}
CALIBRATED = 64  # clips; more changed nothing
TIMES = 20  # a clip is answered for its time; the shortest counts


@dataclass(frozen=True)
class Quantised:
    """What was written. before, after: top-1 in fp32 and int8 on `clips` of `part`. milliseconds: of one clip on one
    thread, before and after. setting: what was quantised. calibrated: training clips. bytes: of the file."""

    path: Path
    part: str
    clips: int
    before: float
    after: float
    milliseconds: tuple[float, float]
    setting: str
    calibrated: int
    bytes: int

    @property
    def loss(self) -> float:
        """Points of top-1; negative where int8 is better."""
        return 100 * (self.before - self.after)


def export_int8(
    model: Any,
    out: str | Path,
    dataset: SkeletonDataset,
    split: str,
    part: str | None,
    max_loss: float,
    *,
    prepares: bool,
) -> Quantised:
    """Write a network as ONNX in int8. model: as `export` takes it. prepares: with preparing in the graph.

    dataset: its clips of the part "train" of `split` calibrate, those of `part` (by default val or test) are answered
    before and after. max_loss: points of top-1. Raises ValueError where every setting loses more, or the dataset has
    other joints or classes; then nothing is written.
    """
    out, part = Path(out), part or dataset.held_out(split)
    if part == "train":
        raise ValueError("part is 'train', whose clips calibrate: top-1 is measured on another part")
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        plain = Path(folder) / "fp32.onnx"
        (export_prepared if prepares else export)(model, plain)
        asked = load_exported(plain, threads=1)
        check_fit(asked, dataset, str(model) if isinstance(model, str | Path) else "the network")
        labels, tested = _labelled(dataset, dataset.indices(split, part), f"{split} / {part}")
        trained = np.random.default_rng(0).permutation(dataset.indices(split, "train"))[:CALIBRATED].tolist()
        before, time_before = _top1(asked, dataset, tested, labels), _milliseconds(asked, dataset, int(tested[0]))
        tried: list[tuple[Quantised, Path]] = []
        for number, (setting, kinds) in enumerate(SETTINGS.items()):
            path = Path(folder) / f"int8_{number}.onnx"
            quantise(plain, path, asked, [_fed(asked, dataset, clip) for clip in trained], kinds)
            found = load_exported(path, threads=1)
            _check_shapes(found)
            after, time_after = _top1(found, dataset, tested, labels), _milliseconds(found, dataset, int(tested[0]))
            times, size = (time_before, time_after), path.stat().st_size
            result = Quantised(out, f"{split} / {part}", len(tested), before, after, times, setting, len(trained), size)
            tried.append((result, path))
        chosen, path = _chosen(tried, max_loss)
        write_atomic(out, path.read_bytes())
    return chosen


def _chosen(tried: Sequence[tuple[Quantised, Path]], max_loss: float) -> tuple[Quantised, Path]:
    """The fastest that loses little enough. Raises ValueError where none does."""
    good = [result for result in tried if result[0].loss <= max_loss + 1e-9]
    if not good:
        best, _ = min(tried, key=lambda result: result[0].loss)
        raise ValueError(
            f"int8 loses {best.loss:.1f} points of top-1 or more ({best.before:.1%} to {best.after:.1%} for "
            f"{counted(best.clips, 'clip')} of {best.part}), more than --max-loss {max_loss:g}; "
            f"{best.path} was not written"
        )
    return min(good, key=lambda result: result[0].milliseconds[1])


def quantise(plain: Path, path: Path, asked: Exported, fed: Sequence[Feed], kinds: Sequence[str]) -> None:
    """Write `plain` in int8. asked: what it is. fed: inputs that calibrate. kinds: of steps that are quantised."""
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    reader: Any = _Reader(fed)
    ready = path.with_suffix(".ready.onnx")
    with quiet():
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(ready),
            str(path),
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(kinds),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
    content = onnx.load(str(path))
    known = {"version", "layout", "class_names", "preprocessing", "channels"}
    about = {key: value for key, value in asked.about.items() if key not in known}
    about |= {"precision": "int8", "calibrated": {"clips": len(fed), "quantised": list(kinds)}}
    whole = metadata(asked.layout, asked.class_names, asked.preprocessing, asked.channels, **about)
    onnx.helper.set_model_props(content, whole)
    path.write_bytes(content.SerializeToString())


class _Reader:
    """The clips that calibrate, one after another, as onnxruntime asks for them."""

    def __init__(self, fed: Sequence[Feed]):
        self._left: Iterator[Feed] = iter(fed)

    def get_next(self) -> Feed | None:
        """The next input, or None at the end."""
        return next(self._left, None)


def _fed(asked: Exported, dataset: SkeletonDataset, index: int) -> Feed:
    """A clip as the graph takes it: prepared, or as it was recorded."""
    clip, steps = asked.fit(dataset[index]), asked.preprocessing
    return {RECORDING: recording_of(clip, steps.people)} if asked.prepares else {INPUT: prepare_clip(clip, steps)}


def _labelled(
    dataset: SkeletonDataset, indices: Int[np.ndarray, "N"], part: str
) -> tuple[Int[np.ndarray, "L"], Int[np.ndarray, "L"]]:
    """Labels and numbers of the clips that have a label."""
    labels = dataset.label[indices]
    if not (labels >= 0).any():
        raise ValueError(f"{dataset.path}: no clip of {part} has a label, which top-1 needs")
    return labels[labels >= 0], indices[labels >= 0]


def _top1(
    asked: Exported, dataset: SkeletonDataset, indices: Int[np.ndarray, "N"], labels: Int[np.ndarray, "N"]
) -> float:
    most = min(32, asked.preprocessing.largest_batch)
    scores = [asked.scores(batch) for batch in batches((asked.fit(dataset[index]) for index in indices), most)]
    return float((np.concatenate(scores).argmax(1) == labels).mean())


def _milliseconds(asked: Exported, dataset: SkeletonDataset, index: int) -> float:
    fed, times = _fed(asked, dataset, index), list[float]()
    if not asked.prepares:
        fed = {INPUT: fed[INPUT][:1]}  # of several views one
    for _ in range(TIMES):
        begin = time.perf_counter()
        asked.session.run([OUTPUT], fed)
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def _check_shapes(asked: Exported) -> None:
    """Raises ValueError where clips of other lengths and numbers cannot be computed any more."""
    steps, joints = asked.preprocessing, len(asked.layout)
    for clips, frames in enumerate(LENGTHS, 1):
        name, shape, rows = INPUT, (clips, steps.people, frames, joints, asked.channels), clips
        if asked.prepares:
            name, shape, rows = RECORDING, (steps.people, frames, joints, asked.channels // len(steps.streams)), 1
        if asked.session.run([OUTPUT], {name: np.zeros(shape, np.float32)})[0].shape != (rows, len(asked.class_names)):
            raise ValueError(f"int8 gives no logits for clips of shape {shape}")
