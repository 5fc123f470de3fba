"""What `kinegraph test` does: weights on a split -> metrics, result file, report."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Int
from jsonargparse import Namespace
from lightning_fabric import Fabric
from rich.console import Console
from rich.progress import Progress
from torch import nn

from kinegraph.commands.arguments import read_config
from kinegraph.commands.configs import find_config
from kinegraph.commands.reading import config_first
from kinegraph.commands.signature import check_numbers
from kinegraph.commands.test import RESULTS, TestOptions
from kinegraph.commands.test_frames import (
    check_frame_options,
    is_of_frames,
    measure_by_clips,
    measure_frames,
    tell_frames,
    window_of_clips,
)
from kinegraph.commands.test_scores import measure_scores
from kinegraph.commands.train import train
from kinegraph.data.checks import Finding
from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.data.dataset_checks import check_scale, dataset_findings, line_of
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.evaluation.evaluation import Evaluation, evaluation_of
from kinegraph.evaluation.metrics import METRICS, check_metrics, evaluate, figure_lines, figures_to_show, remarks
from kinegraph.evaluation.results import checked_result_path
from kinegraph.evaluation.scoring import score_clips
from kinegraph.evaluation.timelines import TimelineEvaluation
from kinegraph.inference.clip_matching import check_fit, with_channels
from kinegraph.inference.explanation import explainer
from kinegraph.inference.exported import Exported
from kinegraph.inference.inputs import LOOKED_AT, differences_from
from kinegraph.inference.predictor import Predictor, conditions_of_training, predictor_of
from kinegraph.inference.trained_network import EngineChoice, batches, by_engine, load_trained, placed_asked
from kinegraph.models.convert import published_weights
from kinegraph.models.precision import slower_bf16
from kinegraph.models.weights import Weights, add_measured
from kinegraph.models.weights_path import is_published
from kinegraph.report.html import About
from kinegraph.report.runs import Course, read_course
from kinegraph.report.scene import Explain
from kinegraph.report.write import write_asked
from kinegraph.training.distributed import naming_lost_processes, start_processes
from kinegraph.training.options import TrainOptions
from kinegraph.training.run_folder import environment

MEASURED = 8  # clips that choose the fastest engine
LEAKS = ("duplicate_content", "near_duplicate")
OF_TESTS = (*LEAKS, "shared_subjects", "class_not_in_train")  # they make its figures wrong


@dataclass(frozen=True, eq=False)
class Opened:
    """What is tested. of_frames: whether the weights name the class of each frame. about: for the pages of the test."""

    checkpoint: Path
    weights: Weights | Exported
    of_frames: bool
    split: str
    part: str
    clips: ClipDataset
    findings: Sequence[Finding]
    about: dict[str, Any]
    batch_size: int
    workers: int

    @property
    def title(self) -> str:
        return f"{self.split} / {self.part}"


def measure(asked: TestOptions) -> Evaluation | TimelineEvaluation:
    """What `kinegraph test` does: print the figures of weights on a part of a split, and write what is asked for."""
    metrics = _checked(asked)
    if asked.checkpoint.suffix in RESULTS:
        return measure_scores(asked, metrics)
    opened = _open(asked)
    return _measure_frames(asked, opened) if opened.of_frames else _measure_clips(asked, opened, metrics)


def _open(asked: TestOptions) -> Opened:
    """Raises ValueError where weights, clips and options do not fit each other."""
    config, checkpoint = config_first("test", asked.config, asked.checkpoint)
    options, config_text = _options(config, asked.dataset, asked.split)
    folder = open_dataset(asked.dataset or Path(str(options.dataset)), check_values=True)
    split = asked.split or str(options.split)
    part = asked.part or folder.held_out(split)
    weights = _open_weights(checkpoint, folder, asked.keep)
    if of_frames := isinstance(weights, Weights) and is_of_frames(weights.extra, folder):
        check_frame_options(asked.out, asked.eval)
    elif asked.out:
        checked_result_path(asked.out)
    prepared = _preprocessing(weights, options, checkpoint)
    folder = _as_trained(folder, weights, prepared)
    clips = ClipDataset(folder, folder.indices(split, part), prepared)
    if not of_frames:
        _check_labels(clips)
    findings = dataset_findings(folder, split)
    check_scale(findings, folder)
    warnings = [f"{finding.severity}: {line_of(finding)}" for finding in findings if finding.kind in OF_TESTS]
    about = {
        "config_text": config_text,
        "environment": environment() | {"weights": str(checkpoint), "dataset": str(folder.path)},
        "warnings": warnings + _other_conditions(weights, clips),
    }
    size = min(asked.batch_size or options.batch_size, prepared.largest_batch)
    workers = options.workers if asked.workers is None else asked.workers
    return Opened(checkpoint, weights, of_frames, split, part, clips, findings, about, size, workers)


def _measure_frames(asked: TestOptions, opened: Opened) -> TimelineEvaluation:
    weights, folder, prepared = opened.weights, opened.clips.folder, opened.clips.preprocessing
    assert isinstance(weights, Weights), "an exported network is none of frames"
    training = weights.extra.get("training") or {}
    of, first = (folder, opened.split, opened.part), True
    if window := window_of_clips(training, prepared):
        if asked.devices > 1:
            raise ValueError("a network of clips is asked about recordings in one process: leave --devices out")
        predictor = placed_asked(predictor_of(weights, prepared), asked.accelerator, asked.precision)
        timelines = measure_by_clips(predictor, *of, window, opened.batch_size)
    else:
        fabric, network = _started(asked, weights.model)
        timelines = measure_frames(fabric, network, *of, prepared, training, opened.batch_size, opened.workers)
        first = fabric.is_global_zero
    page = tell_frames(timelines, folder, opened.title, asked.out, asked.report, opened.about) if first else None
    return TimelineEvaluation(timelines, folder.class_names, page)


def _measure_clips(asked: TestOptions, opened: Opened, metrics: Sequence[str]) -> Evaluation:
    weights, clips, about = opened.weights, opened.clips, opened.about
    scores, network, speaks = _scores(weights, clips, opened.title, asked, opened.batch_size, opened.workers)
    evaluation = evaluation_of(clips.folder, opened.split, opened.part, scores)
    if not speaks:
        return evaluation
    figures = _print_figures(scores, clips, opened.findings, about["warnings"], metrics)
    if asked.keep:
        of = {"source": clips.folder.source, "split": opened.split, "part": opened.part, "clips": len(clips)}
        add_measured(opened.checkpoint, of | {name: figure for name, figure in figures.items() if figure == figure})
    evaluation = replace(evaluation, warnings=about["warnings"])
    if asked.out or asked.report:
        explain = None if network is None else _explained(weights, network, clips.preprocessing)
        evaluation = replace(evaluation, report=_written(asked, opened.checkpoint, evaluation, about, explain))
    return evaluation


def _checked(asked: TestOptions) -> Sequence[str]:
    """The metrics to print. Raises ValueError for options that cannot be, before anything is opened."""
    check_numbers(batch_size=asked.batch_size, devices=asked.devices)
    check_numbers(0, workers=asked.workers)
    if asked.engine != "torch" and asked.devices > 1:
        raise ValueError(f"--engine {asked.engine} computes in one process: leave --devices out")
    metrics = check_metrics(asked.eval or METRICS)
    if asked.report is not None and asked.report.suffix not in (".html", ".htm"):
        raise ValueError(f"the report is '{asked.report}', expected a name that ends in .html")
    return metrics


def _written(
    asked: TestOptions, checkpoint: Path, evaluation: Evaluation, about: dict[str, Any], explain: Explain | None
) -> Path | None:
    """Write what --out and --report ask for; the course of the training is known where it was in this run folder."""
    log = next(filter(Path.is_file, [checkpoint.parent.parent / "log.jsonl"]), None)
    known = About(**about, course=read_course(log) if log else Course())
    page = write_asked(asked.out, asked.report, evaluation, known, log=log, explain=explain)
    print(f"report: {page}")
    return page


def _options(config: Path, dataset: Path | None, split: str | None) -> tuple[Namespace, str]:
    """The options of a config and its text; where a dataset folder stands in its place, those of `train`."""
    if not (config / "dataset.json").is_file():
        config = find_config(config)
        return read_config(train, config), config.read_text(encoding="utf-8")
    if split is None:
        raise ValueError(f"{config} is a dataset folder: give --split too, or the config of the training")
    defaults = {field.name: field.default for field in fields(TrainOptions)}
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


def _print_figures(
    scores: Float[np.ndarray, "N classes"],
    clips: ClipDataset,
    findings: Sequence[Finding],
    warnings: list[str],
    metrics: Sequence[str],
) -> dict[str, float]:
    """Print the figures and what is to be known of them; a line on clips of other parts joins the warnings."""
    labels, names = clips.label, clips.folder.class_names
    figures = evaluate(scores, labels, metrics)
    print(*figure_lines(figures, len(names)), sep="\n")
    for line in warnings + [f"warning: {line}" for line in remarks(scores, labels, names)]:
        print(line)
    if leaked := _without_leaked(scores, labels, clips, findings, metrics):
        print(leaked)
        warnings.append(leaked)
    return figures


def _without_leaked(
    scores: Float[np.ndarray, "N classes"],
    labels: Int[np.ndarray, "N"],
    clips: ClipDataset,
    findings: Sequence[Finding],
    metrics: Sequence[str],
) -> str:
    """The figures without clips that are also in another part of the split; "" where there are none."""
    leaked = {
        name
        for finding in findings
        if finding.severity == "problem" and finding.kind in LEAKS
        for name in finding.clips
    }
    kept = np.array([clips.folder.names[index] not in leaked for index in clips.indices])
    if kept.all() or not kept.any():
        return ""
    shown = figures_to_show(evaluate(scores[kept], labels[kept], metrics), scores.shape[1])
    figures = ", ".join(f"{name} {figure:.4f}" for name, figure in shown.items())
    return f"without the {(~kept).sum():,} clips that are also in another part: {figures}"


def _other_conditions(weights: Weights | Exported, clips: ClipDataset) -> list[str]:
    """Lines on clips in other units, upside down or at another frame rate, compared with those of the training."""
    trained = weights.trained if isinstance(weights, Exported) else conditions_of_training(weights)
    some = clips.indices[np.linspace(0, len(clips) - 1, min(len(clips), LOOKED_AT)).astype(int)]
    found = differences_from(trained, clips.preprocessing.normalize, [clips.folder[index] for index in some])
    return [f"problem: {line}" for line in found.wrong] + [f"note: {line}" for line in found.notes]


def _open_weights(checkpoint: Path, folder: SkeletonDataset, keep: bool) -> Weights | Exported:
    """The weights, which fit the dataset. Raises ValueError where they do not."""
    if is_published(checkpoint):
        if keep:
            raise ValueError(f"--keep is for weights files of Kinegraph, {checkpoint} is another project's")
        weights = published_weights(
            checkpoint, layout=folder.layout, class_names=folder.class_names, say=lambda line: print(f"note: {line}")
        )
    else:
        weights = load_trained(checkpoint)
        if isinstance(weights, Exported):
            weights.ready()
        if keep and isinstance(weights, Exported):
            raise ValueError(f"--keep is for weights files, {checkpoint} is an exported network")
    check_fit(weights, folder, str(checkpoint))
    return weights


def _as_trained(folder: SkeletonDataset, weights: Weights | Exported, prepared: Preprocessing) -> SkeletonDataset:
    """The dataset without confidences where the network was trained without, as predict leaves them out.

    Raises ValueError where its clips have not what the network wants.
    """
    asked = weights if isinstance(weights, Exported) else predictor_of(weights, prepared)
    first = with_channels(folder[0], prepared, asked.channels, asked.coordinates)
    if first.score is not None or not folder.has_score:
        return folder
    print("note: the confidences of joints are left out, as the network was trained without")
    return folder.without_scores()


def _check_labels(clips: ClipDataset) -> None:
    """Raises ValueError where a clip has no label."""
    if (unlabelled := clips.label < 0).any():
        name = clips.name_of(int(unlabelled.argmax()))
        raise ValueError(f"clip '{name}' has no label to compare with")


def _started(asked: TestOptions, network: nn.Module) -> tuple[Fabric, nn.Module]:
    """The processes, and the network where they compute."""
    fabric = start_processes(asked.accelerator, asked.devices, precision=asked.precision)
    return fabric, fabric.to_device(network.double() if asked.precision == "64-true" else network)


def _scores(
    weights: Weights | Exported, clips: ClipDataset, title: str, asked: TestOptions, batch_size: int, workers: int
) -> tuple[Float[np.ndarray, "N classes"], nn.Module | None, bool]:
    """The logits of each clip, the network if torch computes it, and whether this process is the one that prints."""
    engine, precision = asked.engine, asked.precision
    if isinstance(weights, Exported):
        placed = placed_asked(weights, asked.accelerator, precision, engine=engine)
        exported = cast(Exported, by_engine(placed, engine, [], print))
        return _score_exported(exported, clips, title, batch_size), None, True
    fabric, network = _started(asked, weights.model)
    steps = clips.preprocessing
    if engine != "torch":
        predictor = replace(predictor_of(weights, steps), network=network, precision=precision)
        scores = _score_by_engine(predictor, engine, clips, title, batch_size, workers)
    else:
        if precision == "bf16-mixed" and (line := slower_bf16(network, "answer", steps.people, steps.frames)):
            print(f"note: {line}")
        scores = _score(fabric, network, clips, title, batch_size, workers)
    return scores, network, fabric.is_global_zero


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


def _score_by_engine(
    predictor: Predictor, engine: EngineChoice, clips: ClipDataset, title: str, batch_size: int, workers: int
) -> Float[np.ndarray, "N classes"]:
    """The same by another engine than torch, or the fastest on this machine."""
    some = [predictor.fit(clips.folder[index]) for index in clips.indices[:MEASURED]]
    asked = by_engine(predictor, engine, some, print)
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


def _explained(weights: Weights, network: nn.Module, preprocessing: Preprocessing) -> Explain | None:
    """The function that computes the importance of joints in a clip, where the network can be explained."""
    return explainer(Predictor(network, weights.layout, tuple(weights.class_names), preprocessing))
