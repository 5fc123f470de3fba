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
    """What a page of a study says. figure: name of the score; more is better.

    importance: the share of each option, empty where it cannot be computed. about: other facts, by name.
    """

    title: str
    figure: str
    trials: Sequence[TrialRow]
    importance: Mapping[str, float]
    about: Mapping[str, object]
    best_config: str


def study_page(study: StudyFacts) -> str:
    """The page as text."""
    shares = all(0 <= trial.score <= 1 for trial in study.trials if trial.score is not None)
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
    states = [trial.state for trial in study.trials]
    return ", ".join(f"{states.count(state):,} {state}" for state in dict.fromkeys(sorted(states)))


def best_of(trials: Sequence[TrialRow]) -> TrialRow | None:
    """The complete trial with the best score, the earliest of them."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.score is not None]
    return max(complete, key=lambda trial: (trial.score, -trial.number), default=None)


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
    scores = [
        (trial.number, trial.score) for trial in study.trials if trial.state == "complete" and trial.score is not None
    ]
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
    options = list(dict.fromkeys(key for trial in study.trials for key in trial.options))
    order = sorted(study.trials, key=lambda trial: (trial.score is None, -(trial.score or 0), trial.number))
    rows = []
    for trial in order[:MOST_LISTED]:
        shown = "–" if trial.score is None else f"{100 * trial.score:.1f}" if shares else f"{trial.score:.4f}"
        score = number(shown, -1e30 if trial.score is None else trial.score)
        rows.append([number(str(trial.number)), score, name(trial.state), *map(_value, map(trial.options.get, options)),
                     name(trial.remark)])  # fmt: skip
    of_numbers = {
        key for key in options if all(isinstance(trial.options.get(key, 0), int | float) for trial in study.trials)
    }
    named = (("#" if option in of_numbers else "") + text(option.rpartition(".")[2]) for option in options)
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
