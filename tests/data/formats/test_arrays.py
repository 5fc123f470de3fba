"""Recordings as the arrays of one .npz file."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.formats import arrays, ui_prmd
from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout

read_ui_prmd = partial(read, format="ui-prmd")

read_arrays = partial(read, format="npz")

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[3].parent / "shared") / "data"
GOLDEN = Path(__file__).parents[2] / "golden" / "ui_prmd"

FILE = {
    "keypoint_mm": np.arange(7 * 3 * 3, dtype=np.int16).reshape(7, 3, 3),
    "length": np.array([2, 4, 1]),
    "label": np.array([1, 0, 1]),
    "class_names": np.array(["walk", "sit"]),
    "joint_names": np.array(["hip", "neck", "head"]),
    "parents": np.array([-1, 0, 1]),
    "subject": np.array([1, 2, 3]),
}


@pytest.fixture
def save(tmp_path):
    """A file of FILE with arrays changed or, given None, left out."""

    def saved(**changes) -> Path:
        kept = {key: value for key, value in (FILE | changes).items() if value is not None}
        np.savez(tmp_path / "own.npz", **kept)
        return tmp_path / "own.npz"

    return saved


def test_clips_are_the_rows_in_metres(save):
    clips = list(read_arrays(save()))
    assert [clip.label for clip in clips] == [1, 0, 1]
    for clip, rows in zip(clips, (slice(0, 2), slice(2, 6), slice(6, 7)), strict=True):
        np.testing.assert_allclose(clip.keypoint[0], FILE["keypoint_mm"][rows] / 1000, rtol=1e-6)
        assert clip.keypoint.dtype == np.float32
    assert clips[1].attributes == {"subject": 2}
    assert [clip.splits["xsub"] for clip in clips] == ["train", "val", "train"]
    assert len({clip.name for clip in clips}) == 3


@pytest.mark.parametrize("name", ["empty", "No person"])
def test_clips_without_anybody_are_kept_where_the_class_is_called_so(save, name):
    keypoint = FILE["keypoint_mm"].copy()
    keypoint[:2] = keypoint[6] = 0  # both clips of class 1
    path = save(keypoint_mm=keypoint, class_names=np.array(["walk", name]))
    found = recordings(path)
    assert [clip.label for clip in found.clips] == [1, 0, 1]
    assert f"2 clips without any person kept, the class is '{name}'" in "; ".join(found.changed())
    found = recordings(save(keypoint_mm=keypoint), on_fault="skip")
    assert [clip.label for clip in found.clips] == [0]
    assert "2 without any person" in "; ".join(found.skipped())


def test_floats_scores_names_and_rate_are_taken_as_they_are(save):
    rng = np.random.default_rng(0)
    keypoint, score = rng.random((7, 3, 2)) * 1000, rng.random((7, 3))
    path = save(keypoint_mm=None, keypoint=keypoint, score=score, fps=np.array(25), name=np.array(["a", "b", "c"]))
    found = arrays.load_arrays(path)
    assert found.units == "px"
    clip = list(found.clips())[1]
    np.testing.assert_allclose(clip.keypoint[0], keypoint[2:6], rtol=1e-6)
    np.testing.assert_allclose(clip.score[0], score[2:6], rtol=1e-6)
    assert (clip.name, clip.fps) == ("b", 25)


def test_layout_is_found_made_or_given(save):
    made = arrays.load_arrays(save()).layout
    assert (made.name, made.joints, made.parents) == ("from own.npz", ("hip", "neck", "head"), (0, 0, 1))
    assert set(made.bones) == {(1, 0), (2, 1)}
    coco = load_layout("coco17")
    keypoint = np.zeros((7, 17, 3), np.int16)
    found = arrays.load_arrays(save(keypoint_mm=keypoint, joint_names=np.array(coco.joints), parents=None)).layout
    assert found.joints == coco.joints
    given = arrays.load_arrays(save(keypoint_mm=keypoint, joint_names=None, parents=None), layout=coco).layout
    assert given is coco
    with pytest.raises(ValueError, match=r"own.npz: layout 'coco17' has 17 joints, the file 3"):
        arrays.load_arrays(save(), layout=coco)
    with pytest.raises(ValueError, match=r"; its '.*' is the layout's 'nose'"):
        arrays.load_arrays(save(keypoint_mm=keypoint, joint_names=np.array(coco.joints[::-1])), layout=coco)


def test_labels_of_quality(save):
    path = save(correct=np.array([1, 0, 0]))
    found = arrays.load_arrays(path, "quality")
    assert found.class_names == ("walk, correct", "walk, incorrect", "sit, correct", "sit, incorrect")
    assert [clip.label for clip in found.clips()] == [2, 1, 3]
    with pytest.raises(ValueError, match="no array 'correct'"):
        arrays.load_arrays(save(), "quality")


def test_a_train_array_is_the_split(save):
    train = np.array([True, False, True])
    assert arrays.load_arrays(save(train=train)).splits == {"xsub": ["train", "val", "train"]}
    both_sides = np.array(["ann", "ann", "ben"])
    assert arrays.load_arrays(save(train=train, subject=both_sides)).splits == {"holdout": ["train", "val", "train"]}
    assert arrays.load_arrays(save(train=train, subject=None)).splits == {"holdout": ["train", "val", "train"]}
    assert arrays.load_arrays(save(subject=both_sides)).splits == {}


def test_a_file_without_labels(save):
    found = arrays.load_arrays(save(label=None, class_names=None))
    assert found.class_names == ()
    assert [clip.label for clip in found.clips()] == [None] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": None}, "no array 'length'; there are "),
        ({"length": np.array([2, 4, 2])}, "'length' has 3 clips of together 8 frames, .* 7"),
        ({"length": np.array([2, 5, 0])}, "at least one frame each"),
        ({"keypoint_mm": None}, "no array 'keypoint'"),
        ({"keypoint_mm": np.zeros((7, 3, 4), np.int16)}, "4 channels, expected 2 or 3"),
        ({"keypoint_mm": np.zeros((7, 9), np.int16)}, r"'keypoint_mm' is int16 \(7, 9\), expected integers"),
        ({"keypoint_mm": np.zeros((7, 3, 3))}, "'keypoint_mm' is float64"),
        ({"label": np.array([0, 1, 2])}, "clip 'clip000002' has label 2, the 2 classes are 0 to 1"),
        ({"label": np.array([0, 1])}, r"'label' is int64 \(2,\), expected integers \(3\)"),
        ({"class_names": None}, "no array 'class_names'"),
        ({"joint_names": np.array(["hip", "neck"])}, "'joint_names' has 2 names"),
        ({"joint_names": None}, "joint_names.*--layout"),
        ({"parents": np.array([-1, 0, 7])}, "'parents' names joint 7, expected joints 0 to 2"),
        ({"parents": np.array([-1, -1, 1])}, "'parents' has 2 roots"),
        ({"parents": np.array([-1, 2, 1])}, "not connected|circle|twice"),
        ({"weather": np.zeros(3)}, "'weather' is float64"),
        ({"subject": np.array([1, None, 2], object)}, "Python objects"),
    ],
)
def test_what_does_not_fit_is_named(save, changes, message):
    path = save(**changes)
    with pytest.raises(ValueError, match=message) as error:
        list(read_arrays(path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path, save):
    whole = save().read_bytes()
    for content in (b"", b"text, not arrays", whole[: len(whole) // 2]):
        (tmp_path / "odd.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"odd.npz is not a readable .npz"):
            arrays.load_arrays(tmp_path / "odd.npz")
    with pytest.raises(ValueError, match="is a folder"):
        arrays.load_arrays(tmp_path)
    with pytest.raises(FileNotFoundError):
        arrays.load_arrays(tmp_path / "nothing.npz")


def shared(name: str) -> Path:
    if not (SHARED / name).is_file():
        pytest.skip("the recordings are not beside the checkout")
    return SHARED / name


def test_ui_prmd_is_the_same_from_arrays_and_from_text():
    of_text = {clip.name: clip for clip in read_ui_prmd(GOLDEN, labels="quality")}
    found = arrays.load_arrays(shared("ui_prmd_kinect.npz"), "quality")
    assert (len(found), found.layout.name, len(found.class_names)) == (2000, "kinect22", 20)
    assert found.class_names == ui_prmd.class_names("quality")
    of_arrays = {clip.name: clip for clip in found.clips()}
    assert len(of_arrays) == 2000
    for name, clip in of_text.items():
        same = of_arrays[name]
        assert (same.label, same.attributes, same.splits) == (clip.label, clip.attributes, clip.splits)
        np.testing.assert_allclose(same.keypoint[:, :20], clip.keypoint, atol=0.51e-3)
    assert found.splits["xsub"].count("train") == 1000


def test_hdm05_is_split_by_actors():
    found = arrays.load_arrays(shared("hdm05_11.npz"))
    assert (len(found), found.layout.name, len(found.class_names)) == (287, "hdm31", 11)
    train = {found.attributes["subject"][i] for i, part in enumerate(found.splits["xsub"]) if part == "train"}
    assert (train, found.splits["xsub"].count("train")) == ({"bd", "bk", "dg"}, 188)


def test_correct_leaves_out_what_was_done_badly(tmp_path):
    keypoint = np.arange(6 * 22 * 3, dtype=float).reshape(6, 22, 3)
    np.savez(
        tmp_path / "clips.npz", keypoint=keypoint, length=[1, 2, 3], label=[0, 1, 1], class_names=["a", "b"],
        joint_names=load_layout("kinect22").joints, subject=[1, 2, 3], correct=[True, False, True],
    )  # fmt: skip
    found = arrays.load_arrays(tmp_path / "clips.npz", "correct")
    clips = list(found.clips())
    assert [(clip.label, clip.attributes["subject"], clip.splits["xsub"]) for clip in clips] == [
        (0, 1, "train"), (1, 3, "train"),
    ]  # fmt: skip
    np.testing.assert_array_equal(clips[1].keypoint[0], keypoint[3:].astype(np.float32))
    assert found.class_names == ("a", "b")


def test_named_splits_are_splits(save):
    parts = np.array(["Training", "val", "test"])
    path = save(split_xview=parts, split_random=np.array([True, False, True]), subject=None, Camera=np.array([1, 2, 3]))
    found = arrays.load_arrays(path)
    assert found.splits == {"xview": ["train", "val", "test"], "random": ["train", "val", "train"]}
    assert found.attributes == {"camera": [1, 2, 3]}
    assert set(arrays.load_arrays(save(split=parts, train=np.array([1, 0, 1]))).splits) == {"split", "xsub"}
    with pytest.raises(ValueError, match="'split_xview' holds 2, expected train, val or test"):
        arrays.load_arrays(save(split_xview=np.array([2, 0, 1])))


def test_names_of_arrays_may_have_capitals(save):
    found = arrays.load_arrays(save(subject=None, Subject=np.array([5, 6, 8])))
    assert (found.attributes, found.splits) == ({"subject": [5, 6, 8]}, {"xsub": ["train", "val", "val"]})


def test_integers_with_their_scale_are_metres_and_the_least_one_is_not_seen(save):
    x = FILE["keypoint_mm"].copy()
    x[0, 1] = np.iinfo(np.int16).min
    labels = np.zeros(7, np.int8)
    sizes = {"width": np.array([640, 640, 320]), "height": np.array([480, 480, 240])}
    path = save(keypoint_mm=None, x=x, scale=np.float64(500), unit=np.array("m (y up)"), frame_label=labels, **sizes)
    found = recordings(path)
    assert found.skipped() == ["arrays that are not of clips: frame_label (7,)"]
    assert found.units == "m"
    assert "coordinates: x divided by the scale, 500" in found.assumed
    first, _, last = found.clips
    np.testing.assert_allclose(first.keypoint[0, 1], FILE["keypoint_mm"][1] / 500)
    assert not first.keypoint[0, 0, 1].any()
    assert first.keypoint[0, 0, 2].all()
    assert last.image_size == (320, 240)
    with pytest.raises(ValueError, match=r"'scale' is 0.001, expected the integers in a metre or pixel, such as 1000"):
        recordings(save(keypoint_mm=None, x=x, scale=np.float64(0.001)))
