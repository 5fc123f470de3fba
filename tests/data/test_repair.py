"""Frame rates and verticals: known positions between frames, joints that are not seen, pictures upside down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.repair import at_rate, turned_up
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import UPRIGHT
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("coco17")


def line(frames: int, fps: float | None = 30, channels: int = 3) -> SkeletonClip:
    """Every joint moves by (1, 2, 3) a frame."""
    keypoint = np.arange(frames)[None, :, None, None] * np.array([1.0, 2, 3])[:channels] + np.full((1, 1, 17, 1), 5.0)
    return SkeletonClip(
        keypoint.astype(np.float32), LAYOUT, "a", score=np.full((1, frames, 17), 0.5, np.float32), fps=fps
    )


@given(frames=st.integers(2, 40), fps=st.sampled_from([10.0, 12.5, 25, 30, 59.94, 120]), wanted=st.floats(5, 200))
@settings(max_examples=60)
def test_a_straight_way_stays_straight(frames, fps, wanted):
    clip, made = line(frames, fps), at_rate(line(frames, fps), wanted)
    assert made.fps == wanted
    seconds = np.arange(made.frames) / wanted
    assert abs(seconds[-1] - (frames - 1) / fps) <= 0.5 / wanted + 1e-9
    place = np.minimum(seconds * fps, frames - 1)
    np.testing.assert_allclose(made.keypoint[0, :, 3], 5 + place[:, None] * [1, 2, 3], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(made.score, 0.5, rtol=1e-6)
    assert at_rate(clip, fps) is clip


def test_a_joint_that_one_frame_shows_is_taken_where_that_frame_is_nearer():
    clip = line(3, fps=10)
    clip.keypoint[0, 1, 4] = 0
    made = at_rate(clip, 30).keypoint[0, :, 4]
    assert made.any(1).tolist() == [True, True, False, False, False, True, True]
    np.testing.assert_array_equal(made[[1, 5]], clip.keypoint[0, [0, 2], 4])


def test_the_own_rate_must_be_known():
    with pytest.raises(ValueError, match="does not say its frame rate, give --fps"):
        at_rate(line(3, fps=None), 30)


@pytest.mark.parametrize("up", list(UPRIGHT))
def test_upward_becomes_y(up):
    keypoint = np.zeros((1, 1, 17, 3), np.float32)
    keypoint[0, 0, 0, "xyz".index(up[-1])] = -1 if up[0] == "-" else 1
    turned = turned_up(SkeletonClip(keypoint, LAYOUT), up).keypoint
    assert turned[0, 0, 0].tolist() == [0, 1, 0]
    assert not turned[0, 0, 1:].any()


def test_pictures_with_y_upward():
    clip = SkeletonClip(np.full((1, 1, 17, 2), 100, np.float32), LAYOUT, image_size=(640, 480))
    clip.keypoint[0, 0, 5] = 0
    turned = turned_up(clip, "y").keypoint[0, 0]
    assert turned[0].tolist() == [100, 380]
    assert turned[5].tolist() == [0, 0]
    assert turned_up(clip, "-y") is clip
    with pytest.raises(ValueError, match="is for 3D recordings"):
        turned_up(clip, "z")
