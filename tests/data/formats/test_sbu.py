"""SBU Kinect Interaction: two people, published normalisation undone, folders, folds, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

NORMALISED = np.random.default_rng(0).uniform(0.3, 0.7, (3, 2, 15, 3))
NORMALISED[..., 2] += 2
NORMALISED[2, 1] = 0
ROWS = "".join(
    f"{number},{','.join(f'{it:.8f}' for it in frame.ravel())}\n" for number, frame in enumerate(NORMALISED, 1)
)


save = saving(ROWS, "s01s02/03/002/skeleton_pos.txt")


def test_two_people_in_metres(save, tmp_path):
    save()
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.keypoint.shape) == ("sbu", "m", "openni15", (2, 3, 15, 3))
    x, y, z = NORMALISED[1, 1, 5]
    expected = np.array([1280 - 2560 * x, 960 - 1920 * y, z * 10000 / 7.8125]) / 1000
    np.testing.assert_allclose(clip.keypoint[1, 1, clip.layout.joints.index("left_hand")], expected, rtol=1e-5)
    assert not clip.keypoint[1, 2].any()
    assert (clip.name, found.class_names[clip.label], clip.attributes) == (
        "s01s02/03/002", "kicking", {"pair": "s01s02", "replication": 2},
    )  # fmt: skip
    assert clip.splits == {"fold1": "val", "fold2": "train", "fold3": "train", "fold4": "train", "fold5": "train"}


def test_a_single_file_has_the_label_of_its_folders(save):
    path = save(name="s07s03/s07s03/01/001/skeleton_pos.txt")
    assert recognise(path)[0].NAME == "sbu"
    (clip,) = read(path)
    assert (clip.label, clip.splits["fold3"], clip.attributes["pair"]) == (0, "val", "s07s03")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ROWS.replace("1,0.", "1,x", 1), "line 1: could not convert string to float"),
        ("1,2,3\n", "line 1 has 3 numbers, expected a frame and 2 x 15 x"),
        ("1," + ",".join(["0"] * 90), "without any person"),
        ("\n", "has no frames"),
    ],
)
def test_what_cannot_be_read_is_named(save, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(text), "sbu"))
