"""Marker trajectories in .trc files, as OpenSim, OpenCap, Motion Analysis and Cortex write them.

    PathFileType  4  (X/Y/Z)  walk.trc
    DataRate  CameraRate  NumFrames  NumMarkers  Units ...     names of the values in the next line
    60.0      60.0        222        63          m     ...
    Frame#  Time  Neck          RShoulder       ...            a name for each three columns
                  X1  Y1  Z1    X2  Y2  Z2      ...
    1       0.0   ...                                          tabs, in some files commas; an empty cell: not seen

A marker becomes the joint of its name, see `markers.py`. One file is one clip.
Source: OpenSim documentation, "Marker (.trc) Files".
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from kinegraph.data.large import changed
from kinegraph.data.reading.clips.clip_files import clip_files, some_below
from kinegraph.data.reading.clips.recordings import METRES, Recordings
from kinegraph.data.reading.files.number_rows import check_size, places_of
from kinegraph.data.reading.files.text import encoding_of, frame_rate, start_of
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings, metres_of
from kinegraph.messages import quoted
from kinegraph.skeleton.joint_names import plain_joint

NAME, TITLE = "trc", "marker trajectories (.trc)"
SUFFIXES = (".trc",)
HEAD = 4  # lines before those of coordinates


def detect(path: Path) -> str | None:
    """A file that begins with PathFileType, or a folder with .trc files at any depth."""
    if path.is_file():
        return "begins with PathFileType" if start_of(path).startswith("PathFileType") else None
    return "holds .trc files" if some_below(path, SUFFIXES) else None


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of .trc files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker of the
        first file. Sub-folders name classes.
    Raises ValueError where no built-in layout has joints of these names.
    """
    return marker_recordings(clip_files(path, SUFFIXES), path, read_file, layout)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, wanted: Wanted = every, with_frames: bool = True) -> Trajectories:
    """The markers of a file that are wanted. Raises ValueError with file, line and cause.

    with_frames: without them the names alone.
    """
    check_size(file)
    number = HEAD
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        head = [line.rstrip("\r\n") for line in islice(content, HEAD)]
        names, scale, rate = _header(file, head)
        columns = {name: 1 + 3 * i for i, name in enumerate(names) if wanted(name)}
        if not with_frames:
            return Trajectories(tuple(columns), np.zeros((0, len(columns), 3), np.float32), rate)

        def rows() -> Iterator[list[str]]:
            nonlocal number
            count = 0  # in place of the number of the frame, which need not grow
            for line in content:
                number += 1
                if _data(line):
                    yield [str(count), *_coordinates(file, number, line, len(names))]
                    count += 1

        markers = places_of(file, rows(), list(columns.values()), lambda: number)
    said = dict(zip(_cells(head[1]), _cells(head[2]), strict=False)).get("NumFrames", "").strip()
    if said.isdecimal() and len(markers) < int(said):
        raise ValueError(f"{file} says NumFrames {said} and has {len(markers)}; is it cut? Else correct line 3")
    markers = changed(markers[None], lambda some: some * np.float32(scale))[0]
    return Trajectories(tuple(columns), markers, rate)


def _header(file: Path, lines: Sequence[str]) -> tuple[tuple[str, ...], float, float]:
    """Names, the factor to metres, and the frame rate."""
    if len(lines) < HEAD or not lines[0].startswith("PathFileType"):
        raise ValueError(f"{file} is no whole .trc file, which begins with PathFileType and has {HEAD} lines of header")
    about: Mapping[str, str] = dict(zip(_cells(lines[1]), _cells(lines[2]), strict=False))
    units, rate = about.get("Units", "").strip().lower(), about.get("DataRate", "").replace(",", ".")
    metres = metres_of(units)
    if metres is None:
        beside = "; Sports2D writes a file in metres (m) beside it" if units == "px" else ""
        found = f"Units is {quoted(about.get('Units'))}, expected one of {', '.join(METRES)}{beside}"
        raise ValueError(f"{file} line 3: {found}")
    fps = frame_rate(rate, f"{file} line 3: DataRate")
    names = tuple(name for cell in _cells(lines[3])[2:] if (name := cell.strip()))
    if not names:
        raise ValueError(f"{file} line 4 names no markers")
    if twice := [name for i, name in enumerate(names) if plain_joint(name) in map(plain_joint, names[:i])]:
        raise ValueError(f"{file} line 4 names the marker {quoted(twice[0])} twice")
    return names, metres, fps


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split(",")


def _decimal(cell: str) -> str:
    """The number in a cell with a point, where it has a comma."""
    return cell.replace(",", ".") if cell.count(",") == 1 else cell


def _data(line: str) -> bool:
    """Whether a line has coordinates: neither blank nor the line of X1, Y1, Z1."""
    first = _cells(line)[0].strip()
    return bool(first) and not first.startswith(("X", "#"))


def _coordinates(file: Path, number: int, line: str, markers: int) -> list[str]:
    cells = [_decimal(cell.strip()) for cell in _cells(line.rstrip("\r\n"))[2:]]
    if any(cells[3 * markers :]):
        raise ValueError(f"{file} line {number} has {len(cells)} coordinates, expected {3 * markers}")
    return cells
