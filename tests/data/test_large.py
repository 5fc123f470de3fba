"""Arrays of long recordings: the same numbers in a temporary file, and memory given back."""

import resource
import sys

import numpy as np
import pytest

from kinegraph.data import large
from kinegraph.data.read import recordings


@pytest.fixture
def always_large(monkeypatch):
    """Every array lies in a temporary file, and blocks are of a few frames."""
    monkeypatch.setattr(large, "IN_MEMORY", 0)
    monkeypatch.setattr(large, "BLOCK_BYTES", 100)


def test_rows_placed_and_changed_are_the_same_in_memory_and_in_a_file(monkeypatch):
    values = np.random.default_rng(0).normal(size=(23, 4, 3)).astype(np.float32)

    def computed():
        rows = large.Rows()
        rows.add(values[:10])
        rows.add(values[10:])
        placed = large.placed(rows.array(4, 3), np.arange(23) * 2, 46, np.nan)
        return np.array(large.changed(placed[None], lambda some: some[..., :2] * 2))

    expected = np.full((1, 46, 4, 2), np.nan, np.float32)
    expected[0, ::2] = values[..., :2] * 2
    np.testing.assert_array_equal(computed(), expected)
    monkeypatch.setattr(large, "IN_MEMORY", 0)
    monkeypatch.setattr(large, "BLOCK_BYTES", 100)
    np.testing.assert_array_equal(computed(), expected)


def test_blocks_cover_all_frames_once(always_large):
    array = large.zeros((2, 17, 3, 2))
    for number, part in enumerate(large.blocks(array)):
        array[:, part] += number + 1
    assert (array > 0).all()
    assert len(np.unique(array)) > 3


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux counts")
def test_memory_is_given_back(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    array = large.zeros((1, 600_000, 30, 3))  # 216 MB
    total = sum(float(array[:, part].sum()) for part in large.blocks(array))
    assert total == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_a_table_is_read_to_the_same_clip(tmp_path, always_large):
    values = np.random.default_rng(0).normal((0, 0), 50, (40, 17, 2)) + 300
    lines = [",".join(["frame", *(f"{axis}_{joint}" for joint in range(17) for axis in "xy")])]
    lines += [
        ",".join([str(frame), *(f"{it:.6f}" for it in values[frame].ravel())]) for frame in range(40) if frame != 7
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    (clip,) = recordings(tmp_path / "a.csv", layout="coco17").clips
    values[7] = 0
    np.testing.assert_allclose(clip.keypoint[0], values, rtol=1e-6)
