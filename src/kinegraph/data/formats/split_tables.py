"""A table for each joint, or for each frame -> clips, one of each folder.

    wave/01/head.csv, wave/01/left_hand.csv ...    a joint each: frame or time, x, y (z, score); the names of the files
                                                   are those of the joints, also behind the clip's: walk1_head.csv
    wave/01/0001.csv, wave/01/0002.csv ...         a frame each, by the numbers: joint, x, y (z, score); without a
                                                   column of joints, in the order of the rows

Columns have the names of `table_forms`; a table of a joint may have numbers alone, x, y (z, score). Folders around that
of a clip may name its class. A clip in one table is of the format table; a frame without a header, of frame-arrays.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_ending
from kinegraph.data.formats.folder import detect as is_dataset
from kinegraph.data.formats.poses_text import COORDINATES, separator_in
from kinegraph.data.reading.clips.clip_files import clips_of, said_of_folders, text_of
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError, nobody
from kinegraph.data.reading.files.csv_rows import csv_lines
from kinegraph.data.reading.files.text import first_numbers, table_of_numbers
from kinegraph.data.reading.joints.detections import frame_numbers, picture_number
from kinegraph.data.reading.joints.named_joints import are_joints, bones_line, joint_index, layout_of_table
from kinegraph.data.reading.tables.table_forms import ALIASES, rate_by_times, renamed, time_column, wide_joints
from kinegraph.data.reading.tables.table_wide import Place, frame_number, number
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME, TITLE = "split-tables", "a table for each joint, or for each frame (.csv, .tsv, .txt)"
SUFFIXES, BELOW = (), (".csv", ".tsv", ".txt")
LOOKED_AT = 50
FEWEST = 3  # tables of a clip
AXES = ("x", "y", "z", "score")
BETWEEN = "_-. "  # the name of a clip and that of a joint


@dataclass(frozen=True)
class _Clip:
    """The tables of a clip: of a joint each, by its name, or of a frame each, by its number."""

    place: Path  # the folder, and the beginning of the names where a folder has several clips
    joints: Mapping[str, Path]
    frames: Mapping[int, Path]
    name: str = ""
    label: int | None = None
    splits: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Table:
    """The rows of a table: whose joint each is, in which frame, and where. axes: those that the table has.

    frames: None where no column counts them; joints: where no column names them.
    """

    values: Float[np.ndarray, "rows 4"]
    axes: tuple[str, ...]
    frames: list[int] | None = None
    joints: list[str] | None = None
    people: list[str] | None = None


def detect(path: Path) -> str | None:
    """A folder with several tables of a joint each, named as the joints, or of a frame each, numbered."""
    if not path.is_dir() or is_dataset(path):
        return None
    for clip in _clips_in(list(islice(files_ending(path, BELOW), LOOKED_AT))):
        some = list(islice((clip.joints or clip.frames).values(), FEWEST))
        with suppress(ValueError, OSError):
            if len(some) == FEWEST and all(_is_part(file, of_joint=bool(clip.joints)) for file in some):
                return f"holds a table for each {'joint' if clip.joints else 'frame'}"
    return None


def _clips_in(files: Sequence[Path]) -> list[_Clip]:
    """The tables of each clip: those of a folder, or, where names begin in several ways, of each such beginning."""
    named: dict[Path, dict[str, tuple[dict[str, Path], dict[int, Path]]]] = {}
    for file in files:
        beginning, joint = _joint_in(file.stem)
        start, frame = picture_number(file.name)
        if not joint and frame is None:
            continue
        joints, frames = named.setdefault(file.parent, {}).setdefault(beginning if joint else start, ({}, {}))
        if joint:
            joints[joint] = file
        else:
            frames[frame or 0] = file
    found = [
        _Clip(folder / start if len(starts) > 1 else folder, *of)
        for folder, starts in named.items()
        for start, of in starts.items()
        if max(map(len, of)) >= FEWEST
    ]
    return sorted(found, key=lambda clip: clip.place)


def _joint_in(stem: str) -> tuple[str, str]:
    """What stands before the name of a joint, and this name, as the longest end of the name of a file; "" without."""
    starts = [0, *(place + 1 for place, letter in enumerate(stem) if letter in BETWEEN)]
    joint = next((stem[start:] for start in starts if are_joints([stem[start:]])), "")
    return stem[: len(stem) - len(joint)].strip(BETWEEN), joint


def _is_part(file: Path, of_joint: bool) -> bool:
    """Whether a table has places and lacks what its name says."""
    if first_numbers(file, separator_in(file)):
        return of_joint and _width(file) in COORDINATES
    header = next(csv_lines(file), (1, []))[1]
    named = {name.lower() for name in renamed(header)}
    lacking = "joint" if of_joint else "frame"
    return {"x", "y"} <= named and not {lacking, "clip"} & named and not wide_joints(header)


def _width(file: Path) -> int:
    return len(first_numbers(file, separator_in(file)))


def read(path: Path, *, layout: str | JointLayout | None = None) -> Recordings:
    """The clips of a folder, in the order of their names. layout: name or YAML file of the joints.

    Raises ValueError where no table can be read.
    """
    files = [file for file in files_ending(path, BELOW) if _is_table(file)]
    if not (clips := _clips_in(files)):
        raise FormatError("unreadable", f"{path} holds no table of a joint or a frame")
    places = [clip.place.relative_to(path).parts for clip in clips]
    classes, said = said_of_folders(places)
    joints, axes = _first(clips)
    of = layout_of_table(path, joints, 2 + ("z" in axes), layout, None)
    named = [
        _Clip(clip.place, clip.joints, clip.frames, "/".join(place) or path.absolute().name, *about)
        for clip, place, about in zip(clips, places, said, strict=True)
    ]
    used = {file for clip in clips for file in (*clip.joints.values(), *clip.frames.values())}
    rest = [file.name for file in files if file not in used]
    guessed = {"units"} | ({"up", "plane"} if "z" in axes else set())
    return Recordings(
        clips=clips_of(named, lambda clip: _clip(clip, of, "z" in axes)),
        count=len(named),
        layout=of,
        class_names=classes,
        units="m" if "z" in axes else "px",
        source=f"tables of {path.absolute().name}",
        skipped=lambda: [f"tables of no joint or frame: {first_few(rest)}"] if rest else [],
        assumed=bones_line(of),
        guessed=frozenset(guessed | ({"layout"} if layout is None and joints[0].isdecimal() else set())),
    )


def _is_table(file: Path) -> bool:
    with suppress(ValueError, OSError):
        return any(_is_part(file, of_joint) for of_joint in (True, False))
    return False


def _first(clips: Sequence[_Clip]) -> tuple[list[str], tuple[str, ...]]:
    """The names of all joints and the axes, by the first clip that can be read. Raises its error where none can."""
    error: ValueError | None = None
    for clip in clips:
        try:
            table = _table(next(iter((clip.joints or clip.frames).values())))
        except ValueError as fault:
            error = error or fault
            continue
        rows = table.joints or [str(row) for row in range(len(table.values))]
        return list(dict.fromkeys(clip.joints or rows)), table.axes
    raise error or FormatError("unreadable", "no table can be read")


def _table(file: Path, clip: str = "") -> _Table:
    """The rows of a table. clip: its name. Raises ValueError naming the line that is not as expected."""
    if (width := _width(file)) in COORDINATES:
        rows = table_of_numbers(text_of(file), file, width, f"{width} as in the first row", separator_in(file))
        axes = AXES[:width]
        return _Table(np.pad(rows, ((0, 0), (0, 4 - width)), constant_values=np.nan), axes)
    lines = csv_lines(file)
    header = next(lines)[1]
    named = [name.lower() for name in renamed(header)]
    named = ["score" if name in ALIASES["score"] else name for name in named]
    if time_column(header) is not None:
        named[named.index("frame")] = "time"
    rows = list(lines)
    if wrong := next((line for line, row in rows if len(row) != len(header)), None):
        raise ValueError(f"{file} line {wrong} has another number of cells than the header, {len(header)}")
    place = Place(file, clip, [line for line, _ in rows])

    def column(name: str) -> list[str] | None:
        return [row[named.index(name)].strip() for _, row in rows] if name in named else None

    values = np.full((len(rows), 4), np.nan)
    for axis, name in enumerate(AXES):
        if cells := column(name):
            values[:, axis] = [number(place, name, row, cell) for row, cell in enumerate(cells)]
    axes = tuple(name for name in AXES if name in named)
    frames = column("frame")
    return _Table(values, axes, [*map(frame_number, frames)] if frames else None, column("joint"), column("person"))


# ---- clips -----------------------------------------------------------------------------------------------------------


def _clip(clip: _Clip, layout: JointLayout, deep: bool) -> Item:
    tables = {key: _table(file, clip.name) for key, file in (clip.joints or clip.frames).items()}
    rows = [row for key, table in tables.items() for row in _rows(key, table, layout)]
    if not rows:
        return nobody(clip.name)
    frames, people, joints = zip(*(row[:3] for row in rows), strict=True)
    order = sorted({*frames})
    place = dict(zip(order, (counted := frame_numbers(order))[0].tolist(), strict=True))
    who = {person: row for row, person in enumerate(dict.fromkeys(people))}
    at = [who[value] for value in people], [place[value] for value in frames], list(joints)
    if len({*zip(*at, strict=True)}) < len(rows):
        raise FormatError("joints", f"{clip.place} has a joint twice in a frame; say in a column person whose it is")
    values = np.full((len(who), max(place.values()) + 1, len(layout), 4), np.nan)
    values[at] = [row[3] for row in rows]
    keypoint = values[..., : 2 + deep]
    keypoint = np.where(np.isnan(keypoint).any(3, keepdims=True), 0, keypoint).astype(np.float32)
    if not np.isfinite(keypoint).all():
        raise FormatError("not_finite", f"{clip.place} holds a number that is not finite")
    score = np.nan_to_num(values[..., 3]).astype(np.float32) * keypoint.any(3)
    rate = rate_by_times(next(iter(clip.joints.values()))) if clip.joints and _has_header(clip) else None
    return SkeletonClip(
        keypoint,
        layout,
        clip.name,
        clip.label,
        score=None if np.isnan(values[..., 3]).all() else score,
        fps=rate[1] / counted[1] if rate else None,
        splits=clip.splits or {},
    )


def _has_header(clip: _Clip) -> bool:
    return not first_numbers(file := next(iter(clip.joints.values())), separator_in(file))


def _rows(key: str | int, table: _Table, layout: JointLayout) -> Iterator[tuple[int, str, int, Float[np.ndarray, "4"]]]:
    """Frame, person, joint and place of each row. key: the joint or the frame that the name of the file says."""
    for row, values in enumerate(table.values):
        frame = key if isinstance(key, int) else table.frames[row] if table.frames else row
        joint = key if isinstance(key, str) else table.joints[row] if table.joints else str(row)
        yield frame, table.people[row] if table.people else "", joint_index(layout, joint), values
