"""AUROC, Brier score, log loss and macro F1: figures by hand, scikit-learn's, and inputs that say nothing."""

import math

import numpy as np
import pytest

from kinegraph.evaluation import calibration
from kinegraph.evaluation.calibration import auroc, brier_score, log_loss
from kinegraph.evaluation.metrics import evaluate, figure_lines, macro_f1

ALL = ("macro_f1", "auroc", "brier_score", "log_loss")


def test_by_hand():
    scores = np.log([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.6, 0.3], [0.2, 0.5, 0.3]])
    labels = np.array([0, 0, 1, 2])
    # class 0: 0.7, 0.4 over 0.1, 0.2; class 1: 0.6 over 0.2, 0.5, 0.5; class 2: 0.3 over 0.1, 0.1, as high as 0.3
    assert auroc(scores, labels) == pytest.approx((1 + 1 + 2.5 / 3) / 3)
    assert brier_score(scores, labels) == pytest.approx((0.14 + 0.62 + 0.26 + 0.78) / 4)
    assert log_loss(scores, labels) == pytest.approx(-math.log(0.7 * 0.4 * 0.6 * 0.3) / 4)
    assert macro_f1(scores, labels) == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)


def test_scikit_learn_says_the_same():
    """scikit-learn 1.7.2: roc_auc_score(ovr), brier_score_loss, log_loss and f1_score(macro) of these 300 clips."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 300)
    scores = rng.normal(0, 1.5, (300, 5))
    scores[np.arange(300), labels] += 1.2
    found = evaluate(scores, labels, ALL)
    assert list(found.values()) == pytest.approx(
        [0.4351136757148, 0.7196413912893, 0.7563945468715, 1.5641571474116], abs=1e-12
    )


def test_parts_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(50, 4)).astype(np.float32), rng.integers(0, 4, 50)
    once = evaluate(scores, labels, ALL)
    monkeypatch.setattr(calibration, "PART", 7)
    assert evaluate(scores, labels, ALL) == pytest.approx(once)


def test_no_information_is_chance():
    labels = np.arange(12) % 4
    found = evaluate(np.zeros((12, 4)), labels, ALL)
    assert found == pytest.approx({"macro_f1": 0.4 / 4, "auroc": 0.5, "brier_score": 0.75, "log_loss": math.log(4)})


def test_huge_logits_are_right_and_finite():
    found = evaluate(np.array([[1e30, 0.0], [0.0, 1e30]]), np.array([0, 1]), ALL)
    assert found == {"macro_f1": 1, "auroc": 1, "brier_score": 0, "log_loss": 0}
    assert brier_score(np.array([[1e4, 0.0]]), np.array([1])) == 2


def test_one_class_has_no_auroc():
    found = evaluate(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([0, 0]), ALL)
    assert math.isnan(found["auroc"])
    assert figure_lines(found, 2)[1] == "auroc: not defined, all clips are of one class"
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_classes_without_clips_are_left_out():
    scores = np.array([[3.0, 1, 0, 0], [1, 3, 0, 0]])
    assert evaluate(scores, np.array([0, 1]), ALL)["auroc"] == 1
    assert macro_f1(scores, np.array([0, 1])) == 1
