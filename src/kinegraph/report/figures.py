"""The figures of a report as files for papers: confusion matrix, learning curves, calibration."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from kinegraph.atomic import write_atomic
from kinegraph.evaluation.calibration import Calibration, calibration
from kinegraph.evaluation.tables import MOST_COLUMNS
from kinegraph.report.course import Curve
from kinegraph.report.plots import confusion_figure
from kinegraph.report.runs import Run
from kinegraph.report.vectors import VectorKind, vector_file

# Okabe and Ito 2008: colours that people with any colour vision tell apart. Lines also differ in their dashes.
TRAINING, VALIDATION, CLAIMED = "#0072B2", "#D55E00", "#56B4E9"


def write_figures(run: Run, folder: Path, kind: VectorKind) -> list[Path]:
    """Write what is known of a run or test as figures of a folder. Returns the files; none where nothing is known."""
    written: list[Path] = []
    for name, figure in _figures(run):
        written.append(folder / f"{name}.{kind}")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(written[-1], vector_file(figure, kind, tight=True))
    return written


def _figures(run: Run) -> Iterator[tuple[str, Figure]]:
    if run.evaluation is not None:
        evaluation = run.evaluation
        matrix = evaluation.matrix(MOST_COLUMNS, every=0)
        names = matrix.names(evaluation.class_names)
        yield "confusion_matrix", confusion_figure(matrix.counts, names, evaluation.title, matrix.absent)
        yield "calibration", calibration_figure(calibration(evaluation.confidence, evaluation.right))
    for key, title, scale in (("top1", "top-1, %", 100), ("loss", "loss", 1)):
        if any(name == key for _, name in run.course.curve):
            yield f"learning_{key}", learning_figure(run.course.curve, key, title, scale)


def learning_figure(curve: Curve, key: str, title: str, scale: float) -> Figure:
    """A figure of the log over epochs, of training and validation. scale: what its values are multiplied by."""
    figure = Figure(figsize=(3.5, 2.4), layout="constrained")  # a column of most journals is 3.5 inches wide
    axes = figure.subplots()
    for mode, word, colour, dashes in (("train", "training", TRAINING, "--"), ("val", "validation", VALIDATION, "-")):
        if points := curve.get((mode, key)):
            epochs, values = zip(*points, strict=True)
            look = {"color": colour, "linestyle": dashes, "marker": "o" if len(points) == 1 else None, "markersize": 3}
            axes.plot(epochs, [scale * value for value in values], label=word, **look)
    axes.set(xlabel="epoch", ylabel=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure


def calibration_figure(found: Calibration) -> Figure:
    """How many predictions are right, bin by bin of the probability that the network gave them."""
    figure = Figure(figsize=(3.5, 3.2), layout="constrained")
    axes = figure.subplots()
    there, bins = found.count > 0, len(found.count)
    places = (there.nonzero()[0] + 0.5) / bins
    axes.bar(places, found.accuracy[there], width=0.9 / bins, color=CLAIMED, label="right")
    axes.plot(found.confidence[there], found.accuracy[there], "o", color=TRAINING, markersize=3, label="mean of a bin")
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=0.8, label="ideal")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability given", ylabel="share that is right", aspect="equal")
    axes.set_title(f"expected calibration error {found.error:.3f}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure
