import json
from pathlib import Path

import numpy as np

from kinegraph.data.formats import alphapose
from kinegraph.data.read import recordings
from tests.made_up import body


def test_one_file_of_several_videos_names_no_class(tmp_path: Path) -> None:
    joints = [number for joint in range(17) for number in (10.0 * joint, 20.0 * joint + 5, 0.9)]
    found = [{"image_id": f"{video}/{t}.jpg", "keypoints": joints, "score": 2.0} for video in "ab" for t in range(3)]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(found), encoding="utf-8")
    recordings = alphapose.read(file)
    assert not recordings.class_names
    assert [(clip.name, clip.label) for clip in recordings.clips] == [("a", None), ("b", None)]


def test_the_format_cmu_of_other_joints_than_openpose_has(tmp_path: Path) -> None:
    poses = 100 + 300 * (body("coco17", 2) + [[[t / 10, 0]] for t in range(3)])
    joints = [[number for x, y in pose for number in (x, y, 0.9)] for pose in poses.tolist()]
    frames = {f"{t}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": it}]} for t, it in enumerate(joints)}
    file = tmp_path / "walk.json"
    file.write_text(json.dumps(frames), encoding="utf-8")
    found = recordings(file)
    (clip,) = found.clips
    assert found.format == "alphapose"
    np.testing.assert_allclose(clip.keypoint[0], poses, rtol=1e-5)
