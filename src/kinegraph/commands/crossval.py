"""kinegraph crossval: every clip is tested once, by a network that was trained on other subjects."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Column, Table

from kinegraph.atomic import write_atomic
from kinegraph.commands import crossval_frames
from kinegraph.commands.arguments import read_config
from kinegraph.commands.configs import find_config
from kinegraph.commands.signature import check_numbers
from kinegraph.commands.train import train
from kinegraph.data.dataset import SkeletonDataset, open_dataset
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import FEWEST_GROUPS, group_intervals, remarks
from kinegraph.evaluation.results import read_result
from kinegraph.evaluation.timelines import TimelineEvaluation
from kinegraph.messages import counted, first_few
from kinegraph.report.html import About
from kinegraph.report.write import write_report
from kinegraph.safe_io import read_json
from kinegraph.training.commands import Commands, threads_each
from kinegraph.training.crossval import OF_FRAMES, RESULT, Fold, Job, folds_of, run_jobs

ABOUT, RUNS = "crossval.json", "seed*/fold*"  # what the runs are of, and their folders
SHOWN = ("top1", "mean_class_accuracy")
COLUMNS = ("seed", "fold", "split", "clips")
Tested = Evaluation | TimelineEvaluation
Row = tuple[int, Fold, Tested]  # the seed of a network, its fold, what it says of that


def words(argv: Sequence[str]) -> list[str]:
    """The words of the command line; what follows `--` is for `kinegraph train`."""
    if "--" not in argv:
        return list(argv)
    place = list(argv).index("--")
    return [*argv[:place], f"--train-options={json.dumps(list(argv[place + 1 :]))}"]


def crossval(
    config: Path,
    *,
    dataset: Path | None = None,
    by: str = "subject",
    folds: int | Literal["leave-one-out"] | None = None,
    seeds: int = 1,
    split: str | None = None,
    out: Path | None = None,
    processes: int = 1,
    train_options: list[str] | None = None,
    overwrite: bool = False,
) -> "CrossValidation":
    """Train and test one network a fold: every clip is tested once, by a network that did not see its subject.

    A call that was interrupted goes on where it was. What follows -- are options of `kinegraph train`, for all folds.

    Args:
        config: the YAML file to train with, or the name of a config that comes with Kinegraph.
        dataset: another dataset folder than the config's.
        by: attribute whose values stay together in a fold, such as subject or camera; clip divides single clips.
        folds: how many parts, by default 5, or one for each subject where there are fewer; or leave-one-out.
        seeds: networks for each fold, with the seeds 0, 1 and so on.
        split: only the part "train" of this split is divided, its other clips stay unseen.
        out: folder of the runs and of the report, by default runs/crossval_CONFIG.
        processes: networks trained at a time; the machine's cores are divided among them.
        train_options: words for `kinegraph train`; easier to give after --.
        overwrite: begin anew, where the folder has folds of other options.

    Examples:
        kinegraph crossval configs/small_data.yaml --dataset MINE --by subject
        kinegraph crossval configs/small_data.yaml --dataset MINE --folds leave-one-out --seeds 3 --processes 4
        kinegraph crossval configs/small_data.yaml --dataset MINE --split xsub -- --epochs 30
    """
    check_numbers(seeds=seeds, processes=processes)
    if isinstance(folds, int) and folds < 2:
        raise ValueError(f"--folds is {folds}, expected at least 2, or leave-one-out")
    config = find_config(config)
    asked = [*(train_options or ()), *part_words(dataset, "folds")]  # each fold is a split of its own
    options = read_config(train, config, asked)  # wrong options fail here, not in the first fold
    if options.early_stop is not None:
        raise ValueError(
            "early_stop would choose the epoch by the clips that are tested: leave it out of a cross-validation, or "
            "give -- --early-stop null"
        )
    folder = open_dataset(dataset or Path(str(options.dataset)), check_values=True)
    if (of_frames := folder.segments is not None) != (options.task == "frames"):
        found, words = ("long recordings", "--task frames") if of_frames else ("clips of one label", "--task clips")
        raise ValueError(f"{folder.path} has {found}: give -- {words}, or a config with this task")
    parts, plugins = folds_of(folder, by, folds, split), list(map(str, options.plugins or ()))
    out = out or Path("runs") / f"crossval_{config.stem}"
    about = {"config": config.read_text(encoding="utf-8"), "options": train_options or [], "dataset": folder.checksum}
    _check_folder(out, about | {"folds": [fold.split for fold in parts]}, overwrite)

    def job(fold: Fold, seed: int) -> Job:
        run = out / f"seed{seed}" / f"fold{fold.number}"
        name = f"fold {fold.number}, seed {seed}"
        where = folder.path, fold.split, seed, run
        return Job(name, config, *where, train_options or (), plugins=plugins, of_frames=of_frames)

    jobs = {job(fold, seed): fold for seed in range(seeds) for fold in parts}
    processes = min(processes, len(jobs))
    what = f"{len(parts)} folds by {by}, {counted(seeds, 'seed')}"
    print(f"{what}: {counted(len(jobs), 'network')} in {out}, {processes} at a time", flush=True)

    def done(job: Job) -> None:
        print(_line(job, jobs[job], _tested(folder, job, jobs[job])), flush=True)

    run_jobs(Commands(threads_each(processes)), list(jobs), processes, done)
    return _conclude(folder, jobs, out, what, about["config"], by)


def part_words(dataset: Path | None, split: str | None) -> list[str]:
    """Dataset and split of a command as words for `train`, whose config need not name them."""
    given = {"dataset": dataset, "split": split}
    return [f"--{name}={value}" for name, value in given.items() if value is not None]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What the networks of all folds say.

    folds: one row per fold, as columns: `pandas.DataFrame(result.folds)`. evaluation: of all clips, or timelines of all
    long recordings, by the networks of the first seed; evaluations: one for each seed.
    """

    folder: Path
    folds: dict[str, list[Any]]
    evaluations: Sequence[Tested]
    summary: Sequence[str]
    report: Path

    @property
    def evaluation(self) -> Tested:
        return self.evaluations[0]

    def __repr__(self) -> str:
        return f"CrossValidation({str(self.folder)!r}: {'; '.join(self.summary)})"


def _check_folder(out: Path, about: dict, overwrite: bool) -> None:
    """Note in the folder what it is for. Raises ValueError where it is for something else."""
    if (out / ABOUT).is_file() and any(out.glob(f"{RUNS}/log.jsonl")) and not overwrite:
        before = read_json(out / ABOUT)
        differ = [key for key in about if not isinstance(before, dict) or before.get(key) != about[key]]
        if differ:
            raise ValueError(f"{out} has folds of other {' and '.join(differ)}: choose another --out, or --overwrite")
    elif out.exists() and not (out / ABOUT).is_file() and any(out.iterdir()):
        raise ValueError(f"{out} holds something else: choose another --out")
    elif (out / ABOUT).is_file() and overwrite:
        kept = (RESULT, OF_FRAMES, "checkpoints/last.ckpt")
        for file in (file for name in kept for file in out.glob(f"{RUNS}/{name}")):
            file.unlink()
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / ABOUT, json.dumps(about, indent=1).encode())


def _tested(folder: SkeletonDataset, job: Job, fold: Fold) -> Tested:
    """What the network of a job said of its fold."""
    if job.of_frames:
        return crossval_frames.tested(folder, job, fold)
    scores = read_result(job.result).scores
    if len(scores) != len(fold.indices):
        raise ValueError(f"{job.result} has {len(scores)} clips, the fold {len(fold.indices)}; delete {job.run}")
    return _evaluation(folder, fold.indices, scores, fold.split)


def _evaluation(folder: SkeletonDataset, indices: np.ndarray, scores: np.ndarray, split: str) -> Evaluation:
    names = [folder.names[i] for i in indices]
    about = {"split": split, "source": folder.source, "folder": folder, "indices": indices}
    return Evaluation(scores, folder.label[indices], names, folder.class_names, **about)


def _shown(tested: Tested) -> Sequence[str]:
    return SHOWN if isinstance(tested, Evaluation) else crossval_frames.SHOWN


def _several(tested: Tested, count: int) -> str:
    """So many clips, or recordings."""
    return counted(count, "clip" if isinstance(tested, Evaluation) else "recording")


def _line(job: Job, fold: Fold, tested: Tested) -> str:
    figures = ", ".join(f"{name} {tested.metrics[name]:.4f}" for name in _shown(tested))
    return f"{job.name} ({_groups(fold, tested)}): {figures}"


def _groups(fold: Fold, tested: Tested) -> str:
    clips = _several(tested, len(fold.indices))
    return f"{first_few(fold.groups, 6)}; {clips}" if fold.groups else clips


def _conclude(
    folder: SkeletonDataset, jobs: Mapping[Job, Fold], out: Path, what: str, config: str, by: str
) -> CrossValidation:
    """The table of the folds, and a report on all clips as the networks of the first seed answer."""
    rows, pooled = list[Row](), list[Tested]()
    for seed in sorted({job.seed for job in jobs}):
        own = {job: fold for job, fold in jobs.items() if job.seed == seed}
        tested = [_tested(folder, job, fold) for job, fold in own.items()]
        pooled.append(_together(folder, list(own.values()), tested, what))
        rows += [(seed, fold, evaluation) for fold, evaluation in zip(own.values(), tested, strict=True)]
    write_atomic(out / "folds.csv", _csv(rows))
    _show(rows, pooled)
    intervals, means = _intervals(folder, pooled, by)
    lines = [_summary(name, rows, pooled, intervals.get(name)) for name in _shown(pooled[0])]
    print("\n".join([*lines, means]))
    about = {"dataset": str(folder.path), "networks": len(rows)} | dict(line.split(": ", 1) for line in lines)
    report = _written(out, pooled[0], folder, About(config, about, title="Cross-validation report"))
    print(f"report: {report}")
    columns = [*COLUMNS, *_shown(pooled[0])]
    table = {name: list(column) for name, column in zip(columns, zip(*map(_row, rows), strict=True), strict=True)}
    return CrossValidation(out, table, pooled, lines, report)


def _together(folder: SkeletonDataset, folds: Sequence[Fold], tested: Sequence[Tested], what: str) -> Tested:
    """What the networks of one seed say of all clips, in dataset order."""
    clips = [evaluation for evaluation in tested if isinstance(evaluation, Evaluation)]
    if not clips:
        of_frames = [evaluation for evaluation in tested if isinstance(evaluation, TimelineEvaluation)]
        return crossval_frames.together(folder, of_frames)
    indices = np.concatenate([fold.indices for fold in folds])
    order = np.argsort(indices)
    return _evaluation(folder, indices[order], np.concatenate([evaluation.scores for evaluation in clips])[order], what)


def _written(out: Path, first: Tested, folder: SkeletonDataset, about: About) -> Path:
    """Write results and page, print what is to be known of the figures. Returns the page's path."""
    if isinstance(first, TimelineEvaluation):
        return crossval_frames.write(out, first, folder, about)
    for line in remarks(first.scores, first.labels, folder.class_names):
        print(f"warning: {line}")
    return write_report(out / "result.pkl", first, about)["report"]


def _show(rows: Sequence[Row], pooled: Sequence[Tested]) -> None:
    shown, clips = _shown(pooled[0]), sum(len(fold.indices) for seed, fold, _ in rows if seed == rows[0][0])
    table = Table("seed", "fold", "tested", *(Column(name, min_width=len(name)) for name in shown))
    for seed, fold, evaluation in rows:
        figures = [f"{evaluation.metrics[name]:.4f}" for name in shown]
        table.add_row(str(seed), str(fold.number), _groups(fold, evaluation), *figures)
    for seed, evaluation in enumerate(pooled):
        figures = [f"{evaluation.metrics[name]:.4f}" for name in shown]
        table.add_row(str(seed), "all", _several(evaluation, clips), *figures)
    Console(highlight=False, soft_wrap=True).print(table)


def _intervals(
    folder: SkeletonDataset, pooled: Sequence[Tested], by: str
) -> tuple[dict[str, tuple[float, float]], str]:
    """95 % intervals over subjects, or what else divides the clips; and what the figures mean, in words."""
    deviation, first = "± is the standard deviation of folds", pooled[0]
    clips = [evaluation for evaluation in pooled if isinstance(evaluation, Evaluation)]
    if by == "clip" and clips:
        return clips[0].intervals, f"[95 % interval, by drawing clips again]; {deviation}"
    names = first.names if isinstance(first, Evaluation) else [timeline.name for timeline in first.timelines]
    values = folder.names if by == "clip" else folder.attributes[by]
    groups = np.array([str(values[folder.names.index(name)]) for name in names])
    if (count := len({*groups.tolist()})) < FEWEST_GROUPS:
        return {}, f"{deviation}; {count} values of {by} are too few for an interval"
    if clips:
        hits = np.mean([evaluation.right for evaluation in clips], axis=0)
        counts = [evaluation.counts for evaluation in clips]
        predicted_only = float(np.mean([(of.occurring & (of.clips == 0)).sum() for of in counts]))
        found = group_intervals(hits, clips[0].labels, groups, np.random.default_rng(0), predicted_only)
    else:
        of_frames = [evaluation for evaluation in pooled if isinstance(evaluation, TimelineEvaluation)]
        found = crossval_frames.intervals(of_frames, groups.tolist())
    return found, f"[95 % interval for others, by drawing the {count} values of {by} again]; {deviation}"


def _summary(name: str, rows: Sequence[Row], pooled: Sequence[Tested], interval: tuple[float, float] | None) -> str:
    """All clips together, and how much folds and seeds differ."""
    seeds, folds = [evaluation.metrics[name] for evaluation in pooled], [row.metrics[name] for _, _, row in rows]
    over = f" (seeds {min(seeds):.4f} to {max(seeds):.4f})" if len(seeds) > 1 else ""
    sure = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
    spread = f"folds {np.mean(folds):.4f} ± {np.std(folds, ddof=1):.4f}"
    all_of_them = "clips" if isinstance(pooled[0], Evaluation) else "recordings"
    return f"{name}: {np.mean(seeds):.4f} of all {all_of_them}{sure}{over}, {spread}"


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([*COLUMNS, *_shown(rows[0][2])])
    lines.writerows(map(_row, rows))
    return text.getvalue().encode("utf-8")


def _row(row: Row) -> list[Any]:
    seed, fold, evaluation = row
    figures = [evaluation.metrics[name] for name in _shown(evaluation)]
    return [seed, fold.number, fold.split, len(fold.indices), *figures]
