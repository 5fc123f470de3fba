"""The course of a training, from its log.jsonl. In a stranger's file, what training does not write is left out."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Curve = Mapping[tuple[str, str], Sequence[tuple[int, float]]]

METRICS = ("top1", "top5", "mean_class_accuracy")
DRAWN = ("loss", "top1", "mean_class_accuracy")
LARGEST = 1e30  # of a figure
MOST_EPOCHS = 10**9
LONGEST_LINE = 1 << 20  # letters; training writes some hundred
MOST_WARNINGS = 100


@dataclass(frozen=True)
class Course:
    """What a training was and how it went.

    curve: {("train", "loss"): [(epoch, mean of the epoch's lines), ...], ...}. validations: with a top1, by epoch.
    environment: the first line with it, without its mode. warnings: a line each, about the dataset and the course.
    """

    curve: Curve = field(default_factory=dict)
    validations: Sequence[Mapping[str, float]] = ()
    environment: Mapping[str, object] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def read_course(log: str | Path) -> Course:
    """Read a log.jsonl once."""
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    environment: dict[str, object] | None = None
    warnings: list[str] = []
    measured: list[dict[str, float]] = []
    for entry in _records(log):
        mode = entry.get("mode")
        if mode == "environment" and environment is None:
            environment = {key: value for key, value in entry.items() if key != "mode"}
        elif mode in ("warning", "doubt"):
            warnings.append(f"{entry.get('severity')}: {entry.get('message')}")
        elif mode in ("train", "val") and (epoch := _epoch(entry)) is not None:
            figures = {key: value for key in (*METRICS, "loss") if (value := _figure(entry.get(key))) is not None}
            for key in DRAWN:
                if key in figures:
                    values[mode, key][epoch].append(figures[key])
            if mode == "val" and "top1" in figures:
                measured.append({"epoch": epoch} | figures)
    curve = {
        series: [(epoch, math.fsum(found) / len(found)) for epoch, found in sorted(epochs.items())]
        for series, epochs in values.items()
    }
    more = len(warnings) - MOST_WARNINGS
    shown = [*warnings[:MOST_WARNINGS], *([f"note: and {more:,} more warnings"] if more > 0 else [])]
    return Course(curve, sorted(measured, key=lambda it: it["epoch"]), environment or {}, shown)


def _records(log: str | Path) -> Iterator[dict]:
    """The lines that are JSON objects; a killed run may leave half a line."""
    with Path(log).open(encoding="utf-8", errors="replace") as file:
        while line := file.readline(LONGEST_LINE):
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict):
                yield entry


def _epoch(entry: Mapping[str, object]) -> int | None:
    epoch = entry.get("epoch")
    return epoch if type(epoch) is int and 0 <= epoch <= MOST_EPOCHS else None


def _figure(value: object) -> float | None:
    """A number that can be drawn; a whole number of hundreds of digits would overflow, NaN is less than nothing."""
    return float(value) if type(value) in (int, float) and abs(value) <= LARGEST else None
