"""How well classes of a few clips are known: by enrolment, by training the recipe, and by the nearest example.

    python bench/few_clips.py [--sets PATTERN] [--clips 1 5 20] [--draws 3] [--encoders any ui-prmd-20 MORE.safetensors]
        [--recipe configs/small_data.yaml --steps N]

So many clips of each class are drawn from the training part of each set, and all clips of the test part are answered.
Encoders that were trained on other joints get them by name and place (`few_clips_joints.py`); a dash stands where that
is impossible, and where the encoder was trained on the set. Vectors and results are kept in --out.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from accuracy_sets import SETS, SPLIT, prepared
from few_clips_joints import with_joints_of

from kinegraph import enroll, predict
from kinegraph.atomic import write_atomic
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.evaluation.about_result import read_evaluation
from kinegraph.inference.embedding import embeddings
from kinegraph.inference.predictor import predictor_of
from kinegraph.models.ridge import fit_head, log_probabilities
from kinegraph.models.weights import load_weights
from kinegraph.training.commands import Commands
from kinegraph.training.crossval import Job, run_jobs

ROOT = Path(__file__).parent.parent
TRAINED_ON = {"ui-prmd": "ui-prmd", "g3d": "g3d"}  # in the name of an encoder: beginnings of the names of sets


def main() -> None:
    parser = argparse.ArgumentParser(
        "few_clips", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default="", metavar="PATTERN", help="only sets whose name matches")
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 5, 20], help="of each class")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--encoders", nargs="+", default=["any", "ui-prmd-20"])
    parser.add_argument("--recipe", type=Path, help="also train this recipe on the same clips")
    parser.add_argument("--steps", type=int, help="of the recipe, by default as it says")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--sets-at", type=Path, help="folder of prepared sets, by default --out/sets")
    parser.add_argument("--out", type=Path, default=Path("bench_few_clips"))
    options = parser.parse_args()
    options.sets_at = options.sets_at or options.out / "sets"
    names = [name for name in SETS if re.search(options.sets, name)]
    for name in names:
        prepared(name, options.shared, options.sets_at)
    rows = {"nearest example": [neighbour(name, options) for name in names]}
    for encoder in options.encoders:
        title = f"enroll {Path(encoder).stem}"
        rows[title] = [enrolled(encoder, name, options) for name in names]
    if options.recipe:
        rows[options.recipe.stem] = [trained(name, options) for name in names]
    print(table(names, options.clips, rows))


def draw(labels: np.ndarray, train: np.ndarray, clips: int, seed: int) -> np.ndarray:
    """Numbers of `clips` training clips of each class, or of all that there are."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero((labels == it) & train))[:clips] for it in np.unique(labels[train])]
    )


def described(encoder: str, name: str, options: argparse.Namespace) -> dict[str, np.ndarray] | None:
    """Vectors of all clips of a set (N, views, D), their labels and whether they are of the training part."""
    path = options.out / "vectors" / f"{Path(encoder).stem}-{name}.npz"
    if not path.is_file():
        folder = open_dataset(options.sets_at / name)
        order = [*folder.indices(SPLIT, "train"), *folder.indices(SPLIT, "test")]
        labels, train = folder.label[order], np.arange(len(order)) < len(folder.indices(SPLIT, "train"))
        vectors = vectors_of(encoder, [folder[i] for i in order])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, vectors=np.zeros(0) if vectors is None else vectors, labels=labels, train=train)
    with np.load(path) as file:
        return dict(file) if file["vectors"].size else None


def vectors_of(encoder: str, clips: list) -> np.ndarray | None:
    """None where the joints of the encoder are not among those of the clips."""
    known = load_weights(encoder)
    if clips[0].keypoint.shape[3] != 3:
        return None
    predictor, clips = predictor_of(known), [with_joints_of(clip, known.layout) for clip in clips]
    return np.stack(list(embeddings(predictor, map(predictor.fit, clips))))


def enrolled(encoder: str, name: str, options: argparse.Namespace) -> list[float] | None:
    """Accuracy for each number of clips, means over draws."""
    if encoder == "any":
        return [float(np.mean([any_right(name, count, seed, options) for seed in range(options.draws)]))
                for count in options.clips]  # fmt: skip
    known = next((beginning for title, beginning in TRAINED_ON.items() if title in encoder), "no set")
    found = None if name.startswith(known) else described(encoder, name, options)
    if found is None:
        return None
    vectors, labels, test = found["vectors"], found["labels"], np.flatnonzero(~found["train"])

    def right(chosen: np.ndarray) -> float:
        head = fit_head(vectors[chosen].astype(np.float64), labels[chosen], labels.max() + 1)
        scores = vectors[test] @ head.weight.T.astype(np.float32) + head.bias
        return float((log_probabilities(scores).argmax(1) == labels[test]).mean())

    return [
        float(np.mean([right(draw(labels, found["train"], count, seed)) for seed in range(options.draws)]))
        for count in options.clips
    ]


def any_right(name: str, count: int, seed: int, options: argparse.Namespace) -> float:
    """Accuracy of `enroll any` by one draw: its network looks at the examples alone."""
    folder = open_dataset(options.sets_at / name)
    train, test = folder.indices(SPLIT, "train"), folder.indices(SPLIT, "test")
    order = np.concatenate([train, test])
    chosen = order[draw(folder.label[order], np.arange(len(order)) < len(train), count, seed)]
    clips, classes = [folder[i] for i in chosen], [folder.class_names[i] for i in folder.label[chosen]]
    model = enroll("any", clips, classes)
    return float(np.mean([predict(model, folder[i]).class_name == folder.class_names[folder.label[i]] for i in test]))


def neighbour(name: str, options: argparse.Namespace) -> list[float]:
    """The class of the nearest example, by the joints in 32 frames as the recipe places bodies."""
    path = options.out / "vectors" / f"joints-{name}.npz"
    folder = open_dataset(options.sets_at / name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **joints_of(folder))
    with np.load(path) as file:
        joints, labels, train = file["joints"], file["labels"], file["train"]
    found, test = [], np.flatnonzero(~train)
    for count in options.clips:
        right = []
        for seed in range(options.draws):
            chosen = draw(labels, train, count, seed)
            distance = (joints[chosen] ** 2).sum(1) - 2 * joints[test] @ joints[chosen].T
            right.append((labels[chosen][distance.argmin(1)] == labels[test]).mean())
        found.append(float(np.mean(right)))
    return found


def joints_of(folder) -> dict[str, np.ndarray]:
    from kinegraph.data.auto import adapt
    from kinegraph.data.preprocessing import Preprocessing, prepare_clip

    order = [*folder.indices(SPLIT, "train"), *folder.indices(SPLIT, "test")]
    count = len(folder.indices(SPLIT, "train"))
    steps = Preprocessing(sampling="resample", frames=32)
    steps, _ = adapt(steps, folder, np.array(order[:count]), ["people", "normalize"])
    joints = np.stack([prepare_clip(folder[i], steps).reshape(-1) for i in order])
    return {"joints": joints, "labels": folder.label[order], "train": np.arange(len(order)) < count}


# ---- the recipe ------------------------------------------------------------------------------------------------------


def trained(name: str, options: argparse.Namespace) -> list[float | None]:
    return [float(np.mean(list(runs_of(name, count, options)))) for count in options.clips]


def runs_of(name: str, clips: int, options: argparse.Namespace) -> Iterator[float]:
    """Accuracy of the recipe, trained on each draw."""
    for seed in range(options.draws):
        title = f"{options.recipe.stem}{f'-{options.steps}steps' if options.steps else ''}/{name}/{clips}clips{seed}"
        kept = options.out / "results" / f"{title}.json"
        if not kept.is_file():
            data = drawn(name, clips, seed, options)
            words = []
            if options.steps:
                count = len(open_dataset(data).indices("few", "train"))
                words = ["--epochs", str(max(1, round(options.steps * 16 / count)))]
            job = Job(title, options.recipe, data, "few", seed, options.out / "runs" / title, words)
            run_jobs(Commands(threads=1), [job], 1, lambda job: None)
            evaluation, _ = read_evaluation(job.result)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(kept, json.dumps(evaluation.metrics, indent=1).encode())
        yield json.loads(kept.read_text())["top1"]


def drawn(name: str, clips: int, seed: int, options: argparse.Namespace) -> Path:
    """A dataset folder of the drawn clips and the test part."""
    path = options.out / "drawn" / f"{name}-{clips}-{seed}"
    if (path / "dataset.json").is_file():
        return path
    folder = open_dataset(options.sets_at / name)
    order = np.concatenate([folder.indices(SPLIT, "train"), folder.indices(SPLIT, "test")])
    train = np.arange(len(order)) < len(folder.indices(SPLIT, "train"))
    chosen = {*order[draw(folder.label[order], train, clips, seed)]}
    parts = {i: "train" if i in chosen else "test" for i in [*sorted(chosen), *order[~train]]}
    few = (replace(folder[i], splits={"few": part}) for i, part in parts.items())
    about = {"class_names": folder.class_names, "units": folder.units, "source": folder.source}
    write_dataset(path, few, layout=folder.layout, **about)
    return path


# ---- the table -------------------------------------------------------------------------------------------------------


def table(names: list[str], clips: list[int], rows: dict[str, list[list[float] | None]]) -> str:
    """A row a method and number of clips; the mean is over the sets that all methods have."""
    common = [i for i in range(len(names)) if all(row[i] is not None for row in rows.values())]
    lines = [f"| clips a class | | {' | '.join(names)} | mean of {len(common)} |", "|---" * (len(names) + 3) + "|"]
    for place, count in enumerate(clips):
        for title, row in rows.items():
            cells = ["-" if it is None else f"{100 * it[place]:.1f}" for it in row]
            mean = f"{100 * np.mean([row[i][place] for i in common]):.1f}" if common else "-"
            lines.append(f"| {count} | {title} | {' | '.join(cells)} | **{mean}** |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
