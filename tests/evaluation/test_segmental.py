"""The figures of segments, on made-up recordings whose answers are worked out by hand."""

import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.evaluation.segmental import Counts, average_precision, delays, edit_score, false_alarms, hits
from kinegraph.evaluation.timelines import Timeline, by_subject, figures, of_class
from kinegraph.skeleton.segment import IGNORED, Segment, labels_of_frames, one_label, runs, runs_of_each


def frames(text: str) -> np.ndarray:
    """A letter a frame: "." is class 0, of nothing, "a" class 1 ..., "?" a frame that is ignored."""
    return np.array([IGNORED if letter == "?" else " .abc".index(letter) - 1 for letter in text])


def timeline(truth: str, predicted: str, fps: float = 10, subject: str = "") -> Timeline:
    """Truth and prediction of one recording; a predicted class has probability 0.9."""
    wanted, given = frames(truth), frames(predicted)
    probabilities = np.full((len(given), 4), 0.1 / 3)
    probabilities[np.arange(len(given)), given] = 0.9
    labels = np.arange(4) == wanted[:, None]
    none = None if "?" in truth else 0
    return Timeline(truth, probabilities, labels, none=none, fps=fps, subject=subject)


def test_edit_score_by_hand():
    assert edit_score([1, 2, 3], [1, 2, 3]) == 1
    assert edit_score([1, 2, 3], [1, 3]) == pytest.approx(2 / 3)  # one is missing
    assert edit_score([1, 2], [1, 2, 1, 2]) == 0.5  # two too many, of four
    assert edit_score([1, 2, 3], []) == 0
    assert edit_score([], []) == 1
    assert edit_score([1, 2, 3, 4], [2, 3, 4, 5]) == 0.5  # one out in front, one in behind


def test_f1_by_hand():
    """20 frames. Truth a: 0-10, b: 10-20. Predicted a: 0-4, b: 4-6, a: 6-12, b: 12-20.

    a 0-4 covers 4/10 of a; b 4-6 does not touch b; a 6-12 shares 4 of 12 frames with a; b 12-20 covers 8/10 of b.
    """
    truth, predicted = runs(frames("a" * 10 + "b" * 10)), runs(frames("aaaabbaaaaaabbbbbbbb"))
    assert hits(truth, predicted, 0.10) == Counts(2, 2, 0)  # the second a is a second hit, and wrong
    assert hits(truth, predicted, 0.25) == Counts(2, 2, 0)
    assert hits(truth, predicted, 0.50) == Counts(1, 3, 1)
    assert hits(truth, predicted, 0.10).f1 == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert hits(truth, predicted, 0.50).f1 == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    assert math.isnan(Counts().f1)


def test_a_second_prediction_of_a_segment_is_wrong_even_if_it_is_the_better_one():
    """Truth a 0-10; predicted a 0-3 (3/10) and a 4-10 (6/10): MS-TCN's code takes the first that is enough."""
    truth, predicted = runs(frames("aaaaaaaaaa")), runs(frames("aaa.aaaaaa"), none=0)
    assert hits(truth, predicted, 0.25) == Counts(1, 1, 0)
    assert hits(truth, predicted, 0.50) == Counts(1, 1, 0)  # the first is not enough, the second is


def test_average_precision_by_hand():
    """Two true segments; three predictions, right, wrong, right by falling confidence: 1/2 * 1 + 1/2 * 2/3."""
    truth = [[Segment(0, 10, 1)], [Segment(0, 10, 1), Segment(20, 30, 2)]]
    predicted = [
        [Segment(0, 9, 1, confidence=0.9)],
        [Segment(0, 4, 1, confidence=0.8), Segment(1, 10, 1, confidence=0.7)],
    ]
    assert average_precision(truth, predicted, 1, 0.5) == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert average_precision(truth, predicted, 1, 0.95) == 0
    assert average_precision(truth, predicted, 2, 0.5) == 0  # it happens, and nobody says so
    assert math.isnan(average_precision(truth, predicted, 3, 0.5))
    # A third prediction in recording 2 cannot take its segment again.
    again = [predicted[0], [*predicted[1], Segment(0, 10, 1, confidence=0.6)]]
    assert average_precision(truth, again, 1, 0.5) == average_precision(truth, predicted, 1, 0.5)


def test_delays_and_false_alarms_by_hand():
    truth, predicted = runs(frames("..aaaa..bb..cc..."), none=0), runs(frames(".aa.aa..cbb...aa."), none=0)
    assert delays(truth, predicted) == [0, 1, None]
    assert [(one.start, one.label) for one in false_alarms(truth, predicted)] == [(8, 3), (14, 1)]


def test_figures_of_two_recordings_by_hand():
    """Recording 1: 7 of 10 frames are right, one of two segments; recording 2: all right. 10 frames a second."""
    both = [timeline("..aaaa..bb", "...aaa....", subject="x"), timeline("aaaaabbbbb", "aaaaabbbbb", subject="y")]
    found = figures(both)
    assert (found.frames, found.segments) == (20, 4)
    assert found.accuracy == pytest.approx(17 / 20)
    assert found.mean_class_accuracy == pytest.approx(np.mean([4 / 4, 8 / 9, 5 / 7]))
    assert found.edit == pytest.approx((1 / 2 + 1) / 2)
    assert found.f1[0.5] == pytest.approx(2 * 3 / (2 * 3 + 0 + 1))
    assert found.mean_ap[0.5] == pytest.approx((1 + 1 / 2) / 2)
    assert found.delay == pytest.approx(0.0)  # of 1, 0 and 0 frames
    assert found.missed == pytest.approx(1 / 4)
    assert found.alarms == 0
    assert by_subject(both)["y"].f1[0.5] == 1
    b = of_class(both, 2)
    assert (b.frames, b.segments, b.found, b.recall, b.precision) == (7, 2, 1, 5 / 7, 1)
    assert b.counts[0.5] == Counts(1, 0, 1)
    assert b.alarms == 0
    assert math.isnan(of_class(both, 0).alarms), "the class of nothing has no segments"


def test_a_false_alarm_in_an_hour():
    quiet = timeline("." * 3600, "." * 100 + "a" * 5 + "." * 3495, fps=1)
    assert figures([quiet]).alarms == 1
    assert figures([quiet]).f1[0.1] == 0
    assert math.isnan(figures([timeline("aa", "aa", fps=float("nan"))]).alarms)


def test_ignored_frames_do_not_count():
    """What is said of them is neither right nor wrong, and cuts predictions as it cuts the truth."""
    one = figures([timeline("aaa????bbb", "aaabbaabbb")])
    assert (one.frames, one.accuracy, one.edit, one.f1[0.5]) == (6, 1, 1, 1)


def test_ignored_time_is_no_time_without_false_alarms():
    """3,600 frames of which 360 count: one false alarm in 6 minutes is ten in an hour."""
    one = timeline("a" * 360 + "?" * 3240, "b" * 5 + "a" * 3595, fps=1)
    assert figures([one]).alarms == pytest.approx(10)


def test_a_recording_of_ignored_frames_has_no_order_of_classes():
    assert figures([timeline("ab", "ba"), timeline("????", "abab")]).edit == 0


def test_several_classes_at_once():
    """Classes 0 and 1 overlap; class 1 is said one frame too long: 1 of 12 answers is wrong."""
    segments = [Segment(0, 4, 0), Segment(2, 5, 1)]
    labels = labels_of_frames(segments, 6, 2)
    said = labels.copy()
    said[5, 1] = True
    one = Timeline("x", said.astype(float), labels, several=True, fps=1)
    assert one.segments == [Segment(0, 4, 0), Segment(2, 5, 1)]
    assert figures([one]).accuracy == pytest.approx(11 / 12)
    assert figures([one]).f1[0.5] == 1
    assert math.isnan(figures([one]).edit)
    label, twice = one_label(labels, none=None)
    assert label.tolist() == [0, 0, IGNORED, IGNORED, 1, IGNORED]
    assert twice.tolist() == [False, False, True, True, False, False]


@given(st.lists(st.integers(-1, 3), max_size=60))
def test_runs_are_the_frames_again(labels):
    found = runs(np.array(labels, int))
    again = np.full(len(labels), IGNORED)
    for one in found:
        again[one.start : one.end] = one.label
    assert again.tolist() == labels
    assert [one.label for one in found] == [label for label, _ in groupby(labels) if label != IGNORED]
    assert hits(found, found, 1.0) == Counts(len(found), 0, 0)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=40))
def test_runs_of_each_class_are_the_labels_again(rows):
    labels = np.array(rows)
    assert (labels_of_frames(runs_of_each(labels), *labels.shape) == labels).all()
