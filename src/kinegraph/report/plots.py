"""Pictures of matplotlib for papers and slides: the confusion matrix, learning curves, calibration."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int
from matplotlib import font_manager, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from kinegraph.atomic import write_atomic
from kinegraph.evaluation.calibration import Calibration, calibration
from kinegraph.evaluation.evaluation import MOST_COLUMNS
from kinegraph.messages import plain_name, shortened
from kinegraph.report.runs import Curve, Run

# White to dark blue: one hue that only gets darker reads the same with any kind of colour vision, and in print.
SHARE_COLOURS = LinearSegmentedColormap.from_list(
    "share", [(0, "#ffffff"), (0.05, "#dbe8f5"), (0.2, "#abcbe7"), (0.4, "#6fa3d3"), (0.7, "#2a66a8"), (1, "#0b2d5c")]
)
NO_CLIPS = "#ececec"
NAMED = 150  # classes up to which each has its name
COUNTED = 24  # classes up to which there is room for a number in each cell
VectorKind = Literal["svg", "pdf"]
# Text stays text, to be searched and edited: as such in an SVG, in a TrueType font that a PDF carries.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "kinegraph", "pdf.fonttype": 42}
NO_DATE = {"svg": {"Date": None, "Creator": "kinegraph"}, "pdf": {"CreationDate": None, "Creator": "kinegraph"}}
# Okabe and Ito 2008: colours that people with any colour vision tell apart. Lines also differ in their dashes.
TRAINING, VALIDATION, CLAIMED = "#0072B2", "#D55E00", "#56B4E9"


def confusion_png(
    confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str], title: str = "", absent: int = 0
) -> bytes:
    """The matrix as a PNG file; the same figures give the same bytes. absent: classes that are left out."""
    file = io.BytesIO()
    figure = confusion_figure(confusion, class_names, title, absent)
    figure.savefig(file, format="png", bbox_inches="tight", pad_inches=0.25, metadata={"Software": "kinegraph"})
    return file.getvalue()


def confusion_figure(
    confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str], title: str = "", absent: int = 0
) -> Figure:
    """The matrix with rows as shares of each label's clips; a figure that grows with the classes, up to NAMED."""
    classes = len(class_names)
    pitch, size = _pitch(classes)  # inches between classes, points of their names
    clips = confusion.sum(axis=1, keepdims=True)
    share = np.where(clips > 0, confusion / np.maximum(clips, 1), np.nan)
    longest = 40 if classes <= COUNTED else 34
    step = -(-classes // NAMED)  # of many classes every second, third ... is named
    labels = [_picture_name(index, class_names[index], longest) for index in range(0, classes, step)]

    figure = Figure(figsize=(classes * pitch, classes * pitch), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    colours = SHARE_COLOURS.with_extremes(bad=NO_CLIPS)
    picture = axes.imshow(share, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if classes <= COUNTED else {"rotation": 90}
    named = range(0, classes, step)
    axes.set_xticks(named, labels, fontsize=size, parse_math=False, **slanted)
    axes.set_yticks(named, labels, fontsize=size, parse_math=False)
    axes.tick_params(length=0, pad=4)
    if step == 1:
        axes.set_xticks(np.arange(0.5, classes - 1), minor=True)
        axes.set_yticks(np.arange(0.5, classes - 1), minor=True)
        axes.grid(which="minor", color="#e8ebef", linewidth=0.6 if classes <= COUNTED else 0.3)
        axes.tick_params(which="minor", length=0)
    axes.spines[:].set(color="#b8bec8", linewidth=0.8)
    heading = 11 if classes <= COUNTED else 15
    axes.set_xlabel("predicted", fontsize=heading, labelpad=8)
    axes.set_ylabel("label", fontsize=heading, labelpad=8)
    axes.set_title(plain_name(title), fontsize=heading + 2, loc="left", pad=12, parse_math=False)
    if classes <= COUNTED:
        _print_counts(axes, confusion, share, size)
    _add_scale(figure, picture, classes * pitch, heading, bool((clips == 0).any()), absent)
    return figure


def _pitch(classes: int) -> tuple[float, float]:
    """Inches a class takes and points of its name; a name's height stays below the pitch."""
    if classes <= 12:
        return 0.5, 10.0
    if classes <= COUNTED:
        return 0.4, 9.5
    return (0.2, 9.0) if classes <= 64 else (0.15 * min(1.0, NAMED / classes), 7.5)


def _picture_name(index: int, name: str, longest: int) -> str:
    """A class's name, shortened; its number where the font lacks its letters."""
    name = shortened(name, longest)
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    if not name or any(ord(character) not in font for character in name):
        return f"class {index}"
    return name


def _print_counts(axes, confusion: np.ndarray, share: np.ndarray, size: float) -> None:
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if share[row, column] > 0.5 else "#22262c"
        count = str(confusion[row, column])
        small = size * min(1.0, 4 / len(count)) * 0.95
        axes.text(column, row, count, ha="center", va="center_baseline", fontsize=small, color=colour)


def _add_scale(figure: Figure, picture, side: float, heading: float, empty: bool, absent: int) -> None:
    """A slim colour scale to the right, of the same size whatever the number of classes."""
    height = min(2.5, 0.6 * side) / side
    scale = figure.colorbar(picture, cax=figure.add_axes((1 + 0.2 / side, 1 - height, 0.13 / side, height)))
    scale.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100 %"], fontsize=heading - 2)
    scale.ax.tick_params(length=0, pad=5)
    scale.outline.set_visible(False)
    scale.ax.set_ylabel("of the label's clips", fontsize=heading - 2, labelpad=6)
    notes = (["grey: no clips"] if empty else []) + (
        [f"left out: {absent:,} without\nclips or predictions"] if absent > 0 else []
    )
    place = 1 + 0.2 / side, 1 - height - 0.3 / side
    figure.text(*place, "\n".join(notes), fontsize=heading - 2, va="top", linespacing=1.4)


# ---- figures as files: SVG and PDF, of lines and letters that stay sharp at any size ---------------------------------


def vector_file(figure: Figure, kind: VectorKind, *, tight: bool = False) -> bytes:
    """The file's content; the same figure gives the same bytes. tight: with what reaches beyond the figure's edges."""
    file, around = io.BytesIO(), {"bbox_inches": "tight", "pad_inches": 0.1} if tight else {}
    with rc_context(SETTINGS):
        figure.savefig(file, format=kind, metadata=NO_DATE[kind], **around)
    return file.getvalue()


# ---- the figures of a report: confusion matrix, learning curves, calibration -----------------------------------------


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
    for key, title, scale in (("top1", f"{run.course.measure}, %", 100), ("loss", "loss", 1)):
        if any(name == key for _, name in run.course.curve):
            yield f"learning_{key}", learning_figure(run.course.curve, key, title, scale)


def learning_figure(curve: Curve, key: str, title: str, scale: float) -> Figure:
    """A figure of the log over epochs, of training and validation. scale: a factor for the values."""
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
