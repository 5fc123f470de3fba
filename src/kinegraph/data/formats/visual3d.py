"""Signals that Visual3D exports as text, with five lines of header above the frames.

    (tab)walk.c3d    walk.c3d   walk.c3d        the file that a column comes from
    (tab)LASI        LASI       LASI            the signal
    (tab)TARGET      TARGET     TARGET          TARGET, LANDMARK, KINETIC_KINEMATIC, LINK_MODEL_BASED ...
    (tab)PROCESSED   ...                        the folder: ORIGINAL, PROCESSED, a segment ...
    ITEM             X   Y   Z                  the component
    1                0.1 0.2 0.9                one row per frame; an empty cell: not seen

Markers (TARGET), landmarks and joint centres (LINK_MODEL_BASED) become the joints of their names, see `markers.py`;
angles, forces and moments are left out.
Unit and frame rate do not stand in the file: the unit follows from the size of bodies.
Source: C-Motion Wiki, "Export Data to ASCII File".
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.number_rows import check_size, places_of
from kinegraph.data.reading.files.text import encoding_of
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings
from kinegraph.messages import plain_name

NAME, TITLE = "visual3d", "signals of Visual3D (.txt)"
SUFFIXES = (".txt", ".tsv")
HEAD = 5
KINDS = ("TARGET", "LANDMARK", "LINK_MODEL_BASED", "KINETIC_KINEMATIC", "METRIC", "DERIVED", "ANALOG", "FORCE")
PLACES = ("TARGET", "LANDMARK", "LINK_MODEL_BASED")


def detect(path: Path) -> str | None:
    """A file whose third line names kinds of signals and whose fifth begins with ITEM, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has the header of Visual3D", "holds files with the header of Visual3D")


def _is_one(file: Path) -> bool:
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        lines = [line.rstrip("\r\n").split("\t") for line in islice(content, HEAD)]
    return len(lines) == HEAD and bool({*KINDS} & {*map(str.upper, lines[2])}) and _item(lines[4])


def _item(cells: Sequence[str]) -> bool:
    return cells[0].strip().upper() == "ITEM" and any(cell.strip().upper() == "X" for cell in cells)


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker.
    Sub-folders name classes. Raises ValueError where no built-in layout has joints of these names.
    """
    found = marker_recordings(clip_files(path, SUFFIXES, _is_one), path, read_file, layout)
    return replace(found, guessed=found.guessed | {"units"})


def read_file(file: Path, wanted: Wanted = every, frames: bool = True) -> Trajectories:
    """The markers of a file that are wanted, in its unit. Raises ValueError with file, line and cause.

    frames: without them the names alone.
    """
    check_size(file)
    line = HEAD
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        head = [row.rstrip("\r\n").split("\t") for row in islice(content, HEAD)]
        if len(head) < HEAD or not _item(head[4]):
            raise ValueError(f"{file} has no header of {HEAD} lines with ITEM, X, Y and Z in the last one; is it cut?")
        columns = {name: column for name, column in _columns(file, head).items() if wanted(name)}

        def rows() -> Iterator[list[str]]:
            nonlocal line
            for text in content:
                line += 1
                yield text.rstrip("\r\n").split("\t")

        markers = np.zeros((0, len(columns), 3), np.float32)
        if frames and columns:
            markers = places_of(file, rows(), list(columns.values()), lambda: line)
    return Trajectories(tuple(columns), markers, None)


def _columns(file: Path, head: Sequence[Sequence[str]]) -> dict[str, int]:
    """The first column of each marker. Raises ValueError for a file without any, and for one of several recordings."""
    found: dict[str, int] = {}
    origins: dict[str, None] = {}
    for column, axis in enumerate(head[4]):
        origin, name, kind = (plain_name(row[column]).strip() if column < len(row) else "" for row in head[:3])
        axes = [axis.strip().upper() for axis in head[4][column : column + 3]]
        if axis.strip().upper() != "X" or axes != ["X", "Y", "Z"] or kind.upper() not in PLACES or not name:
            continue
        origins.setdefault(origin)
        found.setdefault(name, column)
    if not found:
        raise ValueError(f"{file} has no markers, landmarks or joint centres with X, Y and Z; export signals of TARGET")
    if len(origins) > 1:
        names = ", ".join(list(origins)[:2])
        raise ValueError(f"{file} has the signals of {len(origins)} recordings, {names} ...; export one file for each")
    return found
