"""A run of `train` for Python: its weights, its course, the test of its best weights, its page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.notebook import ShownPath, in_notebook
from kinegraph.report.runs import METRICS, read_run
from kinegraph.report.runs import Run as RunRead
from kinegraph.report.write import write_run_report

if TYPE_CHECKING:
    from torch import nn

SERIES = {"train": "", "val": "val_"}  # kind of a line in the log -> what its figures are called before their name


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder, read when something of it is asked for, and kept. It may stand wherever a path of weights may."""

    folder: Path

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def best(self) -> Path | None:
        """The weights of the best validation; None where nothing was validated."""
        return self._weights("best")

    @property
    def last(self) -> Path | None:
        """The weights of the last epoch; None before its end."""
        return self._weights("last")

    def _weights(self, which: str) -> Path | None:
        file = self.folder / "checkpoints" / f"{which}.safetensors"
        return file if file.is_file() else None

    @cached_property
    def _read(self) -> RunRead:
        return read_run(self.folder)

    @property
    def config(self) -> Mapping[str, Any]:
        """All options of the run."""
        return self._read.config

    @property
    def warnings(self) -> Sequence[str]:
        """Lines about the dataset and the course that say why figures cannot be trusted."""
        return self._read.warnings

    @property
    def evaluation(self) -> Evaluation | None:
        """What the best weights say of the clips that were validated; None where no such scores are kept."""
        return self._read.evaluation

    @cached_property
    def metrics(self) -> dict[str, list[float]]:
        """One row per epoch, as columns: epoch, loss, top1 (training), val_top1 ...: `pandas.DataFrame(run.metrics)`.

        NaN where an epoch was not validated.
        """
        rows: dict[int, dict[str, float]] = {}
        for (kind, name), points in self._read.course.curve.items():
            for epoch, value in points:
                rows.setdefault(epoch, {})[SERIES[kind] + name] = value
        for record in self._read.course.validations:
            row = rows.setdefault(int(record["epoch"]), {})
            row |= {f"val_{name}": record[name] for name in METRICS if name in record}
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        columns: dict[str, list[float]] = {"epoch": sorted(rows)}
        return columns | {name: [rows[epoch].get(name, math.nan) for epoch in columns["epoch"]] for name in names}

    @property
    def report(self) -> ShownPath:
        """The page about the run, written now where there is none yet."""
        page = self.folder / "report.html"
        return ShownPath(page if page.is_file() else write_run_report(self.folder))

    @cached_property
    def model(self) -> "nn.Module":
        """The network with its best weights, or its last, for `kg.predict`."""
        from kinegraph.models.weights import load_model

        return load_model(self.folder)

    def best_epoch(self) -> tuple[int, float] | None:
        """The epoch with the highest share right in validation, and that share; None without validation."""
        best = max(self._read.course.validations, key=lambda record: record["top1"], default=None)
        return None if best is None else (int(best["epoch"]), best["top1"])

    def __repr__(self) -> str:
        epochs = len(self.metrics["epoch"])
        best = self.best_epoch()
        figure = f", best val {self._read.course.measure} {best[1]:.1%} in epoch {best[0]}" if best else ""
        return f"Run({str(self.folder)!r}: {epochs} epoch{('s' if epochs != 1 else '')}{figure})"

    def _repr_html_(self) -> str:
        return in_notebook(self)


def run(folder: str | Path) -> Run:
    """A run that was trained before. Raises ValueError where the folder is none."""
    path = Path(folder)
    if path.name == "config.yaml":
        path = path.parent
    if not (path / "log.jsonl").is_file():
        raise ValueError(
            f"{path} is no run folder, there is no log.jsonl in it; kg.train or `kinegraph train` makes one"
        )
    return Run(path)
