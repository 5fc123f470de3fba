"""Tables with one row per frame of one person, read in blocks: as little is in memory as the coordinates of a clip."""

from array import array
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import inf, isfinite, nan
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.large import Rows, placed
from kinegraph.data.reading.faults import Fault, FormatError
from kinegraph.data.reading.files.number_blocks import NotPlain, numbers, plain_lines
from kinegraph.data.reading.joints.detections import are_even
from kinegraph.data.reading.tables.table_forms import Wide
from kinegraph.messages import quoted
from kinegraph.skeleton.layout import JointLayout

BLOCK = 256  # rows that are read at a time
SPARSE, FEW = 100, 10_000  # frames that a clip may have for each row, and beside that
OF_FRAMES = "; a label for each frame: prepare FILE OUT --segments FILE"
MISSING = (  # as programs write what is not there
    "", "na", "n/a", "none", "null", "nil", "-", ".", "missing", "<na>", "#n/a", "#num!", "#value!", "#ref!", "#div/0!",
)  # fmt: skip
TWICE = "; delete one of the rows, or say in a column person or clip whose they are"
MOST_STEP = 12  # from one frame to the next; a larger one is a gap


# ---- what cells stand for, and the places that messages name ---------------------------------------------------------


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
    if not are_even(steps) and (len(steps) < 2 or np.median(steps) < 2 or steps.max() > MOST_STEP):
        return frame - frame.min(), 1.0
    return np.searchsorted(numbers, frame), float(steps.mean())


def frame_number(cell: str) -> int:
    try:
        number = float(cell)  # 12.0 is how some programs write 12
    except ValueError:
        number = nan
    if not number.is_integer() or abs(number) > 2**53:
        way = "call the column of times 'time', that of pictures 'image', or leave it out"
        raise ValueError(f"frame {quoted(cell)}, expected a whole number; {way}")
    return int(number)


def other_fact(column: str, cell: str, first: str) -> str:
    """What is wrong with a fact that is not the same in all rows of a clip, and the way."""
    return f"{column} {quoted(cell)}, the clip began with {quoted(first)}{OF_FRAMES * (column == 'label')}"


def number(place: Place, column: str, row: int, cell: str) -> float:
    if cell.strip().lower() in MISSING:
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


# ---- blocks of rows --------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Clip:
    """The rows of a clip as far as they are read. values: coordinates of the layout's joints, frame after frame."""

    place: Place
    wide: Wide
    columns: list[int]  # places of the table's joints in the layout
    joints: int
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    frames: "array[int]" = field(default_factory=lambda: array("q"))
    values: Rows = field(default_factory=Rows)
    scores: Rows = field(default_factory=Rows)
    waiting: list[str] = field(default_factory=list)

    def add(self, line: int, frame: str, cells: Sequence[str]) -> None:
        self.lines.append(line)
        try:
            self.frames.append(frame_number(frame))
        except ValueError as error:
            raise self.place.fault(-1, str(error)) from None
        self.waiting += cells
        if len(self.waiting) >= BLOCK * len(cells):
            self.read()

    def read(self) -> None:
        """Turn the cells that wait into numbers."""
        axes, width = self.wide.columns[3 : 3 + self.wide.axes], len(self.columns) * self.wide.axes
        if not self.waiting:
            return
        first = len(self.lines) - len(self.waiting) // width
        try:
            found = np.fromiter(map(float, self.waiting), np.float64, len(self.waiting))
        except ValueError:
            cells = enumerate(self.waiting)
            found = np.array([number(self.place, axes[i % len(axes)], first + i // width, value) for i, value in cells])
        if (wrong := np.abs(found) > 1e30).any():  # infinite, or too large for what is stored
            i = int(wrong.argmax())
            problem = f"{axes[i % len(axes)]} is {quoted(self.waiting[i])}, expected a finite number"
            raise self.place.fault(first + i // width, problem, "not_finite")
        self.store(found)
        self.waiting.clear()

    def store(self, found: Float[np.ndarray, "..."]) -> None:
        """Append the numbers of some rows; NaN where a joint was not seen."""
        axes = self.wide.axes
        found = found.reshape(-1, len(self.columns), axes)
        scored = self.wide.columns[2 + axes] == "score"
        places = found[..., : axes - scored]
        seen = ~np.isnan(places).any(2)
        block = np.zeros((len(found), self.joints, places.shape[2]), np.float32)
        block[:, self.columns] = np.where(seen[..., None], places, 0)
        self.values.add(block)
        if scored:
            score = np.zeros(block.shape[:2], np.float32)
            score[:, self.columns] = np.where(seen, np.nan_to_num(found[..., -1]), 0)
            self.scores.add(score)

    def done(self) -> ClipRows:
        """The clip. Raises ValueError for frames that are there twice, and for far too many of them."""
        self.read()
        numbers, step = consecutive(np.array(self.frames, np.int64))
        order = np.argsort(numbers, kind="stable")
        again = order[1:][numbers[order][1:] == numbers[order][:-1]]
        if len(again):
            row = int(again.min())
            joint = self.wide.joints[0]
            raise self.place.fault(row, f"joint {quoted(joint)} is there twice in frame {self.frames[row]}{TWICE}")
        count = int(numbers.max()) + 1
        if count > SPARSE * len(numbers) + FEW:
            raise ValueError(
                f"{self.place.path}: clip {quoted(self.place.clip)} has {len(numbers):,} rows for {count:,} frames; "
                "are frames counted one by one?"
            )
        scored = self.wide.columns[2 + self.wide.axes] == "score"
        keypoint = _by_frame(self.values.array(self.joints, self.wide.axes - scored), numbers, count)
        score = _by_frame(self.scores.array(self.joints), numbers, count) if scored else None
        return ClipRows(self.place.clip, keypoint[None], None if score is None else score[None], step)


def _by_frame(rows: Float[np.ndarray, "rows ..."], numbers: np.ndarray, count: int) -> Float[np.ndarray, "T ..."]:
    """The rows at the places of their frames; they themselves where they are in order."""
    if count == len(rows) and (np.diff(numbers) == 1).all():
        return rows
    return placed(rows, numbers, count)


def wide_clips(
    path: Path,
    wide: Wide,
    layout: JointLayout,
    scattered: Container[int],
    joint_index: Callable[[JointLayout, str], int],
) -> Iterator[ClipRows | Fault]:
    """The clips of a wide table one after another. scattered: first lines of clips whose rows are not together.

    The fault of a clip names the line that is not as expected.
    """
    for cell, rows in groupby(wide.rows, key=lambda row: row[1][0]):
        rows = iter(rows)
        line, first, cells = next(rows)
        name = cell.strip()
        clip = _Clip(Place(path, name, lines := array("q", [line])), wide, [], len(layout), lines)
        try:
            if line in scattered:
                where = f"{path} line {line}: the rows of clip {quoted(name)} are scattered, "
                yield Fault(f"{where}those before it are of another; sort the file by clip", name, "duplicate_name")
                continue
            clip.columns += _columns(clip.place, layout, wide.joints, joint_index)
            del lines[:]
            clip.add(line, first[1], cells)
            for line, kept, cells in rows:
                if kept[2:] != first[2:]:
                    _check_same(clip.place, wide, line, kept, first)
                clip.add(line, kept[1], cells)
            yield clip.done()
        except ValueError as error:
            yield Fault(str(error), name, getattr(error, "kind", "broken"))


def is_plain(path: Path, wide: Wide) -> bool:
    """Whether a table is one clip with lines of one width and no quotes, in which every line is a row."""
    count, last = 0, -inf
    try:
        for separator, lines in plain_lines(path, wide.width) if wide.alone else ():
            count += len(lines)
            if wide.time is not None:  # one that goes back may begin another clip
                times = numbers(lines, separator, [wide.time])
                if times is None or not (np.diff(times[:, 0], prepend=last) >= 0).all():
                    return False
                last = times[-1, 0]
    except (NotPlain, IndexError):
        return False
    return count > 0


def plain_clip(
    path: Path, wide: Wide, layout: JointLayout, joint_index: Callable[[JointLayout, str], int]
) -> ClipRows | None:
    """The clip of a table of numbers alone, parsed in blocks; None for another, and for one with anything wrong."""
    if not wide.alone:
        return None
    clip = _Clip(Place(path, path.stem.strip(), [2]), wide, [], len(layout))
    columns = wide.places if wide.frame is None else [*wide.places, wide.frame]
    try:
        clip.columns += _columns(clip.place, layout, wide.joints, joint_index)
        for separator, lines in plain_lines(path, wide.width):
            found = numbers(lines, separator, columns)
            if found is None or (np.abs(found) > 1e30).any():
                return None
            if wide.frame is None:
                clip.frames.extend(range(len(clip.frames), len(clip.frames) + len(found)))
            else:
                frames, found = found[:, -1], found[:, :-1]
                if not (frames == np.rint(frames)).all() or (np.abs(frames) > 2**53).any():
                    return None
                clip.frames.frombytes(frames.astype(np.int64).tobytes())
            clip.store(found)
        return clip.done() if clip.frames else None
    except (ValueError, IndexError):  # said with the line by `wide_clips`
        return None


def _columns(
    place: Place, layout: JointLayout, joints: Sequence[str], joint_index: Callable[[JointLayout, str], int]
) -> list[int]:
    try:
        found = [joint_index(layout, joint) for joint in joints]
    except ValueError as error:
        raise place.fault(0, str(error)) from None
    if twice := [joint for i, joint in enumerate(joints) if found[i] in found[:i]]:
        raise place.fault(0, f"joint {quoted(twice[0])} is there twice in the header")
    return found


def _check_same(place: Place, wide: Wide, line: int, kept: Sequence[str], first: Sequence[str]) -> None:
    """Raises FormatError for a fact that is not the same in all rows of a clip."""
    names = ["clip", "frame", *wide.columns[3 + wide.axes :]]
    at = next(i for i in range(2, len(kept)) if kept[i] != first[i])
    place = Place(place.path, place.clip, [line])
    raise place.fault(0, other_fact(names[at], kept[at], first[at]))
