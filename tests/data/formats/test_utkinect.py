"""UTKinect's text files: actions by their frames, repeated rows, recordings without labels, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

JOINTS = np.arange(8 * 60).reshape(8, 20, 3) / 1000 + 1
NUMBERS = (252, 254, 254, 256, 300, 301, 390, 400)  # of the frames; one is there twice
ROWS = "".join(
    f"{number}  {'  '.join(f'{it:.6f}' for it in joints.ravel())}\n"
    for number, joints in zip(NUMBERS, JOINTS, strict=True)
)
LABELS = "s01_e01\nwalk: 252 300  \nsitDown: 301 390\ncarry: NaN NaN\n\ns01_e02\nwalk: 1 2\n"


@pytest.fixture
def save(tmp_path):
    def write(rows=ROWS, labels=LABELS, name="joints/joints_s01_e01.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(rows)
        if labels:
            (tmp_path / "actionLabel.txt").write_text(labels)
        return tmp_path / name

    return write


def test_actions_are_clips(save, tmp_path):
    save()
    found = recordings(tmp_path)
    walk, sit = found.clips
    assert (found.format, found.units, walk.layout.name, walk.fps) == ("utkinect", "m", "kinect20", 15)
    assert [(clip.name, found.class_names[clip.label]) for clip in (walk, sit)] == [
        ("s01_e01_walk", "walk"),
        ("s01_e01_sitDown", "sit down"),
    ]
    np.testing.assert_allclose(walk.keypoint[0], JOINTS[[0, 1, 3, 4]], rtol=1e-6)  # of the two rows 254 the first
    np.testing.assert_allclose(sit.keypoint[0], JOINTS[[5, 6]], rtol=1e-6)
    assert walk.attributes == {"subject": 1, "episode": 1}


def test_a_recording_without_labels_is_one_clip(save):
    found = recordings(save(labels=""))
    (clip,) = found.clips
    assert (clip.name, clip.label, clip.frames) == ("s01_e01", None, 7)
    assert "no actionLabel.txt" in found.assumed[0]


@pytest.mark.parametrize(
    ("rows", "labels", "reason"),
    [
        (("1.0590", "x"), (), "line 1: could not convert string to float"),
        (("1.000000  ", ""), (), "line 1 has 60 numbers, expected a frame and 20 x"),
        ((), ("sitDown", "sitUp"), "actionLabel.txt line 3 holds 'sitUp: 301 390', expected an action such as"),
        ((), ("s01_e01", "s09_e09"), "is not in actionLabel.txt"),
    ],
)
def test_what_cannot_be_read_is_named(save, rows, labels, reason):
    path = save(ROWS.replace(*rows) if rows else ROWS, LABELS.replace(*labels) if labels else LABELS)
    assert recognise(save())[0].NAME == "utkinect"
    path = save(ROWS.replace(*rows) if rows else ROWS, LABELS.replace(*labels) if labels else LABELS)
    with pytest.raises(ValueError, match=reason):
        list(read(path, "utkinect"))
