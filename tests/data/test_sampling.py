"""Frame rules. `uniform_sample_test/*` of transforms.npz: MMAction2 v1.2.0 UniformSampleFrames, test mode."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.sampling import (
    NO_FRAME,
    bent,
    bent_indices,
    loop_indices,
    moments,
    needed_frames,
    pad_indices,
    resample,
    sorted_indices,
    take_frames,
    uniform_indices,
    uniform_test_indices,
    window_indices,
    without_gaps,
)
from tests.golden import golden

TRANSFORMS = golden("transforms.npz")


@pytest.mark.parametrize("key", [key for key in TRANSFORMS if key.startswith("uniform_sample_test/")])
def test_test_indices_are_the_published_ones(key):
    recorded, clips = (int(number) for number in key.split("/T")[1].split("_clips"))
    chosen = uniform_test_indices(recorded, 100, clips)
    assert chosen.dtype.kind == "i"
    assert chosen.ravel().tolist() == TRANSFORMS[key].tolist()


@pytest.mark.parametrize("way", ["uniform_pyskl", "uniform_random_start"])
@pytest.mark.parametrize(("recorded", "frames"), [(7, 10), (3, 10), (2, 10), (13, 10), (40, 10)])
def test_test_indices_by_the_published_draws_of_pyskl(recorded, frames, way):
    """Before each choice there is a number for the part that is used, which is always all of it."""
    rng = np.random.RandomState(255)
    expected = []
    for clip in range(3):
        rng.rand()
        assert rng.randint(1) == 0
        if recorded < frames:
            regular = clip if recorded < 3 else clip * recorded // 3
            start = rng.randint(recorded) if way == "uniform_random_start" else regular
            expected.append((start + np.arange(frames)) % recorded)
        elif recorded < 2 * frames:
            left_out = np.sort(rng.choice(frames + 1, recorded - frames, replace=False))
            expected.append([t + (left_out <= t).sum() for t in range(frames)])
        else:
            bins = [i * recorded // frames for i in range(frames + 1)]
            expected.append(bins[:-1] + rng.randint(np.diff(bins)))
    chosen = uniform_test_indices(recorded, frames, 3, way)
    np.testing.assert_array_equal(chosen, expected)


def test_loop_repeats_short_clips_and_cuts_long_ones():
    assert loop_indices(3, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert loop_indices(9, 4).tolist() == [0, 1, 2, 3]


def test_padding_and_windows():
    assert pad_indices(3, 5).tolist() == [0, 1, 2, NO_FRAME, NO_FRAME]
    assert pad_indices(9, 4).tolist() == [0, 1, 2, 3]
    assert window_indices(9, 4).tolist() == [2, 3, 4, 5]
    assert window_indices(3, 5).tolist() == pad_indices(3, 5).tolist()
    starts = {int(window_indices(9, 4, np.random.default_rng(seed))[0]) for seed in range(200)}
    assert starts == set(range(6))
    short = {tuple(window_indices(3, 5, np.random.default_rng(seed)).tolist()) for seed in range(20)}
    assert short == {(0, 1, 2, NO_FRAME, NO_FRAME)}  # there is nothing to choose


def test_taking_frames_puts_zeros_where_there_is_none():
    clip = np.arange(1.0, 5).reshape(1, 4, 1, 1)
    assert take_frames(clip, np.array([3, NO_FRAME, 0])).ravel().tolist() == [4, 0, 1]


def test_needed_frames_by_hand():
    needed, place = needed_frames(np.array([[5, 2, NO_FRAME, 5]]), 7, following=False)
    assert (needed.tolist(), place.tolist()) == ([0, 2, 5], [[2, 1, NO_FRAME, 2]])
    needed, place = needed_frames(np.array([[6, 2]]), 7, following=True)
    assert (needed.tolist(), place.tolist()) == ([0, 1, 2, 3, 6], [[4, 2]])


@given(st.integers(1, 60), st.integers(1, 60), st.floats(-0.99, 0.99))
def test_a_change_of_speed_keeps_ends_and_order(recorded, frames, bend):
    shares = bent(np.linspace(0, 1, 50), bend)
    np.testing.assert_allclose(shares[[0, -1]], [0, 1], atol=1e-12)
    assert (np.diff(shares) > 0).all()
    moved = bent_indices(np.sort(uniform_indices(recorded, frames, np.random.default_rng(0))), recorded, bend)
    assert ((moved >= 0) & (moved < recorded)).all()
    assert (np.diff(moved) >= 0).all()


def test_a_change_of_speed_by_hand():
    """Half way through, the clip has gone bend / pi further than at constant speed."""
    line = np.linspace(0, 1, 101).reshape(1, 101, 1, 1)
    np.testing.assert_allclose(resample(line, 3, bend=0.5).ravel(), [0, 0.5 + 0.5 / np.pi, 1], atol=1e-12)
    part = resample(line, 3, 0.2, 0.6, bend=0.5).ravel()
    np.testing.assert_allclose(part, [0.2, 0.4 + 0.4 * 0.5 / np.pi, 0.6], atol=1e-12)
    assert bent_indices(np.array([0, 50, 100, NO_FRAME]), 101, 0.5).tolist() == [0, 66, 100, NO_FRAME]
    assert bent_indices(np.arange(9), 9, 0.0).tolist() == list(range(9))
    assert bent_indices(np.array([999_999]), 1_000_000, 1.0).tolist() == [999_999]  # a speed of 0 at the end


@given(st.integers(1, 400), st.integers(1, 120), st.integers(0, 9))
def test_uniform_indices_cover_the_clip_in_order(recorded, frames, seed):
    chosen = uniform_indices(recorded, frames, np.random.default_rng(seed))
    assert len(chosen) == frames
    assert chosen.dtype.kind == "i"
    assert 0 <= chosen.min() <= chosen.max() < recorded
    if recorded < frames:
        assert set((np.diff(chosen) % recorded).tolist()) <= {1 % recorded}
    else:
        assert (np.diff(chosen) > 0).all()
    if recorded >= 2 * frames:  # one from each equal part
        starts = np.arange(frames + 1) * recorded // frames
        assert ((starts[:-1] <= chosen) & (chosen < starts[1:])).all()


def test_uniform_indices_are_any_of_those_that_the_published_rule_allows():
    """Of less than twice the frames, any may be left out that are not neighbours; of more, each part has any of its."""
    few = {tuple(uniform_indices(5, 3, np.random.default_rng(seed)).tolist()) for seed in range(200)}
    assert few == {(1, 3, 4), (1, 2, 4), (1, 2, 3), (0, 2, 4), (0, 2, 3), (0, 1, 3)}
    many = {tuple(uniform_indices(6, 3, np.random.default_rng(seed)).tolist()) for seed in range(200)}
    assert many == set(product((0, 1), (2, 3), (4, 5)))


@given(st.integers(1, 60), st.integers(2, 40))
def test_resampling_a_straight_line_gives_the_line(recorded, frames):
    line = (
        np.linspace(0, 1, recorded, dtype=np.float64).reshape(1, recorded, 1, 1)
        if recorded > 1
        else np.ones((1, 1, 1, 1))
    )
    expected = np.linspace(0.2, 0.9, frames) if recorded > 1 else np.ones(frames)
    np.testing.assert_allclose(resample(line, frames, 0.2, 0.9).ravel(), expected, atol=1e-12)


def test_a_moment_lies_between_two_recorded_frames():
    """The last one too, as long as there are two."""
    for recorded, wanted, frames, share in (
        (5, 3, [[0, 2, 3], [1, 3, 4]], [0, 0, 1]),
        (2, 3, [[0, 0, 0], [1, 1, 1]], [0, 0.5, 1]),
        (1, 2, [[0, 0], [0, 0]], [0, 0]),
    ):
        found = moments(recorded, wanted)
        assert (found[0].tolist(), found[1].tolist()) == (frames, share)


def test_resampling_to_the_same_length_changes_nothing():
    clip = np.random.default_rng(0).normal(size=(2, 17, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(resample(clip, 17), clip, atol=1e-6)


def test_frames_in_which_a_person_is_away_are_filled_from_those_around():
    body = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
    clip = np.stack([body, np.zeros_like(body), np.zeros_like(body), body + 3, np.zeros_like(body)])[None]
    clip[0, 3, 2] = 0  # a joint that one side does not show
    filled = without_gaps(clip)
    expected = clip.copy()
    expected[0, 1, :2], expected[0, 2, :2] = body[:2] + 1, body[:2] + 2
    np.testing.assert_allclose(filled, expected)  # at the end nobody is known to come back
    away = np.stack([clip[0], np.zeros_like(clip[0])])
    np.testing.assert_array_equal(without_gaps(away)[1], 0)


def test_without_a_gap_nothing_changes():
    clip = np.random.default_rng(0).normal(size=(2, 9, 5, 3)).astype(np.float32)
    assert without_gaps(clip) is clip
    clip[1, :4] = clip[0, 7:] = 0  # come later, leave earlier
    np.testing.assert_array_equal(without_gaps(clip), clip)


def test_sorted_frames_are_any_of_the_clip_in_order():
    drawn = [sorted_indices(10, 20, np.random.default_rng(seed)) for seed in range(50)]
    assert all((np.diff(it) >= 0).all() for it in drawn)
    assert set(np.concatenate(drawn)) == set(range(10))
    assert sorted_indices(10, 4).tolist() == [0, 3, 6, 9]
    assert len(sorted_indices(1, 300, np.random.default_rng(0))) == 300  # more than a hundred times each
