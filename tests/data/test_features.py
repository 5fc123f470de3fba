"""Streams. `features/*` of transforms.npz: MMAction2 v1.2.0 GenSkeFeat (JointToBone, ToMotion)."""

import numpy as np
import pytest

from kinegraph.data.features import bones, k_bones, motion, streams
from kinegraph.skeleton.layout import layout_names, load_layout
from tests.golden import golden

TRANSFORMS = golden("transforms.npz")
PUBLISHED = {"nturgb+d": ("ntu25", False), "coco": ("coco17", True), "openpose": ("openpose18", True)}


@pytest.mark.parametrize(("key", "stream"), [("b", "bone"), ("jm", "joint_motion"), ("bm", "bone_motion")])
@pytest.mark.parametrize("source", PUBLISHED)
def test_streams_are_the_published_ones(source, key, stream):
    name, scored = PUBLISHED[source]
    (made,) = streams(TRANSFORMS[f"features/{source}/in"], load_layout(name), (stream,), scored)
    np.testing.assert_allclose(made, TRANSFORMS[f"features/{source}/{key}"], atol=1e-6)


@pytest.mark.parametrize("name", layout_names())
def test_bones_do_not_see_where_the_body_stands(name):
    layout = load_layout(name)
    joints = np.random.default_rng(0).normal(size=(1, 3, len(layout), 3))
    np.testing.assert_allclose(bones(joints + np.array([5.0, -2.0, 1.0]), layout), bones(joints, layout), atol=1e-12)


def test_motion_of_constant_speed():
    moving = np.arange(6, dtype=np.float64).reshape(1, 6, 1, 1) * 0.5
    assert motion(moving).ravel().tolist() == [0.5] * 5 + [0.0]


def test_several_streams_come_in_the_order_asked_for():
    layout = load_layout("ntu25")
    joints = np.random.default_rng(1).normal(size=(2, 5, 25, 3))
    moved, still = streams(joints, layout, ("bone_motion", "joint"))
    np.testing.assert_array_equal(moved, motion(bones(joints, layout)))
    np.testing.assert_array_equal(still, joints)


# ProtoGCN's list for NTU RGB+D: joint -> the joint it is seen from
K_BONES = [20, 1, 2, 20, 4, 20, 4, 5, 8, 20, 8, 9, 1, 0, 12, 13, 1, 0, 16, 17, 20, 7, 6, 11, 10]


def test_k_bones_are_protogcns_for_ntu():
    joints = np.random.default_rng(2).normal(size=(2, 4, 25, 3))
    made, moved = streams(joints, load_layout("ntu25"), ("k_bone", "k_bone_motion"))
    np.testing.assert_array_equal(made, joints - joints[:, :, K_BONES])
    np.testing.assert_array_equal(moved, motion(made))


@pytest.mark.parametrize("name", layout_names())
def test_k_bones_are_two_bones_end_to_end(name):
    layout = load_layout(name)
    joints = np.random.default_rng(3).normal(size=(1, 2, len(layout), 3))
    one, two = bones(joints, layout), k_bones(joints, layout)
    for joint, parent in enumerate(layout.parents):
        expected = 0 * one[:, :, joint] if layout.parents[parent] == parent else one[:, :, joint] + one[:, :, parent]
        np.testing.assert_allclose(two[:, :, joint], expected, atol=1e-12)
