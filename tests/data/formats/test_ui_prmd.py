"""UI-PRMD's text files.

golden/ui_prmd holds the first 20 frames of two clips of UI-PRMD (Vakanski et al. 2018; public domain, PDDL 1.0) as
published, and the joints composed from them elsewhere, rounded to millimetres.
"""

import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.formats import ui_prmd
from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout

read_ui_prmd = partial(read, format="ui-prmd")

GOLDEN = Path(__file__).parents[2] / "golden" / "ui_prmd"
SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[3].parent / "shared") / "data"
HALF_MM = 0.51e-3  # the golden joints are whole millimetres


def test_joints_are_the_golden_ones():
    golden = np.load(GOLDEN / "expected_mm.npz")
    clips = {clip.name: clip for clip in read_ui_prmd(GOLDEN)}
    assert clips.keys() == set(golden.files)
    for name, clip in clips.items():
        np.testing.assert_allclose(clip.keypoint[0], golden[name] / 1000, atol=HALF_MM)
        assert (clip.layout.name, clip.fps) == ("kinect22", 30)


def test_whole_clips_are_the_composed_ones():
    """Every clip of the published sample, against the arrays of the whole data set."""
    if not (SHARED / "ui_prmd_raw").is_dir():
        pytest.skip("UI-PRMD is not beside the checkout")
    with np.load(SHARED / "ui_prmd_kinect.npz") as file:
        arrays = dict(file)
    ends = np.cumsum(arrays["length"])
    about = zip(*(arrays[key].tolist() for key in ("label", "subject", "episode", "correct")), strict=True)
    row = {key: i for i, key in enumerate(about)}
    clips = list(read_ui_prmd(SHARED / "ui_prmd_raw"))
    assert len(clips) == 24
    for clip in clips:
        i = row[clip.label, *(clip.attributes[key] for key in ("subject", "episode", "correct"))]
        expected = arrays["keypoint_mm"][ends[i] - arrays["length"][i] : ends[i]] / 1000
        np.testing.assert_allclose(clip.keypoint[0], expected, atol=HALF_MM)


def test_labels_attributes_and_split():
    well, badly = read_ui_prmd(GOLDEN)
    assert (well.name, well.label, dict(well.splits)) == ("m08_s02_e01", 7, {"xsub": "val"})
    assert (badly.name, badly.label, dict(badly.splits)) == ("m01_s01_e01_inc", 0, {"xsub": "train"})
    assert badly.attributes == {"subject": 1, "episode": 1, "correct": 0}
    well, badly = read_ui_prmd(GOLDEN, labels="quality")
    names = ui_prmd.class_names("quality")
    assert names[well.label] == "standing shoulder extension, correct"
    assert names[badly.label] == "deep squat, incorrect"
    assert (len(names), len(ui_prmd.class_names("movement"))) == (20, 10)


angles = st.lists(st.floats(-180, 180), min_size=66, max_size=66)


@settings(max_examples=30)
@given(angles)
def test_turning_joints_keeps_bone_lengths(degrees):
    parents = load_layout("kinect22").parents
    offset = np.random.default_rng(0).standard_normal((1, 22, 3))
    joints = ui_prmd.forward_kinematics(offset, np.radians(degrees).reshape(1, 22, 3), parents)
    child = np.arange(1, 22)
    lengths = np.linalg.norm(joints[:, child] - joints[:, np.array(parents)[child]], axis=2)
    np.testing.assert_allclose(lengths, np.linalg.norm(offset[:, child], axis=2))


def test_a_quarter_turn_swings_the_arm_forward():
    """Two 1 m bones along x; the joint between them, turned by 90 degrees about z, points the second along y."""
    offset = np.array([[[0, 0, 0], [1, 0, 0], [1, 0, 0]]], float)
    angle = np.array([[[0, 0, 0], [0, 0, np.pi / 2], [0, 0, 0]]])
    np.testing.assert_allclose(
        ui_prmd.forward_kinematics(offset, angle, (0, 0, 1))[0], [[0, 0, 0], [1, 0, 0], [1, 1, 0]], atol=1e-15
    )


@pytest.fixture
def raw(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "raw", ignore=shutil.ignore_patterns("*.npz")))


def change(file: Path, line: int, edit):
    lines = file.read_text().splitlines()
    lines[line - 1] = edit(lines[line - 1])
    file.write_text("\n".join(lines))


BROKEN = {
    "letters": (lambda f: change(f, 3, lambda line: "high" + line), "positions.txt line 3: could not convert .*'high"),
    "short line": (lambda f: change(f, 20, lambda line: line[:-30]), "positions.txt line 20 has .* expected 66"),
    "not finite": (lambda f: change(f, 5, lambda line: "nan" + line[line.index(",") :]), "line 5 .*not finite"),
    "blank line": (lambda f: change(f, 5, lambda line: ""), "line 5 has 1 numbers"),
    "empty": (lambda f: f.write_text(""), "positions.txt is empty"),
    "binary": (lambda f: f.write_bytes(b"\xff\xfe\x00"), "not a text file"),
    "frames": (lambda f: f.write_text(f.read_text().splitlines()[0]), "has 1 frame, .*angles.txt has 20"),
    "alone": (lambda f: f.unlink(), "angles.txt has no counterpart .*positions.txt"),
    "movement": (
        lambda f: [
            file.rename(file.with_name(file.name.replace("m08", "m11"))) for file in f.parents[1].rglob("*.txt")
        ],
        "movement 11, UI-PRMD has 1 to 10",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_named_and_can_be_skipped(raw, fault):
    damage, message = BROKEN[fault]
    damage(raw / "Segmented Movements" / "Kinect" / "Positions" / "m08_s02_e01_positions.txt")
    with pytest.raises(ValueError, match=message) as error:
        list(read_ui_prmd(raw))
    found = recordings(raw, on_fault="skip")
    assert [clip.name for clip in found.clips] == ["m01_s01_e01_inc"]
    (line,) = found.skipped()
    assert str(error.value).endswith(line.removeprefix("broken: "))


def test_folders_without_recordings(tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        list(read_ui_prmd(tmp_path / "nothing"))
    with pytest.raises(ValueError, match=r"no UI-PRMD files .* it is empty"):
        list(read_ui_prmd(tmp_path))
    vicon = shutil.copytree(GOLDEN / "Segmented Movements" / "Kinect", tmp_path / "Vicon")
    with pytest.raises(ValueError, match="found Vicon"):
        list(read_ui_prmd(tmp_path))
    vicon.rename(tmp_path / "Kinect")
    assert len(list(read_ui_prmd(tmp_path / "Kinect" / "Positions" / ".."))) == 1
