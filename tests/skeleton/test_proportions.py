"""Bones against the shortest lines between joints: one for the right layout, far more for another order."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout
from kinegraph.skeleton.proportions import FEWEST_JOINTS, MOST_EXCESS, _distances, _excess, recognise
from tests.made_up import body

LARGE = [name for name in layout_names() if len(load_layout(name)) >= FEWEST_JOINTS]
SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared") / "data"


def bone_excess(bodies, layout):
    return _excess(*_distances(bodies), layout)


def test_joints_on_a_line_have_a_known_excess():
    """A chain of bones along a line is the shortest way; two joints that change places add twice their distance."""
    layout = JointLayout("chain", tuple("abcdef"), ((1, 0), (2, 1), (3, 2), (4, 3), (5, 4)), 0)
    line = np.zeros((1, 6, 3))
    line[0, :, 0] = np.arange(1, 7)
    assert bone_excess(line, layout) == 1
    assert bone_excess(line[:, [0, 4, 2, 3, 1, 5]], layout) == (4 + 2 + 1 + 2 + 4) / 5


@given(name=st.sampled_from(LARGE), seed=st.integers(0, 999), size=st.floats(0.01, 1000))
@settings(max_examples=40)
def test_size_place_and_turn_change_nothing(name, seed, size):
    layout, rest = load_layout(name), body(name, seed=seed) + 5
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    excess = bone_excess(rest[None], layout)
    assert 1 <= excess < MOST_EXCESS[3]
    assert np.isclose(bone_excess(size * (rest @ turn + 9)[None], layout), excess, rtol=1e-6)


def test_nobody_has_no_proportions():
    assert bone_excess(np.zeros((3, 17, 3)), load_layout("coco17")) == float("inf")
    assert recognise(np.zeros((0, 17, 3)), [load_layout("coco17")]) is None
    assert recognise(np.ones((3, 17, 3)), [load_layout("coco17")]) is None


@pytest.mark.parametrize(
    ("file", "layout"),
    [
        ("dev/msraction3d", "msr20"), ("dev/utkinect", "kinect20"), ("dev/g3d_kinect", "kinect20"),
        ("dev/karate_kata", None), ("ui_prmd_kinect", "kinect22"), ("hdm05_11", "hdm31"),
    ],
)  # fmt: skip
def test_real_recordings(file, layout):
    """The karate's 25 joints are in an order of their own."""
    if not (SHARED / f"{file}.npz").exists():
        pytest.skip("the recordings are not beside the checkout")
    content = np.load(SHARED / f"{file}.npz")
    rows = content["x" if "x" in content else "keypoint_mm"]
    rows = rows[np.linspace(0, len(rows) - 1, 64).astype(int)].astype(float)
    rows[(rows == -32768).any(2)] = 0
    same = [load_layout(name) for name in layout_names() if len(load_layout(name)) == rows.shape[1]]
    known = {one.joints: one for one in same}.values()
    found = recognise(rows, list(known))
    assert (found.name if found else None) == layout
