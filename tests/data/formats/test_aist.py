"""AIST++: optimised joints in space, a clip a camera in pictures, what the names say, and what is refused."""

import pickle

import numpy as np
import pytest

from kinegraph.data.formats.aist import GENRES
from kinegraph.data.read import recordings
from tests.made_up import body

NAME = "gKR_sBM_cAll_d04_mKR2_ch01"
JOINTS = 100 * np.stack([body("coco17") + 0.01 * t for t in range(4)])


def write(path, **arrays):
    path.write_bytes(pickle.dumps(arrays or {"keypoints3d": JOINTS + 5, "keypoints3d_optim": JOINTS}))
    return path


def test_optimised_joints_in_space(tmp_path):
    found = recordings(write(tmp_path / f"{NAME}.pkl"))
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.fps) == ("aist", "m", NAME, 60)
    assert (found.class_names[clip.label], len(GENRES)) == ("krump", 10)
    assert clip.attributes == {"subject": 4, "music": "KR2", "situation": "BM"}
    np.testing.assert_allclose(clip.keypoint[0], JOINTS / 100, rtol=1e-5)


def test_each_camera_is_a_clip(tmp_path):
    pictures = np.concatenate([JOINTS[..., :2] + 500, np.full((4, 17, 1), 0.5)], 2)
    pictures[1, 3] = np.nan
    found = recordings(write(tmp_path / f"{NAME}.pkl", keypoints2d=np.stack([pictures + [c, 0, 0] for c in range(9)])))
    clips = list(found.clips)
    assert [it.attributes["camera"] for it in clips] == [*range(1, 10)]
    np.testing.assert_allclose(clips[2].keypoint[0, 0], pictures[0, :, :2] + [2, 0], rtol=1e-6)
    assert (clips[0].score[0, 1, 3], clips[0].keypoint[0, 1, 3].any()) == (0, False)


def test_another_content_is_a_fault(tmp_path):
    with pytest.raises(ValueError, match="has no keypoints3d"):
        recordings(write(tmp_path / f"{NAME}.pkl", smpl_poses=JOINTS))
