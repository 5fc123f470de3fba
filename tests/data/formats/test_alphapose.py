import json
from pathlib import Path

from kinegraph.data.formats import alphapose


def test_one_file_of_several_videos_names_no_class(tmp_path: Path) -> None:
    joints = [number for joint in range(17) for number in (10.0 * joint, 20.0 * joint + 5, 0.9)]
    found = [{"image_id": f"{video}/{t}.jpg", "keypoints": joints, "score": 2.0} for video in "ab" for t in range(3)]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(found), encoding="utf-8")
    recordings = alphapose.read(file)
    assert not recordings.class_names
    assert [(clip.name, clip.label) for clip in recordings.clips] == [("a", None), ("b", None)]
