"""Acclaim skeletons (.asf): bones, their lengths and frames, which the motion of a .amc file turns.

    :units         length 0.45, angle deg
    :root          order TX TY TZ RX RY RZ, axis XYZ, position 0 0 0, orientation 0 0 0
    :bonedata      begin, name lfemur, direction 0.34 -0.94 0, length 7.9, axis 0 0 20 XYZ, dof rx ry rz, end; ...
    :hierarchy     begin, root lhipjoint rhipjoint lowerback, lhipjoint lfemur, ..., end

A joint is the end of a bone and has its name. Lengths are multiplied by the factor of :units; with 0.45, as in the
data bases of CMU and HDM05, the result is in inches.
Source: J. Lander, Working with Motion Capture File Formats, Game Developer 1998; CMU Graphics Lab, "Skeleton notes".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.clip_files import text_of
from kinegraph.messages import quoted
from kinegraph.skeleton.geometry import one_after_another
from kinegraph.skeleton.layout import LONGEST_NAME, MOST_JOINTS

LARGEST_NUMBER = 1e9
CHANNELS = ("rx", "ry", "rz", "tx", "ty", "tz", "l")
ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclass
class Bone:
    """direction, length: from the joint of the parent, where nothing is turned. axis: angles in degrees, in axis_order.

    channels: of CHANNELS, in the order of the motion file.
    """

    name: str
    direction: tuple[float, ...] = (0.0, 0.0, 0.0)
    length: float = 1.0
    axis: tuple[float, ...] = (0.0, 0.0, 0.0)
    axis_order: tuple[int, ...] = (0, 1, 2)
    channels: tuple[str, ...] = ()
    parent: int = 0

    def frame(self) -> Float[np.ndarray, "3 3"]:
        """The bone's own axes, in which its angles are given."""
        return one_after_another(np.radians([self.axis]), self.axis_order)[0]


@dataclass
class Skeleton:
    """Bones, parents before their children; the first one is the root. length: factor of the unit."""

    bones: list[Bone] = field(default_factory=lambda: [Bone("root", channels=ORDER)])
    length: float = 1.0
    degrees: bool = True

    def place(self) -> dict[str, int]:
        return {bone.name: i for i, bone in enumerate(self.bones)}


def read_skeleton(file: Path) -> Skeleton:
    """The skeleton of a file. Raises ValueError with file, line and cause."""
    found, bones, children = Skeleton(), dict[str, Bone](), list[tuple[str, list[str]]]()
    for number, section, words in _statements(text_of(file)):
        try:
            if section == "units" and words[0] == "length":
                found.length = _numbers(words[1:2], 1)[0]
            elif section == "units" and words[0] == "angle":
                found.degrees = words[1].startswith("deg")
            elif section == "root":
                _root(found.bones[0], words)
            elif section == "bonedata":
                _bone(bones, words)
            elif section == "hierarchy" and words[0] not in ("begin", "end"):
                children.append((words[0], words[1:]))
        except (ValueError, IndexError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"holds {quoted(' '.join(words))}; is it cut?"
            raise ValueError(f"{file} line {number} {reason}") from None
    try:
        _join(found, bones, children)
    except ValueError as error:
        raise ValueError(f"{file} {error}") from None
    return found


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Number, section and words of each line that says something."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and words[0].startswith(":"):
            section, words = words[0][1:].lower(), words[1:]
        if words:
            yield number, section, [words[0].lower(), *words[1:]] if section != "hierarchy" else words


def _root(root: Bone, words: list[str]) -> None:
    if words[0] == "order":
        root.channels = _channels(words[1:])
    elif words[0] == "axis":
        root.axis_order = _order(words[1])
    elif words[0] == "position":
        root.direction = _numbers(words[1:], 3)
    elif words[0] == "orientation":
        root.axis = _numbers(words[1:], 3)


def _bone(bones: dict[str, Bone], words: list[str]) -> None:
    """Take in a line of :bonedata, which belongs to the bone that was named last."""
    if words[0] == "name":
        name = words[1]
        if name in bones or name == "root" or len(name) > LONGEST_NAME or not name.isprintable():
            raise ValueError(f"names the bone {quoted(name)}, expected another name for each bone")
        if len(bones) == MOST_JOINTS:
            raise ValueError(f"names more than {MOST_JOINTS:,} bones")
        bones[name] = Bone(name)
    if not bones:
        return
    bone = next(reversed(bones.values()))
    if words[0] == "direction":
        bone.direction = _numbers(words[1:], 3)
    elif words[0] == "length":
        (bone.length,) = _numbers(words[1:2], 1)
    elif words[0] == "axis":
        bone.axis, bone.axis_order = _numbers(words[1:4], 3), _order(words[4])
    elif words[0] == "dof":
        bone.channels = _channels(words[1:])


def _numbers(words: Sequence[str], count: int) -> tuple[float, ...]:
    try:
        values = tuple(map(float, words))
    except ValueError:
        values = ()
    if len(values) != count or not all(abs(value) < LARGEST_NUMBER for value in values):
        raise ValueError(f"holds {quoted(' '.join(words))}, expected {count} numbers")
    return values


def _order(word: str) -> tuple[int, ...]:
    if sorted(word.lower()) != ["x", "y", "z"]:
        raise ValueError(f"has the order of axes {quoted(word)}, expected XYZ or another order of these")
    return tuple("xyz".index(axis) for axis in word.lower())


def _channels(words: Sequence[str]) -> tuple[str, ...]:
    channels = tuple(map(str.lower, words))
    if not {*channels} <= {*CHANNELS} or len({*channels}) < len(channels):
        raise ValueError(f"has the channels {quoted(' '.join(words))}, expected some of {', '.join(CHANNELS)}")
    return channels


def _join(found: Skeleton, bones: dict[str, Bone], children: Sequence[tuple[str, list[str]]]) -> None:
    """Put the bones behind their parents. Raises ValueError for bones that the hierarchy does not reach once."""
    if not bones:
        raise ValueError("has no bones in :bonedata; is it cut?")
    if not found.length > 0:
        raise ValueError(f"has a factor of length of {found.length:g}, expected a positive number")
    waiting = dict(bones)
    for parent, names in children:
        place = found.place()
        for name in names:
            if parent not in place or name not in waiting:
                raise ValueError(
                    f"has {quoted(name)} below {quoted(parent)} in :hierarchy, where one is no bone or known"
                )
            bone = waiting.pop(name)
            bone.parent = place[parent]
            found.bones.append(bone)
    if waiting:
        raise ValueError(f"has the bone {quoted(min(waiting))}, which :hierarchy does not name")
