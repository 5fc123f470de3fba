"""Recordings that are in a dataset twice, under another form."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.dataset import write_dataset
from kinegraph.data.dataset_checks import dataset_findings
from kinegraph.data.repair import at_rate
from kinegraph.data.repeats import NEAR, repeats
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 3000))
def test_all_near_pairs_are_found_and_no_others(seed, count):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((count, 18)).astype(np.float32)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    chosen = rng.choice(count, min(count, 40), replace=False)
    b = a[chosen] + rng.standard_normal((len(chosen), 18)).astype(np.float32) * 0.006
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    wanted = {(i, j) for i, j in zip(*np.nonzero(np.linalg.norm(a[:, None] - b, axis=2) < NEAR), strict=True)}
    assert set(repeats(list(a), list(b))) == wanted


def movement(name: str, seed: int, frames: int = 60) -> SkeletonClip:
    """Somebody whose joints swing smoothly."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, frames)[:, None, None]
    stands = np.random.default_rng(7).normal(0, 0.4, (1, 25, 3))
    swing = rng.normal(0, 0.15, (1, 25, 3)) * np.sin(6 * time + rng.uniform(0, 6, (1, 25, 1)))
    keypoint = (stands + swing + [0, 0, 3])[None].astype(np.float32)
    part = "train" if seed < 20 else "val"
    return SkeletonClip(keypoint, load_layout("ntu25"), name=name, label=seed % 2, fps=30.0, splits={"s": part})


def test_a_recording_that_was_moved_scaled_or_resampled_is_found_in_the_other_part(tmp_path):
    clips = [movement(f"clip {seed}", seed) for seed in range(40)]
    other = {"splits": {"s": "val"}}
    clips += [
        replace(clips[0], name="moved", keypoint=clips[0].keypoint + np.float32([1, 0, 0.5]), **other),
        replace(clips[1], name="scaled", keypoint=clips[1].keypoint * np.float32(1.1), **other),
        replace(at_rate(clips[2], 24.0), name="resampled", **other),
        replace(clips[3], name="the same", **other),
    ]
    about = {"layout": clips[0].layout, "class_names": ["a", "b"], "units": "m", "source": "made up"}
    folder = write_dataset(tmp_path / "d", clips, **about)
    found = {
        one.kind: set(one.clips)
        for one in dataset_findings(folder, "s")
        if one.kind.endswith(("near_duplicate", "content"))
    }
    assert found == {
        "near_duplicate": {"clip 0", "clip 1", "clip 2", "moved", "scaled", "resampled"},
        "duplicate_content": {"clip 3", "the same"},
    }
