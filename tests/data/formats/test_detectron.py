"""Detectron2's instances as JSON, and the arrays that VideoPose3D's inference writes."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats.test_detections import check_walking, walking, written

FORMS = {
    "frames": lambda it: it,
    "instances": lambda it: [{"instances": frame} for frame in it],
    "object": lambda it: {"video": "a.mp4", "frames": it},
    "by number": lambda it: {str(t): frame for t, frame in enumerate(it)},
}


def instances() -> list[dict]:
    return [{"pred_keypoints": [it.tolist() for it in people], "scores": [0.9] * len(people)} for people in walking()]


@pytest.mark.parametrize("form", FORMS)
def test_instances_of_frames(tmp_path, form):
    found = recordings(written(tmp_path / "a.json", FORMS[form](instances())))
    assert found.format == "detectron"
    check_walking(next(found.clips))


def arrays(path):
    keypoints = np.empty((4, 2), object)
    for t, people in enumerate(walking()):
        rows = [np.stack([*it[:, :2].T, np.zeros(17), it[:, 2]]) for it in people]
        keypoints[t, 0], keypoints[t, 1] = [], np.stack(rows)
    np.savez(path, boxes=keypoints, segments=keypoints, keypoints=keypoints, metadata={"w": 1920, "h": 1080})
    return path


def test_arrays_of_videopose3d(tmp_path):
    (clip,) = read(arrays(tmp_path / "walk.mp4.npz"))
    assert (clip.name, clip.image_size) == ("walk", (1920, 1080))
    check_walking(clip)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)


def test_what_cannot_be_read_is_named(tmp_path):
    path = written(tmp_path / "a.json", [{"pred_keypoints": [[["x", 2, 3]]]}])
    with pytest.raises(ValueError, match=r"a\.json: a person of frame 0 has as keypoints"):
        list(read(path))
