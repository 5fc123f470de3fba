"""IntelliRehabDS: raw and simplified files, states, names, and what is refused."""

import re

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

# A frame of the data set (as printed in a public script), its shoulder made inferred and its thumb not tracked.
FRAME = """\
51615,3,6632,(SpineBase,Tracked,0.1407465,-0.01618211,2.642958,277.981,209.2025),(SpineMid,Tracked,0.1439389,0.3106374,\
2.622563,278.6025,163.4418),(Neck,Tracked,0.1460119,0.6271127,2.589385,279.2148,117.7276),(Head,Tracked,0.1527646,\
0.7744268,2.579439,280.2905,96.18451),(ShoulderLeft,Inferred,-0.02793079,0.5089267,2.602411,254.4908,135.0054),\
(ElbowLeft,Tracked,-0.0806906,0.2667878,2.630191,247.1744,169.7095),(WristLeft,Tracked,-0.1039654,0.02940379,2.608654,\
243.8165,202.8201),(HandLeft,Tracked,-0.09606399,-0.01941682,2.603497,244.9015,209.6922),(ShoulderRight,Tracked,\
0.3167299,0.4868576,2.554402,304.0968,136.7744),(ElbowRight,Tracked,0.3628582,0.2413872,2.567245,310.4086,172.384),\
(WristRight,Tracked,0.3858157,0.004776413,2.5557,313.9223,206.2689),(HandRight,Tracked,0.382229,-0.05734983,2.545668,\
313.6241,215.2357),(HipLeft,Tracked,0.06238811,-0.01422033,2.611025,267.2059,208.9539),(KneeLeft,Tracked,0.01087089,\
-0.3142282,2.683355,259.9275,249.9646),(AnkleLeft,Tracked,-0.01424084,-0.6091588,2.712693,256.5067,289.6372),(FootLeft,\
Tracked,-0.03621031,-0.67559,2.622143,253.3506,301.9038),(HipRight,Tracked,0.2149325,-0.0176756,2.597917,288.8086,\
209.4533),(KneeRight,Tracked,0.278372,-0.3420982,2.653026,297.0161,254.3634),(AnkleRight,Tracked,0.3131567,-0.6173937,\
2.701226,301.1605,291.1808),(FootRight,Tracked,0.3379418,-0.6711916,2.607368,306.2398,301.8926),(SpineShoulder,Tracked,\
0.1456582,0.5494619,2.599994,279.0636,129.1566),(HandTipLeft,Tracked,-0.0850715,-0.09645323,2.613563,246.4958,\
220.4976),(ThumbLeft,Tracked,-0.06424066,0.01071023,2.573286,249.2806,205.4288),(HandTipRight,Tracked,0.3846655,\
-0.1263849,2.531365,314.3,225.3091),(ThumbRight,NotTracked,0.3427438,-0.06380382,2.546667,307.8882,216.161)
"""
RAW = "Version0.1\n" + FRAME + FRAME
SIMPLE = re.sub(r"\(\w+,\w+,|,[^,]+,[^,]+\)", "", FRAME[len("51615,3,6632,") :])


save = saving(RAW, "RawData/303_18_4_10_2_chair.txt")


def test_a_raw_clip(save):
    found = recordings(save())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("irds", "m", "ntu25", 30)
    assert (clip.keypoint.shape, found.class_names[clip.label]) == ((1, 2, 25, 3), "shoulder abduction left")
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 1, place("left_hand_tip")], [-0.0850715, -0.09645323, 2.613563])
    np.testing.assert_allclose(clip.keypoint[0, 0, place("right_foot")], [0.3379418, -0.6711916, 2.607368])
    assert clip.score[0, 0, [place("left_shoulder"), place("right_thumb"), place("neck")]].tolist() == [0.5, 0, 1]
    assert not clip.keypoint[0, 0, place("right_thumb")].any()
    assert clip.attributes == {"subject": 303, "replication": 10, "correct": 0, "position": "chair"}


def test_the_simplified_form_is_read_where_there_is_no_raw_one(save, tmp_path):
    (raw,) = read(save())
    save(SIMPLE * 2, "Simplified/303_18_4_10_2_chair.txt")
    save(SIMPLE * 3, "Simplified/101_18_0_1_1_stand.txt")
    assert recognise(tmp_path)[0].NAME == "irds"
    stand, chair = (found := recordings(tmp_path)).clips
    assert (stand.frames, stand.score, stand.attributes["correct"], chair.frames) == (3, None, 1, 2)
    assert chair.score is not None
    np.testing.assert_allclose(stand.keypoint[0, 0, :24], raw.keypoint[0, 0, :24])
    assert found.skipped() == ["1 simplified file of clips whose raw ones are there: 303_18_4_10_2_chair.txt"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (RAW.replace("(Neck,Tracked", "(Neck,Lost"), "line 2 has the state 'Lost' of 'Neck'"),
        (RAW.replace("(Neck,Tracked", "(Neck;Tracked"), "line 2 has 24 joints in brackets, expected 25"),
        (RAW.replace("0.1407465", "x"), "line 2: could not convert string to float: 'x'"),
        (RAW.replace("0.1407465", "inf"), "line 2 holds a number that is not finite"),
        ("1,2,3\n", "line 1 has 3 numbers, expected 25 x"),
    ],
)
def test_what_cannot_be_read_is_named(save, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(text), "irds"))
