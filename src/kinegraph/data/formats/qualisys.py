"""Trajectories and rigid bodies that Qualisys Track Manager exports as .tsv (3D and 6D) or .mat.

    NO_OF_FRAMES      500                        facts, a line each: name, tab, value
    FREQUENCY         100
    DATA_INCLUDED     3D                         or 6D
    MARKER_NAMES      LASI    RASI    ...        of 6D BODY_NAMES, also in a header above the rows: LASI X, LASI Y ...
    Frame   Time      LASI X  LASI Y  ...        may be there; without it a row has nothing but coordinates
    44.1    -276.8    675.6   ...                mm; an empty cell, NULL or three zeros: not seen

A marker, or the middle of a rigid body, becomes the joint of its name, see `markers.py`; angles, residuals and
rotations are left out. One file is one clip. A .mat has the same in a struct: FrameRate, Trajectories.Labeled.Labels
and .Data (markers, 4, T), of which the fourth number is the residual.
Source: Qualisys Track Manager user manual, "TSV file formats".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import clip_files, reason_of
from kinegraph.data.reading.clips.recordings import Recordings
from kinegraph.data.reading.files.matlab import SUFFIX as MAT
from kinegraph.data.reading.files.matlab import load_mat, unwrapped
from kinegraph.data.reading.files.number_rows import check_size, places_of
from kinegraph.data.reading.files.text import encoding_of, start_of
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings
from kinegraph.messages import plain_name, quoted

NAME, TITLE = "qualisys", "trajectories and rigid bodies of Qualisys Track Manager (.tsv, .mat)"
SUFFIXES = (".tsv", ".txt", MAT)
FACT = re.compile(r"[A-Z][A-Z_]+")
NAMES = ("MARKER_NAMES", "BODY_NAMES")
METRES = 0.001
HEAD = 30  # lines at most before the frames
WIDTHS = {"3D": 3, "6D": 16}  # numbers of a marker or a body: x y z, three angles, the residual, a rotation of nine
NUMBER = re.compile(r"[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?|nan", re.IGNORECASE)
NOT_SEEN = ("NULL", "-")


def detect(path: Path) -> str | None:
    """A file with the facts of Qualisys in its first lines, or a folder with such files."""
    return reason_of(path, SUFFIXES, _is_one, "has the facts of Qualisys", "holds files of Qualisys")


def _is_one(file: Path) -> bool:
    if file.suffix.lower() == MAT:
        return bool(_trajectories(file))
    start = start_of(file, 2000)
    facts = {line.partition("\t")[0].strip() for line in start.splitlines()}
    return "\t" in start and {"NO_OF_FRAMES", "FREQUENCY"} <= facts


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of such files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker.
    Sub-folders name classes. Raises ValueError where no built-in layout has joints of these names.
    """
    return marker_recordings(clip_files(path, SUFFIXES, _is_one), path, read_file, layout)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, wanted: Wanted = every, frames: bool = True) -> Trajectories:
    """The markers or bodies of a file that are wanted, in metres. Raises ValueError with file, line and cause.

    frames: without them the names alone.
    """
    check_size(file)
    if file.suffix.lower() == MAT:
        return _of_mat(file, wanted)
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        facts, header, first, line = _head(file, content)
        rate = _rate(file, (facts.get("FREQUENCY") or [""])[0])
        columns, numbered = _columns(file, facts, header, first)
        columns = {name: column for name, column in columns.items() if wanted(name)}

        def rows() -> Iterator[list[str]]:
            nonlocal line
            row, line = first, line - 1
            while any(row):
                line += 1
                yield row if numbered else [str(line), *row]
                row = _cells(next(content, "").replace(",", "."))  # decimals may have commas

        markers = np.zeros((0, len(columns), 3), np.float32)
        if frames and columns:
            starts = [column + (not numbered) for column in columns.values()]
            markers = _seen(places_of(file, rows(), starts, lambda: line))
    return Trajectories(tuple(columns), markers, rate)


def _seen(markers: Float[np.ndarray, "T markers 3"]) -> Float[np.ndarray, "T markers 3"]:
    """Millimetres as metres, NaN where all are zero."""
    return np.where((markers == 0).all(2, keepdims=True), np.nan, markers * np.float32(METRES))


def _head(file: Path, content: Iterator[str]) -> tuple[dict[str, list[str]], list[str], list[str], int]:
    """The facts by name, the header of the columns where there is one, the cells of the first frame, and its line."""
    facts: dict[str, list[str]] = {}
    header: list[str] = []
    for line, text in zip(range(1, HEAD), content, strict=False):
        cells = _cells(text)
        if any(map(NUMBER.fullmatch, cells)) and all(NUMBER.fullmatch(cell) or not cell for cell in cells):
            return facts, header, [cell.replace(",", ".") for cell in cells], line
        if FACT.fullmatch(cells[0]) and len(cells) > 1:
            facts[cells[0]] = cells[1:]
        elif any(cells):
            header = cells
    raise ValueError(f"{file} has no frames below its facts; is it cut?")


def _cells(line: str) -> list[str]:
    cells = [cell.strip().strip('"') for cell in line.rstrip("\r\n").split("\t")]
    return ["" if cell in NOT_SEEN else cell for cell in cells]


def _columns(
    file: Path, facts: Mapping[str, Sequence[str]], header: Sequence[str], first: Sequence[str]
) -> tuple[dict[str, int], bool]:
    """The first column of each marker or body, and whether rows begin with the number of the frame and its time."""
    names = [name for key in NAMES for name in facts.get(key, []) if name]
    included = (facts.get("DATA_INCLUDED") or [""])[0]
    axes = [cell.rpartition(" ")[2] for cell in header]
    starts = [i for i in range(len(axes)) if axes[i : i + 3] == ["X", "Y", "Z"]]
    if starts:
        numbered = header[0].lower() == "frame"
        of_header = [header[start].removesuffix("X").strip() for start in starts]
        names = of_header if all(of_header) else names
    elif included[:2].upper() in WIDTHS:
        width = WIDTHS[included[:2].upper()]
        before = len(first) - width * len(names)
        numbered = before > 1
        starts = [(before if numbered else 0) + width * i for i in range(len(names))]
    else:
        raise ValueError(f"{file} has DATA_INCLUDED {quoted(included)}, expected 3D or 6D: export the trajectories")
    if not names or len(names) != len(starts):
        raise ValueError(f"{file} has {len(names)} names of {len(starts)} markers or bodies; export their names, too")
    names = [plain_name(name) for name in names]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"{file} names {quoted(twice[0])} twice; rename it in Qualisys")
    return dict(zip(names, starts, strict=True)), numbered


def _rate(file: Path, said: object) -> float:
    try:
        rate = float(str(said).replace(",", "."))
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e6:
        raise ValueError(f"{file} has {quoted(said)} frames a second, expected a number such as 100")
    return rate


# ---- .mat ------------------------------------------------------------------------------------------------------------


def _trajectories(file: Path) -> Mapping[str, Any]:
    """The struct of a .mat with the members Trajectories and FrameRate; {} where there is none."""
    with suppress(ValueError, OSError):
        found = unwrapped(load_mat(file).values)
        if isinstance(found, Mapping) and isinstance(found.get("Trajectories"), Mapping) and "FrameRate" in found:
            return found
    return {}


def _of_mat(file: Path, wanted: Wanted) -> Trajectories:
    found = _trajectories(file)
    labeled = found.get("Trajectories", {}).get("Labeled", {})
    names, places = (labeled.get(key) for key in ("Labels", "Data")) if isinstance(labeled, Mapping) else (None, None)
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or np.ndim(places) not in (2, 3):
        raise ValueError(f"{file} has no Trajectories.Labeled with Labels and Data; label the markers in Qualisys")
    if places.size:
        places = places.reshape(len(names), places.shape[-2] if places.ndim == 3 else -1, -1)
    kept = [i for i, name in enumerate(names) if wanted(str(name))]
    markers = places[kept, :3].transpose(2, 0, 1).astype(np.float32)
    return Trajectories(tuple(str(names[i]) for i in kept), _seen(markers), _rate(file, found["FrameRate"]))
