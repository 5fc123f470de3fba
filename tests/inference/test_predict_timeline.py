"""Timelines: windows with known answers give known stretches, whatever they are."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.inference.timeline import LEAST, frames_of, segments, steady_path, window_starts


def answers_of(classes, sure=0.9):
    """Probabilities of windows that are `sure` of one of three classes each."""
    rows = np.full((len(classes), 3), (1 - sure) / 2)
    rows[np.arange(len(classes)), classes] = sure
    return rows


def shown(starts, window, frames, rows):
    return [(one.start, one.stop, int(one.probabilities.argmax())) for one in segments(starts, window, frames, rows)]


def test_windows_reach_the_end():
    assert window_starts(100, 40, 20) == [0, 20, 40, 60]
    assert window_starts(105, 40, 20) == [0, 20, 40, 60, 65]
    assert window_starts(30, 40, 20) == [0]
    for stride in (0, 41):
        with pytest.raises(ValueError, match="expected from 1 to 40"):
            window_starts(100, 40, stride)


def test_two_movements_meet_in_the_middle():
    """The boundary is at frame 200: windows that begin before 160 see mostly the first, later ones the second."""
    starts = window_starts(400, 80, 20)
    rows = answers_of([0 if start + 40 < 200 else 2 for start in starts])
    (first, last) = segments(starts, 80, 400, rows)
    assert (first.start, last.stop) == (0, 400)
    assert (first.probabilities.argmax(), last.probabilities.argmax()) == (0, 2)
    assert abs(first.stop - 200) <= 20
    assert first.probabilities[0] > 0.8


def test_a_doubt_is_no_movement():
    starts = window_starts(400, 80, 20)
    classes = [0] * len(starts)
    classes[8] = 1
    assert shown(starts, 80, 400, answers_of(classes)) == [(0, 400, 0)]
    classes[4:12] = [1] * 8
    assert [label for *_, label in shown(starts, 80, 400, answers_of(classes))] == [0, 1, 0]


def test_without_overlap_a_segment_is_what_its_windows_say():
    (first, second) = segments([0, 50], 50, 100, answers_of([1, 2], sure=0.98))
    np.testing.assert_allclose(first.probabilities, [0.01, 0.98, 0.01])
    assert (first.start, first.stop, second.start, second.stop) == (0, 50, 50, 100)


@settings(max_examples=25)
@given(st.integers(1, 400), st.integers(1, 60), st.data())
def test_segments_are_the_whole_recording(frames, window, data):
    starts = window_starts(frames, window, data.draw(st.integers(1, window)))
    rows = np.random.default_rng(frames).dirichlet([0.3] * 3, len(starts))
    found = segments(starts, window, frames, rows)
    assert (found[0].start, found[-1].stop) == (0, frames)
    assert all(one.stop == other.start for one, other in pairwise(found))
    assert all(one.probabilities.argmax() != other.probabilities.argmax() for one, other in pairwise(found))
    np.testing.assert_allclose([one.probabilities.sum() for one in found], 1)
    whole = sum((one.stop - one.start) * one.probabilities for one in found) / frames
    if len(starts) == 1:
        np.testing.assert_allclose(whole, rows[0])
    turned = shown(starts, window, frames, rows[:, [2, 0, 1]])
    assert [(a, b, (label + 2) % 3) for a, b, label in turned] == shown(starts, window, frames, rows)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 2))
def test_no_other_path_is_better(seed, change):
    rng = np.random.default_rng(seed)
    probabilities, windows = rng.dirichlet([0.5] * 3, 6), rng.uniform(0.1, 1, 6)
    gain = np.log(np.maximum(probabilities, LEAST)) * windows[:, None]

    def merit(path):
        return gain[np.arange(6), list(path)].sum() - change * np.count_nonzero(np.diff(path))

    best = max(map(merit, product(range(3), repeat=6)))
    assert merit(steady_path(probabilities, windows, change)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("length", "fps", "frames"), [(90, None, 90), ("90", 30, 90), ("3s", 30, 90), ("0.5 s", 25, 12)]
)
def test_lengths_in_frames_and_in_seconds(length, fps, frames):
    assert frames_of(length, fps) == frames


def test_what_is_no_length_is_said():
    with pytest.raises(ValueError, match="give --fps"):
        frames_of("3s", None)
    for text in ("3m", "0", "0s", "-3", "s", "1e9", "٣s"):
        with pytest.raises(ValueError, match="is no length of time, expected frames, such as 90, or seconds"):
            frames_of(text, 30)
