"""Frame rules. `uniform_sample_test/*` of transforms.npz: MMAction2 v1.2.0 UniformSampleFrames, test mode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.sampling import loop_indices, resample, uniform_indices, uniform_test_indices
from tests.golden import golden

TRANSFORMS = golden("transforms.npz")


@pytest.mark.parametrize("key", [key for key in TRANSFORMS if key.startswith("uniform_sample_test/")])
def test_test_indices_are_the_published_ones(key):
    recorded, clips = (int(number) for number in key.split("/T")[1].split("_clips"))
    assert uniform_test_indices(recorded, 100, clips).ravel().tolist() == TRANSFORMS[key].tolist()


def test_loop_repeats_short_clips_and_cuts_long_ones():
    assert loop_indices(3, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert loop_indices(9, 4).tolist() == [0, 1, 2, 3]


@given(st.integers(1, 400), st.integers(1, 120), st.integers(0, 9))
def test_uniform_indices_cover_the_clip_in_order(recorded, frames, seed):
    chosen = uniform_indices(recorded, frames, np.random.default_rng(seed))
    assert len(chosen) == frames
    assert 0 <= chosen.min() <= chosen.max() < recorded
    if recorded < frames:
        assert set((np.diff(chosen) % recorded).tolist()) <= {1 % recorded}
    else:
        assert (np.diff(chosen) > 0).all()
    if recorded >= 2 * frames:  # one from each equal part
        starts = np.arange(frames + 1) * recorded // frames
        assert ((starts[:-1] <= chosen) & (chosen < starts[1:])).all()


@given(st.integers(1, 60), st.integers(2, 40))
def test_resampling_a_straight_line_gives_the_line(recorded, frames):
    line = (
        np.linspace(0, 1, recorded, dtype=np.float64).reshape(1, recorded, 1, 1)
        if recorded > 1
        else np.ones((1, 1, 1, 1))
    )
    expected = np.linspace(0.2, 0.9, frames) if recorded > 1 else np.ones(frames)
    np.testing.assert_allclose(resample(line, frames, 0.2, 0.9).ravel(), expected, atol=1e-12)


def test_resampling_to_the_same_length_changes_nothing():
    clip = np.random.default_rng(0).normal(size=(2, 17, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(resample(clip, 17), clip, atol=1e-6)
