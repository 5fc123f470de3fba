"""Marker trajectories that Vicon Nexus exports as .csv (ASCII export).

    Trajectories
    100                                                      frames a second
    ,,Anna:LASI,,,Anna:RASI,,                                a name for each three columns
    Frame,Sub Frame,X,Y,Z,X,Y,Z
    ,,mm,mm,mm,mm,mm,mm
    1,0,44.1,-276.8,675.6,,,                                 one row per frame; an empty cell: not seen

Other sections of a file, such as Devices and Model Outputs, end with a blank line and are left out, as are markers
without a name of their own (*12, or none). A marker becomes the joint of its name, see `markers.py`. One file is one
clip.
Source: Vicon Nexus User Guide, "Export data to an ASCII file".
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import METRES, Recordings
from kinegraph.data.reading.files.number_rows import check_size, places_of
from kinegraph.data.reading.files.text import encoding_of
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings, metres_of
from kinegraph.messages import plain_name, quoted

NAME, TITLE = "vicon", "trajectories of Vicon Nexus (.csv)"
SUFFIXES = (".csv", ".txt")
SECTION = re.compile(r'"?(Trajectories|Devices|Joints|Segments|Model Outputs)"?[,;\t\s]*')
RATE = re.compile(r'"?(\d+(?:\.\d+)?)"?[,;\t\s]*')
HEAD = 5  # lines of a section before its frames


def detect(path: Path) -> str | None:
    """A file that begins with the name of a section and a frame rate, or a folder with such files."""
    return reason_of(
        path, SUFFIXES, _is_one, "begins with a section of Vicon Nexus", "holds files with sections of Vicon Nexus"
    )


def _is_one(file: Path) -> bool:
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        start = content.read(1 << 16).lstrip().splitlines()
    return len(start) > 1 and SECTION.fullmatch(start[0]) is not None and RATE.fullmatch(start[1]) is not None


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker of a
        subject. Sub-folders name classes.
    Raises ValueError where no built-in layout has joints of these names.
    """
    return marker_recordings(clip_files(path, SUFFIXES, _is_one), path, read_file, layout)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, wanted: Wanted = every, frames: bool = True) -> Trajectories:
    """The markers of a file that are wanted. Raises ValueError with file, line and cause.

    frames: without them the names alone.
    """
    check_size(file)
    line = 0
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        for text in content:
            line += 1
            if (match := SECTION.fullmatch(text.rstrip("\r\n"))) and match[1] == "Trajectories":
                break
        head = [text.rstrip("\r\n") for text in islice(content, HEAD - 1)]
        if len(head) < HEAD - 1:
            raise ValueError(
                f"{file} has no section Trajectories with {HEAD} lines of header; export trajectories, too"
            )
        if (rate := RATE.fullmatch(head[0])) is None or not 0 < float(rate[1]) < 1e6:
            raise ValueError(f"{file} line {line + 1} holds {quoted(head[0])}, expected frames a second")
        separator = max(",;\t", key=head[2].count)
        names, axes, units = (_cells(text, separator) for text in head[1:])
        columns = _names(file, line + 2, names, axes)
        scales = {name: _scale(file, line + HEAD - 1, units, column) for name, column in columns.items()}
        columns = {name: column for name, column in columns.items() if wanted(name)}
        line += HEAD - 1

        def rows() -> Iterator[list[str]]:
            nonlocal line
            for text in content:
                line += 1
                cells = _cells(text.rstrip("\r\n"), separator)
                if not text.endswith("\n") and len(cells) < min(len(axes), len(names)):
                    raise ValueError(
                        f"{file} line {line} has {len(cells)} cells, the header has {len(axes)}; is it cut?"
                    )
                yield cells

        markers = np.zeros((0, len(columns), 3), np.float32)
        if frames and columns:
            markers = places_of(file, rows(), list(columns.values()), lambda: line)
            for i, name in enumerate(columns):
                markers[:, i] *= np.float32(scales[name])
    return Trajectories(tuple(columns), markers, float(rate[1]))


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator)]


def _names(file: Path, line: int, names: Sequence[str], axes: Sequence[str]) -> dict[str, int]:
    """The first column of each marker that has a name of its own. Raises ValueError for columns other than X, Y, Z."""
    found: dict[str, int] = {}
    for column, cell in enumerate(names):
        name = plain_name(cell)
        if not name or name.startswith("*"):
            continue
        if [axis.upper() for axis in axes[column : column + 3]] != ["X", "Y", "Z"]:
            raise ValueError(f"{file} line {line + 1}: the columns of the marker {quoted(name)} are not X, Y, Z")
        if name in found:
            raise ValueError(f"{file} line {line} names the marker {quoted(name)} twice")
        found[name] = column
    if not found:
        raise ValueError(f"{file} line {line} names no markers")
    return found


def _scale(file: Path, line: int, units: Sequence[str], column: int) -> float:
    """The factor to metres."""
    unit = units[column].lower() if column < len(units) else ""
    metres = metres_of(unit)
    if metres is None:
        raise ValueError(f"{file} line {line} has the unit {quoted(unit)}, expected one of {', '.join(METRES)}")
    return metres
