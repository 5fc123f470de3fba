"""Figures of a test: the confusion matrix as PNG and SVG, the learning curve as SVG.

The SVGs take their colours from the page they stand in, so that they follow its light and dark mode.
"""

import io
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Int
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from kinegraph.report.evaluation import plain

# White to dark blue: one hue that only gets darker reads the same with any kind of colour vision, and in print.
SHARE_COLOURS = LinearSegmentedColormap.from_list(
    "share",
    [(0, "#ffffff"), (0.05, "#dbe8f5"), (0.2, "#abcbe7"), (0.4, "#6fa3d3"), (0.7, "#2a66a8"), (1, "#0b2d5c")],
)
NO_CLIPS = "#ececec"
SHADES = (0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)  # upper limits, for the SVG
COUNTED = 24  # classes up to which there is room for a number in each cell

Curve = Mapping[tuple[str, str], Sequence[tuple[int, float]]]


def confusion_png(confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str], title: str = "") -> bytes:
    """The matrix as a PNG file; the same figures give the same bytes."""
    file = io.BytesIO()
    figure = confusion_figure(confusion, class_names, title)
    figure.savefig(file, format="png", bbox_inches="tight", pad_inches=0.25, metadata={"Software": "kinegraph"})
    return file.getvalue()


def confusion_figure(
    confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str], title: str = ""
) -> Figure:
    """The matrix with rows as shares of each label's clips; a figure that grows with the number of classes."""
    classes = len(class_names)
    pitch, size = _pitch(classes)  # inches between classes, points of their names
    clips = confusion.sum(axis=1, keepdims=True)
    share = np.where(clips > 0, confusion / np.maximum(clips, 1), np.nan)
    longest = 40 if classes <= COUNTED else 34
    labels = [_picture_name(index, name, longest) for index, name in enumerate(class_names)]

    figure = Figure(figsize=(classes * pitch, classes * pitch), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    colours = SHARE_COLOURS.with_extremes(bad=NO_CLIPS)
    picture = axes.imshow(share, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if classes <= COUNTED else {"rotation": 90}
    axes.set_xticks(range(classes), labels, fontsize=size, parse_math=False, **slanted)
    axes.set_yticks(range(classes), labels, fontsize=size, parse_math=False)
    axes.tick_params(length=0, pad=4)
    axes.set_xticks(np.arange(0.5, classes - 1), minor=True)
    axes.set_yticks(np.arange(0.5, classes - 1), minor=True)
    axes.grid(which="minor", color="#e8ebef", linewidth=0.6 if classes <= COUNTED else 0.3)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set(color="#b8bec8", linewidth=0.8)
    heading = 11 if classes <= COUNTED else 15
    axes.set_xlabel("predicted", fontsize=heading, labelpad=8)
    axes.set_ylabel("label", fontsize=heading, labelpad=8)
    axes.set_title(plain(title), fontsize=heading + 2, loc="left", pad=12, parse_math=False)
    if classes <= COUNTED:
        _print_counts(axes, confusion, share, size)
    _add_scale(figure, picture, classes * pitch, heading, empty=bool((clips == 0).any()))
    return figure


def _pitch(classes: int) -> tuple[float, float]:
    """Inches a class takes and points of its name; a name's height stays below the pitch."""
    if classes <= 12:
        return 0.5, 10.0
    if classes <= COUNTED:
        return 0.4, 9.5
    return (0.2, 9.0) if classes <= 64 else (0.15, 7.5)


def _picture_name(index: int, name: str, longest: int) -> str:
    """A class's name, shortened; its number where the font lacks its letters."""
    name = shortened(name, longest)
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    if not name or any(ord(character) not in font for character in name):
        return f"class {index}"
    return name


def shortened(name: str, longest: int) -> str:
    """A name cut in its middle, because names that begin alike often differ at their ends."""
    name = plain(name).strip()
    head = (longest - 1) // 2
    tail = longest - 1 - head
    return name if len(name) <= longest else f"{name[:head].rstrip()}…{name[-tail:].lstrip()}"


def _print_counts(axes, confusion: np.ndarray, share: np.ndarray, size: float) -> None:
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if share[row, column] > 0.5 else "#22262c"
        count = str(confusion[row, column])
        small = size * min(1.0, 4 / len(count)) * 0.95
        axes.text(column, row, count, ha="center", va="center_baseline", fontsize=small, color=colour)


def _add_scale(figure: Figure, picture, side: float, heading: float, empty: bool) -> None:
    """A slim colour scale to the right, of the same size whatever the number of classes."""
    height = min(2.5, 0.6 * side) / side
    scale = figure.colorbar(picture, cax=figure.add_axes((1 + 0.2 / side, 1 - height, 0.13 / side, height)))
    scale.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100 %"], fontsize=heading - 2)
    scale.ax.tick_params(length=0, pad=5)
    scale.outline.set_visible(False)
    scale.ax.set_ylabel("of the label's clips", fontsize=heading - 2, labelpad=6)
    if empty:
        figure.text(1 + 0.2 / side, 1 - height - 0.3 / side, "grey: no clips", fontsize=heading - 2, va="top")


def confusion_svg(confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str]) -> str:
    """The matrix for a page: cells as paths, one a shade, so that 120 classes stay a small file."""
    classes = len(class_names)
    cell = 28 if classes <= 12 else 23 if classes <= COUNTED else 12 if classes <= 64 else 7
    names = [shortened(name, 40 if classes <= COUNTED else 30) for name in class_names]
    named = cell >= 12
    font = min(12, cell - 2) if named else 10
    numbers = 32  # width of the row numbers; on a phone the page shows no names
    left = numbers + (round(0.56 * font * max(map(len, names))) if named else 0)
    top, side = 22, cell * classes
    parts = [
        f'<svg class="matrix" viewBox="0 0 {left + side + 1} {top + side + 1}" width="{left + side + 1}"'
        f' data-left="{left}" data-top="{top}" data-cell="{cell}" data-numbers="{numbers}" role="img"'
        f' aria-label="Confusion matrix: labels in rows, predictions in columns">'
    ]
    step = 1 if cell >= 20 else 5 if named else 10
    for index in range(classes):
        middle = cell * (index + 0.5)
        down = f'y="{top + middle + 0.36 * font:.1f}" font-size="{font}" text-anchor="end"'
        if named:
            parts.append(f'<text x="{left - numbers}" {down}>{escape(names[index])}</text>')
        if named or index % step == 0:
            parts.append(f'<text x="{left - 6}" {down}>{index}</text>')
        if index % step == 0:
            spot = f'x="{left + middle:.1f}" y="{top - 6}" font-size="{min(font + 1, 11)}"'
            parts.append(f'<text {spot} text-anchor="middle">{index}</text>')
    parts.append(f'<g transform="translate({left} {top})"><rect class="ground" width="{side}" height="{side}"/>')
    parts += _shades(confusion, cell)
    if classes <= COUNTED:
        parts += _counts(confusion, cell)
    return "".join([*parts, f'<rect class="mark" width="{cell}" height="{cell}" visibility="hidden"/></g></svg>'])


def _shades(confusion: np.ndarray, cell: int) -> list[str]:
    """Filled cells, grouped by their share of the row; rows without clips get a shade of their own."""
    clips = confusion.sum(axis=1, keepdims=True)
    share = confusion / np.maximum(clips, 1)
    size = f"h{cell}v{cell}h-{cell}z"
    paths = []
    for low, high in itertools.pairwise(SHADES):
        if cells := "".join(f"M{cell * j} {cell * i}{size}" for i, j in np.argwhere((share > low) & (share <= high))):
            paths.append(f'<path class="share" fill-opacity="{0.03 + 0.97 * high:.2f}" d="{cells}"/>')
    row = f"h{cell * len(confusion)}v{cell}h-{cell * len(confusion)}z"
    if empty := "".join(f"M0 {cell * i}{row}" for i in np.flatnonzero(clips == 0)):
        paths.append(f'<path class="empty" d="{empty}"/>')
    return paths


def _counts(confusion: np.ndarray, cell: int) -> list[str]:
    clips = np.maximum(confusion.sum(axis=1), 1)
    texts = []
    for i, j in np.argwhere(confusion):
        count = str(confusion[i, j])
        size = min(11.0, 1.5 * cell / max(len(count), 2))
        strong = ' class="strong"' if confusion[i, j] / clips[i] > 0.5 else ""
        spot = f'x="{cell * (j + 0.5):g}" y="{cell * (i + 0.5) + 0.36 * size:.1f}" font-size="{size:.1f}"'
        texts.append(f'<text {spot} text-anchor="middle"{strong}>{count}</text>')
    return texts


def learning_curve(log: str | Path) -> Curve:
    """Values by epoch of a run's log.jsonl: {("train", "loss"): [(epoch, mean of the epoch's lines), ...], ...}.

    Lines that are no JSON object with mode, epoch and numbers are passed over: the first one describes the
    environment, and a killed run may leave half a line.
    """
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in Path(log).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("epoch"), int):
            continue
        for key in ("loss", "top1", "mean_class_accuracy"):
            value = entry.get(key)
            if entry.get("mode") in ("train", "val") and isinstance(value, int | float) and math.isfinite(value):
                values[entry["mode"], key][entry["epoch"]].append(value)
    return {
        series: [(epoch, math.fsum(found) / len(found)) for epoch, found in sorted(epochs.items())]
        for series, epochs in values.items()
    }


def curve_svg(series: Mapping[str, Sequence[tuple[int, float]]], *, percent: bool = False) -> str:
    """Lines over epochs, one a series; the series' name is its CSS class ("train", "val")."""
    width, height, left, right, top, bottom = 440, 210, 40, 12, 10, 26
    points = [point for line in series.values() for point in line]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    ticks = _ticks(0.0, max(max(y for _, y in points), 1e-9))
    highest = ticks[-1]

    def across(epoch: float) -> float:
        return left + (width - left - right) * ((epoch - first) / (last - first) if last > first else 0.5)

    def up(value: float) -> float:
        return top + (height - top - bottom) * (1 - max(value, 0.0) / highest)

    parts = [f'<svg class="curve" viewBox="0 0 {width} {height}" role="img" aria-label="Learning curve">']
    for tick in ticks:
        y = f"{up(tick):.1f}"
        text = f"{100 * tick:.4g}" if percent else f"{tick:.4g}"
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 7}" y="{up(tick) + 3.8:.1f}" text-anchor="end">{text}</text>')
    for tick in sorted({round(tick) for tick in _ticks(first, last) if first <= tick <= last}):
        parts.append(f'<text x="{across(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick}</text>')
    for name, line in series.items():
        spots = [(across(x), up(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline class="{name}" points="{path}"/>')
        parts.append(f'<circle class="{name}" cx="{spots[-1][0]:.1f}" cy="{spots[-1][1]:.1f}" r="3"/>')
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that span low to high."""
    rough = max(high - low, 1e-12) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(round_one for round_one in (1, 2, 5, 10) if rough <= round_one * power * (1 + 1e-9))
    return [step * index for index in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]
