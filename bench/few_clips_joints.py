"""Clips with the joints of an encoder that was trained on another sensor: by name, else the joint at the same place."""

from dataclasses import replace

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import JointLayout

SIDED = (  # {side}: left or right, {s}: l or r
    ("{side}_shoulder", "{side}_upper_arm", "{side}_clavicle"),
    ("{side}_elbow", "{side}_forearm", "{s}humerus"),
    ("{side}_wrist", "{s}radius", "{side}_hand"),
    ("{side}_hip", "{side}_upper_leg", "{s}hipjoint"),
    ("{side}_knee", "{side}_lower_leg", "{s}femur"),
    ("{side}_ankle", "{s}tibia", "{side}_foot"),
    ("{side}_foot", "{side}_toes"),
)
PLACES = (  # names of one place in the layouts of the development sets
    ("hip_center", "waist", "root", "hips"),
    ("spine", "upperback"),
    ("chest", "shoulder_center", "neck", "thorax", "left_collar", "right_collar"),
    ("neck", "shoulder_center", "lowerneck"),
    ("head", "head_tip"),
    *(tuple(it.format(side=side, s=side[0]) for it in place) for side in ("left", "right") for place in SIDED),
)


def with_joints_of(clip: SkeletonClip, layout: JointLayout) -> SkeletonClip:
    """The clip with the joints of a layout. Raises ValueError naming a joint that has no counterpart."""
    found = {plain_joint(name): place for place, name in enumerate(clip.layout.joints)}
    places = [_place(plain_joint(name), found) for name in layout.joints]
    return replace(clip, keypoint=clip.keypoint[:, :, places], score=None, layout=layout)


def _place(name: str, found: dict[str, int]) -> int:
    if name in found:
        return found[name]
    for names in PLACES:
        for other in names:
            if name in names and other in found:
                return found[other]
    raise ValueError(f"there is no joint at the place of '{name}' among {', '.join(found)}")
