"""Runs and tests as their folders tell them: what `kinegraph report` reads, and the report that a training leaves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import yaml

from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.results import read_result
from kinegraph.inference.explanation import joint_importance
from kinegraph.inference.predictor import predictor_of
from kinegraph.report.breakdown import calibration
from kinegraph.report.evaluation import Evaluation
from kinegraph.report.learning import Curve, doubts_of, environment_of, learning_curve, validations
from kinegraph.report.results import write_page, write_report
from kinegraph.report.scenes import Explain

VALIDATION = Path("val") / "result.pkl"  # in a run folder: the scores of its best weights
METRICS = ("top1", "top5", "mean_class_accuracy")


@dataclass(frozen=True, eq=False)
class Run:
    """A training or a test. evaluation: where there are scores. log: where there is a training's log.jsonl.

    doubts: lines on what its figures are not to be trusted for.
    """

    path: Path
    config_text: str
    environment: dict
    log: Path | None
    evaluation: Evaluation | None
    doubts: Sequence[str] = ()

    @cached_property
    def config(self) -> dict:
        try:
            found = yaml.safe_load(self.config_text)
        except yaml.YAMLError:
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def curve(self) -> Curve:
        return learning_curve(self.log) if self.log else {}

    @cached_property
    def validations(self) -> list[dict]:
        return validations(self.log) if self.log else []

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Of the evaluation; without one those of the best validation by top-1, as far as the log tells them."""
        if self.evaluation is not None:
            error = calibration(self.evaluation.confidence, self.evaluation.right).error
            return self.evaluation.metrics | {"calibration_error": error}
        best = max(self.validations, key=lambda record: record["top1"], default={})
        return {key: best[key] for key in METRICS if key in best}


def read_run(path: str | Path) -> Run:
    """What a run folder, the folder of a test or a result file tells.

    Raises ValueError where a path is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"there is no run or test {path}")
    if (path / "log.jsonl").is_file():
        return _training(path)
    result = path if path.is_file() else _result_in(path)
    about = result.with_suffix(".json")
    if result.suffix != ".pkl" or not about.is_file():
        raise ValueError(
            f"{path} is no result of `kinegraph test`: expected a file such as result.pkl with {about.name} beside it"
        )
    return _test(path, result, about)


def _result_in(folder: Path) -> Path:
    results = sorted(it for it in folder.glob("*.pkl") if it.with_suffix(".json").is_file())
    if len(results) == 1:
        return results[0]
    if not results:
        raise ValueError(
            f"{folder} is no run folder (it has no log.jsonl) and holds no result of `kinegraph test --out` "
            "(result.pkl with result.json)"
        )
    raise ValueError(f"{folder} holds {len(results)} results; give one of them, such as {results[0]}")


def _training(path: Path) -> Run:
    config, log, result = path / "config.yaml", path / "log.jsonl", path / VALIDATION
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    about = result.with_suffix(".json")
    evaluation = _test(path, result, about).evaluation if result.is_file() and about.is_file() else None
    return Run(path, text, environment_of(log), log, evaluation, doubts_of(log))


def _test(path: Path, result: Path, about: Path) -> Run:
    try:
        told = json.loads(about.read_text(encoding="utf-8"))
        labels, names = np.array(told["labels"], np.int64), list(map(str, told["clips"]))
        class_names = tuple(map(str, told["class_names"]))
        split, part, source = (str(told.get(key, "")) for key in ("split", "part", "source"))
        doubts = list(map(str, told.get("doubts", [])))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{about} does not tell about a result: {' '.join(str(error).split())[:100]}") from None
    if told.get("sha256", own := sha256(result.read_bytes()).hexdigest()) != own:
        raise ValueError(f"{result} and {about.name} do not belong together: one is of another test; test again")
    scores = read_result(result).scores  # as they were written, logits
    try:
        evaluation = Evaluation(scores, labels, names, class_names, split, part, source)
    except ValueError as error:
        raise ValueError(f"{result} and {about.name} do not belong together: {error}") from None
    log = Path(told["log"]) if told.get("log") else None
    log = log if log and log.is_file() else None
    evaluation = _with_folder(evaluation, told.get("dataset"))
    return Run(path, str(told.get("config", "")), dict(told.get("environment", {})), log, evaluation, doubts)


def _with_folder(evaluation: Evaluation, dataset: str | None) -> Evaluation:
    """The evaluation with its dataset, if that is still there and has the same clips: without it, less is told."""
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


# ---- reports ---------------------------------------------------------------------------------------------------------


def write_run_report(path: str | Path, evaluation: Evaluation | None = None) -> Path:
    """Write report.html into a run folder, from its log and config and from what its weights said of clips.

    evaluation: of the run's best weights on the "val" part, see `evaluation_of`; it is kept in val/ beside the tables
    that a test writes. Without it the one that is kept there is shown again; without either, the course of training.
    """
    path = Path(path)
    page = path / "report.html"
    if evaluation is not None:
        config = (path / "config.yaml").read_text(encoding="utf-8")
        log = path / "log.jsonl"
        told = {"config_text": config, "environment": environment_of(log), "log": log, "title": run_title(path)}
        told["doubts"] = doubts_of(log)
        write_report(path / VALIDATION, evaluation, page=page, explain=_explain(_weights(path)), **told)
        return page
    write_single(read_run(path), page)
    return page


def write_single(run: Run, page: Path) -> None:
    """Write the report of one run or test."""
    training = (run.path / "log.jsonl").is_file()
    weights = _weights(run.path) if training else Path(run.environment.get("weights", ""))
    hint = ""
    if run.evaluation is None and weights:
        command = f"kinegraph test {run.path / 'config.yaml'} {weights} --report report.html"
        hint = f"No scores of single clips are kept in this run; {command} tells more."
    write_page(
        page,
        run.evaluation,
        config_text=run.config_text,
        environment=run.environment,
        log=run.log,
        explain=_explain(weights) if run.evaluation is not None else None,
        doubts=run.doubts,
        title=run_title(run.path) if training else "Test report",
        hint=hint,
    )


def run_title(path: Path) -> str:
    return f"Training report: {path.resolve().name}"


def _weights(run: Path) -> Path | None:
    """A run's best weights, or its last."""
    kept = (run / "checkpoints" / f"{which}.safetensors" for which in ("best", "last"))
    return next(filter(Path.is_file, kept), None)


def _explain(weights: Path | None) -> Explain | None:
    """What tells the importance of joints, where weights that know their preprocessing are still there."""
    try:
        return partial(joint_importance, predictor_of(weights)) if weights and weights.is_file() else None
    except ValueError:
        return None
