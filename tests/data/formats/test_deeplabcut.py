"""DeepLabCut's files: body parts of one animal and of several, what becomes of them, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import read, recognise, recordings
from kinegraph.data.formats.deeplabcut import layout_of

# The first two frames of three body parts of animovement/movement-data, deeplabcut/mouse_single.csv, rounded.
ONE = """\
scorer,DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,\
DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,DLC_resnet50_Mouse_340000,\
DLC_resnet50_Mouse_340000
bodyparts,left_ear,left_ear,left_ear,right_ear,right_ear,right_ear,centre,centre,centre
coords,x,y,likelihood,x,y,likelihood,x,y,likelihood
0,510.63,-0.07,0.25,507.48,-0.11,0.5,509.71,1.58,0.75
1,510.65,-0.13,1.0,,,,509.75,1.59,0.5
"""
# Two mice and a corner of the box. The second mouse is not there in frame 0; frame 1 has no row.
TWO = """\
scorer,net,net,net,net,net,net,net,net,net,net,net,net,net,net,net
individuals,anna,anna,anna,anna,anna,anna,bo,bo,bo,bo,bo,bo,single,single,single
bodyparts,snout,snout,snout,tail,tail,tail,snout,snout,snout,tail,tail,tail,corner,corner,corner
coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood
0,10,20,0.5,30,40,1.0,,,,,,,1,2,1.0
2,11,21,0.5,31,41,1.0,50,60,0.25,70,80,0.75,1,2,1.0
"""


@pytest.fixture
def file(tmp_path):
    def write(text=ONE, name="mouse.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_one_animal(file):
    found = recordings(file())
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.fps) == ("deeplabcut", "px", "mouse", None)
    assert clip.layout.joints == ("left_ear", "right_ear", "centre")
    np.testing.assert_array_equal(clip.keypoint[0, 0], np.float32([[510.63, -0.07], [507.48, -0.11], [509.71, 1.58]]))
    np.testing.assert_array_equal(clip.keypoint[0, 1, 1], [0, 0])
    np.testing.assert_array_equal(clip.score[0], [[0.25, 0.5, 0.75], [1, 0, 0.5]])
    assert any("'centre', the file names none" in line for line in found.assumed)


def test_individuals_are_people(file):
    found = recordings(file(TWO))
    (clip,) = found.clips
    assert clip.layout.joints == ("snout", "tail")
    anna, bo = clip.keypoint
    np.testing.assert_array_equal(anna, [[[10, 20], [30, 40]], [[0, 0], [0, 0]], [[11, 21], [31, 41]]])
    np.testing.assert_array_equal(bo, [[[0, 0], [0, 0]], [[0, 0], [0, 0]], [[50, 60], [70, 80]]])
    np.testing.assert_array_equal(clip.score[1, 2], [0.25, 0.75])
    assert found.skipped() == ["parts of 'single', which is no animal: corner"]


def test_columns_are_taken_by_their_names(file):
    (clip,) = read(file(TWO))
    order = [0, *np.random.default_rng(0).permutation(np.arange(1, 16)).tolist()]
    cells = [line.split(",") for line in TWO.splitlines()]
    (other,) = read(file("\n".join(",".join(row[i] for i in order) for row in cells), "mixed.csv"))
    joint = [other.layout.joints.index(name) for name in clip.layout.joints]
    people = [0, 1] if other.keypoint[0, 0].any() else [1, 0]
    np.testing.assert_array_equal(other.keypoint[people][:, :, joint], clip.keypoint)
    np.testing.assert_array_equal(other.score[people][:, :, joint], clip.score)


def test_a_folder_with_labels(file, tmp_path):
    file()
    file(ONE.replace("net", "other"), "rat.csv")
    (tmp_path / "labels.csv").write_text("clip,label\nmouse,rearing\nrat,grooming\n")
    assert recognise(tmp_path)[0].NAME == "deeplabcut"
    mouse, rat = read(tmp_path, labels_file=tmp_path / "labels.csv")
    assert [(clip.name, clip.label) for clip in (mouse, rat)] == [("mouse", 1), ("rat", 0)]
    assert mouse.layout == rat.layout


def test_joints_of_a_given_layout(file, tmp_path):
    text = ONE.replace("left_ear", "LEar").replace("right_ear", "Right ear").replace("centre", "nose")
    found = recordings(file(text), layout="coco17")
    (clip,) = found.clips
    place = clip.layout.joints.index
    assert clip.keypoint[0, 0, [place("left_ear"), place("right_ear"), place("nose")], 0].astype(int).tolist() == [
        510, 507, 509,
    ]  # fmt: skip
    assert any(line.startswith("14 joints without a body part") for line in found.skipped())


@pytest.mark.parametrize(
    ("parts", "pairs", "centre"),
    [
        (("nose", "leftear", "rightear", "spine1"), [("leftear", "rightear")], "spine1"),
        (("tail", "HindPaw_L", "HindPaw_R"), [("HindPaw_L", "HindPaw_R")], "tail"),
        (("nose", "l_left", "l_right", "r_right"), [("l_left", "l_right")], "nose"),  # l_right is in one pair only
        (("left eye", "right eye"), [], "left eye"),  # nothing is in the middle: no mirror image of the bone's end
    ],
)
def test_a_layout_follows_from_the_names(parts, pairs, centre):
    layout = layout_of(parts)
    assert layout.joints == parts
    assert [(parts[left], parts[right]) for left, right in layout.mirror] == pairs
    assert parts[layout.centre] == centre


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("coords,x,y,likelihood", "coords,x,y,z"), "column 4 holds 'z', expected x, y, likelihood"),
        (("centre,centre,centre", "left_ear,left_ear,left_ear"), "column 8 has x of the body part 'left_ear' again"),
        (("coords,x,y", "coords,x,likelihood"), "column 4 has likelihood of the body part 'left_ear' again"),
        (("bodyparts,left_ear,", "bodyparts,"), "line 2 has 9 cells, line 1 has 10"),
        (("\ncoords,", "\n"), "first rows begin with scorer, bodyparts, coords"),
        (("1.58,0.75", "1.58"), "line 4 has 9 cells, expected 10"),
        (("510.65", "often"), "line 5: could not convert string to float: 'often'"),
        (("510.65", "inf"), "line 5 holds a number that is not finite"),
        (("\n1,", "\n0,"), "line 5 is of frame 0, expected one after 0"),
        (("\n1,", "\n90000,"), "numbers 90,001 frames and has 2 of them"),
        (("\n0,", "\nlabeled-data/m/img0.png,"), "labels of single pictures are no recording"),
    ],
)
def test_what_cannot_be_read_is_named(file, changes, reason):
    assert changes[0] in ONE
    with pytest.raises(ValueError, match=reason):
        list(read(file(ONE.replace(*changes)), "deeplabcut"))


def test_files_of_other_body_parts_are_faults(file, tmp_path):
    file()
    file(ONE.replace("centre", "tail"), "rat.csv")
    with pytest.raises(ValueError, match=r"rat\.csv: the body part 'centre' is not in all files"):
        list(read(tmp_path))
