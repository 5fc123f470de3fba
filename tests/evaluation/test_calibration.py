import numpy as np
import pytest

from kinegraph.evaluation.calibration import calibration
from kinegraph.evaluation.metrics import near_order, wilson


def test_calibration_by_hand():
    found = calibration(np.array([0.95, 0.95, 0.85, 0.1]), np.array([True, False, True, False]), bins=10)
    assert found.count.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 1, 2]  # a bin holds its upper edge
    assert found.accuracy[9] == 0.5
    assert found.error == pytest.approx((2 * 0.45 + 0.15 + 0.1) / 4)


def test_a_network_that_means_what_it_says_is_calibrated():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.3, 1, 40_000)
    right = rng.random(40_000) < sure
    assert calibration(sure, right).error < 0.01
    too_sure = np.minimum(sure + 0.2, 1)
    assert calibration(too_sure, right).error == pytest.approx((too_sure - sure).mean(), abs=0.01)


def test_wilson_interval():
    # Newcombe 1998, table I: 81 of 263, 0 of 20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_order_puts_confused_classes_side_by_side():
    confusion = np.diag([20] * 8)
    for a, b in ((0, 5), (1, 7), (2, 4), (3, 6)):
        confusion[a, b] = confusion[b, a] = 9
    place = np.argsort(near_order(confusion))
    assert sorted(place) == list(range(8))
    assert [abs(place[a] - place[b]) for a, b in ((0, 5), (1, 7), (2, 4), (3, 6))] == [1, 1, 1, 1]
