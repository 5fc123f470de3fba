"""The joints that OpenPose writes of a person: the body and, where it was asked for them, both hands and the face.

Source: doc/02_output.md of OpenPose; the face's points are the 68 of iBUG (Sagonas et al. 2013) and two pupils.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from kinegraph.skeleton.layout import JointLayout, load_layout

Part = Literal["body", "hands", "face"]
BODIES = {18: "openpose18", 25: "openpose25"}
POINTS = {"hand_left": 21, "hand_right": 21, "face": 70}
KEYS: Mapping[str, tuple[str, ...]] = {"hands": ("hand_left", "hand_right"), "face": ("face",)}
# Points on the right of the face; each and its mirror image on the left have this sum.
RIGHT_OF_FACE = ((range(8), 16), (range(17, 22), 43), (range(31, 33), 66), (range(36, 40), 81), (range(40, 42), 87),
                 (range(48, 51), 102), (range(58, 60), 114), (range(60, 62), 124), (range(67, 68), 132),
                 (range(68, 69), 137))  # fmt: skip


def further_keys(parts: Sequence[str]) -> tuple[str, ...]:
    """The arrays that stand behind the body's in a pose."""
    return tuple(key for part, keys in KEYS.items() if part in parts for key in keys)


def parts_in(layout: JointLayout) -> list[Part]:
    """The parts that a layout has behind a body, see `layout_with`."""
    first = {"hands": f"left_hand_{load_layout('hand21').joints[0]}", "face": "face_0"}
    return [part for part in ("hands", "face") if first[part] in layout.joints]


@cache
def holistic() -> JointLayout:
    """The 75 joints of MediaPipe's Holistic: the body, the left hand, the right hand."""
    return layout_with(load_layout("blazepose33"), ["hands"])


def layout_with(body: JointLayout, parts: Sequence[str]) -> JointLayout:
    """The body's layout with the joints of hands and face behind its own.

    A hand hangs on its wrist, every point of the face on the nose.
    """
    joints, parents, mirror = list(body.joints), list(body.parents), list(body.mirror)
    hand = load_layout("hand21")
    for side in ("left", "right") if "hands" in parts else ():
        first, wrist = len(joints), body.joints.index(f"{side}_wrist")
        joints += [f"{side}_hand_{joint}" for joint in hand.joints]
        parents += [wrist if i == parent else first + parent for i, parent in enumerate(hand.parents)]
    if "hands" in parts:
        mirror += [(len(body) + i, len(body) + len(hand) + i) for i in range(len(hand))]
    if "face" in parts:
        first = len(joints)
        joints += [f"face_{i}" for i in range(POINTS["face"])]
        parents += [body.joints.index("nose")] * POINTS["face"]
        mirror += [(first + both - i, first + i) for right, both in RIGHT_OF_FACE for i in right]
    further = tuple((i, parents[i]) for i in range(len(body), len(joints)))
    return JointLayout(
        name=" and ".join([body.name, *(part for part in KEYS if part in parts)]),
        joints=tuple(joints),
        bones=body.bones + further,
        centre=body.centre,
        mirror=tuple(mirror),
        parents=tuple(parents),
        spine=body.spine,
        shoulders=body.shoulders,
        source=body.source,
    )
