"""Body parts that Anipose has placed in space -> clips: one .csv per recording, one row per frame.

    nose_x,nose_y,nose_z,nose_error,nose_ncams,nose_score, ... ,M_00, ... ,M_22,center_0,center_1,center_2,fnum

The unit is that of the calibration board, which the file does not say: --units mm. A part that no camera pair saw is
nan. The columns M and center say how Anipose turned the places and are left out.
Source: Anipose documentation, "3D triangulation"; lambdaloop/anipose, triangulate.py.
"""

from pathlib import Path

import numpy as np

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.csv_rows import csv_lines
from kinegraph.data.reading.joints.animals import Tracks, checked_nodes, checked_places, recordings_of_tracks
from kinegraph.data.reading.joints.detections import frame_numbers
from kinegraph.messages import plain_name, quoted

NAME, TITLE = "anipose", "body parts in space by Anipose (.csv)"
SUFFIXES = (".csv",)
HEAD = 1 << 16
AXES = ("x", "y", "z")
MARKS = (b"_error", b"_ncams", b"fnum")


def detect(path: Path) -> str | None:
    """A .csv with columns such as nose_x, nose_error and nose_ncams, and fnum; or a folder with some."""
    return reason_of(path, SUFFIXES, _is_one, "columns as Anipose names them", "holds .csv files of Anipose")


def _is_one(file: Path) -> bool:
    with file.open("rb") as content:
        header = content.readline(HEAD)
    return all(mark in header for mark in MARKS)


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder, in the order of their names, or of one file; sub-folders name classes.

    layout: name or YAML file of the joints; by default one of the body parts. Raises ValueError.
    """
    found = clip_files(path, SUFFIXES, _is_one)
    return recordings_of_tracks(found, path, read_file, layout, name=NAME, title="Anipose")


def read_file(file: Path) -> Tracks:
    """The body parts of a file. Raises ValueError naming the line that is not as expected."""
    lines = csv_lines(file)
    _, header = next(lines, (1, []))
    parts = [column.removesuffix("_error") for column in header if column.endswith("_error")]
    wanted = [f"{part}_{axis}" for part in parts for axis in (*AXES, "score")]
    if lacking := [column for column in (*wanted, "fnum") if column not in header and not column.endswith("_score")]:
        raise ValueError(f"{file} has no column {quoted(lacking[0])}")
    places = [header.index(column) if column in header else -1 for column in wanted]
    number = header.index("fnum")
    rows, frames = [], []
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(f"{file} line {line} has {len(row)} cells, the header has {len(header)}")
        try:
            frames.append(int(float(row[number])))
            rows.append([float(row[place] or "nan") if place >= 0 else 1.0 for place in places])
        except (ValueError, OverflowError):
            raise ValueError(f"{file} line {line} holds a cell that is no number") from None
    if not rows:
        raise ValueError(f"{file} has no frames")
    if len({*frames}) < len(frames):
        raise ValueError(f"{file} has a frame twice")
    order = np.argsort(frames)
    numbers, _ = frame_numbers(sorted(frames))
    found = np.full((int(numbers[-1]) + 1, len(parts), len(AXES) + 1), np.nan, np.float32)
    found[numbers] = np.array(rows, np.float32).reshape(len(rows), len(parts), -1)[order]
    nodes = checked_nodes(file, [plain_name(part) for part in parts])
    return Tracks(nodes, (), checked_places(file, found[None, ..., :3]), found[None, ..., 3])
