"""ChaLearn's gestures: cut out of recordings by the labels beside them, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault
from tests.data.formats import written
from tests.made_up import body

PLACES = np.stack([body("kinect20") + [0.01 * t, 0, 2] for t in range(12)]).round(5)
TURN = np.tile([0.5, 0.5, 0.5, 0.5], (12, 20, 1))
NUMBERS = np.concatenate([PLACES, TURN, np.full((12, 20, 2), 200)], axis=2).reshape(12, -1)
NUMBERS[0] = 0  # nobody yet
ROWS = "".join(",".join(f"{it:g}" for it in row) + "\n" for row in NUMBERS)
LABELS = "3,2,5\n11,6,12\n"


def write(folder, labels=LABELS, name="Sample0001"):
    written(folder / f"{name}_data.csv", "12,20,2500\n")
    if labels:
        written(folder / f"{name}_labels.csv", labels)
    return written(folder / f"{name}_skeleton.csv", ROWS)


def test_gestures_are_clips(tmp_path):
    write(tmp_path / "Sample0001")
    write(tmp_path / "Sample0002", name="Sample0002")
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.format, clips[0].layout.name, clips[0].fps, found.count, len(clips)) == (
        "chalearn",
        "kinect20",
        20,
        4,
        4,
    )
    assert [(it.name, found.class_names[it.label]) for it in clips[:2]] == [
        ("Sample0001_000002", "perfetto"),
        ("Sample0001_000006", "ok"),
    ]
    np.testing.assert_allclose(clips[1].keypoint[0], PLACES[5:], atol=1e-5)  # frames count from 1, the last one belongs


def test_a_recording_without_labels_is_one_clip(tmp_path):
    found = recordings(write(tmp_path, labels=""))
    (clip,) = found.clips
    assert (clip.frames, clip.label, clip.keypoint[0, 0].any()) == (12, None, False)
    assert found.assumed[0].startswith("Sample0001_skeleton.csv: each is one clip without label")


@pytest.mark.parametrize("wrong", ["3,8,13\n", "21,1,5\n"])
def test_gestures_that_cannot_be_name_their_line(tmp_path, wrong):
    items = list(recordings(write(tmp_path, LABELS + wrong), on_fault="keep").clips)
    assert len(items) == 3
    assert isinstance(items[2], Fault)
    assert "Sample0001_labels.csv line 3 has gesture" in str(items[2])
