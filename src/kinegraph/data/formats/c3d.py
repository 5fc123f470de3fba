"""Marker trajectories in .c3d files, as Vicon, Qualisys, OptiTrack and others write them.

    header      512 bytes: block of the parameters, points and analog values a frame, first and last frame, scale, rate
    parameters  groups and their values, such as POINT:LABELS, POINT:UNITS and POINT:RATE
    data        a frame after another: x, y, z and a fourth number of each point, negative where it was not seen;
                integers that the scale multiplies, or floats where the scale is negative; then the analog values

Numbers are those of Intel, DEC or MIPS processors. Points that are no markers (angles, forces and the like, by
POINT:ANGLES and so on) and markers without a name of their own (*12) are left out. A marker becomes the joint of its
name, see `markers.py`. One file is one clip.

Theia3D writes no points but a pose of each segment: group ROTATION, from its block DATA_START on the 16 numbers of a
4x4 matrix, a column after another, and a 17th, negative where the segment was not seen. A segment's origin is the joint
at which it begins: l_thigh_4X4 is left_hip.
Source: The C3D File Format, User Guide, Motion Lab Systems; pyomeca/ezc3d, Rotation.cpp.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float

from kinegraph.data.large import release, zeros
from kinegraph.data.reading.clips.clip_files import clip_files, some_below
from kinegraph.data.reading.clips.recordings import METRES, Recordings
from kinegraph.data.reading.files.number_rows import check_size
from kinegraph.data.reading.joints.markers import Trajectories, Wanted, every, marker_recordings, metres_of
from kinegraph.messages import counted, plain_name, quoted

NAME, TITLE = "c3d", "marker trajectories (.c3d)"
SUFFIXES = (".c3d",)
BLOCK, KEY = 512, 0x50
INTEL, DEC, MIPS = 84, 85, 86
USUAL = 2  # block of the parameters, by which a file is known that is cut before them
NO_MARKERS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS", "MODELED_MARKERS")
MOST_FRAMES = 0xFFFF  # that the header can count
LARGEST_PARAMETERS = 256 * BLOCK
BLOCK_BYTES = 1 << 22  # of frames that are read at a time
TURN = 17  # floats of a segment's pose in a frame
SEGMENTS = {  # of Theia3D -> the joint at which a segment begins
    "thigh": "hip", "shank": "knee", "foot": "ankle", "toes": "toe", "uarm": "shoulder", "larm": "elbow",
    "hand": "wrist", "pelvis": "pelvis", "abdomen": "abdomen", "torso": "torso", "neck": "neck", "head": "head",
}  # fmt: skip
SIDES = {"l": "left_", "r": "right_"}
BROKEN = (struct.error, IndexError, ValueError, OverflowError, KeyError)

Value = list[str] | list[float]


@dataclass(frozen=True)
class Header:
    """points, values: of a frame, 3D and analog. scale: negative for floats. data: where frames begin, in bytes."""

    points: int
    values: int
    first: int
    last: int
    scale: float
    data: int
    rate: float

    @property
    def frame_bytes(self) -> int:
        return (4 * self.points + self.values) * (4 if self.scale < 0 else 2)


def detect(path: Path) -> str | None:
    """A file with the key of C3D in its second byte, or a folder with .c3d files at any depth."""
    if path.is_file():
        return "has the key of C3D" if path.suffix.lower() in SUFFIXES and _is_one(path) else None
    return "holds .c3d files" if some_below(path, SUFFIXES) else None


def _is_one(file: Path) -> bool:
    """Whether a file has the key in its second byte, and a processor's number where the first says that parameters are.

    A PNG, among others, has the same second byte.
    """
    with file.open("rb") as content:
        start = content.read(2)
        if start[1:2] != bytes([KEY]):
            return False
        content.seek(max(start[0] - 1, 0) * BLOCK + 3)
        processor = content.read(1)
    return processor[:1] in [bytes([kind]) for kind in (INTEL, DEC, MIPS)] or (not processor and start[0] == USUAL)


def read(path: Path, *, layout: str | None = None) -> Recordings:
    """The clips of a folder of .c3d files, in the order of their names, or of one file; in metres, as recorded.

    layout: name or YAML file of the joints; by default the only built-in one that has a joint for every marker of a
        subject. Sub-folders name classes.
    Raises ValueError where no built-in layout has joints of these names.
    """
    return marker_recordings(clip_files(path, SUFFIXES), path, read_file, layout)


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, wanted: Wanted = every, with_frames: bool = True) -> Trajectories:
    """The markers of a file that are wanted. Raises ValueError with file and cause.

    with_frames: without them the names alone.
    """
    check_size(file)
    with file.open("rb") as content:
        first = content.read(BLOCK)
        if len(first) < BLOCK or first[1] != KEY:
            raise ValueError(f"{file} is no .c3d file, which has a header of {BLOCK} bytes with the key {KEY}")
        try:
            processor, found = parameters(first + content.read(256 * BLOCK + LARGEST_PARAMETERS))
            header = read_header(first, processor)
        except BROKEN:
            raise ValueError(f"{file} has a header or parameters that are not readable; is it cut?") from None
        labels = _labels(found, header.points)
        units = str((found.get("POINT:UNITS") or ["mm"])[0]).strip().lower() or "mm"
        metres = metres_of(units)
        if metres is None:
            raise ValueError(f"{file}: POINT:UNITS is {quoted(units)}, expected one of {', '.join(METRES)}")
        rate = header.rate if header.rate > 0 else next(iter(_numbers(found, "POINT:RATE")), 0.0)
        no_markers = {str(label).strip() for key in NO_MARKERS for label in found.get(f"POINT:{key}", [])}
        kept = [i for i, name in enumerate(labels) if name and name not in no_markers and not name.startswith("*")]
        if not kept and "ROTATION:DATA_START" in found:
            return _segments(content, file, found, header, processor, wanted, with_frames)
        if not kept:
            raise ValueError(f"{file} names no markers")
        if twice := [labels[i] for place, i in enumerate(kept) if labels[i] in (labels[j] for j in kept[:place])]:
            raise ValueError(f"{file} names the marker {quoted(twice[0])} twice")
        kept = [i for i in kept if wanted(labels[i])]
        frames = _frames(header, found)
        _check_frames(file, header, frames)
        points = np.zeros((0, len(kept), 3), np.float32)
        if with_frames:
            points = read_points(content, header, processor, frames, kept, metres)
    return Trajectories(tuple(labels[i] for i in kept), points, rate if 0 < rate < 1e6 else None)


def read_header(content: bytes, processor: int) -> Header:
    """The first block of a file."""
    words = np.frombuffer(content[:BLOCK], ">u2" if processor == MIPS else "<u2").tolist()
    scale, rate = (float(_floats(content[at : at + 4], processor)[0]) for at in (12, 20))
    return Header(words[1], words[2], words[3], words[4], scale, (words[8] - 1) * BLOCK, rate)


def parameters(content: bytes) -> tuple[int, dict[str, Value]]:
    """The processor of a file and its parameters, by GROUP:NAME."""
    start = (content[0] - 1) * BLOCK
    content = content[: start + LARGEST_PARAMETERS]
    processor = content[start + 3]
    if processor not in (INTEL, DEC, MIPS):
        raise ValueError("of another processor")
    groups: dict[int, str] = {}
    values: dict[tuple[int, str], Value] = {}
    for number, name, rest in _entries(content, start + 4, processor):
        if number < 0:
            groups[-number] = name
        elif number > 0:
            values[number, name] = _value(rest, processor)
    return processor, {f"{groups.get(number, '')}:{name}": value for (number, name), value in values.items()}


def _entries(content: bytes, at: int, processor: int) -> Iterator[tuple[int, str, bytes]]:
    """The number of the group, negative for the group itself, the name and what follows, of each entry."""
    while at + 2 <= len(content):
        letters, number = struct.unpack_from("bb", content, at)
        if not letters:
            return
        name = content[at + 2 : at + 2 + abs(letters)].decode("latin-1").strip().upper()
        at += 2 + abs(letters)
        (step,) = struct.unpack_from(">h" if processor == MIPS else "<h", content, at)
        yield number, name, content[at + 2 : at + step if step > 0 else None]
        if step <= 0:
            return
        at += step


def _value(rest: bytes, processor: int) -> Value:
    """The texts or numbers of a parameter."""
    kind, axes = struct.unpack_from("bb", rest)
    shape = list(rest[2 : 2 + axes])
    data = rest[2 + axes :]
    count = int(np.prod(shape, dtype=np.int64)) if axes else 1
    if kind == -1:
        width = shape[0] if shape else 1
        texts = [data[i : i + width] for i in range(0, min(count, len(data)), max(width, 1))]
        return [
            plain_name(text.decode("utf-8", errors="replace")).strip("\0 \N{REPLACEMENT CHARACTER}") for text in texts
        ]
    if kind == 4:
        return _floats(data[: 4 * count], processor).tolist()
    dtype = "u1" if kind == 1 else (">i2" if processor == MIPS else "<i2")
    size = count * (1 if kind == 1 else 2)
    return np.frombuffer(data[:size], dtype).astype(float).tolist()


def _floats(raw: bytes, processor: int) -> Float[np.ndarray, " n"]:
    """Numbers of 4 bytes. DEC's have their halves in the other order, and are four times as large."""
    if processor == DEC:
        halves = np.frombuffer(raw, "<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).view("<f4").reshape(-1).astype(np.float64) / 4
    return np.frombuffer(raw, ">f4" if processor == MIPS else "<f4").astype(np.float64)


def _numbers(found: dict[str, Value], key: str) -> list[float]:
    return [value for value in found.get(key, []) if isinstance(value, float)]


def _labels(found: dict[str, Value], points: int) -> list[str]:
    """The names of all points, of which a parameter holds 255 at most: LABELS, LABELS2 and so on."""
    labels = [str(label) for key in ("", *range(2, 100)) for label in found.get(f"POINT:LABELS{key}", [])]
    return (labels + [""] * points)[:points]


def _frames(header: Header, found: dict[str, Value]) -> int:
    """The number of frames, which parameters say where the header cannot."""
    if header.last < MOST_FRAMES:
        return header.last - header.first + 1
    ends = [_numbers(found, f"TRIAL:ACTUAL_{end}_FIELD") for end in ("START", "END")]
    if all(len(end) == 2 for end in ends):
        first, last = (int(low) % 65536 + (int(high) % 65536) * 65536 for low, high in ends)
        return last - first + 1
    return int(next(iter(_numbers(found, "POINT:LONG_FRAMES")), header.last - header.first + 1))


def _check_frames(file: Path, header: Header, frames: int) -> None:
    """Raises ValueError where the file has fewer frames than it says."""
    size = header.frame_bytes
    there = (file.stat().st_size - header.data) // size if header.data > 0 and size else 0
    if frames < 1 or not header.points or there < frames:
        said = f"{counted(frames, 'frame')} of {counted(header.points, 'point')}"
        raise ValueError(f"{file} says {said} and has {max(there, 0):,}; is it cut?")


def read_points(
    content: BinaryIO, header: Header, processor: int, frames: int, kept: Sequence[int], metres: float
) -> Float[np.ndarray, "T points 3"]:
    """The places of some points in metres, NaN where a point was not seen; read in blocks of frames.

    metres: of the file's unit.
    """
    places = zeros((frames, len(kept), 3))
    step = max(1, BLOCK_BYTES // header.frame_bytes)
    content.seek(header.data)
    for at in range(0, frames, step):
        count = min(step, frames - at)
        raw = content.read(count * header.frame_bytes)
        if header.scale < 0:
            rows = _floats(raw, processor)
        else:
            rows = np.frombuffer(raw, ">i2" if processor == MIPS else "<i2").astype(np.float64)
        points = rows.reshape(count, -1)[:, : 4 * header.points].reshape(count, header.points, 4)[:, kept]
        with np.errstate(invalid="ignore"):
            block = points[..., :3] * (1 if header.scale < 0 else header.scale)
            seen = (points[..., 3] >= 0) & (np.abs(block) < 1e9).all(2) & (block != 0).any(2)
        places[at : at + count] = np.where(seen[..., None], block, np.nan)
        places[at : at + count] *= np.float32(metres)
        release(places)
    return places


# ---- poses of segments, of Theia3D -----------------------------------------------------------------------------------


def _segments(
    content: BinaryIO,
    file: Path,
    found: dict[str, Value],
    header: Header,
    processor: int,
    wanted: Wanted,
    with_frames: bool,
) -> Trajectories:
    """The origins of a file's segments as markers. Raises ValueError where the file has fewer than it says."""
    names = [_joint_of(str(label)) for label in found.get("ROTATION:LABELS", [])]
    kept = [i for i, name in enumerate(names) if name and wanted(name)]
    used, start, ratio = (
        int(next(iter(_numbers(found, f"ROTATION:{key}")), default)) % 65536
        for key, default in (("USED", len(names)), ("DATA_START", 0), ("RATIO", 1))
    )
    frames = _frames(header, found) * max(ratio, 1)
    size = 4 * TURN * used
    there = (file.stat().st_size - (start - 1) * BLOCK) // size if start > 0 and size > 0 else 0
    if not 1 <= frames <= there or used < len(names):
        said = f"{counted(frames, 'frame')} of {counted(used, 'segment')}"
        raise ValueError(f"{file} says {said} and has {max(there, 0):,}; is it cut?")
    places = np.zeros((0, len(kept), 3), np.float32)
    if with_frames:
        content.seek((start - 1) * BLOCK)
        poses = _floats(content.read(frames * size), processor).reshape(frames, used, TURN)[:, kept]
        seen = (poses[..., 16] >= 0) & np.isfinite(poses).all(2) & poses[..., 12:15].any(2)
        metres = metres_of(str((found.get("POINT:UNITS") or ["mm"])[0]) or "mm") or METRES["mm"]
        places = np.where(seen[..., None], poses[..., 12:15] * metres, np.nan).astype(np.float32)
    rate = header.rate * max(ratio, 1)
    return Trajectories(tuple(names[i] for i in kept), places, rate if 0 < rate < 1e6 else None)


def _joint_of(label: str) -> str:
    """The joint at which a segment begins; "" for what is no part of a body."""
    words = label.strip().lower().removesuffix("_4x4").split("_")
    side = SIDES.get(words[0], "") if len(words) > 1 else ""
    joint = SEGMENTS.get("_".join(words[1:] if side else words), "")
    return side + joint if joint else ""
