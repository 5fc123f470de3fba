"""Bones of other lengths: what stays and what changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.bone_lengths import MOST, bone_lengths, exchange_factor, stretched
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("kinect22")
PARENTS = list(LAYOUT.parents)


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


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), people=st.integers(1, 2), dimensions=st.integers(2, 3))
def test_bones_get_the_lengths_and_keep_their_direction(seed, people, dimensions):
    body = moving(seed, people, dimensions)
    wanted = np.random.default_rng(seed + 1).uniform(0.25, 0.3, len(LAYOUT))
    wanted[0] = 0
    own = bone_lengths(body, LAYOUT)
    changed = stretched(body, exchange_factor(own, wanted), LAYOUT)
    reached = np.clip(wanted / np.where(own > 0, own, 1), 1 / MOST, MOST) * own
    np.testing.assert_allclose(bone_lengths(changed, LAYOUT), reached, atol=1e-12)
    np.testing.assert_allclose(changed[:, :, 0], body[:, :, 0])
    before, after = (x - x[:, :, PARENTS] for x in (body, changed))
    across = (before * after).sum(-1) - np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    np.testing.assert_allclose(across, 0, atol=1e-9)


def test_own_lengths_change_nothing():
    body = moving(0, people=2)
    own = bone_lengths(body[:1], LAYOUT)
    np.testing.assert_allclose(stretched(body[:1], exchange_factor(own, own[0]), LAYOUT), body[:1], atol=1e-12)


@pytest.mark.parametrize("lost", ["l_forearm", "l_hand"])
def test_what_was_not_seen_stays_unseen_and_its_bone_as_it_is(lost):
    body = moving(3)
    joint = LAYOUT.joints.index(lost)
    body[:, :, joint] = 0
    own = bone_lengths(body, LAYOUT)
    assert own[0, joint] == 0
    changed = stretched(body, exchange_factor(own, np.full(len(LAYOUT), 0.3)), LAYOUT)
    assert not changed[:, :, joint].any()
    assert np.isfinite(changed).all()
