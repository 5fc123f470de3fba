"""What `kinegraph test` does: weights on a split -> metrics, result file, report."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from jsonargparse import Namespace
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import Progress
from torch import nn

from kinegraph.commands.arguments import read_config
from kinegraph.commands.named_configs import find_config
from kinegraph.commands.ranges import check_numbers
from kinegraph.commands.swapped import config_first
from kinegraph.commands.test import TestOptions
from kinegraph.commands.test_frames import check_frame_options, is_of_frames, measure_frames, tell_frames
from kinegraph.commands.test_scores import RESULTS, measure_scores
from kinegraph.commands.train import train
from kinegraph.data.checks import Finding
from kinegraph.data.conditions import Conditions
from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.data.dataset_checks import check_scale, dataset_findings, line_of
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.evaluation.evaluation import Evaluation, evaluation_of
from kinegraph.evaluation.metrics import check_metrics, evaluate, figures_to_show, remarks
from kinegraph.evaluation.results import checked_result_path
from kinegraph.evaluation.scoring import score_clips
from kinegraph.evaluation.timelines import TimelineEvaluation
from kinegraph.inference.asking import batches, load_trained, placed_asked, quickest_of
from kinegraph.inference.compared import LOOKED_AT, differences_from
from kinegraph.inference.explanation import explainer
from kinegraph.inference.exported import Exported
from kinegraph.inference.fitting import check_fit
from kinegraph.inference.predictor import Predictor, conditions_of_training, predictor_of
from kinegraph.models.convert import published_weights
from kinegraph.models.precision import slower_bf16
from kinegraph.models.published import is_published
from kinegraph.models.weights import Weights, add_measured
from kinegraph.plugins import load_plugins
from kinegraph.report.scene import Explain
from kinegraph.report.write import write_page, write_report
from kinegraph.training.distributed import naming_lost_processes, start_processes
from kinegraph.training.options import TrainOptions
from kinegraph.training.run_folder import environment

MEASURED = 8  # clips that choose the fastest engine
LEAKS = ("duplicate_content", "near_duplicate")
OF_TESTS = (
    "duplicate_content",
    "near_duplicate",
    "shared_subjects",
    "class_not_in_train",
)  # they make its figures wrong


def measure(asked: TestOptions) -> Evaluation | TimelineEvaluation:
    """What `kinegraph test` does."""
    load_plugins(asked.plugins or ())
    check_numbers(batch_size=asked.batch_size, devices=asked.devices)
    check_numbers(0, workers=asked.workers)
    if asked.engine == "auto" and asked.devices > 1:
        raise ValueError("--engine auto measures in one process: leave --devices out")
    metrics = check_metrics(asked.eval or ["top_k_accuracy", "mean_class_accuracy"])
    if asked.report is not None and asked.report.suffix not in (".html", ".htm"):
        raise ValueError(f"the report is '{asked.report}', expected a name that ends in .html")
    if asked.checkpoint.suffix in RESULTS:
        return measure_scores(asked, metrics)
    config, checkpoint = config_first("test", asked.config, asked.checkpoint)
    options, config_text = _options(config, asked.dataset, asked.split)
    folder = open_dataset(asked.dataset or Path(str(options.dataset)), check_values=True)
    split = asked.split or str(options.split)
    part = asked.part or folder.held_out(split)
    weights = _open_weights(checkpoint, folder, asked.keep)
    if of_frames := isinstance(weights, Weights) and is_of_frames(weights.extra, folder):
        check_frame_options(asked.out, asked.eval)
    elif asked.out:
        asked = replace(asked, out=checked_result_path(asked.out))
    prepared = _preprocessing(weights, options, checkpoint)
    indices = folder.indices(split, part)
    clips = ClipDataset(folder, indices, prepared) if of_frames else _labelled_clips(folder, split, part, prepared)
    findings = dataset_findings(folder, split)
    check_scale(findings, folder)

    size = min(asked.batch_size or options.batch_size, prepared.largest_batch)
    workers = options.workers if asked.workers is None else asked.workers
    warnings = [f"{one.severity}: {line_of(one)}" for one in findings if one.kind in OF_TESTS]
    trained = weights.trained if isinstance(weights, Exported) else conditions_of_training(weights)
    warnings += _other_conditions(trained, folder, indices, prepared)
    about = {
        "config_text": config_text,
        "environment": environment() | {"weights": str(checkpoint), "dataset": str(folder.path)},
        "warnings": warnings,
    }
    title, explained = f"{split} / {part}", None
    if isinstance(weights, Exported):
        placed_asked(weights, asked.accelerator, asked.precision, engine=asked.engine)
        scores = _score_exported(weights, clips, title, size)
    else:
        fabric = start_processes(asked.accelerator, asked.devices, precision=asked.precision)
        network = fabric.to_device(weights.model.double() if asked.precision == "64-true" else weights.model)
        if of_frames:
            timelines = measure_frames(
                fabric, network, folder, split, part, prepared, weights.extra.get("training") or {}, size, workers
            )
            page = None
            if fabric.is_global_zero:
                page = tell_frames(timelines, folder, title, asked.out, asked.report, about)
            return TimelineEvaluation(timelines, folder.class_names, page)
        if asked.engine == "auto":
            predictor = replace(predictor_of(weights, prepared), network=network, precision=asked.precision)
            scores = _score_quickest(predictor, clips, title, size, workers)
        else:
            if asked.precision == "bf16-mixed" and (
                line := slower_bf16(network, "answer", prepared.people, prepared.frames)
            ):
                print(f"note: {line}")
            scores = _score(fabric, network, clips, title, size, workers)
        if not fabric.is_global_zero:
            return evaluation_of(folder, split, part, scores)
        explained = _explained(weights, network, prepared)
    evaluation = evaluation_of(folder, split, part, scores)
    labels = folder.label[clips.indices]
    figures = evaluate(scores, labels, metrics)
    for name, value in figures_to_show(figures, len(folder.class_names)).items():
        print(f"{name}: {value:.4f}")
    for line in warnings + [f"warning: {line}" for line in remarks(scores, labels, folder.class_names)]:
        print(line)
    if leaked := _without_leaked(scores, labels, clips, findings, metrics):
        print(leaked)
        warnings.append(leaked)
    if asked.keep:
        add_measured(checkpoint, {"source": folder.source, "split": split, "part": part, "clips": len(clips)} | figures)
    if asked.out or asked.report:
        log = checkpoint.parent.parent / "log.jsonl"
        about |= {"log": log if log.is_file() else None, "explain": explained}
        evaluation = replace(evaluation, report=_write(evaluation, asked.out, asked.report, about), warnings=warnings)
        print(f"report: {evaluation.report}")
    return replace(evaluation, warnings=warnings)


def _options(config: Path, dataset: Path | None, split: str | None) -> tuple[Namespace, str]:
    """The options of a config and its text; where a dataset folder stands in its place, those of `train`."""
    if not (config / "dataset.json").is_file():
        config = find_config(config)
        return read_config(train, config), config.read_text(encoding="utf-8")
    if split is None:
        raise ValueError(f"{config} is a dataset folder: give --split too, or the config of the training")
    defaults = {it.name: it.default for it in fields(TrainOptions)}
    return Namespace(**defaults | {"dataset": dataset or config, "split": split, "preprocessing": None}), ""


def _preprocessing(weights: Weights | Exported, options: Namespace, checkpoint: Path) -> Preprocessing:
    """As in the training. A .pth does not say it; then the config does. Raises ValueError where neither does."""
    if isinstance(weights, Exported):
        return weights.preprocessing
    if weights.preprocessing:
        return Preprocessing.from_dict(weights.preprocessing)
    if options.preprocessing is None:
        raise ValueError(f"{checkpoint} does not say how clips are prepared for it: give the config of its training")
    return Preprocessing.from_dict(options.preprocessing.as_dict())


def _without_leaked(
    scores: Float[np.ndarray, "N classes"],
    labels: Int[np.ndarray, "N"],
    clips: ClipDataset,
    findings: Sequence[Finding],
    metrics: Sequence[str],
) -> str:
    """The figures without clips that are also in another part of the split; "" where there are none."""
    leaked = {name for one in findings if one.severity == "problem" and one.kind in LEAKS for name in one.clips}
    kept = np.array([clips.folder.names[index] not in leaked for index in clips.indices])
    if kept.all() or not kept.any():
        return ""
    figures = ", ".join(f"{name} {it:.4f}" for name, it in evaluate(scores[kept], labels[kept], metrics).items())
    return f"without the {(~kept).sum():,} clips that are also in another part: {figures}"


def _other_conditions(
    trained: Conditions, folder: SkeletonDataset, indices: Int[np.ndarray, "N"], preprocessing: Preprocessing
) -> list[str]:
    """Lines on clips in other units, upside down or at another frame rate, compared with those of the training."""
    some = indices[np.linspace(0, len(indices) - 1, min(len(indices), LOOKED_AT)).astype(int)]
    recordings = [folder[index] for index in some]
    found = differences_from(trained, preprocessing.normalize, recordings)
    return [f"problem: {line}" for line in found.wrong] + [f"note: {line}" for line in found.notes]


def _open_weights(checkpoint: Path, folder: SkeletonDataset, keep: bool) -> Weights | Exported:
    """The weights, which fit the dataset. Raises ValueError where they do not."""
    if is_published(checkpoint):
        if keep:
            raise ValueError(f"--keep is for weights files of Kinegraph, {checkpoint} is another project's")
        weights = published_weights(checkpoint, layout=folder.layout, class_names=folder.class_names)
    else:
        weights = load_trained(checkpoint)
        if isinstance(weights, Exported):
            weights.ready()
        if keep and isinstance(weights, Exported):
            raise ValueError(f"--keep is for weights files, {checkpoint} is an exported network")
    check_fit(weights, folder, str(checkpoint))
    return weights


def _labelled_clips(folder: SkeletonDataset, split: str, part: str, preprocessing: Preprocessing) -> ClipDataset:
    """The clips of a part. Raises ValueError where one has no label."""
    clips = ClipDataset(folder, folder.indices(split, part), preprocessing)
    if (unlabelled := folder.label[clips.indices] < 0).any():
        raise ValueError(f"clip '{folder.names[clips.indices[unlabelled.argmax()]]}' has no label to compare with")
    return clips


def _score(
    fabric: Fabric,
    network: nn.Module,
    clips: ClipDataset,
    title: str,
    batch_size: int,
    workers: int,
    optimized: bool = True,
) -> Float[np.ndarray, "N classes"]:
    """The logits of each clip, with a bar on the terminal."""
    console = Console(stderr=True, quiet=not fabric.is_global_zero)
    with naming_lost_processes(), Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=len(clips))
        return score_clips(
            fabric,
            network,
            clips,
            classes=len(clips.folder.class_names),
            batch_size=batch_size,
            workers=workers,
            done=lambda count: bar.advance(task, count),
            optimized=optimized,
        )


def _score_quickest(
    predictor: Predictor, clips: ClipDataset, title: str, batch_size: int, workers: int
) -> Float[np.ndarray, "N classes"]:
    """The same by the engine that is the fastest on this machine."""
    some = [predictor.fit(clips.folder[index]) for index in clips.indices[:MEASURED]]
    asked = quickest_of(predictor, some, print)
    if isinstance(asked, Exported):
        return _score_exported(asked, clips, title, batch_size)
    accelerator = next(predictor.network.parameters()).device.type
    fabric = start_processes(accelerator, 1, precision=asked.precision)
    return _score(fabric, asked.network, clips, title, batch_size, workers, optimized=asked is predictor)


def _score_exported(
    exported: Exported, clips: ClipDataset, title: str, batch_size: int
) -> Float[np.ndarray, "N classes"]:
    """The same of an exported network."""
    console, rows = Console(stderr=True), list[Float[np.ndarray, "N classes"]]()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=len(clips))
        for batch in batches((exported.fit(clips.folder[index]) for index in clips.indices), batch_size):
            rows.append(exported.scores(batch))
            bar.advance(task, len(batch))
    return np.concatenate(rows).astype(np.float32)


def _write(evaluation: Evaluation, out: Path | None, report: Path | None, about: dict) -> Path:
    """Write the result file and the report, or the report alone. Returns the report's path."""
    if out:
        return write_report(out, evaluation, page=report, **about)["report"]
    write_page(report, evaluation, **about)
    return report


def _explained(weights: Weights, network: nn.Module, preprocessing: Preprocessing) -> Explain | None:
    """The function that computes the importance of joints in a clip, where the network can be explained."""
    return explainer(Predictor(network, weights.layout, tuple(weights.class_names), preprocessing))
