"""Tables of an evaluation as CSV: the prediction of every clip, the figures of every class, the confusion matrix."""

import csv
import io
from collections.abc import Iterable

import numpy as np

from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import per_class_accuracy, per_class_precision
from kinegraph.messages import spreadsheet_cell


def prediction_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a clip: what it is, what the network says, and its five likeliest classes."""
    names, shown = evaluation.class_names, min(5, len(evaluation.class_names))
    header = ["clip", "label", "label_name", "prediction", "prediction_name", "probability", "correct"]
    header += [f"top{k}_{what}" for k in range(1, shown + 1) for what in ("name", "probability")]
    yield header + ["synthetic_data"] * evaluation.synthetic
    # Stable, so that of equal scores the lower class comes first, as in the metrics.
    best = np.argsort(-np.asarray(evaluation.scores), axis=1, kind="stable")[:, :shown]
    for clip, label, probability, top in zip(
        evaluation.names, evaluation.labels, evaluation.probability, best, strict=True
    ):
        row = [clip, int(label), names[label], int(top[0]), names[top[0]], f"{probability[top[0]]:.6f}"]
        row.append(int(label == top[0]))
        for index in top:
            row += [names[index], f"{probability[index]:.6f}"]
        yield row + ["yes"] * evaluation.synthetic


def per_class_rows(evaluation: Evaluation) -> Iterable[list]:
    """One row a class; accuracy is empty without clips, precision without predictions."""
    names, confusion = evaluation.class_names, evaluation.confusion
    header = ["class", "class_name", "clips", "correct", "accuracy", "predicted", "precision"]
    yield header + ["most_confused_with", "confused_clips"] + ["synthetic_data"] * evaluation.synthetic
    accuracy, precision = per_class_accuracy(confusion), per_class_precision(confusion)
    worst = {label: (names[other], clips) for label, other, clips in reversed(evaluation.confused_pairs())}
    for index, name in enumerate(names):
        row = [index, name, int(confusion[index].sum()), int(confusion[index, index]), _decimal(accuracy[index])]
        row += [int(confusion[:, index].sum()), _decimal(precision[index]), *worst.get(index, ("", 0))]
        yield row + ["yes"] * evaluation.synthetic


def confusion_rows(evaluation: Evaluation) -> Iterable[list]:
    """Clips by label (row) and prediction (column), with names at both edges."""
    yield ["synthetic data: label" if evaluation.synthetic else "label", *evaluation.class_names]
    for name, row in zip(evaluation.class_names, evaluation.confusion, strict=True):
        yield [name, *row.tolist()]


def csv_bytes(rows: Iterable[list]) -> bytes:
    """Rows as the content of a CSV file, UTF-8, safe to open in a spreadsheet."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([spreadsheet_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8")


def _decimal(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"{fraction:.4f}"
