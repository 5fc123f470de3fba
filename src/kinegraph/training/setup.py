"""What a run is made of, from its options: clips, network, optimizer and loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from kinegraph.allowed import NETWORKS
from kinegraph.data.auto import adapt, epochs_for, labels_of_mirrored
from kinegraph.data.checks import Finding
from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.data.dataset_checks import check_scale, dataset_findings
from kinegraph.data.loading import ClipDataset, train_loader
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.split_names import held_out
from kinegraph.data.windows import WindowDataset
from kinegraph.messages import did_you_mean, one_line
from kinegraph.models.black_box import check_logits
from kinegraph.models.network import SkeletonNetwork, build_network, last_layer, network_kind
from kinegraph.models.transfer import Meaning, Start, Taken, freeze_blocks, take_over
from kinegraph.plugins import place_in_plugin, plugin_functions
from kinegraph.skeleton.graph import STRATEGIES, adjacency
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.training.closed_form import fit_closed_form
from kinegraph.training.losses import BinaryCrossEntropy, build_loss, class_counts
from kinegraph.training.observers import check_callbacks, check_loggers
from kinegraph.training.optim import graph_parameters, parameter_groups, scale_rates, unfuse
from kinegraph.training.options import STEPS, TrainOptions, loggers_of
from kinegraph.training.tasks import ClipTask, FrameTask, Task

FIGURES = ("top1", "mean_class_accuracy", "top5")
SEGMENTAL = ("edit", "f1_10", "f1_25", "f1_50", "map")
COLDEST = 1e-3  # temperature: divided by ever less, weights are no finite numbers any more
BATCHES = 10  # from which BatchNorm's statistics are measured


def check_together(options: TrainOptions) -> None:
    """Raises ValueError for options that contradict each other or this installation."""
    if options.task == "clips" and (options.smoothing or options.monitor not in FIGURES):
        wrong = "smoothing" if options.smoothing else f"monitor {options.monitor}"
        raise ValueError(f"{wrong} is for long recordings: give --task frames, or leave it out")
    if options.monitor == "edit" and several_classes(options):
        raise ValueError("monitor edit is of frames with one class; with BinaryCrossEntropy give f1_50 or map")
    if not COLDEST <= options.temperature <= 1 / COLDEST:
        raise ValueError(f"temperature is {options.temperature:g}, expected from {COLDEST:g} to {1 / COLDEST:g}")
    if options.ema is not None and options.ema >= 1:
        raise ValueError(f"ema is {options.ema:g}, expected a decay between 0 and 1, such as 0.999")
    if options.freeze and not options.init_from:
        raise ValueError("freeze keeps what weights have learnt: it needs --init-from WEIGHTS")
    if options.resume and options.overwrite:
        raise ValueError("--resume goes on with a run, --overwrite replaces it: give one of them")
    if options.early_stop is not None and not options.validate:
        raise ValueError("early_stop looks at validations: leave it, or --no-validate")
    check_loggers(loggers_of(options))
    check_callbacks(options.callbacks)
    if options.partition not in STRATEGIES and options.partition not in (own := plugin_functions()):
        known = (*STRATEGIES, *own)
        hint = (
            did_you_mean(options.partition, known) or "; name a graph of your own as FILE.NAME, with --plugins FILE.py"
        )
        raise ValueError(f"partition: expected one of {', '.join(known)}, found '{options.partition}'{hint}")


def idle_options(options: TrainOptions, network: nn.Module, steps: int, epochs: int) -> list[str]:
    """A line for each option that does not do in this training what it is there for."""
    said = options.schedule.remarks(steps, epochs)
    if options.graph_waits and not graph_parameters(network):
        said.append(f"graph_waits does nothing: {network_kind(network).__name__} learns no graph")
    if options.epochs != "auto" and options.steps != STEPS:
        said.append(f"steps {options.steps:,} does nothing, as epochs is {options.epochs}")
    if options.monitor != "top1" and not options.validate:
        said.append("monitor does nothing with --no-validate: no weights are chosen as the best, the last are written")
    if options.tensorboard_names != "kinegraph" and "tensorboard" not in loggers_of(options):
        said.append("tensorboard_names does nothing without --loggers tensorboard")
    return said


# ---- clips -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Data:
    """The clips of a run, and the settings that depend on them.

    layout: the joints and the bones of the graph. chosen: a line for each setting that the clips decided.
    """

    folder: SkeletonDataset
    clips: ClipDataset | WindowDataset
    val_clips: ClipDataset | WindowDataset | None
    layout: JointLayout
    preprocessing: Preprocessing
    epochs: int
    chosen: Sequence[str]
    findings: Sequence[Finding]


def open_data(options: TrainOptions) -> Data:
    """Open the dataset and its parts. Raises ValueError where they do not fit the options."""
    folder = open_dataset(options.dataset, check_values=True)
    indices = folder.indices(options.split, "train")
    preprocessing, chosen = options.preprocessing, list[str]()
    if options.from_data:
        preprocessing, chosen = adapt(preprocessing, folder, indices, options.from_data)
    chosen += labels_of_mirrored(preprocessing, folder.class_names)
    if options.task == "frames":
        clips, val_clips = open_recordings(folder, options, preprocessing)
    else:
        clips, val_clips = open_parts(folder, options.split, preprocessing, options.seed, options.validate)
    if isinstance(clips, WindowDataset) and clips.overlapping and not clips.several:
        chosen.append(
            f"{clips.overlapping:,} frames of several classes are ignored; the loss BinaryCrossEntropy takes them"
        )
    if isinstance(clips, WindowDataset) and clips.several and clips.unlabelled:
        chosen.append(
            f"{clips.unlabelled:,} frames without a label are taken as frames in which no class is there: the loss "
            "BinaryCrossEntropy ignores none"
        )
    epochs = options.epochs
    if epochs == "auto":
        batch = options.batch_size * options.accumulate * options.devices * options.nodes
        epochs = epochs_for(len(clips) * options.repeat, batch, options.steps)
        chosen.append(f"{epochs} epochs, about {options.steps:,} steps")
    if options.validate and folder.held_out(options.split) == "test":
        chosen.append("validation on part 'test', there is no 'val': the best epoch is chosen by it")
    layout = choose_layout(options.layout, folder)
    findings = dataset_findings(folder, options.split)
    if not options.validate:  # nothing is measured while training, so no part is missing for that
        findings = [finding for finding in findings if finding.kind != "no_part"]
    check_scale(findings, folder)
    return Data(folder, clips, val_clips, layout, preprocessing, epochs, chosen, findings)


def open_parts(
    folder: SkeletonDataset, split: str, preprocessing: Preprocessing, seed: int, validate: bool
) -> tuple[ClipDataset, ClipDataset | None]:
    """The "train" and, to validate, the "val" part, or "test" where there is no "val".

    Raises ValueError when clips lack a label or do not fit the preprocessing.
    """
    train_clips = ClipDataset(folder, folder.indices(split, "train"), preprocessing, seed)
    once = replace(preprocessing, test_clips=1)  # as published: only a test looks at several choices of frames
    part = held_part(folder, split) if validate else None
    val_clips = ClipDataset(folder, folder.indices(split, part), once) if part else None
    for clips in filter(None, (train_clips, val_clips)):
        if (unlabelled := folder.label[clips.indices] < 0).any():
            hint = "; its recordings have segments: give --task frames" if folder.segments is not None else ""
            raise ValueError(f"clip '{folder.names[clips.indices[unlabelled.argmax()]]}' has no label{hint}")
        clips[0, 0]  # a recipe that does not fit the data fails here, before anything is written
    return train_clips, val_clips


def open_recordings(
    folder: SkeletonDataset, options: TrainOptions, preprocessing: Preprocessing
) -> tuple[WindowDataset, WindowDataset | None]:
    """The same for long recordings: random windows of those of "train", windows side by side of the others."""
    split, several = options.split, several_classes(options)
    part = held_part(folder, split) if options.validate else None
    train = WindowDataset(folder, folder.indices(split, "train"), preprocessing, options.seed, several)
    val = WindowDataset(folder, folder.indices(split, part), preprocessing, None, several) if part else None
    for windows in filter(None, (train, val)):
        windows[0, 0]
    if val and not several and not any(val.class_counts()):
        raise ValueError(
            f"no frame of part '{part}' has one label, so nothing can be measured; --no-validate trains without"
        )
    if val and options.monitor in SEGMENTAL and not _has_segments(val):
        raise ValueError(
            f"monitor {options.monitor} is of segments, and the recordings of part '{part}' have none; give top1"
        )
    return train, val


def _has_segments(windows: WindowDataset) -> bool:
    """Whether anything is done in the recordings: segments of the class of nothing do not count."""
    folder = windows.folder
    segments = folder.segments or ()
    return any(segment.label != folder.none for index in windows.indices.tolist() for segment in segments[index])


def held_part(folder: SkeletonDataset, split: str) -> str:
    """The part that is validated on. Raises ValueError where there is none."""
    if (part := held_out(folder.parts(split))) is None:
        there = ", ".join(folder.parts(split))
        raise ValueError(
            f"split '{split}' has no part 'val' to validate on, only {there}; --no-validate trains without"
        )
    return part


def several_classes(options: TrainOptions) -> bool:
    """Whether a frame may have several classes: that is what the loss of a yes or no for each class is for."""
    loss = options.loss
    return (loss.func if isinstance(loss, partial) else loss) is BinaryCrossEntropy


def task_of(options: TrainOptions) -> Task:
    """What the network learns to answer."""
    return ClipTask() if options.task == "clips" else FrameTask(several_classes(options), options.smoothing)


def choose_layout(name: str | None, folder: SkeletonDataset) -> JointLayout:
    """The layout of that name, whose joints must be the dataset's, or the dataset's own."""
    if name is None:
        return folder.layout
    layout = load_layout(name)
    if layout.joints != folder.layout.joints:
        raise ValueError(
            f"layout '{layout.name}' has {len(layout)} joints, the dataset's '{folder.layout.name}' "
            f"{len(folder.layout)}: only other bones between the same joints can be asked for"
        )
    return layout


def absent_classes(clips: ClipDataset | WindowDataset) -> list[str]:
    """Names of the classes without a clip."""
    return [name for name, count in zip(clips.folder.class_names, class_counts(clips), strict=True) if count == 0]


def coordinates(folder: SkeletonDataset) -> tuple[str, ...]:
    """What the numbers of a joint are."""
    return ("x", "y", "z")[: folder.channels] + (("score",) if folder.has_score else ())


# ---- network, optimizer, loss ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Parts:
    """What learns. frozen: the parts of the network that do not. rate: the learning rate before the schedule.

    axes: the names on the network's axes. taken: what became of each tensor, for a network that starts from weights.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    frozen: Sequence[nn.Module]
    rate: float
    axes: Meaning
    taken: Taken | None
    fitted: str | None


def build_parts(options: TrainOptions, data: Data, fabric: Fabric, start: Start | None, *, resume: bool) -> Parts:
    """Build network, optimizer and loss; the seed is set. start: weights that the network starts from.

    resume: the state of an interrupted run follows, so nothing is fitted.
    """
    folder, preprocessing = data.folder, data.preprocessing
    graph = torch.from_numpy(build_graph(data.layout, options.partition, options.max_hop)).float()
    channels = preprocessing.channels(folder.channels, folder.has_score)
    model = with_streams(options.model, len(preprocessing.streams))
    network = build_network(model, graph, channels, len(folder.class_names))
    check_clips(network, data)
    if options.temperature != 1:
        last_layer(network)  # raises where there is none, before the training
    if options.head_dropout:
        drop_before_head(network, options.head_dropout)
    axes = Meaning(folder.layout.joints, folder.class_names, preprocessing.streams, coordinates(folder))
    taken = take_over(network, axes, start) if start else None
    frozen = freeze_blocks(network, options.freeze, taken) if options.freeze else []
    closed = network.closed_form_parts() if isinstance(network, SkeletonNetwork) and not resume else ()
    fitted = fit_closed_form(closed, data.clips, shown=fabric.is_global_zero) if closed else None
    if start:
        recalibrate_batchnorm(network.to(fabric.device), data.clips, options.batch_size, frozen)
    groups = parameter_groups(network, decay_all=options.decay_all, head_lr=options.head_lr)
    optimizer = options.optimizer(groups)
    if options.precision == "16-mixed":
        unfuse(optimizer)
    base, total = options.base_batch_size, options.batch_size * options.accumulate * fabric.world_size
    rate = scale_rates(optimizer, total / base if base else 1.0)
    criterion = build_loss(options.loss, class_counts(data.clips))
    return Parts(network, optimizer, criterion, frozen, rate, axes, taken, fitted)


def drop_before_head(network: nn.Module, share: float) -> None:
    """Dropout on what enters the head, while training only; weights files know nothing of it.

    Raises ValueError for a share from 1 on and a network without a head, or with several of them while training.
    """
    if share >= 1:
        raise ValueError(f"head_dropout is {share:g}, expected from 0 to below 1")
    head = last_layer(network)
    if getattr(type(network), "training_logits", usual := SkeletonNetwork.training_logits) is not usual:
        raise ValueError(f"head_dropout is {share:g}, but {type(network).__name__} has several heads while training")
    head.register_forward_pre_hook(partial(_dropped, share))


def _dropped(share: float, head: nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    return (functional.dropout(given[0], share, head.training),)


def with_streams(model: Callable[..., nn.Module], streams: int) -> Callable[..., nn.Module]:
    """A class with an argument `streams: int | None` is built for so many, where the recipe does not say it.

    The parser of the recipe fills in defaults, so only None says that nothing was said.
    """
    kind, given = (model.func, model.keywords) if isinstance(model, partial) else (model, {})
    argument = signature(kind).parameters.get("streams")
    if argument is None or argument.annotation != int | None or given.get("streams") is not None:
        return model
    return partial(kind, **given | {"streams": streams})


@torch.no_grad()
def check_clips(network: nn.Module, data: Data) -> None:
    """Raises ValueError where a network does not take such clips, before anything is written.

    One that is not ours answers a clip.
    """
    own = f"{network_kind(network).__module__}.{network_kind(network).__qualname__}" not in NETWORKS
    network.eval()  # a norm is not to learn from it
    for clips in filter(None, (data.clips, data.val_clips)):
        views, _, people, *_ = clips[0, 0]
        first = torch.from_numpy(views[:1])
        if own:
            try_network(network, first, torch.tensor([people]), len(data.folder.class_names))
        elif isinstance(network, SkeletonNetwork):
            network.whole_clips(first)
    network.train()


def try_network(
    network: nn.Module, clip: Float[torch.Tensor, "1 M T V C"], people: Int[torch.Tensor, "1"], classes: int
) -> None:
    """Ask a network of the user's own. Raises ValueError that says where it fails and what it was given."""
    kind = network_kind(network)
    try:
        with torch.random.fork_rng(devices=[]):
            logits = network(clip, people)
    except Exception as error:
        if not (place := place_in_plugin(error)):
            raise
        raise ValueError(
            f"{kind.__name__} cannot take the clips: {place}: {type(error).__name__}: {one_line(error)}; it was given "
            f"(clips, people, frames, joints, channels) {tuple(clip.shape)}; a network of (N, C, T, V, M) begins with "
            "x = x.permute(0, 4, 2, 3, 1)"
        ) from error
    check_logits(logits, 1, classes, kind)


def build_graph(layout: JointLayout, partition: str, max_hop: int) -> Float[np.ndarray, "K V V"]:
    """The adjacency: one of ours, or what a plugin's function makes of the layout."""
    if partition in STRATEGIES:
        return adjacency(layout, partition, max_hop)
    graph = np.asarray(plugin_functions()[partition](layout))
    joints = len(layout)
    if graph.ndim != 3 or graph.shape[1:] != (joints, joints) or graph.dtype.kind not in "biuf":
        raise ValueError(
            f"partition: {partition} gave an array {graph.shape} of {graph.dtype}, expected numbers in the shape "
            f"(K, {joints}, {joints})"
        )
    if not np.isfinite(graph).all():
        raise ValueError(f"partition: {partition} gave a value that is not a finite number")
    return graph.astype(np.float32)


@torch.no_grad()
def recalibrate_batchnorm(
    network: nn.Module, clips: ClipDataset | WindowDataset, batch_size: int, frozen: Sequence[nn.Module] = ()
) -> None:
    """Make BatchNorm's running statistics the mean over the first batches of training; those of frozen parts stay.

    For a network that starts from other weights: it would need a hundred steps to forget the other data, which is all
    of a short run.
    """
    device = next(network.parameters()).device
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm)]
    usual = [norm.momentum for norm in norms]
    network.train()
    for part in frozen:
        part.eval()
    for seen, (views, _, people, _) in enumerate(islice(train_loader(clips, batch_size, epoch=0), BATCHES), start=1):
        for norm in norms:
            norm.momentum = 1 / seen
        network(views[:, 0].to(device), people.to(device))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
