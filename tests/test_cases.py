"""Files that gave wrong answers or misleading words: what every command says of them now."""

import json
from pathlib import Path

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import recordings

CASES = Path(__file__).parent / "cases"
COCO, PICKLED = ("coco17", 2, "px"), "pickles/"


def output(capsys, *words: object) -> tuple[int, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    return code, " ".join("".join(capsys.readouterr()).split())


def faults(capsys, path: Path, *options: object) -> list[str]:
    """What inspect says is wrong with the recordings of a path."""
    _, text = output(capsys, "inspect", path, "--json", *options)
    return [it["message"] for it in json.loads(text)["findings"] if it["severity"] == "problem"]


# path -> options, (layout, dimensions, units), and words that `prepare` prints
READ = {
    PICKLED + "smpl22.pkl": ((), ("smpl22", 3, "m"), "layout 'smpl22', which fits"),
    PICKLED + "smpl24.pkl": ((), ("smpl24", 3, "m"), "layout 'smpl24', which fits"),
    PICKLED + "h36m_3d_z_0_to_1.pkl": (("--layout", CASES / PICKLED / "h36m.yaml"), ("h36m17", 3, "m"), ""),
    PICKLED + "fractions.pkl": ((), COCO, "x and y are fractions of a picture"),
    PICKLED + "frames_first.pkl": ((), COCO, "arrays are read as (frames, people, joints"),
    PICKLED + "no_people_axis.pkl": ((), COCO, "read as those of one person"),
    PICKLED + "people_change_places.pkl": ((), COCO, "people changed rows in 12 clips"),
    PICKLED + "img_shape_swapped.pkl": (("--image-size", "1920x1080"), COCO, ""),
    PICKLED + "no_img_shape.pkl": (("--image-size", "1920x1080", "--fps", "30"), COCO, "30 fps"),
    PICKLED + "no_split.pkl": (("--val-share", "0.25"), COCO, "split holdout train 9, val 3"),
    PICKLED + "total_frames_none.pkl": ((), COCO, "frames shortest 4"),
    "json/frames_first.json": ((), COCO, "arrays are read as (frames, people, joints"),
    "json/frame_null.json": ((), COCO, "classes 3"),
    "wrong_22_joints_are_kinect22/hand.json": ((), ("hand22", 3, "m"), "layout 'hand22', which fits"),
    "wrong_inspect_h36m_is_coco17/h36m.json": ((), ("h36m17", 3, "m"), "layout 'h36m17', which fits"),
    "wrong_gaps_unseen/wave.csv": ((), ("kinect20", 3, "m"), "frames are numbered in steps"),
    "wrong_mediapipe_xyz_as_metres/hand.csv": ((), ("hand21", 2, "normalised"), "are fractions of a picture"),
    "draw_up_minus_y/hand.csv": (("--image-size", "640x480"), ("hand21", 2, "px"), "are fractions of a picture"),
    "wrong_tracked_loses_people": ((), ("openpose18", 2, "px"), "people beyond 2 bodies a clip"),
    "inspect_names/upper.csv": ((), COCO, "split xsub"),
    "inspect_names/float_frames.csv": ((), COCO, "frames shortest 4, median 4, longest 4"),
    "wrong_inspect_joint_spelling/dash.csv": ((), COCO, ""),
    "wrong_inspect_joint_spelling/space.csv": ((), COCO, ""),
    "wrong_inspect_joint_spelling/upper.csv": ((), COCO, ""),
    "wrong_inspect_float_frames/a.csv": ((), COCO, ""),
    "folder_of_csv": ((), COCO, "12 clips"),
    "float_labels/float_labels.csv": ((), COCO, "class 0; class 5; class 10"),
    "bom_names/numbers.csv": (("--class-names", CASES / "bom_names" / "names_bom.txt"), COCO, "bow; kick; wave"),
}  # fmt: skip

# path -> the words with which every command refuses it
REFUSED = {
    PICKLED + "img_shape_swapped.pkl": "width and height are swapped; give --image-size 1920x1080",
    PICKLED + "several_labels.pkl": "list the clip once for each of them, with one label each",
    "float_labels/minus_one.csv": "label -1, classes count from 0",
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(tmp_path, capsys, name):
    options, (layout, dimensions, units), words = READ[name]
    code, printed = output(capsys, "prepare", CASES / name, tmp_path / "set", *options)
    assert code == 0, printed
    assert words in printed
    dataset = open_dataset(tmp_path / "set", check_values=True)
    assert (dataset.layout.name, dataset.channels, dataset.units) == (layout, dimensions, units)
    assert all(
        dataset[i].keypoint.any((2, 3)).any(0).all() for i in range(len(dataset)) if name != "json/frame_null.json"
    )
    known = [it for it in options if "--class-names" not in options and "--val-share" not in options and it != "--fps"]
    inspected = faults(capsys, CASES / name, *[it for it in known if it != "30"])
    assert [it for it in inspected if "split" not in it] == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_by_every_command(tmp_path, capsys, name):
    code, printed = output(capsys, "prepare", CASES / name, tmp_path / "set")
    assert code == 2
    assert REFUSED[name] in printed
    assert not (tmp_path / "set").exists()
    assert any(REFUSED[name].partition(";")[0] in it for it in faults(capsys, CASES / name))
    code, printed = output(capsys, "predict", "ui-prmd-10", CASES / name)
    assert (code, REFUSED[name] in printed) == (2, True)


@pytest.mark.parametrize("name", ["wrong_22_joints_are_kinect22/hand.json", PICKLED + "smpl22.pkl"])
def test_a_network_of_22_other_joints_gives_no_answer(capsys, name):
    code, printed = output(capsys, "predict", "ui-prmd-10", CASES / name)
    assert code == 2
    assert "the network was trained on the 22 joints of layout 'kinect22'" in printed


def test_coordinates_of_changed_axes_are_those_of_the_right_file():
    plain = {clip.name: clip.keypoint for clip in recordings(CASES / PICKLED / "no_img_shape.pkl").clips}
    for name in ("frames_first.pkl", "no_people_axis.pkl", "total_frames_none.pkl"):
        for clip in recordings(CASES / PICKLED / name).clips:
            np.testing.assert_array_equal(clip.keypoint, plain[clip.name])
    for clip in recordings(CASES / PICKLED / "fractions.pkl").clips:
        np.testing.assert_allclose(clip.keypoint, plain[clip.name], rtol=1e-3)


@pytest.mark.parametrize(
    ("file", "split"), [("Subject", "xsub"), ("Split", "split"), ("Label", "xsub"), ("ok", "xsub")]
)
def test_headers_in_capitals_are_the_same_headers(tmp_path, capsys, file, split):
    """Subjects who leak from train to val were the consequence."""
    raw, labels = CASES / "labels_file_case" / "clips_without_labels.csv", CASES / "labels_file_case" / f"{file}.csv"
    code, printed = output(capsys, "prepare", raw, tmp_path / "set", "--labels-file", labels)
    assert (code, f"split {split}" in printed) == (0, True)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.class_names == ("bow", "kick", "wave")
    if "subject" in dataset.attributes:
        sides = {(who, part) for who, part in zip(dataset.attributes["subject"], dataset.splits[split], strict=True)}
        assert len(sides) == len({who for who, _ in sides})


def test_a_file_in_another_encoding_is_said(tmp_path, capsys):
    names = CASES / "bom_names" / "names_gbk.txt"
    code, printed = output(
        capsys, "prepare", CASES / "bom_names" / "numbers.csv", tmp_path / "x", "--class-names", names
    )
    assert (code, "it looks like GBK; save it in UTF-8" in printed) == (2, True)


def test_the_vertical_is_given_as_documented(tmp_path, capsys):
    hand, page = CASES / "draw_up_minus_y" / "hand.csv", tmp_path / "x.html"
    code, printed = output(capsys, "draw", hand, page, "--layout", "hand21", "--up", "-y")
    assert (code, page.exists()) == (0, True), printed
