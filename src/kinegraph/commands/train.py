"""kinegraph train: a config -> a run folder with weights."""

import inspect
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from kinegraph.commands.arguments import check_numbers
from kinegraph.data.auto import STEPS, Setting, adapt, epochs_for
from kinegraph.data.checks import check_scale, doubts, line_of
from kinegraph.data.dataset import open_dataset
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.evaluation.scoring import score_clips
from kinegraph.models.stgcn import STGCN
from kinegraph.models.transfer import Meaning, Start, describe, freeze_blocks, open_start, take_over
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.training.batchnorm_statistics import settle
from kinegraph.training.distributed import naming_lost_processes, set_determinism, start_processes, started_again
from kinegraph.training.loop import Plan, Progress, Training
from kinegraph.training.losses import CrossEntropy, build_loss
from kinegraph.training.optim import PublishedSGD, parameter_groups, scale_rates
from kinegraph.training.parts import (
    absent_classes,
    choose_layout,
    class_counts,
    coordinates,
    measured_facts,
    open_parts,
    training_facts,
)
from kinegraph.training.run_folder import RunFolder, environment, portable_recipe
from kinegraph.training.schedule import Schedule
from kinegraph.training.tensorboard import check_tensorboard


def train(
    dataset: Path,
    split: str,
    model: Callable[[Tensor, int, int], nn.Module] = STGCN,
    layout: str | None = None,
    partition: Literal["uniform", "distance", "spatial", "spatial_true", "inward_outward"] = "spatial",
    max_hop: int = 1,
    init_from: str | None = None,
    freeze: int = 0,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008  frozen
    from_data: Sequence[Setting] = (),
    loss: Callable[[Sequence[int]], nn.Module] = CrossEntropy,
    optimizer: Callable[[Iterable], torch.optim.Optimizer] = PublishedSGD,
    decay_all: bool = True,
    head_lr: float = 1.0,
    clip_gradients: float | None = None,
    schedule: Schedule = Schedule(),  # noqa: B008  frozen
    epochs: int | Literal["auto"] = 80,
    repeat: int = 1,
    sample: Literal["all", "class_balanced"] = "all",
    batch_size: int = 16,
    base_batch_size: int | None = None,
    validate: bool = True,
    validate_every: int = 1,
    monitor: Literal["top1", "mean_class_accuracy"] = "top1",
    save_every: int = 500,
    log_every: int = 100,
    tensorboard: bool = False,
    report: bool = True,
    seed: int = 0,
    deterministic: bool = False,
    workers: int = 0,
    work_dir: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true",
    compile: bool = False,
    config_text: str = "",
    config_name: str = "",
) -> Path:
    """Train a network on the "train" part of a split of a dataset folder.

    Args:
        dataset: dataset folder made by `kinegraph prepare`.
        split: column of the dataset with the parts "train" and "val".
        model: network class, built with the adjacency, the number of channels and of classes.
        layout: other edges between the dataset's joints: a layout's name or YAML file; by default the dataset's own.
        partition: how a joint's neighbours are divided.
        max_hop: how many bones away a neighbour may be.
        init_from: weights to start from: a file of Kinegraph, a name in its zoo, or a published .pth. Taken is what
            fits: blocks, joints by name, the head for the same classes.
        freeze: input norm and this many first blocks keep what was taken.
        preprocessing: how a recorded clip becomes what the network sees.
        from_data: settings that the training clips decide instead of `preprocessing`: people, normalize (with up),
            mirror; what they decide is said and saved.
        loss: loss function, built with the number of training clips of each class.
        optimizer: optimizer class, built with the parameters; by default SGD as published.
        decay_all: weight decay on every parameter, as published; false spares biases, norms and edge weights.
        head_lr: learning rate of the head as a multiple of the others'.
        clip_gradients: largest norm of all gradients together.
        schedule: how the learning rate changes.
        epochs: passes over the training part, `repeat` times each; auto makes about 2,500 steps of them.
        repeat: how often an epoch passes over the training part.
        sample: "all" takes every clip once in a pass; "class_balanced" as many clips, but every class equally often.
        batch_size: clips a step and process.
        base_batch_size: clips a step, over all processes, that the learning rate is meant for; it is scaled to the
            real number.
        validate: measure the "val" part while training and keep the best weights.
        validate_every: epochs from one validation to the next.
        monitor: which figure makes weights the best.
        save_every: steps from one checkpoint to the next inside an epoch.
        log_every: steps from one line in log.jsonl to the next.
        tensorboard: also write the log's figures for TensorBoard.
        report: write the run folder's report.html at the end.
        seed: decides initial weights, order, augmentation and dropout.
        deterministic: allow only operations that give the same result each time.
        workers: processes that prepare batches, 0 for none.
        work_dir: run folder; by default runs/ and the config's name.
        resume: go on with the run in work_dir where its last checkpoint was written. A command that torchrun or SLURM
            starts again does so by itself.
        overwrite: replace the run that is already in work_dir, as soon as this one begins.
        accelerator: cpu, cuda, mps or auto.
        devices: processes on this machine, one a GPU or, on the CPU, that many.
        nodes: machines.
        precision: 32-true, or 16-mixed, bf16-mixed or 64-true.
        compile: have torch.compile fuse the network, and on a GPU replay it as one CUDA graph. It takes a minute at
            the start and computes absent people like real ones; on a CPU it is slower.

    Examples:
        kinegraph train configs/stgcn_ui_prmd20.yaml --dataset data/ui_prmd20 --seed 1
        kinegraph train configs/stgcn_ui_prmd20.yaml --dataset MINE --init-from best.safetensors --freeze 2 --head-lr 5
        kinegraph train runs/stgcn_ui_prmd20/config.yaml --work-dir runs/stgcn_ui_prmd20 --resume
    """
    check_numbers(
        epochs=None if epochs == "auto" else epochs, repeat=repeat, batch_size=batch_size,
        base_batch_size=base_batch_size, validate_every=validate_every, save_every=save_every, log_every=log_every,
        devices=devices, nodes=nodes,
    )  # fmt: skip
    check_numbers(0, seed=seed, workers=workers, freeze=freeze)
    for name, number in {"clip_gradients": clip_gradients, "head_lr": head_lr}.items():
        if number is not None and not number > 0:
            raise ValueError(f"{name} is {number:g}, expected more than 0")
    if freeze and not init_from:
        raise ValueError("freeze keeps what weights have learnt: it needs --init-from WEIGHTS")
    if tensorboard:
        check_tensorboard()
    place = work_dir or Path("runs") / (config_name or "train")
    if resume and overwrite:
        raise ValueError("--resume goes on with a run, --overwrite replaces it: give one of them")
    resume = resume or (started_again() and RunFolder.can_resume(place))
    run = RunFolder(place, resume, overwrite)
    defaults = {name: option.default for name, option in inspect.signature(train).parameters.items()}
    if resume:
        run.check_same_run(config_text, defaults)
    else:
        run.check_spared(defaults)
    start = open_start(init_from) if init_from and not resume else None
    folder = open_dataset(dataset, check_values=True)
    train_part = folder.indices(split, "train")
    preprocessing, decided = adapt(preprocessing, folder, train_part, from_data)
    about = {"seed": seed, "dataset": str(dataset)}
    if epochs == "auto":
        about["epochs"] = epochs = epochs_for(len(train_part) * repeat, batch_size)
        decided.append(f"{epochs} epochs, about {STEPS:,} steps")
    clips, val_clips = open_parts(folder, split, preprocessing, seed, validate)
    graph_layout = choose_layout(layout, folder)
    graph = torch.from_numpy(adjacency(graph_layout, partition, max_hop)).float()

    doubtful = doubts(folder, split)
    check_scale(doubtful, folder)

    fabric = start_processes(accelerator, devices, nodes, precision)
    set_determinism(deterministic)
    torch.manual_seed(seed)
    network = model(graph, preprocessing.channels(folder.channels, folder.has_score), len(folder.class_names))
    named = Meaning(folder.layout.joints, folder.class_names, preprocessing.streams, coordinates(folder))
    taken = take_over(network, named, start) if start else None
    frozen = freeze_blocks(network, freeze, taken)
    if start:
        settle(network.to(fabric.device), clips, batch_size, frozen)
    stepper = optimizer(parameter_groups(network, decay_all=decay_all, head_lr=head_lr))
    _scale_rates(fabric, stepper, batch_size * fabric.world_size, base_batch_size)

    def save(path: Path, trained: nn.Module, at: Progress) -> None:
        validations = [record for record in run.records("val") if record["epoch"] == at.epoch][-1:]
        chosen_by = monitor if path == run.best else None
        told = {"training": training_facts(clips, split), "epoch": at.epoch, "epochs": epochs}
        told["measured"] = [measured_facts(val_clips, split, record, chosen_by) for record in validations]
        if based_on := run.records("environment")[0].get("based_on"):
            told["based_on"] = based_on
        told["recipe"] = portable_recipe(config_text)
        how, names = preprocessing.to_dict(), folder.class_names
        save_weights(path, trained, layout=graph_layout, class_names=names, preprocessing=how, extra=told)

    plan = Plan(
        epochs=epochs, batch_size=batch_size, schedule=schedule, seed=seed, repeat=repeat,
        balanced=sample == "class_balanced",
        clip_gradients=clip_gradients, validate_every=validate_every, save_every=save_every, log_every=log_every,
        monitor=monitor, workers=workers, tensorboard=tensorboard, compile=compile,
    )  # fmt: skip
    criterion = build_loss(loss, class_counts(clips))
    training = Training(fabric, network, criterion, stepper, clips, val_clips, plan, run, save, frozen)
    if resume:
        training.restore()
    elif fabric.is_global_zero:
        run.create()
        base = {"based_on": _origin(start)} if start else {}
        run.log(mode="environment", **environment(), **about, clips=len(clips), **base)
        for finding in doubtful:
            run.log(mode="doubt", severity=finding.severity, message=line_of(finding))
    if fabric.is_global_zero:
        run.keep_config(config_text)
    _introduce(fabric, network, clips, run)
    for finding in doubtful:
        _say(fabric, f"{finding.severity}: {line_of(finding)}")
    if batch_size * fabric.world_size > len(clips) * repeat:
        _say(fabric, f"warning: {len(clips) * repeat} training clips do not fill one batch of {batch_size}")
    for line in decided:
        _say(fabric, f"from the data: {line}")
    if start:
        _say(fabric, "\n".join(describe(taken, network, named, start, preprocessing.to_dict())))
    _fit(fabric, training, run, monitor)
    if report:
        _report(fabric, run, val_clips, split, batch_size, workers)
    return run.path


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
    fabric: Fabric, run: RunFolder, val_clips: ClipDataset | None, split: str, batch_size: int, workers: int
) -> None:
    """Write the run's report.html: the course of training and, where it was validated, what the best weights say."""
    from kinegraph.evaluation.evaluation import evaluation_of
    from kinegraph.report.write import write_run_report

    evaluation = None
    fabric.barrier()  # the first process writes the best weights, all of them read them
    if val_clips is not None and run.best.is_file():
        best, folder = fabric.to_device(load_weights(run.best).model), val_clips.folder
        scores = score_clips(fabric, best, val_clips, len(folder.class_names), batch_size, workers)
        evaluation = evaluation_of(folder, split, "val", scores)
    if fabric.is_global_zero:
        _say(fabric, f"report: {write_run_report(run.path, evaluation)}")


def _introduce(fabric: Fabric, network: nn.Module, clips: ClipDataset, run: RunFolder) -> None:
    learning = [weight.numel() for weight in network.parameters() if weight.requires_grad]
    parameters = sum(weight.numel() for weight in network.parameters())
    frozen = f", {sum(learning):,} of them learn" if sum(learning) < parameters else ""
    absent, classes = absent_classes(clips), len(clips.folder.class_names)
    _say(
        fabric,
        f"{type(network).__name__}, {parameters:,} parameters{frozen}; {len(clips):,} clips of {classes - len(absent)} "
        f"classes; run folder {run.path}",
    )
    if absent:
        names = ", ".join(absent[:3]) + " ..." * (len(absent) > 3)
        _say(fabric, f"warning: no training clip has {len(absent)} of the {classes} classes: {names}")


def _origin(start: Start) -> dict:
    """What the weights tell about those they started from."""
    data, licence = start.extra.get("training", {}), start.extra.get("licence")
    return {"weights": start.name, **data} | ({"weights_licence": licence} if licence else {})


def _scale_rates(fabric: Fabric, stepper: torch.optim.Optimizer, total: int, base: int | None) -> None:
    rate = scale_rates(stepper, total / base if base else 1.0)
    if base:
        _say(fabric, f"learning rate {rate:g}: scaled by {total}/{base}, the real batch over the one it is meant for")


def _say(fabric: Fabric, line: str) -> None:
    if fabric.is_global_zero:
        print(line, flush=True)
