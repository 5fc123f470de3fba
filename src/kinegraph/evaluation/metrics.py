"""Accuracy of scores against labels, as published results count it. Pure functions of numpy arrays, fractions 0..1."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Shaped

from kinegraph.evaluation.calibration import auroc, brier_score, log_loss
from kinegraph.messages import counted, did_you_mean

NORMAL = 1000  # classes, from which on the mean over them follows the normal law
METRICS = ("top_k_accuracy", "mean_class_accuracy")  # that are measured where nobody asks for others
MORE_METRICS = ("macro_f1", "auroc", "brier_score", "log_loss")
OF_SEGMENTS = ("frame_accuracy", "edit", "f1_10", "f1_25", "f1_50", "map", "delay_seconds", "missed")
FEW = 30  # clips
FEWEST_GROUPS = 5  # of fewer the bootstrap's interval over groups is far too narrow
TOP5_FROM = 10  # classes: of fewer, five right answers of which one counts say little
TAILS = (0.025, 0.975)  # of a 95 % interval
GROUP_RESAMPLES = 4_000
ALL_SHOWN = 150  # classes up to which every one is shown, with or without clips


def evaluate(
    scores: Float[np.ndarray, "N classes"],
    labels: Int[np.ndarray, "N"],
    metrics: Sequence[str] = METRICS,
    top_k: int | Sequence[int] = (1, 5),
) -> dict[str, float]:
    """The metrics a user asks for by name: {"top1": ..., "top5": ..., "mean_class_accuracy": ...}.

    With fewer classes than k every label is among the first k, so that top5 of four classes is 1. A figure that is not
    defined for these clips is NaN: auroc of clips of one class.
    Raises ValueError for an unknown metric, no clips, a label outside the classes or scores that are not numbers.
    """
    found = {}
    for metric in check_metrics(metrics):
        if metric == "top_k_accuracy":
            for k in [top_k] if isinstance(top_k, int | np.integer) else top_k:
                found[f"top{k}"] = top_k_accuracy(scores, labels, k)
        else:
            scores, labels = _checked(scores, labels)
            found[metric] = OF_NAME[metric](scores, labels)
    return found


def figures_to_show(figures: Mapping[str, float], classes: int) -> dict[str, float]:
    """The figures that people are shown, on screens, pages and in tables: top5 of a few classes says nothing."""
    return {name: value for name, value in figures.items() if name != "top5" or classes >= TOP5_FROM}


def figure_lines(figures: Mapping[str, float], classes: int) -> list[str]:
    """A line for each of them."""
    return [
        f"{name}: {value:.4f}" if value == value else f"{name}: not defined, all clips are of one class"
        for name, value in figures_to_show(figures, classes).items()
    ]


def remarks(
    scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"], class_names: Sequence[str]
) -> list[str]:
    """What makes figures of these scores doubtful, a line each: one answer for all, empty classes, few clips."""
    predicted, clips = np.asarray(scores).argmax(axis=1), len(labels)
    there, answers = np.unique(labels), np.unique(predicted)
    said = []
    if len(answers) == 1 and len(there) > 1:
        said.append(f"every one of the {clips:,} clips is predicted as '{class_names[answers[0]]}'")
    if absent := len(class_names) - len(np.union1d(there, answers)):
        over = counted(len(class_names) - absent, "class", "classes")
        said.append(f"mean_class_accuracy is over {over}; {absent} {'has' if absent == 1 else 'have'} no clip here")
    if wrong := len(np.setdiff1d(answers, there)):
        empty, them = ("class", "it") if wrong == 1 else ("classes", "them")
        said.append(
            f"mean_class_accuracy counts {wrong} {empty} without clips as 0, because clips are answered with {them}"
        )
    if clips < FEW:
        said.append(f"only {counted(clips, 'clip')}: each is {100 / clips:.0f} points of top1")
    return said


def check_metrics(metrics: Sequence[str]) -> Sequence[str]:
    """The names as they are. Raises ValueError for an unknown metric: asked before a test that takes hours."""
    known = (*METRICS, *MORE_METRICS)
    for metric in metrics:
        if metric in OF_SEGMENTS:
            raise ValueError(f"--eval chooses metrics of clips; {metric} is printed of long recordings without it")
        if metric not in known:
            raise ValueError(f"no metric '{metric}'; there are {', '.join(known)}{did_you_mean(metric, known)}")
    return metrics


def top_k_accuracy(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"], k: int) -> float:
    """Share of clips whose label is among the k largest scores.

    Of equal scores the lower class comes first, as argmax has it, so that k = 1 agrees with the confusion matrix.
    Raises ValueError for no clips, a label outside the classes, scores that are not finite and k below 1.
    Source: MMAction2 0.x, top_k_accuracy, whose argsort leaves the order of equal scores open.
    """
    scores, labels = _checked(scores, labels)
    if k < 1:
        raise ValueError(f"top-{k} accuracy: k must be at least 1")
    own = np.take_along_axis(scores, labels[:, None], axis=1)  # (N, 1)
    lower_class = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & lower_class)
    return float(np.mean(ahead.sum(axis=1) < k))


def mean_class_accuracy(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """Mean of the classes' accuracies over the classes that occur, as labels or as predictions.

    A class that is predicted but has no clip counts as 0 and lowers the mean; one that is neither is left out.
    Raises ValueError for no clips, a label outside the classes and scores that are not finite.
    Source: MMAction2 0.x, mean_class_accuracy. (BABEL's "Top-1-norm" averages over the labels' classes only.)
    """
    scores, labels = _checked(scores, labels)
    counts = counts_by_class(scores.argmax(axis=1), labels, scores.shape[1])
    return float(np.nan_to_num(per_class_accuracy(counts)[counts.occurring]).mean())


def macro_f1(scores: Float[np.ndarray, "N classes"], labels: Int[np.ndarray, "N"]) -> float:
    """Mean of the classes' F1, 2 right / (clips + predictions), over the classes that occur as labels or predictions.

    As scikit-learn's f1_score(average="macro"). Raises ValueError as `mean_class_accuracy`.
    """
    scores, labels = _checked(scores, labels)
    counts = counts_by_class(scores.argmax(axis=1), labels, scores.shape[1])
    return float(_ratio(2 * counts.hits, counts.clips + counts.predicted)[counts.occurring].mean())


OF_NAME: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mean_class_accuracy": mean_class_accuracy,
    "macro_f1": macro_f1,
    "auroc": auroc,
    "brier_score": brier_score,
    "log_loss": log_loss,
}


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Of each class: its clips, those of them that are predicted right, and the predictions of the class."""

    clips: Int[np.ndarray, "classes"]
    hits: Int[np.ndarray, "classes"]
    predicted: Int[np.ndarray, "classes"]

    @property
    def occurring(self) -> Bool[np.ndarray, "classes"]:
        """Which classes are among the labels or the predictions."""
        return (self.clips + self.predicted) > 0


def counts_by_class(predicted: Integer[np.ndarray, "N"], labels: Integer[np.ndarray, "N"], classes: int) -> ClassCounts:
    """What the confusion matrix has on its edges and diagonal, without it. Raises ValueError as that does."""
    for what, values in (("label", labels), ("prediction", predicted)):
        _check_range(np.asarray(values), classes, what)
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    kinds = labels, labels[labels == predicted], predicted
    return ClassCounts(*(np.bincount(kind, minlength=classes) for kind in kinds))


def confusion_matrix(
    predicted: Integer[np.ndarray, "N"], labels: Integer[np.ndarray, "N"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Number of clips by label (row) and prediction (column). Raises ValueError for one outside the classes."""
    for what, values in (("label", labels), ("prediction", predicted)):
        _check_range(np.asarray(values), classes, what)
    cells = np.asarray(labels, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def near_order(confusion: Int[np.ndarray, "classes classes"]) -> list[int]:
    """An order of the classes that puts those that are confused with each other side by side.

    Along the Fiedler vector of the graph whose edges are shares of mistakes: Atkins et al. 1998, spectral seriation.
    """
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    edges = share + share.T
    np.fill_diagonal(edges, 0)
    edges += 1e-6  # classes without mistakes belong to the graph too
    scale = 1 / np.sqrt(edges.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(edges)) - scale[:, None] * edges * scale)
    return np.argsort(vectors[:, 1] * scale, kind="stable").tolist() if len(edges) > 2 else list(range(len(edges)))


def per_class_accuracy(counts: ClassCounts) -> Float[np.ndarray, "classes"]:
    """Share of each class's clips that are predicted right, NaN for a class without clips."""
    return _ratio(counts.hits, counts.clips)


def per_class_precision(counts: ClassCounts) -> Float[np.ndarray, "classes"]:
    """Share of the predictions of each class that are right, NaN for a class that is never predicted."""
    return _ratio(counts.hits, counts.predicted)


def bootstrap_intervals(
    counts: ClassCounts, rng: np.random.Generator, resamples: int = 10_000
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of top1 and mean_class_accuracy: {"top1": (low, high), ...}.

    Drawing clips again with replacement makes the number of hits binomial, so hits are drawn instead of clips. For
    top1 all clips are drawn; for the mean over classes clips are drawn within each class, so that no class is lost.
    Clips count as independent: those of one subject are not, and the true interval is wider. Nothing but hits (or
    nothing but misses) gives an interval of width 0. The mean over more than a thousand classes with clips is not
    resampled: its interval is that of the normal law. Raises ValueError when there are no clips.
    """
    total, hits = int(counts.clips.sum()), counts.hits
    if total == 0:
        raise ValueError("there are no clips to measure")
    top1 = rng.binomial(total, hits.sum() / total, size=resamples) / total
    intervals = {"top1": _interval(top1)}
    present = counts.clips > 0
    clips, share = counts.clips[present], (hits / np.maximum(counts.clips, 1))[present]
    if len(clips) > NORMAL:
        middle, spread = share.sum(), math.sqrt((share * (1 - share) / clips).sum())
        mean_class = [NormalDist(middle, spread).inv_cdf(tail) if spread else middle for tail in TAILS]
        low, high = (float(total / counts.occurring.sum()) for total in mean_class)
        return intervals | {"mean_class_accuracy": (max(low, 0.0), min(high, 1.0))}
    drawn = rng.binomial(clips, share, size=(resamples, len(clips)))
    mean_class = (drawn / clips).sum(axis=1) / counts.occurring.sum()
    return intervals | {"mean_class_accuracy": _interval(mean_class)}


def group_intervals(
    hits: Float[np.ndarray, "N"],
    labels: Int[np.ndarray, "N"],
    groups: Shaped[np.ndarray, "N"],
    rng: np.random.Generator,
    predicted_only: float = 0.0,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of top1 and mean_class_accuracy for other subjects: all clips of a subject are drawn together.

    Clips of one subject are alike, so that an interval by drawing single clips would be too narrow. hits: 1 for each
    clip that is answered right; of several networks their mean. groups: the subject of each clip, or what else divides
    them. predicted_only: number of classes that are predicted and have no clips; each counts as 0 in the mean over
    classes.
    """
    names, group = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), 2, int(labels.max()) + 1))
    np.add.at(sums[:, 0], (group, labels), hits)
    np.add.at(sums[:, 1], (group, labels), 1)
    right, clips = np.moveaxis(_groups_drawn_again(sums, rng), 1, 0)
    top1 = right.sum(axis=1) / clips.sum(axis=1)
    mean_class = (right / np.maximum(clips, 1)).sum(axis=1) / ((clips > 0).sum(axis=1) + predicted_only)
    return {"top1": _interval(top1), "mean_class_accuracy": _interval(mean_class)}


def ratio_interval(
    parts: Float[np.ndarray, "N"],
    wholes: Float[np.ndarray, "N"],
    groups: Shaped[np.ndarray, "N"],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % interval of sum(parts) / sum(wholes), where all recordings of a group are drawn together."""
    names, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, values, len(names)) for values in (parts, wholes)], axis=1)
    part, whole = _groups_drawn_again(sums, rng).T
    return _interval(part[whole > 0] / whole[whole > 0])


def _groups_drawn_again(sums: Float[np.ndarray, "groups *F"], rng: np.random.Generator) -> Float[np.ndarray, "n *F"]:
    """The total of the groups' sums, in each resample of the groups with replacement (the cluster bootstrap)."""
    groups = len(sums)
    times = rng.multinomial(groups, np.full(groups, 1 / groups), size=GROUP_RESAMPLES)
    return np.tensordot(times, sums, axes=1)


def _interval(values: Float[np.ndarray, "n"]) -> tuple[float, float]:
    low, high = np.quantile(values, TAILS)
    return float(low), float(high)


def wilson(hits: int, clips: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share; unlike the bootstrap's it has a width where all or none are hits.

    Source: Wilson 1927, the score interval.
    """
    share, spread = hits / clips, z * z / clips
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def softmax(scores: Float[np.ndarray, "*N classes"]) -> Float[np.ndarray, "*N classes"]:
    """Probabilities of the classes from logits, float64."""
    scores = np.asarray(scores, dtype=np.float64)
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _checked(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"scores have shape {scores.shape}, labels {labels.shape}; expected (clips, classes) and (clips,)"
        )
    if len(labels) == 0:
        raise ValueError("there are no clips to measure")
    if not (finite := np.isfinite(scores).all(axis=1)).all():
        raise ValueError(
            f"{(~finite).sum()} of {len(scores)} clips have scores that are not finite numbers, the first is clip "
            f"{finite.argmin()}; the training has probably diverged: lower the learning rate"
        )
    _check_range(labels, scores.shape[1], "label")
    return scores, labels


def _check_range(values: np.ndarray, classes: int, what: str) -> None:
    if values.dtype.kind not in "iu":
        raise ValueError(f"the {what}s are {values.dtype}, expected integers")
    outside = (values < 0) | (values >= classes)
    if outside.any():
        clip = int(outside.argmax())
        raise ValueError(f"clip {clip} has {what} {values[clip]}, expected 0 to {classes - 1}")


# ---- the confusion matrix of the classes that are worth a row: thousands would have millions of cells ----------------


@dataclass(frozen=True, eq=False)
class Matrix:
    """Clips by label (row) and prediction (column).

    classes: the numbers of the classes shown, in order. folded: how many others the last row and column stand for
    together; 0 where there is no such row. absent: how many have neither clips nor predictions and are left out.
    """

    classes: Int[np.ndarray, "k"]
    counts: Int[np.ndarray, "m m"]
    folded: int = 0
    absent: int = 0

    def names(self, class_names: Sequence[str]) -> list[str]:
        """Of the rows."""
        others = [f"({counted(self.folded, 'other class', 'other classes')})"] if self.folded else []
        return [*(class_names[int(index)] for index in self.classes), *others]

    def note(self) -> str:
        """What is not there, in a sentence; "" where all classes are."""
        return note_of(len(self.classes), self.folded, self.absent)


def matrix_of(
    predicted: Int[np.ndarray, "N"],
    labels: Int[np.ndarray, "N"],
    classes: int,
    most: int = ALL_SHOWN,
    every: int = ALL_SHOWN,
) -> Matrix:
    """The matrix of at most `most` classes, those with the most clips. every: see `worth_showing`."""
    shown, folded, absent = worth_showing(predicted, labels, classes, most, every)
    place = np.full(classes, len(shown))
    place[shown] = np.arange(len(shown))
    counts = confusion_matrix(place[predicted], place[labels], len(shown) + (folded > 0))
    return Matrix(shown, counts, folded, absent)


def worth_showing(
    predicted: Int[np.ndarray, "N"], labels: Int[np.ndarray, "N"], classes: int, most: int, every: int
) -> tuple[Int[np.ndarray, "k"], int, int]:
    """The classes to show, in order; how many others occur; and how many have neither clips nor predictions.

    every: up to so many classes each is shown, whether it occurs or not: a table that programs read keeps its rows.
    """
    if classes <= every:
        return np.arange(classes), 0, 0
    counts = counts_by_class(predicted, labels, classes)
    there = np.flatnonzero(counts.occurring)
    by_clips = there[np.argsort(-counts.clips[there], kind="stable")]
    return np.sort(by_clips[:most]), max(len(there) - most, 0), classes - len(there)


def note_of(shown: int, folded: int, absent: int) -> str:
    """What is not there of a matrix or table, in a sentence; "" where all classes are."""
    parts = []
    if folded:
        parts.append(f"the {shown:,} classes with the most clips are shown, {folded:,} others are not shown one by one")
    if absent:
        left_out = counted(absent, "class has", "classes have")
        parts.append(f"{left_out} neither clips nor predictions here and {'is' if absent == 1 else 'are'} left out")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""
