"""Annotation pickles as MMAction2 and PYSKL publish them, made up small."""

import pickle

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.commands.prepare import prepare
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats import kpfiles
from kinegraph.data.read import read
from kinegraph.data.split_names import column_and_part, published_name
from tests.made_up import body


def flat(name: str, label: int = 0, people: int = 2, frames: int = 5, **more: object) -> dict:
    """An annotation of 17 joints in pixels, as float16 with scores."""
    rng = np.random.default_rng(len(name) + frames)
    shape = people, frames, 17
    return {
        "frame_dir": name,
        "label": label,
        "img_shape": (1080, 1920),
        "original_shape": (1080, 1920),
        "total_frames": frames,
        "keypoint": (500 + 400 * body("coco17", 2) + rng.uniform(-9, 9, (*shape, 2))).astype(np.float16),
        "keypoint_score": rng.uniform(0.1, 1, shape).astype(np.float16),
    } | more


def deep(name: str, label: int = 0, people: int = 1, frames: int = 6, joints: int = 25, **more: object) -> dict:
    """An annotation in metres."""
    keypoint = np.random.default_rng(len(name)).normal(1, 0.02, (people, frames, joints, 3))
    keypoint = (keypoint + body({17: "h36m17", 25: "ntu25"}.get(joints, "kinect20"))[:joints]).astype(np.float32)
    return {"frame_dir": name, "label": label, "total_frames": frames, "keypoint": keypoint} | more


def written(path, content: object):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# ---- {split, annotations} --------------------------------------------------------------------------------------------


def test_2d_with_scores_and_splits(tmp_path, out, capsys):
    items = [flat("a", 0, 2), flat("b", 2, 1, 9), flat("c", 1, 1, 3, img_shape=(240, 320))]
    splits = {"xsub_train": ["a", "c"], "xsub_val": ["b"], "train1": ["a"], "test1": ["b", "gone"], "mini": ["c"]}
    prepare(written(tmp_path / "hrnet.pkl", {"split": splits, "annotations": items}), out, format="annotations")
    dataset = open_dataset(out, check_values=True)
    assert (dataset.names, dataset.label.tolist(), dataset.units) == (["a", "b", "c"], [0, 2, 1], "px")
    assert {split: parts.tolist() for split, parts in dataset.splits.items()} == {
        "xsub": ["train", "val", "train"],
        "split1": ["train", "test", "none"],
        "mini": ["none", "none", "in"],
    }
    assert dataset.layout.name == "coco17"
    assert dataset.image_size.tolist() == [[1920, 1080], [1920, 1080], [320, 240]]
    assert (dataset.class_names, dataset.attributes) == (("class 0", "class 1", "class 2"), {})
    for clip, item in zip(dataset, items, strict=True):
        np.testing.assert_array_equal(clip.keypoint, item["keypoint"])
        np.testing.assert_array_equal(clip.score, item["keypoint_score"])
    assert "skipped: 1 name in splits without an annotation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "column", "part"),
    [
        ("xview_val", "xview", "val"),
        ("train", "split", "train"),
        ("test3", "split3", "test"),
        ("xsub_v2_test", "xsub_v2", "test"),
        ("tiny", "tiny", "in"),
    ],
)
def test_names_of_splits(name, column, part):
    assert column_and_part(name) == (column, part)
    assert published_name(column, part) == name


def test_3d_of_ntu(tmp_path, out, capsys):
    """Names of NTU RGB+D's form tell subject, camera, class; the second person of zeros and the empty clip go."""
    items = [deep("S001C002P003R002A013", 12, 2), deep("S002C001P007R001A060", 59), deep("S002C001P007R002A060", 59)]
    items[0]["keypoint"][1] = 0
    items[2]["keypoint"][:] = 0
    prepare(written(tmp_path / "3danno.pkl", {"split": {}, "annotations": items}), out, format="annotations")
    dataset = open_dataset(out)
    assert (dataset.names, dataset.people.tolist()) == (["S001C002P003R002A013", "S002C001P007R001A060"], [1, 1])
    assert (dataset.layout.name, dataset.units, len(dataset.class_names)) == ("ntu25", "m", 60)
    assert dataset[0].attributes == {"setup": 1, "camera": 2, "subject": 3, "replication": 2, "action": 13}
    assert "skipped: 1 without any person: S002C001P007R002A060" in capsys.readouterr().out
    np.testing.assert_array_equal(dataset[0].keypoint, items[0]["keypoint"][:1])


def test_filename_comes_before_frame_dir_and_what_is_more_becomes_attributes(tmp_path, out):
    items = [flat(f"dir{i}", filename=f"clip{i}", person="ann", age=np.int64(30 + i), note=None) for i in range(2)]
    prepare(written(tmp_path / "a.pkl", {"split": {"val": ["clip1"]}, "annotations": items}), out, format="annotations")
    dataset = open_dataset(out)
    assert dataset.names == ["clip0", "clip1"]
    assert dataset.splits["split"].tolist() == ["none", "val"]
    assert dataset[1].attributes == {"person": "ann", "age": 31}


def test_a_third_channel_of_scores_becomes_the_score(tmp_path, out):
    item, plain = flat("a"), flat("a")
    item["keypoint"] = np.concatenate([item["keypoint"], item.pop("keypoint_score")[..., None]], axis=-1)
    prepare(written(tmp_path / "a.pkl", [item]), out, format="annotations")
    np.testing.assert_array_equal(open_dataset(out)[0].score, plain["keypoint_score"])
    item["keypoint"][..., 2] *= 400  # a depth
    prepare(written(tmp_path / "b.pkl", [item]), out, format="annotations", layout="coco17", overwrite=True)
    assert open_dataset(out)[0].keypoint.shape == (2, 5, 17, 3)


def test_people_who_change_rows_are_followed_and_a_line_says_so(tmp_path, out, capsys):
    still = np.ones((6, 1, 1)) * 200 * body("coco17", 2)
    keypoint = np.stack([still + 100, still + 900]).astype(np.float32)
    mixed = np.where(np.arange(6).reshape(1, 6, 1, 1) % 2, keypoint[::-1], keypoint)
    raw = written(tmp_path / "a.pkl", [flat("a", 0, 2, 6, keypoint=mixed), flat("b", 1, 2, 6, keypoint=keypoint)])
    prepare(raw, out)
    dataset = open_dataset(out)
    np.testing.assert_array_equal(dataset[0].keypoint, keypoint)
    np.testing.assert_array_equal(dataset[1].keypoint, keypoint)
    assert "note: people changed rows in 1 clip, 3 frames, and were followed: a;" in capsys.readouterr().out
    prepare(raw, out, bodies="rows", overwrite=True)
    np.testing.assert_array_equal(open_dataset(out)[0].keypoint, mixed)


def test_labels_may_be_whole_numbers_of_any_kind_but_one_a_clip(tmp_path, out, capsys):
    kinds = [2.0, np.float32(1), [0], np.array([2])]
    items = [flat(f"c{i}", label) for i, label in enumerate(kinds)]
    prepare(written(tmp_path / "a.pkl", items), out, layout="coco17")
    assert open_dataset(out).label.tolist() == [2, 1, 0, 2]
    several = written(tmp_path / "b.pkl", [*items, flat("both", [0, 1])])
    assert main(["prepare", str(several), str(out), "--overwrite", "--layout", "coco17"]) == 2
    assert "clip 'both' has 2 labels, [0, 1]; a clip has one class here: list the clip once" in capsys.readouterr().err


# ---- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "raw", "split"),
    [
        (["ntu60_xsub_train.pkl", "ntu60_xsub_val.pkl"], "", "xsub"),
        (["ntu60_xsub_train.pkl", "ntu60_xsub_val.pkl", "gym_val.pkl"], "ntu60_xsub", "xsub"),
        (["xview/val.pkl", "xview/train.pkl"], "xview", "xview"),
        (["babel60_train.pkl", "babel60_val.pkl"], "", "split"),
    ],
)
def test_the_two_lists_of_a_split(tmp_path, out, files, raw, split):
    for file in files:
        part = "train" if "train" in file else "val"
        written(tmp_path / "raw" / file, [deep(f"{part}{i}", label=i) for i in range(2)])
    prepare(tmp_path / "raw" / raw, out, format="annotations")
    dataset = open_dataset(out)
    assert dataset.names == ["train0", "train1", "val0", "val1"]
    assert {name: parts.tolist() for name, parts in dataset.splits.items()} == {split: ["train"] * 2 + ["val"] * 2}


def test_copies_of_a_clip_under_other_labels_get_names(tmp_path, out):
    """BABEL's segments with several actions, as MMAction2 0.x has them: the same name once for each."""
    items = [deep("7_12_0_a", label) for label in (4, 9, 0)] + [deep("8_12_0_a", 4)]
    prepare(
        written(tmp_path / "babel60_val.pkl", items),
        out,
        format="annotations",
        class_names="babel60",
        split_name="half",
    )
    dataset = open_dataset(out)
    assert dataset.names == ["7_12_0_a", "7_12_0_a-2", "7_12_0_a-3", "8_12_0_a"]
    assert dataset.class_names[:2] == ("walk", "stand")
    assert dataset.splits["half"].tolist() == ["val"] * 4


# ---- Kinetics-400 ----------------------------------------------------------------------------------------------------


def skeleton(value: float, score: float) -> np.ndarray:
    return np.column_stack([np.full(17, value), np.full(17, value + 0.5), np.full(17, score)]).astype(np.float16)


def kinetics(folder):
    """Two clips whose skeletons lie in two kpfiles, listed so that the files alternate."""
    first = np.stack([skeleton(10, 0.9), skeleton(20, 0.8), skeleton(11, 0.7), skeleton(12, 0.6)])
    written(folder / "kpfiles" / "x.pkl", {"a": {"keypoint": first}, "c": {"keypoint": first[:1]}})
    written(folder / "kpfiles" / "y.pkl", {"b": {"keypoint": first[1:2]}})
    about = {"img_shape": (340, 256), "original_shape": (340, 256), "total_frames": 300, "valid": {0.5: 3}}
    return [
        about | {"frame_dir": "a", "label": 1, "raw_file": "/far/away/x.pkl"}
        | {"frame_inds": np.array([3, 3, 7, 250]), "box_score": np.array([0.9, 0.5, 0.95, 0.7])},
        about | {"frame_dir": "b", "label": 0, "raw_file": "y.pkl", "frame_inds": np.array([1]), "box_score": [0.99]},
        about | {"frame_dir": "c", "label": 0, "raw_file": "x.pkl", "frame_inds": np.array([1]), "box_score": [0.3]},
    ]  # fmt: skip


def test_kpfiles(tmp_path, out):
    content = {"split": {"train": ["a", "b"], "val": ["c"]}, "annotations": kinetics(tmp_path)}
    prepare(written(tmp_path / "k400.pkl", content), out, format="annotations")
    dataset = open_dataset(out)
    assert dataset.names == ["a", "c", "b"]  # one kpfile after another
    assert dataset.splits["split"].tolist() == ["train", "val", "train"]
    assert (dataset.layout.name, dataset.people.tolist(), dataset.frames.tolist()) == ("coco17", [2, 1, 1], [3, 1, 1])
    clip = dataset[0]
    assert clip.keypoint[:, :, 0].tolist() == [[[10, 10.5], [11, 11.5], [12, 12.5]], [[20, 20.5], [0, 0], [0, 0]]]
    np.testing.assert_allclose(clip.score[:, :, 3], [[0.9, 0.7, 0.6], [0.8, 0, 0]], atol=1e-3)
    assert clip.image_size == (256, 340)


def test_kpfiles_with_a_threshold(tmp_path, out, capsys):
    raw = written(tmp_path / "k400.pkl", {"split": {}, "annotations": kinetics(tmp_path)})
    prepare(raw, out, format="annotations", box_threshold=0.7)
    dataset = open_dataset(out)
    assert (dataset.names, dataset.people.tolist(), dataset.frames.tolist()) == (["a", "b"], [1, 1], [3, 1])
    assert "skipped: 1 without any person: c" in capsys.readouterr().out


def test_of_a_crowd_the_ten_best_stay():
    """As in PYSKL's DecompressPose: more than ten in any frame, and every frame is ordered by score."""
    scores = np.array([*np.linspace(0.1, 0.7, 7), *np.linspace(0.95, 0.55, 5), 0.2, 0.3])
    frame = np.array([5] * 12 + [6] * 2)
    found = kpfiles.by_person(np.stack([skeleton(1, score) for score in scores]).astype(np.float32), frame)
    assert found.shape == (10, 2, 17, 3)
    np.testing.assert_allclose(found[:, 0, 0, 2], sorted(scores[:12], reverse=True)[:10], atol=1e-3)
    np.testing.assert_allclose(found[:3, 1, 0, 2], [0.3, 0.2, 0], atol=1e-3)


# ---- wrong files -----------------------------------------------------------------------------------------------------

GOOD = flat("good")
WRONG = {
    "frames": ([GOOD, flat("bad", total_frames=99)], "clip 'bad' has 5 frames of keypoints, total_frames says 99"),
    "no frames": ([GOOD, flat("bad", frames=0)], "clip 'bad' has no frames"),
    "axes": ([GOOD, flat("bad", keypoint=np.ones((17, 2)))], "clip 'bad' has as keypoint float64 (17, 2)"),
    "no array": ([GOOD, flat("bad", keypoint=None)], "clip 'bad' has as keypoint NoneType"),
    "joints": ([GOOD, flat("bad", keypoint=np.ones((2, 5, 16, 2)), keypoint_score=np.ones((2, 5, 16)))],
               "clip 'bad' has 16 joints, layout 'coco17' has 17"),
    "score": ([GOOD, flat("bad", keypoint_score=np.ones((2, 4, 17)))], "clip 'bad' has keypoint_score (2, 4, 17)"),
    "label": ([GOOD, flat("bad", label="walk")], "clip 'bad' has label 'walk'"),
    "image": ([GOOD, flat("bad", img_shape=(0, 0))], "clip 'bad' has img_shape (0, 0)"),
    "not finite": ([GOOD, flat("bad", keypoint=np.full((2, 5, 17, 2), np.nan))], "clip 'bad' holds NaN or infinity"),
    "no score": ([GOOD, {k: v for k, v in flat("bad").items() if k != "keypoint_score"}], "clip 'bad' has no score"),
    "twice": ([GOOD, GOOD], "two clips are named 'good'"),
    "no name": ([GOOD, {"keypoint": GOOD["keypoint"]}], "annotation 1 has no frame_dir"),
    "layout": ([deep("bad", joints=16)], "16 joints in 3D are of no layout that is known here; name it by --layout"),
    "two parts": ({"split": {"x_train": ["good"], "x_val": ["good"]}, "annotations": [GOOD]}, "clip 'good' is in two"),
    "other dict": ({"labels": [], "data": []}, "holds a dict with labels, data, expected annotations and split"),
    "split": ({"split": {"train": "good"}, "annotations": [GOOD]}, "'split' is no dict of names to lists"),
    "other list": ([1, 2], "holds no list of annotations"),
    "empty": ([], "holds no annotations"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_annotations_are_one_line_that_names_the_clip(tmp_path, out, wrong, capsys):
    content, message = WRONG[wrong]
    assert main(["prepare", "annotations", str(written(tmp_path / "a.pkl", content)), str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{raw}/none {out}", "there is no file or folder"),
        ("{raw} {out}", "expected the train and val files of one split; give one of {raw}/a, {raw}/b"),
        ("{raw}/a_val.pkl {out} --layout ntu25", "layout 'ntu25' has 25 joints, the clips have 17: did you mean 'coco"),
        ("{raw}/a_val.pkl {out} --class-names {raw}/names.txt", "clip 'good' has label 5, the 2 classes are 0 to 1"),
        ("{raw}/a_val.pkl {out} --class-names ntu61", "there is no file ntu61 of class names; or give one of ntu60"),
        ("{raw}/a_val.pkl {out} --box-threshold 0.5", "--box-threshold is for the annotations of Kinetics-400"),
        ("{raw}/new.pkl {out} --split-name xsub", "names its splits itself"),
        ("{raw}/k.pkl {out}", "clip 'good' has its skeletons in 'x.pkl', there is no {raw}/kpfiles/x.pkl"),
    ],
)
def test_wrong_options_and_places(tmp_path, out, words, message, capsys):
    raw = tmp_path / "raw"
    for name in ("a_train.pkl", "a_val.pkl", "b_val.pkl"):
        written(raw / name, [flat("good", 5)])
    written(raw / "new.pkl", {"split": {}, "annotations": [GOOD]})
    written(raw / "k.pkl", [{**GOOD, "raw_file": "x.pkl"}])
    (raw / "names.txt").write_text("walk\nstand\n")
    assert main(["prepare", "annotations", *words.format(raw=raw, out=out).split()]) == 2
    assert message.format(raw=raw) in capsys.readouterr().err


def test_broken_annotations_can_be_left_out(tmp_path, out, capsys):
    raw = written(tmp_path / "a.pkl", [flat("bad", total_frames=99), GOOD, flat("worse", label=-1)])
    prepare(raw, out, format="annotations", skip_broken=True)
    assert open_dataset(out).names == ["good"]
    printed = capsys.readouterr().out
    assert "skipped: broken: clip 'bad' has 5 frames" in printed
    assert "skipped: broken: clip 'worse' has label -1" in printed


def test_a_named_layout_of_17_joints_in_3d_keeps_its_third_coordinate(tmp_path):
    """Human3.6M's joints with z in 0 to 1: the same for every command, because one reader decides it."""
    layout = tmp_path / "h36m.yaml"
    joints = [f"joint{i}" for i in range(17)]
    bones = "".join(f"  - [joint{i}, joint0]\n" for i in range(1, 17))
    layout.write_text(f"name: h36m\njoints: [{', '.join(joints)}]\nbones:\n{bones}centre: joint0\n")
    keypoint = np.random.default_rng(0).uniform(0.1, 0.9, (1, 5, 17, 3)).astype(np.float32)
    path = written(tmp_path / "own.pkl", [{"frame_dir": "a", "label": 0, "total_frames": 5, "keypoint": keypoint}])
    with pytest.raises(ValueError, match=r"do not look like those of coco17 or h36m17.*name the layout by --layout"):
        next(read(path))
    (deep,) = read(path, layout=str(layout))
    np.testing.assert_array_equal(deep.keypoint, keypoint)
    assert (deep.score, deep.layout.name) == (None, "h36m")
