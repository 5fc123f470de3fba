"""Tables of some joints of a known body: the layout is recognised and what is missing is said, or it is asked for."""

import numpy as np
import pytest

from kinegraph.data.formats import read, recordings
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
