"""What a run's log.jsonl tells: values by epoch, validations, and the environment it ran in."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Curve = Mapping[tuple[str, str], Sequence[tuple[int, float]]]


def records(log: str | Path) -> Iterator[dict]:
    """The lines that are JSON objects; a killed run may leave half a line."""
    for line in Path(log).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def learning_curve(log: str | Path) -> Curve:
    """Values by epoch: {("train", "loss"): [(epoch, mean of the epoch's lines), ...], ...}.

    Lines without mode, epoch and finite numbers are passed over.
    """
    values: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for entry in records(log):
        if not isinstance(entry.get("epoch"), int):
            continue
        for key in ("loss", "top1", "mean_class_accuracy"):
            value = entry.get(key)
            if entry.get("mode") in ("train", "val") and isinstance(value, int | float) and math.isfinite(value):
                values[entry["mode"], key][entry["epoch"]].append(value)
    return {
        series: [(epoch, math.fsum(found) / len(found)) for epoch, found in sorted(epochs.items())]
        for series, epochs in values.items()
    }


def environment_of(log: str | Path) -> dict[str, object]:
    """The first line that tells the environment, without its mode."""
    found = next((entry for entry in records(log) if entry.get("mode") == "environment"), {})
    return {key: value for key, value in found.items() if key != "mode"}


def doubts_of(log: str | Path) -> list[str]:
    """What training said is doubtful, a line each: findings about the dataset, and how it went."""
    found = (entry for entry in records(log) if entry.get("mode") == "doubt")
    return [f"{entry.get('severity')}: {entry.get('message')}" for entry in found]


def validations(log: str | Path) -> list[dict]:
    """The lines of validations in which there is a top1, by epoch."""
    found = [entry for entry in records(log) if entry.get("mode") == "val" and isinstance(entry.get("epoch"), int)]
    return sorted((it for it in found if isinstance(it.get("top1"), int | float)), key=lambda it: it["epoch"])
