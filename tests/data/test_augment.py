"""Random variations: what each must keep, and what it must do on an input with a known answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinegraph.data.augment import Augmentation, augment, limbs, mirror, random_crop, random_linear, rotation_3d
from kinegraph.skeleton.layout import load_layout

NTU = load_layout("ntu25")
CLIP = np.random.default_rng(0).normal(size=(2, 6, 25, 3)).astype(np.float32)


def bone_lengths(joints):
    return np.linalg.norm(joints - joints[:, :, list(NTU.parents)], axis=-1)


@given(st.integers(0, 200))
def test_rotation_keeps_bone_lengths(seed):
    turned = augment(CLIP, NTU, Augmentation(rotation=(0.5, 1.0, 3.0)), 3, np.random.default_rng(seed))
    assert not np.allclose(turned, CLIP)
    np.testing.assert_allclose(bone_lengths(turned), bone_lengths(CLIP), rtol=1e-4, atol=1e-5)


def test_mirror_twice_is_the_clip_and_once_exchanges_hands():
    once = mirror(CLIP, NTU)
    np.testing.assert_array_equal(mirror(once, NTU), CLIP)
    left, right = NTU.joints.index("left_hand"), NTU.joints.index("right_hand")
    np.testing.assert_array_equal(once[:, :, left], CLIP[:, :, right] * [-1, 1, 1])


def test_missing_joints_are_missing_in_the_whole_clip():
    dropped = augment(CLIP, NTU, Augmentation(joint_dropout=0.4), 3, np.random.default_rng(4))
    gone = ~dropped.any(-1)  # people, frames, joints
    assert (gone == gone[:, :1]).all()
    np.testing.assert_array_equal(dropped[~gone], CLIP[~gone])
    share = np.mean([
        ~augment(CLIP, NTU, Augmentation(joint_dropout=0.4), 3, np.random.default_rng(seed))[:, 0].any(-1)
        for seed in range(100)
    ])  # fmt: skip
    assert share == pytest.approx(0.4, abs=0.03)
    assert not augment(CLIP, NTU, Augmentation(joint_dropout=1), 3, np.random.default_rng(0)).any()


def test_missing_frames_are_missing_for_everybody():
    long = np.ones((2, 500, 25, 3), np.float32)
    dropped = augment(long, NTU, Augmentation(frame_dropout=0.2), 3, np.random.default_rng(4))
    gone = (dropped == 0).all((0, 2, 3))
    np.testing.assert_array_equal(dropped, long * ~gone[:, None, None])
    assert gone.mean() == pytest.approx(0.2, abs=0.06)


def test_shear_adds_a_share_of_the_other_axes():
    lean = random_linear(Augmentation(shear=0.3), 3, np.random.default_rng(2))
    np.testing.assert_allclose(np.diag(lean), 1)
    assert 0 < np.abs(lean - np.eye(3)).max() <= 0.3
    sheared = augment(CLIP, NTU, Augmentation(shear=0.3), 3, np.random.default_rng(2))
    np.testing.assert_allclose(sheared[..., 0], CLIP @ lean[0].astype(np.float32), atol=1e-5)


def test_rotation_by_a_quarter_about_z_takes_x_to_y():
    np.testing.assert_allclose(rotation_3d([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_two_dimensional_rotation_has_mean_zero():
    rng = np.random.default_rng(0)
    angles = [np.arctan2(*random_linear(Augmentation(rotation=(0, 0, 0.4)), 2, rng)[::-1, 0]) for _ in range(4000)]
    assert abs(np.mean(angles)) < 0.02
    assert max(np.abs(angles)) <= 0.4


@given(st.integers(0, 50))
def test_scale_stretches_each_axis_within_its_bounds(seed):
    stretch = random_linear(Augmentation(scale=0.2), 3, np.random.default_rng(seed))
    assert np.count_nonzero(stretch - np.diag(np.diag(stretch))) == 0
    assert (np.abs(np.diag(stretch) - 1) <= 0.2).all()


@given(st.integers(0, 50))
def test_absent_people_stay_zero_and_scores_stay_as_they_are(seed):
    everything = Augmentation(rotation=(0.3, 0.3, 0.3), scale=0.2, shear=0.2, mirror=0.5, noise=0.1)
    scored = np.concatenate([CLIP[..., :2], np.full((2, 6, 25, 1), 0.7, np.float32)], axis=-1)
    scored[1] = 0
    varied = augment(scored, NTU, everything, 2, np.random.default_rng(seed))
    assert not varied[1].any()
    np.testing.assert_array_equal(varied[0, ..., 2], np.float32(0.7))
    assert not np.allclose(varied[0, ..., :2], scored[0, ..., :2])


@given(st.integers(0, 100), st.floats(0.1, 1))
def test_crop_keeps_at_least_its_share(seed, crop):
    start, stop = random_crop(Augmentation(crop=crop), np.random.default_rng(seed))
    assert 0 <= start <= stop <= 1 + 1e-12
    assert stop - start >= crop - 1e-12


def test_no_augmentation_changes_nothing():
    np.testing.assert_allclose(augment(CLIP, NTU, Augmentation(), 3, np.random.default_rng(0)), CLIP, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 1.5},
        {"mirror": -0.1},
        {"crop": 2.0},
        {"noise": -1.0},
        {"shear": np.inf},
        {"time_warp": 1.1},
        {"joint_dropout": -1},
        {"rotation": (0, np.nan, 0)},
    ],
)
def test_impossible_values_are_named(wrong):
    with pytest.raises(ValueError, match=f"augment.{next(iter(wrong))}"):
        Augmentation(**wrong)


def test_a_joint_flip_exchanges_sides_and_leaves_x():
    layout = load_layout("ntu25")
    joints = np.random.default_rng(0).normal(size=(2, 4, 25, 3))
    flipped = augment(joints, layout, Augmentation(joint_flip=1.0), 3, np.random.default_rng(1))
    np.testing.assert_array_equal(flipped * [-1, 1, 1], mirror(joints, layout))


def test_limbs_are_protogcns_for_ntu():
    assert limbs(load_layout("ntu25")) == [
        [4, 5, 6, 7, 21, 22], [8, 9, 10, 11, 23, 24], [12, 13, 14, 15], [16, 17, 18, 19]
    ]  # fmt: skip


def test_a_part_is_dropped_in_all_frames_of_all_people():
    layout, joints = load_layout("ntu25"), np.ones((2, 4, 25, 3))
    gone = set()
    for seed in range(20):
        kept = augment(joints, layout, Augmentation(part_drop=1.0), 3, np.random.default_rng(seed))
        (lost,) = {tuple(np.flatnonzero(frame[:, 0] == 0)) for person in kept for frame in person}
        gone.add(lost)
    assert sorted(gone) == [tuple(limb) for limb in limbs(layout)]


def test_a_body_without_sides_has_no_parts_to_drop():
    with pytest.raises(ValueError, match="names no left and right joints"):
        limbs(load_layout("hand21"))
