"""Bodies of the CMU Panoptic Studio: one file per frame, people by their ids, cm, joints that were not seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.made_up import body

# Two people, y downward, in cm: frames 100, 101 and 103.
BODIES = 170 * body("panoptic19", 3) * [1, -1, 1] + [[[10, -90, 200]], [[150, -90, 150]]]
FRAMES = (100, 101, 103)


def write(folder: Path, joints: int = 19) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for t, number in enumerate(FRAMES):
        bodies = []
        for who, rest in enumerate(BODIES):
            pose = np.column_stack([rest + 3 * t, np.full(19, 0.8)])[:joints]
            if t == 1:
                pose[0] = [0, 0, 0, -1]
            bodies.append({"id": who, f"joints{joints}": pose.round(4).ravel().tolist()})
        content = {"version": 0.7, "univTime": 53541.5, "fpsType": "hd_29_97", "bodies": bodies[:: 1 - 2 * (t % 2)]}
        (folder / f"body3DScene_{number:08}.json").write_text(json.dumps(content))
    return folder


def test_frames_of_a_folder(tmp_path):
    found = recordings(write(tmp_path / "171204_pose1" / "hdPose3d_stage1_coco19"))
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.fps) == ("panoptic", "m", "171204_pose1", 29.97)
    assert (clip.people, clip.frames, clip.layout.name) == (2, 4, "panoptic19")
    for who, rest in enumerate(BODIES):
        np.testing.assert_allclose(clip.keypoint[who, 0], rest.round(4) / 100, atol=1e-5)
        np.testing.assert_allclose(clip.keypoint[who, 3], (rest + 6).round(4) / 100, atol=1e-5)
    assert not clip.keypoint[:, 1, 0].any()
    assert not clip.keypoint[:, 2].any()  # no file of this frame
    assert any("is upward" in line for line in found.assumed)


def test_folders_are_clips_and_15_joints_are_the_first(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / name / "hdPose3d_stage1", 15)
    clips = list(read(tmp_path))
    assert [clip.name for clip in clips] == ["a", "b"]
    assert not clips[0].keypoint[:, :, 15:].any()
    (single,) = read(tmp_path / "a" / "hdPose3d_stage1" / "body3DScene_00000100.json")
    assert (single.frames, single.people) == (1, 2)


@pytest.mark.parametrize(
    ("bodies", "reason"),
    [
        ([{"id": 0, "joints19": [1, 2, 3]}], "expected x, y, z of 19 or 15 joints"),
        ([{"id": 0, "joints19": [float("nan")] * 76}], "not finite"),
        ([], "has no person with keypoints"),
        ([3], "expected x, y, z of 19"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, bodies, reason):
    path = tmp_path / "body3DScene_00000001.json"
    path.write_text(json.dumps({"univTime": 1, "bodies": bodies}))
    with pytest.raises(ValueError, match=rf"body3DScene_00000001\.json.*{reason}"):
        list(read(path))
