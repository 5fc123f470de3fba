"""VideoPose3D's files of whole data sets: joints, what subjects and actions say, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats.videopose3d import H36M
from kinegraph.data.read import read, recordings
from kinegraph.safe_npz import load_npz, load_npz_object, npz_shapes
from tests.data.formats.test_poses import FRAMES

FAR = np.float32([2, 0, 5])
JOINTS = np.full((5, 32, 3), 9, np.float32)
JOINTS[:, H36M] = FRAMES + FAR


@pytest.fixture
def save(tmp_path):
    def write(value, key="positions_3d", packed=True):
        (np.savez_compressed if packed else np.savez)(tmp_path / "data.npz", **{key: value})
        return tmp_path / "data.npz"

    return write


@pytest.mark.parametrize("packed", [True, False])
def test_joints_in_space(save, packed):
    actions = {"Walking 1": JOINTS, "Walking": JOINTS + 1, "Sitting": JOINTS}
    found = recordings(save({"S1": actions, "S9": {"Sitting 2": JOINTS}}, packed=packed))
    clips = list(found.clips)
    assert (found.format, found.units, found.class_names) == ("videopose3d", "m", ("Sitting", "Walking"))
    assert [clip.name for clip in clips] == ["S1/Walking 1", "S1/Walking", "S1/Sitting", "S9/Sitting 2"]
    assert [clip.label for clip in clips] == [1, 1, 0, 0]
    assert (clips[0].layout.name, clips[0].fps, clips[0].attributes) == ("h36m17", 50, {"subject": "S1"})
    np.testing.assert_array_equal(clips[0].keypoint[0], FRAMES + FAR)
    assert [clip.splits["xsub"] for clip in clips] == ["train", "train", "train", "val"]


def test_joints_in_pictures_of_several_cameras(save):
    pixels = (FRAMES[..., :2] + 2) * 300
    found = recordings(save({"S1": {"Walking": [pixels, pixels + 50]}}, "positions_2d"), layout="h36m17")
    first, second = found.clips
    assert (found.units, second.name, second.attributes) == ("px", "S1/Walking/2", {"subject": "S1", "camera": 2})
    np.testing.assert_allclose(second.keypoint[0] - first.keypoint[0], 50, rtol=1e-4)


def test_human_eva(save):
    found = recordings(save({"Validate/S2": {"Jog 1 chunk0": FRAMES + FAR}}))
    (clip,) = found.clips
    assert (found.class_names, clip.fps, clip.splits) == (("Jog",), None, {"split": "val"})
    assert clip.attributes == {"subject": "S2"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "holds no clips in positions_3d"),
        (None, "holds None, expected {subject: {action: array}}"),
        ({"S1": 5}, "holds the subject 'S1', expected a name and its actions"),
        (
            {"S1": {"Walking": JOINTS, "Sitting": JOINTS[:, :9]}},
            r"is \(5, 9, 3\), expected numbers \(frames, 17 joints, 3\)",
        ),
        ({"S1": {"Walking": "far away"}}, "is 'far away', expected numbers"),
        ({"S1": {"Walking": JOINTS * np.nan}}, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, value, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(value), "videopose3d"))


def test_code_in_the_dictionary_is_not_run(save, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "PWNED"), "w")

    with pytest.raises(ValueError, match="its code is not run"):
        list(read(save({"S1": Evil()})))
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("packed", [True, False])
def test_a_zip_that_points_before_its_start_is_named(save, packed):
    path = save({"S1": {"Walking": JOINTS}}, packed=packed)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\5\6") + 16] += 10  # where the list of the zip begins
    path.write_bytes(content)
    for load in (npz_shapes, lambda file: load_npz_object(file, "positions_3d"), load_npz):
        with pytest.raises(ValueError, match=r"data\.npz is not a readable \.npz file of arrays"):
            load(path)
