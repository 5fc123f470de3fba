"""Bones and markers that OptiTrack Motive exports as .csv.

    Format Version,1.23,Take Name,walk,Export Frame Rate,120.0,...,Length Units,Meters,Coordinate Space,Global
    (blank)
    ,Type,Bone,Bone, ...                Bone, Bone Marker, Rigid Body, Rigid Body Marker or Marker
    ,Name,Anna:Hip,Anna:Hip, ...        the subject stands before the colon
    ,ID,...                             not in all versions, as are Parent and TimeCode
    ,Parent,Root,Root, ...              the bone that a bone hangs on
    ,,Rotation,Rotation,Rotation,Rotation,Position,Position,Position
    Frame,Time (Seconds),X,Y,Z,W,X,Y,Z
    0,0.000000,...                      one row per frame; an empty cell: not seen

Where there are bones, they are the joints, else the markers, else the rigid bodies; rotations and errors are left out.
Names become joints as in `markers.py`; bones without a built-in layout have one of their own, by the row Parent.
Sources: OptiTrack documentation, "Data Export: CSV" (v1.2 to v1.25).
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.number_rows import check_size, places_of
from kinegraph.data.reading.files.text import encoding_of, frame_rate
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings
from kinegraph.messages import one_line, plain_name, quoted

NAME, TITLE = "motive", "bones and markers of OptiTrack Motive (.csv)"
SUFFIXES = (".csv",)
METRES = {"meters": 1.0, "centimeters": 0.01, "millimeters": 0.001}
HEAD = 12  # lines at most before the frames
KINDS = ("bone", "marker", "bone marker", "rigid body marker", "rigid body")  # those that come first are the joints
BONES = {"luarm": "left_upper_arm", "ruarm": "right_upper_arm", "lfarm": "left_forearm", "rfarm": "right_forearm"}
UNNAMED = re.compile(r"(unlabeled|active)\b.*|\*?\d*", re.IGNORECASE)


def detect(path: Path) -> str | None:
    """A file that begins with Motive's line of facts, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "begins with a line of Motive", "holds files of Motive")


def _is_one(file: Path) -> bool:
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        first = content.readline(10_000).replace('"', "").replace(";", ",")
    return first.startswith("Format Version,") and "Frame Rate," in first


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the built-in one with joints of these names, for bones else one
        of their own. Sub-folders name classes.
    Raises ValueError where no layout has joints of these names.
    """
    return marker_recordings(clip_files(path, SUFFIXES, _is_one), path, read_file, layout)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, wanted: Wanted = every, frames: bool = True) -> Trajectories:
    """The bones or markers of a file that are wanted. Raises ValueError with file, line and cause.

    frames: without them the names alone.
    """
    check_size(file)
    with file.open(encoding=encoding_of(file), errors="replace", newline="") as content:
        separator = max(",;\t", key=content.readline(10_000).count)
        content.seek(0)
        lines = csv.reader(content, delimiter=separator)
        try:
            facts, rows = _head(file, lines)
            columns, parents = _columns(file, rows)
            columns = {name: column for name, column in columns.items() if wanted(name)}
            scale, rate = _scale(file, facts), _rate(file, facts)
            markers = np.zeros((0, len(columns), 3), np.float32)
            if frames and columns:
                markers = places_of(file, lines, list(columns.values()), lambda: lines.line_num)
                markers *= np.float32(scale)
        except csv.Error as error:
            raise ValueError(f"{file} line {lines.line_num}: {one_line(error)}") from None
    bones = tuple((name, parent) for name, parent in parents.items() if parent in columns and name in columns)
    return Trajectories(tuple(columns), markers, rate, bones)


def _head(file: Path, lines: Iterator[list[str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The facts of the first line, and the rows of the header by name: type, name, parent, kind, axis."""
    first = next(lines, [])
    facts = dict(zip(first[::2], first[1::2], strict=False))
    rows: dict[str, list[str]] = {}
    for row in islice(lines, HEAD):
        start = [cell.strip().lower() for cell in row[:3]]
        words = {cell.strip().lower() for cell in row[2:]}
        if start[:1] == ["frame"]:
            return facts, rows | {"axis": row}
        if {"position", "rotation"} & words:
            rows["kind"] = row
        elif "position" not in rows and {*KINDS} & words:
            rows.setdefault("type", row)
        elif {"name", "parent", "id"} & {*start}:
            rows[next(word for word in start if word in ("name", "parent", "id"))] = row
        elif any(words) and "type" in rows:
            rows.setdefault("name", row)  # versions without the words Type and Name
    raise ValueError(f"{file} has no line that begins with Frame among its first {HEAD}; is it cut?")


def _columns(file: Path, rows: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], dict[str, str]]:
    """The first column of each joint, and the parents of bones. Raises ValueError where there are no positions."""
    if missing := [name for name in ("type", "name", "kind") if name not in rows]:
        raise ValueError(
            f"{file} has no row of {'Position' if missing[0] == 'kind' else missing[0].title()} in its header"
        )
    of_kind: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    parents: dict[str, str] = {}
    turned = False
    for column, axis in enumerate(rows["axis"]):
        kind, name, what = (_cell(rows[row], column) for row in ("type", "name", "kind"))
        turned |= what.lower() == "rotation"
        if axis.strip().upper() != "X" or what.lower() != "position" or kind.lower() not in of_kind:
            continue
        if [cell.strip().upper() for cell in rows["axis"][column : column + 3]] != ["X", "Y", "Z"]:
            raise ValueError(f"{file}: the columns of {quoted(name)} are not X, Y, Z")
        name = _joint(name)
        if UNNAMED.fullmatch(name.rpartition(":")[2]) or name in of_kind[kind.lower()]:
            continue
        of_kind[kind.lower()][name] = column
        subject = name.rpartition(":")[0]
        parents[name] = _joint(":".join(filter(None, [subject, _cell(rows.get("parent", ()), column)])))
    taken = next((columns for columns in of_kind.values() if columns), {})
    if not taken:
        reason = "rotations without positions; export with Positions" if turned else "no bone and no marker with a name"
        raise ValueError(f"{file} has {reason}")
    return taken, parents if taken is of_kind["bone"] else {}


def _cell(row: Sequence[str], column: int) -> str:
    return plain_name(row[column]).strip().strip('"') if column < len(row) else ""


def _joint(name: str) -> str:
    """A name with Motive's short words for the arms written out: Anna:LUArm is Anna:left_upper_arm."""
    subject, colon, bone = name.rpartition(":")
    return subject + colon + BONES.get(bone.lower(), bone)


def _scale(file: Path, facts: Mapping[str, str]) -> float:
    """The factor to metres. Raises ValueError for a unit that is not known, and for places in frames of parents."""
    if facts.get("Coordinate Space", "Global").strip().lower() == "local":
        raise ValueError(f"{file} has Coordinate Space Local, places in the frames of the parents; export it as Global")
    unit = facts.get("Length Units", "Meters").strip()
    if unit.lower() not in METRES:
        raise ValueError(f"{file} has Length Units {quoted(unit)}, expected {', '.join(METRES).title()}")
    return METRES[unit.lower()]


def _rate(file: Path, facts: Mapping[str, str]) -> float:
    said = facts.get("Export Frame Rate") or facts.get("Capture Frame Rate") or ""
    return frame_rate(said, f"{file} line 1: Export Frame Rate")
