"""A head in closed form is the ridge regression that the formula says, and just to small classes."""

import numpy as np

from kinegraph.models.ridge import _directions, _left_out, fit_head


def test_leaving_one_out_needs_no_second_fit():
    rng = np.random.default_rng(1)
    x, target = rng.standard_normal((10, 4)), rng.standard_normal((10, 2))  # two views of five clips
    groups = np.array([0, 0, 1, 1, 2, 2, 0, 0, 3, 3])  # the first and the fourth clip are of one person
    left_out = _left_out(*_directions(x), target, 0.3, groups)
    for i in range(len(x)):
        others = np.flatnonzero(groups != groups[i])
        a = x[others].T @ x[others] + 0.3 * np.eye(4)
        np.testing.assert_allclose(left_out[i], x[i] @ np.linalg.solve(a, x[others].T @ target[others]), atol=1e-10)


def test_a_class_with_many_examples_does_not_push_out_one_with_few():
    rng = np.random.default_rng(2)
    vectors = np.concatenate([rng.normal(0, 1, (60, 3)), rng.normal(3, 1, (4, 3))])
    head = fit_head(vectors[:, None], np.repeat([0, 1], [60, 4]), 2)
    logits = rng.normal(3, 1, (200, 3)) @ head.weight.T + head.bias
    assert (logits.argmax(1) == 1).mean() > 0.95


def test_vectors_that_differ_by_rounding_alone_are_alike():
    vectors = np.full((12, 1, 40), 0.3) + np.random.default_rng(0).normal(0, 1e-17, (12, 1, 40))
    vectors[::2] = np.nextafter(vectors[::2], 1)
    head = fit_head(vectors, np.arange(12) % 3, 3)
    assert np.abs(head.weight).max() < 1e-6
    np.testing.assert_allclose(head.scores.std(axis=2), 0, atol=0.5)
