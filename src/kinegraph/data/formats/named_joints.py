"""A layout from the names and bones that a file gives: the built-in one with these names, or one of its own."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import INFERRED, JointLayout, layout_names, load_layout

COMPLETED = "joints of the file, and bones that were completed"
NAMES_ALONE = "joints of the file, without bones"  # provisional ones, see `steps.with_bones`


def layout_named(names: object, bones: object, title: str) -> JointLayout | None:
    """The built-in layout with joints of these names in this order, else one of these joints and bones.

    bones: pairs of places of joints, from 0; those that cannot be used are left out, and joints without one hang on
        the joint with most bones. Where there are none, they follow from the clips (`steps.with_bones`).
    title: of a layout that is not built in.
    Returns None where the names are no names of joints.
    """
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(it, str) for it in names):
        return None
    for name in layout_names():
        if [plain_joint(it) for it in load_layout(name).joints] == [plain_joint(it) for it in names]:
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
    return next((it for it in known if len(plain) == len(names) and {*map(plain_joint, it.joints)} == plain), None)


def are_joints(names: Collection[object]) -> bool:
    """Whether most of these are names of joints that some built-in layout has."""
    known = [name for name in names if isinstance(name, str) and plain_joint(name) in _known_joints()]
    return len(known) * 2 > len(names)


@cache
def _known_joints() -> frozenset[str]:
    return frozenset(plain_joint(joint) for name in layout_names() for joint in load_layout(name).joints)


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
        part = [part[i] if it == part[j] else it for it in part]
    root = max(range(joints), key=lambda joint: sum(joint in pair for pair in found))
    first = {part[joint]: joint for joint in reversed(range(joints))}
    return found + [(joint, root) for of, joint in sorted(first.items()) if of != part[root]]
