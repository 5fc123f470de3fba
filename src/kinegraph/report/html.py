"""The report of a test or of a run, as one page."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from kinegraph.evaluation.calibration import BINS, calibration
from kinegraph.evaluation.evaluation import Evaluation, groups
from kinegraph.evaluation.metrics import (
    Matrix,
    figures_to_show,
    near_order,
    note_of,
    per_class_accuracy,
    per_class_precision,
    remarks,
    worth_showing,
)
from kinegraph.messages import counted, plain_name
from kinegraph.report.charts import SCARCE, calibration_svg, curve_figures
from kinegraph.report.page import (
    bar,
    code,
    contents,
    data,
    facts,
    folded,
    interval_bar,
    name,
    number,
    percent,
    quiet,
    section,
    span,
    table,
    text,
    tile,
    tiles,
    whole_page,
)
from kinegraph.report.player import player_css, player_fragment, player_js
from kinegraph.report.runs import Course
from kinegraph.report.scene import Scene

SYNTHETIC = (
    '<p class="note"><strong>Synthetic data.</strong> The movements were generated; '
    "these figures say nothing about recordings of people.</p>"
)
MOST_ROWS, MOST_LISTED = 400, 1000  # classes in the matrix and in the table
WRONG_NAMED = 4000  # wrong clips whose names the page holds, to be read cell by cell
MISTAKES = 10  # pairs of classes, and clips, that the page lists
SECTIONS = {
    "warnings": "Warnings",
    "learning": "Learning",
    "confusion": "Confusion",
    "mistakes": "Mistakes",
    "classes": "Classes",
    "groups": "Kinds of clips",
    "calibration": "Calibration",
    "details": "Details",
}


@dataclass(frozen=True)
class About:
    """What a page says of a test or a training beside the figures of a test.

    course: of the training; an empty one leaves the section out. warnings: lines that say why figures cannot be
    trusted, such as "problem: ...". hint: a command that gives more.
    """

    config_text: str = ""
    environment: Mapping[str, object] = field(default_factory=dict)
    course: Course = field(default_factory=Course)
    warnings: Sequence[str] = ()
    title: str = "Test report"
    hint: str = ""


def report_page(evaluation: Evaluation | None, about: About, scenes: Sequence[Scene] = ()) -> str:
    """The page as text. Everything that comes from data is escaped; control characters are dropped.

    evaluation: None where only the course of a training is known. scenes: of mistakes, to be played.
    """
    course = about.course
    learning = _learning(course)
    found = {"warnings": _warnings(evaluation, about.warnings), "learning": learning}
    if evaluation is not None:
        found |= {
            "confusion": _matrix(evaluation, matrix := evaluation.matrix(MOST_ROWS, every=0)),
            "mistakes": _mistakes(evaluation, matrix, scenes),
            "classes": _classes(evaluation),
            "groups": _groups(evaluation),
            "calibration": _calibration(evaluation),
        }
    found["details"] = _details(about.config_text, about.environment)
    title = about.title
    head = _headline(evaluation, title) if evaluation is not None else _run_headline(title, course)
    shown = contents({key: SECTIONS[key] for key, content in found.items() if content})
    players = {"css": player_css(), "js": player_js()} if scenes else {}
    where = f": {evaluation.title}" if evaluation is not None else ""
    note = f'<p class="note">{text(about.hint)}</p>' if about.hint else ""
    return whole_page(plain_name(title + where), [head, note, shown, *found.values()], **players)


def _headline(evaluation: Evaluation, title: str) -> str:
    metrics, intervals = evaluation.metrics, evaluation.intervals
    clips, classes = len(evaluation.labels), len(evaluation.class_names)
    largest = evaluation.counts.clips.max() / clips
    chance = f"Chance level {percent(1 / classes)}"
    if largest > 1.2 / classes:
        chance += f"; always naming the largest class would give {percent(largest)}"
    wanted = {"top1": "Top-1", "top5": "Top-5", "mean_class_accuracy": "Mean class"}
    figures = [
        tile(word, f"{100 * metrics[key]:.1f}", "%", span(intervals[key]))
        for key, word in wanted.items()
        if key in figures_to_show(metrics, classes)
    ]
    error = calibration(evaluation.confidence, evaluation.right).error
    figures.append(tile("Calibration error", f"{100 * error:.1f}", "%", "0 is ideal"))
    more = [
        f"{word} {value:.3f}"
        for word, value in zip(
            ("Macro F1", "AUROC", "Brier score", "Log loss"), evaluation.more_metrics.values(), strict=True
        )
        if value == value
    ]
    where = " / ".join(word for word in (evaluation.split, evaluation.part) if word)
    known = [f"<strong>{text(where)}</strong>"] if where else []
    known += [counted(clips, "clip"), counted(classes, "class", "classes")]
    source = quiet(text(evaluation.source)) if evaluation.source else ""
    return (
        f"<header><h1>{text(title)}</h1><p>{' · '.join(known)}</p>{source}</header>\n"
        f"{SYNTHETIC if evaluation.synthetic else ''}"
        f'<section id="figures">{tiles(*figures)}'
        + quiet(
            f"{', '.join(more)}. {chance}. Intervals: 95 % bootstrap over clips taken as independent; "
            f"clips of the same person are not, so allow for more."
        )
        + "</section>"
    )


def _run_headline(title: str, course: Course) -> str:
    head = f"<header><h1>{text(title)}</h1></header>"
    if not course.validations:
        return head
    best = max(course.validations, key=lambda record: record["top1"])
    wanted = {"top1": course.measure.capitalize(), "top5": "Top-5", "mean_class_accuracy": "Mean class"}
    figures = [tile(word, f"{100 * best[key]:.1f}", "%") for key, word in wanted.items() if key in best]
    epoch = tile("Epoch", f"{best['epoch']}", "", f"the best by {course.measure}")
    return f'{head}\n<section id="figures">{tiles(*figures, epoch)}</section>'


def _warnings(evaluation: Evaluation | None, lines: Sequence[str]) -> str:
    """The lines, and those about the scores themselves; nothing where there is neither."""
    if evaluation is not None:
        warned = remarks(evaluation.scores, evaluation.labels, evaluation.class_names)
        lines = [*lines, *(f"warning: {line}" for line in warned)]
    order, items = ("problem", "warning", "note"), []
    parts = [line.partition(": ") for line in lines]
    for kind, _, message in sorted(parts, key=lambda it: order.index(it[0]) if it[0] in order else len(order)):
        items.append(f'<li data-kind="{text(kind)}"><b>{text(kind)}</b> {text(message)}</li>')
    return section("warnings", "Warnings", f'<ul class="warnings">{"".join(items)}</ul>') if items else ""


def _learning(course: Course) -> str:
    validations, measure = course.validations, course.measure
    figures = curve_figures({"run": course.curve}, measure=measure)
    if not figures:
        return ""
    note = ""
    if validations:
        best, last = max(validations, key=lambda record: record["top1"]), validations[-1]
        note = f"Best validation: {measure} {percent(best['top1'])} in epoch {best['epoch']}"
        note += f"; {percent(last['top1'])} in the last, {last['epoch']}." if last is not best else "."
    return section("learning", "Learning, by epoch", figures, quiet(note) if note else "")


def _matrix(evaluation: Evaluation, matrix: Matrix) -> str:
    counts, place = matrix.counts, _places(matrix, len(evaluation.class_names))
    wrong = np.flatnonzero(~evaluation.right)
    wrong = wrong[np.argsort(-evaluation.confidence[wrong], kind="stable")][:WRONG_NAMED]
    named = defaultdict(list)
    for clip in wrong.tolist():
        cell = f"{place[evaluation.labels[clip]]},{place[evaluation.predicted[clip]]}"
        named[cell].append(plain_name(evaluation.names[clip]))
    content = {
        "names": list(map(plain_name, matrix.names(evaluation.class_names))),
        "shown": [*matrix.classes.tolist(), *(["…"] if matrix.folded > 0 else [])],
        "clips": counts.sum(axis=1).tolist(),
        "cells": [[int(i), int(j), int(counts[i, j])] for i, j in np.argwhere(counts)],
        "near": near_order(counts),
        "wrong": named,
    }
    orders = {"number": "as numbered", "accuracy": "worst first", "near": "confused together", "clips": "most clips"}
    orders["name"] = "by name"
    options = "".join(f'<option value="{key}">{word}</option>' for key, word in orders.items())
    return section(
        "confusion",
        "Confusion matrix",
        quiet(
            f"Rows are labels, columns predictions; the shade is the share of the row's clips. {matrix.note()}".rstrip()
        ),
        '<figure class="matrix"><div class="tools">'
        f'<label>Order <select class="order">{options}</select></label>'
        '<label><input type="checkbox" class="only"> mistakes only</label><span class="gap"></span>'
        '<button type="button" class="out" aria-label="Zoom out">−</button>'
        '<button type="button" class="in" aria-label="Zoom in">+</button>'
        '<button type="button" class="fit">Fit</button></div>'
        '<canvas tabindex="0" role="img" aria-label="Confusion matrix; the arrow keys go from cell to cell"></canvas>'
        '<p class="cell" aria-live="polite">Point at a cell, or tap it, to read it.</p><p class="clips quiet"></p>'
        "<noscript>The matrix is drawn by a script; the table of classes below needs none.</noscript>"
        f"{data(content)}</figure>",
    )


def _places(matrix: Matrix, classes: int) -> Int[np.ndarray, "classes"]:
    """The row of each class; the last row for classes that are shown together."""
    place = np.full(classes, len(matrix.classes))
    place[matrix.classes] = np.arange(len(matrix.classes))
    return place


def _mistakes(evaluation: Evaluation, matrix: Matrix, scenes: Sequence[Scene]) -> str:
    """The commonest confusions, and single clips that the network was surest of: often wrong labels."""
    names, clips, place = evaluation.class_names, evaluation.counts.clips, _places(matrix, len(evaluation.class_names))
    pairs = [
        [
            name(names[i]),
            name(names[j]),
            number(str(count)),
            number(f"{100 * count / clips[i]:.1f}"),
            f'<td><button type="button" class="show" data-cell="{place[i]},{place[j]}">show</button></td>',
        ]
        for i, j, count in evaluation.confused_pairs()[:MISTAKES]
    ]
    if not pairs:
        return section("mistakes", "Mistakes", quiet("None: every clip is predicted right."))
    confused = table(["Label", "Predicted as", "#Clips", "#% of label", ""], pairs, kind="pairs")
    content = ["<h3>Most confused</h3>", confused, "<h3>Surest mistakes</h3>"]
    content.append(
        quiet("Wrong answers, the highest probability first. Where the network is sure, the label may be wrong.")
    )
    if scenes:
        players = "".join(player_fragment(scene, compact=True) for scene in scenes)
        content.append(f'<div class="players">{players}</div>')
    else:
        labels, predicted = np.asarray(evaluation.labels), evaluation.predicted
        wrong = [
            [
                *map(name, (evaluation.names[clip], names[labels[clip]], names[predicted[clip]])),
                number(f"{100 * evaluation.confidence[clip]:.1f}"),
            ]
            for clip in evaluation.surest_mistakes(MISTAKES)
        ]
        content.append(table(["Clip", "Label", "Predicted as", "#Sure, %"], wrong, kind="clips"))
    return section("mistakes", "Mistakes", *content)


def _classes(evaluation: Evaluation) -> str:
    names, counts = evaluation.class_names, evaluation.counts
    accuracy, precision = per_class_accuracy(counts), per_class_precision(counts)
    worst = {label: names[other] for label, other, _ in reversed(evaluation.confused_pairs())}
    labels = np.asarray(evaluation.labels)
    shown, folded, absent = worth_showing(evaluation.predicted, labels, len(names), MOST_LISTED, every=0)
    rows = []
    for index in shown.tolist():
        cells = [number(str(index)), name(names[index]), number(str(counts.clips[index]))]
        rows.append([*cells, bar(accuracy[index]), bar(precision[index]), name(worst.get(index, ""))])
    note = note_of(len(shown), folded, 0)
    note += " per_class.csv, beside a result file, has them all." if folded else ""
    heads = ["#No.", "Class", "#Clips", "#Accuracy, %", "#Precision, %", "Most confused with"]
    return section(
        "classes",
        "Classes",
        quiet(
            "Accuracy: of the class's clips, those predicted right. "
            f"Precision: of the predictions of the class, those that are right. A heading sorts. {note}".rstrip()
        ),
        table(heads, rows, kind="classes", sortable=True),
        _absent(names, counts.occurring) if absent else "",
    )


def _absent(names: Sequence[str], occurring: Bool[np.ndarray, "classes"]) -> str:
    """The classes with neither clips nor predictions, folded away."""
    absent = np.flatnonzero(~occurring).tolist()
    title = f"{counted(len(absent), 'class has', 'classes have')} neither clips nor predictions"
    named = " · ".join(text(names[index]) for index in absent[:MOST_LISTED])
    return folded(title, quiet(named + (" …" if len(absent) > MOST_LISTED else "")))


def _groups(evaluation: Evaluation) -> str:
    found, tables = groups(evaluation), []
    every = [group for rows in found.values() for group in rows]
    if not every:
        return ""
    lowest, highest = min(group.low for group in every), max(group.high for group in every)
    scale = math.floor(10 * lowest) / 10, math.ceil(10 * highest) / 10
    mark = evaluation.metrics["top1"]
    for what, rows in found.items():
        cells = [
            [
                name(group.name),
                number(f"{group.clips}"),
                interval_bar(group.accuracy, group.low, group.high, scale, mark),
            ]
            for group in rows
        ]
        drawn = table([text(what.capitalize()), "#Clips", "#Top-1, %"], cells, kind="kinds", sortable=len(rows) > 2)
        tables.append(f"<div>{drawn}</div>")
    note = quiet(
        f"Top-1 of the clips that have something in common, with its 95 % interval (Wilson). The lines go from "
        f"{100 * scale[0]:.0f} to {100 * scale[1]:.0f} %; the thin mark is all clips."
    )
    return section("groups", "Kinds of clips", note, f'<div class="pair">{"".join(tables)}</div>')


def _calibration(evaluation: Evaluation) -> str:
    found = calibration(evaluation.confidence, evaluation.right)
    sure, right = float(evaluation.confidence.mean()), float(evaluation.right.mean())
    if abs(sure - right) < 0.005:
        lean = "on the whole as sure as it is right"
    else:
        lean = f"on the whole {'too' if sure > right else 'not'} sure{' of itself' if sure > right else ' enough'}"
    note = (
        f"<p>The network is {lean}: its predictions claim {percent(sure)} on average, and {percent(right)} are right. "
        f"Expected calibration error: <strong>{percent(found.error)}</strong>.</p>"
    )
    reading = quiet(
        f"Predictions in {BINS} bins by the probability that the network gave them (across, %). Bars: how many of them "
        f"are right; on the dashed line they would be as many as claimed. Pale: fewer than {SCARCE} clips. "
        f"Below: clips in the bin."
    )
    words = {"right": "right", "over": "claimed but wrong", "under": "right beyond what was claimed"}
    keys = "".join(f'<span class="key {kind}">{word}</span>' for kind, word in words.items())
    key = f'<p class="legend">{keys}</p>'
    drawn = f'<figure class="chart narrow">{calibration_svg(found)}</figure>'
    return section("calibration", "Calibration", f'<div class="beside">{drawn}<div>{note}{key}{reading}</div></div>')


def _details(config_text: str, environment: Mapping[str, object]) -> str:
    blocks = [folded("Environment", facts(environment))] if environment else []
    blocks += [folded("Config", code(config_text))] if config_text else []
    return section("details", "Details", *blocks) if blocks else ""
