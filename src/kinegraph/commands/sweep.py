"""kinegraph sweep: options drawn by optuna, each trial trained and measured on folds of the training part."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinegraph.atomic import write_atomic
from kinegraph.commands.arguments import parse
from kinegraph.commands.configs import find_config
from kinegraph.commands.crossval import part_words
from kinegraph.commands.crossval import words as words
from kinegraph.commands.signature import check_numbers, check_ranges
from kinegraph.commands.train import train
from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.messages import counted, first_few
from kinegraph.report.study_page import StudyFacts, TrialRow, write_study_page
from kinegraph.training.commands import Commands, threads_each
from kinegraph.training.crossval import Fold, Job, folds_of
from kinegraph.training.options import TrainOptions
from kinegraph.training.search import Space, read_search
from kinegraph.training.setup import check_together
from kinegraph.training.study import (
    ERROR,
    FOLD,
    RUN,
    Plan,
    check_optuna,
    count,
    importance,
    open_storage,
    open_study,
    run_study,
    shown_place,
)

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

FOLDS = 3
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "under way", "WAITING": "waiting"}
NEVER = 10**9  # epochs from one validation to the next: only after the last
OWN = ("dataset", "split", "work_dir", "resume", "overwrite", "validate", "validate_every", "report", "plugins")


def sweep(
    config: Path,
    *,
    search: list[str],
    dataset: Path | None = None,
    trials: int = 20,
    storage: str | None = None,
    name: str | None = None,
    out: Path | None = None,
    split: str | None = None,
    by: str = "subject",
    folds: int | Literal["leave-one-out"] = FOLDS,
    processes: int = 1,
    prune: bool = True,
    seed: int = 0,
    train_options: list[str] | None = None,
) -> None:
    """Search options of a config: optuna draws them, each trial is trained and measured on folds of the training part.

    The clips of the test part are not used. A call that was interrupted goes on where it was, and several calls on one
    --storage, on one machine or several, share the trials. What follows -- are options of `kinegraph train`, for all.

    Args:
        config: the YAML file to train with, or the name of a config that comes with Kinegraph.
        search: what to draw, such as optimizer.lr=log(1e-4,1e-2) model.dropout=float(0,0.5) epochs=int(20,80)
            batch_size=choice(8,16,32); or a YAML file with a line each.
        dataset: another dataset folder than the config's.
        trials: how many in all, with those that the study has already.
        storage: SQLite file that keeps the study, by default study.db in --out; or the address of a database, such as
            postgresql://user@host/sweeps, for several machines.
        name: of the study in the storage, by default the config's.
        out: folder of the runs, the best config and the page; by default runs/sweep_CONFIG.
        split: whose part "train" is divided, by default the config's.
        by: attribute whose values stay together in a fold, such as subject or camera; clip divides single clips.
        folds: how many trainings a trial is, or leave-one-out. A trial's score is their mean.
        processes: trials at a time; the machine's cores are divided among them.
        prune: stop trials that are worse than the median of the others at the same epoch: by the figure of the
            validation, or by the loss in training where the config says `validate: false`.
        seed: decides what is drawn.
        train_options: words for `kinegraph train`; easier to give after --.

    Examples:
        kinegraph sweep configs/small_data.yaml --dataset MINE --search "optimizer.lr=log(1e-4,1e-2)"
        kinegraph sweep configs/small_data.yaml --dataset MINE --search space.yaml --trials 50 --processes 4
    """
    check_optuna()
    check_numbers(trials=trials, processes=processes)
    check_numbers(0, seed=seed)
    if isinstance(folds, int) and folds < 2:
        raise ValueError(f"--folds is {folds}, expected at least 2, or leave-one-out")
    space, given = read_search(search), train_options or ()
    config = find_config(config)
    options = _checked(config, [*given, *part_words(dataset, split)], space)
    folder = open_dataset(dataset or options.dataset, check_values=True)
    base = split or options.split
    parts = _folds(folder, by, folds, base)
    out = out or Path("runs") / f"sweep_{config.stem}"
    about = {
        "config": config.read_text(encoding="utf-8"),
        "options": list(given),
        "dataset": folder.checksum,
        "folds": [fold.split for fold in parts],
        "search": {key: str(value) for key, value in space.items()},
    }
    place = storage or str(out / "study.db")
    study = open_study(open_storage(place), name or config.stem, about, prune)
    if not study.trials and any(out.glob("trial*")):
        raise ValueError(f"{out} has trials of another study; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    plugins = list(map(str, options.plugins or ()))
    validation = ["--validate"] if options.validate else ["--validate", f"--validate-every={NEVER}"]

    def jobs(place: Path, drawn: Sequence[str]) -> list[Job]:
        return [
            Job(f"fold {fold.number}", config, folder.path, fold.split, options.seed, place / f"fold{fold.number}",
                [*given, *drawn], validation, plugins)
            for fold in parts
        ]  # fmt: skip

    plan = Plan(space, jobs, out, trials, options.monitor, not options.validate, prune, seed)
    _introduce(folder, plan, base, by, parts, count(study))
    commands = Commands(threads_each(processes))
    run_study(study, plan, commands, processes, lambda trial: print(_line(trial, plan), flush=True))
    clips = f"part 'train' of split '{base}' of {folder.path}: {sum(len(part.indices) for part in parts):,} clips"
    facts = {"dataset": folder.path, "clips": clips, "folds": f"{len(parts)} by {by}", "config": config}
    facts |= {"study": f"{study.study_name} in {shown_place(place)}", "options of train": " ".join(given)}
    _conclude(study, plan, config, given, base, facts | {key: str(value) for key, value in space.items()})


def _checked(config: Path, given: Sequence[str], space: Space) -> TrainOptions:
    """The config's options. Raises ValueError where it, or a value that may be drawn, is wrong."""
    if own := [key for key in space if key.partition(".")[0] in OWN]:
        raise ValueError(f"--search {own[0]}: a sweep decides that itself")
    first = [f"--{key}={values.ends()[0]}" for key, values in space.items()]
    for key, values in space.items():
        for value in values.ends():
            drawn = parse(train, [str(config), *given, *first, f"--{key}={value}"], from_config=True)["options"]
            check_ranges(drawn)
            check_together(drawn)
    return parse(train, [str(config), *given], from_config=True)["options"]


def _folds(folder: SkeletonDataset, by: str, count: int | str, base: str) -> list[Fold]:
    """The folds of the training part of a split: as many as there are subjects, where these are fewer."""
    if base not in folder.splits:
        raise ValueError(
            f"the split is '{base}', expected one of the dataset's: {', '.join(folder.splits)}; --split names it"
        )
    if isinstance(count, int) and by in folder.attributes:
        inside = folder.indices(base, "train")
        count = min(count, max(len(set(folder.attributes[by][inside].tolist())), 2))
    return folds_of(folder, by, count, base)


def _introduce(folder: SkeletonDataset, plan: Plan, base: str, by: str, parts: Sequence[Fold], there: int) -> None:
    """Print what is searched, on which clips, and which are left alone."""
    inside = folder.indices(base, "train")
    print(f"{counted(plan.wanted, 'trial')} in {plan.out}" + (f", {there:,} are there already" if there else ""))
    for key, values in plan.space.items():
        print(f"  {key} = {values}")
    print(
        f"each is trained on {len(parts)} folds by {by} of the part 'train' of split '{base}', {len(inside):,} clips; "
        f"the other {len(folder) - len(inside):,} clips are not used"
    )
    print(f"score: the mean of {plan.figure} over the folds, after the last epoch")
    if plan.prune:
        by_what = "the loss in training, as the config does not validate" if plan.by_loss else plan.figure
        print(f"pruned: a trial that is worse than the median of the others at the same epoch, by {by_what}")
    print(end="", flush=True)


def _line(trial: "FrozenTrial", plan: Plan) -> str:
    """A trial in a line."""
    drawn = ", ".join(f"{key} {_short(value)}" for key, value in trial.params.items())
    ended = {"COMPLETE": f"{plan.figure} {trial.value or 0:.4f}", "PRUNED": "pruned"}.get(trial.state.name)
    if ended is None:
        ended = trial.user_attrs.get(ERROR) or "was stopped, and will be tried again"
    return f"trial {trial.number} ({drawn}): {ended}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _conclude(
    study: "Study", plan: Plan, config: Path, given: Sequence[str], base: str, about: Mapping[str, object]
) -> None:
    """Write the best config and the page. Raises ValueError where no trial has a score, behind the page."""
    trials = [trial for trial in study.trials if RUN in trial.user_attrs]
    best = max((trial for trial in trials if trial.value is not None and trial.state.name == "COMPLETE"), default=None,
               key=lambda trial: (trial.value, -trial.number))  # fmt: skip
    text = ""
    if best is not None:
        drawn = [f"--{key}={value}" for key, value in best.params.items()]
        call = [str(config), *given, *drawn, f"--dataset={about['dataset']}", f"--split={base}"]
        text = parse(train, call, from_config=True)["config_text"]
        write_atomic(plan.out / "best.yaml", text.encode())
        print(f"best: {_line(best, plan)}")
        print(f"best config: {plan.out / 'best.yaml'}")
    rows = [_row(trial) for trial in trials]
    facts = StudyFacts(f"Sweep of {config.stem}", plan.figure, rows, importance(study), about, text)
    print(f"page: {write_study_page(plan.out / 'report.html', facts)}")
    if best is None:
        reasons = [trial.user_attrs[ERROR] for trial in trials if ERROR in trial.user_attrs]
        raise ValueError(f"no trial has a score: {first_few(reasons, 1) or 'all were pruned'}")
    print("the clips outside of the folds were not used: train with the best config, and test it once")


def _row(trial: "FrozenTrial") -> TrialRow:
    state = STATES.get(trial.state.name, "stopped")
    remark = trial.user_attrs.get(ERROR, "")
    if remark:
        state = "failed"
    elif state == "pruned" and trial.last_step is not None:
        fold, epoch = divmod(trial.last_step, FOLD)
        remark = f"fold {fold + 1}, epoch {epoch}"
    score = trial.value if state == "complete" else None
    return TrialRow(trial.number, state, score, trial.params, remark)
