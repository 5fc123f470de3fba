"""A clip knows its size and refuses arrays that do not fit together."""

import numpy as np
import pytest
import torch

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

NTU = load_layout("ntu25")


def test_size_comes_from_the_axes():
    clip = SkeletonClip(np.zeros((2, 30, 25, 3), np.float32), NTU, score=np.zeros((2, 30, 25), np.float32))
    assert (clip.people, clip.frames) == (2, 30)


@pytest.mark.parametrize(
    ("keypoint", "score", "message"),
    [
        ((25, 3), None, r"clip 'wave': keypoint has shape \(25, 3\), expected \(people, frames, joints"),
        ((1, 30, 25, 4), None, r"clip 'wave': keypoint has shape \(1, 30, 25, 4\)"),
        ((1, 30, 17, 3), None, "clip 'wave' has 17 joints, layout 'ntu25' has 25"),
        ((1, 30, 25, 3), (30, 24), r"clip 'wave': score has shape \(1, 30, 24\), expected \(1, 30, 25\)"),
    ],
)
def test_wrong_shapes_are_named_with_the_clip(keypoint, score, message):
    with pytest.raises(ValueError, match=message):
        SkeletonClip(np.zeros(keypoint), NTU, name="wave", score=None if score is None else np.zeros(score))


def test_arrays_of_one_person_and_names_of_layouts_make_a_clip():
    one = SkeletonClip(np.ones((30, 17, 2)), "coco17", score=np.ones((30, 17)))
    assert (one.people, one.frames, one.layout, one.score.shape) == (1, 30, load_layout("coco17"), (1, 30, 17))
    of_lists = SkeletonClip(one.keypoint.tolist(), "coco17")
    assert of_lists.keypoint.dtype == np.float32
    assert (of_lists.keypoint == one.keypoint).all()
    with pytest.raises(ValueError, match="did you mean 'coco17'"):
        SkeletonClip(one.keypoint, "coco71")
    with pytest.raises(ValueError, match=r"^clip 'wave': keypoint is a str, expected an array of numbers; kg.read"):
        SkeletonClip("wave.csv", NTU, name="wave")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((2, 25, 3), complex), "keypoint is a ndarray of complex128, expected an array of numbers"),
        (np.full((2, 25, 3), "left"), "expected an array of numbers"),
        (np.ma.masked_less(np.zeros((2, 25, 3)), 1), r"a joint that was not seen is all zero: give values.filled\(0\)"),
        (None, "keypoint is a NoneType"),
    ],
)
def test_arrays_of_something_else_are_refused_at_once(values, message):
    with pytest.raises(ValueError, match=message):
        SkeletonClip(values, NTU, name="wave")


@pytest.mark.parametrize("values", [np.ones((2, 25, 3), object), torch.ones(2, 25, 3, dtype=torch.bfloat16)])
def test_numbers_of_any_kind_are_numbers(values):
    keypoint = SkeletonClip(values, NTU).keypoint
    assert keypoint.dtype == np.float32
    assert (keypoint == 1).all()


def test_a_repr_is_short_and_a_table_is_read_back():
    keypoint = np.random.default_rng(0).normal(0, 1, (2, 3, 25, 3)).astype(np.float32)
    keypoint[1, 0, 4] = 0  # not seen
    clip = SkeletonClip(keypoint, "ntu25", "wave", 1, fps=30)
    assert repr(clip) == "SkeletonClip('wave': 2 people, 3 frames at 30 a second, ntu25, 3D, label 1)"
    table = clip.table
    assert {len(column) for column in table.values()} == {2 * 3 * 25 - 1}
    again = np.zeros_like(keypoint)
    for person, frame, joint, *place in zip(
        *(table[name] for name in ("person", "frame", "joint", *"xyz")), strict=True
    ):
        again[person, frame, NTU.joints.index(joint)] = place
    assert (again == keypoint).all()


def test_clips_share_no_attributes():
    one, two = (SkeletonClip(np.zeros((1, 1, 25, 3)), NTU) for _ in range(2))
    assert one.attributes is not two.attributes
    assert one.splits is not two.splits
