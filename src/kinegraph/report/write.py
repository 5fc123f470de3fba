"""What a test leaves behind: the scores, tables to go on with, a picture, and a page to read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kinegraph.atomic import write_atomic
from kinegraph.evaluation.about_result import about_result
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.results import checked_result_path, result_pickle
from kinegraph.evaluation.tables import MOST_COLUMNS, confusion_rows, csv_bytes, per_class_rows, prediction_rows
from kinegraph.inference.explanation import explainer
from kinegraph.inference.predictor import predictor_of
from kinegraph.report.course import Course, read_course
from kinegraph.report.html import report_page
from kinegraph.report.plots import confusion_png
from kinegraph.report.runs import VALIDATION, Run, read_run
from kinegraph.report.scene import Explain, scenes_of

SHOWN = 10  # mistakes that are played


def write_report(
    out: str | Path,
    evaluation: Evaluation,
    *,
    config_text: str = "",
    environment: Mapping[str, object] | None = None,
    log: str | Path | None = None,
    page: Path | None = None,
    explain: Explain | None = None,
    warnings: Sequence[str] = (),
    title: str = "Test report",
) -> dict[str, Path]:
    """Write the result file `out` and beside it what belongs to it, the tables, the picture and report.html.

    log: a run's log.jsonl, for the learning curve. page: another place for the report. explain: the importance of
    joints in a clip, to be drawn on the mistakes. warnings: lines that say why the figures cannot be trusted.
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
    write_atomic(paths["about"], about_result(evaluation, config_text, environment or {}, log, warnings))
    write_atomic(paths["predictions"], csv_bytes(prediction_rows(evaluation)))
    write_atomic(paths["per_class"], csv_bytes(per_class_rows(evaluation)))
    write_atomic(paths["confusion_matrix"], csv_bytes(confusion_rows(evaluation)))
    matrix = evaluation.matrix(MOST_COLUMNS, every=0)
    picture = confusion_png(matrix.counts, matrix.names(evaluation.class_names), evaluation.title, matrix.absent)
    write_atomic(paths["picture"], picture)
    about = {"config_text": config_text, "environment": environment, "explain": explain, "title": title}
    write_page(paths["report"], evaluation, log=log, warnings=warnings, **about)
    return paths


def write_page(
    path: Path,
    evaluation: Evaluation | None,
    *,
    config_text: str = "",
    environment: Mapping[str, object] | None = None,
    log: str | Path | None = None,
    course: Course | None = None,
    explain: Explain | None = None,
    warnings: Sequence[str] = (),
    title: str = "Test report",
    hint: str = "",
) -> None:
    """Write the report alone. course: what the log says, where it is read already."""
    if course is None:
        course = read_course(log) if log is not None else Course()
    scenes = scenes_of(evaluation, evaluation.surest_mistakes(SHOWN), explain) if evaluation is not None else []
    page = report_page(
        evaluation,
        config_text=config_text,
        environment=environment or {},
        curve=course.curve,
        validations=course.validations,
        scenes=scenes,
        warnings=warnings,
        title=title,
        hint=hint,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page.encode("utf-8"))


# ---- of a run --------------------------------------------------------------------------------------------------------


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
        course = read_course(log)
        about = {"config_text": config, "environment": course.environment, "log": log, "title": run_title(path)}
        about["warnings"] = course.warnings
        write_report(path / VALIDATION, evaluation, page=page, explain=_explain(_weights(path)), **about)
        return page
    write_single(read_run(path), page)
    return page


def write_single(run: Run, page: Path) -> None:
    """Write the report of one run or test."""
    training = (run.path / "log.jsonl").is_file()
    weights = _weights(run.path) if training else Path(str(run.environment.get("weights", "")))
    hint = ""
    if run.evaluation is None and weights:
        command = f"kinegraph test {run.path / 'config.yaml'} {weights} --report report.html"
        hint = f"No scores of single clips are kept in this run; {command} shows more."
    write_page(
        page,
        run.evaluation,
        config_text=run.config_text,
        environment=run.environment,
        course=run.course,
        explain=_explain(weights) if run.evaluation is not None else None,
        warnings=run.warnings,
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
    """The function for the importance of joints, where weights that know their preprocessing are still there."""
    try:
        return explainer(predictor_of(weights)) if weights and weights.is_file() else None
    except ValueError:
        return None
