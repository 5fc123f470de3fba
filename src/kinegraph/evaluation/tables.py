"""Tables of an evaluation as CSV: the prediction of every clip, the figures of every class, the confusion matrix."""

import csv
import io
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import per_class_accuracy, per_class_precision
from kinegraph.messages import spreadsheet_cell

MOST_COLUMNS = 1000  # of the matrix; spreadsheets have 16,384


def prediction_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a clip: what it is, what the network says, and its five likeliest classes."""
    names, shown = evaluation.class_names, min(5, len(evaluation.class_names))
    header = ["clip", "label", "label_name", "prediction", "prediction_name", "probability", "correct"]
    header += [f"top{k}_{what}" for k in range(1, shown + 1) for what in ("name", "probability")]
    yield header + ["synthetic_data"] * evaluation.synthetic
    for place, (clip, label) in enumerate(zip(evaluation.names, evaluation.labels, strict=True)):
        probability, top = evaluation.probability(place), _likeliest(evaluation.scores[place], shown)
        row = [clip, int(label), names[label], int(top[0]), names[top[0]], f"{probability[top[0]]:.6f}"]
        row.append(int(label == top[0]))
        for index in top:
            row += [names[index], f"{probability[index]:.6f}"]
        yield row + ["yes"] * evaluation.synthetic


def per_class_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a class; accuracy is empty without clips, precision without predictions."""
    names, counts = evaluation.class_names, evaluation.counts
    header = ["class", "class_name", "clips", "correct", "accuracy", "predicted", "precision"]
    yield header + ["most_confused_with", "confused_clips"] + ["synthetic_data"] * evaluation.synthetic
    accuracy, precision = per_class_accuracy(counts), per_class_precision(counts)
    worst = {label: (names[other], clips) for label, other, clips in reversed(evaluation.confused_pairs())}
    for index, name in enumerate(names):
        row = [index, name, int(counts.clips[index]), int(counts.hits[index]), _decimal(accuracy[index])]
        row += [int(counts.predicted[index]), _decimal(precision[index]), *worst.get(index, ("", 0))]
        yield row + ["yes"] * evaluation.synthetic


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
