"""Tables of some joints of a known body: the layout is recognised and what is missing is said, or it is asked for."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout


def table(path, names, axes="xy"):
    rng = np.random.default_rng(0)
    columns = [f"{name}_{axis}" for name in names for axis in axes]
    rows = rng.normal(300, 40, (6, len(columns))).round(2)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows.tolist())]))
    return path


def test_a_third_of_the_joints_is_enough_and_the_others_are_said(tmp_path):
    names = ["left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_hip", "right_hip"]
    found = recordings(table(tmp_path / "a.csv", names))
    assert found.layout.name == "coco17"
    (clip,) = found.clips
    there = [name for name, seen in zip(clip.layout.joints, clip.keypoint.any((0, 1, 3)), strict=True) if seen]
    assert sorted(there) == sorted(names)
    assert any(line.startswith("layout 'coco17' by 6 of its joints; never seen: nose") for line in found.assumed)


def test_a_few_joints_of_a_large_body_are_no_layout(tmp_path):
    path = table(tmp_path / "a.csv", ["LeftHand", "RightHand", "Head", "LeftWrist", "RightWrist"], "xyz")
    with pytest.raises(ValueError, match=r"the 5 joints .* are of no built-in layout; give --layout"):
        recordings(path)


@pytest.mark.parametrize("form", ["p{who}_{joint}", "person{who}.{joint}", "{joint}_{who}", "{joint} {who}"])
def test_two_people_in_the_names_of_joints(tmp_path, form):
    joints = load_layout("coco17").joints
    places = np.random.default_rng(0).uniform(1, 900, (4, 2, 17, 2)).round(2)
    names = [form.format(who=who, joint=joint) for who in (1, 2) for joint in joints]
    rows = [["frame", *(f"{name}_{axis}" for name in names for axis in "xy")]]
    rows += [[str(t), *map(str, frame.ravel().tolist())] for t, frame in enumerate(places)]
    (tmp_path / "two.csv").write_text("\n".join(map(",".join, rows)))
    (clip,) = read(tmp_path / "two.csv")
    np.testing.assert_allclose(clip.keypoint, places.swapaxes(0, 1), rtol=1e-6)


@pytest.mark.parametrize("prefix", ["body_", "JOINT_", "pose_"])
def test_a_word_in_front_of_all_names_is_none_of_a_joint(tmp_path, prefix):
    """As FreeMoCap writes body_nose_x."""
    names = [prefix + name for name in load_layout("blazepose33").joints]
    assert recordings(table(tmp_path / "a.csv", names)).layout.name == "blazepose33"


def test_bones_of_a_rig_are_a_layout_of_their_own(tmp_path):
    """As Rokoko writes them: neither misspelt joints of a built-in layout, nor names to be asked for."""
    names = ["Hips", "Spine1", "Spine2", "Neck", "Head", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"]
    names += [
        *(name.replace("Left", "Right") for name in names[5:]),
        "LeftThigh",
        "LeftShin",
        "RightThigh",
        "RightShin",
    ]
    found = recordings(table(tmp_path / "a.csv", [f"{name}_position" for name in names], "xyz"))
    assert found.layout.joints == tuple(names)


def of_kinect(rows: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.3, (rows, 25, 3)).round(3) + [0, 1, 3]


def test_of_several_kinds_of_places_those_in_space_are_read(tmp_path):
    """ETRI-Activity3D's columns: in space, in the depth picture, in the colour picture, and one tracking state."""
    axes = ("3dX", "3dY", "3dZ", "depthX", "depthY", "colorX", "colorY", "orientationW", "trackingState")
    header = ["frameNum", "bodyindexID", *(f"joint{number}_{axis}" for number in range(1, 26) for axis in axes)]
    places = of_kinect()
    rows = [
        [t + 1, 0, *(it for x, y, z in body for it in (x, y, z, 250, 200, 900, 500, 1, 2))]
        for t, body in enumerate(places)
    ]
    (path := tmp_path / "A001_P001.csv").write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))
    found = recordings(path, layout="ntu25", units="m", up="y")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], places, rtol=1e-6)
    assert (clip.score == 1).all()
    assert any("joint1_depthX" in line for line in found.skipped())


@pytest.mark.parametrize("cell", ["({}, {}, {})", "[{} {} {}]", "{} {} {}"])
def test_a_cell_may_have_the_numbers_of_all_axes(tmp_path, cell):
    """TotalCapture's text has "x y z" between tabs, programs in C# write (x, y, z)."""
    joints = load_layout("ntu25").joints
    places = of_kinect()
    rows = [["frame", *joints], *([str(t), *(cell.format(*it) for it in body)] for t, body in enumerate(places))]
    rows[3][2] = ""  # not seen
    (path := tmp_path / "a.txt").write_text("\n".join("\t".join(row) for row in rows))
    (clip,) = read(path, units="m", up="y")
    assert not clip.keypoint[0, 2, 1].any()
    np.testing.assert_allclose(clip.keypoint[0, 3:], places[3:], rtol=1e-6)


def test_what_programs_write_for_nothing_is_unseen(tmp_path):
    names = load_layout("coco17").joints
    path = table(tmp_path / "a.csv", names)
    lines = path.read_text().splitlines()
    for line, word in enumerate(("NA", "None", "null", "-"), 1):
        lines[line] = ",".join([word, word, *lines[line].split(",")[2:]])
    path.write_text("\n".join(lines))
    (clip,) = read(path)
    assert (~clip.keypoint.any(3)).sum(1).tolist() == [[4, *[0] * 16]]


def test_segments_of_xsens_have_its_layout(tmp_path):
    """L5 is no left joint, and a "Right Shoulder" of Xsens begins at the collar."""
    names = "Pelvis,L5,L3,T12,T8,Neck,Head,Right Shoulder,Right Upper Arm,Right Forearm,Right Hand,Left Shoulder,"
    names += (
        "Left Upper Arm,Left Forearm,Left Hand,Right Upper Leg,Right Lower Leg,Right Foot,Right Toe,Left Upper Leg,"
    )
    names += "Left Lower Leg,Left Foot,Left Toe"
    path = table(tmp_path / "a.csv", names.split(","), "xyz")
    (clip,) = read(path, units="m", up="z")
    assert clip.layout == load_layout("xsens23")
    first = dict(zip(*(line.split(",") for line in path.read_text().splitlines()[:2]), strict=True))
    place = clip.layout.joints.index("right_collar")
    assert clip.keypoint[0, 0, place, 0] == np.float32(first["Right Shoulder_x"])


def test_parts_of_holistic_with_numbers(tmp_path):
    """As Kaggle's fingerspelling has them: x_face_0 ... x_right_hand_20; the face is left out."""
    parts = {"face": 12, "left_hand": 21, "pose": 33, "right_hand": 21}
    names = [f"{part}_{i}" for part, count in parts.items() for i in range(count)]
    columns = [f"{axis}_{name}" for axis in "xyz" for name in names]
    values = np.random.default_rng(0).uniform(0.2, 0.8, (6, len(columns))).round(3)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in values.tolist())]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = recordings(tmp_path / "a.csv", units="normalised")
    (clip,) = found.clips
    wrist = values[:, columns.index("x_right_hand_0")]
    assert len(clip.layout) == 75
    np.testing.assert_allclose(clip.keypoint[0, :, 54, 0], wrist, rtol=1e-5)
    assert "12 of 87 joints, MediaPipe's face" in found.skipped()


@pytest.mark.parametrize("form", ["/body/{}/position", "field.skeleton.{}", "{}_joint", "Anna:{}"])
def test_what_all_names_begin_or_end_with_is_no_part_of_a_joint(tmp_path, form):
    names = load_layout("kinect20").joints
    found = recordings(table(tmp_path / "a.csv", [form.format(name) for name in names], "xyz"), units="m")
    assert (found.layout.name, [clip.keypoint.shape for clip in found.clips]) == ("kinect20", [(1, 6, 20, 3)])


def test_one_side_of_a_body_stays_that_side(tmp_path):
    names = ["left_shoulder", "left_elbow", "left_wrist", "left_hip", "left_knee", "left_ankle"]
    (clip,) = recordings(table(tmp_path / "a.csv", names)).clips
    there = [name for name, seen in zip(clip.layout.joints, clip.keypoint.any((0, 1, 3)), strict=True) if seen]
    assert sorted(there) == sorted(names)


@pytest.mark.parametrize("form", ["{}_{:03}", "{}_{:03}.jpg", "{}-{}"])
def test_names_of_pictures_in_the_column_of_frames(tmp_path, form):
    """walk_003 is frame 3 of clip walk; ids that count nothing are refused with the way."""
    joints = load_layout("coco17").joints
    places = np.random.default_rng(0).uniform(1, 900, (5, 34)).round(2)
    header = ",".join(["frame_id", *(f"{joint}_{axis}" for joint in joints for axis in "xy")])
    rows = [",".join(map(str, place)) for place in places.tolist()]
    lines = [f"{form.format(clip, t)},{row}" for clip in ("walk", "sit") for t, row in enumerate(rows)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    clips = list(recordings(tmp_path / "a.csv").clips)
    assert [(clip.name, clip.frames) for clip in clips] == [("walk", 5), ("sit", 5)]
    np.testing.assert_allclose(clips[1].keypoint[0].reshape(5, -1), places, rtol=1e-5)
    (tmp_path / "b.csv").write_text("\n".join([header, *(f"{t * 77:x}f,{row}" for t, row in enumerate(rows))]))
    with pytest.raises(ValueError, match="that of pictures 'image', or leave it out"):
        list(recordings(tmp_path / "b.csv").clips)
