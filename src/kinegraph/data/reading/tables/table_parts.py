"""Where another clip begins in a table that has one row per frame and names no clips.

It begins where the label, the subject or another fact of a clip changes, where a column counts trials, and where the
time begins anew: people paste their recordings below each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinegraph.data.reading.clips.clip_columns import KNOWN, TRIALS, plain_column
from kinegraph.data.reading.tables.table_times import TIMES, seconds
from kinegraph.messages import quoted

FACTS = tuple(name for name in KNOWN if name not in ("split", "fps", "width", "height"))


def is_trial(column: str) -> bool:
    return plain_column(column) in TRIALS


def time_of_parts(columns: Sequence[str]) -> int | None:
    """The column of times, which shows where another recording begins; none beside numbers of frames."""
    if "frame" in columns:
        return None
    return next((i for i, name in enumerate(columns) if plain_column(name) in TIMES), None)


@dataclass
class Restart:
    """Times one after another. One that falls back by more than half of what has passed begins another recording."""

    first: float | None = None
    last: float = 0.0

    def at(self, time: float) -> bool:
        before, self.last = self.last, time
        if self.first is None or (time - self.first < (before - self.first) / 2 and time < before):
            again, self.first = self.first is not None, time
            return again
        return False


@dataclass
class Parts:
    """The number of the clip of each row, from 0. columns: their usual names."""

    columns: Sequence[str]
    number: int = 0
    before: list[str] | None = None
    frame: str | None = None
    restart: Restart = field(default_factory=Restart)

    def __post_init__(self) -> None:
        self.facts = [i for i, name in enumerate(self.columns) if name in FACTS or is_trial(name)]
        self.time = time_of_parts(self.columns)

    def begins(self, row: Sequence[str]) -> bool:
        """Whether another clip begins with this row."""
        cells = [row[i] for i in self.facts]
        anew = self.time is not None and self._anew(row[self.time])
        frame = row[self.columns.index("frame")] if "frame" in self.columns else None
        other = self.before is not None and (cells != self.before or anew)
        if other and frame is not None and frame == self.frame:
            column = next(
                self.columns[i] for i, a, b in zip(self.facts, cells, self.before or (), strict=True) if a != b
            )
            raise ValueError(
                f"the rows of each {column} alternate in frame {frame}; sort the table by {column}, then frame, or "
                "call the column person where all are in one recording"
            )
        self.frame = frame
        if other and not anew:
            self.restart = Restart(self.restart.last, self.restart.last)
        self.before = cells
        self.number += other
        return other

    def split(self) -> None:
        """Begin another part: the line of the file separates two parts."""
        self.number, self.before, self.restart = self.number + 1, None, Restart()

    def _anew(self, cell: str) -> bool:
        try:
            return self.restart.at(seconds(cell))
        except ValueError:  # no time
            return False


def parts_line(path: Path, header: Sequence[str], columns: Sequence[str], clips: int) -> tuple[str, ...]:
    """The line on the clips of a table. columns: their usual names; header: as they are in the file."""
    parts = Parts(columns)
    if "clip" in columns or clips < 2:
        return ()
    changes = [quoted(header[i]) for i in parts.facts]
    said = [f"{' or '.join(changes)} changes"] if changes else []
    said += [f"{quoted(header[i])} begins anew" for i in (parts.time,) if i is not None]
    where = ", or where ".join(said) or "a line says break"
    return (f"{path.name} as {clips:,} clips: another begins where {where} (a column clip names them)",)
