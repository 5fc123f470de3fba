"""Cross-validation: a training and a test for each fold, as commands of their own, several at a time.

Each fold is a run folder like any other, on a split such as "subject=5,6" (`data.folds`). What is finished is kept:
a second call does what is left.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.folds import FOLD, folds, listed
from kinegraph.messages import counted, did_you_mean, quoted
from kinegraph.training.commands import Commands

FOLDS, LEAVE_ONE_OUT = 5, "leave-one-out"
RESULT = "test/result.pkl"
OF_FRAMES = "test/probabilities.npz"  # the result on long recordings


@dataclass(frozen=True, eq=False)
class Fold:
    """One part of the clips, tested by a network that is trained on the others.

    split: its name, as train and test take it. groups: the subjects, or what else the clips are divided by.
    """

    number: int
    split: str
    groups: tuple[str, ...]
    indices: Int[np.ndarray, "clips"]


def folds_of(folder: SkeletonDataset, by: str, count: int | str | None, base: str | None) -> list[Fold]:
    """Divide the clips by an attribute such as "subject", or by "clip".

    count: how many folds; by default 5, or one for each value where there are fewer; "leave-one-out": one for each
    value. base: a split of whose training part the folds are; by default they are of all clips. Raises ValueError where
    the clips cannot be divided so.
    """
    inside = folder.indices(base, "train") if base else np.arange(len(folder))
    unlabelled = (folder.label[inside] < 0) & (folder.segments is None)
    if unlabelled.any():  # before the first fold is trained, not at the test of the last
        raise ValueError(f"{folder.path}: clip '{folder.names[inside[unlabelled.argmax()]]}' has no label")
    prefix = f"{base}/" if base else ""
    if by == "clip":
        if count == LEAVE_ONE_OUT:
            raise ValueError(f"--folds {count} is for subjects and other attributes; give a number for --by clip")
        count = int(count or min(FOLDS, len(inside)))
        if count > len(inside):
            raise ValueError(f"--folds is {count}, but there are {counted(len(inside), 'clip')}; give at most so many")
        fold = folds(folder.label[inside], count=count)
        names = [(f"{FOLD}={i + 1}/{count}", ()) for i in range(count)]
    else:
        values = _values(folder, by, inside)
        known = set(values.tolist())
        count = len(known) if count == LEAVE_ONE_OUT else int(count or min(FOLDS, len(known)))
        if count > len(known):
            raise ValueError(
                f"--folds is {count}, but the clips have {len(known)} values of {by}; give at most so many"
            )
        fold = folds(folder.label[inside], values, count)
        groups = [sorted(set(values[fold == i].tolist()), key=_by_number) for i in range(count)]
        names = [(f"{by}={listed(group)}", tuple(group)) for group in groups]
    return [Fold(i + 1, f"{prefix}{name}", group, inside[fold == i]) for i, (name, group) in enumerate(names)]


def _values(folder: SkeletonDataset, by: str, inside: Int[np.ndarray, "n"]) -> Shaped[np.ndarray, "n"]:
    """The attribute of some clips, as texts. Raises ValueError where they cannot be divided by it."""
    if by not in folder.attributes:
        hint = did_you_mean(by, folder.attributes) or f"; there are {', '.join([*folder.attributes, 'clip'])}"
        raise ValueError(f"the clips of {folder.path} have no {quoted(by)} to divide them by{hint}")
    values = np.array(list(map(str, folder.attributes[by][inside].tolist())))
    if (unknown := values == "").any():  # they may be anybody's: of training and test at once
        first, many = folder.names[inside[unknown.argmax()]], counted(int(unknown.sum()), "clip")
        raise ValueError(f"{many} of {folder.path}, the first is '{first}', do not say their {by}; --by clip divides")
    if len(set(values.tolist())) < 2:
        raise ValueError(f"all clips have {by} {quoted(values[0])}: there is nothing to hold out; --by clip divides")
    return values


def _by_number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (sys.maxsize, text)


@dataclass(frozen=True, eq=False)
class Job:
    """One network: trained on the part "train" of a split and tested on the other, in a run folder.

    name: for messages. options: further words for `kinegraph train`. validation: options that say when to validate.
    plugins: files with classes of the user's own, which the test needs, too. of_frames: tested on long recordings.
    """

    name: str
    config: Path
    dataset: Path
    split: str
    seed: int
    run: Path
    options: Sequence[str] = ()
    validation: Sequence[str] = ("--no-validate",)
    plugins: Sequence[str] = ()
    of_frames: bool = False

    @property
    def result(self) -> Path:
        return self.run / (OF_FRAMES if self.of_frames else RESULT)

    def training(self) -> list[str]:
        """The words of the training. An interrupted run is resumed; a finished one ends at once."""
        more = "--resume" if (self.run / "checkpoints/last.ckpt").is_file() else "--overwrite"
        part = ["--dataset", str(self.dataset), "--split", self.split, "--seed", str(self.seed)]
        place = ["--work-dir", str(self.run), more, *self.validation, "--no-report"]
        return ["train", str(self.config), *self.options, *part, *place]

    def test(self) -> list[str]:
        """The words of its test."""
        files = self.run / "config.yaml", self.run / "checkpoints/last.safetensors"
        plugins = ["--plugins", *self.plugins] if self.plugins else []
        return ["test", *map(str, files), "--dataset", str(self.dataset), "--out", str(self.result.parent), *plugins]


def run_jobs(commands: Commands, jobs: Sequence[Job], processes: int, done: Callable[[Job], None]) -> None:
    """Do the jobs that have no result yet, `processes` at a time; `done` is called for each when it has one.

    Raises ValueError with the last line of a command that failed; the others are stopped.
    """
    commands.side_by_side(processes, [partial(_one, commands, job, done) for job in jobs])


def _one(commands: Commands, job: Job, done: Callable[[Job], None]) -> None:
    for words in (job.training(), job.test()):
        if job.result.is_file():
            break
        ended = commands.run(words)
        if ended and ended.code and not commands.stopped.is_set():
            raise ValueError(f"{job.name}: {ended.says}")
    if not commands.stopped.is_set():
        done(job)
