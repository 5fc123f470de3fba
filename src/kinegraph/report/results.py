"""What a test leaves behind: the scores, tables to go on with, a picture, and a page to read."""

import csv
import io
import json
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph import __version__
from kinegraph.atomic import write_atomic
from kinegraph.evaluation.metrics import per_class_accuracy, per_class_precision
from kinegraph.report.breakdown import calibration
from kinegraph.report.evaluation import Evaluation, plain
from kinegraph.report.html import report_page
from kinegraph.report.learning import learning_curve, validations
from kinegraph.report.plots import confusion_png
from kinegraph.report.scenes import Explain, scenes_of

SHOWN = 10  # mistakes that are played


def checked_result_path(out: str | Path) -> Path:
    """The path of the result file, if one can be written there: to be asked before hours of testing."""
    path = Path(out)
    if path.suffix != ".pkl":
        raise ValueError(f"the result file is '{path}', expected a name that ends in .pkl")
    if path.is_dir():
        raise ValueError(f"{path} is a folder, expected a file such as {path / 'result.pkl'}")
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise ValueError(f"{path} cannot be written: {folder} is not a folder one may write to")
            break
    return path


def write_report(
    out: str | Path,
    evaluation: Evaluation,
    *,
    config_text: str = "",
    environment: Mapping[str, object] | None = None,
    log: str | Path | None = None,
    page: Path | None = None,
    explain: Explain | None = None,
    doubts: Sequence[str] = (),
    title: str = "Test report",
) -> dict[str, Path]:
    """Write the result file `out` and beside it what belongs to it, the tables, the picture and report.html.

    log: a run's log.jsonl, for the learning curve. page: another place for the report. explain: the importance of
    joints in a clip, to be drawn on the mistakes. doubts: lines on what the figures are not to be trusted for.
    Each file appears whole or not at all, the scores first.
    Returns the paths: result, about, predictions, per_class, confusion_matrix, picture, report.
    """
    out = checked_result_path(out)
    folder = out.parent
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "result": out,
        "about": out.with_suffix(".json"),
        "predictions": folder / "predictions.csv",
        "per_class": folder / "per_class.csv",
        "confusion_matrix": folder / "confusion_matrix.csv",
        "picture": folder / "confusion_matrix.png",
        "report": page or folder / "report.html",
    }
    write_atomic(paths["result"], result_pickle(evaluation.scores))
    write_atomic(paths["about"], about_result(evaluation, config_text, environment or {}, log, doubts))
    write_atomic(paths["predictions"], _csv(prediction_rows(evaluation)))
    write_atomic(paths["per_class"], _csv(per_class_rows(evaluation)))
    write_atomic(paths["confusion_matrix"], _csv(confusion_rows(evaluation)))
    write_atomic(paths["picture"], confusion_png(evaluation.confusion, evaluation.class_names, evaluation.title))
    told = {"config_text": config_text, "environment": environment, "log": log, "explain": explain, "title": title}
    write_page(paths["report"], evaluation, doubts=doubts, **told)
    return paths


def write_page(
    path: Path,
    evaluation: Evaluation | None,
    *,
    config_text: str = "",
    environment: Mapping[str, object] | None = None,
    log: str | Path | None = None,
    explain: Explain | None = None,
    doubts: Sequence[str] = (),
    title: str = "Test report",
    hint: str = "",
) -> None:
    """Write the report alone."""
    scenes = scenes_of(evaluation, evaluation.surest_mistakes(SHOWN), explain) if evaluation is not None else []
    page = report_page(
        evaluation,
        config_text=config_text,
        environment=environment or {},
        curve=learning_curve(log) if log is not None else {},
        validations=validations(log) if log is not None else [],
        scenes=scenes,
        doubts=doubts,
        title=title,
        hint=hint,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page.encode("utf-8"))


def about_result(
    evaluation: Evaluation,
    config_text: str,
    environment: Mapping[str, object],
    log: str | Path | None,
    doubts: Sequence[str] = (),
) -> bytes:
    """All that belongs to the scores in a result file, as JSON: with it `kinegraph report` needs nothing else."""
    told = {
        "kinegraph": __version__,
        "split": evaluation.split,
        "part": evaluation.part,
        "source": evaluation.source,
        "dataset": str(evaluation.folder.path) if evaluation.folder is not None else None,
        "log": str(Path(log).resolve()) if log is not None else None,
        "metrics": evaluation.metrics,
        "intervals": evaluation.intervals,
        "calibration_error": calibration(evaluation.confidence, evaluation.right).error,
        "doubts": list(doubts),
        "environment": {key: str(value) for key, value in environment.items()},
        "config": config_text,
        "sha256": sha256(result_pickle(evaluation.scores)).hexdigest(),
        "class_names": list(evaluation.class_names),
        "clips": list(evaluation.names),
        "labels": np.asarray(evaluation.labels).tolist(),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", errors="replace")


def result_pickle(scores: Float[np.ndarray, "N classes"]) -> bytes:
    """A pickled list of one float32 array of shape (classes,) a clip, as MMAction2 0.x writes and reads it."""
    data = pickle.dumps([np.array(row, dtype=np.float32) for row in scores], protocol=3)
    # numpy 2 names its own module in the pickle's head, which the numpy of MMAction2 0.x does not have. The old name
    # is understood by both.
    return data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1)


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


def _csv(rows: Iterable[list]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula is quoted; our own numbers are not text in that sense."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def _decimal(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"{fraction:.4f}"
