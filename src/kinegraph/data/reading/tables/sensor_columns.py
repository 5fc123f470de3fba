"""Columns of tables as sensors and game engines log them, brought to the usual names: joint, axis, score.

HeadPosX, Head_position_x, "Head Position X", Head.pos.x, Head_px, Head.tx, 2DX_Head and HeadX are the x of Head.
SpineBase_state and SpineBase_TrackingState are its score: tracked 1, inferred 0.5, not tracked 0 and unseen. Columns of
rotations, speeds and forces, such as HeadRotX and Head_velocity_x, are no joints. LeftThumbTip, RightThumbTip ... are
two hands, a person each; so are p1_nose, p2_nose ... of people.
"""

import re
from collections.abc import Collection, Sequence

from kinegraph.data.reading.clips.clip_columns import UNIT
from kinegraph.data.reading.joints.named_joints import are_joints
from kinegraph.skeleton.joint_names import plain_joint

WORDS = r"[ _.\-]*(?:world|local|camera|joint)?[ _.\-]*(?:position|posi|pos|location|loc)[ _.\-]*"
POSITION = re.compile(rf"(.+?){WORDS}([xyz])", re.IGNORECASE)
SHORT = re.compile(r"(.+)[ _.\-:][pt]([xyz])", re.IGNORECASE)
BEFORE = re.compile(r"[23]d([xyz])[ _.\-](.+)", re.IGNORECASE)  # 2DX_head
ALONG = re.compile(r"(.+?)[ _.\-:/]+([xyz])", re.IGNORECASE)
JOINED = re.compile(r"(.*[a-z0-9])([XYZ])")
NUMBERED = re.compile(
    r"(pose|points?|joint|keypoint|kpt?|landmark|lm|marker|node|bodypart)_?([XYZ])_?(\d{1,3})"
)  # poseX0
WITH_UNIT = re.compile(r"(.[ _.\-][xyz])[ _.\-](px|pixels?|mm|cm|m)$", re.IGNORECASE)  # nose_x_px
STATE = re.compile(r"(.+?)[ _.\-]*(?:tracking)?[ _.\-]*(?:state|tracked)", re.IGNORECASE)
NO_PLACES = (
    "rot", "rota", "rotation", "quat", "quaternion", "orientation", "euler", "eulerangles", "angle", "angles",
    "angular", "vel", "velocity", "velo", "velocities", "speed", "acc", "accel", "acceleration", "accelerations",
    "jerk", "force", "forces", "moment", "moments", "torque", "torques", "power", "gyro", "mag", "forward", "normal",
    "scale", "dir", "direction", "gaze", "angularvelocity", "linearvelocity", "linearacceleration",
)  # fmt: skip
STATES = {
    "tracked": "1", "inferred": "0.5", "nottracked": "0", "2": "1", "1": "0.5", "0": "0", "true": "1", "false": "0",
}  # fmt: skip
OF_A_HAND = 15  # joints at least
FEWEST_PARTS = 3  # of an animal
SIDES = ("left_", "right_")


def usual_column(column: str) -> str:
    """The name of a column as joint_axis or joint_state, where it is one of these, without a unit behind it."""
    column = WITH_UNIT.sub(r"\1", UNIT.sub("", column.strip()))
    for pattern in (POSITION, SHORT, JOINED):
        if match := pattern.fullmatch(column):
            return f"{match[1]}_{match[2].lower()}"
    if match := NUMBERED.fullmatch(column):
        return f"{match[1]}{match[3]}_{match[2].lower()}"
    if match := BEFORE.fullmatch(column):
        return f"{match[2]}_{match[1].lower()}"
    if match := STATE.fullmatch(column):
        return f"{match[1]}_state"
    return column


def in_space(columns: Sequence[str]) -> list[str]:
    """The columns without x_0 and y_0 beside X_0, Y_0 and Z_0, as OpenFace writes pixels beside mm."""
    upper = {column.lower() for column in columns if column != column.lower()}
    return ["" if column == column.lower() and column in upper else column for column in columns]


def with_axes(columns: list[str]) -> list[str]:
    """The columns of a table with one row per joint, of which the first head_x, head_y, head_z become x, y and z."""
    if "joint" not in columns or {"x", "y"} & {*columns}:
        return columns
    matches = [ALONG.fullmatch(usual_column(column)) for column in columns]
    axes: dict[str, set[str]] = {}
    for match in filter(None, matches):
        axes.setdefault(match[1], set()).add(match[2].lower())
    chosen = next((word for word, there in axes.items() if {"x", "y"} <= there and is_place(word)), None)
    return [
        match[2].lower() if match and match[1] == chosen else column
        for match, column in zip(matches, columns, strict=True)
    ]


def is_place(joint: str) -> bool:
    """Whether a joint is one, and no rotation, speed or force of one."""
    return plain_joint(joint).rpartition("_")[2] not in NO_PLACES


def state_score(cell: str) -> str:
    """The score that a state means; other cells stay."""
    return STATES.get(re.sub(r"[\s_]+", "", cell).lower().removesuffix(".0"), cell)


OF_PEOPLE = (  # who a joint is of, in front of its name or behind it
    re.compile(r"(?P<who>[A-Za-z]*[ _]?\d{1,3}|[A-Za-z])[ _.\-]+(?P<joint>.*[A-Za-z].*)"),
    re.compile(r"(?P<joint>.*[A-Za-z].*?)[ _.\-]+(?P<who>[A-Za-z]*[ _]?\d{1,3}|[A-Za-z])"),
)


def bodies(joints: Sequence[str]) -> list[tuple[str, str]] | None:
    """The body, a hand or a person, and the joint of each name, where the names say several; else None."""
    return hands(joints) or people(joints)


def hands(joints: Sequence[str]) -> list[tuple[str, str]] | None:
    """The side and the joint of the hand of each joint, where all are joints of a left or a right hand; else None."""
    plain = [plain_joint(joint) for joint in joints]
    sides = [next((side for side in SIDES if name.startswith(side)), "") for name in plain]
    if not all(sides):
        return None
    split = [(side[:-1], name.removeprefix(side)) for side, name in zip(sides, plain, strict=True)]
    each = [{name for of, name in split if of == side} for side in dict(split)]
    if any(len(names) < OF_A_HAND or names != each[0] for names in each):
        return None
    return split


def people(joints: Sequence[str]) -> list[tuple[str, str]] | None:
    """The person and the joint of each column's name, where all name one, such as p1_nose or nose_2; else None.

    Each of two or more people has the same joints, which have names that are known, or are those of an animal.
    """
    for pattern in OF_PEOPLE:
        found = [pattern.fullmatch(joint.strip()) for joint in joints]
        split = [(parts["who"], parts["joint"]) for parts in found if parts]
        each = {who: {joint for other, joint in split if other == who} for who in dict(split)}
        names = next(iter(each.values()), set())
        alike = all(of == names for of in each.values()) and len(names) * len(each) == len(joints)
        if len(split) == len(joints) and len(each) > 1 and alike and (are_joints(names) or _are_of_animals(names)):
            return split
    return None


def _are_of_animals(joints: Collection[str]) -> bool:
    """Whether these are parts of an animal, of which SimBA numbers each: Nose_1, Tail_base_1, Nose_2, Tail_base_2."""
    return len(joints) >= FEWEST_PARTS and any("tail" in joint.lower() for joint in joints)


def is_turn(x: str, columns: Sequence[str]) -> bool:
    """Whether a column of x belongs to a quaternion, as one of w stands beside it."""
    with_w = {f"{x[:i]}w{x[i + 1 :]}".lower() for i, letter in enumerate(x) if letter in "xX"}
    return not with_w.isdisjoint(map(str.lower, columns))


def scored_row(row: list[str], place: int, axes: Sequence[int]) -> list[str]:
    """A row with the score of its state; a joint that is not tracked has no place."""
    score = state_score(row[place])
    return [score if i == place else "" if score == "0" and i in axes else cell for i, cell in enumerate(row)]
