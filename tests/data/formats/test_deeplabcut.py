"""DeepLabCut's files: body parts of one animal and of several, what becomes of them, and what is refused."""

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.data.formats import deeplabcut_rows, recognise
from kinegraph.data.formats.deeplabcut import read_file
from kinegraph.data.read import read, recordings
from kinegraph.data.reading.joints.body_parts import layout_of
from tests.data.formats import saving

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


file = saving(ONE, "mouse.csv")


def test_one_animal(file):
    found = recordings(file())
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.fps) == ("deeplabcut", "px", "mouse", None)
    assert clip.layout.joints == ("left_ear", "right_ear", "centre")
    np.testing.assert_array_equal(clip.keypoint[0, 0], np.float32([[510.63, -0.07], [507.48, -0.11], [509.71, 1.58]]))
    np.testing.assert_array_equal(clip.keypoint[0, 1, 1], [0, 0])
    np.testing.assert_array_equal(clip.score[0], [[0.25, 0.5, 0.75], [1, 0, 0.5]])
    assert any("'centre', the file names none" in line for line in found.assumed)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ONE.replace(",", ";").replace(".", ","), "utf-8"),
        (ONE.replace(",", "\t").replace(".", ","), "utf-16"),  # Excel's Unicode text
        ("\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in ONE.splitlines()), "utf-8-sig"),
    ],
)
def test_tables_that_went_through_a_spreadsheet(file, tmp_path, text, encoding):
    one = next(read(file()))
    (tmp_path / "other.csv").write_bytes(text.encode(encoding))
    found = recordings(tmp_path / "other.csv")
    (other,) = found.clips
    assert (found.format, other.layout.joints) == ("deeplabcut", one.layout.joints)
    np.testing.assert_array_equal(other.keypoint, one.keypoint)
    np.testing.assert_array_equal(other.score, one.score)


def test_a_clip_is_named_as_its_video(file, tmp_path):
    """Tables of BORIS name videos; DeepLabCut's files also name the network. Two files of a video keep their names."""
    run = "DLC_resnet50_openfieldMar1shuffle1_100000"
    for name in (f"2024-03-01_cage1{run}_el.csv", f"2024-03-02_cage1{run}.csv", f"2024-03-02_cage1{run}_sk.csv"):
        file(name=name)
    file(name="box_superanimal_topviewmouse_hrnet_w32.csv")
    names = [clip.name for clip in recordings(tmp_path).clips]
    assert names == [
        "2024-03-01_cage1", f"2024-03-02_cage1{run}", f"2024-03-02_cage1{run}_sk", "box"]  # fmt: skip


def test_individuals_are_people(file):
    found = recordings(file(TWO))
    (clip,) = found.clips
    assert clip.layout.joints == ("snout", "tail")
    assert clip.names_of_people == ["anna", "bo"]
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
    layout = layout_of(parts, "deeplabcut", "body parts")
    assert layout.joints == parts
    assert [(parts[left], parts[right]) for left, right in layout.mirror] == pairs
    assert parts[layout.centre] == centre


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("coords,x,y,likelihood", "coords,x,y,z"), "has no column z for the body part 'right_ear'"),
        (("coords,x,y,likelihood", "coords,x,height,likelihood"), "has no column y for the body part 'left_ear'"),
        (("centre,centre,centre", "left_ear,left_ear,left_ear"), "column 8 has x of the body part 'left_ear' again"),
        (("coords,x,y", "coords,x,likelihood"), "column 4 has likelihood of the body part 'left_ear' again"),
        (("bodyparts,left_ear,", "bodyparts,"), "line 2 has 9 cells, line 1 has 10"),
        (("\ncoords,", "\n"), "first rows begin with scorer, bodyparts, coords"),
        (("1.58,0.75", "1.58"), "line 4 has 9 cells, expected 10"),
        (("510.65", "often"), "line 5: could not convert string to float: 'often'"),
        (("510.65", "inf"), "line 5 holds a number that is not finite"),
        (("\n1,", "\n0,"), "line 5 is of frame 0, expected one after 0"),
        (("\n1,", "\n90000,"), "numbers 90,001 frames and has 2 of them"),
        (("\n0,", "\nlabeled-data/m/img0.png,"), "labels of single pictures"),
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


# ---- in space, with other columns, and as HDF5 -----------------------------------------------------------------------


def test_three_coordinates_are_places_in_space(file):
    rows = ["scorer,net,net,net,net,net,net", "bodyparts,snout,snout,snout,tail,tail,tail", "coords,x,y,z,x,y,z",
            "0,0.1,0.2,0.3,0.4,0.5,0.6", "1,0.1,0.2,0.3,,,"]  # fmt: skip
    found = recordings(file("\n".join(rows)))
    (clip,) = found.clips
    assert (found.units, clip.score) == ("m", None)
    np.testing.assert_allclose(clip.keypoint[0, 0], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert not clip.keypoint[0, 1, 1].any()


def test_columns_of_lightning_pose_are_left_out_and_said(file):
    """Predictions with variances of an ensemble and the part of the data in the last column."""
    rows = ["scorer,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,"
            "heatmap_tracker,heatmap_tracker,set", "bodyparts,paw,paw,paw,paw,nose,nose,nose,nose,",
            "coords,x,y,likelihood,x_ens_var,x,y,likelihood,x_ens_var,", "0,1,2,0.9,0.1,3,4,0.8,0.1,train"]  # fmt: skip
    found = recordings(file("\n".join(rows)))
    (clip,) = found.clips
    assert (clip.layout.joints, clip.keypoint[0, 0].tolist()) == (("paw", "nose"), [[1, 2], [3, 4]])
    assert clip.score[0, 0].tolist() == [np.float32(0.9), np.float32(0.8)]
    assert any(line.startswith("columns that mean nothing here: x_ens_var") for line in found.skipped())


LABELS = [("net", who, part, coord) for who in ("anna", "bo") for part in ("snout", "tail")
          for coord in ("x", "y", "likelihood")]  # fmt: skip
CELLS = np.random.default_rng(0).uniform(0, 1, (3, 12))


def as_hdf5(path: Path, labels=LABELS, fixed: bool = False) -> Path:
    """The arrays that pandas 3 writes by `to_hdf`, with format="table" and without."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame" if fixed else "frame_table")
        if fixed:
            group["block0_values"], group["axis1"] = CELLS, np.array([0, 1, 3])
            for level, names in enumerate(zip(*labels, strict=True)):
                known = sorted(set(names))
                group[f"block0_items_level{level}"] = np.bytes_(known)
                group[f"block0_items_label{level}"] = np.int8([known.index(name) for name in names])
            return path
        rows = np.zeros(3, [("index", "i8"), ("values_block_0", "f8", (12,))])
        rows["index"], rows["values_block_0"] = [0, 1, 3], CELLS
        group["table"] = rows
        group["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(labels, 0))
        group.attrs["info"] = np.bytes_(pickle.dumps({"names": ["scorer", "individuals", "bodyparts", "coords"]}, 0))
    return path


@pytest.mark.parametrize("fixed", [False, True])
def test_hdf5_of_several_animals(tmp_path, fixed):
    found = recordings(as_hdf5(tmp_path / "mice.h5", fixed=fixed))
    (clip,) = found.clips
    assert (found.format, clip.layout.joints, clip.keypoint.shape) == ("deeplabcut", ("snout", "tail"), (2, 4, 2, 2))
    cells = CELLS.reshape(3, 2, 2, 3).swapaxes(0, 1)
    np.testing.assert_allclose(clip.keypoint[:, [0, 1, 3]], cells[..., :2], rtol=1e-6)
    np.testing.assert_allclose(clip.score[:, [0, 1, 3]], cells[..., 2], rtol=1e-6)
    assert not clip.keypoint[:, 2].any()


def test_of_a_csv_and_an_h5_of_one_name_the_csv_is_read(tmp_path):
    as_hdf5(tmp_path / "mice.h5")
    (tmp_path / "mice.csv").write_text(TWO)
    (clip,) = read(tmp_path)
    assert clip.frames == 3


def test_names_of_columns_run_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    with pytest.raises(ValueError, match=r"mice\.h5 asks for .*print"):
        list(read(as_hdf5(tmp_path / "mice.h5", labels=[Evil()])))


TEXTS = st.one_of(
    st.floats(-1e6, 1e6, width=32).map(repr),
    st.sampled_from(["", "nan", " 1.5", "1e3", "7", " ", "1_0", '"4.5"', "n/a", "inf", "1e40", "0x1"]),
)


@given(st.lists(st.lists(TEXTS, min_size=9, max_size=9), min_size=1, max_size=6), st.sampled_from([0, 1, 3]))
@example([["1.5", "", "", "", "2", "", "3", "4", ""]] * 3, 2)  # empty cells beside each other
def test_blocks_of_lines_give_what_single_cells_give(rows, step):
    """The same array, or the same message, of whatever cells and frames that go up, or do not."""

    def answer(file: Path) -> list | str:
        try:
            return read_file(file)[1].tolist()
        except ValueError as error:
            return str(error)

    lines = [",".join([str(step * t), *row]) for t, row in enumerate(rows)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder) / "mouse.csv"
        file.write_text("\n".join([*ONE.splitlines()[:3], *lines, ""]))
        patch.setattr(deeplabcut_rows, "BLOCK", 60)
        quick = answer(file)
        patch.setattr(deeplabcut_rows, "_plain", lambda *_: None)
        assert str(quick) == str(answer(file))


def test_of_a_recording_and_its_filtered_one_the_filtered_is_read(file, tmp_path):
    file(ONE.replace("509.71", "1"), "mouseDLC_resnet50.csv")
    file(ONE, "mouseDLC_resnet50_filtered.csv")
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert (clip.name, clip.keypoint[0, 0, 2, 0]) == ("mouse", np.float32(509.71))
    assert "mouseDLC_resnet50.csv" in " ".join(found.skipped())


def test_labels_of_pictures_of_newer_versions_are_no_recording(file):
    head = "scorer,,,me,me\nbodyparts,,,nose,nose\ncoords,,,x,y\n"
    with pytest.raises(ValueError, match=r"labels of single pictures.*analyze_videos"):
        recordings(file(head + "labeled-data,vid,img01.png,1,2\n"))


def test_long_bones_that_were_assumed_say_nothing_of_the_order_of_joints(tmp_path, capsys):
    """The parts have names, so their order is known; bones from each to one in the middle are long."""
    parts = ["snout", "leftear", "rightear", "tailbase", "leftpaw", "rightpaw", "back"]
    places = np.array([[0, 0], [9, 9], [9, -9], [90, 0], [50, 30], [50, -30], [99, 9]]) + 200.0
    rows = ["scorer," + ",".join(["net"] * 21), "bodyparts," + ",".join(it for it in parts for _ in range(3))]
    rows += ["coords," + ",".join(["x", "y", "likelihood"] * 7)]
    rows += [f"{t}," + ",".join(f"{x + t},{y},0.9" for x, y in places) for t in range(9)]
    (tmp_path / "mouse.csv").write_text("\n".join(rows))
    assert main(["inspect", str(tmp_path / "mouse.csv")]) == 0
    said = capsys.readouterr().out
    assert "bones: from each body part to 'back'" in said
    assert "order" not in said
