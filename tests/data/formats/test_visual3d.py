"""Visual3D's text export: markers and joint centres, units by the size of bodies, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.made_up import write_text


def rows(*lines: str) -> str:
    return "".join(line.replace(" ", "\t") + "\n" for line in lines)


WALK = rows(
    " " + " ".join(["walk.c3d"] * 11),
    " Neck Neck Neck RShoulder RShoulder RShoulder MidHip MidHip MidHip RKneeAngle FP1",
    " TARGET TARGET TARGET LANDMARK LANDMARK LANDMARK TARGET TARGET TARGET LINK_MODEL_BASED FORCE",
    " PROCESSED PROCESSED PROCESSED ORIGINAL ORIGINAL ORIGINAL ORIGINAL ORIGINAL ORIGINAL ORIGINAL ORIGINAL",
    "ITEM X Y Z X Y Z X Y Z X X",
    "1 44.1628 -276.862 1475.697 32.5723 -243.141 676.575 1 2 3 12.5 0",
    "2 44.5 -276.9 1475.75    1 2 3 12.6 0",
)


@pytest.fixture
def walk(tmp_path):
    return lambda text=WALK, name="walk.txt": write_text(tmp_path / name, text)


def test_markers_become_the_joints_of_their_names(walk):
    found = recordings(walk())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps) == ("visual3d", "m", "openpose25", None)
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 0, place("neck")], [0.0441628, -0.276862, 1.475697], rtol=1e-6)
    np.testing.assert_allclose(clip.keypoint[0, 1, place("neck")], [0.0445, -0.2769, 1.47575], rtol=1e-6)
    assert not clip.keypoint[0, 1, place("right_shoulder")].any()
    assert any("mm" in line for line in found.assumed)


def test_folders_are_classes(walk, tmp_path):
    walk(name="walk/01.txt")
    walk(name="run/01.txt")
    assert recognise(tmp_path)[0].NAME == "visual3d"
    assert [(clip.name, clip.label) for clip in read(tmp_path)] == [("run/01", 0), ("walk/01", 1)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("walk.c3d\t", "run.c3d\t", 4), "has the signals of 2 recordings"),
        (("TARGET", "METRIC"), "the 1 marker RShoulder may be joints of"),
        (("ITEM", "FRAME"), "has no header of 5 lines with ITEM, X, Y and Z in the last one"),
        (("44.5", "x"), "line 7: could not convert string to float: 'x'"),
        (("44.5", "1e30"), "line 7 holds a number that is not finite"),
        (("\n2\t", "\n1\t"), "line 7 is of frame 1, expected one after 1"),
        (("\n1\t44", "\n\n1\t44"), "has no frames"),
    ],
)
def test_what_cannot_be_read_is_named(walk, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(walk(WALK.replace(*changes)), "visual3d"))
