"""MSR-Action3D's text files: joints, what the name says, metres and pixels, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from tests.data.formats import saving

# Frame 0 of a18_s01_e01_skeleton3D.txt.
ROWS = """\
-0.316767 0.371508 2.612684 1.000000
0.040568 0.355396 2.597981 1.000000
-0.140099 0.406428 2.509632 0.000000
-0.140807 0.210863 2.706725 0.000000
-0.287686 -0.009203 2.581448 1.000000
-0.006963 -0.018240 2.566788 0.961538
-0.140328 0.002749 2.697933 0.000000
-0.380026 0.111593 2.594620 1.000000
0.087259 0.091597 2.587292 1.000000
-0.372930 -0.174389 2.549930 1.000000
0.065899 -0.195659 2.557950 1.000000
-0.360488 -0.239699 2.565466 0.543269
0.040188 -0.255908 2.538699 0.947115
-0.266745 -0.584199 2.631560 1.000000
-0.021325 -0.585866 2.622144 1.000000
-0.196663 -0.971557 2.797001 0.469231
-0.032588 -1.007334 2.689722 1.000000
-0.232892 -1.041642 2.648254 0.000000
-0.031600 -1.034016 2.523477 0.000000
-0.115568 0.663592 2.482904 1.000000
"""
PIXELS = "\n".join(f"{100 + i} {50 + 5 * i} 900 1" for i in range(20)) + "\n"


save = saving(ROWS * 2, "a18_s01_e01_skeleton3D.txt")


def test_a_clip_in_metres(save):
    found = recordings(save())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.name, clip.fps) == (
        "msr",
        "m",
        "msr20",
        "a18_s01_e01",
        15,
    )
    place = clip.layout.joints.index
    np.testing.assert_allclose(clip.keypoint[0, 1, place("head")], [-0.115568, 0.663592, 2.482904])
    np.testing.assert_allclose(clip.keypoint[0, 0, place("right_shoulder")], [-0.316767, 0.371508, 2.612684])
    assert clip.score[0, 0, place("right_hand")] == np.float32(0.543269)
    assert (found.class_names[clip.label], len(found.class_names)) == ("tennis serve", 20)
    assert (clip.attributes, clip.splits) == ({"subject": 1, "episode": 1}, {"xsub": "train"})


def test_a_clip_in_pixels(save):
    found = recordings(save(PIXELS, "a02_s04_e03_skeleton.txt"))
    (clip,) = found.clips
    assert (found.units, clip.image_size, clip.splits) == ("px", (320, 240), {"xsub": "val"})
    np.testing.assert_array_equal(clip.keypoint[0, 0, :2], [[100, 50], [101, 55]])


def test_of_both_kinds_the_one_in_metres_is_read(save, tmp_path):
    save()
    save(PIXELS, "a18_s01_e01_skeleton.txt")
    assert recognise(tmp_path)[0].NAME == "msr"
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert clip.keypoint.shape == (1, 2, 20, 3)
    assert found.skipped() == ["1 file of the picture, clips that are there in metres: a18_s01_e01_skeleton.txt"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ROWS + ROWS[: ROWS.index("-0.006963")], "has 25 rows, expected 20 for each frame; is it cut?"),
        (ROWS.replace("0.406428 ", ""), "line 3 has 3 numbers, expected x, y, z and confidence"),
        (ROWS.replace("0.406428", "o"), "line 3: could not convert string to float: 'o'"),
        (ROWS.replace("0.406428", "nan"), "line 3 holds a number that is not finite"),
        ("0 0 0 0\n" * 20, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, text, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(text)))


def test_metres_and_pixels_are_not_mixed(save, tmp_path):
    save()
    save(PIXELS, "a19_s01_e01_skeleton.txt")
    with pytest.raises(ValueError, match=r"a19_s01_e01_skeleton\.txt is in pixels, the first file is in metres"):
        list(read(tmp_path))


def test_files_of_one_name_in_two_folders_are_named_apart(tmp_path):
    for folder in ("AS1", "AS2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a18_s01_e01_skeleton3D.txt").write_text(ROWS)
    clips = list(recordings(tmp_path).clips)
    assert [(clip.name, clip.label) for clip in clips] == [("AS1/a18_s01_e01", 17), ("AS2/a18_s01_e01", 17)]
