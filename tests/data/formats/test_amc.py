"""Acclaim's .amc with .asf: forward kinematics with known answers, units, names of CMU and HDM05, what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

ASF = """\
# two bones of a leg
:version 1.10
:name VICON
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lfemur
     direction 0 -1 0
     length 9
     axis 0 0 90  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-70.0 60.0)
  end
  begin
     id 2
     name ltibia
     direction 0 -1 0
     length 4.5
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root lfemur
    lfemur ltibia
  end
"""
AMC = """\
#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 0 18 0 0 0 0
lfemur 0 90 0
2
root 0.45 18 0 0 90 0
lfemur 0 0 0
3
root 0 18 0 90 0 90
lfemur 0 0 0
"""


def write(folder, asf=ASF, amc=AMC, names=("07.asf", "07_01.amc")):
    for name, text in zip(names, (asf, amc), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / names[1]


def test_joints_by_forward_kinematics(tmp_path):
    found = recordings(write(tmp_path))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.joints) == ("amc", "m", ("root", "lfemur", "ltibia"))
    assert (clip.fps, clip.attributes, clip.keypoint.shape) == (120, {"subject": 7}, (1, 3, 3, 3))
    inches = np.array(
        [
            [[0, 40, 0], [0, 40, 20], [0, 40, 30]],  # its own y is -x of the room: a quarter turn lifts the leg to +z
            [[1, 40, 0], [1, 20, 0], [1, 10, 0]],  # turned about the vertical
            [[0, 40, 0], [0, 40, -20], [0, 40, -30]],  # about x first: -y becomes -z, which z does not turn
        ]
    )
    np.testing.assert_allclose(clip.keypoint[0], inches * 0.0254, atol=1e-5)


def test_angles_in_radians(tmp_path):
    radians = AMC.replace(":DEGREES", ":RADIANS").replace(" 90", f" {np.pi / 2}")
    (clip,) = read(write(tmp_path, amc=radians))
    np.testing.assert_allclose(clip.keypoint[0, 0, 2], [0, 40 * 0.0254, 30 * 0.0254], atol=1e-5)


def test_another_unit_is_asked_for(tmp_path):
    path = write(tmp_path, ASF.replace("length 0.45", "length 1").replace("length 9", "length 90"))
    (clip,) = (found := recordings(path)).clips
    assert found.units == "normalised"
    assert any("their unit is unknown: kept as they are (--units)" in line for line in found.assumed)
    (clip,) = read(path, units="cm")
    np.testing.assert_allclose(clip.keypoint[0, 0, 1], [0, 0.18, 0.9], atol=1e-6)


def test_names_of_hdm05(tmp_path):
    write(tmp_path, names=("HDM_bd.asf", "HDM_bd_clap1Reps_001_120.amc"))
    write(tmp_path, names=("HDM_mm.asf", "HDM_mm_walk2StepsLstart_003_120.amc"))
    assert recognise(tmp_path)[0].NAME == "amc"
    clap, walk = (found := recordings(tmp_path)).clips
    assert found.class_names == ("clap1Reps", "walk2StepsLstart")
    assert (clap.label, walk.label, clap.fps, walk.attributes) == (0, 1, 120, {"subject": "mm"})


def test_skeletons_lie_in_the_folder_above_too(tmp_path):
    write(tmp_path, names=("07.asf", "walk/07_01.amc"))
    write(tmp_path, names=("07.asf", "run/07_02.amc"))
    found = recordings(tmp_path)
    assert [(clip.name, found.class_names[clip.label]) for clip in found.clips] == [
        ("run/07_02", "run"),
        ("walk/07_01", "walk"),
    ]


@pytest.mark.parametrize(
    ("asf", "amc", "reason"),
    [
        (None, None, "has no skeleton; put its .asf file into the same folder"),
        (("direction 0 -1 0", "direction 0 -1"), None, "line 17 holds '0 -1', expected 3 numbers"),
        (("90  XYZ", "90  XYX"), None, "line 19 has the order of axes 'XYX'"),
        (("dof rx", "dof qx"), None, "line 20 has the channels 'qx ry rz'"),
        (("    lfemur ltibia\n", ""), None, "has the bone 'ltibia', which :hierarchy does not name"),
        (("name ltibia", "name lfemur"), None, "line 27 names the bone 'lfemur'"),
        ((":bonedata", ":bones"), None, "has no bones in :bonedata"),
        ((), ("lfemur 0 90 0", "lfemur 0 90"), "line 6 has 2 numbers for 'lfemur', its skeleton has 3"),
        ((), ("lfemur 0 90 0", "lfoot 0"), "line 6 holds the bone 'lfoot', which its skeleton does not have"),
        ((), ("lfemur 0 90 0", "lfemur 0 x 0"), "line 6: could not convert string to float: 'x'"),
        ((), ("lfemur 0 90 0", "lfemur 0 nan 0"), "line 6 holds a number that is not finite"),
        ((), (AMC[25:], ""), "has no frames"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, asf, amc, reason):
    path = write(tmp_path, ASF.replace(*asf) if asf else ASF, AMC.replace(*amc) if amc else AMC)
    if asf is None:
        (tmp_path / "07.asf").unlink()
    with pytest.raises(ValueError, match=reason):
        list(read(path, "amc"))


def test_a_skeleton_alone_is_named(tmp_path):
    write(tmp_path)
    with pytest.raises(ValueError, match=r"07.asf is a skeleton without motion; give its .amc file"):
        read(tmp_path / "07.asf")
