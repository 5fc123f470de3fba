"""kinegraph train: a config -> a run folder with weights."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from torch import nn

from kinegraph.commands.arguments import written_options
from kinegraph.commands.configs import SUFFIXES, is_ours
from kinegraph.commands.data_paths import DATA_PATHS, with_dataset
from kinegraph.commands.signature import check_ranges
from kinegraph.data.conditions import CLIPS, Conditions, conditions_of
from kinegraph.data.dataset_checks import line_of
from kinegraph.data.loading import ClipDataset
from kinegraph.data.windows import WindowDataset, concerns
from kinegraph.evaluation.scoring import score_clips
from kinegraph.messages import counted, first_few
from kinegraph.models.frames import frames_a_moment
from kinegraph.models.network import divide_logits, network_kind
from kinegraph.models.precision import slower_bf16
from kinegraph.models.transfer import Start, describe, open_start
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.training.distributed import naming_lost_processes, set_determinism, start_processes, started_again
from kinegraph.training.loop import Training
from kinegraph.training.losses import class_counts
from kinegraph.training.observers import Callbacks
from kinegraph.training.options import TrainOptions, may_change
from kinegraph.training.run_folder import Progress, RunFolder, environment, locked, portable_recipe
from kinegraph.training.setup import (
    FIGURES,
    SEGMENTAL,
    Data,
    Parts,
    absent_classes,
    build_parts,
    check_together,
    coordinates,
    idle_options,
    open_data,
    task_of,
)


def train(options: TrainOptions, config_text: str = "", config_name: str = "") -> Path:
    """Train a network on the "train" part of a split of a dataset folder.

    Examples:
        kinegraph train small_data --dataset MINE --split xsub        (kinegraph train --list: configs that come along)
        kinegraph train configs/stgcn_ui_prmd20.yaml --dataset MINE --init-from best.safetensors --freeze 2 --head-lr 5
        kinegraph train mmaction2/configs/skeleton/stgcn/CONFIG.py --validate --cfg-options optimizer.lr=0.05
        kinegraph train runs/stgcn_ui_prmd20/config.yaml --work-dir runs/stgcn_ui_prmd20 --resume
    """
    check_ranges(options)
    check_together(options)
    place = options.work_dir or Path("runs") / (config_name or "train")
    if (place / "dataset.json").exists():
        raise ValueError(f"{place} is a dataset folder; choose another --work-dir")
    with locked(place):
        return _train_in(place, options, config_text)


def words(argv: Sequence[str]) -> list[str]:
    """The words of the command line; data paths, another project's config and its options become ours."""
    if DATA_PATHS.keys() & {word.partition("=")[0].replace("_", "-") for word in argv}:
        argv = with_dataset(argv)
    if argv and Path(argv[0]).suffix in SUFFIXES and is_ours(Path(argv[0])):
        return list(argv)
    from kinegraph.commands.foreign_config import foreign_words

    return foreign_words("train", argv)


def _train_in(place: Path, options: TrainOptions, config_text: str) -> Path:
    """`train` in a run folder that nobody else uses."""
    run, resume = _open_run(place, options, config_text)
    start = open_start(options.init_from) if options.init_from and not resume else None
    data = open_data(options)
    precision = run.precision(options.precision) if resume else options.precision
    fabric = start_processes(options.accelerator, options.devices, options.nodes, precision)
    set_determinism(options.deterministic)
    torch.manual_seed(options.seed)
    parts = build_parts(options, data, fabric, start, resume=resume)
    save = weights_writer(options, data, run, config_text)
    learning = parts.network, parts.criterion, parts.optimizer
    callbacks = Callbacks(options.callbacks if fabric.is_global_zero else ())
    clips = data.clips, data.val_clips
    training = Training(
        fabric, *learning, *clips, options, data.epochs, run, save, parts.frozen, task_of(options), callbacks
    )
    if resume:
        training.restore()
    with training.figures_shown(yaml.safe_load(config_text) or {}, fresh=not resume):
        if fabric.is_global_zero:
            if not resume:
                _begin_log(options, data, run, start, fabric)
            run.keep_config(config_text)
            _introduce(options, data, parts, run, start, fabric)
            for line in idle_options(options, parts.network, training.steps, data.epochs):
                print(f"note: {line}", flush=True)
        _fit(fabric, training, run, options.monitor)
    if options.report:
        _report(options, fabric, run, data.val_clips)
    return run.path


def _open_run(place: Path, options: TrainOptions, config_text: str) -> tuple[RunFolder, bool]:
    """The run folder, and whether the run in it goes on."""
    resume = options.resume or (started_again() and RunFolder.can_resume(place))
    run = RunFolder(place, resume, options.overwrite)
    if resume:
        before = written_options(train, run.path / "config.yaml")
        run.check_same_run(before, yaml.safe_load(config_text) or {}, may_change(options))
    else:
        run.check_spared({field.name for field in fields(options)})
    return run, resume


def _begin_log(options: TrainOptions, data: Data, run: RunFolder, start: Start | None, fabric: Fabric) -> None:
    """Make the run folder and write down what the run depends on."""
    run.create()
    about = {"seed": options.seed, "dataset": str(options.dataset), "precision": fabric.strategy.precision.precision}
    about |= {"measure": task_of(options).measure}  # the name of what the log calls top1
    about |= {"epochs": data.epochs} if options.epochs == "auto" else {}
    base = {"based_on": _origin(start)} if start else {}
    run.log(mode="environment", **environment(), **about, clips=len(data.clips), **base)
    for finding in data.findings:
        run.log(mode="warning", severity=finding.severity, message=line_of(finding))


def _introduce(
    options: TrainOptions, data: Data, parts: Parts, run: RunFolder, start: Start | None, fabric: Fabric
) -> None:
    """Print what will be trained on which clips, and the warnings about them."""
    total, base = options.batch_size * options.accumulate * fabric.world_size, options.base_batch_size
    if base:
        print(f"learning rate {parts.rate:g}: scaled by {total}/{base}, the real batch over the one it is meant for")
    weights = list(parts.network.parameters())
    count = sum(tensor.numel() for tensor in weights)
    learning = sum(tensor.numel() for tensor in weights if tensor.requires_grad)
    frozen = f", {learning:,} of them learn" if learning < count else ""
    clips, there = len(data.clips), len(data.folder.class_names) - len(absent_classes(data.clips))
    classes, name = counted(there, "class", "classes"), network_kind(parts.network).__name__
    seen, worries = f"{counted(clips, 'clip')} of {classes}", list[str]()
    if isinstance(data.clips, WindowDataset):
        of = counted(len(data.clips.indices), "recording")
        seen = f"{clips:,} windows of {data.clips.frames} frames of {of}, {classes}"
        views, *_ = data.clips[0, 0]
        worries = concerns(data.clips, frames_a_moment(parts.network, torch.from_numpy(views[:1])))
    print(f"{name}, {count:,} parameters{frozen}; {seen}; run folder {run.path}")
    for line in _of_classes(data):
        print(f"warning: {line}")
    for finding in data.findings:
        print(f"{finding.severity}: {line_of(finding)}")
    for line in worries:
        print(f"warning: {line}")
    if (total := options.batch_size * fabric.world_size) > clips * options.repeat:
        of = f"{options.batch_size} in {fabric.world_size} processes" if fabric.world_size > 1 else f"{total}"
        print(f"warning: {clips * options.repeat} training clips do not fill one batch of {of}")
    for line in data.chosen:
        print(f"from the data: {line}")
    if parts.fitted:
        print(parts.fitted)
    precision = fabric.strategy.precision.precision
    if options.precision == "auto":
        print(f"precision {precision}: a small network trains faster in it on this machine")
    if precision == "bf16-mixed" and not options.compile:
        steps = data.preprocessing
        if line := slower_bf16(parts.network, "step", steps.people, steps.frames):
            print(f"warning: {line}")
    if start and parts.taken:
        print("\n".join(describe(parts.taken, parts.network, parts.axes, start, data.preprocessing.to_dict())))
    print(end="", flush=True)


def _of_classes(data: Data) -> list[str]:
    """Lines on classes that nothing can be learnt of."""
    names, absent = data.folder.class_names, absent_classes(data.clips)
    one = "frame" if isinstance(data.clips, WindowDataset) else "clip"
    lines = [f"no training {one} has {len(absent)} of the {len(names)} classes: {first_few(absent)}"] if absent else []
    if len(names) - len(absent) == 1 < len(names) or (one == "clip" and len(names) == 1):
        (only,) = set(names) - set(absent)
        lines.append(f"all training {one}s are of one class, '{only}', so there is nothing to learn")
    return lines


@naming_lost_processes()
def _fit(fabric: Fabric, training: Training, run: RunFolder, monitor: str) -> None:
    try:
        progress = training.fit()
    except KeyboardInterrupt:
        path = shlex.quote(str(run.path))
        _say(fabric, f"saved; go on with\n  kinegraph train {path}/config.yaml --work-dir {path} --resume")
        raise
    if progress.best_epoch:
        _say(fabric, f"best {monitor} {progress.best:.4f} in epoch {progress.best_epoch}: {run.best}")
    _say(fabric, f"last weights: {run.last}")


@naming_lost_processes()
def _report(
    options: TrainOptions, fabric: Fabric, run: RunFolder, val_clips: ClipDataset | WindowDataset | None
) -> None:
    """Write the run's report.html: the course of training and, where it was validated, what the best weights say."""
    from kinegraph.evaluation.evaluation import evaluation_of
    from kinegraph.report.write import write_run_report

    evaluation = None
    fabric.barrier()  # the first process writes the best weights, all of them read them
    if isinstance(val_clips, ClipDataset) and run.best.is_file():
        best, folder = fabric.to_device(load_weights(run.best).model), val_clips.folder
        scores = score_clips(fabric, best, val_clips, len(folder.class_names), options.batch_size, options.workers)
        evaluation = evaluation_of(folder, options.split, folder.held_out(options.split), scores)
    if fabric.is_global_zero:
        _say(fabric, f"report: {write_run_report(run.path, evaluation)}")


def _origin(start: Start) -> dict:
    """What is known about the weights that a run starts from."""
    data, licence = start.extra.get("training", {}), start.extra.get("licence")
    return {"weights": start.name, **data} | ({"weights_licence": licence} if licence else {})


def _say(fabric: Fabric, line: str) -> None:
    if fabric.is_global_zero:
        print(line, flush=True)


# ---- what the weights of a run say of their training -----------------------------------------------------------------


def weights_writer(
    options: TrainOptions, data: Data, run: RunFolder, config_text: str
) -> Callable[[Path, nn.Module, Progress], None]:
    """The function that writes the weights of a run, with what is known about them."""
    temperature = options.temperature

    def write(path: Path, network: nn.Module, progress: Progress) -> None:
        validations = [record for record in run.records("val") if record["epoch"] == progress.epoch][-1:]
        chosen_by = options.monitor if path == run.best else None
        extra = {
            "training": training_facts(data.clips, options.split) | _frame_facts(data.clips),
            "epoch": progress.epoch,
            "epochs": data.epochs,
            "measured": [measured_facts(data.val_clips, options.split, record, chosen_by) for record in validations],
        }
        if based_on := run.records("environment")[0].get("based_on"):
            extra["based_on"] = based_on
        extra["recipe"] = portable_recipe(config_text)
        names, preprocessing = data.folder.class_names, data.preprocessing.to_dict()
        if temperature != 1:
            network = divide_logits(deepcopy(network), temperature)
        save_weights(path, network, layout=data.layout, class_names=names, preprocessing=preprocessing, extra=extra)

    return write


def _frame_facts(clips: ClipDataset | WindowDataset) -> dict[str, Any]:
    """What weights of long recordings say besides: windows, not clips, were seen, and what a frame may have."""
    if isinstance(clips, ClipDataset):
        return {}
    none = clips.folder.none
    about = {"task": "frames", "several": clips.several, "frames": [clips.frames] * 3}
    return about | ({} if none is None else {"none": clips.folder.class_names[none]})


def training_facts(clips: ClipDataset | WindowDataset, split: str) -> dict[str, Any]:
    """What weights trained on these clips say about them: source, licence, how many, of whom."""
    folder, counts = clips.folder, class_counts(clips)
    facts = {
        "source": folder.source,
        "licence": folder.licence,
        "split": split,
        "part": "train",
        "clips": len(clips.indices),
        "classes": sum(count > 0 for count in counts),
        "frames": [int(n) for n in np.percentile(folder.frames[clips.indices], (0, 50, 100))],
        "coordinates": list(coordinates(folder)),
        "units": folder.units,
        "recorded": recorded(clips).to_dict(),
    }
    if (subjects := folder.attributes.get("subject")) is not None:
        facts["subjects"] = len(np.unique(subjects[clips.indices]))
    return facts | ({"absent": absent} if (absent := absent_classes(clips)) else {})


def recorded(clips: ClipDataset | WindowDataset) -> Conditions:
    """How the recordings were made, from some of these clips."""
    count = len(clips.indices)
    some = clips.indices[np.linspace(0, count - 1, min(count, CLIPS)).astype(int)]
    return conditions_of((clips.folder[index] for index in some), clips.folder.units)


def measured_facts(
    clips: ClipDataset | WindowDataset, split: str, record: Mapping[str, Any], chosen_by: str | None
) -> dict[str, Any]:
    """What weights say about a validation; record: its line in the log. chosen_by: the figure that chose the epoch."""
    facts = {
        "source": clips.folder.source,
        "split": split,
        "part": clips.folder.held_out(split),
        "clips": len(clips.indices),
    }
    facts |= {name: record[name] for name in (*FIGURES, *SEGMENTAL) if record.get(name) is not None}
    return facts | ({"chosen_by": chosen_by} if chosen_by else {})
