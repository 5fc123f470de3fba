"""Two or more tests on long recordings side by side, as one page, from the figures.json that each of them wrote.

The first is what the others are compared with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinegraph.evaluation.compare import mcnemar
from kinegraph.evaluation.metrics import FEWEST_GROUPS
from kinegraph.report.compare_page import chance_of
from kinegraph.report.page import (
    bar,
    change_bar,
    contents,
    folded,
    name,
    number,
    points,
    quiet,
    section,
    table,
    text,
    whole_page,
)
from kinegraph.safe_io import read_json

FILE = "figures.json"
SHARES = {
    "frame_accuracy": "Frame accuracy, %",
    "edit": "Edit",
    "f1_10": "F1@10",
    "f1_25": "F1@25",
    "f1_50": "F1@50",
    "map": "mAP",
}
OTHERS = {"delay_seconds": "Delay, s", "false_alarms_an_hour": "False alarms an hour"}
JUDGED = {"frame_accuracy": "frame accuracy", "f1_50": "F1@50"}  # in how many parts one is better in them
NAN = float("nan")
Figures = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TimelineTest:
    """The figures of a test: of all recordings together, of each class, each subject and each recording."""

    path: Path
    title: str
    figures: Figures
    classes: Mapping[str, Figures]
    subjects: Mapping[str, Figures]
    recordings: Mapping[str, Figures]


def is_timeline_test(path: Path) -> bool:
    """Whether a path is the folder of a test on long recordings."""
    return (path / FILE).is_file() and not (path / "log.jsonl").is_file()


def read_timeline_test(path: Path) -> TimelineTest:
    """What the folder says. Raises ValueError where it is not as `kinegraph test` writes it."""
    content = read_json(path / FILE)
    if not isinstance(content, dict) or not isinstance(content.get("figures"), dict):
        raise ValueError(
            f"{path / FILE} holds no figures, expected what kinegraph test --out writes of long recordings"
        )
    parts = (_parts(content.get(key)) for key in ("classes", "subjects", "recordings"))
    return TimelineTest(path, str(content.get("title", "")), _numbers(content["figures"]), *parts)


def _parts(content: Any) -> dict[str, Figures]:
    return {str(key): _numbers(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _numbers(content: Any) -> dict[str, float]:
    known = content.items() if isinstance(content, dict) else ()
    return {str(key): float(value) for key, value in known if type(value) in (int, float) and abs(value) < 1e12}


def timeline_comparison_page(tests: Sequence[TimelineTest], names: Sequence[str]) -> str:
    """The page as text. names: what the tests are called on it."""
    found = {
        "Figures": _figures(tests, names),
        "Classes": _classes(tests, names),
        "Recordings": _recordings(tests, names),
    }
    head = f"<header><h1>{' · '.join(map(text, names))}</h1><p>{text(tests[0].title)}</p></header>"
    shown = contents({title.lower(): title for title, content in found.items() if content})
    return whole_page(f"Comparison: {', '.join(names)}", [head, shown, *found.values()])


def timeline_verdicts(first: TimelineTest, second: TimelineTest, names: tuple[str, str]) -> list[str]:
    """In how many subjects or recordings the second is better, and whether chance would do that; a line a figure."""
    what, ours, theirs = "subjects", first.subjects, second.subjects
    if len(ours.keys() & theirs.keys()) < FEWEST_GROUPS:
        what, ours, theirs = "recordings", first.recordings, second.recordings
    lines: list[str] = []
    for key, word in JUDGED.items():
        steps = [theirs[part].get(key, NAN) - ours[part].get(key, NAN) for part in ours.keys() & theirs.keys()]
        won, lost = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
        if won + lost:
            better = f"{names[1]} has the higher {word} in {won} of {len(steps)} {what}"
            lines.append(f"{better}, the lower one in {lost}; {chance_of(mcnemar(won, lost))} by the exact sign test.")
    if not ours.keys() & theirs.keys():
        return [f"{names[1]} was tested on no recording of {names[0]}."]
    return lines or [f"{names[1]} and {names[0]} have the same figures."]


def _figures(tests: Sequence[TimelineTest], names: Sequence[str]) -> str:
    rows = [
        [
            name(label),
            *(
                number("–", -1) if (value := test.figures.get(key)) is None else number(f"{100 * value:.1f}")
                for key in SHARES
            ),
            *(
                number("–", -1) if (value := test.figures.get(key)) is None else number(f"{value:.2f}")
                for key in OTHERS
            ),
        ]
        for test, label in zip(tests, names, strict=True)
    ]
    heads = ["Test", *(f"#{title}" for title in (SHARES | OTHERS).values())]
    said = [
        f"<p>{text(line)}</p>"
        for test, label in zip(tests[1:], names[1:], strict=True)
        for line in timeline_verdicts(tests[0], test, (names[0], label))
    ]
    note = quiet(
        "The test takes its parts as independent and their differences by sign alone; it knows nothing of seeds."
    )
    if len({frozenset(test.recordings) for test in tests}) > 1:
        counts = ", ".join(f"{label} {len(test.recordings):,}" for test, label in zip(tests, names, strict=True))
        said.append(quiet(f"Recordings: {text(counts)}. Figures and classes are of all that a test had."))
    return section("figures", "Figures", table(heads, rows, kind="tests"), *said, note)


def _classes(tests: Sequence[TimelineTest], names: Sequence[str]) -> str:
    tables = []
    for test, label in zip(tests[1:], names[1:], strict=True):
        common = [
            word for word, of_class in tests[0].classes.items() if of_class.get("segments") and word in test.classes
        ]
        pairs = {
            word: (tests[0].classes[word].get("f1_50", NAN), test.classes[word].get("f1_50", NAN)) for word in common
        }
        segments = [number(f"{tests[0].classes[word]['segments']:,.0f}") for word in common]
        tables.append(_changes("Class", "#Segments", pairs, segments, (names[0], label), len(tests)))
    return section("classes", "Classes", quiet("F1@50 in %; the difference in points."), *tables)


def _recordings(tests: Sequence[TimelineTest], names: Sequence[str]) -> str:
    tables, ours = [], tests[0].recordings
    for test, label in zip(tests[1:], names[1:], strict=True):
        common = [word for word in ours if word in test.recordings]
        pairs = {
            word: tuple(part[word].get("frame_accuracy", NAN) for part in (ours, test.recordings)) for word in common
        }
        steps = [test.recordings[word].get("f1_50", NAN) - ours[word].get("f1_50", NAN) for word in common]
        segmental = [number("–", -1000) if step != step else number(points(step), 100 * step) for step in steps]
        tables.append(_changes("Recording", "#F1@50, points", pairs, segmental, (names[0], label), len(tests)))
    note = quiet("Frame accuracy in % and the difference in points; the column F1@50 is a difference, too.")
    return section("recordings", "Recordings", note, *tables)


def _changes(
    of: str,
    head: str,
    pairs: Mapping[str, tuple[float, ...]],
    second: Sequence[str],
    names: tuple[str, str],
    tests: int,
) -> str:
    """A row for each part: its name, a cell more, the figure of both and the difference; what gains most first."""
    steps = {word: after - before for word, (before, after) in pairs.items()}
    largest = max((abs(step) for step in steps.values() if step == step), default=1.0)
    rows = [
        (steps[word], [name(word), cell, bar(before), bar(after), change_bar(steps[word], largest)])
        for (word, (before, after)), cell in zip(pairs.items(), second, strict=True)
    ]
    rows.sort(key=lambda row: -row[0] if row[0] == row[0] else 9.0)
    heads = [of, head, f"#{text(names[0])}", f"#{text(names[1])}", "#Difference"]
    drawn = table(heads, [row for _, row in rows], kind="changes", sortable=True)
    return folded(f"{text(names[0])} → {text(names[1])}", drawn) if tests > 2 else drawn
