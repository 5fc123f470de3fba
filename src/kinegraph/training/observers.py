"""Progress of a run while it trains: shown in the terminal, sent to services, given to the user's own code.

log.jsonl and metrics.csv are written in any case. TensorBoard, Weights & Biases and MLflow are extras; their own
environment variables name project, address and password: WANDB_PROJECT, WANDB_MODE, MLFLOW_TRACKING_URI,
MLFLOW_EXPERIMENT_NAME and so on.
"""

import json
import math
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from kinegraph.atomic import write_atomic
from kinegraph.messages import did_you_mean, one_line
from kinegraph.plugins import plugin_classes
from kinegraph.safe_io import read_json
from kinegraph.training.run_folder import RunFolder

REFRESH = 0.5  # seconds between looks at the running sums: each look waits for the GPU
METHODS = ("on_start", "on_epoch", "on_end")  # of a callback
NOT_DRAWN = ("mode", "epoch", "iter")
THEIR_NAMES = {  # of the TensorFlow project (itskalvik/ST-GCN, main.py)
    "train/loss": "cross_entropy_loss",
    "train/top1": "train_acc",
    "train/top5": "train_acc_top_5",
    "val/top1": "epoch_test_acc",
    "val/top5": "epoch_test_acc_top_5",
}
PROJECT = "kinegraph"
IDS = "loggers.json"  # in the run folder: under which name a service knows the run, so that a resumed one goes on there


class TrainingDisplay:
    """Bar and epoch lines on stderr; the bar only on a terminal.

    monitor: the figure that `best` is of. measure: the name of the share that is right, `top1`.
    """

    def __init__(self, epochs: int, batches: int, monitor: str = "top1", shown: bool = True, measure: str = "top-1"):
        self.epochs, self.batches, self.monitor, self.measure = epochs, batches, monitor, measure
        self.console = Console(stderr=True, quiet=not shown, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}  {task.fields[state]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (shown and sys.stderr.isatty()),
        )
        self.task = self.bar.add_task("epoch 1", total=batches, state="")
        self.began = time.perf_counter()
        self.batches_here = 0  # done since then
        self.begin_epoch(1)

    def __enter__(self):
        self.bar.start()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False)

    def begin_epoch(self, epoch: int) -> None:
        """Speed and waiting are those of the training part of an epoch, since here."""
        self.looked = self.epoch_began = self.stepped = time.perf_counter()
        self.clips_at_look = self.clips = 0
        self.waited = 0.0
        self.bar.reset(self.task, description=f"epoch {epoch}", state="")

    def step(self, batch: int, totals: list[float], fresh: Tensor, clips: int, waited: float) -> None:
        """After each step: moves the bar; loss, share right and speed now and then. waited: seconds for data."""
        self.clips += clips
        self.waited += waited
        self.batches_here += 1
        self.bar.update(self.task, completed=batch)
        now = self.stepped = time.perf_counter()
        if now - self.looked >= REFRESH and not self.bar.disable:
            loss, hits, _, seen = (old + new for old, new in zip(totals, fresh.tolist(), strict=True))
            speed = (self.clips - self.clips_at_look) / (now - self.looked)
            self.bar.update(
                self.task, state=f"loss {loss / seen:.4f}  train {self.measure} {hits / seen:.1%}  {speed:,.0f} clips/s"
            )
            self.looked, self.clips_at_look = now, self.clips

    def epoch(self, epoch, loss, top1, rate, figures: dict | None, best: float, best_epoch: int) -> None:
        """After each epoch: the line that stays."""
        line = f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"
        line += f"  loss {loss:.4f}  lr {rate:.2e}  train {self.measure} {top1:6.1%}"
        if figures is not None:
            line += f"  val {self.measure} {figures['top1']:6.1%}"
            if self.monitor != "top1":  # `best` is of it
                name = "mean class" if self.monitor == "mean_class_accuracy" else self.monitor
                line += f"  {name} {figures[self.monitor]:6.1%}"
            line += f"  best {best:6.1%} (epoch {best_epoch})"
        passed = time.perf_counter() - self.began
        training = max(self.stepped - self.epoch_began, 1e-9)
        left = passed / max(self.batches_here, 1) * self.batches * (self.epochs - epoch)
        line += f"  {self.clips / training:,.0f} clips/s  {self.waited / training:.0%} waiting for data  "
        self.say(line + (f"{_clock(left)} left" if epoch < self.epochs else f"took {_clock(passed)}"))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# ---- services --------------------------------------------------------------------------------------------------------


@runtime_checkable
class Logger(Protocol):
    """A place for figures. `ended` is called at the end of a training, however it ends."""

    def add(self, step: int, figures: Mapping[str, float]) -> None: ...

    def ended(self, fine: bool) -> None: ...


def check_loggers(names: Sequence[str]) -> None:
    """Raises ValueError for one that is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise ValueError(f"{name} is not installed: pip install 'kinegraph[{name}]', or leave --loggers {name}")


class Loggers:
    """All loggers of a run. names: "tensorflow" gives TensorBoard the names of the TensorFlow project.

    config: of the run. fresh: a run that begins, so what a replaced run was called does not count. say: prints a line.
    Raises ValueError for a service that cannot be used. One that fails in the middle is left, and the training goes on.
    """

    def __init__(
        self,
        wanted: Sequence[str],
        folder: Path,
        config: Mapping[str, Any],
        first_step: int,
        names: str,
        fresh: bool = False,
        say: Callable[[str], None] = print,
    ):
        self.names, self.say = THEIR_NAMES if names == "tensorflow" else {}, say
        self.folder, self.ids = folder, {} if fresh else _known(folder)
        self.loggers: dict[str, Logger] = {}
        for name in sorted(wanted, key="tensorboard".__eq__):  # it never fails, and hides what a replaced run has drawn
            try:
                self.loggers[name] = self._opened(name, config, first_step)
            except Exception as error:  # whatever a service raises where it is not reached or has no account
                self._end(False)
                raise ValueError(f"{name} cannot be used: {one_line(error)}; or leave --loggers {name}") from error

    def _opened(self, name: str, config: Mapping[str, Any], first_step: int) -> Logger:
        if name == "tensorboard":
            return TensorBoard(self.folder / name, first_step)
        logger = (WandB if name == "wandb" else MLflow)(self.folder, config, self.ids.get(name))
        self.ids[name] = logger.id
        return logger

    def remember(self) -> None:
        """Save the name that each service gave to the run, so that a resumed run continues there."""
        if self.ids:
            write_atomic(self.folder / IDS, json.dumps(self.ids).encode())

    def add(self, step: int, record: Mapping[str, Any]) -> None:
        """The numbers of one line of the log."""
        drawn = {f"{record['mode']}/{name}": value for name, value in record.items() if name not in NOT_DRAWN}
        for name, logger in list(self.loggers.items()):
            names = self.names if name == "tensorboard" else {}
            try:
                logger.add(step, {names.get(key, key): value for key, value in drawn.items()})
            except Exception as error:
                del self.loggers[name]
                self.say(f"warning: {name} gets no more figures, log.jsonl has all: {one_line(error)}")

    @contextmanager
    def ended(self) -> Iterator["Loggers"]:
        """At the end of the block each logger is ended, with whether the block raised nothing."""
        fine = False
        try:
            yield self
            fine = True
        finally:
            self._end(fine)

    def _end(self, fine: bool) -> None:
        for name, logger in self.loggers.items():
            try:
                logger.ended(fine)
            except Exception as error:
                self.say(f"warning: {name} did not end well: {one_line(error)}")


class TensorBoard:
    """Scalars in an event file. first_step: what an interrupted run has drawn from there on is not shown."""

    def __init__(self, folder: Path, first_step: int):
        from torch.utils.tensorboard import SummaryWriter  # seconds to import

        self.writer = SummaryWriter(str(folder), purge_step=first_step)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def ended(self, fine: bool) -> None:
        self.writer.close()


class WandB:
    """Weights & Biases. A resumed run goes on under its id; the service ignores steps that it has already."""

    def __init__(self, folder: Path, config: Mapping[str, Any], known: str | None):
        import wandb  # pyright: ignore[reportMissingImports]

        self.id = known or secrets.token_hex(8)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.resolve().name,
            dir=str(folder),
            id=self.id,
            resume="allow",
            config=dict(config),
        )

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        self.run.log(dict(figures), step=step)

    def ended(self, fine: bool) -> None:
        self.run.finish(exit_code=0 if fine else 1)


RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


class MLflow:
    """MLflow's tracking, on this machine or a server."""

    def __init__(self, folder: Path, config: Mapping[str, Any], known: str | None):
        import mlflow  # pyright: ignore[reportMissingImports]

        self.mlflow = mlflow
        own = RETRIES in os.environ
        os.environ.setdefault(RETRIES, "2")  # 5 s until a dead server is named; with MLflow's seven, minutes
        try:
            mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
            run = mlflow.start_run(run_id=known, run_name=None if known else folder.resolve().name)
        finally:
            if not own:
                del os.environ[RETRIES]
        self.id: str = run.info.run_id
        if not known:
            flat = _flat(config)
            mlflow.log_params({name: str(value)[:500] for name, value in flat.items()})  # 500: a server's limit

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        self.mlflow.log_metrics(dict(figures), step=step)

    def ended(self, fine: bool) -> None:
        self.mlflow.end_run("FINISHED" if fine else "FAILED")


def _known(folder: Path) -> dict[str, str]:
    """What services call the run in this folder, from before."""
    ids = read_json(folder / IDS) if (folder / IDS).is_file() else {}
    if not isinstance(ids, dict) or not all(isinstance(value, str) for value in ids.values()):
        raise ValueError(f"{folder / IDS} does not say what services call the run; remove it, and they begin a new one")
    return ids


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Options by names with dots."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


# ---- the user's own code: classes of `--plugins` files, named by `--callbacks FILE.NAME` -----------------------------


class Callback(Protocol):
    """Called in the first process of a run. A class may leave methods out.

    run: the run folder, with `path`, `best` and `last` (weights files) and `records("val")` (lines of its log).
    figures: epoch, loss, top1 and lr of the epoch, and where it was validated val_top1, val_loss and so on. The epoch
    is saved by then, so an error raised here loses nothing: `--resume` goes on behind it.
    """

    def on_start(self, run: RunFolder) -> None:
        """Before the first step, also of a resumed run."""

    def on_epoch(self, run: RunFolder, figures: Mapping[str, float]) -> None:
        """After each epoch."""

    def on_end(self, run: RunFolder) -> None:
        """After the last epoch, when the last weights are written; not after Ctrl-C."""


def check_callbacks(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is no such class."""
    known = plugin_classes() if names else {}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "; name a class of your own as FILE.NAME, with --plugins FILE.py"
            raise ValueError(f"callbacks: there is no class '{name}'{hint}")
        if not any(callable(getattr(known[name], method, None)) for method in METHODS):
            raise ValueError(f"callbacks: {name} has none of the methods {', '.join(METHODS)}")


class Callbacks:
    """Some callbacks as one."""

    def __init__(self, names: Sequence[str] = ()):
        self.all = [plugin_classes()[name]() for name in names]

    def on_start(self, run: RunFolder) -> None:
        self._call("on_start", run)

    def on_epoch(self, run: RunFolder, figures: Mapping[str, float]) -> None:
        self._call("on_epoch", run, figures)

    def on_end(self, run: RunFolder) -> None:
        self._call("on_end", run)

    def _call(self, name: str, *arguments: object) -> None:
        for observer in self.all:
            if (method := getattr(observer, name, None)) is not None:
                method(*arguments)


# ---- lines on a training that does not go well, from the figures of its epochs ---------------------------------------


SPIKE = 5  # a batch whose loss is so many times the last epoch's, and worse than chance, is reported


def at_chance(
    epochs: int, hits: float, answers: float, counted: str, counts: Sequence[int], balanced: bool
) -> str | None:
    """Whether the training clips are recognised no better than by naming the largest class.

    counted: what answers are of, clips or frames. counts: of each class. balanced: classes are drawn equally often.
    """
    chance = 1 / sum(count > 0 for count in counts) if balanced else max(counts) / sum(counts)
    if chance == 1 or hits > answers * chance + 2 * math.sqrt(answers * chance * (1 - chance)):
        return None
    return (
        f"after {epochs} epochs top-1 on the training {counted} is {hits / answers:.1%}, not clearly more than by "
        f"always naming the largest class ({chance:.1%}): try another learning rate"
    )


def spike(epoch: int, peak: float, before: float, classes: int, clipped: bool) -> str | None:
    """Whether a batch was far worse than the epoch before, and worse than chance.

    peak: the largest loss of a batch. before: the mean loss of the epoch before; 0 where there is none.
    """
    if not before or peak <= max(SPIKE * before, math.log(classes)):
        return None
    remedy = "a lower learning rate" if clipped else "--clip-gradients 1 or a lower learning rate"
    return (
        f"a spike in epoch {epoch}: the loss of a batch was {peak:.3g}, on average it was {before:.3g} in the epoch "
        f"before; {remedy} may help"
    )
