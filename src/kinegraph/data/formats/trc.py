"""Marker trajectories in .trc files, as OpenSim, OpenCap, Motion Analysis and Cortex write them.

    PathFileType  4  (X/Y/Z)  walk.trc
    DataRate  CameraRate  NumFrames  NumMarkers  Units ...     names of the values in the next line
    60.0      60.0        222        63          m     ...
    Frame#  Time  Neck          RShoulder       ...            a name for each three columns
                  X1  Y1  Z1    X2  Y2  Z2      ...
    1       0.0   ...                                          tabs, in some files commas; an empty cell: not seen

A marker becomes the joint of its name: RShoulder, R_Shoulder and "right shoulder" are right_shoulder. Joints without a
marker are unseen, markers without a joint are left out, and both are said. One file is one clip of one person.
Source: OpenSim documentation, "Marker (.trc) Files".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.folders import files_below
from kinegraph.data.formats.clip_columns import Facts, facts
from kinegraph.data.formats.labels_file import with_labels
from kinegraph.data.formats.recordings import Fault, FormatError, Item, Recordings, fault_of, nobody
from kinegraph.messages import first_few, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

NAME, TITLE = "trc", "marker trajectories (.trc)"
SUFFIXES = (".trc",)
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
HEAD = 4  # lines before those of coordinates
SIDES = {"r": "right", "l": "left"}
LARGEST = 1 << 30  # bytes; hours of many markers


@dataclass(frozen=True, eq=False)
class Trajectories:
    """The content of a file. markers: coordinates in metres by name, NaN where a marker was not seen."""

    names: tuple[str, ...]
    markers: Float[np.ndarray, "T markers 3"]
    rate: float


def detect(path: Path) -> str | None:
    """A file that begins with PathFileType, or a folder with .trc files at any depth."""
    if path.is_file():
        with path.open("rb") as file:
            return "begins with PathFileType" if file.read(12) == b"PathFileType" else None
    return "holds .trc files" if next(files_below(path, "*.trc"), None) else None


def read(
    path: Path,
    *,
    layout: str | None = None,
    labels_file: Path | None = None,
    class_names: str | None = None,
    val_share: float | None = None,
) -> Recordings:
    """The clips of a folder of .trc files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker of the
        first file. labels_file: CSV with a row a clip, named as the file without its ending.
    Raises ValueError where no built-in layout has joints of these names.
    """
    files = [path] if path.is_file() else list(files_below(path, "*.trc"))
    files.sort(key=lambda file: (file.stem, str(file)))
    table, missing = {file.stem: {} for file in files}, []
    if labels_file is not None:
        table, missing = with_labels(table, labels_file)
    known = facts(table, class_names=class_names, val_share=val_share)
    of, lines = _layout(files, layout)
    lines += missing
    return Recordings(
        clips=_clips([file for file in files if file.stem in table], of, known),
        count=len(table),
        layout=of,
        class_names=known.class_names,
        units="m",
        source="; ".join(filter(None, [f"markers of {path.name}", known.note])),
        skipped=lambda: lines,
        changed=known.lines,
    )


def _clips(files: Sequence[Path], layout: JointLayout, known: Facts) -> Iterator[Item]:
    for file in files:
        try:
            if file.stem in known.faults:
                yield Fault(known.faults[file.stem], file.stem, "label")
            else:
                yield _clip(file, layout, known)
        except (ValueError, OSError) as error:
            yield fault_of(error, file.stem)


def _clip(file: Path, layout: JointLayout, known: Facts) -> Item:
    found, about = read_file(file), known.clips[file.stem]
    place = {plain_marker(name): i for i, name in enumerate(found.names)}
    columns = [place.get(joint, -1) for joint in layout.joints]
    keypoint = np.where(np.array(columns)[:, None] >= 0, found.markers[:, columns], 0)
    keypoint = np.where(np.isnan(keypoint).any(2, keepdims=True), 0, keypoint)
    if not keypoint.any():
        return nobody(file.stem)
    return SkeletonClip(
        keypoint=keypoint[None].astype(np.float32),
        layout=layout,
        name=file.stem,
        label=about.label,
        fps=about.fps or found.rate,
        attributes=about.attributes,
        splits=about.splits,
    )


# ---- markers and joints ----------------------------------------------------------------------------------------------


def plain_marker(name: str) -> str:
    """The name of a marker as layouts write names: RBigToe and "R.Big Toe" are right_big_toe."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", re.sub(r"[\W_]+", " ", name))]
    return "_".join(SIDES.get(word, word) for word in words)


def _layout(files: Sequence[Path], given: str | None) -> tuple[JointLayout, list[str]]:
    """The layout of the joints, and lines about markers and joints that have no counterpart."""
    names, error = None, None
    for file in files:
        try:
            names = {plain_marker(name): name for name in read_names(file)}
            break
        except (ValueError, OSError) as fault:
            error = error or fault
    if names is None:
        raise FormatError("unreadable", str(fault_of(error)) if error else "there is no .trc file")
    built_in = [load_layout(name) for name in layout_names()]
    fitting = [load_layout(given)] if given else [of for of in built_in if names.keys() <= {*of.joints}]
    if len({of.joints for of in fitting}) != 1:
        several = (
            f"may be joints of {' or '.join(of.name for of in fitting)}" if fitting else "are of no built-in layout"
        )
        markers = first_few([*names.values()])
        raise FormatError("joints", f"the {len(names)} markers {markers} {several}; name the joints by --layout")
    of = fitting[0]
    unseen = [joint for joint in of.joints if joint not in names]
    unused = [name for plain, name in names.items() if plain not in of.joints]
    if len(unseen) == len(of):
        raise FormatError("joints", f"no marker has the name of a joint of layout '{of.name}'")
    lines = [f"layout {of.name} taken by the markers' names"] * (given is None)
    lines += [f"{len(unseen)} of its joints have no marker and are unseen: {first_few(unseen)}"] * bool(unseen)
    return of, lines + [f"{len(unused)} markers that are no joint of it: {first_few(unused)}"] * bool(unused)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_names(file: Path) -> tuple[str, ...]:
    """The names of the markers in a file."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        return _header(file, [line.rstrip("\r\n") for line, _ in zip(lines, range(HEAD), strict=False)])[0]


def read_file(file: Path) -> Trajectories:
    """The markers of a file. Raises ValueError with file, line and cause."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"{file} has {size:,} bytes, expected at most {LARGEST:,}")
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    names, scale, rate = _header(file, lines)
    rows = [_row(file, number, line, len(names)) for number, line in enumerate(lines[HEAD:], HEAD + 1) if _data(line)]
    if not rows:
        raise ValueError(f"{file} has no frames")
    return Trajectories(names, np.array(rows).reshape(len(rows), len(names), 3) * scale, rate)


def _header(file: Path, lines: Sequence[str]) -> tuple[tuple[str, ...], float, float]:
    """Names, the factor to metres, and the frame rate."""
    if len(lines) < HEAD or not lines[0].startswith("PathFileType"):
        raise ValueError(f"{file} is no whole .trc file, which begins with PathFileType and has {HEAD} lines of header")
    about: Mapping[str, str] = dict(zip(_cells(lines[1]), _cells(lines[2]), strict=False))
    units, rate = about.get("Units", "").strip().lower(), about.get("DataRate", "")
    if units not in METRES:
        raise ValueError(f"{file} line 3: Units is {quoted(about.get('Units'))}, expected one of {', '.join(METRES)}")
    try:
        fps = float(rate)
    except ValueError:
        fps = 0.0
    if not 0 < fps < 1e6:
        raise ValueError(f"{file} line 3: DataRate is {quoted(rate)}, expected frames a second")
    names = tuple(name for cell in _cells(lines[3])[2:] if (name := cell.strip()))
    if not names:
        raise ValueError(f"{file} line 4 names no markers")
    if twice := [name for i, name in enumerate(names) if plain_marker(name) in map(plain_marker, names[:i])]:
        raise ValueError(f"{file} line 4 names the marker {quoted(twice[0])} twice")
    return names, METRES[units], fps


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split(",")


def _data(line: str) -> bool:
    """Whether a line has coordinates: neither blank nor the line of X1, Y1, Z1."""
    first = _cells(line)[0].strip()
    return bool(first) and not first.startswith(("X", "#"))


def _row(file: Path, number: int, line: str, markers: int) -> list[float]:
    cells = [cell.strip() for cell in _cells(line)[2:]]
    cells += [""] * (3 * markers - len(cells))  # markers that were not seen at the end of a line
    if any(cells[3 * markers :]):
        raise ValueError(f"{file} line {number} has {len(cells)} coordinates, expected {3 * markers}")
    try:
        values = [float(cell) if cell else np.nan for cell in cells[: 3 * markers]]
    except ValueError as error:
        raise ValueError(f"{file} line {number}: {error}") from None
    if any(abs(value) > 1e30 for value in values):
        raise ValueError(f"{file} line {number} holds a number that is not finite")
    return values
