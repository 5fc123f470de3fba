"""Clips of classes that a trained network does not know: how many get one of its classes as answer, by four measures.

    python bench/unknown_trained.py configs/small_data.yaml [--sets PATTERN] [--draws 1] [--steps 1000]

A third of the classes of each set is left out, another one in each draw, and the recipe is trained on the others of the
training part. The table has the share of the test clips of left-out classes that lie above the value that 90 % of the
test clips of known ones reach (false accepts), and AUROC. Networks and vectors are kept in --out.
"""

import argparse
import os
import re
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import yaml
from accuracy_sets import SETS, SPLIT, prepared
from few_clips_unknown import ACCEPTED, SHRINKAGE

from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.inference.predictor import predictor_of
from kinegraph.training.commands import Commands
from kinegraph.training.crossval import Job, run_jobs

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(
        "unknown_trained", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--sets", default="", metavar="PATTERN", help="only sets whose name matches")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path("bench_unknown"))
    options = parser.parse_args()
    for name in (it for it in SETS if re.search(options.sets, it)):
        prepared(name, options.shared, options.out / "sets")
        rows = [measured(described(name, draw, options)) for draw in range(options.draws)]
        for measure in rows[0]:
            print(
                f"{name:14} {measure:12} "
                + " ".join(f"{100 * it:6.1f}" for it in np.mean([r[measure] for r in rows], 0))
            )


def described(name: str, draw: int, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Vectors (N, D) and classes of training and test clips, -1 for classes left out, and the head of the network."""
    title = f"{options.recipe.stem}-{options.steps}steps-{name}-{draw}"
    path = options.out / "vectors" / f"{title}.npz"
    if not path.is_file():
        folder = open_dataset(options.out / "sets" / name)
        classes = len(folder.class_names)
        known = np.sort(np.random.default_rng(draw).permutation(classes)[classes // 3 :])
        run = trained(title, known_clips(folder, known, options.out / "known" / f"{name}-{draw}"), options)
        predictor = predictor_of(run / "checkpoints" / "last.safetensors")
        found = {}
        for part in ("train", "test"):
            places = folder.indices(SPLIT, part)
            found[part] = np.stack([predictor.describe([predictor.fit(folder[i])])[0].mean(0) for i in places])
            labels = folder.label[places]
            found[f"{part}_class"] = np.where(np.isin(labels, known), np.searchsorted(known, labels), -1)
        head = predictor.network.head
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, weight=head.weight.detach().numpy(), bias=head.bias.detach().numpy(), **found)
    with np.load(path) as file:
        return {key: value.astype(np.float64) if value.dtype.kind == "f" else value for key, value in file.items()}


def known_clips(folder, known: np.ndarray, path: Path) -> Path:
    """A dataset folder of the clips of some classes."""
    if not (path / "dataset.json").is_file():
        places = [*folder.indices(SPLIT, "train"), *folder.indices(SPLIT, "test")]
        kept = [i for i in places if folder.label[i] in known]
        clips = (replace(folder[i], label=int(np.searchsorted(known, folder.label[i]))) for i in kept)
        about = {"class_names": [folder.class_names[i] for i in known], "units": folder.units, "source": folder.source}
        write_dataset(path, clips, layout=folder.layout, **about)
    return path


def trained(title: str, data: Path, options: argparse.Namespace) -> Path:
    """The folder of a run of so many steps."""
    run, read = options.out / "runs" / title, yaml.safe_load(options.recipe.read_text())
    if not (run / "checkpoints" / "last.safetensors").is_file():
        clips = len(open_dataset(data).indices(SPLIT, "train")) * read.get("repeat", 1)
        epochs = max(1, round(options.steps / -(-clips // read["batch_size"])))
        job = Job(title, options.recipe, data, SPLIT, 0, run, ["--epochs", str(epochs)])
        run_jobs(Commands(threads=1), [job], 1, lambda job: None)
    return run


def measured(found: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Of each measure false accepts and AUROC; last how many known clips are answered right."""
    known = found["test_class"] >= 0
    logits = found["test"] @ found["weight"].T + found["bias"]
    result = {}
    for name, values in measures(found, logits).items():
        yes, no = values[known], values[~known]
        result[name] = [(no >= np.quantile(yes, 1 - ACCEPTED)).mean(), (yes[:, None] > no[None]).mean()]
    return result | {"right": [(logits.argmax(1) == found["test_class"])[known].mean()]}


def measures(found: dict[str, np.ndarray], logits: np.ndarray) -> dict[str, np.ndarray]:
    """Of each test clip; larger is better known."""
    top = logits.max(1)
    energy = top + np.log(np.exp(logits - top[:, None]).sum(1))
    inside = found["train_class"] >= 0
    train, classes = found["train"][inside], found["train_class"][inside]
    centre = train.mean(0)
    a, b = (it / np.linalg.norm(it, axis=1, keepdims=True) for it in (found["test"] - centre, train - centre))
    means = np.stack([train[classes == it].mean(0) for it in range(logits.shape[1])])
    spread = train - means[classes]
    covariance = spread.T @ spread / len(spread)
    sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    root = np.linalg.cholesky(np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere))
    apart = (((found["test"] @ root)[:, None] - (means @ root)[None]) ** 2).sum(2)
    return {"probability": top - energy, "energy": energy, "neighbour": (a @ b.T).max(1), "mahalanobis": -apart.min(1)}


if __name__ == "__main__":
    main()
