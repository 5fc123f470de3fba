"""Cleaning: known ways come back, what was not asked for stays, noise becomes less and movement stays."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.cleaning import (
    Cleaning,
    cleaned,
    filled,
    mended_sides,
    needs,
    one_euro,
    savitzky_golay,
    smoothed,
    swapped_pairs,
    without_doubtful,
    without_jumps,
)
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

LAYOUT = load_layout("coco17")


def moving(frames: int = 30, degree: int = 2) -> SkeletonClip:
    """A body whose joints move on parabolas."""
    t = np.arange(frames)[:, None, None] / 30
    way = 5 + body("coco17") + t * [1, 0.5, -1] + (t**2 * [0.5, -1, 0.2] if degree == 2 else 0)
    return SkeletonClip(
        way[None].astype(np.float32), LAYOUT, "a", score=np.full((1, frames, 17), 0.9, np.float32), fps=30
    )


def with_gap(clip: SkeletonClip, first: int, last: int, joint: int = 4) -> SkeletonClip:
    """Frames first to last, last not included, without the joint."""
    keypoint, score = clip.keypoint.copy(), clip.score.copy()
    keypoint[0, first:last, joint], score[0, first:last, joint] = 0, 0
    return replace(clip, keypoint=keypoint, score=score)


@given(first=st.integers(2, 20), length=st.integers(1, 6))
@settings(max_examples=40)
def test_gaps_are_filled_on_the_way(first, length):
    """On a line exactly; on a parabola within what a step bends."""
    for degree, apart in ((1, 1e-5), (2, 0.003)):
        clip = moving(degree=degree)
        made = filled(with_gap(clip, first, first + length), most=length)
        np.testing.assert_allclose(made.keypoint, clip.keypoint, atol=apart)
        np.testing.assert_allclose(made.score, clip.score, atol=1e-6)


def test_longer_gaps_and_ends_stay_empty():
    for first, last in ((10, 16), (0, 3), (27, 30)):
        clip = with_gap(moving(), first, last)
        np.testing.assert_array_equal(filled(clip, most=5).keypoint, clip.keypoint)


def test_doubtful_joints_are_not_seen():
    clip = moving()
    clip.score[0, 7, 3] = 0.2
    made = without_doubtful(clip, 0.3)
    assert np.argwhere(~made.keypoint.any(-1)).tolist() == [[0, 7, 3]]
    assert made.score[0, 7, 3] == 0
    with pytest.raises(ValueError, match="has no scores, which --min-score compares"):
        without_doubtful(replace(clip, score=None), 0.3)


def test_a_jump_for_one_frame_is_not_seen():
    clip = moving()
    clip.keypoint[0, 12, 9] += 2
    made = without_jumps(clip, 0.5)
    assert np.argwhere(~made.keypoint.any(-1)).tolist() == [[0, 12, 9]]
    assert not without_jumps(moving(), 0.5).keypoint.any(-1).sum() < moving().keypoint.any(-1).sum()


@pytest.mark.parametrize("way", ["savgol", "one-euro"])
def test_jitter_becomes_less_and_movement_stays(way):
    clip = moving(90, degree=1)
    noise = np.random.default_rng(0).normal(0, 0.01, clip.keypoint.shape).astype(np.float32)
    made = smoothed(with_gap(replace(clip, keypoint=clip.keypoint + noise), 40, 43), way)
    assert not made.keypoint[0, 40:43, 4].any()
    jitter = [np.diff(it, 2, axis=1)[:, 10:25].std() for it in (noise, made.keypoint - clip.keypoint)]
    assert jitter[1] < 0.5 * jitter[0]
    assert np.abs(made.keypoint - clip.keypoint)[:, 50:, 5:].mean() < 0.03


def test_parabolas_pass_unchanged():
    """Savitzky and Golay's property, at the ends too; stretches shorter than a window are fitted as they are."""
    for frames in (3, 5, 8, 30):
        row = moving(frames).keypoint[0, :, 3].astype(np.float64)
        np.testing.assert_allclose(savitzky_golay(row), row, atol=1e-6)
    two = moving(2).keypoint[0, :, 3]
    np.testing.assert_array_equal(savitzky_golay(two), two)


def test_one_euro_stands_still_with_who_stands_still():
    still = np.ones((20, 3))
    np.testing.assert_array_equal(one_euro(still, 30, 1.0), still)


def test_all_steps_in_order_and_in_words():
    how = Cleaning(min_score=0.3, fill=2, smooth="savgol")
    clip = moving()
    clip.score[0, 7, 3] = 0.1
    np.testing.assert_allclose(cleaned(clip, how).keypoint, moving().keypoint, atol=0.01)
    assert str(how) == "without scores below 0.3, gaps of up to 2 frames filled, smoothed by savgol"
    assert not Cleaning()
    same = cleaned(clip, Cleaning())
    assert same is clip


# ---- left and right --------------------------------------------------------------------------------------------------


def exchanged(clip: SkeletonClip, first: int, last: int, pair: int) -> SkeletonClip:
    """Left and right of a pair exchanged in frames first to last, last not included."""
    keypoint, score, sides = clip.keypoint.copy(), clip.score.copy(), list(LAYOUT.mirror[pair])
    score[:, :, sides[0]] = 0.5
    keypoint[:, first:last, sides], score[:, first:last, sides] = (
        keypoint[:, first:last, sides[::-1]],
        score[:, first:last, sides[::-1]],
    )
    return replace(clip, keypoint=keypoint, score=score)


@given(first=st.integers(1, 20), length=st.integers(1, 8), pair=st.integers(0, len(LAYOUT.mirror) - 1))
@settings(max_examples=40)
def test_left_and_right_are_exchanged_back(first, length, pair):
    clip = exchanged(moving(), 0, 0, pair)
    mended = mended_sides(exchanged(moving(), first, first + length, pair))
    np.testing.assert_array_equal(mended.keypoint, clip.keypoint)
    np.testing.assert_array_equal(mended.score, clip.score)


def test_what_stays_exchanged_and_what_crosses_is_left():
    clip = exchanged(moving(), 12, 30, 7)
    np.testing.assert_array_equal(mended_sides(clip).keypoint, clip.keypoint)
    left, right = LAYOUT.mirror[7]
    crossing = moving().keypoint.copy()  # knees that pass each other at a steady speed
    crossing[0, :, left] = 5 + np.linspace(-0.5, 0.5, 30)[:, None] * [1, 0, 0]
    crossing[0, :, right] = 5 + np.linspace(0.5, -0.5, 30)[:, None] * [1, 0, 0]
    assert not swapped_pairs(replace(clip, keypoint=crossing)).any()


def test_what_is_needed_is_counted():
    clip = with_gap(exchanged(moving(), 10, 13, 7), 5, 8)
    keypoint = clip.keypoint.copy()
    keypoint[0, 20, 0] += 50
    found = needs(replace(clip, keypoint=keypoint))
    joints = 30 * 17
    assert (found.gaps, found.swaps) == (pytest.approx(3 / joints), pytest.approx(3 / 30))
    assert found.jumps >= 1 / joints


def test_sides_are_mended_where_it_is_asked_for():
    clip = exchanged(moving(), 10, 13, 7)
    np.testing.assert_array_equal(cleaned(clip, Cleaning(mend_sides=True)).keypoint, moving().keypoint)
    assert str(Cleaning(mend_sides=True, fill=3)) == "left and right mended, gaps of up to 3 frames filled"
    assert not Cleaning(mend_sides=False)
    other = replace(LAYOUT, mirror=())
    with pytest.raises(ValueError, match=r"says no left and right \(mirror\), which --mend-sides exchanges"):
        cleaned(replace(clip, layout=other), Cleaning(mend_sides=True))
