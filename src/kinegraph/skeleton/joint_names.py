"""Names of joints in one spelling, however people write them.

left_shoulder, LeftShoulder, LShoulder, l_shoulder, "Left Shoulder", shoulder.L and PoseLandmark.LEFT_SHOULDER are one
joint; so are left_eye_inner and "left eye (inner)", mid_hip and midHip.
"""

import re
from functools import lru_cache

SIDES = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}
PREFIX = re.compile(r"^\w*(?:Landmark|JointType|K4ABT_JOINT|Keypoint)[._]", re.IGNORECASE)
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
PARTS = "shoulder|elbow|wrist|hand|finger|thumb|hip|knee|ankle|foot|heel|toe|eye|clavicle|collar"
PARTED = {"handtip": ("hand", "tip"), "hmd": ("head",), "headset": ("head",), "controller": ("hand",)}  # of sensors
JOINED = re.compile(rf"([lr])((?:{PARTS})s?)")  # lshoulder; not ear: "rear" is a word


@lru_cache(maxsize=1 << 14)
def plain_joint(name: str) -> str:
    """The name as built-in layouts write it: words in small letters, left or right in front."""
    text = re.sub(r"[\W_]+", " ", PREFIX.sub("", name.strip()))
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
