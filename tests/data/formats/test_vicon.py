"""Vicon Nexus's .csv files: markers, sections, subjects, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.made_up import write_text

WALK = """\
Trajectories,,,,,,,,,,
100,,,,,,,,,,
,,Anna:Neck,,,Anna:RShoulder,,,Anna:midHip,,,*14,,
Frame,Sub Frame,X,Y,Z,X,Y,Z,X,Y,Z,X,Y,Z
,,mm,mm,mm,mm,mm,mm,mm,mm,mm,mm,mm,mm
1,0,44.1628,-276.862,1475.697,32.5723,-243.141,1476.575,-93.7218,124.786,874.279,1,2,3
2,0,44.5,-276.9,1475.7,,,,-93.8,124.8,874.3
"""
DEVICES = "Devices\n1000\n,Force,,\nFrame,Sub Frame,Fx,Fy,Fz\n,,N,N,N\n1,0,1,2,3\n1,1,1,2,3\n\n"


@pytest.fixture
def walk(tmp_path):
    return lambda text=WALK, name="walk.csv": write_text(tmp_path / name, text)


def test_markers_become_the_joints_of_their_names(walk):
    found = recordings(walk())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("vicon", "m", "openpose25", 100)
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 0, place("neck")], [0.0441628, -0.276862, 1.475697], rtol=1e-6)
    np.testing.assert_allclose(clip.keypoint[0, 1, place("mid_hip")], [-0.0938, 0.1248, 0.8743], rtol=1e-6)
    assert not clip.keypoint[0, 1, place("right_shoulder")].any()
    assert any("22 of its joints have no marker" in line for line in found.skipped())


@pytest.mark.parametrize(
    "text",
    [
        DEVICES + WALK,
        WALK + "\n" + DEVICES,
        WALK.replace(",", "\t"),
        WALK.replace(",", ";"),
        WALK.replace(",", ";").replace(".", ","),
        WALK.replace("mm", "m").replace("44.1628,-276.862,1475.697", "0.0441628,-0.276862,1.475697"),
        WALK.replace("\n2,0", "\n5,0"),
    ],
)
def test_other_sections_separators_units_and_frames(walk, text):
    (clip,) = read(walk(text))
    neck = clip.keypoint[0, 0, clip.layout.joints.index("neck")]
    np.testing.assert_allclose(neck, [0.0441628, -0.276862, 1.475697], rtol=1e-6)
    assert clip.frames == (5 if "\n5,0" in text else 2)


def test_a_layout_of_ones_own(walk, tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\njoints: [C7, RASI]\nbones: [[C7, RASI]]\ncentre: RASI\n")
    path = walk(WALK.replace("Neck", "C7").replace("RShoulder", "RASI"))
    (clip,) = read(path, layout=str(tmp_path / "mine.yaml"))
    np.testing.assert_allclose(clip.keypoint[0, 0, 0], [0.0441628, -0.276862, 1.475697], rtol=1e-6)


def test_folders_are_classes(walk, tmp_path):
    walk(name="walk/01.csv")
    walk(name="run/01.csv")
    assert recognise(tmp_path)[0].NAME == "vicon"
    assert [(clip.name, clip.label) for clip in read(tmp_path)] == [("run/01", 0), ("walk/01", 1)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("100,,", "often,,"), "line 2 holds 'often,,,,,,,,,,', expected frames a second"),
        (("Anna:RShoulder", "Anna:Neck"), "line 3 names the marker 'Anna:Neck' twice"),
        (("Sub Frame,X,Y,Z", "Sub Frame,X,Y,RX"), "line 4: the columns of the marker 'Anna:Neck' are not X, Y, Z"),
        ((",,mm", ",,furlong"), "line 5 has the unit 'furlong', expected one of m, cm, mm"),
        (("\n2,0", "\n1,0"), "line 7 is of frame 1, expected one after 1"),
        (("\n2,0", "\ntwo,0"), "line 7 is of frame 'two', expected a number"),
        (("\n2,0", "\n2000,0"), "numbers 2,000 frames and has 2 of them"),
        (("44.5", "inf"), "line 7 holds a number that is not finite"),
        (("44.5", "x"), "line 7: could not convert string to float: 'x'"),
        (("\n1,0", "\n\n1,0"), "walk.csv has no frames"),
        ((WALK, DEVICES), "has no section Trajectories"),
    ],
)
def test_what_cannot_be_read_is_named(walk, changes, reason):
    assert changes[0] in WALK
    with pytest.raises(ValueError, match=reason):
        list(read(walk(WALK.replace(*changes)), "vicon"))


def test_a_file_that_is_cut_within_a_row_is_no_shorter_recording(walk):
    with pytest.raises(ValueError, match=r"line 7 has 3 cells, the header has 14; is it cut\?"):
        list(read(walk(WALK[: WALK.index("-276.9") - 1])))
