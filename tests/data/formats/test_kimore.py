"""KIMORE's joint positions: order of the joints, states, exercise and subject by folders, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

# The first row of JointPositionExercise1.csv (leowei31/KIMORE_Data_Visualization).
ROW = """\
-0.182126,-0.826557,2.62394,2,-0.17972,-0.529387,2.65895,2,-0.176491,-0.236486,2.68017,2,-0.178088,-0.101601,2.71716,2,\
-0.32715,-0.344827,2.62915,2,-0.414804,-0.570386,2.57045,1,-0.491161,-0.751866,2.50389,1,-0.485246,-0.780844,2.46527,1,\
-0.0173049,-0.360041,2.63731,2,0.0894755,-0.574325,2.60796,1,0.178021,-0.750712,2.54086,1,0.165442,-0.774456,2.49915,1,\
-0.250359,-0.81245,2.58812,2,-0.237711,-1.13347,2.6183,2,-0.257325,-1.44418,2.65722,2,-0.256062,-1.48967,2.5332,1,\
-0.109205,-0.819401,2.59226,2,-0.126485,-1.14339,2.62226,2,-0.0990886,-1.457,2.66508,2,-0.0870439,-1.50273,2.54187,1,\
-0.177447,-0.309215,2.6773,2,-0.491271,-0.81763,2.43923,2,-0.410959,-0.796941,2.43085,2,0.174688,-0.808912,2.47264,2,\
0.0768366,-0.784676,2.45631,2,
"""
ROWS = "\n\n" + ROW + "\n" + ROW


save = saving(ROWS, "JointPositionExercise1.csv")


def test_a_clip(save):
    found = recordings(save(ROWS.replace("-0.101601,2.71716,2", "-0.101601,2.71716,0")))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("kimore", "m", "ntu25", 30)
    assert (clip.keypoint.shape, found.class_names[clip.label]) == ((1, 2, 25, 3), "lifting of the arms")
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 0, place("left_hand")], [-0.485246, -0.780844, 2.46527])
    np.testing.assert_allclose(clip.keypoint[0, 0, place("right_thumb")], [0.0768366, -0.784676, 2.45631])
    assert not clip.keypoint[0, 0, place("head")].any()
    assert clip.score[0, 0, [place("head"), place("left_hand"), place("neck")]].tolist() == [0, 0.5, 1]


def test_the_published_folders(save, tmp_path):
    save(name="CG/Expert/E_ID1/Es5/Raw/JointPosition030414.csv")
    save(name="GPP/Stroke/S_ID2/Es2/Raw/JointPosition040414.csv")
    orientation = ",".join(["0.5"] * 100)
    save(orientation, "CG/Expert/E_ID1/Es5/Raw/JointOrientation030414.csv")
    assert recognise(tmp_path)[0].NAME == "kimore"
    squat, tilt = (found := recordings(tmp_path)).clips
    assert [clip.label for clip in (squat, tilt)] == [4, 1]
    assert [clip.attributes["subject"] for clip in (squat, tilt)] == ["E_ID1", "S_ID2"]
    assert found.class_names[4] == "squatting"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("2.62394,2,", "2.62394,"), "line 3 has 99 numbers, expected 25 x"),
        (("2.62394,2,", "2.62394,3,"), "line 3 has the state 3, expected 0, 1 or 2"),
        (("2.62394,2,", "2.62394,x,"), "line 3: could not convert string to float: 'x'"),
        (("2.62394,2,", "1e30,2,"), "line 3 holds a number that is not finite"),
        ((ROWS, "\n\n"), "has no frames"),
        ((ROWS, "0,0,0,0," * 25), "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, changes, reason):
    assert changes[0] in ROWS
    with pytest.raises(ValueError, match=reason):
        list(read(save(ROWS.replace(*changes)), "kimore"))
