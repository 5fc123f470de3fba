"""The confusion matrix as a picture, for papers and slides."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from kinegraph.messages import plain_name, shortened

# White to dark blue: one hue that only gets darker reads the same with any kind of colour vision, and in print.
SHARE_COLOURS = LinearSegmentedColormap.from_list(
    "share",
    [(0, "#ffffff"), (0.05, "#dbe8f5"), (0.2, "#abcbe7"), (0.4, "#6fa3d3"), (0.7, "#2a66a8"), (1, "#0b2d5c")],
)
NO_CLIPS = "#ececec"
NAMED = 150  # classes up to which each has its name
COUNTED = 24  # classes up to which there is room for a number in each cell


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
    notes = ["grey: no clips"] * empty + [f"left out: {absent:,} without\nclips or predictions"] * (absent > 0)
    place = 1 + 0.2 / side, 1 - height - 0.3 / side
    figure.text(*place, "\n".join(notes), fontsize=heading - 2, va="top", linespacing=1.4)
