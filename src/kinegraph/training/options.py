"""The options of a training run: default, range, help and resume rule of each stand here, and only here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from kinegraph.data.auto import Setting
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.stgcn import STGCN
from kinegraph.training.losses import CrossEntropy
from kinegraph.training.optim import PublishedSGD, Schedule

REQUIRED = MISSING
# What a resumed run may change. The default is SAME: another value gives other weights.
STEPS = 2500  # of a training with epochs auto
SAME, MAY_CHANGE, OF_THE_CALL = "same", "may change", "of the call"  # the last is not written into the run's config


def option(
    default: Any, help: str, *, least: float | None = None, above: float | None = None, resume: str = SAME
) -> Any:
    """A field of the options. least, above: its smallest value, included or not."""
    return field(default=default, metadata={"help": help, "least": least, "above": above, "resume": resume})


@dataclass(frozen=True)
class TrainOptions:
    """What `kinegraph train` takes from its command line and its config."""

    dataset: Path = option(
        REQUIRED,
        "dataset folder made by `kinegraph prepare`. --train-data-path A --test-data-path B makes one of recordings, "
        "such as the TensorFlow project's TFRecord folders, and keeps it beside A.",
    )
    split: str = option(REQUIRED, "column of the dataset with the parts 'train' and 'val' (or 'test').")
    model: Callable[[Tensor, int, int], Module] = option(
        STGCN, "network class, built with the adjacency, the number of channels and of classes."
    )
    task: Literal["clips", "frames"] = option(
        "clips",
        "what the network answers: 'clips' a class for each clip; 'frames' classes for each frame of long recordings, "
        "see docs/long_recordings.md. With loss BinaryCrossEntropy a frame may have several.",
    )
    plugins: Sequence[Path] = option(
        (),
        "Python files whose networks, losses, optimizers and graphs may be named as FILE.NAME; a config alone runs "
        "none.",
        resume=MAY_CHANGE,
    )
    layout: str | None = option(None, "other edges between the dataset's joints: a layout's name or YAML file.")
    partition: str = option(
        "spatial",
        "how a joint's neighbours are divided: uniform, distance, spatial, spatial_true or inward_outward; or a "
        "function of a plugin, FILE.NAME, that takes the layout and returns the adjacency (K, V, V).",
    )
    max_hop: int = option(1, "how many bones away a neighbour may be.")
    init_from: str | None = option(
        None,
        "weights to start from: a file, a name in the zoo, or a published .pth. What fits is taken: blocks, joints by "
        "name, the head for the same classes.",
    )
    freeze: int = option(0, "so many first blocks, and what feeds them, stay as taken.", least=0)
    preprocessing: Preprocessing = option(Preprocessing(), "how a recorded clip becomes what the network sees.")
    from_data: Sequence[Setting] = option(
        (),
        "settings that the training clips decide instead of `preprocessing`: people, normalize (with up), mirror; "
        "what they decide is said and saved.",
    )
    loss: Callable[[Sequence[int]], Module] = option(
        CrossEntropy, "loss function, built with the number of training clips of each class."
    )
    smoothing: float = option(
        0.0,
        "task frames: weight of the smoothing loss of MS-TCN, for fewer changes of class; 0.15 as published.",
        least=0,
    )
    optimizer: Callable[[Iterable], Optimizer] = option(
        PublishedSGD, "optimizer class, built with the parameters; by default SGD as published."
    )
    decay_all: bool = option(True, "weight decay on all, as published; false spares biases, norms and edges.")
    head_lr: float = option(1.0, "learning rate of the head as a multiple of the others'.", above=0)
    head_dropout: float = option(0.0, "probability for each number before the head to be dropped.", least=0)
    graph_waits: int = option(0, "first epochs in which learned graphs stay.", least=0)
    clip_gradients: float | None = option(None, "largest norm of all gradients together.", above=0)
    accumulate: int = option(1, "batches whose gradients make one step of the optimizer.", least=1)
    ema: float | None = option(None, "decay of an average of the weights, such as 0.999: it is written.", above=0)
    schedule: Schedule = option(Schedule(), "how the learning rate changes.")
    epochs: int | Literal["auto"] = option(80, "passes over the training part; auto: enough for `steps`.", least=1)
    steps: int = option(STEPS, "steps of a training with epochs auto.", least=1)
    repeat: int = option(1, "how often an epoch passes over the training part.", least=1)
    sample: Literal["all", "class_balanced"] = option(
        "all", "'all' takes every clip once in a pass; 'class_balanced' as many clips, but every class equally often."
    )
    batch_size: int = option(16, "clips a batch and process.", least=1)
    base_batch_size: int | None = option(
        None,
        "clips a step that the learning rate is meant for; it is scaled.",
        least=1,
    )
    temperature: float = option(1.0, "divides the logits of written weights; below 1 is surer.", above=0)
    validate: bool = option(True, "measure 'val', or 'test' without it, while training, and keep the best.")
    validate_every: int = option(1, "epochs from one validation to the next.", least=1)
    monitor: Literal["top1", "mean_class_accuracy", "edit", "f1_10", "f1_25", "f1_50", "map"] = option(
        "top1", "which figure makes weights the best; those behind mean_class_accuracy are for task frames."
    )
    save_every: int = option(500, "steps from one checkpoint to the next inside an epoch.", least=1, resume=MAY_CHANGE)
    log_every: int = option(100, "steps from one line in log.jsonl to the next.", least=1, resume=MAY_CHANGE)
    early_stop: int | None = option(None, "end after so many epochs without a better validation by `monitor`.", least=1)
    loggers: Sequence[Literal["tensorboard", "wandb", "mlflow"]] = option(
        (),
        "where figures are shown besides: tensorboard, wandb, mlflow (extras).",
        resume=MAY_CHANGE,
    )
    callbacks: Sequence[str] = option(
        (),
        "classes of plugins, FILE.NAME, that are called at the start, after each epoch and at the end; see "
        "docs/own_network.md.",
        resume=MAY_CHANGE,
    )
    tensorboard: bool = option(False, "the same as --loggers tensorboard.", resume=MAY_CHANGE)
    tensorboard_names: Literal["kinegraph", "tensorflow"] = option(
        "kinegraph",
        "names of these figures: train/loss, val/top1 ... or the TensorFlow project's, cross_entropy_loss, "
        "epoch_test_acc ...",
        resume=MAY_CHANGE,
    )
    report: bool = option(True, "write the run folder's report.html at the end.", resume=MAY_CHANGE)
    seed: int = option(0, "decides initial weights, order, augmentation and dropout.", least=0)
    deterministic: bool = option(False, "allow only operations that give the same result each time.")
    workers: int = option(0, "processes that prepare batches, 0 for none.", least=0, resume=MAY_CHANGE)
    work_dir: Path | None = option(None, "run folder; by default runs/ and the config's name.", resume=OF_THE_CALL)
    resume: bool = option(
        False,
        "go on with the run in work_dir where its last checkpoint was written. A command that torchrun or SLURM "
        "starts again does so by itself.",
        resume=OF_THE_CALL,
    )
    overwrite: bool = option(
        False, "replace the run that is already in work_dir, as soon as this one begins.", resume=OF_THE_CALL
    )
    accelerator: str = option("auto", "cpu, cuda, mps or auto.", resume=MAY_CHANGE)
    devices: int = option(1, "processes here, one a GPU or, on the CPU, that many.", least=1)
    nodes: int = option(1, "machines.", least=1)
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true", "auto"] = option(
        "32-true", "32-true (or fp32), 16-mixed, bf16-mixed, 64-true, or auto: bf16-mixed where it is faster."
    )
    compile: bool = option(
        False,
        "have torch.compile fuse the network, on a GPU as one CUDA graph. It takes a minute at the start; on a "
        "CPU it is slower.",
    )


def may_change(options: TrainOptions) -> set[str]:
    """Names of the options that do not change the weights, so that a resumed run may have others.

    Nor do more epochs of a stepped schedule, unless its warmup is a share of all steps.
    """
    names = {field.name for field in fields(options) if field.metadata["resume"] != SAME}
    longer = options.schedule.kind == "step" and not options.schedule.warmup
    return names | ({"epochs"} if longer else set())


def loggers_of(options: TrainOptions) -> list[str]:
    """Those that are asked for; --tensorboard is an earlier name of one."""
    return list(dict.fromkeys([*options.loggers, *(["tensorboard"] if options.tensorboard else [])]))
