"""OptiTrack Motive's .csv: bones, markers, rigid bodies, versions of the header, units, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.made_up import write_text

FACTS = "Format Version,1.23,Take Name,walk,Capture Frame Rate,120.0,Export Frame Rate,60.0,Total Frames in Take,2"


def block(*columns: tuple[str, str, str, str], parents: bool = False, words: bool = False) -> str:
    """The header above the frames. columns: type, name, parent, Position or Rotation."""
    wide = [(*column, axis) for column in columns for axis in ("XYZ" if column[3] == "Position" else "XYZW")]
    rows = [
        [",Type" if words else ",", *(it[0] for it in wide)],
        [",Name" if words else ",", *(it[1] for it in wide)],
        [",ID" if words else ",", *(str(i) for i in range(len(wide)))],
        *([[",Parent", *(it[2] for it in wide)]] if parents else []),
        [",", *(it[3] for it in wide)],
        ["Frame,Time (Seconds)", *(it[4] for it in wide)],
    ]
    return "\n".join(",".join(row) for row in rows)


BONES = block(
    ("Bone", "Anna:Hip", "Root", "Rotation"),
    ("Bone", "Anna:Hip", "Root", "Position"),
    ("Bone", "Anna:LUArm", "LShoulder", "Position"),
    ("Bone Marker", "Anna:WaistLFront", "", "Position"),
)
WALK = f"""\
{FACTS},Rotation Type,Quaternion,Length Units,Millimeters,Coordinate Space,Global

{BONES}
0,0.000000,0.01,0.02,0.03,0.99,12.5,954.25,-31.5,180.5,1402.75,-20.25,1,2,3
1,0.016667,0.01,0.02,0.03,0.99,13.5,955.25,-30.5,,,,1,2,3
"""
RIGID = block(*(("Rigid Body", name, "", "Position") for name in ("Head", "LeftHand", "RightHand")), words=True)
OWN = block(
    ("Bone", "Rex:Pelvis", "Root", "Position"),
    ("Bone", "Rex:Tail1", "Pelvis", "Position"),
    ("Bone", "Rex:Tail2", "Tail1", "Position"),
    parents=True,
    words=True,
)


@pytest.fixture
def walk(tmp_path):
    return lambda text=WALK, name="walk.csv": write_text(tmp_path / name, text)


def test_bones_are_joints(walk):
    found = recordings(walk())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("motive", "m", "motive21", 60)
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 0, place("hip")], [0.0125, 0.95425, -0.0315], rtol=1e-6)
    np.testing.assert_allclose(clip.keypoint[0, 0, place("left_upper_arm")], [0.1805, 1.40275, -0.02025], rtol=1e-6)
    np.testing.assert_allclose(clip.keypoint[0, 1, place("hip")], [0.0135, 0.95525, -0.0305], rtol=1e-6)
    assert not clip.keypoint[0, 1, place("left_upper_arm")].any()


def test_bones_without_a_built_in_layout_have_their_own(walk):
    (clip,) = read(walk(f"{FACTS},Length Units,Meters\n\n{OWN}\n5,0,0,1,0,0,1,-0.25,0,1,-0.5\n7,0,0,2,0,0,2,0,0,2,1\n"))
    assert clip.layout.joints == ("Pelvis", "Tail1", "Tail2")
    assert clip.layout.bones == ((1, 0), (2, 1))
    np.testing.assert_allclose(clip.keypoint[0, :, 2], [[0, 1, -0.5], [0, 0, 0], [0, 2, 1]])


def test_rigid_bodies_of_head_and_hands(walk):
    (clip,) = read(walk(f"{FACTS},Length Units,Meters\n\n{RIGID}\n0,0,0,1.7,0,0.3,1,0.2,-0.3,1.1,0.2\n"))
    assert clip.layout.joints == ("head", "left_hand", "right_hand")
    np.testing.assert_allclose(clip.keypoint[0, 0, 1], [0.3, 1, 0.2])


def test_two_people_and_folders(walk, tmp_path):
    two = block(*(("Bone", f"{who}:{bone}", "Root", "Position") for who in ("Anna", "Bob") for bone in ("Ab", "LUArm")))
    walk(f"{FACTS},Length Units,Meters\n\n{two}\n0,0,1,2,3,4,5,6,7,8,9,10,11,12\n", "meet/01.csv")
    walk(name="walk/01.csv")
    assert recognise(tmp_path)[0].NAME == "motive"
    meet, _ = (found := recordings(tmp_path)).clips
    assert (meet.keypoint.shape[0], found.class_names) == (2, ("meet", "walk"))
    np.testing.assert_allclose(meet.keypoint[1, 0, meet.layout.joints.index("left_upper_arm")], [10, 11, 12])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("Space,Global", "Space,Local"), "has Coordinate Space Local, .* export it as Global"),
        (("Millimeters", "Feet"), "has Length Units 'Feet', expected"),
        (("Export Frame Rate,60.0", "Export Frame Rate,fast"), "Export Frame Rate is 'fast'"),
        (("Position", "Rotation"), "rotations without positions; export with Positions"),
        (("Frame,Time", "Frames,Time"), "has no line that begins with Frame"),
        (("954.25", "x"), "line 8: could not convert string to float: 'x'"),
        (("954.25", "1e30"), "line 8 holds a number that is not finite"),
        (("\n1,0.0166", "\n0,0.0166"), "line 9 is of frame 0, expected one after 0"),
        (("\n1,0.0166", "\n999,0.0166"), "numbers 1,000 frames and has 2 of them"),
    ],
)
def test_what_cannot_be_read_is_named(walk, changes, reason):
    assert changes[0] in WALK
    with pytest.raises(ValueError, match=reason):
        list(read(walk(WALK.replace(*changes)), "motive"))
