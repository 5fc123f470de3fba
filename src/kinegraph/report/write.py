"""The files that a test writes: scores, tables for other programs, a picture, and a page to read."""

from pathlib import Path

from kinegraph.atomic import write_atomic
from kinegraph.evaluation.about_result import about_result
from kinegraph.evaluation.evaluation import (
    MOST_COLUMNS,
    Evaluation,
    confusion_rows,
    csv_bytes,
    per_class_rows,
    prediction_rows,
)
from kinegraph.evaluation.results import checked_result_path, result_pickle
from kinegraph.inference.explanation import explainer
from kinegraph.inference.predictor import predictor_of
from kinegraph.report.html import About, report_page
from kinegraph.report.plots import confusion_png
from kinegraph.report.runs import VALIDATION, Run, read_course, read_run
from kinegraph.report.scene import Explain, scenes_of

SHOWN = 10  # mistakes that are played
PLAIN = About()


def write_report(
    out: str | Path,
    evaluation: Evaluation,
    about: About = PLAIN,
    *,
    log: str | Path | None = None,
    page: Path | None = None,
    explain: Explain | None = None,
) -> dict[str, Path]:
    """Write the result file `out` and beside it what belongs to it, the tables, the picture and report.html.

    log: of the training, named in the JSON beside the scores. page: another place for the report. explain: the
    importance of joints in a clip, to be drawn on the mistakes.
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
    said = about_result(evaluation, about.config_text, about.environment, log, about.warnings)
    write_atomic(paths["result"], result_pickle(evaluation.scores))
    write_atomic(paths["about"], said)
    write_atomic(paths["predictions"], csv_bytes(prediction_rows(evaluation)))
    write_atomic(paths["per_class"], csv_bytes(per_class_rows(evaluation)))
    write_atomic(paths["confusion_matrix"], csv_bytes(confusion_rows(evaluation)))
    matrix = evaluation.matrix(MOST_COLUMNS, every=0)
    picture = confusion_png(matrix.counts, matrix.names(evaluation.class_names), evaluation.title, matrix.absent)
    write_atomic(paths["picture"], picture)
    write_page(paths["report"], evaluation, about, explain)
    return paths


def write_page(path: Path, evaluation: Evaluation | None, about: About, explain: Explain | None = None) -> None:
    """Write the report alone."""
    scenes = scenes_of(evaluation, evaluation.surest_mistakes(SHOWN), explain) if evaluation is not None else []
    page = report_page(evaluation, about, scenes)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page.encode("utf-8"))


def write_asked(
    out: Path | None,
    page: Path | None,
    evaluation: Evaluation,
    about: About,
    *,
    log: Path | None = None,
    explain: Explain | None = None,
) -> Path | None:
    """What `--out` and `--report` ask for: all files, or the page alone. Returns the page's path."""
    if out:
        return write_report(out, evaluation, about, log=log, page=page, explain=explain)["report"]
    if page:
        write_page(page, evaluation, about, explain)
    return page


# ---- of a run --------------------------------------------------------------------------------------------------------


def write_run_report(path: str | Path, evaluation: Evaluation | None = None) -> Path:
    """Write report.html into a run folder, from the log, the config and the evaluation of the weights.

    evaluation: of the run's best weights on the "val" part, see `evaluation_of`; it is kept in val/ beside the tables
    that a test writes. None: the evaluation in val/ is shown again. Where val/ has none, the page shows the course of
    training alone.
    """
    path = Path(path)
    page = path / "report.html"
    if evaluation is not None:
        log, config = path / "log.jsonl", (path / "config.yaml").read_text(encoding="utf-8")
        course = read_course(log)
        about = About(config, course.environment, course, course.warnings, run_title(path))
        write_report(path / VALIDATION, evaluation, about, log=log, page=page, explain=_explain(_weights(path)))
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
    title = run_title(run.path) if training else About.title
    about = About(run.config_text, run.environment, run.course, run.warnings, title, hint)
    write_page(page, run.evaluation, about, _explain(weights) if run.evaluation is not None else None)


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
