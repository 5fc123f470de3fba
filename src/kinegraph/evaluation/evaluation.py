"""What a test found: the scores of every clip, and all figures that follow from them."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.metrics import (
    ALL_SHOWN,
    MORE_METRICS,
    ClassCounts,
    Matrix,
    bootstrap_intervals,
    confusion_matrix,
    counts_by_class,
    evaluate,
    matrix_of,
    per_class_accuracy,
    per_class_precision,
    softmax,
    wilson,
)
from kinegraph.messages import counted, spreadsheet_cell
from kinegraph.notebook import ShownPath, in_notebook

RESAMPLES = 10_000  # of the bootstrap
PART = 256  # clips whose probabilities are in memory at once
FEW = 24  # different values that a column may have to be worth a row each
LENGTHS = 5  # groups of clips by their length
MOST_COLUMNS = 1000  # of the matrix; spreadsheets have 16,384


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a network on one part of a dataset, and what the clips and classes are called.

    scores: raw logits, clips in dataset order.
    split, part: which clips these are, e.g. "xsub" and "val". source: what the dataset says about its origin; if it
        says "synthetic", everything written says so too.
    folder, indices: the dataset, and which of its clips these are, where it is at hand.
    report: the page about it, where one was written. warnings: lines that say why its figures cannot be trusted.
    """

    scores: Float[np.ndarray, "N classes"]
    labels: Int[np.ndarray, "N"]
    names: Sequence[str]
    class_names: Sequence[str]
    split: str = ""
    part: str = ""
    source: str = ""
    seed: int = 0  # of the bootstrap
    folder: SkeletonDataset | None = None
    indices: Int[np.ndarray, "N"] | None = None
    report: Path | None = None
    warnings: Sequence[str] = ()
    metrics: dict[str, float] = field(init=False)  # top1, top5, mean_class_accuracy

    def __post_init__(self):
        clips, classes = np.shape(self.scores)
        if len(self.names) != clips:
            raise ValueError(f"scores of {clips} clips with {len(self.names)} clip names")
        if len(self.class_names) != classes:
            raise ValueError(f"scores of {classes} classes with {len(self.class_names)} class names")
        object.__setattr__(self, "metrics", evaluate(self.scores, self.labels))
        object.__setattr__(self, "report", self.report and ShownPath(self.report))

    @property
    def top1(self) -> float:
        """Share of the clips whose likeliest class is right."""
        return self.metrics["top1"]

    @property
    def mean_class(self) -> float:
        """Mean over the classes of the share of their clips that are right, as published (`mean_class_accuracy`)."""
        return self.metrics["mean_class_accuracy"]

    @cached_property
    def more_metrics(self) -> dict[str, float]:
        """macro_f1, auroc, brier_score, log_loss; NaN where one is not defined."""
        return evaluate(self.scores, self.labels, MORE_METRICS)

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """Clips by class (row) and answer (column)."""
        return confusion_matrix(self.predicted, np.asarray(self.labels), len(self.class_names))

    @property
    def mistakes(self) -> dict[str, list]:
        """The wrong answers, the surest first, as columns: clip, label, answer, probability."""
        wrong = self.surest_mistakes(len(self.names))
        return {
            "clip": [self.names[i] for i in wrong],
            "label": [self.class_names[self.labels[i]] for i in wrong],
            "answer": [self.class_names[self.predicted[i]] for i in wrong],
            "probability": self.confidence[wrong].tolist(),
        }

    def __repr__(self) -> str:
        figures = f"top-1 {self.top1:.1%}, mean class {self.mean_class:.1%}"
        return f"Evaluation({self.title}: {counted(len(self.names), 'clip')}, {figures})"

    def _repr_html_(self) -> str:
        return in_notebook(self)

    @cached_property
    def predicted(self) -> Int[np.ndarray, "N"]:
        return np.asarray(self.scores).argmax(axis=1)

    def probability(self, clip: int) -> Float[np.ndarray, "classes"]:
        """What the network gives each class, of one clip."""
        return softmax(self.scores[clip])

    @cached_property
    def confidence(self) -> Float[np.ndarray, "N"]:
        """The probability that each clip's prediction is given."""
        parts = [self.scores[i : i + PART] for i in range(0, len(self.scores), PART)]
        return np.concatenate([softmax(part).max(axis=1) for part in parts])

    @cached_property
    def right(self) -> Bool[np.ndarray, "N"]:
        return self.predicted == np.asarray(self.labels)

    @cached_property
    def counts(self) -> ClassCounts:
        """Clips, hits and predictions of each class."""
        return counts_by_class(self.predicted, self.labels, len(self.class_names))

    def matrix(self, most: int = ALL_SHOWN, every: int = ALL_SHOWN) -> Matrix:
        """The confusion matrix of at most `most` classes, and of the others together."""
        return matrix_of(self.predicted, np.asarray(self.labels), len(self.class_names), most, every)

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap intervals of top1, top5 and mean_class_accuracy."""
        found = bootstrap_intervals(self.counts, np.random.default_rng(self.seed), RESAMPLES)
        clips, rng = len(self.labels), np.random.default_rng((self.seed, 5))
        top5 = rng.binomial(clips, self.metrics["top5"], RESAMPLES) / clips  # as for top1 there
        return found | {"top5": tuple(np.quantile(top5, (0.025, 0.975)).tolist())}

    @cached_property
    def facts(self) -> dict[str, np.ndarray]:
        """What the dataset knows of each clip besides its class: frames, people and its own columns."""
        if self.folder is None:
            return {}
        known = {"frames": self.folder.frames, "people": self.folder.people} | self.folder.attributes
        return {name: values[self.indices] for name, values in known.items()}

    @property
    def synthetic(self) -> bool:
        return "synthetic" in self.source.lower()

    @property
    def title(self) -> str:
        """Where the clips are from, e.g. "xsub / val"; says so if they are synthetic."""
        where = " / ".join(word for word in (self.split, self.part) if word) or "all clips"
        return f"{where} (synthetic data)" if self.synthetic else where

    def confused_pairs(self) -> list[tuple[int, int, int]]:
        """(label, prediction, clips) of every kind of mistake, the most frequent first."""
        classes, wrong = len(self.class_names), ~self.right
        cells = np.asarray(self.labels)[wrong].astype(np.int64) * classes + self.predicted[wrong]
        cells, counts = np.unique(cells, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        rows, columns = np.divmod(cells[order], classes)
        return list(zip(rows.tolist(), columns.tolist(), counts[order].tolist(), strict=True))

    def surest_mistakes(self, most: int) -> list[int]:
        """The wrong predictions that were given the highest probability, the highest first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:most].tolist()


def evaluation_of(folder: SkeletonDataset, split: str, part: str, scores: Float[np.ndarray, "N classes"]) -> Evaluation:
    """The evaluation of scores for all clips of one part of a dataset's split, in dataset order."""
    indices = folder.indices(split, part)
    names = [folder.names[i] for i in indices]
    facts = (folder.class_names, split, part, folder.source)
    return Evaluation(scores, folder.label[indices], names, *facts, folder=folder, indices=indices)


# ---- accuracy by groups of clips: by length, number of people, and what else the dataset knows of them ---------------


@dataclass(frozen=True)
class Group:
    """Clips that have something in common. low, high: 95 % interval of their accuracy."""

    name: str
    clips: int
    accuracy: float
    low: float
    high: float


def groups(evaluation: Evaluation) -> dict[str, list[Group]]:
    """Accuracy by length, people and each column of the dataset with few values, where clips differ in it."""
    found = {}
    for what, values in evaluation.facts.items():
        rows = _by_length(values, evaluation.right) if what == "frames" else _by_value(values, evaluation.right)
        if len(rows) > 1:
            found["length" if what == "frames" else what] = rows
    return found


def _by_value(values: np.ndarray, right: Bool[np.ndarray, "N"]) -> list[Group]:
    different = np.unique(values)
    if len(different) > FEW:
        return []
    return [_group(str(value) or "not known", right[values == value]) for value in different]


def _by_length(frames: Int[np.ndarray, "N"], right: Bool[np.ndarray, "N"]) -> list[Group]:
    """Groups of about equally many clips, in which none is split between groups of the same length."""
    edges = np.unique(np.quantile(frames, np.linspace(0, 1, LENGTHS + 1), method="nearest"))
    group_of = np.clip(np.searchsorted(edges, frames, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for number in np.unique(group_of):
        here = group_of == number
        low, high = frames[here].min(), frames[here].max()
        found.append(_group(f"{low} – {high} frames" if low < high else f"{low} frames", right[here]))
    return found


def _group(name: str, right: Bool[np.ndarray, "n"]) -> Group:
    return Group(name, len(right), float(right.mean()), *wilson(int(right.sum()), len(right)))


# ---- tables as CSV: the prediction of every clip, the figures of every class, the confusion matrix -------------------


def prediction_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a clip: what it is, what the network says, and its five likeliest classes."""
    names, shown = evaluation.class_names, min(5, len(evaluation.class_names))
    header = ["clip", "label", "label_name", "prediction", "prediction_name", "probability", "correct"]
    header += [f"top{k}_{what}" for k in range(1, shown + 1) for what in ("name", "probability")]
    yield header + (["synthetic_data"] if evaluation.synthetic else [])
    for place, (clip, label) in enumerate(zip(evaluation.names, evaluation.labels, strict=True)):
        probability, top = evaluation.probability(place), _likeliest(evaluation.scores[place], shown)
        row = [clip, int(label), names[label], int(top[0]), names[top[0]], f"{probability[top[0]]:.6f}"]
        row.append(int(label == top[0]))
        for index in top:
            row += [names[index], f"{probability[index]:.6f}"]
        yield row + (["yes"] if evaluation.synthetic else [])


def per_class_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a class; accuracy is empty without clips, precision without predictions."""
    names, counts = evaluation.class_names, evaluation.counts
    header = ["class", "class_name", "clips", "correct", "accuracy", "predicted", "precision"]
    yield header + ["most_confused_with", "confused_clips"] + (["synthetic_data"] if evaluation.synthetic else [])
    accuracy, precision = per_class_accuracy(counts), per_class_precision(counts)
    worst = {label: (names[other], clips) for label, other, clips in reversed(evaluation.confused_pairs())}
    for index, name in enumerate(names):
        row = [index, name, int(counts.clips[index]), int(counts.hits[index]), _decimal(accuracy[index])]
        row += [int(counts.predicted[index]), _decimal(precision[index]), *worst.get(index, ("", 0))]
        yield row + (["yes"] if evaluation.synthetic else [])


def confusion_rows(evaluation: Evaluation) -> Iterable[list]:
    """Clips by label (row) and prediction (column), with names at both edges; of many classes as `Matrix` says."""
    matrix = evaluation.matrix(MOST_COLUMNS)
    names = matrix.names(evaluation.class_names)
    yield ["synthetic data: label" if evaluation.synthetic else "label", *names]
    for name, row in zip(names, matrix.counts, strict=True):
        yield [name, *row.tolist()]


def _likeliest(scores: Float[np.ndarray, "classes"], count: int) -> Int[np.ndarray, "count"]:
    """The classes with the highest scores; of equal ones the lower class comes first, as in the metrics."""
    least = np.partition(scores, -count)[-count]
    there = np.flatnonzero(scores >= least)
    return there[np.argsort(-scores[there], kind="stable")][:count]


def csv_bytes(rows: Iterable[list]) -> bytes:
    """Rows as the content of a CSV file, UTF-8, safe to open in a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([spreadsheet_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8")


def _decimal(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"{fraction:.4f}"
