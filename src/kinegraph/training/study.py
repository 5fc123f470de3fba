"""A sweep: trainings with drawn options, on folds of the training part. optuna draws, stops and remembers.

A trial is a folder of ordinary run folders, one a fold; its score is the mean over the folds of a figure after the last
epoch. What is drawn follows from the seed, the trial's number and the trials before it.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from time import sleep
from typing import TYPE_CHECKING, Any

from kinegraph.messages import did_you_mean, one_line
from kinegraph.safe_io import parsed_json
from kinegraph.training.commands import Commands
from kinegraph.training.crossval import Job
from kinegraph.training.search import Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

BEAT, GRACE = 10, 60  # seconds: a trial says so often that it is alive, and counts as killed after such a silence
TRIES = 4  # of a trial whose training is killed
STARTUP = 5  # trials drawn by chance, and without pruning, before optuna looks at what others reached
FOLD = 1_000_000  # of optuna's steps, which are epochs: where the next fold begins
ERROR, RUN = "error", "run"  # attributes of a trial: why its training failed, its folder
ABOUT = "about"  # attribute of a study: what it searches, on what


class Failed(Exception):
    """A training ended with an error: it would do so again."""


class Killed(Exception):
    """A training was ended from outside: the trial is tried again."""


class Surplus(Exception):
    """Another process began the last trial in the same moment."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is searched. jobs: a training for each fold, from the trial's folder and the drawn options.

    wanted: trials in all, with those of other calls and machines. figure: the one of a validation that is the score.
    by_loss: trials are pruned by the loss of an epoch, not by the figure.
    """

    space: Space
    jobs: Callable[[Path, Sequence[str]], Sequence[Job]]
    out: Path
    wanted: int
    figure: str
    by_loss: bool = False
    prune: bool = True
    seed: int = 0


def check_optuna() -> None:
    """Raises ValueError when it is not installed."""
    if find_spec("optuna") is None:
        raise ValueError("optuna is not installed: pip install 'kinegraph[sweep]'")


@contextmanager
def _plain() -> Iterator[None]:
    """optuna marks what is experimental by warnings; its faults as one line. Raises ValueError or OSError."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError) as error:
        raise ValueError(f"--storage: {one_line(getattr(error, 'orig', None) or error)}") from None


def open_storage(place: str) -> "RDBStorage":
    """The storage of studies: an SQLite file, made where it is missing, or the address of a database."""
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import OperationalError

    url = place
    if "://" not in place:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{place}"
    arguments = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    with _plain():
        again = RetryHeartbeatStaleTrialCallback(max_retry=TRIES - 1)
        options = {"heartbeat_interval": BEAT, "grace_period": GRACE, "heartbeat_stale_trial_callback": again}
        try:
            return RDBStorage(url, arguments, **options)
        except OperationalError:  # two processes that make the tables at once: the slower one has them now
            sleep(1)
            return RDBStorage(url, arguments, **options)


def shown_place(place: str) -> str:
    """The storage as it may be shown: without its password."""
    from sqlalchemy.engine import make_url

    return make_url(place).render_as_string() if "://" in place else place


def open_study(storage: "RDBStorage", name: str, about: Mapping[str, Any], prune: bool) -> "Study":
    """The study of that name, begun or gone on with. Raises ValueError where it is about something else."""
    import optuna

    with _plain():
        pruner = optuna.pruners.MedianPruner(STARTUP) if prune else optuna.pruners.NopPruner()
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
        )
        before = study.user_attrs.get(ABOUT)  # one attribute: another process may open the study in this moment
        if before is None and study.get_trials(deepcopy=False):
            raise ValueError(f"the study '{name}' in the storage is not of `kinegraph sweep`: give another --name")
        if before and (differ := [key for key in about if before.get(key) != about[key]]):
            raise ValueError(
                f"the study '{name}' in the storage has other {' and '.join(differ)}: give another --name or --out"
            )
        study.set_user_attr(ABOUT, dict(about))
        return study


# ---- trials ----------------------------------------------------------------------------------------------------------


def run_study(study: "Study", plan: Plan, commands: Commands, processes: int, done: Callable[[Any], None]) -> None:
    """Run trials, `processes` at a time, until the study has as many as are wanted; `done` is called after each."""
    with _plain():
        commands.side_by_side(processes, [partial(_trials, study, plan, commands, done)] * processes)


def _trials(shared: "Study", plan: Plan, commands: Commands, done: Callable[["FrozenTrial"], None]) -> None:
    """One trial after another. A study of its own, because the sampler belongs to the study."""
    import optuna
    from optuna.samplers import TPESampler
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    study = optuna.load_study(study_name=shared.study_name, storage=shared._storage, pruner=shared.pruner)

    def objective(trial: "Trial") -> float:
        if count(study, before=trial.number) >= plan.wanted:
            raise Surplus
        seed = (plan.seed * 1_000_003 + trial.number) % 2**32
        study.sampler = TPESampler(n_startup_trials=STARTUP, constant_liar=True, seed=seed)
        history = RetryHeartbeatStaleTrialCallback.retry_history(study.get_trials(deepcopy=False)[trial.number])
        return _score(trial, plan, commands, history)

    while not commands.stopped.is_set() and _is_open(study, plan.wanted, commands):
        study.optimize(objective, n_trials=1, catch=(Failed, Killed, Surplus), callbacks=[_after(done)])


def count(study: "Study", before: int | None = None) -> int:
    """Trials that count: those under way, with a score, pruned, and those that failed by their own fault."""
    trials = study.get_trials(deepcopy=False)[:before]
    return sum(trial.state.name in ("RUNNING", "COMPLETE", "PRUNED") or ERROR in trial.user_attrs for trial in trials)


def _is_open(study: "Study", wanted: int, commands: Commands) -> bool:
    """Whether there is a trial to begin; waits while all that are missing are under way, also on other machines."""
    import optuna

    while not commands.stopped.is_set():
        optuna.storages.fail_stale_trials(study)
        states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
        if "WAITING" in states or count(study) < wanted:
            return True
        if "RUNNING" not in states:
            return False
        commands.stopped.wait(1)
    return False


def _after(done: Callable[["FrozenTrial"], None]) -> Callable[["Study", "FrozenTrial"], None]:
    """What follows a trial: one that was killed, or stopped with the sweep, is put into the queue again."""

    def after(study: "Study", trial: "FrozenTrial") -> None:
        from optuna.storages import RetryHeartbeatStaleTrialCallback

        killed = trial.state.name == "FAIL" and ERROR not in trial.user_attrs and RUN in trial.user_attrs
        if killed:
            RetryHeartbeatStaleTrialCallback()(study, trial)
        if killed or RUN in trial.user_attrs:
            done(trial)

    return after


def _score(trial: "Trial", plan: Plan, commands: Commands, history: Sequence[int]) -> float:
    """Draw the options, train on each fold. Returns the mean figure. history: the trials that this one repeats."""
    from optuna.exceptions import TrialPruned

    options = [f"--{name}={values.drawn(trial, name)}" for name, values in plan.space.items()]
    folder = plan.out / f"trial{history[0] if history else trial.number:04}"
    trial.set_user_attr(RUN, folder.name)
    scores: list[float] = []
    for number, job in enumerate(plan.jobs(folder, options)):
        watch = _Watch(trial, plan, job.run / "log.jsonl", number * FOLD, tuple(scores))
        ended = commands.run(job.training(), watch.enough)
        if ended is None or (ended.code and commands.stopped.is_set()):
            raise Killed("the sweep was stopped")
        if watch.pruned:
            raise TrialPruned
        if ended.code < 0 and len(history) < TRIES - 1:
            raise Killed(ended.says)
        if ended.code:
            trial.set_user_attr(ERROR, ended.says)
            raise Failed(ended.says)
        figure = last_figure(job.run / "log.jsonl", plan.figure)
        watch.enough()
        scores.append(figure)
    return fmean(scores)


@dataclass(eq=False)
class _Watch:
    """Reports the course of a training to optuna, epoch by epoch."""

    trial: "Trial"
    plan: Plan
    log: Path
    first_step: int
    scores: Sequence[float]  # of the folds before
    reported: int = 0
    pruned: bool = False

    def enough(self) -> bool:
        """Whether the trial is worse than the median of those before it at the same epoch."""
        for epoch, value in course(self.log, self.plan.figure, self.plan.by_loss):
            if epoch > self.reported and not self.pruned:
                self.reported = epoch
                before = () if self.plan.by_loss else self.scores
                self.trial.report(fmean([*before, value]), self.first_step + epoch)
                self.pruned = bool(self.trial.should_prune())
        return self.pruned


def importance(study: "Study") -> dict[str, float]:
    """The share of each option, by PED-ANOVA; empty where there are too few trials, or nothing differs."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    complete = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(complete) < 2 * STARTUP or len({trial.value for trial in complete}) < 2:
        return {}
    with _plain():
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())


# ---- the log of a run ------------------------------------------------------------------------------------------------


def course(log: Path, figure: str, by_loss: bool) -> list[tuple[int, float]]:
    """Epochs and what a trial is pruned by: the figure of their validation, or minus their mean loss in training."""
    records = _records(log)
    if not by_loss:
        return [
            (record["epoch"], record[figure])
            for record in records
            if record["mode"] == "val" and record[figure] is not None
        ]
    losses: dict[int, list[float]] = {}
    for record in records:
        if record["mode"] == "train":
            losses.setdefault(record["epoch"], []).append(record["loss"])
    finished = max(losses, default=0)  # the last epoch may be under way
    return [(epoch, -fmean(values)) for epoch, values in losses.items() if epoch < finished]


def last_figure(log: Path, figure: str) -> float:
    """That of the last validation. Raises ValueError where there is none."""
    found = [record for record in _records(log) if record["mode"] == "val"]
    if not found or figure not in found[-1]:
        there = did_you_mean(figure, found[-1]) if found else ""
        raise ValueError(f"{log} has no validation with {figure}{there}")
    if found[-1][figure] is None:  # optuna would try again for ever
        raise ValueError(f"{log}: {figure} of the last validation could not be measured; choose another monitor")
    return found[-1][figure]


def _records(log: Path) -> list[dict[str, Any]]:
    """The lines of a log that is being written; the last one may be half a line."""
    if not log.is_file():
        return []
    text = log.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1].splitlines()
    records = (parsed_json(line, f"{log} line {i}") for i, line in enumerate(lines, 1))
    return [record for record in records if isinstance(record, dict)]
