"""Spellings of joints that people write, and layouts in which no two joints become one."""

import pytest

from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import layout_names, load_layout


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (("left_shoulder", "LShoulder", "l_shoulder", "Left Shoulder", "shoulder.L", "lshoulder", "ShoulderLeft",
          "PoseLandmark.LEFT_SHOULDER", "K4ABT_JOINT_SHOULDER_LEFT"), "left_shoulder"),
        (("left eye (inner)", "leftEyeInner", "LEFT_EYE_INNER"), "left_eye_inner"),
        (("midHip", "mid_hip", "Mid Hip"), "mid_hip"),
        (("RBigToe", "right-big-toe"), "right_big_toe"),
        (("rear",), "rear"),
        (("left_to_right",), "left_to_right"),
        (("17",), "17"),
        (("Левая рука",), "левая_рука"),
    ],
)  # fmt: skip
def test_spellings(names, plain):
    assert {plain_joint(name) for name in names} == {plain}


@pytest.mark.parametrize("name", layout_names())
def test_joints_of_a_layout_stay_different(name):
    joints = load_layout(name).joints
    assert len({*map(plain_joint, joints)}) == len(joints)
