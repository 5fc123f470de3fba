"""Marker trajectories that Vicon Nexus exports as .csv (ASCII export).

    Trajectories
    100                                                      frames a second
    ,,Anna:LASI,,,Anna:RASI,,                                a name for each three columns
    Frame,Sub Frame,X,Y,Z,X,Y,Z
    ,,mm,mm,mm,mm,mm,mm
    1,0,44.1,-276.8,675.6,,,                                 a row a frame; an empty cell: not seen

Other sections of a file, such as Devices and Model Outputs, end with a blank line and are left out, as are markers
without a name of their own (*12, or none). A marker becomes the joint of its name, see `markers.py`. One file is one
clip.
Source: Vicon Nexus User Guide, "Export data to an ASCII file".
"""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.formats.clip_files import LARGEST, clip_files, some_below
from kinegraph.data.formats.markers import METRES, Trajectories, marker_recordings
from kinegraph.data.formats.recordings import Recordings
from kinegraph.data.formats.text import encoding_of
from kinegraph.messages import one_line, plain_name, quoted

NAME, TITLE = "vicon", "trajectories of Vicon Nexus (.csv)"
SUFFIXES = (".csv", ".txt")
SECTION = re.compile(r'"?(Trajectories|Devices|Joints|Segments|Model Outputs)"?[,;\t\s]*')
RATE = re.compile(r'"?(\d+(?:\.\d+)?)"?[,;\t\s]*')
HEAD = 5  # lines of a section before its frames
SPARSE = 10  # a file may number so many frames for each row it has


def detect(path: Path) -> str | None:
    """A file that begins with the name of a section and a frame rate, or a folder with such files."""
    if path.is_file():
        return "begins with a section of Vicon Nexus" if _is_one(path) else None
    return "holds files with sections of Vicon Nexus" if some_below(path, SUFFIXES, _is_one) else None


def _is_one(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES or not file.is_file():
        return False
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


def read_file(file: Path) -> Trajectories:
    """The markers of a file. Raises ValueError with file, line and cause."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}")
    lines = file.read_text(encoding=encoding_of(file), errors="replace").splitlines()
    starts = (i for i, line in enumerate(lines) if (match := SECTION.fullmatch(line)) and match[1] == "Trajectories")
    if (start := next(starts, None)) is None or len(lines) < start + HEAD:
        raise ValueError(f"{file} has no section Trajectories with {HEAD} lines of header; export trajectories, too")
    if (rate := RATE.fullmatch(lines[start + 1])) is None or not 0 < float(rate[1]) < 1e6:
        raise ValueError(f"{file} line {start + 2} holds {quoted(lines[start + 1])}, expected frames a second")
    separator = max(",;\t", key=lines[start + 3].count)
    head = [_cells(line, separator) for line in lines[start + 2 : start + HEAD]]
    names = _names(file, start + 3, head[0], head[1])
    scales = [_scale(file, start + HEAD, head[2], column) for column in names.values()]
    frames: list[int] = []
    rows: list[Float[np.ndarray, "markers 3"]] = []
    for number, line in enumerate(islice(lines, start + HEAD, None), start + HEAD + 1):
        if not line.strip(f'{separator} \t"'):
            break  # the end of the section
        frame, row = _row(f"{file} line {number}", _cells(line, separator), list(names.values()))
        if frame <= (frames[-1] if frames else -1):
            raise ValueError(f"{file} line {number} is of frame {frame}, expected one after {frames[-1]}")
        frames.append(frame)
        rows.append(row)
    if not frames:
        raise ValueError(f"{file} has no frames of trajectories")
    if (count := frames[-1] - frames[0] + 1) > SPARSE * len(frames):
        raise ValueError(f"{file} numbers {count:,} frames and has {len(frames):,} of them, expected a row a frame")
    markers = np.full((count, len(names), 3), np.nan)
    markers[np.array(frames) - frames[0]] = np.array(rows) * np.array(scales)[:, None]
    return Trajectories(tuple(names), markers, float(rate[1]))


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
    if unit not in METRES:
        raise ValueError(f"{file} line {line} has the unit {quoted(unit)}, expected one of {', '.join(METRES)}")
    return METRES[unit]


def _row(where: str, cells: Sequence[str], columns: Sequence[int]) -> tuple[int, Float[np.ndarray, "markers 3"]]:
    """Number of the frame, and the places of the markers, NaN for one with an empty cell."""
    cells = [*cells, *[""] * (max(columns) + 3 - len(cells))]  # markers that were not seen at the end of a line
    if not (cells[0].isdecimal() and len(cells[0]) < 10):
        raise ValueError(f"{where} is of frame {quoted(cells[0])}, expected a number")
    try:
        values = [[float(cell) if cell else np.nan for cell in cells[column : column + 3]] for column in columns]
    except ValueError as error:
        raise ValueError(f"{where}: {one_line(error)}") from None
    if (np.abs(values) > 1e9).any():
        raise ValueError(f"{where} holds a number that is not finite")
    return int(cells[0]), np.array(values)
