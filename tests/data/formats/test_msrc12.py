"""MSRC-12: clips that end at action points, frames without anybody, states, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

JOINTS = np.random.default_rng(0).normal(0, 0.4, (8, 20, 4))
JOINTS[..., 3] = 1
JOINTS[2] = 0  # nobody is tracked
JOINTS[1, 7, 3] = 0
TIMES = 2_000_000_000 + 33_333 * np.arange(8)  # microseconds
ROWS = "".join(
    f"{time} {' '.join(f'{it:.6f}' for it in joints.ravel())}\n" for time, joints in zip(TIMES, JOINTS, strict=True)
)
POINTS = (TIMES[3] + 10, TIMES[6] + 10)
TAGS = "XQPCTick;Tag\n" + "".join(f"{round(point * 49.875)};G11\n" for point in POINTS)


@pytest.fixture
def save(tmp_path):
    def write(rows=ROWS, tags=TAGS, name="P1_1_11A_p06"):
        (tmp_path / f"{name}.csv").write_text(rows)
        if tags:
            (tmp_path / f"{name}.tagstream").write_text(tags)
        return tmp_path / f"{name}.csv"

    return write


def test_a_clip_ends_at_each_action_point(save):
    found = recordings(save())
    first, second = found.clips
    assert (found.format, found.units, first.layout.name, first.fps) == ("msrc12", "m", "kinect20", 30)
    assert (first.name, found.class_names[first.label], first.attributes) == (
        "P1_1_11A_p06_001", "beat both", {"subject": 6, "instruction": 1, "modality": 1},
    )  # fmt: skip
    np.testing.assert_allclose(first.keypoint[0, [0, 2]], JOINTS[[0, 3], :, :3], atol=1e-6)
    np.testing.assert_allclose(second.keypoint[0], JOINTS[4:7, :, :3], atol=1e-6)
    assert not first.keypoint[0, 1, 7].any()
    assert first.score[0, 1, 7] == 0


def test_a_recording_without_tags_is_one_clip(save):
    (clip,) = (found := recordings(save(tags=""))).clips
    assert (clip.name, clip.frames) == ("P1_1_11A_p06", 7)
    assert "no .tagstream" in found.assumed[0]


@pytest.mark.parametrize(
    ("rows", "tags", "reason"),
    [
        ("1 2 3\n", TAGS, "line 1 has 3 numbers, expected a time and 20 x"),
        (ROWS, TAGS + "x;G11\n", "line 4 holds 'x;G11', expected a tick and a tag"),
        (ROWS.replace("0.", "1e30", 1), "", "holds a number that is not finite"),
        (" ".join(["0"] * 81), "", "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, rows, tags, reason):
    assert recognise(save(tags=""))[0].NAME == "msrc12"
    with pytest.raises(ValueError, match=reason):
        list(read(save(rows, tags), "msrc12"))
