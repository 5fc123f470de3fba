"""The folder of one training run: config, log, checkpoints. Every write is atomic.

config.yaml · log.jsonl · metrics.csv · checkpoints/{last.ckpt, best.safetensors, last.safetensors, their cards *.md}
"""

import csv
import errno
import io
import json
import math
import os
import platform
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from kinegraph import __version__
from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.files import check_is_file
from kinegraph.messages import plain_name
from kinegraph.models.checkpoint_file import read_resumed
from kinegraph.safe_io import parsed_json, read_yaml, without_nan

PATHS = {"dataset", "init_from", "layout", "plugins"}  # options
MEASURED = (
    "result.pkl",
    "result.json",
    "predictions.csv",
    "per_class.csv",
    "confusion_matrix.csv",
    "confusion_matrix.png",
)
COLUMNS = ("epoch", "loss", "top1", "top5", "mean_class_accuracy")
NO_FIGURES = ("mode", "iter", "time")  # of a validation
LOCK = ".lock"
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
WINDOWS = os.name == "nt"
BEHIND_THE_TEXT = 1 << 20  # bytes; of the lock's file
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


@dataclass
class Progress:
    """Where a run is: epochs finished, batches done since, and the sums from which its log lines are computed.

    step counts the batches of all epochs. Four sums are the loss times clips, right answers, right answers among the
    five likeliest classes, and clips.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = -math.inf
    best_epoch: int = 0
    totals: list[float] = field(default_factory=lambda: [0.0] * 4)  # the four sums of this epoch
    logged: list[float] = field(default_factory=lambda: [0.0] * 4)  # what of them is in the log
    peak: list[float] = field(default_factory=lambda: [0.0] * 2)  # largest loss of a batch: since the log, this epoch
    before: float = 0.0  # mean loss of the epoch before
    warned: bool = False  # that nothing is learnt


class RunFolder:
    """The folder of one run.

    A new run needs a folder without a run in it; a resumed one goes on in its own. Raises ValueError otherwise.
    """

    def __init__(self, path: Path, resume: bool = False, overwrite: bool = False):
        self.path = path
        self.checkpoint = path / "checkpoints" / "last.ckpt"
        self.best = path / "checkpoints" / "best.safetensors"
        self.last = path / "checkpoints" / "last.safetensors"
        self.log_file = path / "log.jsonl"
        check_is_file(self.log_file)
        if resume and not self.checkpoint.is_file():
            raise ValueError(f"nothing to resume: {self.checkpoint} does not exist")
        if not resume and not overwrite and (self.checkpoint.exists() or self.last.exists()):
            raise ValueError(
                f"{path} already holds a run: --resume goes on with it, another --work-dir starts beside it, "
                "--overwrite replaces it"
            )

    @staticmethod
    def can_resume(path: Path) -> bool:
        """Whether there is a checkpoint to go on from."""
        return (path / "checkpoints" / "last.ckpt").is_file()

    def check_spared(self, options: Collection[str]) -> None:
        """Raises ValueError where the folder holds no run but a file that this one would replace.

        options: the keys that a config has.
        """
        if self.checkpoint.exists() or self.last.exists() or self._has_own_log():
            return
        lost = [file for file in self._replaced() if file.exists()]
        config = self.path / "config.yaml"
        if config.exists() and not _is_config(config, options):
            lost.append(config)
        if lost:
            raise ValueError(
                f"{lost[0]} was not written by a run, and this run would replace it; move it or choose another "
                "--work-dir"
            )

    def _has_own_log(self) -> bool:
        try:
            with self.log_file.open(encoding="utf-8", errors="replace") as file:
                first = parsed_json(file.readline(), f"{self.log_file} line 1")
        except (ValueError, OSError):
            return False
        return isinstance(first, dict) and first.get("mode") == "environment"

    def _replaced(self) -> list[Path]:
        """What a run leaves, but its config."""
        weights = (self.checkpoint, self.last, self.best, self.last.with_suffix(".md"), self.best.with_suffix(".md"))
        measured = (self.path / "val" / name for name in MEASURED)
        others = (self.path / name for name in ("metrics.csv", "loggers.json", "report.html"))
        return [self.log_file, *others, *weights, *measured]

    def create(self) -> None:
        """Make the folder. Of a run that died before its first checkpoint, or is replaced, nothing is kept."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        for left in self._replaced():
            left.unlink(missing_ok=True)

    def keep_config(self, config_text: str) -> None:
        """Write config.yaml."""
        write_atomic(self.path / "config.yaml", config_text.encode())

    def check_same_run(self, before: Mapping[str, Any], now: Mapping[str, Any], may_change: Collection[str]) -> None:
        """Raises ValueError where the options of now would give other weights than those the run was started with.

        may_change: names of the options that change no weights.
        """
        if other := [key for key in (before.keys() | now.keys()) - set(may_change) if before.get(key) != now.get(key)]:
            key, had, asked = _difference(min(other), before.get(min(other)), now.get(min(other)))
            raise ValueError(
                f"the run in {self.path} has {key} {had}, asked for is {asked}: it would be another run; start it in "
                "another --work-dir"
            )

    def log(self, **record) -> None:
        """Append one line to log.jsonl; a figure that could not be measured, NaN, is null there."""
        rounded = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in record.items()}
        try:
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(without_nan(rounded)) + "\n")
        except OSError as error:
            error.filename = str(self.log_file)  # a full disk does not say where
            raise

    def records(self, mode: str) -> list[dict]:
        """The lines of log.jsonl of one mode: environment, warning, train or val."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        records = (parsed_json(line, f"{self.log_file} line {i}") for i, line in enumerate(lines, 1))
        return [record for record in records if isinstance(record, dict) and record.get("mode") == mode]

    def precision(self, wanted: str) -> str:
        """The precision in which the run goes on. "auto" becomes the precision that the run began with."""
        if wanted != "auto":
            return wanted
        return next((record["precision"] for record in self.records("environment") if "precision" in record), wanted)

    def save_state(self, state: dict[str, Any]) -> None:
        """Write last.ckpt: all that resuming needs, and how long the log was."""
        state = {**state, "log_bytes": self.log_file.stat().st_size, "kinegraph": __version__}
        content = io.BytesIO()  # writing to a file, torch does not say that the disk is full
        torch.save(state, content)
        write_atomic(self.checkpoint, content.getvalue())

    def load_state(self) -> dict[str, Any]:
        """Read last.ckpt."""
        return read_resumed(self.checkpoint)

    def cut_log(self, size: int) -> None:
        """Forget what was logged after the checkpoint was written; it will be logged again."""
        with self.log_file.open("r+b") as file:
            file.truncate(min(size, self.log_file.stat().st_size))

    def write_metrics(self) -> None:
        """metrics.csv: one row a validation."""
        rows = self.records("val")
        more = [name for name in rows[-1] if name not in (*COLUMNS, *NO_FIGURES)]  # those of long recordings
        with atomic_file(self.path / "metrics.csv") as unfinished, unfinished.open("w", newline="") as file:
            table = csv.DictWriter(file, [*COLUMNS, *more], extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)


def _difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The first option of a part that differs, such as optimizer.init_args.lr, and both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        key = min(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        return _difference(f"{name}.{key}", before.get(key), now.get(key))
    return name, before, now


def _is_config(path: Path, options: Collection[str]) -> bool:
    """Whether a file is a call of `train` written down."""
    try:
        config = read_yaml(path)
    except (ValueError, OSError):
        return False
    return isinstance(config, dict) and config.keys() <= set(options)


def portable_recipe(config_text: str) -> str:
    """The config without what nobody set and this machine's folders: of an absolute path only the last name."""
    config = _given(yaml.safe_load(config_text) or {})
    for key in PATHS & config.keys():
        value = config[key]
        config[key] = [_portable(item) for item in value] if isinstance(value, list) else _portable(value)
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _portable(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path


def _given(config):
    if not isinstance(config, dict):
        return config
    return {key: _given(value) for key, value in config.items() if value not in (None, "", [], {})}


def environment() -> dict[str, Any]:
    """What a result may depend on besides the config."""
    return {
        "kinegraph": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


# ---- one training at a time: a lock that the system gives back when its process ends, however it ends ----------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder, which is made where it is missing, and removed again if it is still empty at the end.

    The processes of one distributed run hold it together: only the first takes the lock. Raises ValueError where
    another training holds it, with its process.
    """
    if not _is_first_process():
        yield
        return
    with ExitStack() as undo:
        _make(folder, undo)
        file = _taken(folder / LOCK)
        try:
            yield
        finally:
            if file is not None:
                _give_back(folder / LOCK, file)


def _is_first_process() -> bool:
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def _make(folder: Path, undo: ExitStack) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        undo.callback(_remove_if_empty, made)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _taken(path: Path) -> FileIO | None:
    """The lock's file, open and locked; None where the file system has no locks, which is said."""
    while True:
        file = path.open("a+b", buffering=0)
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno not in NO_LOCKS:
                raise ValueError(
                    f"{path.parent} is in use: {holder} trains in it; wait for it, or choose another --work-dir"
                ) from None
            print(f"note: {path.parent} cannot be locked here: start no second training in it", file=sys.stderr)
            return None
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # it was let go of, and removed, between the opening and the lock
    with suppress(OSError):  # what it says is only for messages
        file.truncate(0)
        about = {"process": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M")}
        file.write(json.dumps(about).encode())
    return file


def _give_back(path: Path, file: FileIO) -> None:
    """Remove the lock's file. Windows removes no open file; whoever opens this one meanwhile keeps it."""
    if WINDOWS:
        file.close()
        with suppress(OSError):
            path.unlink()
    else:
        path.unlink(missing_ok=True)  # before it is let go of
        file.close()


def _holder(file: FileIO) -> str:
    try:
        file.seek(0)
        about = parsed_json(file.read(1000).decode(), "the lock")
        return plain_name(f"process {about['process']} on {about['host']}, since {about['since']},")
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def _lock(file: FileIO) -> None:
    """Lock this handle of the file: reading the file by another handle, in this process too, changes nothing.

    A forked process closes its copy: a worker that outlives this process must not keep the lock.
    """
    if WINDOWS:
        import msvcrt

        # It locks from the present place on, and a locked byte cannot be read: the same one for all, behind the text.
        file.seek(BEHIND_THE_TEXT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.register_at_fork(after_in_child=file.close)
