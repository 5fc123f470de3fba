"""The page of a sweep: its trials in order, what the options matter, and a table of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kinegraph.atomic import write_atomic
from kinegraph.report.charts import lines_svg
from kinegraph.report.page import (
    bar,
    code,
    contents,
    facts,
    folded,
    name,
    number,
    quiet,
    section,
    table,
    text,
    tile,
    tiles,
    whole_page,
)

SECTIONS = {"history": "Scores", "trials": "Trials", "best": "Best config"}
MOST_LISTED = 1000
CSS = ".trials td:nth-child(3) { white-space: nowrap; } .trials td:last-child:not(:empty) { min-width: 16em; }"


@dataclass(frozen=True)
class TrialRow:
    """A trial. state: "complete", "pruned", "failed", "stopped" or "under way". score: None where it has none.

    remark: where it was pruned, or why it failed.
    """

    number: int
    state: str
    score: float | None
    options: Mapping[str, object]
    remark: str = ""


@dataclass(frozen=True)
class StudyFacts:
    """What a page of a study says. figure: the one that is the score, of which more is better.

    importance: the share of each option, empty where it cannot be computed. about: what else there is to know.
    """

    title: str
    figure: str
    trials: Sequence[TrialRow]
    importance: Mapping[str, float]
    about: Mapping[str, object]
    best_config: str


def study_page(study: StudyFacts) -> str:
    """The page as text."""
    shares = all(0 <= it.score <= 1 for it in study.trials if it.score is not None)
    found = {
        "history": _history(study, shares),
        "trials": _trials(study, shares),
        "best": section("best", SECTIONS["best"], code(study.best_config)) if study.best_config else "",
    }
    about = section("about", "How it was searched", facts(study.about))
    shown = contents({key: SECTIONS[key] for key, content in found.items() if content} | {"about": "How"})
    head = f"<header><h1>{text(study.title)}</h1><p>{_counts(study)}</p></header>"
    return whole_page(study.title, [head, _tiles(study, shares), shown, *found.values(), about], css=CSS)


def _counts(study: StudyFacts) -> str:
    states = [it.state for it in study.trials]
    return ", ".join(f"{states.count(state):,} {state}" for state in dict.fromkeys(sorted(states)))


def best_of(trials: Sequence[TrialRow]) -> TrialRow | None:
    """The complete trial with the best score, the earliest of them."""
    complete = [it for it in trials if it.state == "complete" and it.score is not None]
    return max(complete, key=lambda it: (it.score, -it.number), default=None)


def _tiles(study: StudyFacts, shares: bool) -> str:
    best = best_of(study.trials)
    if best is None or best.score is None:
        return quiet("No trial has a score yet.")
    value = f"{100 * best.score:.1f}" if shares else f"{best.score:.4g}"
    cell = tile(f"Best {text(study.figure)}", value, "%" if shares else "", f"trial {best.number}")
    warning = (
        "The best of many trials on the same folds looks better than it is. Clips outside of the folds were not used: "
        "<code>kinegraph test</code> on them, once, says how good it is."
    )
    return f'<section id="figures">{tiles(cell)}{quiet(warning)}</section>'


def _history(study: StudyFacts, shares: bool) -> str:
    """Scores by trial, and the best one so far."""
    scores = [(it.number, it.score) for it in study.trials if it.state == "complete" and it.score is not None]
    if not scores:
        return ""
    best = [(number, max(score for _, score in scores[: i + 1])) for i, (number, _) in enumerate(scores)]
    drawn = lines_svg({"train": scores, "val": best}, percent=shares, label="Scores by trial")
    unit = ", %" if shares else ""
    keys = '<span class="key train">this trial<b></b></span><span class="key val">best so far<b></b></span>'
    caption = f"<figcaption><b>{text(study.figure)}{unit}, by trial</b>{keys}</figcaption>"
    figure = f'<figure class="chart">{caption}{drawn}</figure>'
    return section("history", SECTIONS["history"], f'<div class="pair">{figure}{_importance(study)}</div>')


def _importance(study: StudyFacts) -> str:
    if not study.importance:
        return ""
    rows = [[_breakable(name(option)), bar(share)] for option, share in study.importance.items()]
    note = "How much of the difference between good trials and the others goes with an option (PED-ANOVA)."
    return f"<div>{table(['Option', '#Importance, %'], rows)}{quiet(note)}</div>"


def _breakable(cell: str) -> str:
    """A cell with the name of an option, which a narrow page may break between its words."""
    return cell.replace(".", ".<wbr>").replace("_", "_<wbr>")


def _trials(study: StudyFacts, shares: bool) -> str:
    options = list(dict.fromkeys(key for it in study.trials for key in it.options))
    order = sorted(study.trials, key=lambda it: (it.score is None, -(it.score or 0), it.number))
    rows = []
    for it in order[:MOST_LISTED]:
        shown = "–" if it.score is None else f"{100 * it.score:.1f}" if shares else f"{it.score:.4f}"
        score = number(shown, -1e30 if it.score is None else it.score)
        rows.append([number(str(it.number)), score, name(it.state), *map(_value, map(it.options.get, options)),
                     name(it.remark)])  # fmt: skip
    of_numbers = {key for key in options if all(isinstance(it.options.get(key, 0), int | float) for it in study.trials)}
    named = (("#" if it in of_numbers else "") + text(it.rpartition(".")[2]) for it in options)
    heads = ["#Trial", f"#{text(study.figure)}{(', %' if shares else '')}", "State", *named, "Remark"]
    left = quiet(f"The best {MOST_LISTED:,} of {len(order):,}.") if len(order) > MOST_LISTED else ""
    drawn = table(heads, rows, kind="trials", sortable=True)
    return section("trials", SECTIONS["trials"], left, folded("All trials", drawn) if len(order) > 50 else drawn)


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(f"{value:.4g}", value)
    return number(str(value)) if isinstance(value, int) else name("" if value is None else str(value))


def write_study_page(path: Path, study: StudyFacts) -> Path:
    """Write the page. Returns its path."""
    write_atomic(path, study_page(study).encode())
    return path
