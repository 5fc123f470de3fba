"""MABe22's mice: places, behaviours as segments, what does not change, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault

MICE = np.random.default_rng(0).integers(1, 800, (10, 3, 12, 2)).astype(np.int32)
LIGHT, CHASES = np.ones(10), np.array([0, 0, 1, 1, 1, 0, 0, 1, 0, 0.0])


def write(file, annotated=True, keypoints=MICE):
    said = {"annotations": np.stack([LIGHT, CHASES])} if annotated else {}
    content = {"sequences": {"A1": {"keypoints": MICE, **said}, "B2": {"keypoints": keypoints, **said}}}
    np.save(file, content | ({"vocabulary": ["lights", "chases"]} if annotated else {}), allow_pickle=True)
    return file


def test_behaviours_that_change_are_segments(tmp_path):
    found = recordings(write(tmp_path / "user_train.npy"))
    first, second = found.clips
    assert (found.format, found.units, found.class_names, found.none) == ("mabe", "px", ("other", "chases"), "other")
    assert (first.name, second.name, first.fps, first.keypoint.shape) == ("A1", "B2", 30, (3, 10, 12, 2))
    np.testing.assert_array_equal(first.keypoint[2], MICE[:, 2])
    assert [(it.start, it.end, it.label) for it in first.segments] == [(2, 5, 1), (7, 8, 1)]
    assert found.skipped() == ["the same in all frames of each recording: lights"]


def test_without_behaviours_there_are_no_segments(tmp_path):
    found = recordings(write(tmp_path / "submission_keypoints.npy", annotated=False))
    assert [(clip.name, clip.segments) for clip in found.clips] == [("A1", None), ("B2", None)]
    assert found.class_names == ()


@pytest.mark.parametrize("wrong", [MICE[..., :1], MICE[:0], np.array([["a"]])])
def test_another_shape_is_a_fault(tmp_path, wrong):
    items = list(recordings(write(tmp_path / "a.npy", keypoints=wrong), on_fault="keep").clips)
    assert isinstance(items[1], Fault)
    assert "expected (frames, 3, 12, 2)" in str(items[1])
