"""NW-UCLA's JSON: joints, what the name says, and what is refused."""

import json

import numpy as np
import pytest

from kinegraph.data.read import read, recordings

JOINTS = np.arange(2 * 20 * 3).reshape(2, 20, 3) / 100 + 0.01


@pytest.fixture
def save(tmp_path):
    def write(name="a01_s01_e00_v01", **changes):
        content = {"file_name": name, "skeletons": JOINTS.tolist(), "label": 1} | changes
        (tmp_path / "all_sqe").mkdir(exist_ok=True)
        path = tmp_path / "all_sqe" / f"{name}.json"
        path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))
        return path

    return write


def test_a_clip(save):
    found = recordings(save())
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.name) == ("nw-ucla", "m", "kinect20", "a01_s01_e00_v01")
    np.testing.assert_allclose(clip.keypoint[0], JOINTS, rtol=1e-6)
    assert (found.class_names[clip.label], len(found.class_names)) == ("pick up with one hand", 10)
    assert (clip.attributes, clip.splits) == ({"subject": 1, "episode": 0, "view": 1}, {"xview": "train"})


def test_a_folder_in_which_actions_are_numbered_with_gaps(save, tmp_path):
    save("a08_s02_e01_v03", label=7)
    save("a12_s10_e04_v02", label="absent")
    donning, carry = (found := recordings(tmp_path)).clips
    assert [found.class_names[clip.label] for clip in (donning, carry)] == ["donning", "carry"]
    assert donning.splits == {"xview": "val"}


def test_a_name_of_ones_own_and_joints_that_are_null(save):
    (clip,) = read(save("mine", label=10, skeletons=[[[None, 1, 2], *JOINTS[0, 1:].tolist()], JOINTS[1].tolist()]))
    assert (clip.label, clip.attributes, clip.splits) == (9, {}, {})
    assert not clip.keypoint[0, 0, 0].any()
    assert clip.keypoint[0, 1:].all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": 2}, "has label 2, its name is that of label 1"),
        ({"name": "mine", "label": 11}, "has label 11, expected 1 to 10"),
        ({"skeletons": JOINTS[:, :19].tolist()}, r"an array \(2, 19, 3\) in 'skeletons', expected \(frames, 20, 3\)"),
        ({"skeletons": [[["x", "y", "z"]] * 20]}, "no array of numbers in 'skeletons'"),
        ({"skeletons": []}, "no array of numbers in 'skeletons'"),
        ({"skeletons": (JOINTS * 1e12).tolist()}, "holds a number that is not finite"),
        ({"skeletons": (JOINTS * 0).tolist()}, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(**changes)))


def test_a_cut_file_in_a_folder_is_a_fault(save, tmp_path):
    save()
    save("a02_s01_e00_v01", label=2).write_text("{")
    with pytest.raises(ValueError, match=r"a02_s01_e00_v01\.json is not readable JSON"):
        list(read(tmp_path))
