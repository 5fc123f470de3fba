"""Conditions of recordings: measured on known bodies, compared, read from files of any origin."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.conditions import Conditions, compare, conditions_of, stands_along
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from kinegraph.synthetic.human import joints_of, random_body, still

LAYOUT = load_layout("ntu25")


def standing(size: float = 1.0, fps: float | None = 30, seed: int = 0) -> SkeletonClip:
    """A person who stands, y upward, in metres times `size`."""
    body = joints_of(random_body(np.random.default_rng(seed)), still(4)) * size
    return SkeletonClip(body[None].astype(np.float32), LAYOUT, f"c{seed}", fps=fps)


def turned(clip: SkeletonClip, matrix: list[list[int]]) -> SkeletonClip:
    return replace(clip, keypoint=clip.keypoint @ np.array(matrix, np.float32).T)


UPSIDE_DOWN = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
Z_UP = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
TRAINED = conditions_of([standing(seed=seed) for seed in range(6)], "m")
ASKED = {"any_size": False, "any_vertical": False}


def test_conditions_of_people_who_stand():
    assert TRAINED.units == "m"
    assert 1.3 < TRAINED.size[0] <= TRAINED.size[1] <= TRAINED.size[2] < 2.2
    assert (TRAINED.upward, TRAINED.fps) == ({"y": 1.0}, (30.0, 30.0, 30.0))
    assert TRAINED.missing == (0.0, 0.0, 0.0)
    assert Conditions.from_dict(TRAINED.to_dict()) == TRAINED
    assert conditions_of([]) == Conditions()


@pytest.mark.parametrize(("matrix", "axis"), [(np.eye(3), "y"), (UPSIDE_DOWN, "-y"), (Z_UP, "z")])
def test_people_stand_along_an_axis(matrix, axis):
    assert stands_along(turned(standing(), matrix)) == axis


def test_nobody_and_hands_stand_along_no_axis():
    assert stands_along(replace(standing(), keypoint=np.zeros((1, 4, 25, 3), np.float32))) == ""
    assert stands_along(SkeletonClip(np.ones((1, 4, 21, 3), np.float32), load_layout("hand21"))) == ""


WITHOUT_FIVE = replace(standing(), keypoint=standing().keypoint * (np.arange(25) > 4)[:, None])


@pytest.mark.parametrize(
    ("clip", "wrong", "note"),
    [
        (standing(seed=9), "", ""),
        (standing(100), "bodies are 1", ""),
        (standing(0.01), "give --units", ""),
        (turned(standing(), UPSIDE_DOWN), "heads are toward -y, .* toward y: give --up -y to turn them", ""),
        (turned(standing(), Z_UP), "", "heads are toward z, .*unless people lie, give --up z"),
        (standing(fps=120), "", "120 frames a second, the network was trained at 30: --resample-fps 30"),
        (standing(fps=None), "", ""),
        (WITHOUT_FIVE, "", "20.0% of the joints are missing"),
    ],
)  # fmt: skip
def test_recordings_beside_those_of_the_training(clip, wrong, note):
    found = compare(TRAINED, conditions_of([clip]), 3, **ASKED)
    for lines, expected in ((found.wrong, wrong), (found.notes, note)):
        assert len(lines) == bool(expected)
        for line in lines:
            assert re.search(expected, line)


def test_what_preparing_makes_equal_is_not_compared():
    large, inverted = standing(100), turned(standing(), UPSIDE_DOWN)
    assert not compare(TRAINED, conditions_of([large]), 3, any_size=True, any_vertical=False).wrong
    assert not compare(TRAINED, conditions_of([inverted]), 3, any_size=False, any_vertical=True).wrong
    assert not compare(Conditions(), conditions_of([large]), 3, **ASKED).wrong


@given(
    st.recursive(
        st.none() | st.text() | st.floats() | st.integers() | st.booleans(),
        lambda it: (
            st.lists(it) | st.dictionaries(st.sampled_from(["units", "size", "upward", "fps", "missing", "y"]), it)
        ),
    )
)
def test_files_of_strangers_make_no_trouble(content):
    trained = Conditions.from_dict(content)
    compare(trained, TRAINED, 3, **ASKED)
    compare(TRAINED, trained, 2, **ASKED)


def test_pictures_asked_of_a_network_in_metres_are_not_compared():
    """They have another number of coordinates, which is said; --units and --up would not help."""
    flat = replace(TRAINED, size=(500.0, 600.0, 700.0), upward={"-y": 1.0}, units="px")
    assert not compare(TRAINED, flat, 2, **ASKED).wrong
    assert compare(TRAINED, flat, 3, **ASKED).wrong
