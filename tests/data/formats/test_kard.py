"""KARD's text files: order of joints, units, names, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

JOINTS = np.random.default_rng(0).uniform(-800, 800, (15, 3)).round(3) + [0, 0, 2500]
WALK = "".join(f"{x + t:.3f} {y:.3f} {z:.3f}\n" for t in range(4) for x, y, z in JOINTS)


def test_joints_and_names(tmp_path):
    written(tmp_path / "a14_s03_e02_screen.txt", WALK)
    written(tmp_path / "a14_s03_e02_realworld.txt", WALK)
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert (found.format, found.class_names[clip.label], clip.name) == ("kard", "walk", "a14_s03_e02")
    assert clip.attributes == {"subject": 3, "repetition": 2}
    place = clip.layout.joints.index
    for joint, row in (("head", 0), ("right_shoulder", 2), ("left_hand", 7), ("torso", 8), ("left_foot", 14)):
        np.testing.assert_allclose(clip.keypoint[0, 2, place(joint)], (JOINTS[row] + [2, 0, 0]) / 1000, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WALK + "1 2 3\n", "has 61 rows, expected 15 for each frame; is it cut"),
        (WALK.replace("\n", " 4\n", 1), "line 1 has 4 numbers, expected x, y and z"),
        (WALK.replace("\n", "\nx", 1), "line 2: could not convert"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / "a14_s03_e02_realworld.txt", text), "kard"))
