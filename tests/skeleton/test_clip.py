"""A clip knows its size and refuses arrays that do not fit together."""

import numpy as np
import pytest

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NTU = load_layout("ntu25")


def test_size_comes_from_the_axes():
    clip = SkeletonClip(np.zeros((2, 30, 25, 3), np.float32), NTU, score=np.zeros((2, 30, 25), np.float32))
    assert (clip.people, clip.frames) == (2, 30)


@pytest.mark.parametrize(
    ("keypoint", "score", "message"),
    [
        ((30, 25, 3), None, r"clip 'wave': keypoint has shape \(30, 25, 3\), expected \(people, frames, joints"),
        ((1, 30, 25, 4), None, r"clip 'wave': keypoint has shape \(1, 30, 25, 4\)"),
        ((1, 30, 17, 3), None, "clip 'wave' has 17 joints, layout 'ntu25' has 25"),
        ((1, 30, 25, 3), (30, 25), r"clip 'wave': score has shape \(30, 25\), expected \(1, 30, 25\)"),
    ],
)
def test_wrong_shapes_are_named_with_the_clip(keypoint, score, message):
    with pytest.raises(ValueError, match=message):
        SkeletonClip(np.zeros(keypoint), NTU, name="wave", score=None if score is None else np.zeros(score))


def test_a_name_is_no_layout():
    with pytest.raises(ValueError, match=r"layout is 'coco17', expected a JointLayout: load_layout\('coco17'\)$"):
        SkeletonClip(np.zeros((1, 30, 17, 2)), "coco17", name="wave")
    with pytest.raises(ValueError, match=r"^clip 'wave': keypoint is a list, expected a numpy array$"):
        SkeletonClip([[[[0, 0]]]], NTU, name="wave")


def test_clips_share_no_attributes():
    one, two = (SkeletonClip(np.zeros((1, 1, 25, 3)), NTU) for _ in range(2))
    assert one.attributes is not two.attributes
    assert one.splits is not two.splits
