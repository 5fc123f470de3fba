"""Joints whose names a file gives: their layout, the built-in one with these names or one of their own, and places."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.data.reading.clips.conventions import OF_A_LAYOUT, is_flat, layout_for
from kinegraph.data.reading.clips.openpose_parts import holistic
from kinegraph.data.reading.faults import FormatError
from kinegraph.messages import counted, did_you_mean, first_few, quoted
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import INFERRED, JointLayout, layout_names, load_layout

XSENS_NAMES = {  # segments of Xsens MVN that joints of the layout xsens23 call otherwise
    "L5": "lumbar_5", "L3": "lumbar_3", "T12": "thoracic_12", "T8": "thoracic_8", "RightShoulder": "right_collar",
    "LeftShoulder": "left_collar", "RightForeArm": "right_forearm", "LeftForeArm": "left_forearm",
}  # fmt: skip
COMPLETED = "joints of the file, and bones that were completed"
NAMES_ALONE = "joints of the file, without bones"  # provisional ones, see `bones.with_bones`
FEWEST_NAMES = 5  # joints by whose names a layout is known that has more
FEWEST_OWN = 3  # joints of a table that make a layout of their own
MISSPELT = 0.1  # share of the names, or one, that are written in another way; with more, they are other joints
MOST_UNSEEN = 3  # times as many joints has such a layout at most


def layout_named(names: object, bones: object, title: str) -> JointLayout | None:
    """The built-in layout with joints of these names in this order, else one of these joints and bones.

    bones: pairs of places of joints, from 0; those that cannot be used are left out, and joints without one hang on
        the joint with most bones. Where there are none, they follow from the clips (`bones.with_bones`).
    title: of a layout that is not built in.
    Returns None where the names are no names of joints.
    """
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) for name in names):
        return None
    for name in layout_names():
        if [plain_joint(joint) for joint in load_layout(name).joints] == [plain_joint(joint) for joint in names]:
            return load_layout(name)
    said = _usable(bones, len(names))
    pairs = _connected(said, len(names))
    centre = max(range(len(names)), key=lambda joint: sum(joint in pair for pair in pairs))
    named = [[names[i], names[j]] for i, j in pairs]
    try:
        if not said:
            spec = {"name": title, "joints": names, "bones": named, "centre": names[centre], "source": NAMES_ALONE}
            return replace(JointLayout.from_dict(spec), unstated=frozenset(INFERRED))
        made = JointLayout.own({"name": title, "joints": names, "bones": named, "centre": names[centre]})
        return replace(made, source=COMPLETED) if len(pairs) > len(said) else made
    except ValueError:
        return None


def built_in(names: Sequence[str]) -> JointLayout | None:
    """The built-in layout that has the joints of these names and no others, in any order; None where none has."""
    plain = {plain_joint(name) for name in names}
    known = map(load_layout, layout_names())
    return next(
        (layout for layout in known if len(plain) == len(names) and {*map(plain_joint, layout.joints)} == plain), None
    )


def are_joints(names: Collection[object]) -> bool:
    """Whether most of these are names of joints that some built-in layout has."""
    known = [name for name in names if isinstance(name, str) and plain_joint(name) in _known_joints()]
    return len(known) * 2 > len(names)


def unwrapped(names: Sequence[str]) -> list[str]:
    """The names without what all begin or end with, where only the rest is known: /body/head/position -> head."""
    start, end = _shared(names), _shared([name[::-1] for name in names])
    inner = [name[start : len(name) - end] for name in names]
    return inner if are_joints(inner) and not are_joints(names) else list(names)


def _shared(names: Sequence[str]) -> int:
    """How many letters all names begin with, up to the last sign between words."""
    same = "".join(letters[0] for letters in takewhile(lambda column: len({*column}) == 1, zip(*names, strict=False)))
    return max((place + 1 for place, letter in enumerate(same) if not letter.isalnum()), default=0)


@cache
def _known_joints() -> frozenset[str]:
    return frozenset(plain_joint(joint) for name in layout_names() for joint in load_layout(name).joints)


def layout_of(path: Path, joints: Sequence[str], channels: int, given: str | JointLayout | None) -> JointLayout:
    """The given layout, or the built-in one that has these joints; numbers are counted."""
    if given is not None:
        return load_layout(given)
    if all(joint.isdecimal() and len(joint) < 5 for joint in joints):
        return layout_for(max(map(int, joints)) + 1)
    names = {plain_joint(joint) for joint in joints}
    layouts = {layout.name: layout for layout in (*map(load_layout, layout_names()), holistic())}
    known = {name: {plain_joint(joint) for joint in layout.joints} for name, layout in layouts.items()}
    nearest = min(known, key=lambda name: len(names ^ known[name]))
    if names == known[nearest]:
        return layouts[nearest]
    fitting = [name for name in known if names <= known[name] and len(names) * MOST_UNSEEN >= len(known[name])]
    if fitting and len(names) >= FEWEST_NAMES:  # joints that are not there were not seen
        by_kind = {name: is_flat(layouts[name]) == (channels == 2) for name in fitting}
        return layouts[min(fitting, key=lambda name: (not by_kind[name], len(known[name])))]
    extra = [joint for joint in joints if plain_joint(joint) not in known[nearest]]
    those = f"{counted(len(joints), 'joint')} {first_few(joints)} {'is' if len(joints) == 1 else 'are'}"
    hint = f"; nearest is '{nearest}', which lacks {first_few(extra)}" if 0 < len(extra) < len(names) / 2 else ""
    way = hint or f", {OF_A_LAYOUT}"
    raise FormatError("joints", f"{path}: the {those} of no built-in layout; give --layout{way}")


def layout_of_table(
    path: Path, joints: Sequence[str], channels: int, given: str | JointLayout | None, expected: JointLayout | None
) -> JointLayout:
    """The same, or one of the file's own joints where most are of no built-in layout.

    expected: the layout of the network that is asked, taken where it has just these joints.
    """
    if given is None and expected and {*map(plain_joint, joints)} == {*map(plain_joint, expected.joints)}:
        return expected
    try:
        return layout_of(path, joints, channels, given)
    except FormatError:
        few = len(joints) < FEWEST_OWN or (are_joints(joints) and _misspelt(joints))
        made = None if few else layout_named(list(joints), None, f"own{len(joints)}")
        if made is None:
            raise
        return made


def _misspelt(joints: Sequence[str]) -> bool:
    """Whether joints are those of a built-in layout but for a few names, and no others beside all of them."""
    names = {plain_joint(joint) for joint in joints}
    known = [{plain_joint(joint) for joint in load_layout(name).joints} for name in layout_names()]
    few = max(MISSPELT * len(names), 1)
    others = [len(names - of) for of in known if len(names - of) <= few]
    return bool(others) and not any(of <= names and len(names - of) <= few for of in known)


def layout_by_names(
    path: Path, names: Sequence[str], bones: object, joints: int, channels: int
) -> tuple[JointLayout, tuple[int, ...]]:
    """A layout for joints whose names a file says, in any order, and their places in it: a built-in one, or their own.

    names: none where the file says none; bones: pairs of joints by their places, where it says them. Raises ValueError
    for another number of names than of joints.
    """
    if not names:
        return layout_for(joints), tuple(range(joints))
    if len(names) != joints:
        raise ValueError(f"{path} has {len(names)} names of joints, its clips have {joints} joints")
    with suppress(ValueError):
        found = layout_of(path, names, channels, None)
        return found, places_in(found, names, joints)
    if (found := layout_named(list(names), bones, f"own{joints}")) is None:
        raise ValueError(f"{path}: the names of joints {first_few(list(names))} make no layout; give --layout")
    return found, tuple(range(joints))


def places_in(layout: JointLayout, names: Sequence[str], joints: int) -> tuple[int, ...]:
    """The places of joints in a layout, by their names where it has all of them, else as they stand."""
    with suppress(ValueError):
        if len(set(found := [joint_index(layout, name) for name in names])) == joints:
            return tuple(found)
    return tuple(range(joints))


def in_places(values: Float[np.ndarray, "M T v C"], places: Sequence[int], joints: int) -> Float[np.ndarray, "M T V C"]:
    """The values in their places among so many joints; zero where there is none."""
    if tuple(places) == tuple(range(joints)):
        return values
    found = np.zeros((*values.shape[:2], joints, values.shape[3]), values.dtype)
    found[:, :, list(places)] = values
    return found


def in_order(joints: Sequence[str], layout: JointLayout) -> dict[str, int]:
    """The places of joints by their order, where a layout has as many and none of their names; {} for others."""
    names = {plain_joint(joint) for joint in layout.joints}
    numbered = any(joint.isdecimal() for joint in joints)
    if len(joints) != len(layout) or numbered or any(plain_joint(joint) in names for joint in joints):
        return {}
    return {joint: place for place, joint in enumerate(joints)}


def joint_index(layout: JointLayout, joint: str) -> int:
    """The place of a joint in a layout, by its name or number. Raises ValueError where the layout has none such."""
    names = {plain_joint(name): i for i, name in enumerate(layout.joints)}
    plain = plain_joint(joint)
    if plain in names:
        return names[plain]
    if joint.strip().isdecimal() and len(joint) < 5:
        if int(joint) < len(layout):
            return int(joint)
        raise ValueError(f"joint {int(joint)}, layout '{layout.name}' has 0 to {len(layout) - 1}")
    raise ValueError(f"layout '{layout.name}' has no joint {quoted(joint)}{did_you_mean(plain, names)}")


def bones_line(layout: JointLayout) -> tuple[str, ...]:
    """The line on bones that the file does not name."""
    line = f"bones: joints without one are joined to '{layout.joints[layout.centre]}' (--layout)"
    return (line,) if layout.source == COMPLETED else ()


def _usable(bones: object, joints: int) -> list[tuple[int, int]]:
    """The pairs of two joints, each once."""
    found: dict[frozenset[int], tuple[int, int]] = {}
    for bone in bones if isinstance(bones, list) else ():
        ends: Sequence[Any] = bone if isinstance(bone, list) and len(bone) == 2 else ()
        if ends and all(type(end) is int and 0 <= end < joints for end in ends) and ends[0] != ends[1]:
            found.setdefault(frozenset(ends), (ends[0], ends[1]))
    return list(found.values())


def _connected(bones: Iterable[tuple[int, int]], joints: int) -> list[tuple[int, int]]:
    """The bones, and one from each part that hangs on nothing to the joint with most bones."""
    found = list(bones)
    part = list(range(joints))
    for i, j in found:
        part = [part[i] if number == part[j] else number for number in part]
    root = max(range(joints), key=lambda joint: sum(joint in pair for pair in found))
    first = {part[joint]: joint for joint in reversed(range(joints))}
    return found + [(joint, root) for of, joint in sorted(first.items()) if of != part[root]]
