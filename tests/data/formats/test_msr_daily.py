"""MSR Daily Activity 3D's text files: joints, people, frames without anybody, names, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

JOINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (20, 3)).round(3) + [0, 0, 2]


def frame(*people):
    rows = [f"{x:.3f} {y:.3f} {z:.3f} 1\n0.5 0.5 {z:.3f} 1" for it in people for x, y, z in JOINTS + [it, 0, 0]]
    return "\n".join([str(40 * len(people)), *rows])


WALK = "\n".join(["4 20", frame(0), frame(0, 1.5), frame(), frame(0.01)]) + "\n"


def test_joints_people_and_names(tmp_path):
    found = recordings(written(tmp_path / "a13_s02_e01_skeleton.txt", WALK))
    (clip,) = found.clips
    assert (found.format, clip.layout.name, clip.name) == ("msr-daily", "kinect20", "a13_s02_e01")
    assert (found.class_names[clip.label], clip.attributes, clip.splits) == (
        "walk", {"subject": 2, "episode": 1}, {"xsub": "val"},
    )  # fmt: skip
    assert clip.keypoint.shape == (2, 4, 20, 3)
    np.testing.assert_allclose(clip.keypoint[0, [0, 1, 3]], [JOINTS, JOINTS, JOINTS + [0.01, 0, 0]], atol=1e-5)
    assert clip.keypoint[1].any((1, 2)).tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("4 20", "5 20"), "ends inside a frame; is it cut"),
        (("40\n", "39\n"), "frame 1 has 39 rows, expected 40 a person"),
        ((" 1\n0.5 0.5", "\n0.5 0.5"), "line 3 has 3 numbers, expected 4"),
        (("4 20", "0 20"), "says 0 frames of 20 joints"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / "a13_s02_e01_skeleton.txt", WALK.replace(*changes, 1)), "msr-daily"))
