"""Fusion: hand-made answers, plain numpy, and a search that does not see what it is measured on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.folds import folds
from kinegraph.evaluation.fusion import (
    candidate_weights,
    cross_fit,
    fuse,
    log_probability,
    published_weights,
    search_weights,
)
from kinegraph.evaluation.metrics import softmax, top_k_accuracy


def streams(seed: int, clips: int = 40, classes: int = 5, skill=(2.0, 1.0, 0.5)) -> tuple[list[np.ndarray], np.ndarray]:
    """Probabilities of networks that know the labels more or less well, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=clips)
    return [softmax(s * np.eye(classes)[labels] + rng.normal(size=(clips, classes))) for s in skill], labels


def test_known_answer():
    first, second = np.array([[0.9, 0.1, 0.0]]), np.array([[0.0, 0.6, 0.4]])
    np.testing.assert_allclose(fuse([first, second], (1, 2)), [[0.3, 1.3 / 3, 0.8 / 3]], rtol=1e-15)
    np.testing.assert_array_equal(fuse([first, second], (1, 0)), first)


def test_four_streams_as_published():
    """2:2:1:1, by plain numpy on float32 logits as a result file holds them."""
    logits = np.random.default_rng(3).normal(0, 6, (4, 30, 60)).astype(np.float32)
    odds = np.exp(logits.astype(np.float64))
    joint, bone, joint_motion, bone_motion = odds / odds.sum(axis=-1, keepdims=True)
    expected = (2 * joint + 2 * bone + joint_motion + bone_motion) / 6
    assert published_weights(4) == (2, 2, 1, 1)
    assert published_weights(2) == (1, 1)
    assert published_weights(3) == (1, 1, 1)
    np.testing.assert_allclose(fuse(softmax(logits), published_weights(4)), expected, rtol=1e-12)


@settings(max_examples=30)
@given(
    st.integers(0, 1000),
    st.lists(st.floats(0, 100), min_size=3, max_size=3).filter(lambda weights: sum(weights) > 1e-3),
    st.floats(0.01, 100),
)
def test_fusion_is_a_probability_that_depends_on_ratios_only(seed, weights, scale):
    given_, _ = streams(seed, clips=4)
    fused = fuse(given_, weights)
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    np.testing.assert_allclose(fuse(given_, [weight * scale for weight in weights]), fused, rtol=1e-9)
    np.testing.assert_allclose(fuse(given_[::-1], weights[::-1]), fused, rtol=1e-9)
    assert (fused <= np.max(given_, axis=0) + 1e-12).all()
    np.testing.assert_allclose(softmax(log_probability(fused)), fused, rtol=1e-9)


def test_a_probability_of_zero_survives_the_logarithm():
    zero = np.array([[1.0, 0.0]])
    assert np.isfinite(log_probability(zero)).all()
    np.testing.assert_allclose(softmax(log_probability(zero)), zero, atol=1e-300)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((1,), "1 weights for 2"),
        ((1, -1), "numbers from 0 up"),
        ((0, 0), "above 0"),
        ((1, float("nan")), "numbers from 0 up"),
    ],
)
def test_impossible_weights(weights, words):
    with pytest.raises(ValueError, match=words):
        fuse(streams(0)[0][:2], weights)


@pytest.mark.parametrize("other", [(1, 5), (39, 5), (40, 1), (5,), (1, 40, 5)])
def test_streams_of_other_clips_are_not_broadcast(other):
    (given_, *_), labels = streams(0)
    odd = [given_, np.full(other, 0.2)]
    for use in (lambda: fuse(odd, (1, 1)), lambda: search_weights(odd, labels)):
        with pytest.raises(ValueError, match=r"shapes \(40, 5\), \(.*expected the same one of all: \(clips, classes\)"):
            use()


@pytest.mark.parametrize(("count", "number"), [(2, 13), (3, 91), (4, 455), (5, 210)])
def test_candidates_hold_the_published_weights(count, number):
    found = candidate_weights(count)
    assert found.shape == (number, count)
    assert len(np.unique(found, axis=0)) == number
    assert len(set(found.sum(axis=1))) == 1
    ratios = (found / found.sum(axis=1, keepdims=True)).tolist()
    published = np.array(published_weights(count)) / sum(published_weights(count))
    assert count == 5 or any(np.allclose(ratio, published) for ratio in ratios)


def test_search_leaves_out_noise():
    """One stream is right every time but hesitant, the other says anything aloud."""
    labels = np.arange(30) % 3
    knows = np.full((30, 3), 0.3)
    knows[np.arange(30), labels] = 0.4
    noise = np.eye(3)[(labels + 1) % 3]
    assert search_weights([knows, noise], labels) == (12, 0)
    assert search_weights([noise, knows], labels) == (0, 12)


def test_search_is_what_trying_all_by_hand_finds():
    given_, labels = streams(5, clips=60)
    hits = {
        tuple(weights): top_k_accuracy(fuse(given_, weights), labels, 1) for weights in candidate_weights(3).tolist()
    }
    assert hits[search_weights(given_, labels)] == max(hits.values()) > min(hits.values())


def test_a_clip_does_not_help_to_find_its_own_weights():
    """Other labels in one fold change the other folds' weights, but never that fold's own."""
    given_, labels = streams(7, clips=60)
    fold = folds(labels)
    fused, weights = cross_fit(given_, labels, fold)
    changed = np.where(fold == 2, (labels + 1) % 5, labels)
    again, others = cross_fit(given_, changed, fold)
    np.testing.assert_array_equal(again[fold == 2], fused[fold == 2])
    assert others[2] == weights[2]
    assert others != weights
    for number, found in enumerate(weights):
        outside = fold != number
        assert found == search_weights([stream[outside] for stream in given_], labels[outside])
        inside = fold == number
        np.testing.assert_allclose(fused[inside], fuse([stream[inside] for stream in given_], found), rtol=1e-12)


def test_cross_fitting_finds_nothing_in_noise():
    """Streams that know nothing: searched and measured on the same clips they seem to know something."""
    flattered, honest = [], []
    for seed in range(20):
        given_, labels = streams(seed, clips=40, classes=2, skill=(0, 0, 0))
        flattered.append(top_k_accuracy(fuse(given_, search_weights(given_, labels)), labels, 1))
        honest.append(top_k_accuracy(cross_fit(given_, labels, folds(labels))[0], labels, 1))
    assert np.mean(flattered) > 0.55
    assert abs(np.mean(honest) - 0.5) < 0.05


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=60).filter(lambda groups: len(set(groups)) > 1))
def test_folds_keep_groups_together(groups):
    fold = folds(np.zeros(len(groups), int), groups)
    assert set(fold.tolist()) == set(range(min(5, len(set(groups)))))
    assert len(set(zip(groups, fold.tolist(), strict=True))) == len(set(groups))


def test_folds_of_clips_hold_every_class():
    labels = np.repeat(np.arange(4), 10)
    fold = folds(labels)
    assert np.bincount(fold).tolist() == [8] * 5
    assert all(set(labels[fold == number]) == {0, 1, 2, 3} for number in range(5))


def test_one_group_cannot_be_cross_fitted():
    with pytest.raises(ValueError, match="at least two"):
        folds(np.zeros(4, int), ["p1"] * 4)
