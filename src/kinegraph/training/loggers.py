"""Where else the figures of a run's log are shown: TensorBoard, Weights & Biases, MLflow. Each is an extra.

log.jsonl and metrics.csv are written in any case. Project, address and password of the services are theirs to know:
WANDB_PROJECT, WANDB_MODE, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and so on.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from kinegraph.atomic import write_atomic
from kinegraph.messages import one_line
from kinegraph.safe_io import read_json, read_yaml

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

    say: prints a line. A service that fails in the middle is left, and the training goes on.
    """

    def __init__(
        self, wanted: Sequence[str], folder: Path, first_step: int, names: str, say: Callable[[str], None] = print
    ):
        self.names, self.say = THEIR_NAMES if names == "tensorflow" else {}, say
        self.loggers: dict[str, Logger] = {}
        for name in wanted:
            try:
                self.loggers[name] = _opened(name, folder, first_step)
            except Exception as error:  # whatever a service raises where it is not reached or has no account
                self._end(False)
                raise ValueError(f"{name} cannot be used: {one_line(error)}; or leave --loggers {name}") from error

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
        """All of them are ended behind this block, and are said whether it went well."""
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


def _opened(name: str, folder: Path, first_step: int) -> Logger:
    if name == "tensorboard":
        return TensorBoard(folder / name, first_step)
    return WandB(folder) if name == "wandb" else MLflow(folder)


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

    def __init__(self, folder: Path):
        import wandb  # pyright: ignore[reportMissingImports]

        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.resolve().name,
            dir=str(folder),
            id=_kept(folder, "wandb", secrets.token_hex(8)),
            resume="allow",
            config=_config(folder),
        )

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        self.run.log(dict(figures), step=step)

    def ended(self, fine: bool) -> None:
        self.run.finish(exit_code=0 if fine else 1)


class MLflow:
    """MLflow's tracking, on this machine or a server."""

    def __init__(self, folder: Path):
        import mlflow  # pyright: ignore[reportMissingImports]

        self.mlflow = mlflow
        mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
        known = _known(folder, "mlflow")
        run = mlflow.start_run(run_id=known, run_name=None if known else folder.resolve().name)
        _kept(folder, "mlflow", run.info.run_id)
        if not known:
            flat = _flat(_config(folder))
            mlflow.log_params({name: str(value)[:500] for name, value in flat.items()})  # 500: a server's limit

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        self.mlflow.log_metrics(dict(figures), step=step)

    def ended(self, fine: bool) -> None:
        self.mlflow.end_run("FINISHED" if fine else "FAILED")


def _known(folder: Path, service: str) -> str | None:
    """The id of this run there, from before."""
    ids = read_json(folder / IDS) if (folder / IDS).is_file() else {}
    return ids.get(service) if isinstance(ids, dict) else None


def _kept(folder: Path, service: str, fresh: str) -> str:
    """The id of this run there; a fresh one is written down."""
    if known := _known(folder, service):
        return known
    ids = read_json(folder / IDS) if (folder / IDS).is_file() else {}
    write_atomic(folder / IDS, json.dumps((ids if isinstance(ids, dict) else {}) | {service: fresh}).encode())
    return fresh


def _config(folder: Path) -> dict[str, Any]:
    config = read_yaml(folder / "config.yaml")
    return config if isinstance(config, dict) else {}


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Options by names with dots."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat
