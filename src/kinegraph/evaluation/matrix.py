"""The confusion matrix of the classes that are worth a row: thousands of classes would have millions of cells."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from kinegraph.evaluation.metrics import confusion_matrix, counts_by_class
from kinegraph.messages import counted

ALL_SHOWN = 150  # classes up to which every one is shown, with or without clips


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
        return [*(class_names[index] for index in self.classes), *others]

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
    predicted: Int[np.ndarray, "N"], labels: Int[np.ndarray, "N"], classes: int, most: int, every: int = ALL_SHOWN
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
