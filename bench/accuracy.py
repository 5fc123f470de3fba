"""How well recipes do on all development sets: on folds of the training subjects, or on the test part.

    python bench/accuracy.py configs/small_data.yaml [MORE.yaml] [--sets PATTERN] [--seeds 3] [--folds 3] [--steps N]
        [--test]

A recipe is chosen by its mean over folds, sets and seeds; the test part is opened by --test alone, and each opening is
counted in the table. Results are kept in --out (default: bench_accuracy/), a JSON file a set, recipe and kind; what is
there is not trained again. Two processes with a core each by default. The sets lie in ../shared/data.
"""

import argparse
import hashlib
import json
import os
import re
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import yaml
from accuracy_sets import SETS, SPLIT, prepared

from kinegraph.atomic import write_atomic
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.about_result import read_evaluation
from kinegraph.evaluation.calibration import calibration
from kinegraph.training.commands import Commands
from kinegraph.training.crossval import Job, folds_of, run_jobs

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(
        "accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--sets", default="", metavar="PATTERN", help="only sets whose name matches")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="train for so many steps, by default as the recipe says")
    parser.add_argument("--test", action="store_true", help="train on the whole training part, measure the test part")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path("bench_accuracy"))
    options = parser.parse_args()
    names = [name for name in SETS if re.search(options.sets, name)]
    for name in names:
        prepared(name, options.shared, options.out / "sets")
    jobs = [job for recipe in options.recipes for name in names for job in jobs_of(recipe, name, options)]

    def done(job: Job) -> None:
        keep(job, options.out)
        print(f"{job.name}: {json.loads(kept(job, options.out).read_text())['top1']:.4f}", flush=True)

    left = [job for job in jobs if not kept(job, options.out).is_file()]
    run_jobs(Commands(threads=1), left, options.processes, done)
    if options.test and left:
        count_opening(options.out, [job.name for job in left])
    print(table(options.recipes, names, options))


def jobs_of(recipe: Path, name: str, options: argparse.Namespace) -> list[Job]:
    """The networks of a recipe on a set: one a fold and seed, or one a seed."""
    data = options.out / "sets" / name
    parts = {"test": SPLIT}
    if not options.test:
        found = folds_of(open_dataset(data), SETS[name].by, options.folds, SPLIT)
        parts = {f"fold{fold.number}of{len(found)}": fold.split for fold in found}
    title = recipe_name(recipe) + (f"-{options.steps}steps" if options.steps else "")
    place = options.out / "runs" / title / name

    def words(split: str) -> list[str]:
        if not options.steps:
            return []
        read, clips = yaml.safe_load(recipe.read_text()), len(open_dataset(data).indices(split, "train"))
        steps = -(-clips * read.get("repeat", 1) // read["batch_size"])  # of an epoch
        return ["--epochs", str(max(1, round(options.steps / steps)))]

    return [
        Job(f"{title} {name} {part} seed{seed}", recipe, data, split, seed, place / f"{part}_seed{seed}", words(split))
        for part, split in parts.items()
        for seed in range(options.seeds)
    ]


def recipe_name(recipe: Path) -> str:
    """A changed file is another recipe."""
    return f"{recipe.stem}-{hashlib.sha256(recipe.read_bytes()).hexdigest()[:6]}"


def kept(job: Job, out: Path) -> Path:
    return out / "results" / f"{job.name.replace(' ', '/')}.json"


def keep(job: Job, out: Path) -> None:
    """The figures of a network as JSON, without the paths of this machine."""
    evaluation, _ = read_evaluation(job.result)
    log = [json.loads(line) for line in (job.run / "log.jsonl").read_text().splitlines()]
    seconds = (job.run / "checkpoints" / "last.safetensors").stat().st_mtime - (job.run / "config.yaml").stat().st_ctime
    figures = evaluation.metrics | {
        "ece": calibration(evaluation.confidence, evaluation.right).error,
        "clips": len(evaluation.labels),
        "seconds": round(seconds),
        "recipe": job.config.read_text(encoding="utf-8"),
        "environment": {key: it for key, it in log[0].items() if key not in ("command", "dataset", "mode")},
    }
    path = kept(job, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(figures, indent=1, default=str).encode())


def count_opening(out: Path, names: list[str]) -> None:
    """Note that the test parts were looked at."""
    path = out / "openings.json"
    before = json.loads(path.read_text()) if path.is_file() else []
    write_atomic(
        path, json.dumps([*before, {"when": time.strftime("%Y-%m-%d %H:%M"), "networks": names}], indent=1).encode()
    )


def table(recipes: list[Path], names: list[str], options: argparse.Namespace) -> str:
    """A row a recipe: mean top-1 of each set, mean over sets of top-1, of class accuracy and of ECE, seconds."""
    lines = [f"| recipe | {' | '.join(names)} | mean | class | ECE | s a network |"]
    lines.append("|---" * (len(names) + 5) + "|")
    for recipe in recipes:
        rows = [
            [json.loads(kept(job, options.out).read_text()) for job in jobs_of(recipe, name, options)] for name in names
        ]
        top1 = [100 * np.mean([one["top1"] for one in row]) for row in rows]
        others = [
            np.mean([np.mean([one[key] for one in row]) for row in rows])
            for key in ("mean_class_accuracy", "ece", "seconds")
        ]
        cells = [
            *(f"{it:.1f}" for it in top1),
            f"**{np.mean(top1):.2f}**",
            f"{100 * others[0]:.1f}",
            f"{100 * others[1]:.1f}",
            f"{others[2]:.0f}",
        ]
        lines.append(f"| {recipe_name(recipe)} | {' | '.join(cells)} |")
    path = options.out / "openings.json"
    openings = len(json.loads(path.read_text())) if path.is_file() else 0
    what = "test part" if options.test else f"{options.folds} folds of the training part"
    return "\n".join([*lines, "", f"{what}, {options.seeds} seeds; the test parts were opened {openings} times"])


if __name__ == "__main__":
    main()
