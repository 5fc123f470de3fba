"""Files of SMPL and AMASS: joints where they are there, one line where only the turns of joints are."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.made_up import body

WALK = np.stack([1.7 * body("smpl22") + [0, 0, 0.01 * t + 1] for t in range(4)])


def write(path, **arrays):
    poses = {"poses": np.zeros((4, 156)), "betas": np.zeros(16), "trans": np.zeros((4, 3)), "gender": "female"}
    np.savez(path, **poses | {"mocap_framerate": np.array(120.0)} | arrays)
    return path


@pytest.mark.parametrize("joints", [22, 52, 127])
def test_joints_of_the_body_come_first(tmp_path, joints):
    further = np.full((4, joints - 22, 3), 0.5)
    found = recordings(write(tmp_path / "walk.npz", joints=np.concatenate([WALK, further], 1)))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.fps, clip.name) == ("smpl", "m", "smpl22", 120.0, "walk")
    np.testing.assert_allclose(clip.keypoint[0], WALK, rtol=1e-6)


def test_24_joints_are_those_of_smpl(tmp_path):
    joints = np.stack([1.7 * body("smpl24")] * 3)
    (clip,) = read(write(tmp_path / "a.npz", Jtr=joints, poses=np.zeros((3, 24, 3))))
    assert clip.layout.name == "smpl24"
    np.testing.assert_allclose(clip.keypoint[0], joints, rtol=1e-6)


def test_folders_are_classes(tmp_path):
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "01.npz", joints=WALK)
    assert recognise(tmp_path)[0].NAME == "smpl"
    assert [(clip.name, clip.label) for clip in read(tmp_path)] == [("run/01", 0), ("walk/01", 1)]


@pytest.mark.parametrize("poses", [np.zeros((4, 156)), np.zeros((4, 24, 3))])
def test_turns_without_joints_are_named(tmp_path, poses):
    message = r"a\.npz holds the turns of SMPL's joints, poses .*, and not where the joints are: compute them by"
    with pytest.raises(ValueError, match=message):
        list(read(write(tmp_path / "a.npz", poses=poses)))
    np.savez(tmp_path / "a.npz", poses=np.zeros((4, 72)))  # nothing beside them
    with pytest.raises(ValueError, match=message):
        list(read(tmp_path / "a.npz"))


def test_another_number_of_joints_is_not_smpl(tmp_path):
    """VIBE's joints3d begins with OpenPose's joints."""
    write(tmp_path / "a.npz", joints3d=np.ones((4, 49, 3), np.float32))
    with pytest.raises(ValueError, match="49 is no number of joints of SMPL; of VIBE's and SPIN's 49 the first 25"):
        recordings(tmp_path / "a.npz")
