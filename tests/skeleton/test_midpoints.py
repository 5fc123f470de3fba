"""The three joints that ProtoGCN adds to HRNet's, and what its streams make of them."""

import pickle

import numpy as np

import kinegraph
from kinegraph.data.augment import mirror
from kinegraph.data.features import streams
from kinegraph.inference.clip_matching import with_joints
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

COCO, WIDE = load_layout("coco17"), load_layout("coco20")
# (child, parent) and (child, grand-parent) of ProtoGCN's JointToBone and JointToKB for coco_new
PARENTS = [19, 0, 0, 1, 2, 19, 19, 5, 6, 7, 8, 17, 17, 11, 12, 13, 14, 18, 19, 19]
GRAND = [0, 19, 19, 0, 0, 5, 6, 19, 19, 5, 6, 18, 18, 17, 17, 11, 12, 19, 18, 19]


def recorded() -> SkeletonClip:
    rng = np.random.default_rng(0)
    keypoint, score = rng.uniform(1, 99, (1, 4, 17, 2)).astype(np.float32), rng.uniform(size=(1, 4, 17))
    return SkeletonClip(keypoint, COCO, "clip", 0, score.astype(np.float32), image_size=(100, 80))


def expected(values: np.ndarray) -> np.ndarray:
    hips, shoulders = values[:, :, 11:13].mean(2), values[:, :, 5:7].mean(2)
    return np.concatenate([values, np.stack([hips, (hips + shoulders) / 2, shoulders], 2)], 2)


def test_midpoints_of_an_annotation_file_and_of_a_clip_for_a_network(tmp_path):
    clip = recorded()
    annotation = {"frame_dir": "clip", "label": 0, "total_frames": 4, "img_shape": (80, 100), "keypoint": clip.keypoint,
                  "keypoint_score": clip.score}  # fmt: skip
    (tmp_path / "gym.pkl").write_bytes(pickle.dumps([annotation]))
    (read,) = kinegraph.read(tmp_path / "gym.pkl", layout="coco20")
    for found in (read, with_joints(clip, WIDE, map_layout=False)):
        assert found.layout == WIDE
        assert np.allclose(found.keypoint, expected(clip.keypoint), atol=1e-3)
        assert np.allclose(found.score, expected(clip.score), atol=1e-3)


def test_published_bones_and_scores():
    joints = np.random.default_rng(1).normal(size=(1, 3, 20, 3)).astype(np.float32)
    bone, far, moved = streams(joints, WIDE, ("bone", "k_bone", "joint_motion"), scored=True)
    means = (joints[..., 2] + joints[:, :, PARENTS, 2]) / 2
    assert np.allclose(bone, np.concatenate([(joints - joints[:, :, PARENTS])[..., :2], means[..., None]], 3))
    assert np.allclose(far, joints - joints[:, :, GRAND])  # the score too is a difference
    assert np.allclose(moved[:, :-1], np.diff(joints, axis=1))


def test_a_picture_is_turned_round_in_itself():
    joints = recorded().keypoint.copy()
    joints[0, 0, 5] = 0  # not seen
    turned = mirror(joints, COCO, 100.0)
    assert np.allclose(turned[0, 0, 6], 0)
    assert np.allclose(turned[0, 1, 6], [100 - joints[0, 1, 5, 0], joints[0, 1, 5, 1]])
    assert np.allclose(mirror(turned, COCO, 100.0), joints, atol=1e-4)
