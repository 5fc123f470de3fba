"""Clips of classes that were not enrolled: how many get one of the classes as answer, by four measures.

    python bench/few_clips_unknown.py [--sets PATTERN] [--clips 5 20] [--draws 3]

A third of the classes of each set is left out, another one in each draw, and the others are enrolled with the encoder
"any". Of each measure the table has the share of the test clips of left-out classes that lie above the value that 90 %
of the test clips of enrolled ones reach (false accepts at 90 % accepted, AUROC beside it), and then the accepted and
the false accepts of a threshold that is fitted on the examples alone: the value that 90 % of them reach, each by all
others. "both" is probability and neighbour, each in its deviations among the examples. Last the error of the
probabilities (ECE) without and with the sharpness that `fit_head` chooses, and the accuracy. The options --out and
--sets-at are those of `few_clips.py`.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from accuracy_sets import SETS, SPLIT
from few_clips import draw

from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.calibration import calibration
from kinegraph.inference.embedding import embeddings, encoder_for
from kinegraph.inference.predictor import predictor_of
from kinegraph.models.ridge import fit_head, log_probabilities

ACCEPTED = 0.9
SHRINKAGE = 0.5  # of the covariance, towards the same variance in all directions


def main() -> None:
    parser = argparse.ArgumentParser(
        "few_clips_unknown", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", default="", metavar="PATTERN", help="only sets whose name matches")
    parser.add_argument("--clips", type=int, nargs="+", default=[5, 20], help="of each class")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench_few_clips"))
    parser.add_argument("--sets-at", type=Path)
    options = parser.parse_args()
    options.sets_at = options.sets_at or options.out / "sets"
    for count in options.clips:
        for name in (it for it in SETS if re.search(options.sets, it)):
            figures = [measured(options.sets_at / name, count, seed) for seed in range(options.draws)]
            for measure in figures[0]:
                mean = np.mean([one[measure] for one in figures], axis=0)
                print(f"{count:3} {name:14} {measure:12} " + " ".join(f"{100 * it:6.1f}" for it in mean), flush=True)


def measured(path: Path, count: int, seed: int) -> dict[str, list[float]]:
    """Of each measure: false accepts at 90 % and AUROC; accepted and false accepts by the threshold of the examples."""
    folder = open_dataset(path)
    order = np.concatenate([folder.indices(SPLIT, part) for part in ("train", "test")])
    labels, train = folder.label[order], np.arange(len(order)) < len(folder.indices(SPLIT, "train"))
    classes = np.unique(labels)
    known = np.sort(np.random.default_rng(seed).permutation(classes)[len(classes) // 3 :])
    inside = np.isin(labels, known)
    place = np.searchsorted(known, labels)
    chosen = draw(labels, train & inside, count, seed)
    examples = [folder[i] for i in order[chosen]]
    predictor = predictor_of(encoder_for(examples, [str(it) for it in labels[chosen]], examples=True))
    vectors = np.stack(list(embeddings(predictor, (predictor.fit(folder[i]) for i in order))))
    test, x, y = np.flatnonzero(~train), vectors.astype(np.float64), place[chosen]
    head = fit_head(x[chosen], y, len(known))
    scores = x[test] @ head.weight.T + head.bias
    of_test, of_examples = measures(x, chosen, test, y, scores, head.scores)
    pair = ("probability", "neighbour")
    middle = {it: (of_examples[it].mean(), of_examples[it].std()) for it in pair}
    for values in (of_test, of_examples):
        values["both"] = sum((values[it] - middle[it][0]) / middle[it][1] for it in pair)
    result = {}
    for name, values in of_test.items():
        yes, no = values[inside[test]], values[~inside[test]]
        fitted = np.quantile(of_examples[name], 1 - ACCEPTED)
        result[name] = [
            (no >= np.quantile(yes, 1 - ACCEPTED)).mean(),
            (yes[:, None] > no[None]).mean(),
            (yes >= fitted).mean(),
            (no >= fitted).mean(),
        ]
    likely = log_probabilities(scores[inside[test]])
    right = likely.argmax(1) == place[test][inside[test]]
    plain = log_probabilities(scores[inside[test]] / np.abs(head.scores).max())  # ridge answers lie about -1 to 1
    eces = [calibration(np.exp(it.max(1)), right).error for it in (plain, likely)]
    return result | {"ECE": [*eces, right.mean(), 0.0]}


def measures(x, chosen, test, y, scores, left_out) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Each measure of test clips, and of examples by all others; larger is better known."""
    examples = x[chosen]
    flat = examples.reshape(-1, x.shape[2])
    centre = flat.mean(0)
    squares, directions = np.linalg.eigh((flat - centre) @ (flat - centre).T)
    kept = squares > 1e-9 * squares.max()
    base = (flat - centre).T @ (directions[:, kept] / np.sqrt(squares[kept]))  # orthonormal
    z, t = (examples - centre) @ base, (x[test] - centre) @ base
    rest = np.maximum(((x[test, 0] - centre) ** 2).sum(1) - (t[:, 0] ** 2).sum(1), 0)  # outside of all examples
    apart = np.arange(len(y))[:, None] != np.arange(len(y)).repeat(z.shape[1])[None]
    own = np.where(apart, distances(z[:, 0], z.reshape(-1, z.shape[2])), np.inf)
    far = distances(t[:, 0], z.reshape(-1, z.shape[2])) + rest[:, None]
    of_test, of_examples = mahalanobis(z, t[:, 0], rest, y)
    return (
        {
            "probability": log_probabilities(scores).max(1),
            "energy": energy(scores),
            "neighbour": -far.min(1),
            "mahalanobis": of_test,
        },
        {
            "probability": log_probabilities(left_out).max(1),
            "energy": energy(left_out),
            "neighbour": -own.min(1),
            "mahalanobis": of_examples,
        },
    )


def energy(scores: np.ndarray) -> np.ndarray:
    """log sum exp of the logits, the mean over views."""
    return np.log(np.exp(scores).sum(-1)).mean(-1)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T


def mahalanobis(z, t, rest, y) -> tuple[np.ndarray, np.ndarray]:
    """Minus the squared distance to the nearest class mean, under the covariance within classes, half of it sphere."""
    first, count = z[:, 0], np.bincount(y)
    means = np.stack([first[y == it].mean(0) for it in range(len(count))])
    spread = first - means[y]
    covariance = spread.T @ spread / max(len(y) - len(count), 1)
    sphere = np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere * np.eye(len(covariance)))
    root = np.linalg.cholesky(inverse)
    of_test = distances(t @ root, means @ root).min(1) + rest / (SHRINKAGE * sphere)
    larger = (count[y] / np.maximum(count[y] - 1, 1)) ** 2  # without itself a class's mean lies so much farther away
    own = distances(first @ root, means @ root)
    own[np.arange(len(y)), y] *= larger
    return -of_test, -own.min(1)


if __name__ == "__main__":
    main()
