"""BVH files: places of joints by hand, classes by folders, units, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

# A body of 160 cm: in frame 0 it stands, in frame 1 the root turns about z, then about x, and the left knee about y.
WALK = """\
HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftUpLeg {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT LeftFoot
    {
      OFFSET 0 -80 5
      CHANNELS 0
      End Site
      {
        OFFSET 0 0 15
      }
    }
  }
  JOINT RightUpLeg
  {
    OFFSET -10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT RightFoot
    {
      OFFSET 0 -80 5
      CHANNELS 3 Zrotation Xrotation Yrotation
    }
  }
  JOINT Head
  {
    OFFSET 0 70 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  }
  JOINT LeftArm { OFFSET 20 50 0 }
  JOINT RightArm { OFFSET -20 50 0 }
}
MOTION
Frames:\t2
Frame Time: 0.0333333
0 90 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
1 91 2 90 90 0 0 0 90 0 0 0 0 0 0 0 0 0 0 0 0
"""


walk = saving(WALK, "walk.bvh")


def test_joints_by_forward_kinematics(walk):
    found = recordings(walk())
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.fps, clip.label) == ("bvh", "m", "walk", 30, None)
    assert clip.layout.joints == (
        "Hips",
        "LeftUpLeg",
        "LeftFoot",
        "RightUpLeg",
        "RightFoot",
        "Head",
        "LeftArm",
        "RightArm",
    )
    assert clip.layout.parents == (0, 0, 1, 0, 3, 0, 0, 0)
    assert clip.layout.mirror == ((1, 3), (2, 4), (6, 7))
    stands, turns = clip.keypoint[0] * 100
    np.testing.assert_allclose(stands[2], [10, 10, 5], atol=1e-4)
    np.testing.assert_allclose(stands[5], [0, 160, 0], atol=1e-4)
    # Rz(90) Rx(90): x becomes y, y becomes z, z becomes x; the knee's own turn comes first: (0, -80, 5) is (5, -80, 0).
    np.testing.assert_allclose(turns[0], [1, 91, 2], atol=1e-4)
    np.testing.assert_allclose(turns[1], [1, 101, 2], atol=1e-4)
    np.testing.assert_allclose(turns[2], [1, 106, -78], atol=1e-4)
    np.testing.assert_allclose(turns[4], [6, 81, -78], atol=1e-4)
    np.testing.assert_allclose(turns[5], [1, 91, 72], atol=1e-4)  # its positions are all zero: OFFSET stays
    assert any(" large: cm (--units)" in line for line in found.assumed)
    assert found.skipped() == ["1 end site of the hierarchy, which have no name"]


def test_rotations_multiply_in_the_order_of_their_channels(walk):
    other = WALK.replace(
        "Zposition Zrotation Xrotation Yrotation\n  JOINT L", "Zposition Xrotation Zrotation Yrotation\n  JOINT L"
    )
    (clip,) = read(walk(other))  # Rx(90) Rz(90): x becomes z, y becomes -x
    np.testing.assert_allclose(clip.keypoint[0, 1, 1] * 100, [1, 91, 12], atol=1e-4)
    np.testing.assert_allclose(clip.keypoint[0, 1, 5] * 100, [-69, 91, 2], atol=1e-4)


def test_positions_of_a_joint_take_the_place_of_its_offset(walk):
    (clip,) = read(walk(WALK.replace("0 0 0 0 0 0\n", "0 60 1 0 0 0\n")))
    np.testing.assert_allclose(clip.keypoint[0, 0, 5] * 100, [0, 150, 1], atol=1e-4)


def test_a_joint_at_the_origin_is_seen(walk):
    (clip,) = read(walk(WALK.replace("OFFSET 0 90 0", "OFFSET 0 0 0").replace("\n0 90 0", "\n0 0 0")))
    assert clip.keypoint.any(3).all()
    assert np.abs(clip.keypoint[0, 0, 0]).max() < 1e-6


def test_the_upward_axis_is_said(walk):
    swapped = WALK.replace("OFFSET 0 -80 5", "OFFSET 0 5 -80").replace("OFFSET 0 70 0", "OFFSET 0 0 70")
    found = recordings(
        walk(swapped.replace("\n1 91 2 90 90", "\n1 91 2 0 0").replace(" 90 0 0 0 0 0 0", " 0 0 0 0 0 0 0"))
    )
    assert "z is upward (--up z turns the clips)" in found.assumed


def test_sub_folders_are_classes(walk, tmp_path):
    walk(name="walk/01.bvh")
    walk(WALK.replace("0 90 0 0", "0 95 0 0"), "run/01.BVH")
    assert recognise(tmp_path)[0].NAME == "bvh"
    found = recordings(tmp_path)
    run, walking = found.clips
    assert [(clip.name, clip.label) for clip in (run, walking)] == [("run/01", 0), ("walk/01", 1)]
    assert found.class_names == ("run", "walk")


def test_parts_of_a_split(walk, tmp_path):
    walk(name="train/walk/01.bvh")
    walk(name="val/walk/02.bvh")
    assert [(clip.label, clip.splits) for clip in read(tmp_path)] == [(0, {"split": "train"}), (0, {"split": "val"})]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("Frames:\t2", "Frames:\t3"), "says 3 frames and has 2; is it cut?"),
        (("Frame Time: 0.0333333", "Frame Time: 0.0333.3"), "line 39 holds 'Frame Time: 0.0333.3', expected a number"),
        (("Frame Time: 0.0333333", "Frame Time: 0"), "has Frame Time 0, expected seconds"),
        (("\n1 91 2", "\n1 91"), "line 41 has 20 numbers, expected 21, one for each channel"),
        (("\n1 91 2", "\n1 nan 2"), "line 41 holds a number that is not finite"),
        (("\n1 91 2", "\n1 up 2"), "line 41: could not convert string to float: 'up'"),
        (("OFFSET 10 0 0", "OFFSET 10 0"), "line 7 holds 'OFFSET 10 0', expected OFFSET and three numbers"),
        (("    OFFSET 10 0 0\n", ""), "has no OFFSET of the joint 'LeftUpLeg'"),
        (
            ("CHANNELS 3 Z", "CHANNELS 2 Z"),
            "line 8 holds 'CHANNELS 2 Zrotation Xrotation Yrotation', expected CHANNELS",
        ),
        (("Xrotation Yrotation\n  JOINT L", "Xrotation Wrotation\n  JOINT L"), "line 5 holds 'CHANNELS 6"),
        (("RightFoot", "LeftFoot"), "line 23 names the joint 'LeftFoot' twice"),
        (("JOINT Head", "ROOT Head"), "line 29 holds ROOT 'Head', expected one ROOT"),
        (("}\nMOTION", "}\n}\nMOTION"), r"line 37 holds '}', which is not expected there"),
        (("MOTION", ""), "line 38 holds 'Frames: 2', which is not expected there"),
    ],
)
def test_what_cannot_be_read_is_named(walk, changes, reason):
    assert changes[0] in WALK
    with pytest.raises(ValueError, match=reason) as caught:
        list(read(walk(WALK.replace(*changes))))
    assert "walk.bvh" in str(caught.value)


def test_a_chain_that_no_skeleton_has_is_refused(walk):
    joints = [f"JOINT j{i} {{ OFFSET 0 1 0\nCHANNELS 1 Xrotation\n" for i in range(900)]
    text = "HIERARCHY\nROOT r {\nOFFSET 0 0 0\n" + "".join(joints) + "}" * 901
    with pytest.raises(ValueError, match="has 900 joints one below the other, expected at most 200"):
        list(read(walk(text + "\nMOTION\nFrames: 1\nFrame Time: 1\n" + "0 " * 900)))


def test_files_of_other_joints_are_faults(walk, tmp_path):
    walk()
    walk(WALK.replace("Head", "Skull"), "zombie.bvh")
    with pytest.raises(ValueError, match=r"zombie\.bvh: the joint 'Head' is not in all files of the folder"):
        list(read(tmp_path))


CMU = """HIERARCHY
ROOT Hips { OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT LeftUpLeg { OFFSET 1.4 -1.8 0.8 CHANNELS 3 Zrotation Yrotation Xrotation
    JOINT LeftLeg { OFFSET 2.55 -7 0 CHANNELS 3 Zrotation Yrotation Xrotation
      JOINT LeftFoot { OFFSET 2.6 -7.1 0 CHANNELS 3 Zrotation Yrotation Xrotation } } }
  JOINT Spine { OFFSET 0 5 0 CHANNELS 3 Zrotation Yrotation Xrotation
    JOINT Head { OFFSET 0 5 0 CHANNELS 3 Zrotation Yrotation Xrotation } } }
MOTION
Frames: 1
Frame Time: 0.0083333
0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
"""


def test_the_unit_of_cmu_is_known_by_the_legs(tmp_path):
    lines = (
        CMU.replace("{", "\n{\n").replace("}", "\n}\n").replace(" CHANNELS", "\nCHANNELS").replace("  JOINT", "\nJOINT")
    )
    (tmp_path / "01_01.bvh").write_text(lines)
    found = recordings(tmp_path / "01_01.bvh")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0, 0, 0], [0, 17 * 0.0254 / 0.45, 0], atol=1e-5)
    assert any("legs are 15 long: CMU's unit of 5.644 cm (--units says others)" in line for line in found.assumed)
    (clip,) = recordings(tmp_path / "01_01.bvh", units="cm").clips
    np.testing.assert_allclose(clip.keypoint[0, 0, 0], [0, 0.17, 0], atol=1e-5)


@pytest.mark.parametrize(("encoding", "change"), [("utf-16", str), ("utf-8-sig", lambda text: text.replace(".", ","))])
def test_utf_16_and_decimal_commas(tmp_path, encoding, change):
    (tmp_path / "as_usual.bvh").write_text(WALK)
    (tmp_path / "other.bvh").write_text(change(WALK), encoding=encoding)
    usual, other = (next(recordings(tmp_path / name).clips) for name in ("as_usual.bvh", "other.bvh"))
    np.testing.assert_array_equal(usual.keypoint, other.keypoint)
    assert usual.fps == other.fps
