"""Marker files: what a public one holds, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.skeleton.joint_names import plain_joint
from tests.data.formats import saving

# OpenCap's recording of stanfordnmbl/opencap-processing (walk.trc), cut to two frames and four of its markers.
WALK = """\
PathFileType\t4\t(X/Y/Z)\twalk.trc
DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames
60.0\t60.0\t2\t4\tm\t60.0\t1\t2
Frame#\tTime\tNeck\t\t\tRShoulder\t\t\tmidHip\t\t\tLBigToe\t\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2\tX3\tY3\tZ3\tX4\tY4\tZ4

1\t0.0000000\t-4.12985\t1.6742138\t0.33578\t-4.04821\t1.6723338\t0.48349\t-4.29581\t1.0928638\t0.34399\t\t\t
2\t0.0166667\t-4.10395\t1.6650638\t0.33032\t-4.00622\t1.6667938\t0.47951\t-4.28482\t1.0887938\t0.34493\t-4\t0.1\t0.3
"""


walk = saving(WALK, "walk.trc")


@pytest.mark.parametrize(("units", "metres"), [("m", 1), ("mm", 0.001), ("cm", 0.01)])
def test_markers_become_the_joints_of_their_names(walk, units, metres):
    found = recordings(walk(WALK.replace("\tm\t", f"\t{units}\t")))
    (clip,) = found.clips
    place = {name: i for i, name in enumerate(clip.layout.joints)}
    assert (found.format, clip.layout.name, clip.name, clip.fps) == ("trc", "openpose25", "walk", 60)
    neck, hip = clip.keypoint[0, :, place["neck"]], clip.keypoint[0, :, place["mid_hip"]]
    np.testing.assert_allclose(neck[1], np.float32([-4.10395, 1.6650638, 0.33032]) * metres, rtol=1e-6)
    np.testing.assert_allclose(hip[0], np.float32([-4.29581, 1.0928638, 0.34399]) * metres, rtol=1e-6)
    assert not clip.keypoint[0, 0, place["left_big_toe"]].any()  # its cells are empty there
    assert not clip.keypoint[0, :, place["nose"]].any()
    assert any("21 of its joints have no marker" in line for line in found.skipped())


def test_commas_and_labels(walk, tmp_path):
    walk()
    walk(WALK.replace("\t", ","), "other.trc")
    (tmp_path / "labels.csv").write_text("clip,label,subject\nwalk,walking,1\nother,standing,2\n")
    other, first = read(tmp_path, labels_file=tmp_path / "labels.csv")
    np.testing.assert_array_equal(other.keypoint, first.keypoint)
    assert (other.name, other.label, first.label, first.attributes) == ("other", 0, 1, {"subject": 1})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("midHip", "Neck"), "line 4 names the marker 'Neck' twice"),
        (("\tm\t", "\tfurlong\t"), "line 3: Units is 'furlong', expected one of m, cm, mm"),
        (("60.0", "often"), "line 3: DataRate is 'often', expected frames a second"),
        (("1.6742138", "1,67,2"), "line 7: could not convert string to float: '1,67,2'"),
        (("60.0\t60.0\t2\t", "60.0\t60.0\t9\t"), "says NumFrames 9 and has 2; is it cut"),
        (("1.6742138", "1e99"), "line 7 holds a number that is not finite"),
        (("-4\t0.1\t0.3", "-4\t0.1\t0.3\t7"), "line 8 has 13 coordinates, expected 12"),
    ],
)
def test_what_cannot_be_read_is_named(walk, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(walk(WALK.replace(*changes))))


def test_decimal_commas_and_units_in_words(walk):
    one = next(read(walk()))
    text = WALK.replace("\tm\t", "\tMeters\t")
    other = next(read(walk("\n".join([*text.split("\n")[:5], text.split("\n", 5)[5].replace(".", ",")]), "other.trc")))
    np.testing.assert_array_equal(one.keypoint, other.keypoint)


def test_names_of_markers():
    names = {
        "RBigToe": "right_big_toe",
        "R_Shoulder": "right_shoulder",
        "left elbow": "left_elbow",
        "midHip": "mid_hip",
    }
    assert {name: plain_joint(name) for name in names} == names


@pytest.mark.parametrize(("encoding", "point"), [("utf-16", "."), ("utf-8-sig", ",")])
def test_utf_16_and_decimal_commas(tmp_path, encoding, point):
    head, rows = WALK.split("\n", 1)
    (tmp_path / "as_usual.trc").write_text(WALK)
    (tmp_path / "other.trc").write_text(f"{head}\n{rows.replace('.', point)}", encoding=encoding)
    usual, other = (next(recordings(tmp_path / name).clips) for name in ("as_usual.trc", "other.trc"))
    np.testing.assert_array_equal(usual.keypoint, other.keypoint)
    assert usual.fps == other.fps


def test_clips_without_classes_have_a_split_for_a_table_of_segments(walk, tmp_path):
    for number in range(6):
        walk(name=f"{number}.trc")
    assert sorted(clip.splits["holdout"] for clip in read(tmp_path)) == ["train"] * 5 + ["val"]


def test_markers_of_several_subjects_are_several_people(walk):
    text = WALK.replace("RShoulder", "Anna:Neck").replace("midHip", "Anna:midHip")
    (clip,) = read(walk(text))
    assert clip.keypoint.shape[0] == 2
