"""What stands in a table in place of a frame's number: its time, or the name of its picture.

Times are seconds, milliseconds and so on, or dates; equal times of a clip are one frame. Pictures are walk_0012.jpg:
frame 12 of the clip walk.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from kinegraph.data.column_words import WORDS
from kinegraph.data.reading.files.csv_rows import csv_lines
from kinegraph.data.reading.joints.detections import picture_number
from kinegraph.messages import quoted

TIMES = ("timestamp", "time", "time_s", "time_sec", "timestamp_s", "seconds", "time_ms", "timestamp_ms", "time_us",
         "timestamp_us", "timestamp_usec", "time_usec", "timestamp_ns", "datetime", "time_stamp", "t", "t_s", "t_ms",
         "t_us", "epoch", "epoch_ms", "unix_time", "unix_timestamp", "elapsed", "elapsed_time", "%time", "__time",
         "trial_time", *WORDS["time"])  # fmt: skip
CLOCK = re.compile(r"(?:\b(\d{1,2}):)?(\d{1,2}):(\d{2}(?:[.,]\d+)?)\s*([ap]m)?\s*$", re.IGNORECASE)
DURATION = re.compile(r"(\d+\.?\d*(?:e-?\d+)?)\s*(s|sec|seconds?|ms|msec|min|minutes?|hr)", re.IGNORECASE)
IN_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "min": 60.0,
              "minute": 60.0, "minutes": 60.0, "hr": 3600.0}  # fmt: skip
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
LOOKED_AT = 20_000  # rows that say the frame rate
FEW_ROWS = 1000  # that show whether a column names pictures
USUAL = (2.0, 1000.0)  # frames a second
ROUNDED = 5e-4  # share of a rate; 29.97 stays apart from 30
UNITS = (1.0, 1e-3, 1e-6, 1e-9)  # seconds; the first one with a usual frame rate


def seconds(cell: str) -> float:
    """A time as a number in the unit of the file; of a date, a clock or MATLAB's duration ("0.04 sec") in seconds.

    Dates in other forms than those of ISO count by their clocks. Raises ValueError for what is none of these.
    """
    with suppress(ValueError):
        return float(cell)
    if duration := DURATION.fullmatch(cell.strip()):
        return float(duration[1]) * IN_SECONDS[duration[2].lower()]
    with suppress(ValueError):
        return datetime.fromisoformat(cell.strip()).timestamp()
    if (clock := CLOCK.search(cell)) is None:
        raise ValueError(f"{quoted(cell)} is no time")
    hours = int(clock[1] or 0) % (12 if clock[4] else 24) + 12 * ((clock[4] or "").lower() == "pm")
    return hours * 3600 + int(clock[2]) * 60 + float(clock[3].replace(",", "."))


def rate_of(path: Path, time: int, frame: int | None = None) -> float | None:
    """Frames a second by the times in a column; None where they do not say it.

    frame: the column of frame numbers beside them; without one, each new time is the next frame. A step counts where
    it is like most others: it is no gap, and no beginning of another clip.
    """
    rows = (row for _, row in islice(csv_lines(path), 1, LOOKED_AT) if len(row) > max(time, frame or 0))
    try:
        cells = dict.fromkeys((row[time], "" if frame is None else row[frame]) for row in rows)
        times = [(seconds(time), i if frame is None else float(number)) for i, (time, number) in enumerate(cells)]
    except ValueError:
        return None
    return rate_of_times(times)


def rate_of_times(times: Sequence[tuple[float, float]]) -> float | None:
    """Frames a second by times and the numbers of their frames; None where they do not say it; see `rate_of`."""
    moves = [(b - a, n - m) for (a, m), (b, n) in pairwise(times)]
    steps = np.array([seconds / frames for seconds, frames in moves if seconds > 0 and frames > 0])
    usual = steps[np.abs(steps - np.median(steps)) <= np.median(steps) / 2] if len(steps) else steps
    step = float(usual.mean()) if len(usual) else 0.0
    if (usual == 1).all():  # whole numbers one after another count frames
        return None
    rates = [1 / (step * unit) for unit in UNITS] if step > 0 else []
    return next((_even(rate) for rate in rates if USUAL[0] <= rate <= USUAL[1]), None)


def _even(rate: float) -> float:
    """A whole number where only the rounding of times makes it none, so that all files of a camera have the same."""
    return float(round(rate)) if abs(rate - round(rate)) < ROUNDED * rate else float(f"{rate:.4g}")


@dataclass
class FramesOfTimes:
    """Numbers of frames by their times, from 0 in each clip."""

    path: Path
    known: dict[str, dict[str, int]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def number(self, clip: str, cell: str, line: int) -> str:
        """The number of a time. Raises ValueError for a new time that is before others of its clip."""
        frames = self.known.setdefault(clip, {})
        if cell in frames:
            return str(frames[cell])
        try:
            time = seconds(cell)
        except ValueError:
            raise ValueError(f"{self.path} line {line} has the time {quoted(cell)}, expected a number") from None
        if frames and not time > self.last[clip]:
            where = f"{self.path} line {line}: the time {quoted(cell)} comes after a later one"
            raise ValueError(f"{where}; sort the rows by time, or number the frames in a column frame")
        self.last[clip], frames[cell] = time, len(frames)
        return str(frames[cell])


def are_pictures(path: Path, place: int) -> bool:
    """Whether a column names pictures, such as walk_0012, a few beginnings with many numbers."""
    cells = {row[place].strip() for _, row in islice(csv_lines(path), 1, FEW_ROWS) if len(row) > place}
    named = [picture_number(cell) for cell in cells if not _is_time(cell)]
    beginnings = {beginning for beginning, _ in named}
    numbered = len(named) == len(cells) and all(number is not None for _, number in named)
    return numbered and 0 < 2 * len(beginnings) <= len(cells)


def _is_time(cell: str) -> bool:
    try:
        seconds(cell)
    except ValueError:
        return False
    return True


def with_frames(
    path: Path,
    header: Sequence[str],
    time: int | None,
    clip: int | None,
    lines: Iterator[tuple[int, list[str]]],
    *,
    counted: bool = False,
    pictures: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """The rows with numbers of frames in place of times, and with clip and frame in place of names of pictures.

    time, clip: columns of times that stand for frames, and of clips. The frame of a picture becomes the last cell,
    where the table numbers no frames. counted: each row of a clip is its next frame then, if no picture says another.
    pictures: the column of clips names pictures, also without an ending such as .jpg.
    """
    frames, rows = FramesOfTimes(path), Counter[str]()
    for line, row in lines:
        if len(row) == len(header):
            number = ""
            if clip is not None and (pictures or row[clip].lower().endswith(PICTURES)):
                row[clip], frame = picture_number(row[clip])
                row[clip], number = row[clip] or path.stem, "" if frame is None else str(frame)
            if time is not None:
                row[time] = frames.number("" if clip is None else row[clip], row[time], line)
            if clip is not None and time is None and "frame" not in header:
                row = [*row, number or (str(rows[row[clip]]) if counted else "")]
                rows[row[clip]] += 1
        yield line, row
