"""Measures of bodies: known answers, and what turning, scaling and exchanging left and right do to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.augment import MOST, exchange_factor, mirror, rotation_3d
from kinegraph.skeleton.geometry import (
    UPRIGHT,
    body_extent,
    body_size,
    bone_lengths,
    bones,
    extent,
    foot_and_head,
    nearest_axis,
    scale_bones,
    seen,
    toward_shoulders,
    upward,
)
from kinegraph.skeleton.layout import JointLayout, load_layout

NTU = load_layout("ntu25")
LAYOUT = load_layout("kinect22")
PARENTS = list(LAYOUT.parents)
STICK = JointLayout("stick", ("foot", "head"), ((1, 0),), centre=0)


def moving(seed, people=1, dimensions=3):
    """Bodies with rigid bones, each turning at random."""
    rng = np.random.default_rng(seed)
    way = rng.normal(size=(people, 5, len(LAYOUT), dimensions))
    way *= rng.uniform(0.1, 0.5, (people, 1, len(LAYOUT), 1)) / np.linalg.norm(way, axis=-1, keepdims=True)
    body = np.ones((people, 5, len(LAYOUT), dimensions))
    for joint, parent in enumerate(PARENTS):  # kinect22 names no joint before its parent
        if joint != parent:
            body[:, :, joint] = body[:, :, parent] + way[:, :, joint]
    return body


SEEDS = st.integers(0, 1000)
ANGLES = st.tuples(*[st.floats(-3, 3)] * 3)


def test_known_answers():
    stick = np.array([[[[1.0, 1.0, 0.0], [4.0, 5.0, 0.0]]]])
    np.testing.assert_array_equal(bones(stick, STICK)[0, 0], [[0, 0, 0], [3, 4, 0]])
    assert bone_lengths(stick, STICK).tolist() == [[0, 5]]
    assert body_size(stick, STICK) == 5
    assert extent(stick)[0, 0].tolist() == [3, 4, 0]
    assert body_extent(stick) == 5
    assert foot_and_head(STICK) == (0, 1)
    assert upward(stick, STICK) == "y"


def test_what_was_not_seen_is_no_measure():
    stick = np.array([[[[1.0, 1.0, 0.0], [4.0, 5.0, 0.0]], [[1, 1, 0], [0, 0, 0]]]])
    assert seen(stick).tolist() == [[[True, True], [True, False]]]
    assert bone_lengths(stick, STICK).tolist() == [[0, 5]]
    assert bone_lengths(0 * stick, STICK).tolist() == [[0, 0]]
    assert body_size(0 * stick, STICK) == 1
    points = np.where(seen(stick)[..., None], stick, np.nan)
    assert extent(points)[0].tolist() == [[3, 4, 0], [0, 0, 0]]
    assert np.isnan(body_extent(np.nan * points))
    assert upward(np.nan * points, STICK) == "y"
    assert not toward_shoulders(np.zeros((1, 1, 25, 3)), NTU).any()
    assert foot_and_head(load_layout("hand21")) is None


@settings(max_examples=25)
@given(seed=SEEDS, angles=ANGLES, scale=st.floats(0.01, 100))
def test_turning_keeps_lengths_and_scaling_scales_them(seed, angles, scale):
    body = moving(seed, people=2)
    changed = scale * body @ rotation_3d(angles).T
    np.testing.assert_allclose(bone_lengths(changed, LAYOUT), scale * bone_lengths(body, LAYOUT), rtol=1e-9)
    assert body_size(changed, LAYOUT) == pytest.approx(scale * body_size(body, LAYOUT))
    assert body_extent(scale * body) == pytest.approx(scale * body_extent(body))
    across = scale * toward_shoulders(body, LAYOUT) @ rotation_3d(angles).T
    np.testing.assert_allclose(toward_shoulders(changed, LAYOUT), across, atol=1e-9 * scale)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_mirror_exchanges_left_and_right_bones_and_keeps_sizes(seed):
    body = moving(seed)
    other = mirror(body, LAYOUT)
    np.testing.assert_allclose(bone_lengths(other, LAYOUT), bone_lengths(body, LAYOUT)[:, LAYOUT.mirrored()])
    assert body_size(other, LAYOUT) == pytest.approx(body_size(body, LAYOUT))
    assert body_extent(other) == pytest.approx(body_extent(body))


@pytest.mark.parametrize("up", UPRIGHT)
def test_the_vertical_is_found_again_after_a_turn(up):
    turn = np.array(UPRIGHT[up], float)
    assert np.linalg.det(turn) == 1
    np.testing.assert_array_equal(turn @ [(-1 if "-" in up else 1) * (axis == up[-1]) for axis in "xyz"], [0, 1, 0])
    assert nearest_axis(turn.T @ [0.1, 1, 0.2]) == up
    person = np.zeros((1, 4, 25, 3))
    person[..., NTU.joints.index("head"), :] = [0, 1.7, 0.1]
    person[..., NTU.joints.index("left_ankle"), :] = [0.1, 0.1, 0]
    points = np.where(seen(person)[..., None], person, np.nan)
    if up[-1] != "x":  # which `upward` never says
        assert upward(points @ turn, NTU) == up
    assert nearest_axis([0, 0, 0]) is None


# ---- bones of other lengths ------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), people=st.integers(1, 2), dimensions=st.integers(2, 3))
def test_bones_get_the_lengths_and_keep_their_direction(seed, people, dimensions):
    body = moving(seed, people, dimensions)
    wanted = np.random.default_rng(seed + 1).uniform(0.25, 0.3, len(LAYOUT))
    wanted[0] = 0
    own = bone_lengths(body, LAYOUT)
    changed = scale_bones(body, exchange_factor(own, wanted), LAYOUT)
    reached = np.clip(wanted / np.where(own > 0, own, 1), 1 / MOST, MOST) * own
    np.testing.assert_allclose(bone_lengths(changed, LAYOUT), reached, atol=1e-12)
    np.testing.assert_allclose(changed[:, :, 0], body[:, :, 0])
    before, after = (x - x[:, :, PARENTS] for x in (body, changed))
    across = (before * after).sum(-1) - np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    np.testing.assert_allclose(across, 0, atol=1e-9)


def test_own_lengths_change_nothing():
    body = moving(0, people=2)
    own = bone_lengths(body[:1], LAYOUT)
    np.testing.assert_allclose(scale_bones(body[:1], exchange_factor(own, own[0]), LAYOUT), body[:1], atol=1e-12)


@pytest.mark.parametrize("lost", ["l_forearm", "l_hand"])
def test_what_was_not_seen_stays_unseen_and_its_bone_as_it_is(lost):
    body = moving(3)
    joint = LAYOUT.joints.index(lost)
    body[:, :, joint] = 0
    own = bone_lengths(body, LAYOUT)
    assert own[0, joint] == 0
    changed = scale_bones(body, exchange_factor(own, np.full(len(LAYOUT), 0.3)), LAYOUT)
    assert not changed[:, :, joint].any()
    assert np.isfinite(changed).all()
