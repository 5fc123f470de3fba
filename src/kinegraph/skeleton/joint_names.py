"""Names of joints in one spelling, however people write them.

left_shoulder, LeftShoulder, LShoulder, l_shoulder, "Left Shoulder", shoulder.L and PoseLandmark.LEFT_SHOULDER are one
joint; so are left_eye_inner and "left eye (inner)", mid_hip and midHip.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

SIDES = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}
PREFIX = re.compile(
    r"^(?:\w*(?:Landmark|JointType|K4ABT_JOINT|Keypoint)[._]|(?:body|joint|pose)_(?=[A-Z]))", re.IGNORECASE
)
SUFFIX = re.compile(r"(?<=\w)(?:[\W_]+joint|Joint)$")  # left_knee_joint, LeftKneeJoint
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
PARTS = "shoulder|elbow|wrist|hand|finger|thumb|hip|knee|ankle|foot|heel|toe|eye|clavicle|collar"
PARTED = {"handtip": ("hand", "tip"), "hmd": ("head",), "headset": ("head",), "controller": ("hand",)}  # of sensors
JOINED = re.compile(rf"([lr])((?:{PARTS})s?)")  # lshoulder; not ear: "rear" is a word
RIG_PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_?|bip\d*[ _]|character\d*_)", re.IGNORECASE)
OF_RIGS = {
    "hip": ("up_leg", "upper_leg", "thigh"),
    "knee": ("leg", "lower_leg", "low_leg", "shin", "calf"),
    "ankle": ("foot",),
    "foot": ("toe_base", "toe", "toes", "ball"),
    "collar": ("shoulder", "clavicle"),
    "shoulder": ("arm", "upper_arm", "up_arm"),
    "elbow": ("fore_arm", "forearm", "lower_arm", "low_arm"),
    "wrist": ("hand",),
}
OF_ACCLAIM = {"lhipjoint": "left_hip", "lfemur": "left_knee", "ltibia": "left_ankle", "left_clavicle": "left_shoulder",
              "lhumerus": "left_elbow", "lradius": "left_wrist", "left_wrist": "left_hand",
              "left_hand": "left_hand_end"}  # fmt: skip
MIDDLE = ("hips", "pelvis", "mid_hip", "hip", "hip_center", "spine_base", "root", "waist")
# Joints of Xsens' spine, by the vertebra above them -> the names of the same place in other layouts; from their heights
# in Xsens' MVN manual and in the layouts' own papers. Kinect v1's spine lies lower than v2's spine_mid.
OF_XSENS = {
    "lumbar_5": ("spine_1",),
    "lumbar_3": ("spine_navel", "ab"),
    "thoracic_12": ("spine_mid", "spine", "spine_2", "torso"),
    "thoracic_8": ("spine_3", "spine_chest", "chest"),
    "neck": ("spine_shoulder", "shoulder_center", "thorax", "upper_neck"),
}
RIG = {name: joint for joint, names in OF_RIGS.items() for name in names}
ACCLAIM = OF_ACCLAIM | {
    re.sub("^l", "r", name.replace("left", "right")): joint.replace("left", "right")
    for name, joint in OF_ACCLAIM.items()
}


@lru_cache(maxsize=1 << 14)
def plain_joint(name: str) -> str:
    """The name as built-in layouts write it: words in small letters, left or right in front."""
    text = re.sub(r"[\W_]+", " ", SUFFIX.sub("", PREFIX.sub("", name.strip())))
    if not text.isascii():
        return "_".join(text.lower().split())
    words = [part for word in map(str.lower, WORD.findall(text)) for part in _parted(word)]
    words = [SIDES.get(word, word) for word in words]
    sides = [word for word in words if word in ("left", "right")]
    if len(sides) == 1:
        words = sides + [word for word in words if word not in sides]
    return "_".join(words)


def _parted(word: str) -> tuple[str, ...]:
    if word in PARTED:
        return PARTED[word]
    joined = JOINED.fullmatch(word)
    return (joined[1], joined[2]) if joined else (word,)


# ---- bones of motion capture: LeftUpLeg and mixamorig:LeftUpLeg begin at the left hip --------------------------------
# Where a skeleton has names of a rig, each bone is the joint at which it begins; those of Acclaim (CMU's lfemur) are
# the joint at which it ends, where `data.formats.amc` places it. Only the same point of the body gets the same name.


def body_joints(names: Sequence[str]) -> list[str]:
    """The joints in one spelling, those of rigs by the place where they are."""
    plain = [plain_joint(RIG_PREFIX.sub("", name)) for name in names]
    if "lfemur" in plain:
        found = [ACCLAIM.get(name, name) for name in plain]
    elif any(f"left_{name}" in plain for name in OF_RIGS["hip"]):
        found = [_of_rig(name) for name in plain]
    else:
        found = plain
        for part, joint in (("foot", "ankle"), ("hand", "wrist")):
            if f"left_{joint}" not in plain:  # Human3.6M calls its ankles feet
                found = [re.sub(rf"^(left|right)_{part}$", rf"\1_{joint}", name) for name in found]
    if {"spine", "spine_1", "spine_2"} <= {*found} and "spine_3" not in found:  # SMPL counts from 1
        found = [{"spine": "spine_1", "spine_1": "spine_2", "spine_2": "spine_3"}.get(name, name) for name in found]
    return ["pelvis" if name in MIDDLE else name for name in found]


def spine_of_xsens(found: Sequence[str], wanted: Sequence[str]) -> list[int | None]:
    """For each wanted joint, in the spelling of `body_joints`, the found one of Xsens' spine at its place."""
    if "lumbar_5" not in found:
        return [None] * len(wanted)
    places = {other: found.index(name) for name, others in OF_XSENS.items() if name in found for other in others}
    return [places.get(name) for name in wanted]


def _of_rig(name: str) -> str:
    side, _, part = name.partition("_")
    return f"{side}_{RIG.get(part, part)}" if side in ("left", "right") else name
