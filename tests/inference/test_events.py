"""Events and repetitions of made-up courses whose answer is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.inference.events import (
    EventRule,
    Watch,
    ended,
    events,
    false_alarms,
    fitted_threshold,
    none_class,
    watched,
)
from kinegraph.inference.repetitions import Counting, counted, repetitions
from tests.made_up import body

STEP = EventRule(enter=0.6, leave=0.4, least=1, delay=0)


def course(*parts: tuple[int, float, int], classes=3) -> np.ndarray:
    """Probabilities from parts (class, probability, frames); the rest is shared by the others."""
    rows = [np.full((frames, classes), (1 - p) / (classes - 1)) for _, p, frames in parts]
    for row, (label, p, _) in zip(rows, parts, strict=True):
        row[:, label] = p
    return np.concatenate(rows)


def found(probabilities, rule=STEP, frames=None):
    frames = range(len(probabilities)) if frames is None else frames
    return [(it.label, it.start, it.end) for it in events("p", frames, probabilities, rule)]


def test_events_of_steps():
    steps = course((0, 0.5, 10), (1, 0.9, 20), (0, 0.5, 5), (2, 0.7, 8), (1, 0.8, 4))
    assert found(steps) == [(1, 10, 30), (2, 35, 43), (1, 43, 47)]
    assert found(steps, EventRule(0.6, 0.4, least=5, delay=0)) == [(1, 10, 30), (2, 35, 43)]
    assert found(steps, EventRule(0.6, 0.4, least=1, delay=0, none=1)) == [(2, 35, 43)]
    (first, *_) = events("p", range(47), steps, STEP)
    assert first.confidence == pytest.approx(0.9)


def test_a_probability_between_the_thresholds_neither_begins_nor_ends_an_event():
    trembling = [(1, 0.61, 1), (1, 0.45, 1)] * 10
    assert found(course((0, 0.4, 3), *trembling, (0, 0.4, 3))) == [(1, 3, 23)]
    assert found(course((0, 0.4, 3), (1, 0.59, 20))) == []


def test_smoothing_costs_the_delay_that_was_asked_for():
    """One wrong frame makes no event and no end; the beginning is said `delay` frames and the least duration later."""
    rule = EventRule(0.6, 0.4, least=4, delay=2)
    steps = course((0, 0.4, 10), (2, 0.9, 1), (0, 0.4, 9), (1, 1.0, 10), (2, 0.9, 1), (1, 1.0, 9), (0, 0.4, 10))
    watch, said = Watch("p"), {}
    for frame, row in enumerate(steps):
        watch, new = watched(watch, frame, row, rule)
        said |= {(event.label, event.end): frame for event in new}
    assert said == {(1, None): 20 + 4 - 1 + 2, (1, 42): 42 + 2}  # the mean of frames 40 to 44 is below `leave`
    assert len(watch.waiting) <= 2 * rule.delay + 1
    assert ended(watch, rule) == []


@settings(max_examples=80)
@given(
    parts=st.lists(st.tuples(st.integers(0, 2), st.floats(0.34, 1), st.integers(1, 12)), min_size=1, max_size=12),
    delay=st.integers(0, 6),
    least=st.integers(1, 9),
    stride=st.integers(1, 3),
)
def test_events_are_in_order_long_enough_and_of_no_class_of_nothing(parts, delay, least, stride):
    rule = EventRule(0.6, 0.5, least, delay, none=0)
    steps = course(*parts)[::stride]
    frames = range(7, 7 + len(steps) * stride, stride)
    got = events("p", frames, steps, rule)
    assert all(one.end <= other.start for one, other in itertools.pairwise(got))
    for event in got:
        assert event.end - event.start >= least
        assert event.label != 0
        assert 0.5 <= event.confidence <= 1
        assert frames[0] <= event.start < event.end <= frames[-1] + 1
    watch, begun, done = Watch("p"), [], []
    for frame, row in zip(frames, steps, strict=True):
        watch, new = watched(watch, frame, row, rule)
        for event in new:
            (begun if event.end is None else done).append((event.label, event.start))
            assert frame - (event.start + least - 1 if event.end is None else event.end) <= delay + 2 * stride
    assert done == begun[: len(done)]  # what ends was said to begin, and in this order


def test_thresholds_of_clips():
    probabilities = course(*[(0, p, 1) for p in np.linspace(0.5, 0.99, 50)])
    threshold = fitted_threshold(probabilities, keep=0.9)
    assert (probabilities.max(1) >= threshold).mean() == pytest.approx(0.9, abs=0.03)
    assert false_alarms(course((1, 0.9, 3), (1, 0.5, 7)), 0.6) == 0.3
    with pytest.raises(ValueError, match="0 clips"):
        fitted_threshold(np.zeros((0, 3)))


def test_names_of_nothing():
    assert none_class(["wave", "None", "sit"]) == 1
    assert none_class(["wave", "sit"]) is None


@pytest.mark.parametrize("wrong", [{"enter": 0.3}, {"leave": -1}, {"enter": 2}, {"least": 0}, {"delay": -1}])
def test_rules_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        EventRule(**wrong)


# ---- repetitions -----------------------------------------------------------------------------------------------------


def exercise(times: list[int], layout="ntu25", channels=3, amplitude=0.3, noise=0.0, pause=10, seed=0) -> np.ndarray:
    """An arm goes out and back, each time in so many frames, with pauses between; (T, V, C)."""
    rest = body(layout, channels)
    lift = [np.zeros(pause)]
    for frames in times:
        lift += [(1 - np.cos(np.linspace(0, 2 * np.pi, frames))) / 2, np.zeros(pause)]
    poses = np.repeat(rest[None], sum(map(len, lift)), 0)
    poses[:, 4:10, 1] += amplitude * np.concatenate(lift)[:, None]
    return poses + np.random.default_rng(seed).normal(0, noise, poses.shape)


@settings(max_examples=40)
@given(
    times=st.lists(st.integers(25, 90), min_size=0, max_size=8),
    scale=st.sampled_from([1.0, 200.0]),
    noise=st.sampled_from([0.0, 0.002]),
    channels=st.sampled_from([2, 3]),
)
def test_repetitions_are_counted_and_timed(times, scale, noise, channels):
    poses = exercise(times, channels=channels, noise=noise) * scale
    done = repetitions(poses)
    assert len(done) == len(times)
    start = 10
    for one, frames in zip(done, times, strict=True):
        assert start <= one.start < one.end <= start + frames + 10
        assert 0.4 * frames <= one.end - one.start <= frames  # a cosine is half of its time beyond 60, then 40 %
        start += frames + 10


def test_the_phase_goes_from_rest_to_rest():
    counting, phases = Counting(), []
    for frame, pose in enumerate(exercise([60, 60, 60])):
        counting, _ = counted(counting, frame, pose)
        phases.append(counting.phase)
    last = [phase for phase in phases[150:210] if phase]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(last))
    assert last[0] < 0.4
    assert last[-1] > 0.7
    assert counting.count == 3


def test_somebody_who_stands_still_or_is_not_seen_repeats_nothing():
    still = exercise([], pause=200, noise=0.003)
    assert repetitions(still) == []
    poses = exercise([40, 40])
    hidden = poses.copy()
    hidden[30:35] = 0  # nobody
    hidden[:, 20] = 0  # a joint that is never seen
    assert len(repetitions(hidden)) == 2
