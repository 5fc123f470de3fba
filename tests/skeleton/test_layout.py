"""Built-in layouts against published lists and real recordings; what is refused, and in which words."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared")


def test_built_in_layouts():
    sizes = {name: len(load_layout(name)) for name in layout_names()}
    assert sizes == {
        "blazepose33": 33,
        "coco17": 17,
        "coco17_tree": 17,
        "coco20": 20,
        "florence15": 15,
        "h36m17": 17,
        "halpe136": 136,
        "halpe26": 26,
        "hand21": 21,
        "hand22": 22,
        "hand26": 26,
        "hdm31": 31,
        "jhmdb15": 15,
        "head_hands3": 3,
        "kinect20": 20,
        "kinect22": 22,
        "kinect32": 32,
        "kit21": 21,
        "bighand21": 21,
        "motive21": 21,
        "msr20": 20,
        "ntu24": 24,
        "ntu25": 25,
        "ntu25_star": 25,
        "openni15": 15,
        "openpose18": 18,
        "openpose25": 25,
        "panoptic19": 19,
        "penn13": 13,
        "quest24": 24,
        "smpl22": 22,
        "smpl24": 24,
        "wholebody133": 133,
        "xsens23": 23,
    }


@pytest.mark.parametrize("name", layout_names())
def test_built_in_layout_holds_together(name):
    layout = load_layout(name)
    assert layout.name == name
    assert layout.source
    other = layout.mirrored()
    assert [other[other[joint]] for joint in range(len(layout))] == list(range(len(layout)))
    assert [layout.parents[i] for i in other] == [other[i] for i in layout.parents], "left and right have other parents"
    sided = {joint for pair in layout.mirror for joint in pair}
    named = {i for i, joint in enumerate(layout.joints) if joint.startswith(("left_", "right_", "l_", "r_"))}
    assert named <= sided
    if layout.shoulders:
        assert layout.shoulders in layout.mirror
    if layout.spine:
        assert not sided & set(layout.spine)


# JointToBone of MMAction2 v1.2.0 and PYSKL, child-parent. The graphs of 0.x and 1.x share these bone vectors.
NTU = (
    "0-1 1-20 2-20 3-2 4-20 5-4 6-5 7-6 8-20 9-8 10-9 11-10 12-0 13-12 14-13 15-14 16-0 17-16 18-17 19-18 "
    "20-20 21-22 22-7 23-24 24-11"
)
COCO = "0-0 1-0 2-0 3-1 4-2 5-0 6-0 7-5 8-6 9-7 10-8 11-0 12-0 13-11 14-12 15-13 16-14"
OPENPOSE = "0-0 1-0 2-1 3-2 4-3 5-1 6-5 7-6 8-2 9-8 10-9 11-5 12-11 13-12 14-0 15-0 16-14 17-15"


@pytest.mark.parametrize(
    ("name", "pairs"),
    [("ntu25", NTU), ("ntu25_star", NTU), ("coco17", COCO), ("coco17_tree", COCO), ("openpose18", OPENPOSE)],
)
def test_parents_are_the_published_bone_vectors(name, pairs):
    assert [f"{child}-{parent}" for child, parent in enumerate(load_layout(name).parents)] == pairs.split()


@pytest.mark.parametrize(("name", "file"), [("kinect22", "ui_prmd_kinect.npz"), ("hdm31", "hdm05_11.npz")])
def test_recorded_skeletons_keep_their_own_names_and_tree(name, file):
    path = SHARED / "data" / file
    if not path.is_file():
        pytest.skip(f"{file} is not here")
    layout = load_layout(name)
    with np.load(path) as recorded:
        assert layout.joints == tuple(recorded["joint_names"].tolist())
        roots = [joint if parent < 0 else parent for joint, parent in enumerate(recorded["parents"].tolist())]
        assert list(layout.parents) == roots
        bones = {frozenset(bone) for bone in layout.bones}
        assert bones == {frozenset((i, parent)) for i, parent in enumerate(roots) if i != parent}
        keypoint = recorded["keypoint_mm"].astype(np.float64)  # frames, V, 3
    lower, upper = layout.spine
    left, right = layout.shoulders
    assert 100 < np.median(np.linalg.norm(keypoint[:, upper] - keypoint[:, lower], axis=1)) < 600  # mm
    assert 200 < np.median(np.linalg.norm(keypoint[:, left] - keypoint[:, right], axis=1)) < 600


@pytest.mark.parametrize("name", layout_names())
def test_a_layout_survives_yaml_and_json(name, tmp_path):
    layout = load_layout(name)
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(layout.to_dict()), encoding="utf-8")
    assert load_layout(file) == layout
    assert JointLayout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


FOX = {
    "name": "fox",
    "joints": ["hip", "neck", "nose", "left_paw", "right_paw", "tail"],
    "bones": [["hip", "neck"], ["nose", "neck"], ["left_paw", "neck"], ["right_paw", "neck"], ["tail", "hip"]],
    "centre": "neck",
    "mirror": [["left_paw", "right_paw"]],
}
LINE = ("hip", "neck", "nose", "left_paw", "right_paw", "tail")


def test_your_own_layout():
    fox = JointLayout.from_dict(FOX)
    assert fox.parents == (1, 1, 1, 1, 1, 0)  # the way to the centre
    assert fox.mirrored() == (0, 1, 2, 4, 3, 5)
    assert (fox.spine, fox.shoulders) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bones": [*FOX["bones"][:-1], ["tial", "hip"]]},
            "'bones' names an unknown joint 'tial'; did you mean 'tail'",
        ),
        ({"bones": [*FOX["bones"][:-1], ["tail"]]}, r"'bones' holds \['tail'\], expected two joint names"),
        ({"bones": [*FOX["bones"], ["nose", "nose"]]}, "joint 'nose' has a bone to itself"),
        ({"bones": [*FOX["bones"], ["hip", "tail"]]}, "bone 'tail' - 'hip' is listed twice"),
        ({"bones": FOX["bones"][:-1]}, "joint 'tail' is not connected to the centre 'neck'"),
        ({"bones": 5}, "'bones' is 5, expected a list of pairs"),
        ({"bones": []}, "the layout lacks 'bones'"),
        ({"joints": ["a"], "bones": []}, "the layout has 1 joint, expected at least 2"),
        ({"joints": [*FOX["joints"], "nose"]}, "joint 'nose' is named twice"),
        ({"joints": [*FOX["joints"], 7]}, "'joints' holds 7, expected names"),
        ({"joints": "hip neck"}, "'joints' is 'hip neck', expected a list"),
        ({"centre": "head"}, "'centre' names an unknown joint 'head'"),
        ({"centre": ["neck"]}, "'centre' names an unknown joint"),
        ({"mirror": [["left_paw", "right_pow"]]}, "unknown joint 'right_pow'; did you mean 'right_paw'"),
        ({"mirror": [["hip", "tail"]]}, "bone 'hip' - 'neck' has no mirror image.* 'tail' - 'neck'"),
        ({"mirror": [["nose", "left_paw"], ["left_paw", "right_paw"]]}, "'left_paw' is in more than one mirror pair"),
        ({"mirror": [["nose", "nose"]]}, "joint 'nose' is in more than one .*own mirror image"),
        ({"parents": ["neck"]}, "'parents' is a list, expected a mapping"),
        ({"parents": {"hip": "neck"}}, "'parents' lacks joint 'neck'"),
        ({"parents": dict.fromkeys(LINE, "neck") | {"ear": "nose"}}, "'parents' names an unknown joint 'ear'"),
        ({"parents": dict(zip(LINE, LINE, strict=True))}, "'hip' and 'neck' are both their own parent"),
        ({"parents": dict(zip(LINE, LINE[1:] + LINE[:1], strict=True))}, "parents of joint 'hip' run in a circle"),
        ({"spine": ["neck", "neck"]}, "'spine' names joint 'neck' twice"),
        ({"shoulders": ["left_paw", "rihgt_paw"]}, "'rihgt_paw'; did you mean 'right_paw'"),
        ({"mirrors": []}, "unknown layout field 'mirrors'; did you mean 'mirror'"),
        ({"colour": "red"}, "unknown layout field 'colour'; the fields are name, source"),
    ],
)
def test_what_is_wrong_is_named(change, message, tmp_path):
    file = tmp_path / "fox.yaml"
    file.write_text(yaml.safe_dump(FOX | change), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        load_layout(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_american_spelling_of_centre_is_met_with_the_right_one():
    spec = {("center" if key == "centre" else key): value for key, value in FOX.items()}
    with pytest.raises(ValueError, match="unknown layout field 'center'; did you mean 'centre'"):
        JointLayout.from_dict(spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bones": ((1, 0), (2, 1), (3, 2))}, "'bones' names joint 3, the 3 joints are 0 to 2"),
        ({"centre": -1}, "'centre' names joint -1"),
        ({"joints": ("a", "b", "a")}, "joint 'a' is named twice"),
        ({"parents": (0, 0)}, "'parents' has 2 entries for 3 joints"),
    ],
)
def test_layouts_built_from_code_are_checked_too(change, message):
    chain = {"name": "chain", "joints": ("a", "b", "c"), "bones": ((1, 0), (2, 1)), "centre": 0}
    with pytest.raises(ValueError, match=message):
        JointLayout(**(chain | change))


def test_files_that_are_no_layout(tmp_path):
    with pytest.raises(ValueError, match=r"no layout 'coco71'; built in are bighand21, blaze.* did you mean 'coco17'"):
        load_layout("coco71")
    with pytest.raises(ValueError, match="the layout is None, expected the name of one"):
        load_layout(None)
    with pytest.raises(ValueError, match=r"no layout file .*nowhere\.yaml"):
        load_layout(tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("joints: [hip, neck\nbones: {")
    with pytest.raises(ValueError, match="not readable YAML") as caught:
        load_layout(broken)
    assert "\n" not in str(caught.value)
    broken.write_text("- hip\n- neck\n")
    with pytest.raises(ValueError, match=r"a layout is a mapping .* found list"):
        load_layout(broken)


def test_a_file_may_leave_out_name_and_centre(tmp_path):
    (tmp_path / "arm.yaml").write_text(
        "joints: [hand, elbow, head, neck]\nbones: [[hand, elbow], [elbow, neck], [head, elbow]]\n"
    )
    layout = load_layout(tmp_path / "arm.yaml")
    assert (layout.name, layout.joints[layout.centre], len(layout.bones)) == ("arm", "elbow", 3)
