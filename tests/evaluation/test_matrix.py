"""Thousands of classes: what is written stays small, says what it leaves out, and counts every clip."""

import csv

import numpy as np
import pytest

from kinegraph.evaluation.compare import paired
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.evaluation.matrix import ALL_SHOWN, matrix_of
from kinegraph.evaluation.metrics import confusion_matrix
from kinegraph.report.compare_page import comparison_page
from kinegraph.report.course import Course
from kinegraph.report.runs import Run
from kinegraph.report.write import write_report


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
