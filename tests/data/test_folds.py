"""Splits by subject, and folds of clips, that no file names."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.folds import divided, folds, listed

SUBJECT = np.array([1, 1, 2, 3, 3, 4])
LABELS = np.array([0, 1, 0, 1, 0, 1])
SPLITS = {"xsub": np.array(["train", "train", "train", "train", "val", "none"])}


def parts(name, **attributes):
    found = divided(name, SPLITS, {"subject": SUBJECT, **attributes}, LABELS)
    return None if found is None else found.tolist()


def test_subjects_are_held_out_of_all_clips_or_of_a_training_part():
    assert parts("subject=1,4") == ["test", "test", "train", "train", "train", "test"]
    assert parts("xsub/subject=3") == ["train", "train", "train", "test", "none", "none"]
    both = np.array(["a, b", "c", "c", "a", "b", "c"])
    assert parts('place="a, b"', place=both) == ["test", *["train"] * 5]
    assert parts("place=a, b", place=both) == ["train", "train", "train", "test", "test", "train"]
    assert parts("place=a, b", place=np.array(["a, b", *"cdcbc"])) == ["test", *["train"] * 5]  # no clip has 'a'
    assert parts("place=a, b", place=np.array(list("acdabc"))) == ["test", "train", "train", "test", "test", "train"]
    assert parts("xsub") is None


@given(st.lists(st.text(min_size=1), min_size=6, max_size=6, unique=True), st.integers(1, 3))
def test_values_of_any_letters_are_listed_and_found(values, count):
    name = f"xsub/place={listed(values[:count])}"
    assert [part == "test" for part in parts(name, place=np.array(values, dtype=object))] == [
        i < count for i in range(6)
    ]


@given(st.integers(2, 6))
def test_each_clip_is_tested_in_one_fold(count):
    tested = np.array([[part == "test" for part in parts(f"fold={i + 1}/{count}")] for i in range(count)])
    assert (tested.sum(0) == 1).all()
    assert [row.tolist() for row in tested] == [(folds(LABELS, count=count) == i).tolist() for i in range(count)]
    inside = [parts(f"xsub/fold={i + 1}/2").count("test") for i in range(2)]
    assert inside == [2, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("subject=9", "no clip has subject '9'; there are 1, 2, 3, 4"),
        ("xsub/subject=4", "no clip has subject '4'; there are 1, 2, 3"),  # not in the training part
        ("subjet=1", "no attribute 'subjet'; did you mean 'subject'"),
        ("xsup/subject=1", "there is no split 'xsup'; did you mean 'xsub'"),
        ("fold=6/5", "expected fold=NUMBER/FOLDS, such as fold=1/5"),
        ("fold=1/1", "expected fold=NUMBER/FOLDS"),
    ],
)
def test_what_is_not_there_is_named(name, message):
    with pytest.raises(ValueError, match=message):
        parts(name)
