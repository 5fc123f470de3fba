"""What a test found: the scores of every clip, and all figures that follow from them."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from kinegraph.training.metrics import bootstrap_intervals, confusion_matrix, evaluate, softmax


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of a network on one part of a dataset, and what the clips and classes are called.

    scores: raw logits, clips in dataset order.
    split, part: which clips these are, e.g. "xsub" and "val". source: what the dataset says about its origin; if it
        says "synthetic", everything written says so too.
    """

    scores: Float[np.ndarray, "N classes"]
    labels: Int[np.ndarray, "N"]
    names: Sequence[str]
    class_names: Sequence[str]
    split: str = ""
    part: str = ""
    source: str = ""
    seed: int = 0  # of the bootstrap
    metrics: dict[str, float] = field(init=False)  # top1, top5, mean_class_accuracy

    def __post_init__(self):
        clips, classes = np.shape(self.scores)
        if len(self.names) != clips:
            raise ValueError(f"scores of {clips} clips with {len(self.names)} clip names")
        if len(self.class_names) != classes:
            raise ValueError(f"scores of {classes} classes with {len(self.class_names)} class names")
        object.__setattr__(self, "metrics", evaluate(self.scores, self.labels))

    @cached_property
    def predicted(self) -> Int[np.ndarray, "N"]:
        return np.asarray(self.scores).argmax(axis=1)

    @cached_property
    def probability(self) -> Float[np.ndarray, "N classes"]:
        return softmax(self.scores)

    @cached_property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        return confusion_matrix(self.predicted, self.labels, len(self.class_names))

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of top1 and mean_class_accuracy."""
        return bootstrap_intervals(self.confusion, np.random.default_rng(self.seed))

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
        mistakes = self.confusion - np.diag(self.confusion.diagonal())
        rows, columns = np.nonzero(mistakes)
        order = np.argsort(-mistakes[rows, columns], kind="stable")
        return [(int(i), int(j), int(mistakes[i, j])) for i, j in zip(rows[order], columns[order], strict=True)]


def plain(text: object) -> str:
    """Text on one line: without control characters, marks that reverse its direction, or halves of characters."""

    def kept(character: str) -> str:
        if character in "\t\r\n":
            return " "
        if character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
            return ""
        category = unicodedata.category(character)
        return {"Cc": "", "Cs": "\N{REPLACEMENT CHARACTER}"}.get(category, character)

    return "".join(map(kept, str(text)))
