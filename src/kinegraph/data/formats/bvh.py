"""Motion capture in .bvh files (Biovision hierarchy): joints by forward kinematics.

    HIERARCHY
    ROOT Hips
    {
      OFFSET 0 103.5 0                                       place in the parent's frame
      CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
      JOINT RightUpLeg { ... }                               any number, at any depth; ends: End Site { OFFSET ... }
    }
    MOTION
    Frames: 101
    Frame Time: 0.0416667                                    seconds
    -9.2e-007 103.5 ...                                      a row per frame, the channels in the order of the hierarchy

Rotations are in degrees and multiply in the order of their channels: Zrotation Xrotation Yrotation is Rz Rx Ry. A
position channel takes the place of that part of the OFFSET, as MotionBuilder and Blender read it; where all positions
of a joint are zero, the OFFSET stays. End sites have no name and are left out. One file is one clip of one person.
Source: M. Meredith, S. Maddock, Motion Capture File Formats Explained, University of Sheffield, CS-01-11, 2001.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinegraph.data.large import Rows, changed
from kinegraph.data.reading.clips.clip_files import (
    AT_ORIGIN,
    ClipFile,
    clip_files,
    clips_of,
    first_readable,
    some_below,
)
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import FormatError
from kinegraph.data.reading.files.number_blocks import numbers
from kinegraph.data.reading.files.number_rows import check_size
from kinegraph.data.reading.files.text import encoding_of, start_of
from kinegraph.messages import counted, plain_name, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import about_axis
from kinegraph.skeleton.joint_names import body_joints
from kinegraph.skeleton.layout import INFERRED, LONGEST_NAME, MOST_JOINTS, JointLayout

NAME, TITLE = "bvh", "motion capture (.bvh)"
SUFFIXES = (".bvh",)
CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "xyz")
DEEPEST = 200  # joints between the root and an end
LARGEST_NUMBER = 1e9
BLOCK = 1000  # frames that are computed at a time
LEGS = (0.55, 1.1)  # metres from hip to ankle
UNITS_OF_LEGS = {"CMU's unit": 0.0254 / 0.45, "inches": 0.0254}
Units = Literal["m", "cm", "mm", "in", "ft", "normalised"]
STEADY = 5e-4  # a frame rate so near to a whole number is that number: 0.0416667 s are 24 frames a second


@dataclass
class Joint:
    """parent: number of a joint, itself for the root. channels: as in `CHANNELS`, in the order of the file."""

    name: str
    parent: int
    offset: tuple[float, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hierarchy:
    """Joints, parents before their children. ends: the joints that have an end site."""

    joints: list[Joint] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Numbers of a frame."""
        return sum(len(joint.channels) for joint in self.joints)


def detect(path: Path) -> str | None:
    """A file that begins with HIERARCHY, or a folder with .bvh files at any depth."""
    if path.is_file():
        return "begins with HIERARCHY" if start_of(path).upper().startswith("HIERARCHY") else None
    return "holds .bvh files" if some_below(path, SUFFIXES) else None


def read(path: Path, *, units: Units | None = None) -> Recordings:
    """The clips of a folder of .bvh files, in the order of their names, or of one file; sub-folders name classes.

    All files have the joints of the first one. units: of the coordinates; by default what the length of legs, or the
    size of bodies, tells. Raises ValueError where no file can be read.
    """
    files, classes = clip_files(path, SUFFIXES)
    hierarchy = first_readable(files, read_head)
    scale, assumed = (1.0, ()) if units else scale_of(hierarchy)
    layout = layout_of(hierarchy)
    ends = (
        [f"{counted(len(hierarchy.ends), 'end site')} of the hierarchy, which have no name"] if hierarchy.ends else []
    )
    return Recordings(
        clips=clips_of(files, lambda file: _clip(file, hierarchy, layout, scale)),
        count=len(files),
        layout=layout,
        class_names=classes,
        units=units or "m",
        source=f"motion capture of {path.resolve().name}",
        skipped=lambda: ends,
        guessed=frozenset(("up",) if units or assumed else ("units", "up")),
        assumed=assumed,
    )


def layout_of(hierarchy: Hierarchy) -> JointLayout:
    """The joints of a hierarchy, a bone from each to its parent."""
    joints = tuple(joint.name for joint in hierarchy.joints)
    parents = tuple(joint.parent for joint in hierarchy.joints)
    bones = tuple((joint, parent) for joint, parent in enumerate(parents) if joint != parent)
    return JointLayout(
        f"{NAME}{len(joints)}",
        joints,
        bones,
        0,
        parents=parents,
        source="a BVH hierarchy",
        unstated=frozenset(INFERRED),
    )


def scale_of(hierarchy: Hierarchy) -> tuple[float, tuple[str, ...]]:
    """Metres of a unit, and a line that says so, where legs are as long as in inches or in CMU's unit; else 1.

    CMU's recordings count in 1/0.45 inches, and keep that when they are converted to BVH.
    """
    joints = body_joints([joint.name for joint in hierarchy.joints])
    bones = [
        hierarchy.joints[joints.index(joint)].offset
        for joint in ("left_knee", "left_ankle")
        if joints.count(joint) == 1
    ]
    legs = sum(float(np.linalg.norm(bone)) for bone in bones) if len(bones) == 2 else 0.0
    for name, metres in UNITS_OF_LEGS.items():
        if LEGS[0] <= legs * metres <= LEGS[1] and not LEGS[0] <= legs / 100 <= LEGS[1]:
            line = f"units: legs are {legs:.3g} long: {name} of {100 * metres:.4g} cm (--units says others)"
            return metres, (line,)
    return 1.0, ()


def _clip(file: ClipFile, first: Hierarchy, layout: JointLayout, scale: float) -> Item:
    hierarchy, places, rate = read_file(file.path, scale)
    place = {joint.name: i for i, joint in enumerate(hierarchy.joints)}
    if other := {joint.name for joint in first.joints} ^ {*place}:
        problem = f"the joint {quoted(min(other))} is not in all files of the folder"
        raise FormatError("joints", f"{file.path}: {problem}; read them apart")
    order = [place[joint.name] for joint in first.joints]
    keypoint = places[None]
    return SkeletonClip(
        keypoint=keypoint if order == sorted(order) else changed(keypoint, lambda some: some[:, :, order]),
        layout=layout,
        name=file.name,
        label=file.label,
        fps=rate,
        splits=file.splits,
    )


# ---- one file --------------------------------------------------------------------------------------------------------


def read_file(file: Path, scale: float = 1.0) -> tuple[Hierarchy, Float[np.ndarray, "T V 3"], float]:
    """Hierarchy, places of the joints, frames a second. scale: of the file's own unit, in which places are without it.

    Raises ValueError with file and line.
    """
    check_size(file)
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        lines = _numbered(content)
        try:
            hierarchy = read_hierarchy(lines)
            frames, seconds = _stated(lines, "Frames"), _stated(lines, "Frame Time")
            places = _places(hierarchy, lines, scale)
        except ValueError as error:
            raise ValueError(f"{file} {error}") from None
    if not len(places) or len(places) != frames:
        raise ValueError(f"{file} says {frames:g} frames and has {len(places):,}; is it cut?")
    if not 1e-6 < seconds < 1e6:
        raise ValueError(f"{file} has Frame Time {seconds:g}, expected seconds, such as 0.0333")
    rate = 1 / seconds
    return hierarchy, places, float(round(rate)) if abs(round(rate) / rate - 1) < STEADY else round(rate, 3)


def read_head(file: Path) -> Hierarchy:
    """The hierarchy of a file, without its motion. Raises ValueError with file and line."""
    check_size(file)
    with file.open(encoding=encoding_of(file), errors="replace") as content:
        try:
            return read_hierarchy(_numbered(content))
        except ValueError as error:
            raise ValueError(f"{file} {error}") from None


def _numbered(content: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines with their numbers. A decimal comma becomes a point: numbers are separated by blanks alone."""
    for number, line in enumerate(content, 1):
        named = "," not in line or line.split()[0].upper() in ("ROOT", "JOINT")
        yield number, line.rstrip("\r\n") if named else line.rstrip("\r\n").replace(",", ".")


def _places(hierarchy: Hierarchy, lines: Iterator[tuple[int, str]], scale: float) -> Float[np.ndarray, "T V 3"]:
    """The places of the joints in all frames, computed for some frames at a time."""
    found = Rows()
    rows = ((number, line) for number, line in lines if line.strip())
    while block := list(islice(rows, BLOCK)):
        places = forward_kinematics(hierarchy, _turns(block, hierarchy.width))
        places = np.where(places.any(2, keepdims=True), places, AT_ORIGIN).astype(np.float32)
        found.add(places if scale == 1 else places * np.float32(scale))
    return found.array(len(hierarchy.joints), 3)


def read_hierarchy(lines: Iterator[tuple[int, str]]) -> Hierarchy:
    """The part of a file down to MOTION. Raises ValueError with the line."""
    found = Hierarchy()
    around: list[Joint | None] = []  # the joints whose braces are open; None: an end site
    named: list[Joint | None] = []  # the one whose brace comes next
    for number, line in lines:
        for words in filter(None, map(str.split, re.split("([{}])", line))):
            word = words[0].upper()
            if word == "MOTION" and not around and len(found.joints) > 1:
                return _complete(found)
            problem = _statement(found, around, named, word, words)
            if problem:
                raise ValueError(f"line {number} {problem}")
    raise ValueError("has no MOTION behind a hierarchy of two or more joints; is it cut?")


def _statement(
    found: Hierarchy, around: list[Joint | None], named: list[Joint | None], word: str, words: list[str]
) -> str:
    """Take in one statement of the hierarchy; what is wrong with it, or ""."""
    inside = around[-1] if around else None
    if word == "HIERARCHY":
        return ""
    if word in ("ROOT", "JOINT"):
        return _joint(found, inside, named, word, " ".join(words[1:]))
    if word == "END" and inside is not None:
        found.ends.append(found.joints.index(inside))
        named.append(None)
    elif word == "{" and named:
        around.append(named.pop())
    elif word == "}" and around and not named:
        around.pop()
    elif word == "OFFSET" and around:
        offset = _numbers(words[1:])
        if len(offset) != 3:
            return f"holds {quoted(' '.join(words))}, expected OFFSET and three numbers"
        if inside is not None:
            inside.offset = offset
    elif word == "CHANNELS" and inside is not None:
        channels = tuple(map(str.lower, words[2:]))
        if words[1:2] != [str(len(channels))] or not {*channels} <= {*CHANNELS} or len({*channels}) < len(channels):
            return f"holds {quoted(' '.join(words))}, expected CHANNELS, their number, and names such as Xrotation"
        inside.channels = channels
    else:
        return f"holds {quoted(' '.join(words))}, which is not expected there"
    return ""


def _joint(found: Hierarchy, parent: Joint | None, named: list[Joint | None], word: str, name: str) -> str:
    """Take in a new joint; what is wrong with it, or ""."""
    if (word == "ROOT") != (not found.joints) or (word == "JOINT" and parent is None):
        return f"holds {word} {quoted(name)}, expected one ROOT, and each JOINT in the braces of another"
    if not name or len(name) > LONGEST_NAME or plain_name(name) != name:
        return f"has the name {quoted(name)}, expected one line of at most {LONGEST_NAME} letters"
    if any(joint.name == name for joint in found.joints):
        return f"names the joint {quoted(name)} twice"
    if len(found.joints) == MOST_JOINTS:
        return f"holds a joint number {MOST_JOINTS + 1:,}, expected at most {MOST_JOINTS:,}"
    joint = Joint(name, 0 if parent is None else found.joints.index(parent))
    found.joints.append(joint)
    named.append(joint)
    return ""


def _complete(found: Hierarchy) -> Hierarchy:
    """The hierarchy. Raises ValueError for a joint without place, and for a chain that no skeleton has."""
    depth: list[int] = []
    for joint in found.joints:
        depth.append(depth[joint.parent] + 1 if depth else 0)
        if not joint.offset:
            raise ValueError(f"has no OFFSET of the joint {quoted(joint.name)}")
    if max(depth) > DEEPEST:
        raise ValueError(f"has {max(depth):,} joints one below the other, expected at most {DEEPEST}")
    if not found.width:
        raise ValueError("has no CHANNELS")
    return found


def _stated(lines: Iterator[tuple[int, str]], key: str) -> float:
    """The number behind a key such as "Frames:" in the next line."""
    number, line = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    if not (match := re.fullmatch(rf"{key}\s*:\s*(\S+)", line.strip(), re.IGNORECASE)):
        raise ValueError(f"line {number} holds {quoted(line)}, expected '{key}:' and a number")
    value = _numbers([match[1]])
    if not value:
        raise ValueError(f"line {number} holds {quoted(line)}, expected a number such as 0.0333 with a decimal point")
    return value[0]


def _numbers(cells: list[str]) -> tuple[float, ...]:
    """The numbers that cells hold; nothing where one holds none."""
    try:
        values = tuple(map(float, cells))
    except ValueError:
        return ()
    return values if all(abs(value) < LARGEST_NUMBER for value in values) else ()


def _turns(lines: Sequence[tuple[int, str]], width: int) -> Float[np.ndarray, "lines width"]:
    """The numbers of some lines. Raises ValueError with the line."""
    values = numbers([line for _, line in lines], None)
    if values is None or values.shape[1] != width or not (np.abs(values) < LARGEST_NUMBER).all():
        return np.array([_row(number, line, width) for number, line in lines])
    return values


def _row(number: int, line: str, width: int) -> Float[np.ndarray, " width"]:
    cells = line.split()
    if len(cells) != width:
        raise ValueError(f"line {number} has {len(cells):,} numbers, expected {width}, one for each channel")
    try:
        values = np.array(cells, np.float64)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    if not (np.abs(values) < LARGEST_NUMBER).all():
        raise ValueError(f"line {number} holds a number that is not finite")
    return values


# ---- forward kinematics ----------------------------------------------------------------------------------------------


def forward_kinematics(hierarchy: Hierarchy, rows: Float[np.ndarray, "T width"]) -> Float[np.ndarray, "T V 3"]:
    """Places of the joints: R[j] = R[parent] Rc1 Rc2 Rc3, p[j] = p[parent] + R[parent] (offset or position of j)."""
    frames, column = len(rows), 0
    turns: list[Float[np.ndarray, "T 3 3"]] = []
    places = np.empty((frames, len(hierarchy.joints), 3))
    for i, joint in enumerate(hierarchy.joints):
        values = dict(zip(joint.channels, rows[:, column : column + len(joint.channels)].T, strict=True))
        column += len(joint.channels)
        offset, turn = _offset(joint, values, frames), np.broadcast_to(np.eye(3), (frames, 3, 3))
        for channel in joint.channels:
            if channel.endswith("rotation"):
                turn = turn @ about_axis(np.radians(values[channel]), "xyz".index(channel[0]))
        if i:
            offset = places[:, joint.parent] + np.einsum("tij,tj->ti", turns[joint.parent], offset)
            turn = turns[joint.parent] @ turn
        places[:, i] = offset
        turns.append(turn)
    return places


def _offset(joint: Joint, values: dict[str, Float[np.ndarray, " T"]], frames: int) -> Float[np.ndarray, "T 3"]:
    offset = np.tile(np.array(joint.offset), (frames, 1))
    positions = {channel: value for channel, value in values.items() if channel.endswith("position")}
    if any(value.any() for value in positions.values()):
        for channel, value in positions.items():
            offset[:, "xyz".index(channel[0])] = value
    return offset
