"""The JSON file beside a result file: with it the scores become an Evaluation again.

It holds the names of the clips and the classes, the labels, and what the test was made with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph import __version__
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.calibration import calibration
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.results import read_result, result_file, result_pickle
from kinegraph.messages import one_line, quoted
from kinegraph.safe_io import read_json, without_nan


def about_result(
    evaluation: Evaluation,
    config_text: str,
    environment: Mapping[str, object],
    log: str | Path | None,
    warnings: Sequence[str] = (),
) -> bytes:
    """All that belongs to the scores in a result file, as JSON: with it `kinegraph report` needs nothing else."""
    record = {
        "kinegraph": __version__,
        "split": evaluation.split,
        "part": evaluation.part,
        "source": evaluation.source,
        "dataset": str(evaluation.folder.path) if evaluation.folder is not None else None,
        "log": str(Path(log).resolve()) if log is not None else None,
        "metrics": without_nan(evaluation.metrics | evaluation.more_metrics),
        "intervals": evaluation.intervals,
        "calibration_error": calibration(evaluation.confidence, evaluation.right).error,
        "warnings": list(warnings),
        "environment": {key: str(value) for key, value in environment.items()},
        "config": config_text,
        "sha256": sha256(result_pickle(evaluation.scores)).hexdigest(),
        "class_names": list(evaluation.class_names),
        "clips": list(evaluation.names),
        "labels": np.asarray(evaluation.labels).tolist(),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", errors="replace")


def read_evaluation(result: Path) -> tuple[Evaluation, dict[str, Any]]:
    """The evaluation in a result file of `kinegraph test`, and all that the JSON file beside it says.

    The evaluation has its dataset if that is still at its place. Raises ValueError where the two files do not belong
    together.
    """
    result = result_file(result)
    about = result.with_suffix(".json")
    if not result.exists():
        raise ValueError(f"there is no result {result}; `kinegraph test WEIGHTS --out FOLDER/result.pkl` writes one")
    try:
        record: Any = read_json(about)
        labels, names = np.array(record["labels"], np.int64), list(map(str, record["clips"]))
        class_names = tuple(map(str, record["class_names"]))
        split, part, source = (str(record.get(key, "")) for key in ("split", "part", "source"))
        warnings = list(map(str, record.get("warnings", record.get("doubts", []))))
        record |= _checked(record)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{about} does not describe a result: {one_line(error)}") from None
    if record.get("sha256", own := sha256(result.read_bytes()).hexdigest()) != own:
        raise ValueError(f"{result} and {about.name} do not belong together: one is of another test; test again")
    scores = read_result(result).scores  # as they were written, logits
    try:
        evaluation = Evaluation(scores, labels, names, class_names, split, part, source)
    except ValueError as error:
        raise ValueError(f"{result} and {about.name} do not belong together: {error}") from None
    record["warnings"] = warnings
    return _with_folder(evaluation, record.get("dataset")), record


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """What stands beside the clips, each of its kind. Raises ValueError for another kind."""
    found: dict[str, Any] = {}
    for key, (kind, missing) in {
        "log": (str, None),
        "dataset": (str, None),
        "config": (str, ""),
        "environment": (dict, {}),
    }.items():
        value = record.get(key)
        if not isinstance(value, kind | None):
            raise ValueError(f"'{key}' is {quoted(value)}, expected {'text' if kind is str else 'values by name'}")
        found[key] = missing if value is None else value
    return found


def _with_folder(evaluation: Evaluation, dataset: str | None) -> Evaluation:
    """The evaluation with its dataset, if that is there and has the same clips: without it, the report has less."""
    try:
        folder = open_dataset(dataset) if dataset else None
    except (ValueError, OSError):
        return evaluation
    if folder is None or folder.class_names != evaluation.class_names:
        return evaluation
    place = {name: index for index, name in enumerate(folder.names)}
    indices = np.array([place.get(name, -1) for name in evaluation.names])
    if (indices < 0).any() or (folder.label[indices] != evaluation.labels).any():
        return evaluation
    return replace(evaluation, folder=folder, indices=indices)
