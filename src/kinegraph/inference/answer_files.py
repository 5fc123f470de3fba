"""Answers in a file, row by row as they come: a .csv for spreadsheets or a .json for programs."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from kinegraph.atomic import atomic_file
from kinegraph.inference.answers import Answer

FORMULA = ("=", "+", "-", "@")  # what a spreadsheet would run


def checked_out(path: Path) -> None:
    """Raises ValueError for a file of answers that cannot be written, before anything is computed."""
    if path.suffix not in (".csv", ".json"):
        raise ValueError(f"--out is '{path}', expected a name that ends in .csv or .json")
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")


@contextmanager
def answer_file(path: Path, top: int) -> Iterator[Callable[[Answer], None]]:
    """A function that writes an answer with its `top` classes. The file appears whole at the end or not at all."""
    rows = _csv if path.suffix == ".csv" else _json
    with (
        atomic_file(path) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
        rows(file, top) as write,
    ):
        yield write


@contextmanager
def _csv(file: TextIO, top: int) -> Iterator[Callable[[Answer], None]]:
    table = csv.writer(file, lineterminator="\n")
    more = [f"{what}_{k}" for k in range(2, top + 1) for what in ("class", "probability")]
    table.writerow(list(_facts(None)) + ["class", "probability", *more])

    def write(answer: Answer) -> None:
        best = answer.prediction.top(top)
        cells = [told for name, probability in best for told in (name, f"{probability:.6f}")]
        table.writerow([cell(value) for value in [*_facts(answer).values(), *cells]])

    yield write


@contextmanager
def _json(file: TextIO, top: int) -> Iterator[Callable[[Answer], None]]:
    comma = ""

    def write(answer: Answer) -> None:
        nonlocal comma
        best = [{"class": name, "probability": round(value, 6)} for name, value in answer.prediction.top(top)]
        file.write(f"{comma}\n{json.dumps(_facts(answer) | {'top': best}, ensure_ascii=False)}")
        comma = ","

    file.write("[")
    yield write
    file.write("\n]\n")


def _facts(answer: Answer | None) -> dict[str, Any]:
    """What is said beside the classes; the names alone where there is no answer."""
    names = ("clip", "source", "person", "first_frame", "end_frame", "start_seconds", "end_seconds", "truth", "right")
    if answer is None:
        return dict.fromkeys(names)
    start, end = answer.seconds or (None, None)
    rounded = [None if second is None else round(second, 3) for second in (start, end)]
    question = answer.question
    told = (question.clip.name, question.source, answer.person, answer.start, answer.stop, *rounded)
    return dict(zip(names, (*told, question.truth, answer.right), strict=True))


def cell(value: object) -> object:
    """What stands in a table: text that a spreadsheet would run as a formula gets a quotation mark in front."""
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(FORMULA) else value
