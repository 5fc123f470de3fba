"""What the cells of tables stand for: numbers of frames, coordinates; and the places that messages name."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.formats.recordings import FormatError
from kinegraph.messages import quoted

MOST_STEP = 12  # from one frame to the next; a larger one is a gap


@dataclass(frozen=True, eq=False)
class ClipRows:
    """The coordinates of one clip from its rows; unseen joints are zero. step: between the numbers of its frames."""

    name: str
    keypoint: Float[np.ndarray, "M T V C"]
    score: Float[np.ndarray, "M T V"] | None
    step: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where a clip's rows are, to name them."""

    path: Path
    clip: str
    lines: Sequence[int]

    def fault(self, row: int, problem: str, kind: str = "broken") -> FormatError:
        return FormatError(kind, f"{self.path} line {self.lines[row]} (clip {quoted(self.clip)}): {problem}")


def consecutive(frame: Int[np.ndarray, "rows"]) -> tuple[Int[np.ndarray, "rows"], float]:
    """Frames counted one by one from 0, and the mean step between the numbers that the file gives them.

    Files of every second frame, or of a sensor that leaves some out, number them in steps of 2 and more. Where most
    steps are 1, a larger one is a gap, in which nobody is.
    """
    numbers = np.unique(frame)
    steps = np.diff(numbers)
    if len(steps) < 2 or np.median(steps) < 2 or steps.max() > MOST_STEP:
        return frame - frame.min(), 1.0
    return np.searchsorted(numbers, frame), float(steps.mean())


def frame_number(cell: str) -> int:
    try:
        number = float(cell)  # 12.0 is how some programs write 12
    except ValueError:
        number = nan
    if not number.is_integer() or abs(number) > 2**53:
        raise ValueError(f"frame {quoted(cell)}, expected a whole number; call the column of times 'time'")
    return int(number)


def number(place: Place, column: str, row: int, cell: str) -> float:
    if not cell.strip():
        return nan
    try:
        return float(cell)
    except ValueError:
        hint = "; write decimals with a point" if isfinite(with_point(cell)) else ""
        raise place.fault(row, f"{column} is {quoted(cell)}, expected a number{hint}") from None


def with_point(cell: str) -> float:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return nan
