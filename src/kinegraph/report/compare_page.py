"""Two or more runs or tests side by side, as one page. The first is what the others are compared with."""

from collections.abc import Sequence

import numpy as np

from kinegraph.evaluation.compare import Paired, class_accuracy, paired
from kinegraph.evaluation.metrics import ALL_SHOWN
from kinegraph.messages import counted
from kinegraph.report.charts import curve_figures, legend
from kinegraph.report.html import MOST_LISTED, SYNTHETIC
from kinegraph.report.page import (
    bar,
    change_bar,
    contents,
    facts,
    folded,
    interval_bar,
    name,
    number,
    points,
    quiet,
    section,
    table,
    text,
    whole_page,
)
from kinegraph.report.player import player_css, player_fragment, player_js
from kinegraph.report.runs import Run, config_differences, measure_of
from kinegraph.report.scene import scenes_of

METRICS = {
    "top1": "Top-1",
    "top5": "Top-5",
    "mean_class_accuracy": "Mean class",
    "calibration_error": "Calibration error",
}
COLOURS = 6
LISTED = 30  # clips that only one gets right
PLAYED = 3
SECTIONS = {
    "figures": "Figures",
    "options": "Options",
    "learning": "Learning",
    "classes": "Classes",
    "clips": "Clips",
    "details": "Details",
}


def comparison_page(runs: Sequence[Run], names: Sequence[str]) -> str:
    """The page as text. names: what the runs are called on it."""
    kinds = [f"run-{index % COLOURS}" for index in range(len(runs))]
    pairs = pairs_with_first(runs)
    found = {
        "figures": _figures(runs, names, kinds, pairs),
        "options": _options(runs, names, kinds),
        "learning": _learning(runs, names, kinds),
        "classes": _classes(runs, names, pairs),
        "clips": _clips(runs, names, pairs),
        "details": _environments(runs, names),
    }
    first = runs[0].evaluation
    note = f"{text(first.title)}, {counted(len(first.labels), 'clip')}" if first is not None else ""
    head = f"<header><h1>{' · '.join(map(text, names))}</h1><p>{note}</p></header>"
    synthetic = SYNTHETIC if any(run.evaluation is not None and run.evaluation.synthetic for run in runs) else ""
    shown = contents({key: SECTIONS[key] for key, content in found.items() if content})
    players = {"css": player_css(), "js": player_js()} if "kg-player" in found["clips"] else {}
    return whole_page(f"Comparison: {', '.join(names)}", [head, synthetic, shown, *found.values()], **players)


def pairs_with_first(runs: Sequence[Run]) -> list[Paired | None]:
    """The paired comparison of each run after the first with it, where both have results on the same clips."""
    first = runs[0].evaluation
    return [None if first is None or run.evaluation is None else paired(first, run.evaluation) for run in runs[1:]]


def chance_of(p: float) -> str:
    if p < 0.001:
        return "p\xa0<\xa00.001"
    return f"p\xa0=\xa0{p:.3f}" if p < 0.1 else f"p\xa0=\xa0{p:.2f}"


def verdict(pair: Paired, first: str, second: str) -> str:
    """What the figures allow to say, in a sentence; the names are markup or plain as they come."""
    won, lost, change = len(pair.gained), len(pair.lost), pair.differences["top1"]
    low, high = pair.intervals["top1"]
    if won == lost == 0:
        return f"{second} and {first} are right on the same clips."
    clear = "a clear difference" if pair.p < 0.05 else "within what chance alone would do"
    return (
        f"{second} is right on {counted(won, 'clip')} where {first} is wrong, "
        f"and wrong on {lost:,} where {first} is right: "
        f"{points(change)} points top-1 [{points(low)}, {points(high)}], {chance_of(pair.p)}, {clear}."
    )


def _basis(pair: Paired) -> str:
    """What interval and p are of."""
    if pair.subjects:
        return (
            f"In brackets a 95 % interval for other people: the {pair.subjects} subjects are drawn again (paired "
            "bootstrap). p by the exact sign test over subjects. Neither says anything about another seed."
        )
    return (
        "In brackets a 95 % interval by paired bootstrap, p by McNemar's exact test; both take clips as independent, "
        "as five subjects or more are not known, and say nothing about another seed."
    )


def _named(label: str, kind: str) -> str:
    return f'<span class="key {kind}">{text(label)}</span>'


def _figures(runs, names, kinds, pairs) -> str:
    shown = [key for key in METRICS if any(key in run.metrics for run in runs)]
    named = METRICS | {"top1": measure_of(runs).capitalize()}
    heads = ["Run", *(f"#{named[key]}, %" for key in shown), f"#{named['top1']} against the first"]
    rows = []
    for index, (run, label, kind) in enumerate(zip(runs, names, kinds, strict=True)):
        cells = [f"<td>{_named(label, kind)}</td>"]
        for key in shown:
            value = run.metrics.get(key)
            if value is None:
                cells.append(number("–", -1))
            elif key == "top1" and run.evaluation is not None:
                cells.append(interval_bar(value, *run.evaluation.intervals["top1"]))
            else:
                cells.append(number(f"{100 * value:.1f}"))
        rows.append([*cells, _against_first(run, runs[0], pairs[index - 1] if index else None, index == 0)])
    others = list(zip(names[1:], pairs, strict=True))
    note = [f"<p>{verdict(pair, text(names[0]), text(label))}</p>" for label, pair in others if pair]
    if unpaired := [text(label) for label, pair in others if pair is None]:
        note.append(
            quiet(
                f"{', '.join(unpaired)}: no scores on the clips that {text(names[0])} was tested on, so that nothing "
                "can be said about chance. Figures of a run without scores are those of its best validation."
            )
        )
    note += [quiet(line) for line in dict.fromkeys(_basis(pair) for pair in pairs if pair)]
    return section("figures", "Figures", table(heads, rows, kind="runs"), *note)


def _against_first(run: Run, first: Run, pair: Paired | None, is_first: bool) -> str:
    if is_first:
        return '<td class="number none">–</td>'
    if pair is not None:
        low, high = pair.intervals["top1"]
        return number(
            f"{points(pair.differences['top1'])} [{points(low)}, {points(high)}]", 100 * pair.differences["top1"]
        )
    if "top1" in run.metrics and "top1" in first.metrics:
        change = run.metrics["top1"] - first.metrics["top1"]
        return number(points(change), 100 * change)
    return number("–", -1000)


def _options(runs, names, kinds) -> str:
    if not any(run.config for run in runs):
        return ""
    if not (differences := config_differences([run.config for run in runs])):
        return section("options", "Options", quiet("The configs say the same."))
    heads = ["Option", *(_named(label, kind) for label, kind in zip(names, kinds, strict=True))]
    said = [difference for difference in differences if None not in difference[1]]
    # Often the default, which a short config leaves out.
    unsaid = [difference for difference in differences if None in difference[1]]
    drawn = [table(heads, list(map(_option, said)), kind="options")] if said else []
    if unsaid:
        rest = table(heads, list(map(_option, unsaid)), kind="options")
        drawn.append(folded(f"{counted(len(unsaid), 'option')} that not every config states", rest))
    return section("options", "Options that differ", *drawn)


def _option(difference: tuple[str, list[str | None]]) -> list[str]:
    key, values = difference
    note = text(key).replace(".", ".<wbr>").replace("_", "_<wbr>")
    return [f"<td>{note}</td>", *('<td class="none">–</td>' if value is None else name(value) for value in values)]


def _learning(runs, names, kinds) -> str:
    drawn = curve_figures({f"{index}": run.course.curve for index, run in enumerate(runs)}, kinds, measure_of(runs))
    note = quiet("Strong lines: validation. Pale lines: training.")
    return section("learning", "Learning, by epoch", legend(names, kinds), drawn, note) if drawn else ""


def _classes(runs, names, pairs) -> str:
    """Accuracy of each class on the common clips, and what changes."""
    tables: list[str] = []
    remarks: list[str] = []
    for run, label, pair in zip(runs[1:], names[1:], pairs, strict=True):
        if pair is None:
            continue
        class_names = runs[0].evaluation.class_names
        count = len(class_names)
        before = class_accuracy(runs[0].evaluation, pair.places[0], count)
        after = class_accuracy(run.evaluation, pair.places[1], count)
        clips, change = np.bincount(pair.labels, minlength=count), after - before
        largest = np.nanmax(np.abs(change))
        shown = _shown(clips, change)
        if left_out := count - len(shown):
            remarks.append(f"{text(label)}: {left_out:,} classes are left out, {_why(clips, len(shown))}.")
        rows = [
            [name(class_names[i]), number(str(clips[i])), bar(before[i]), bar(after[i]), change_bar(change[i], largest)]
            for i in np.argsort(-np.nan_to_num(change), kind="stable")
            if i in shown
        ]
        heads = ["Class", "#Clips", f"#{text(names[0])}", f"#{text(label)}", "#Difference"]
        drawn = table(heads, rows, kind="changes", sortable=True)
        tables.append(folded(f"{text(names[0])} → {text(label)}", drawn) if len(runs) > 2 else drawn)
    note = quiet("Accuracy in % on the clips that both were tested on; the difference in points. A heading sorts.")
    return section("classes", "Classes", note, *map(quiet, remarks), *tables) if tables else ""


def _shown(clips: np.ndarray, change: np.ndarray) -> set[int]:
    """The classes with clips; of very many classes those that differ most."""
    if len(clips) <= ALL_SHOWN:
        return {*np.flatnonzero(clips).tolist()}
    order = np.argsort(-np.abs(np.where(clips > 0, change, 0)), kind="stable")
    return {*order[clips[order] > 0][:MOST_LISTED].tolist()}


def _why(clips: np.ndarray, shown: int) -> str:
    there = int((clips > 0).sum())
    empty = len(clips) - there
    parts = [f"{empty:,} without clips"] if empty > 0 else []
    parts += [f"{there - shown:,} that differ less than the {shown:,} shown"] if there > shown else []
    return " and ".join(parts)


def _clips(runs, names, pairs) -> str:
    """Clips that one gets right and the other wrong, the surest of being wrong first."""
    parts = []
    for run, label, pair in zip(runs[1:], names[1:], pairs, strict=True):
        if pair is None:
            continue
        first = runs[0].evaluation
        both, neither = int((pair.first & pair.second).sum()), int((~pair.first & ~pair.second).sum())
        counts = {"both right": both, "both wrong": neither}
        note = ", ".join(f"{word} {count:,}" for word, count in counts.items())
        parts.append(quiet(f"{text(names[0])} and {text(label)}: {note}."))
        sides = (
            (f"Only {text(label)} is right", "won", pair.gained, first, pair.places[0]),
            (f"Only {text(names[0])} is right", "lost", pair.lost, run.evaluation, pair.places[1]),
        )
        for title, kind, clips, wrong, places in sides:
            here = places[clips]
            here = here[np.argsort(-wrong.confidence[here], kind="stable")].tolist()
            parts.append(f'<h3>{title}: <span class="{kind}">{counted(len(here), "clip")}</span></h3>')
            scenes = scenes_of(wrong, here[:PLAYED])
            if scenes:
                drawn = "".join(player_fragment(scene, compact=True) for scene in scenes)
                parts.append(f'<div class="players">{drawn}</div>')
            if here:
                rows = [_wrong_row(wrong, place) for place in here[:LISTED]]
                listed = table(["Clip", "Label", "The other says", "#Sure, %"], rows, kind="clips")
                more = quiet(f"and {len(here) - LISTED:,} more") if len(here) > LISTED else ""
                parts.append(folded("List of clips", listed + more) if scenes else listed + more)
    note = quiet("What is shown is the answer of the one that is wrong, the surest first.")
    return section("clips", "Clips", note, *parts) if parts else ""


def _wrong_row(evaluation, place: int) -> list[str]:
    names = evaluation.class_names
    words = evaluation.names[place], names[evaluation.labels[place]], names[evaluation.predicted[place]]
    return [*map(name, words), number(f"{100 * evaluation.confidence[place]:.1f}")]


def _environments(runs, names) -> str:
    blocks = [
        folded(text(label), facts({"folder": run.path} | run.environment))
        for run, label in zip(runs, names, strict=True)
    ]
    return section("details", "Details", *blocks)
