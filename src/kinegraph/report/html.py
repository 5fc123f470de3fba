"""The report of a test: one page that needs nothing but itself, on a phone or a desk, in light or dark."""

import json
import math
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources

import numpy as np

from kinegraph import __version__
from kinegraph.report.evaluation import Evaluation, plain
from kinegraph.report.plots import Curve, confusion_svg, curve_svg
from kinegraph.training.metrics import per_class_accuracy, per_class_precision

# The browser is told to load nothing from anywhere, and to run no script but the page's own.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
SYNTHETIC = (
    '<p class="note"><strong>Synthetic data.</strong> The movements were generated; '
    "these figures say nothing about recordings of people.</p>"
)


def report_page(
    evaluation: Evaluation, *, config_text: str = "", environment: Mapping[str, object] | None = None, curve: Curve
) -> str:
    """The page as text. Everything that comes from data is escaped; control characters are dropped.

    curve: what learning_curve() read from the run's log; empty leaves the section out.
    """
    title = f"Test report: {evaluation.title}"
    sections = [
        _headline(evaluation),
        _learning(curve),
        _matrix(evaluation),
        _mistakes(evaluation),
        _classes(evaluation),
        _details(config_text, environment or {}),
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<meta name="color-scheme" content="light dark">\n<title>{_text(title)}</title>',
            f"<style>\n{_part('report.css')}</style>\n</head>\n<body>\n<main>",
            *filter(None, sections),
            f"<footer>Kinegraph {__version__}</footer>\n</main>",
            f"<script>\n{_part('report.js')}</script>\n</body>\n</html>\n",
        ]
    )


def _headline(evaluation: Evaluation) -> str:
    metrics, intervals = evaluation.metrics, evaluation.intervals
    clips, classes = len(evaluation.labels), len(evaluation.class_names)
    largest = evaluation.confusion.sum(axis=1).max() / clips
    chance = f"Chance level {_percent(1 / classes)}"
    if largest > 1.2 / classes:
        chance += f"; always naming the largest class would give {_percent(largest)}"
    tiles = [_tile("Top-1", metrics["top1"], _interval(intervals["top1"]))]
    if classes > 5:
        tiles.append(_tile("Top-5", metrics["top5"], "in the first five"))
    tiles.append(_tile("Mean class", metrics["mean_class_accuracy"], _interval(intervals["mean_class_accuracy"])))
    where = " / ".join(word for word in (evaluation.split, evaluation.part) if word)
    facts = [f"<strong>{_text(where)}</strong>"] if where else []
    facts += [f"{clips:,} clips", f"{classes} classes"]
    source = f'<p class="quiet">{_text(evaluation.source)}</p>' if evaluation.source else ""
    return (
        f"<header><h1>Test report</h1><p>{' · '.join(facts)}</p>{source}</header>\n"
        f"{SYNTHETIC if evaluation.synthetic else ''}"
        f'<section><dl class="tiles">{"".join(tiles)}</dl>'
        f'<p class="quiet">{chance}. Intervals: 95 % bootstrap over clips taken as independent; '
        f"clips of the same person are not, so allow for more.</p></section>"
    )


def _tile(name: str, value: float, remark: str) -> str:
    return f'<div><dt>{name}</dt><dd><b>{100 * value:.1f}<i>%</i></b><span class="quiet">{remark}</span></dd></div>'


def _interval(bounds: tuple[float, float]) -> str:
    return f"{100 * bounds[0]:.1f} – {100 * bounds[1]:.1f}"


def _learning(curve: Curve) -> str:
    figures = []
    for key, name in (("top1", "Top-1, %"), ("loss", "Loss")):
        series = {mode: curve[mode, key] for mode in ("train", "val") if (mode, key) in curve}
        if series:
            keys = "".join(
                f'<span class="{mode}">{"training" if mode == "train" else "validation"}</span>' for mode in series
            )
            drawn = curve_svg(series, percent=key == "top1")
            figures.append(f"<figure><figcaption><b>{name}</b>{keys}</figcaption>{drawn}</figure>")
    if not figures:
        return ""
    return f'<section><h2>Learning, by epoch</h2><div class="pair">{"".join(figures)}</div></section>'


def _matrix(evaluation: Evaluation) -> str:
    confusion = evaluation.confusion
    cells = [[int(i), int(j), int(confusion[i, j])] for i, j in np.argwhere(confusion)]
    data = {"names": list(map(plain, evaluation.class_names)), "clips": confusion.sum(axis=1).tolist(), "cells": cells}
    # In a script element only "<" could end the element early.
    packed = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    size = "large" if len(data["names"]) > 24 else "small"
    return (
        "<section><h2>Confusion matrix</h2>"
        '<p class="quiet">Rows are labels, columns predictions; shade is the share of the row.</p>'
        f'<div class="scroll {size}">{confusion_svg(confusion, evaluation.class_names)}</div>'
        '<p id="cell" class="quiet" aria-live="polite">Point at a cell, or tap it, to read it.</p>'
        f'<script type="application/json" id="confusion">{packed}</script></section>'
    )


def _mistakes(evaluation: Evaluation, most: int = 10) -> str:
    """The commonest confusions, and single clips that the network was surest of: often wrong labels."""
    names, clips = evaluation.class_names, evaluation.confusion.sum(axis=1)
    pairs = [
        [_name(names[i]), _name(names[j]), _number(str(count)), _number(f"{100 * count / clips[i]:.1f}")]
        for i, j, count in evaluation.confused_pairs()[:most]
    ]
    if not pairs:
        return '<section><h2>Mistakes</h2><p class="quiet">None: every clip is predicted right.</p></section>'
    labels, predicted = np.asarray(evaluation.labels), evaluation.predicted
    sureness = np.where(predicted == labels, -1.0, evaluation.probability.max(axis=1))
    surest = [clip for clip in np.argsort(-sureness, kind="stable")[:most] if sureness[clip] >= 0]
    wrong = [
        [
            *map(_name, (evaluation.names[clip], names[labels[clip]], names[predicted[clip]])),
            _number(f"{100 * sureness[clip]:.1f}"),
        ]
        for clip in surest
    ]
    return (
        "<section><h2>Most confused</h2>"
        + _table(["Label", "Predicted as", "#Clips", "#% of label"], pairs)
        + "</section>\n<section><h2>Surest mistakes</h2>"
        + _table(["Clip", "Label", "Predicted as", "#Sure, %"], wrong, kind="clips")
        + "</section>"
    )


def _classes(evaluation: Evaluation) -> str:
    names, confusion = evaluation.class_names, evaluation.confusion
    accuracy, precision = per_class_accuracy(confusion), per_class_precision(confusion)
    worst = {label: names[other] for label, other, _ in reversed(evaluation.confused_pairs())}
    clips = confusion.sum(axis=1)
    rows = []
    for index, name in enumerate(names):
        cells = [_number(str(index)), _name(name), _number(str(clips[index]))]
        rows.append([*cells, _bar(accuracy[index]), _bar(precision[index]), _name(worst.get(index, ""))])
    heads = ["#No.", "Class", "#Clips", "#Accuracy, %", "#Precision, %", "Most confused with"]
    return (
        "<section><h2>Classes</h2>"
        '<p class="quiet">Accuracy: of the class\'s clips, those predicted right. '
        "Precision: of the predictions of the class, those that are right. A heading sorts.</p>"
        + _table(heads, rows, kind="classes", sortable=True)
        + "</section>"
    )


def _details(config_text: str, environment: Mapping[str, object]) -> str:
    blocks = []
    if environment:
        rows = "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in environment.items())
        blocks.append(f'<details><summary>Environment</summary><dl class="facts">{rows}</dl></details>')
    if config_text:
        text = "\n".join(_text(line) for line in config_text.expandtabs(2).splitlines())
        blocks.append(f"<details><summary>Config</summary><pre>{text}</pre></details>")
    return f"<section>{''.join(blocks)}</section>" if blocks else ""


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "", sortable: bool = False) -> str:
    """heads: "#" in front marks a column of numbers. rows: cells made by _name, _number and _bar."""
    cells = []
    for head in heads:
        text = f'<button type="button">{head.lstrip("#")}</button>' if sortable else head.lstrip("#")
        cells.append(f'<th scope="col"{" class=number" if head.startswith("#") else ""}>{text}</th>')
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    opening = f'<table class="{kind}">' if kind else "<table>"
    return f'<div class="scroll">{opening}<thead><tr>{"".join(cells)}</tr></thead><tbody>{body}</tbody></table></div>'


def _name(text: str) -> str:
    return f"<td>{_text(text)}</td>"


def _number(text: str) -> str:
    return f'<td class="number" data-value="{text}">{text}</td>'


def _bar(fraction: float) -> str:
    """A share as a number with a bar below; "–" where there is nothing to divide by, which sorts last."""
    if math.isnan(fraction):
        return '<td class="number" data-value="-1">–</td>'
    share = f"{100 * fraction:.1f}"
    return f'<td class="number bar" data-value="{share}" style="--share:{share}%">{share}</td>'


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _text(value: object) -> str:
    return escape(plain(value))


def _part(name: str) -> str:
    return (resources.files("kinegraph.report") / name).read_text(encoding="utf-8")
