"""Layouts of body parts whose bones no file names, as tracked animals and markers have them."""

from collections.abc import Sequence
from itertools import chain

from kinegraph.messages import first_few
from kinegraph.skeleton.anatomy import other_side
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import JointLayout

MIDDLE = ("centre", "center", "spine", "body", "torso", "back", "neck", "shoulder")  # in names of parts in the middle


def layout_of(parts: Sequence[str], name: str, source: str) -> JointLayout:
    """A layout of body parts: bones from all of them to one in the middle, mirror pairs by left and right in names.

    It follows from the names alone, so that recordings of the same parts have the same layout.
    """
    if len(parts) < 2:
        raise ValueError(f"there is 1 body part, {first_few(parts)}; a skeleton has 2 or more")
    centre, pairs = middle_of(parts)
    return JointLayout.from_dict(
        {
            "name": f"{name}{len(parts)}",
            "source": source,
            "joints": list(parts),
            "bones": [[part, centre] for part in parts if part != centre],
            "centre": centre,
            "mirror": pairs if centre not in chain.from_iterable(pairs) else [],
        }
    )


def middle_of(parts: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """The body part in the middle and the pairs of left and right, by their names."""
    sides = [(part, other) for part in parts for other in other_side(part) if other in parts]
    pairs = [pair for i, pair in enumerate(sides) if not {*pair} & {*chain.from_iterable(sides[:i])}]
    middle = [part for part in parts if part not in chain.from_iterable(pairs)]
    central = [part for word in MIDDLE for part in middle if word in part.lower()]
    return (central or middle or parts)[0], pairs


def part_of_joint(layout: JointLayout, parts: Sequence[str]) -> dict[str, str]:
    """The body part of each joint that has one: of the same name, or of the same name as layouts write it."""
    plain = {plain_joint(part): part for part in parts}
    found = {joint: joint if joint in parts else plain.get(plain_joint(joint)) for joint in layout.joints}
    return {joint: part for joint, part in found.items() if part is not None}
