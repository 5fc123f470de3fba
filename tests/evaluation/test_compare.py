"""Two evaluations compared, against known answers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.dataset import write_dataset
from kinegraph.evaluation.compare import class_accuracy, mcnemar, paired, sign_test
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout


def an_evaluation(right, labels=None, names=None, classes=3):
    """Scores that are right where `right` says so."""
    right = np.asarray(right, bool)
    labels = np.arange(len(right)) % classes if labels is None else np.asarray(labels)
    said = np.where(right, labels, (labels + 1) % classes)
    names = names or [f"clip{i}" for i in range(len(right))]
    return Evaluation(3.0 * np.eye(classes)[said], labels, names, tuple("abcdefgh"[:classes]), "xsub", "val")


def test_known_differences():
    first, second = np.zeros(400, bool), np.zeros(400, bool)
    first[:200], second[60:280] = True, True  # 60 lost, 80 won
    found = paired(an_evaluation(first, classes=4), an_evaluation(second, classes=4))
    assert (len(found.lost), len(found.gained)) == (60, 80)
    assert found.differences == pytest.approx({"top1": 0.05, "mean_class_accuracy": 0.05})
    low, high = found.intervals["top1"]
    half = 1.96 * np.sqrt((140 / 400 - 0.05**2) / 400)  # normal approximation of the paired difference
    assert (low, high) == pytest.approx((0.05 - half, 0.05 + half), abs=0.008)


def test_mcnemar_by_hand():
    # Sums of binomial coefficients: 10 of 12 is 2 (1 + 12 + 66) / 2^12; equal shares are no evidence at all.
    assert mcnemar(10, 2) == pytest.approx(2 * 79 / 4096)
    assert mcnemar(2, 10) == mcnemar(10, 2)
    assert mcnemar(5, 5) == mcnemar(0, 0) == 1
    assert mcnemar(4000, 3000) < 1e-30


def test_the_sign_test_by_hand_and_of_single_clips():
    # 3 + 2 + 1 = 6 of the sums of +-3 +-2 +-1: 6, -6 in 2 of 8 cases; 4 and more in 4 of 8.
    assert sign_test(np.array([3, 2, 1])) == pytest.approx(2 / 8)
    assert sign_test(np.array([3, 2, -1])) == pytest.approx(4 / 8)
    assert sign_test(np.zeros(4, int)) == 1
    assert sign_test(np.array([1] * 10 + [-1] * 2 + [0] * 5)) == pytest.approx(mcnemar(10, 2))


def test_where_subjects_are_known_the_comparison_is_of_people(tmp_path):
    """Of six people one gains all 20 clips, the others none: many clips, and no evidence about other people."""
    rng, layout = np.random.default_rng(0), load_layout("coco17")
    names = [f"clip{i:03}" for i in range(120)]
    clips = [
        SkeletonClip(rng.random((1, 4, 17, 2), np.float32), layout, name, i % 3, attributes={"subject": f"p{i // 20}"})
        for i, name in enumerate(names)
    ]
    folder = write_dataset(
        tmp_path / "d", clips, layout=layout, class_names=["a", "b", "c"], units="px", source="made up"
    )
    first, second = (an_evaluation([right] * 20 + [True] * 100) for right in (False, True))
    known = replace(first, names=names, folder=folder, indices=np.arange(120))
    over_clips = paired(replace(first, names=names), replace(second, names=names))
    over_people = paired(known, replace(second, names=names))
    assert (over_clips.subjects, over_people.subjects) == (0, 6)
    assert over_clips.p < 1e-5
    assert over_people.p == 1
    assert over_people.intervals["top1"][0] == 0 < over_clips.intervals["top1"][0]
    assert over_people.differences == over_clips.differences


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), clips=st.integers(2, 60))
def test_exchanging_the_two_turns_the_sign_and_order_does_not_matter(seed, clips):
    rng = np.random.default_rng(seed)
    rights, labels = rng.random((2, clips)) < 0.6, rng.integers(3, size=clips)
    names = [f"n{i}" for i in rng.permutation(clips)]
    first, second = (an_evaluation(right, labels, names) for right in rights)
    there, back = paired(first, second), paired(second, first)
    assert there.differences == pytest.approx({key: -value for key, value in back.differences.items()})
    assert there.p == back.p
    order = rng.permutation(clips)
    shuffled = an_evaluation(rights[1][order], labels[order], [names[i] for i in order])
    assert paired(first, shuffled).differences == pytest.approx(there.differences)
    accuracy = [class_accuracy(it, place, 3) for it, place in zip((first, second), there.places, strict=True)]
    expected = [evaluation.metrics["top1"] for evaluation in (first, second)]
    weights = np.bincount(labels, minlength=3) / clips
    assert [np.nansum(it * weights) for it in accuracy] == pytest.approx(expected)


def test_only_the_same_clips_are_compared():
    first = an_evaluation([1, 0, 1], [0, 1, 2], ["x", "y", "z"])
    half = paired(first, an_evaluation([1, 1], [1, 2], ["y", "z"]))
    assert half.differences["top1"] == 0.5
    assert paired(first, an_evaluation([1], [0], ["other"])) is None
    assert paired(first, an_evaluation([1, 0, 1], [0, 1, 2], ["x", "y", "z"], classes=4)) is None
    with pytest.raises(ValueError, match="'y' has another label"):
        paired(first, an_evaluation([1, 1], [2, 2], ["y", "z"]))
