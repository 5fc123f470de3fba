"""Stretches of one class, of a label for each frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.skeleton.segment import runs, without_short


@pytest.mark.parametrize(
    ("frames", "least", "expected"),
    [
        ("aaabaaa", 2, "aaaaaaa"),
        ("aaabccc", 2, "aaacccc"),  # of b's frame c is likelier than a
        ("baaa", 2, "aaaa"),
        ("aaab", 2, "aaaa"),
        ("abab", 3, "bbbb"),  # the first one goes to its only neighbour; then all is one class
        ("aabbb", 3, "bbbbb"),
        ("ab", 1, "ab"),
        ("aa", 5, "aa"),
    ],
)
def test_short_stretches_go_to_the_likelier_neighbour(frames, least, expected):
    labels = np.array(["abc".index(it) for it in frames])
    likely = np.eye(3)[labels] * 0.6 + [0.1, 0.0, 0.2]
    assert "".join("abc"[it] for it in without_short(labels, likely, least)) == expected


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 12))
def test_no_stretch_is_shorter_unless_it_is_alone(frames, least):
    labels = np.array(frames)
    probabilities = np.random.default_rng(len(frames)).random((len(frames), 4))
    found = runs(without_short(labels, probabilities, least))
    assert len(found) == 1 or min(it.end - it.start for it in found) >= least
    assert {it.label for it in found} <= {*frames}
    assert without_short(labels, probabilities, 1).tolist() == frames
