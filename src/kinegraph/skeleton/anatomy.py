"""What a layout leaves unsaid: which joints are left and right, where the spine runs and where the shoulders are.

Joint names say it, in the ways that people write them; where they do not, the shape of the tree and the lengths of the
bones do: left and right hang on the same joint and are equally long, legs are longer than arms.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from kinegraph.skeleton.layout import INFERRED, JointLayout, uneven_bone

LEG = re.compile(r"leg|hip|knee|ankle|foot|feet|toe|femur|tibia|thigh|calf|heel", re.IGNORECASE)
ARM = re.compile(r"arm|shoulder|elbow|wrist|hand|finger|thumb|clavicle|collar|humerus|radius", re.IGNORECASE)
ALIKE = 0.8  # the shorter of two bones over the longer one, for them to be left and right
SHOULDERS = (("shoulder",), ("upperarm", "upper_arm"))  # words in the names of joints, the surer ones first
A_SHOULDER = 0.1  # share of an arm's length that lies before the shoulder; collar joints lie nearer to the trunk

Pairs = tuple[tuple[int, int], ...]


def complete(layout: JointLayout, lengths: Float[np.ndarray, "V"] | None = None) -> tuple[JointLayout, str]:
    """The layout with mirror pairs, spine and shoulders, as far as they are missing and names or bones say them.

    lengths: of the bone from each joint's parent, in any unit; by default all are equally long. Which side is the
        left one is not known where names do not say it; it is the same one for all pairs that hang on each other.
    Of somebody's own layout, only what it does not mention (`unstated`) is missing. Returns also what was added, in
    words; empty where nothing was.
    """
    missing = {key for key in layout.unstated or INFERRED if not getattr(layout, key)}
    if not missing:
        return layout, ""
    lengths = np.ones(len(layout)) if lengths is None else np.asarray(lengths, float)
    by_name = pairs_by_name(layout)
    pairs = layout.mirror or by_name
    if not pairs and "mirror" in missing:
        pairs = _pairs_by_shape(layout, lengths)
    legs, arms = _legs_and_arms(layout, pairs, lengths)
    trunk = (layout.parents[legs[0]], layout.parents[arms[0]]) if legs and arms else None
    spine = trunk if trunk and trunk[0] != trunk[1] else None
    named = (
        pair
        for words in SHOULDERS
        for pair in pairs
        if all(any(word in layout.joints[joint].lower() for word in words) for joint in pair)
    )
    shoulders = next(named, None)
    if shoulders is None and arms:
        shoulders = _shoulders(layout, arms, lengths)
    added: dict[str, Any] = {"mirror": pairs, "spine": spine, "shoulders": shoulders}
    added = {key: value for key, value in added.items() if key in missing and value}
    try:
        found = replace(layout, **added)
        why_not = uneven_bone(found)
    except ValueError as error:
        del added["mirror"]
        found, why_not = replace(layout, **added), f"no mirror pairs, though names say left and right: {error}"
    lines = _in_words(layout, added, "names of the joints" if by_name else "lengths of the bones")
    return found, "; ".join(filter(None, [*lines, why_not]))


def _in_words(layout: JointLayout, added: Mapping[str, Any], origin: str) -> list[str]:
    names, said = layout.joints, []
    if pairs := added.get("mirror"):
        such = f"{names[pairs[0][0]]} - {names[pairs[0][1]]}"
        said.append(f"left and right by the {origin}: {len(pairs)} pairs such as {such}")
    for key in ("shoulders", "spine"):
        if pair := added.get(key):
            said.append(f"{key} {names[pair[0]]} - {names[pair[1]]}")
    return said


# ---- left and right --------------------------------------------------------------------------------------------------


def other_side(name: str) -> list[str]:
    """What the joint of the other side could be called: left_knee -> right_knee, LKnee -> RKnee, knee_l -> knee_r."""
    swaps = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
    found = []
    for left, right in swaps.items():
        place = rf"^{left}|{left}$|(?<![A-Za-z]){left}(?![a-z])" if len(left) == 1 else left
        for match in re.finditer(place, name):
            found.append(name[: match.start()] + right + name[match.end() :])
    return found


def pairs_by_name(layout: JointLayout) -> Pairs:
    """Left and right, by the names of joints."""
    index = {joint: i for i, joint in enumerate(layout.joints)}
    pairs = {}
    for joint, i in index.items():
        for other in other_side(joint):
            if other in index and i not in pairs and index[other] not in pairs.values():
                pairs[i] = index[other]
    return tuple(pairs.items())


def _pairs_by_shape(layout: JointLayout, lengths: Float[np.ndarray, "V"]) -> Pairs:
    children = _children(layout)

    def paired(a: int, b: int) -> Pairs | None:
        """The pairs of two branches, or nothing if they are not built alike."""
        short, long = sorted((lengths[a], lengths[b]))
        if short < ALIKE * long or len(children[a]) != len(children[b]):
            return None
        found = [(a, b)]
        left, right = (sorted(children[joint], key=lambda j: _reach(children, lengths, j)) for joint in (a, b))
        for joint, other in zip(left, right, strict=True):
            if (below := paired(joint, other)) is None:
                return None
            found += below
        return tuple(found)

    pairs, taken, carriers = [], set(), set()
    for joint in range(len(layout)):
        found = [paired(*two) for two in combinations(children[joint], 2)]
        for pair in sorted(filter(None, found), key=len, reverse=True):  # the most joints first
            joints = set(chain.from_iterable(pair))
            if joint not in taken and not taken & joints:
                pairs += pair
                taken |= joints
                carriers.add(joint)
    return tuple(pairs) if len(carriers) > 1 else ()  # fingers are alike too, but hang on one joint


# ---- legs and arms ---------------------------------------------------------------------------------------------------


def _legs_and_arms(
    layout: JointLayout, mirror: Pairs, lengths: Float[np.ndarray, "V"]
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The pairs that legs and arms begin with: by the names of their joints, else the longest and the next longest."""
    children, sides = _children(layout), {joint for pair in mirror for joint in pair}
    roots = [pair for pair in mirror if layout.parents[pair[0]] not in sides]
    roots.sort(key=lambda pair: -_reach(children, lengths, pair[0]))

    def named(pair: tuple[int, int], pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(layout.joints[joint]) for joint in _below(children, pair[0]))

    legs = next((pair for pair in roots if named(pair, LEG)), None)
    arms = next((pair for pair in roots if pair != legs and named(pair, ARM)), None)
    if legs is None and arms is None and len(roots) > 1:
        legs, arms = roots[:2]
    return legs, arms


def _shoulders(layout: JointLayout, arms: tuple[int, int], lengths: Float[np.ndarray, "V"]) -> tuple[int, int]:
    """The first joints of the arms that are not just beside the trunk."""
    children = _children(layout)
    whole = _reach(children, lengths, arms[0])
    left, right = arms
    way = lengths[left]
    while way < A_SHOULDER * whole and children[left] and children[right]:
        left, right = (max(children[joint], key=lambda j: _reach(children, lengths, j)) for joint in (left, right))
        way += lengths[left]
    return left, right


def _children(layout: JointLayout) -> list[list[int]]:
    children = [[] for _ in layout.joints]
    for joint, parent in enumerate(layout.parents):
        if joint != parent:
            children[parent].append(joint)
    return children


def _reach(children: Sequence[Sequence[int]], lengths: Float[np.ndarray, "V"], joint: int) -> float:
    """From the parent of a joint to the farthest end of its branch."""
    return lengths[joint] + max((_reach(children, lengths, child) for child in children[joint]), default=0.0)


def _below(children: Sequence[Sequence[int]], joint: int) -> list[int]:
    return [joint] + [deeper for child in children[joint] for deeper in _below(children, child)]
