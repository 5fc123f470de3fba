"""Runs and tests, read from their folders: what `kinegraph report` reads. Nothing is drawn here.

The course of a training comes from its log.jsonl. In a stranger's file, what training does not write is left out.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from kinegraph.evaluation.about_result import read_evaluation
from kinegraph.evaluation.calibration import calibration
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import figures_to_show
from kinegraph.files import read_text
from kinegraph.safe_io import parsed_yaml

Curve = Mapping[tuple[str, str], Sequence[tuple[int, float]]]

METRICS = ("top1", "top5", "mean_class_accuracy")
DRAWN = ("loss", "top1", "mean_class_accuracy")
LARGEST = 1e30  # of a figure
MOST_EPOCHS = 10**9
LONGEST_LINE = 1 << 20  # letters; training writes some hundred
MOST_WARNINGS = 100
OF_A_CALL = {"work_dir", "resume"}  # differ between any two runs
LARGEST_CONFIG = 1 << 18  # bytes, as `safe_io` reads of YAML
VALIDATION = Path("val") / "result.pkl"  # in a run folder: the scores of its best weights


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

    @property
    def measure(self) -> str:
        """The name of what the log calls top1: of long recordings it is a share of frames, or of labels."""
        return str(self.environment.get("measure", "top-1"))


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
    return Course(curve, sorted(measured, key=lambda entry: entry["epoch"]), environment or {}, shown)


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


@dataclass(frozen=True, eq=False)
class Run:
    """A training or a test. evaluation: where there are scores. course: empty where no log.jsonl is known.

    warnings: lines that say why its figures cannot be trusted.
    """

    path: Path
    config_text: str
    environment: Mapping[str, object]
    course: Course
    evaluation: Evaluation | None
    warnings: Sequence[str] = ()

    @cached_property
    def config(self) -> dict:
        try:
            found = parsed_yaml(self.config_text, "config")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Of the evaluation; without one those of the best validation by top-1, as far as the log has them."""
        if self.evaluation is not None:
            error = calibration(self.evaluation.confidence, self.evaluation.right).error
            figures = figures_to_show(self.evaluation.metrics, len(self.evaluation.class_names))
            return figures | {"calibration_error": error}
        best = max(self.course.validations, key=lambda record: record["top1"], default={})
        return {key: best[key] for key in METRICS if key in best}


def measure_of(runs: Sequence[Run]) -> str:
    """The name of what the logs of these runs call top1. Runs without a log have no say."""
    names = {run.course.measure for run in runs if run.course.curve} or {"top-1"}
    return names.pop() if len(names) == 1 else "share right"


def read_run(path: str | Path) -> Run:
    """What a run folder, the folder of a test or a result file says.

    Raises ValueError where a path is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"there is no run or test {path}")
    if (path / "log.jsonl").is_file():
        return _training(path)
    result = path if path.is_file() else _result_in(path)
    about = result.with_suffix(".json")
    if result.suffix != ".pkl" or not about.is_file():
        raise ValueError(
            f"{path} is no result of `kinegraph test`: expected a file such as result.pkl with {about.name} beside it"
        )
    return _test(path, result)


def _result_in(folder: Path) -> Path:
    results = sorted(file for file in folder.glob("*.pkl") if file.with_suffix(".json").is_file())
    if len(results) == 1:
        return results[0]
    if not results:
        raise ValueError(
            f"{folder} is no run folder (it has no log.jsonl) and holds no result of `kinegraph test --out` "
            "(result.pkl with result.json)"
        )
    raise ValueError(f"{folder} holds {len(results)} results; give one of them, such as {results[0]}")


def _training(path: Path) -> Run:
    config, log, result = path / "config.yaml", path / "log.jsonl", path / VALIDATION
    text = read_text(config, LARGEST_CONFIG) if config.is_file() else ""
    about = result.with_suffix(".json")
    evaluation = _test(path, result).evaluation if result.is_file() and about.is_file() else None
    course = read_course(log)
    return Run(path, text, course.environment, course, evaluation, course.warnings)


def _test(path: Path, result: Path) -> Run:
    evaluation, record = read_evaluation(result)
    log = Path(record["log"]) if record["log"] else None
    course = read_course(log) if log and log.is_file() else Course()
    return Run(path, record["config"], record["environment"], course, evaluation, record["warnings"])


# ---- names and options of several runs -------------------------------------------------------------------------------


def config_differences(configs: Sequence[Mapping]) -> list[tuple[str, list[str | None]]]:
    """Options that are not the same in all configs, with what each says; None where one says nothing."""
    flat = [dict(_leaves(config)) for config in configs]
    keys = list(dict.fromkeys(key for options in flat for key in options))
    rows = [(key, [options.get(key) for options in flat]) for key in keys if key not in OF_A_CALL]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _leaves(config: object, name: str = ""):
    if isinstance(config, Mapping) and config:
        for key, value in config.items():
            yield from _leaves(value, f"{name}.{key}" if name else str(key))
    elif config is not None:
        yield name, _shown(config)


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def short_names(paths: Sequence) -> list[str]:
    """The last words of each path in which it differs from the others."""
    parts = [path.parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return names
