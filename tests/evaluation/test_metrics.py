import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.evaluation.compare import paired
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.metrics import (
    ALL_SHOWN,
    NORMAL,
    ClassCounts,
    bootstrap_intervals,
    confusion_matrix,
    counts_by_class,
    evaluate,
    group_intervals,
    matrix_of,
    mean_class_accuracy,
    per_class_accuracy,
    per_class_precision,
    remarks,
    softmax,
    top_k_accuracy,
)
from kinegraph.report.compare_page import comparison_page
from kinegraph.report.runs import Course, Run
from kinegraph.report.write import write_report

# Scores and labels made for this project; the figures are what MMAction2 0.x computes from them.
GOLDEN = Path(__file__).parents[1] / "golden" / "losses_metrics.npz"


def scores_for(predicted, classes):
    return np.eye(classes)[list(predicted)]


@st.composite
def measured(draw):
    """Scores (N, classes), labels (N,) and a generator to shuffle with."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clips, classes = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    scores = rng.integers(0, 4, size=(clips, classes)).astype(float)  # few values, so that many are equal
    return scores, rng.integers(classes, size=clips), rng


def test_published_figures():
    with np.load(GOLDEN) as golden:
        found = evaluate(golden["metrics/scores"], golden["metrics/labels"])
        assert [found["top1"], found["top5"]] == golden["metrics/top1_top5"].tolist()
        assert found["mean_class_accuracy"] == pytest.approx(float(golden["metrics/mean_class_accuracy"]), abs=1e-15)


def test_a_class_that_is_only_predicted_lowers_the_mean():
    labels = np.array([0, 0, 1, 1])
    assert mean_class_accuracy(scores_for([0, 0, 1, 0], 4), labels) == (1 + 0.5) / 2  # 2 and 3 never occur
    assert mean_class_accuracy(scores_for([0, 0, 1, 2], 4), labels) == (1 + 0.5 + 0) / 3


def test_top_k_by_hand():
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    labels = np.array([0, 1, 3, 1])
    assert [top_k_accuracy(scores, labels, k) for k in (1, 2, 3, 4)] == [0.25, 0.75, 0.75, 1.0]
    assert evaluate(scores, labels, ["top_k_accuracy"]) == {"top1": 0.25, "top5": 1.0}
    assert evaluate(scores, labels, ["top_k_accuracy"], top_k=2) == {"top2": 0.75}


def test_confusion_matrix_by_hand():
    confusion = confusion_matrix(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 0]), 3)
    assert confusion.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    counts = counts_by_class(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 0]), 3)
    np.testing.assert_array_equal(per_class_accuracy(counts), [1 / 3, 1, np.nan])
    np.testing.assert_array_equal(per_class_precision(counts), [1, 1 / 3, np.nan])
    with pytest.raises(ValueError, match=r"^clip 1 has prediction 3, expected 0 to 2$"):
        confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3)
    with pytest.raises(ValueError, match=r"^clip 0 has label -1, expected 0 to 2$"):
        confusion_matrix(np.array([0, 1]), np.array([-1, 0]), 3)


@pytest.mark.parametrize("stored", [np.int8, np.uint64])
def test_labels_may_be_integers_of_any_size(stored):
    values = np.arange(100).astype(stored)
    np.testing.assert_array_equal(confusion_matrix(values, values, 100), np.eye(100))


@settings(max_examples=50)
@given(measured())
def test_metrics_do_not_depend_on_the_order_of_clips_and_agree(data):
    scores, labels, rng = data
    order = rng.permutation(len(labels))
    found = evaluate(scores, labels, top_k=(1, 3))
    shuffled = evaluate(scores[order], labels[order], top_k=(1, 3))
    assert found == shuffled
    confusion = confusion_matrix(scores.argmax(axis=1), labels, scores.shape[1])
    assert confusion.sum() == len(labels)
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels, minlength=scores.shape[1]))
    assert found["top1"] == confusion.trace() / len(labels) <= found["top3"]


@settings(max_examples=25)
@given(measured())
def test_intervals_hold_the_figure_and_repeat_with_the_seed(data):
    scores, labels, _ = data
    counts = counts_by_class(scores.argmax(axis=1), labels, scores.shape[1])
    found = evaluate(scores, labels)
    intervals = bootstrap_intervals(counts, np.random.default_rng(0), resamples=1000)
    assert intervals == bootstrap_intervals(counts, np.random.default_rng(0), resamples=1000)
    for name, (low, high) in intervals.items():
        assert low - 1e-12 <= found[name] <= high + 1e-12


def test_the_interval_over_subjects_is_wide_where_subjects_differ_and_that_of_clips_where_they_do_not():
    """Ten subjects of 100 clips: half of them all right, half all wrong; or each clip a subject of its own."""
    rng = np.random.default_rng(0)
    hits, labels = np.repeat([1.0, 0.0], 500), np.zeros(1000, int)
    low, high = group_intervals(hits, labels, np.repeat(np.arange(10), 100), rng)["top1"]
    assert (low, high) == pytest.approx((0.2, 0.8))  # binomial: 2 and 8 of 10 at half
    low, high = group_intervals(hits, labels, np.arange(1000), rng)["top1"]
    assert (low, high) == pytest.approx((0.469, 0.531), abs=0.003)


def test_the_interval_of_groups_holds_the_mean_that_counts_a_class_without_clips():
    labels = np.tile([0, 1], 100)
    predicted = np.where(np.arange(200) % 10 == 0, 2, labels)
    figure, groups = mean_class_accuracy(scores_for(predicted, 3), labels), np.repeat(np.arange(10), 20)
    assert figure == pytest.approx(0.6)  # (0.8 + 1 + 0) / 3
    found = group_intervals(predicted == labels, labels, groups, np.random.default_rng(0), predicted_only=1)
    assert found["mean_class_accuracy"] == pytest.approx((figure, figure))


def test_interval_of_a_thousand_clips_is_the_normal_one():
    counts = ClassCounts(*np.array([[500, 500], [300, 300], [500, 500]]))
    low, high = bootstrap_intervals(counts, np.random.default_rng(1))["top1"]
    half = 1.96 * np.sqrt(0.6 * 0.4 / 1000)
    assert (low, high) == pytest.approx((0.6 - half, 0.6 + half), abs=0.003)


def test_the_interval_over_very_many_classes_is_that_of_resampling():
    rng = np.random.default_rng(0)
    clips = rng.integers(1, 30, NORMAL)
    hits = rng.binomial(clips, 0.7)
    low, high = bootstrap_intervals(ClassCounts(clips, hits, clips), np.random.default_rng(1))["mean_class_accuracy"]
    more = (np.append(values, [9, 9]) for values in (clips, hits, clips))  # two classes that are always right
    found = bootstrap_intervals(ClassCounts(*more), np.random.default_rng(1))["mean_class_accuracy"]
    assert found == pytest.approx((low, high), abs=1.5e-3)
    assert high - low > 0.01


def test_nothing_but_hits_leaves_no_doubt_even_of_single_clips():
    assert set(bootstrap_intervals(ClassCounts(*np.ones((3, 2), int)), np.random.default_rng(0)).values()) == {
        (1.0, 1.0)
    }


@pytest.mark.parametrize(
    ("predicted", "labels", "lines"),
    [
        ([0, 1, 2] * 10, [0, 1, 2] * 10, []),
        ([0] * 30, [0] * 30, ["mean_class_accuracy is over 1 class; 2 have no clip here"]),
        (
            [1] * 40,
            [0, 1] * 20,
            [
                "every one of the 40 clips is predicted as 'b'",
                "mean_class_accuracy is over 2 classes; 1 has no clip here",
            ],
        ),
        (
            [1, 1, 1],
            [0, 1, 2],
            ["every one of the 3 clips is predicted as 'b'", "only 3 clips: each is 33 points of top1"],
        ),
        (
            [0, 2] * 15,
            [0, 1] * 15,
            ["mean_class_accuracy counts 1 class without clips as 0, because clips are answered with it"],
        ),
        ([0, 1, 2] * 9 + [0, 1], [0, 1, 2] * 9 + [0, 1], ["only 29 clips: each is 3 points of top1"]),
    ],
)
def test_what_makes_figures_doubtful(predicted, labels, lines):
    assert remarks(scores_for(predicted, 3), np.array(labels), ["a", "b", "c"]) == lines


def test_a_single_clip_is_all_of_the_figure():
    assert remarks(np.ones((1, 1)), np.zeros(1, int), ["a"]) == ["only 1 clip: each is 100 points of top1"]


def test_softmax_of_large_scores():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]])), [[0.5, 0.5], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("scores", "labels", "metrics", "message"),
    [
        (np.eye(3), np.arange(3), ["top_k_acuracy"], "did you mean 'top_k_accuracy'"),
        (np.eye(3), np.arange(3), ["f1_50"], "f1_50 is printed of long recordings without it"),
        (np.eye(3), np.arange(3), ["f1"], "^no metric 'f1'; there are top_k_accuracy, mean_class_accuracy, macro_f1, "),
        (np.eye(3), np.array([0, 1, 3]), ["mean_class_accuracy"], "clip 2 has label 3, expected 0 to 2"),
        (np.eye(3), np.array([0, -1, 1]), ["top_k_accuracy"], "clip 1 has label -1"),
        (np.eye(3), np.array([0.0, 1.0, 2.0]), ["top_k_accuracy"], "labels are float64"),
        (np.eye(3), np.arange(2), ["top_k_accuracy"], r"\(3, 3\), labels \(2,\)"),
        (np.zeros((0, 3)), np.zeros(0, int), ["top_k_accuracy"], "^there are no clips to measure$"),
        (np.diag([1.0, np.nan, 1.0]), np.arange(3), ["top_k_accuracy"], "1 of 3 clips .* first is clip 1"),
    ],
)
def test_what_cannot_be_measured_is_named(scores, labels, metrics, message):
    with pytest.raises(ValueError, match=message):
        evaluate(scores, labels, metrics)


def test_softmax_is_over_classes_and_in_float64():
    """Logarithms of two classes' probabilities differ as their scores do, whatever the other clips are."""
    scores = np.random.default_rng(0).normal(0, 3, (2, 3, 4)).astype(np.float32)
    found = softmax(scores)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=-1), np.ones((2, 3)), atol=1e-14)
    exact = scores.astype(np.float64)
    np.testing.assert_allclose(np.diff(np.log(found)), np.diff(exact), atol=1e-12)


def test_no_clips_and_no_first_place_are_named():
    with pytest.raises(ValueError, match=r"^there are no clips to measure$"):
        bootstrap_intervals(ClassCounts(*np.zeros((3, 2), int)), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^top-0 accuracy: k must be at least 1$"):
        top_k_accuracy(np.eye(2), np.arange(2), 0)


# ---- the confusion matrix of the classes that are worth a row --------------------------------------------------------


def test_few_classes_are_all_there():
    predicted, labels = np.array([0, 1, 1]), np.array([0, 0, 3])
    found = matrix_of(predicted, labels, ALL_SHOWN)
    assert np.array_equal(found.counts, confusion_matrix(predicted, labels, ALL_SHOWN))
    assert found.note() == ""


def test_of_many_classes_the_empty_are_left_out_and_the_rare_are_one_row():
    labels, predicted = np.repeat([900, 7, 30, 2], [5, 3, 2, 1]), np.repeat([900, 30, 30, 500], [5, 3, 2, 1])
    found = matrix_of(predicted, labels, 1000, most=2)
    assert found.classes.tolist() == [7, 900]
    assert found.counts.tolist() == [[0, 0, 3], [0, 5, 0], [0, 0, 3]]
    assert found.names([f"c{i}" for i in range(1000)]) == ["c7", "c900", "(3 other classes)"]
    note = "The 2 classes with the most clips are shown, 3 others are not shown one by one; 995 classes have neither"
    assert found.note() == f"{note} clips nor predictions here and are left out."


def an_evaluation(classes: int, clips: int, seed: int) -> Evaluation:
    labels = np.random.default_rng(0).integers(0, classes, clips)
    scores = np.random.default_rng(seed).normal(size=(clips, classes)).astype(np.float32)
    scores[np.arange(clips), labels] += 3
    names = [f"class {i}" for i in range(classes)]
    return Evaluation(scores, labels, [f"clip{i}" for i in range(clips)], names)


@pytest.mark.parametrize(("classes", "clips"), [(400, 300), (2000, 2500)])
def test_what_a_test_of_many_classes_writes(tmp_path, classes, clips):
    first, second = (an_evaluation(classes, clips, seed) for seed in (1, 2))
    paths = write_report(tmp_path / "result.pkl", first)
    with paths["confusion_matrix"].open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(rows[0]) <= 1002
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == clips
    assert paths["picture"].stat().st_size < 2_000_000
    page = paths["report"].read_text()
    assert len(page) < 600_000
    assert "classes have neither clips nor predictions here and are left out" in page
    runs = [Run(tmp_path / name, "", {}, Course(), it) for name, it in (("a", first), ("b", second))]
    page = comparison_page(runs, ["a", "b"])
    assert len(page) < 600_000
    assert "classes are left out" in page


def test_the_difference_over_very_many_classes_has_the_interval_of_resampling():
    few, many = ([an_evaluation(classes, 4000, seed) for seed in (1, 2)] for classes in (1000, 1001))
    low, high = paired(*few).intervals["mean_class_accuracy"]
    assert paired(*many).intervals["mean_class_accuracy"] == pytest.approx((low, high), abs=0.02)
    assert high - low > 0.01


def test_pictures_leave_out_classes_that_do_not_occur():
    found = matrix_of(np.array([3, 3]), np.array([1, 3]), 5, every=0)
    assert found.classes.tolist() == [1, 3]
    assert found.counts.tolist() == [[0, 1], [0, 1]]
    assert found.note() == "3 classes have neither clips nor predictions here and are left out."
