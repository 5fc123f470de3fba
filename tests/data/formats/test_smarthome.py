"""Toyota Smarthome's JSON of LCR-Net: order of numbers and joints, names, splits, pixels, and what is refused."""

import json

import numpy as np
import pytest

from kinegraph.data.read import read, recordings

JOINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (13, 3)).round(3)


def person(right=0.0, space=True):
    """The numbers of a person, coordinate by coordinate: all x, then all y ..."""
    found = {"pose2d": ((JOINTS[:, :2] + [right + 2, 2]) * 100).T.ravel().tolist(), "cumscore": 20.5}
    return found | ({"pose3d": (JOINTS + [right, 0, 0]).T.ravel().tolist()} if space else {})


def write(path, frames):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps({"K": 100, "njts": 13, "frames": frames}))
    return path


FRAMES = [[person(), person(3)], [person(3.01), person(0.01)], []]


def test_joints_and_names(tmp_path):
    found = recordings(write(tmp_path / "Walk_p25_r12_v15_c06_pose3d.json", FRAMES), up="y", units="m")
    (clip,) = found.clips
    assert (found.format, clip.layout.name, clip.keypoint.shape) == ("smarthome", "lcrnet13", (2, 3, 13, 3))
    assert clip.layout.joints[0] == "right_ankle"  # as LCR-Net's demo draws them: 0-2-4 is a right leg, 12 the head
    assert clip.layout.joints[12] == "head"
    assert (found.class_names[clip.label], len(found.class_names)) == ("Walk", 31)
    assert clip.attributes == {"subject": 25, "camera": 6, "view": 15, "recording": 12}
    assert clip.splits == {"xsub": "train", "cv1": "none", "cv2": "train"}
    one = min(clip.keypoint, key=lambda body: body[0, 0, 0])
    np.testing.assert_allclose(one[:2], [JOINTS, JOINTS + [0.01, 0, 0]], atol=1e-5)
    assert not clip.keypoint[:, 2].any()


def test_pixels_where_there_is_nothing_else(tmp_path):
    write(tmp_path / "wave" / "a.json", [[person(space=False)]] * 3)
    write(tmp_path / "bow" / "a.json", [[person(space=False)]] * 3)
    found = recordings(tmp_path)
    bow, wave = found.clips
    assert (found.units, found.class_names, bow.label, wave.label) == ("px", ("bow", "wave"), 0, 1)
    np.testing.assert_allclose(bow.keypoint[0, 0], (JOINTS[:, :2] + 2) * 100, rtol=1e-5)


def test_a_long_recording_has_no_label(tmp_path):
    (clip,) = read(write(tmp_path / "results_P17T07C02_lcrnet+v3d.json", FRAMES), units="m", up="y")
    assert (clip.label, clip.attributes["subject"], clip.attributes["camera"]) == (None, 17, 2)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([[{"pose3d": [1.0] * 38}]], "a pose3d that is not 3 x 13 numbers"),
        ([[{"pose3d": None}]], "a pose3d that is not 3 x 13 numbers"),
        ([{"pose3d": []}], "has no 'frames', a list of people each"),
        ([[], []], "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, frames, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(write(tmp_path / "Walk_p25_r12_v15_c06.json", frames), "smarthome"))
