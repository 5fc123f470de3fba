"""kinegraph train: a config -> a run folder with weights."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from kinegraph.commands.arguments import check_numbers
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.store import SkeletonDataset, open_dataset
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.training.loop import Plan, Progress, Training
from kinegraph.training.losses import CrossEntropy
from kinegraph.training.processes import set_determinism, start_processes
from kinegraph.training.run_folder import RunFolder, environment
from kinegraph.training.schedule import Schedule


def sgd(parameters: Iterable, lr: float = 0.1) -> torch.optim.SGD:
    """The published optimizer."""
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4)


def train(
    dataset: Path,
    split: str,
    model: Callable[[Tensor, int, int], nn.Module] = STGCN,
    layout: str | None = None,
    partition: Literal["uniform", "distance", "spatial", "spatial_true", "inward_outward"] = "spatial",
    max_hop: int = 1,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008  frozen
    loss: Callable[[Sequence[int]], nn.Module] = CrossEntropy,
    optimizer: Callable[[Iterable], torch.optim.Optimizer] = sgd,
    decay_all: bool = True,
    clip_gradients: float | None = None,
    schedule: Schedule = Schedule(),  # noqa: B008  frozen
    epochs: int = 80,
    repeat: int = 1,
    sample: Literal["all", "class_balanced"] = "all",
    batch_size: int = 16,
    base_batch_size: int | None = None,
    validate: bool = True,
    validate_every: int = 1,
    monitor: Literal["top1", "mean_class_accuracy"] = "top1",
    save_every: int = 500,
    log_every: int = 100,
    seed: int = 0,
    deterministic: bool = False,
    workers: int = 0,
    work_dir: Path | None = None,
    resume: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true",
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
        preprocessing: how a recorded clip becomes what the network sees.
        loss: loss function, built with the number of training clips of each class.
        optimizer: optimizer class, built with the parameters; by default SGD as published.
        decay_all: weight decay on every parameter, as published; false spares biases, norms and edge weights.
        clip_gradients: largest norm of all gradients together.
        schedule: how the learning rate changes.
        epochs: passes over the training part, `repeat` times each.
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
        seed: decides initial weights, order, augmentation and dropout.
        deterministic: allow only operations that give the same result each time.
        workers: processes that prepare batches, 0 for none.
        work_dir: run folder; by default runs/ and the config's name.
        resume: go on with the run in work_dir where its last checkpoint was written.
        accelerator: cpu, cuda, mps or auto.
        devices: processes on this machine, one a GPU or, on the CPU, that many.
        nodes: machines.
        precision: 32-true, or 16-mixed, bf16-mixed or 64-true.
    """
    check_numbers(
        epochs=epochs, repeat=repeat, batch_size=batch_size, base_batch_size=base_batch_size,
        validate_every=validate_every, save_every=save_every, log_every=log_every, devices=devices, nodes=nodes,
    )  # fmt: skip
    check_numbers(0, seed=seed, workers=workers)
    if clip_gradients is not None and not clip_gradients > 0:
        raise ValueError(f"clip_gradients is {clip_gradients:g}, expected more than 0")
    run = RunFolder(work_dir or Path("runs") / (config_name or "train"), resume)
    if resume:
        run.check_same_run(config_text)
    folder = open_dataset(dataset, check_values=True)
    clips, val_clips = _parts(folder, split, preprocessing, seed, validate)
    graph_layout = _layout(layout, folder)
    graph = torch.from_numpy(adjacency(graph_layout, partition, max_hop)).float()

    fabric = start_processes(accelerator, devices, nodes, precision)
    set_determinism(deterministic)
    torch.manual_seed(seed)
    network = model(graph, preprocessing.channels(folder.channels, folder.has_score), len(folder.class_names))
    counts = np.bincount(folder.label[clips.indices], minlength=len(folder.class_names)).tolist()
    stepper = optimizer(parameter_groups(network, decay_all))
    if base_batch_size:
        _scale_rate(fabric, stepper, batch_size * fabric.world_size, base_batch_size)

    def save(path: Path, trained: nn.Module, at: Progress) -> None:
        told = {"dataset": folder.source, "split": split, "epoch": at.epoch, "config": config_text}
        if at.best_epoch:
            told |= {f"best_{monitor}": at.best, "best_epoch": at.best_epoch}
        how, names = preprocessing.to_dict(), folder.class_names
        save_weights(path, trained, layout=graph_layout, class_names=names, preprocessing=how, extra=told)

    plan = Plan(
        epochs=epochs, batch_size=batch_size, schedule=schedule, seed=seed, repeat=repeat,
        balanced=sample == "class_balanced",
        clip_gradients=clip_gradients, validate_every=validate_every, save_every=save_every, log_every=log_every,
        monitor=monitor, workers=workers,
    )  # fmt: skip
    training = Training(fabric, network, loss(counts), stepper, clips, val_clips, plan, run, save)
    if resume:
        training.restore()
    elif fabric.is_global_zero:
        run.create()
        run.log(mode="environment", **environment(), seed=seed, dataset=str(dataset), clips=len(clips))
    if fabric.is_global_zero:
        run.keep_config(config_text)
    _introduce(fabric, network, clips, run)
    return _fit(fabric, training, run, monitor)


def _fit(fabric: Fabric, training: Training, run: RunFolder, monitor: str) -> Path:
    try:
        progress = training.fit()
    except KeyboardInterrupt:
        _say(fabric, f"saved; the same command with --resume goes on with {run.path}")
        raise
    if progress.best_epoch:
        _say(fabric, f"best {monitor} {progress.best:.4f} in epoch {progress.best_epoch}: {run.best}")
    _say(fabric, f"last weights: {run.last}")
    return run.path


def _introduce(fabric: Fabric, network: nn.Module, clips: ClipDataset, run: RunFolder) -> None:
    parameters = sum(weight.numel() for weight in network.parameters())
    labels = clips.folder.label[clips.indices]
    _say(
        fabric,
        f"{type(network).__name__}, {parameters:,} parameters; {len(clips):,} clips of {len(set(labels.tolist()))} "
        f"classes; run folder {run.path}",
    )
    if absent := [name for i, name in enumerate(clips.folder.class_names) if i not in set(labels.tolist())]:
        _say(fabric, f"no training clip has {len(absent)} of the classes: {', '.join(absent[:3])} ...")


def parameter_groups(network: nn.Module, decay_all: bool) -> list[dict]:
    """All parameters, or matrices and kernels apart from the rest, which then keeps its size."""
    if decay_all:
        return [{"params": list(network.parameters())}]
    kernels = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)}
    groups = {True: [], False: []}
    for parameter in network.parameters():
        groups[id(parameter) in kernels].append(parameter)
    return [{"params": groups[True]}, {"params": groups[False], "weight_decay": 0.0}]


def _parts(
    folder: SkeletonDataset, split: str, how: Preprocessing, seed: int, validate: bool
) -> tuple[ClipDataset, ClipDataset | None]:
    train_clips = ClipDataset(folder, folder.indices(split, "train"), how, seed)
    once = replace(how, test_clips=1)  # as published: only a test looks at several choices of frames
    val_clips = ClipDataset(folder, folder.indices(split, "val"), once) if validate else None
    for clips in filter(None, (train_clips, val_clips)):
        if (unlabelled := folder.label[clips.indices] < 0).any():
            raise ValueError(f"clip '{folder.names[clips.indices[unlabelled.argmax()]]}' has no label")
        clips[0, 0]  # a recipe that does not fit the data fails here, before anything is written
    return train_clips, val_clips


def _layout(name: str | None, folder: SkeletonDataset) -> JointLayout:
    if name is None:
        return folder.layout
    layout = load_layout(name)
    if layout.joints != folder.layout.joints:
        raise ValueError(
            f"layout '{layout.name}' has {len(layout)} joints, the dataset's '{folder.layout.name}' "
            f"{len(folder.layout)}: only other bones between the same joints can be asked for"
        )
    return layout


def _scale_rate(fabric: Fabric, stepper: torch.optim.Optimizer, total: int, base: int) -> None:
    for group in stepper.param_groups:
        group["lr"] *= total / base
    rate = stepper.param_groups[0]["lr"]
    _say(fabric, f"learning rate {rate:g}: scaled by {total}/{base}, the real batch over the one it is meant for")


def _say(fabric: Fabric, line: str) -> None:
    if fabric.is_global_zero:
        print(line, flush=True)
