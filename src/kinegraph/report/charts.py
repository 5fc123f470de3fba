"""Charts as SVG. They take their colours from the page they stand in, so that they follow its light and dark mode."""

import json
import math
from collections.abc import Mapping, Sequence
from html import escape

from kinegraph.evaluation.calibration import Calibration
from kinegraph.messages import counted
from kinegraph.report.page import text
from kinegraph.report.runs import Curve

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 210, 40, 12, 10, 26
MOST_POINTS = 1000  # of a line
SCARCE = 10  # clips in a bin, below which its height says little


def curve_figures(curves: Mapping[str, Curve], classes: Sequence[str] = (), measure: str = "top-1") -> str:
    """Share right and loss over epochs of one run or several; nothing where no log has them.

    measure: the name of the share right.
    curves: by the run's name. classes: CSS class of each run's lines; for a single run its lines are told apart by
    training and validation instead.
    """
    figures = []
    for key, title in (("top1", f"{escape(measure).capitalize()}, %"), ("loss", "Loss")):
        lines, keys = {}, []
        for run, curve in enumerate(curves.values()):
            for mode, word in (("train", "training"), ("val", "validation")):
                if (mode, key) in curve:
                    kind = f"{classes[run]} {mode}" if classes else mode
                    lines[kind] = curve[mode, key]
                    keys.append(f'<span class="key {kind}">{"" if classes else word}<b></b></span>')
        if lines:
            drawn = lines_svg(lines, percent=key == "top1")
            caption = f"<figcaption><b>{title}</b>{''.join(keys)}</figcaption>"
            figures.append(f'<figure class="chart">{caption}{drawn}</figure>')
    return f'<div class="pair">{"".join(figures)}</div>' if figures else ""


def lines_svg(
    series: Mapping[str, Sequence[tuple[int, float]]], *, percent: bool, label: str = "Learning curve"
) -> str:
    """Lines over epochs, or another count, one a series; its name is its CSS class. The script reads `data-lines`."""
    series = {name: _thinned(line) for name, line in series.items()}
    points = [point for line in series.values() for point in line]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    ticks = _ticks(0.0, max(max(y for _, y in points), 1e-9))
    highest = ticks[-1]

    def across(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - first) / (last - first) if last > first else 0.5)

    def up(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(value, 0.0) / highest)

    scale = 100 if percent else 1
    values = [[[x, round(across(x), 1), round(scale * y, 3)] for x, y in line] for line in series.values()]
    parts = [
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"'
        f' data-lines="{escape(json.dumps(values, separators=(",", ":")))}">'
    ]
    for tick in ticks:
        y = f"{up(tick):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{up(tick) + 3.8:.1f}" text-anchor="end">{scale * tick:.4g}</text>')
    for tick in sorted({round(tick) for tick in _ticks(first, last) if first <= tick <= last}):
        parts.append(f'<text x="{across(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{tick}</text>')
    parts.append(f'<line class="at" y1="{TOP}" y2="{HEIGHT - BOTTOM}" visibility="hidden"/>')
    for name, line in series.items():
        spots = [(across(x), up(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline class="{name}" points="{path}"/>')
        parts.append(f'<circle class="{name}" cx="{spots[-1][0]:.1f}" cy="{spots[-1][1]:.1f}" r="3"/>')
    return "".join([*parts, "</svg>"])


def _thinned(line: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """At most so many points that each has a place of its own; the last stays."""
    return [*line[:: -(-len(line) // MOST_POINTS)], line[-1]] if len(line) > MOST_POINTS else line


def calibration_svg(found: Calibration) -> str:
    """Accuracy over the probability that was claimed, bin by bin, and below it how many clips a bin has."""
    side, low = 232, 44  # of the diagram, height of the counts
    left, top = 40, 10
    width, height = left + side + 12, top + side + 34 + low
    parts = [f'<svg class="calibration" viewBox="0 0 {width} {height}" role="img" aria-label="Calibration">']
    for step in range(0, 101, 25):
        y, x = top + side * (1 - step / 100), left + side * step / 100
        parts.append(f'<line class="grid" x1="{left}" x2="{left + side}" y1="{y:g}" y2="{y:g}"/>')
        parts.append(f'<text x="{left - 7}" y="{y + 3.8:.1f}" text-anchor="end">{step}</text>')
        parts.append(f'<text x="{x:g}" y="{top + side + 16}" text-anchor="middle">{step}</text>')
    parts.append(f'<line class="ideal" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}"/>')
    bins, most = len(found.count), max(int(found.count.max()), 1)
    ground = height - 2
    for index, count in enumerate(found.count.tolist()):
        if not count:
            continue
        x, wide = left + side * index / bins + 0.75, side / bins - 1.5
        right, sure = found.accuracy[index], found.confidence[index]
        tall = max(low * count / most, 0.75)
        kind, (less, more) = "over" if sure > right else "under", sorted((right, sure))
        label = f"{counted(count, 'clip')}, sure {100 * sure:.1f} %, right {100 * right:.1f} %"
        across = f'x="{x:.1f}" width="{wide:.1f}"'
        parts.append(
            f"<g{' class=scarce' if count < SCARCE else ''}><title>{label}</title>"
            f'<rect class="right" {across} y="{top + side * (1 - less):.1f}" height="{side * less:.1f}"/>'
            f'<rect class="{kind}" {across} y="{top + side * (1 - more):.1f}" height="{side * (more - less):.1f}"/>'
            f'<rect class="count" {across} y="{ground - tall:.1f}" height="{tall:.1f}"/></g>'
        )
    parts.append(f'<text x="{left - 7}" y="{ground - low + 8}" text-anchor="end">{most:,}</text>')
    return "".join([*parts, "</svg>"])


def legend(names: Sequence[str], classes: Sequence[str]) -> str:
    """Which colour is whose, for several charts at once."""
    keys = (f'<span class="key {kind}">{text(name)}</span>' for name, kind in zip(names, classes, strict=True))
    return f'<p class="legend">{"".join(keys)}</p>'


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers that span low to high."""
    rough = max(high - low, 1e-12) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(round_one for round_one in (1, 2, 5, 10) if rough <= round_one * power * (1 + 1e-9))
    return [step * index for index in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]
