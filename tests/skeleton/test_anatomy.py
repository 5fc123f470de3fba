"""Left and right, spine and shoulders, found again in layouts that were robbed of them."""

from dataclasses import replace

import numpy as np
import pytest

from kinegraph.skeleton.anatomy import complete, other_side
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

# bone lengths (m) of a grown person, as far as trees differ in them
LENGTHS = {"collar": 0.03, "upper_arm": 0.17, "forearm": 0.29, "l_hand": 0.25, "r_hand": 0.25, "head_tip": 0.1,
           "upper_leg": 0.09, "lower_leg": 0.42, "foot": 0.41, "toes": 0.17}  # fmt: skip


def robbed(layout, opaque=False):
    joints = tuple(f"joint{i}" for i in range(len(layout))) if opaque else layout.joints
    return replace(layout, joints=joints, mirror=(), spine=None, shoulders=None)


def pairs(layout):
    return {frozenset(pair) for pair in layout.mirror}


def lengths_of(layout):
    return np.array([next((size for part, size in LENGTHS.items() if part in joint), 0.2) for joint in layout.joints])


@pytest.mark.parametrize("name", layout_names())
def test_names_tell_left_from_right(name):
    layout = load_layout(name)
    found, _ = complete(robbed(layout))
    points_of_face = {i for i, joint in enumerate(layout.joints) if joint.startswith("face_")}  # they have numbers
    assert pairs(found) == {pair for pair in pairs(layout) if not pair & points_of_face}
    if layout.shoulders and name != "kinect22":  # whose collars need lengths to differ from shoulders
        assert found.shoulders == layout.shoulders
    if layout.spine:
        assert found.spine[0] == layout.spine[0]


def test_what_a_layout_says_stays():
    layout = load_layout("ntu25")
    assert complete(layout) == (layout, "")
    assert complete(replace(layout, shoulders=None)) == (layout, "shoulders left_shoulder - right_shoulder")


def test_lengths_do_where_names_say_nothing():
    layout = load_layout("kinect22")
    found, _ = complete(robbed(layout, opaque=True), lengths_of(layout))
    assert pairs(found) == pairs(layout)
    assert set(found.shoulders) == set(layout.shoulders)
    assert [layout.joints[joint] for joint in found.spine] == ["waist", "chest"]


def test_one_side_is_the_same_for_all_joints_of_a_limb():
    layout = load_layout("kinect22")
    found, _ = complete(robbed(layout, opaque=True), lengths_of(layout))
    sides = [{layout.joints[pair[side]][0] for pair in found.mirror if layout.parents[pair[0]] != 0} for side in (0, 1)]
    assert all(len(side) == 1 for side in sides)


def test_sides_that_hang_differently_are_mirror_pairs_and_a_line_says_so():
    names = {"name": "odd", "joints": ["hip", "left_knee", "right_knee", "left_foot", "right_foot"], "centre": "hip"}
    bones = [["left_knee", "hip"], ["right_knee", "hip"], ["left_foot", "left_knee"], ["right_foot", "left_knee"]]
    found, said = complete(JointLayout.own(names | {"bones": bones}))
    assert found.mirror == ((1, 2), (3, 4))
    assert said.startswith("left and right by the names of the joints: 2 pairs")
    assert said.endswith("no bone 'right_foot' - 'right_knee'")


def test_of_an_own_layout_only_what_it_does_not_mention_is_added():
    spec = {**robbed(load_layout("coco17")).to_dict(), "mirror": []}
    assert complete(JointLayout.own(spec))[0].mirror == ()
    del spec["mirror"]
    found, said = complete(JointLayout.own(spec))
    assert pairs(found) == pairs(load_layout("coco17"))
    assert said.startswith("left and right by the names of the joints: 8 pairs such as left_eye - right_eye")


def test_a_hand_has_no_left_and_right():
    layout = load_layout("hand21")
    assert complete(robbed(layout, opaque=True)) == (robbed(layout, opaque=True), "")


@pytest.mark.parametrize(
    ("name", "other"),
    [("left_knee", "right_knee"), ("LKnee", "RKnee"), ("lhumerus", "rhumerus"), ("knee_l", "knee_r"),
     ("KneeL", "KneeR"), ("HandLeft", "HandRight"), ("hand.L.001", "hand.R.001"), ("L_hip", "R_hip")],
)  # fmt: skip
def test_the_ways_people_name_sides(name, other):
    assert other in other_side(name)
