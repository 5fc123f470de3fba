"""Names of motion capture: which joints of other layouts they are."""

import pytest

from kinegraph.inference.clip_matching import joints_by_name
from kinegraph.skeleton.joint_names import body_joints
from kinegraph.skeleton.layout import load_layout

PARTS = ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand")
MIXAMO = (
    "Hips",
    "Spine",
    "Spine1",
    "Spine2",
    "Neck",
    "Head",
    *(f"{side}{it}" for side in ("Left", "Right") for it in PARTS),
)
JOINTS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig_", "mixamorig", "Character1_", "Anna:"])
def test_bones_are_the_joints_at_which_they_begin(prefix):
    names = body_joints([prefix + name for name in MIXAMO])
    assert names == ["pelvis", "spine_1", "spine_2", "spine_3", "neck", "head"] + [
        f"{side}_{joint}" for side in ("left", "right") for joint in JOINTS
    ]


def test_bones_of_biped_and_of_acclaim():
    assert body_joints(["Bip01 L Thigh", "Bip01 L Calf", "Bip01 L Foot", "Bip01 L UpperArm"]) == [
        "left_hip",
        "left_knee",
        "left_ankle",
        "left_shoulder",
    ]
    assert body_joints(["root", "lhipjoint", "lfemur", "rtibia"]) == ["pelvis", "left_hip", "left_knee", "right_ankle"]


def test_a_rig_has_the_joints_of_smpl():
    found = tuple("mixamorig:" + name for name in MIXAMO)
    order = joints_by_name(found, load_layout("smpl22").joints)
    assert None not in order
    assert [MIXAMO[place] for place in order][:9] == [
        "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot", "RightFoot",
    ]  # fmt: skip
    assert MIXAMO[order[16]] == "LeftArm"


def test_what_is_not_there_is_not_made_up():
    order = joints_by_name(MIXAMO, load_layout("coco17").joints)
    missing = [name for name, place in zip(load_layout("coco17").joints, order, strict=True) if place is None]
    assert missing == ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]


@pytest.mark.parametrize("name", ["coco17", "ntu25", "smpl22", "hdm31", "kinect22", "motive21", "h36m17", "openpose25"])
def test_a_layout_is_itself(name):
    joints = load_layout(name).joints
    assert joints_by_name(joints, joints) == tuple(range(len(joints)))
    assert len(set(body_joints(joints))) == len(joints)


def test_the_spine_of_xsens_is_found_by_its_vertebrae():
    """T12 lies in the middle of the back; a Kinect's hands are not those of Xsens, which has wrists."""
    found, smpl, kinect = (load_layout(name).joints for name in ("xsens23", "smpl22", "kinect20"))
    at = dict(zip(smpl, joints_by_name(found, smpl), strict=True))
    assert [found[at[name]] for name in ("spine1", "spine2", "spine3", "left_hip", "right_wrist")] == [
        "lumbar_5", "thoracic_12", "thoracic_8", "left_upper_leg", "right_hand",
    ]  # fmt: skip
    lacking = [name for name, place in zip(kinect, joints_by_name(found, kinect), strict=True) if place is None]
    assert lacking == ["left_hand", "right_hand"]
