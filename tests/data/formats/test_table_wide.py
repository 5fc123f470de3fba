"""Wide tables in blocks: the same as a row a joint, over the ends of blocks, with gaps, and their faults."""

import numpy as np
import pytest

from kinegraph.data.formats import read
from kinegraph.data.formats.table_wide import BLOCK
from kinegraph.skeleton.layout import load_layout

JOINTS = load_layout("coco17").joints
FRAMES = 2 * BLOCK + 3
PLACES = np.random.default_rng(0).uniform(1, 900, (FRAMES, 17, 3)).round(3).astype(np.float32)  # x, y, score
PLACES[..., 2] /= 900
HEADER = ",".join(["clip", "frame", *(f"{joint}_{axis}" for joint in JOINTS[::-1] for axis in ("x", "y", "score"))])


def rows() -> list[str]:
    """Two clips; joints stand in another order than in the layout."""
    cells = [",".join(map(str, frame[::-1].ravel())) for frame in PLACES]
    return [f"{'ab'[t >= BLOCK + 7]},{t},{it}" for t, it in enumerate(cells)]


def test_blocks_are_put_together(tmp_path):
    lines = rows()
    cells = lines[3].split(",")
    lines[3] = ",".join([*cells[:2], "", *cells[3:]])  # x of the last joint of the layout
    del lines[5]
    (tmp_path / "own.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    a, b = read(tmp_path / "own.csv")
    expected = PLACES.copy()
    expected[3, 16], expected[5] = 0, 0
    for clip, part in ((a, expected[: BLOCK + 7]), (b, expected[BLOCK + 7 :])):
        np.testing.assert_array_equal(clip.keypoint[0], part[..., :2])
        np.testing.assert_array_equal(clip.score[0], part[..., 2])


@pytest.mark.parametrize(
    ("line", "cell", "value", "reason"),
    [
        (300, 2, "seven", r"line 302 \(clip 'b'\): x is 'seven', expected a number"),
        (2, 3, "1e40", r"line 4 \(clip 'a'\): y is '1e40', expected a finite number"),
        (1, 1, "0", r"line 3 \(clip 'a'\): joint 'right_ankle' is there twice in frame 0"),
        (4, 1, "4.5", r"line 6 \(clip 'a'\): frame '4.5', expected a whole number"),
        (4, 0, "b", r"line 7: the rows of clip 'a' are scattered"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, line, cell, value, reason):
    lines = rows()
    cells = lines[line].split(",")
    cells[cell] = value
    lines[line] = ",".join(cells)
    (tmp_path / "own.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    with pytest.raises(ValueError, match=reason):
        list(read(tmp_path / "own.csv"))
