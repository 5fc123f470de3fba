"""MARS's mice and CalMS21's behaviours: order of numbers, segments, splits, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

PLACES = np.random.default_rng(0).uniform(100, 500, (6, 2, 2, 7)).round(1)  # frames, mice, x and y, parts
SCORES = np.full((6, 2, 7), 0.75)
MARS = {"keypoints": PLACES.tolist(), "scores": SCORES.tolist(), "bbox": [[[0, 0, 1, 1]] * 2] * 6}
VOCABULARY = {"attack": 0, "investigation": 1, "mount": 2, "other": 3}


def calms(labels=(3, 3, 0, 0, 1, 3), **more):
    about = {"metadata": {"vocab": VOCABULARY}, "annotations": list(labels)}
    sequence = MARS | about | more
    return {"annotator-id_0": {f"task1/{part}/mouse00{i}": sequence for i, part in enumerate(("train", "test"))}}


def test_mice_of_mars(tmp_path):
    found = recordings(written(tmp_path / "mice.json", MARS))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.joints[3], clip.segments) == ("mars", "px", "neck", None)
    np.testing.assert_allclose(clip.keypoint[1, 4, 6], PLACES[4, 1, :, 6], rtol=1e-6)
    assert clip.score.shape == (2, 6, 7)
    assert (clip.score == 0.75).all()


def test_behaviours_of_calms21_are_segments(tmp_path):
    found = recordings(written(tmp_path / "calms21_task1.json", calms()))
    train, test = found.clips
    assert (found.class_names, found.none) == (("attack", "investigation", "mount", "other"), "other")
    assert [(it.start, it.end, it.label) for it in train.segments] == [(2, 4, 0), (4, 5, 1)]
    assert (train.name, train.splits, test.splits) == ("task1/train/mouse000", {"split": "train"}, {"split": "test"})
    assert (train.fps, train.image_size) == (30, (1024, 570))
    (tmp_path / "names.txt").write_text("mount\nattack\n")
    with pytest.raises(ValueError, match="mouse000' has segments with classes of their own: leave --class-names out"):
        recordings(tmp_path / "calms21_task1.json", class_names=str(tmp_path / "names.txt"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (calms(labels=(3, 3, 0)), "has annotations that are no number of a behaviour for each of 6 frames"),
        (calms(labels=(3, 3, 0, 0, 1, 9)), "has annotations that are no number of a behaviour"),
        (MARS | {"keypoints": PLACES[..., :6].tolist()}, r"has as keypoints \(6, 2, 2, 6\), expected finite numbers"),
        (MARS | {"keypoints": np.zeros((6, 2, 2, 7)).tolist()}, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, content, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / "a.json", content), "mars"))
