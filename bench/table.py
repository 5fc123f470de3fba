"""The one table: rows of work, columns of contestants, medians with quartiles and ratios."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

COLUMNS = (
    "plain path",
    "plain path bf16",
    "MMAction2",
    "TensorFlow",
    "CoST-GCN",
    "Kinegraph window",
    "Kinegraph",
    "Kinegraph bf16",
)


@dataclass(frozen=True)
class Row:
    """One piece of work. cells: what was measured by column, one number a round, rounds side by side.

    compared: whether ratios mean anything; more_is_better: clips a second rather than seconds.
    """

    work: str
    unit: str
    cells: dict[str, list[float]] = field(default_factory=dict)
    more_is_better: bool = False
    compared: bool = True

    def reference(self) -> str | None:
        """The column that ratios are of: MMAction2's, or without it the plain path's."""
        return next((c for c in ("MMAction2", "plain path") if self.compared and c in self.cells), None)

    def ratio(self, column: str) -> float | None:
        """How many times better than the reference: the median over rounds, each with the reference of its round."""
        against = self.reference()
        if against is None or column == against:
            return None
        pairs = zip(self.cells[against], self.cells[column], strict=True)
        return statistics.median(b / a if self.more_is_better else a / b for a, b in pairs)


def cell(row: Row, column: str, bold: str = "") -> str:
    """ "412 [405-430] 3.4x": median, quartiles, ratio."""
    if column not in row.cells:
        return ""
    values = row.cells[column]
    text = number(statistics.median(values))
    if len(values) > 2:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        text += f" [{number(low)}-{number(high)}]"
    ratio = row.ratio(column)
    return text if ratio is None else f"{text} {bold}{ratio:.2f}x{bold}"


def number(value: float) -> str:
    """Three digits, no exponent but for the very small."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def as_text(rows: Sequence[Row]) -> str:
    lines = [("work", "unit", *COLUMNS), *((row.work, row.unit, *(cell(row, c) for c in COLUMNS)) for row in rows)]
    shown = [i for i in range(len(lines[0])) if i < 2 or any(line[i] for line in lines[1:])]
    widths = {i: max(len(line[i]) for line in lines) for i in shown}
    return "\n".join("  ".join(f"{line[i]:<{widths[i]}}" for i in shown).rstrip() for line in lines)


def as_markdown(rows: Sequence[Row]) -> str:
    shown = [column for column in COLUMNS if any(column in row.cells for row in rows)]
    lines = [["work", "unit", *shown], ["---"] * (2 + len(shown))]
    lines += [[row.work, row.unit, *(cell(row, column, "**") for column in shown)] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
