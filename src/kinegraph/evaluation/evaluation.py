"""What a test found: the scores of every clip, and all figures that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.matrix import ALL_SHOWN, Matrix, matrix_of
from kinegraph.evaluation.metrics import (
    ClassCounts,
    bootstrap_intervals,
    confusion_matrix,
    counts_by_class,
    evaluate,
    softmax,
)
from kinegraph.notebook import ShownPath, in_notebook

RESAMPLES = 10_000  # of the bootstrap
PART = 256  # clips whose probabilities are in memory at once


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
        return f"Evaluation({self.title}: {len(self.names):,} clips, {figures})"

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
