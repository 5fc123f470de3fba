"""`kinegraph convert`: what is written is what the other projects read, and comes back as it was."""

import io
import json
import pickle

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.read import read
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.data import faulty


@pytest.fixture
def dataset(tmp_path):
    """In 3D, with one split."""
    return made_up.dataset(tmp_path / "dataset", 9)


@pytest.fixture
def rich(tmp_path):
    """In 2D, with everything that a clip can have and what is easily lost: odd parts, a clip without a label, fps."""
    layout, rng = load_layout("coco17_tree"), np.random.default_rng(3)
    clips = [
        SkeletonClip(
            keypoint=rng.uniform(0, 900, (1 + i % 3, 4 + i, 17, 2)).astype(np.float32),
            layout=layout,
            name=f"clip {i}, ö",
            label=None if i == 4 else i % 2,
            score=rng.uniform(0, 1, (1 + i % 3, 4 + i, 17)).astype(np.float32),
            fps=29.97 if i else None,
            image_size=(640 + i, 480),
            attributes={"subject": i, "place": f"room {i % 2}"},
            splits={"xsub": "train" if i < 3 else "val", "fold_val": f"part{i % 2}", "split2": ["test", "none"][i % 2]},
        )
        for i in range(6)
    ]
    clips[1].keypoint[:, -1] = 0
    return write_dataset(
        tmp_path / "rich",
        clips,
        layout=layout,
        class_names=["a", "b", "c"],
        units="px",
        source="made up",
        licence="CC0",
    )


def run(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def refused(capsys, *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


FILES = ("dataset.json", "clips.csv", "keypoint.npy", "score.npy")


@pytest.mark.parametrize("kind", ["dataset", "rich"])
def test_an_annotation_pickle_comes_back_byte_for_byte(tmp_path, kind, request):
    made = request.getfixturevalue(kind)
    run("convert", made.path, tmp_path / "out.pkl")
    run("prepare", "annotations", tmp_path / "out.pkl", tmp_path / "back")
    for name in FILES:
        if (made.path / name).is_file():
            assert (tmp_path / "back" / name).read_bytes() == (made.path / name).read_bytes()


def test_an_annotation_pickle_is_what_pyskl_reads(tmp_path, rich):
    """Its loader: split and annotations, clips chosen by frame_dir; sizes as (height, width)."""
    run("convert", rich.path, tmp_path / "out.pkl")
    content = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert content["split"]["xsub_val"] == rich.names[3:]
    assert content["split"]["test2"] == rich.names[::2]
    annotation = content["annotations"][2]
    assert annotation["frame_dir"] == "clip 2, ö"
    assert (annotation["label"], annotation["total_frames"], annotation["img_shape"]) == (0, 6, (480, 642))
    np.testing.assert_array_equal(annotation["keypoint"], rich[2].keypoint)
    np.testing.assert_array_equal(annotation["keypoint_score"], rich[2].score)
    assert b"numpy._core" not in (tmp_path / "out.pkl").read_bytes()  # numpy 1 does not know it


def test_half_precision_stays(tmp_path, dataset):
    run("convert", dataset.path, tmp_path / "a.pkl")
    run("prepare", "annotations", tmp_path / "a.pkl", tmp_path / "half", "--dtype", "float16")
    run("convert", tmp_path / "half", tmp_path / "b.pkl")
    written = pickle.loads((tmp_path / "b.pkl").read_bytes())["annotations"][0]["keypoint"]
    assert written.dtype == np.float16
    np.testing.assert_array_equal(written, dataset[0].keypoint.astype(np.float16))


def test_lists_of_mmaction2(tmp_path, dataset):
    for part in ("train", "val"):
        run("convert", dataset.path, tmp_path / f"x_xsub_{part}.pkl", "--format", "mmaction0", "--part", part)
    run("prepare", "annotations", tmp_path / "x_xsub", tmp_path / "back")
    back = open_dataset(tmp_path / "back")
    assert (back.names, back.label.tolist()) == (dataset.names, dataset.label.tolist())
    assert back.splits["xsub"].tolist() == dataset.splits["xsub"].tolist()
    assert all(np.array_equal(clip.keypoint, was.keypoint) for clip, was in zip(back, dataset, strict=True))


def test_arrays_of_2s_agcn(tmp_path, dataset):
    run("convert", dataset.path, tmp_path / "npy", "--format", "npy")
    array = np.load(tmp_path / "npy" / "train_data_joint.npy")
    assert (array.shape, array.dtype) == ((6, 3, 300, 25, 2), np.float32)
    np.testing.assert_array_equal(array[1, :, :15].transpose(3, 1, 2, 0), dataset[1].keypoint)
    assert not array[:, :, 18:].any()
    names, labels = pickle.loads((tmp_path / "npy" / "val_label.pkl").read_bytes())
    assert (names, labels) == (dataset.names[6:], dataset.label[6:].tolist())
    run("prepare", "npy", tmp_path / "npy", tmp_path / "back")
    for name in FILES[:3]:
        assert (tmp_path / "back" / name).read_bytes() == (dataset.path / name).read_bytes()


def test_arrays_of_scores_and_of_no_split(tmp_path, rich):
    """Without labels or with a third person there is no such file; with neither, all comes back."""
    clips = [rich[i] for i in (0, 1, 3)]
    plain = [SkeletonClip(clip.keypoint, clip.layout, clip.name, clip.label, clip.score) for clip in clips]
    made = write_dataset(
        tmp_path / "plain", plain, layout=rich.layout, class_names=rich.class_names, units="px", source="made up"
    )
    run("convert", made.path, tmp_path / "npy", "--format", "npy", "--frames", 9, "--people", 3)
    assert sorted(file.name for file in (tmp_path / "npy").iterdir()) == [
        "data_joint.npy",
        "kinegraph.json",
        "label.pkl",
    ]
    assert np.load(tmp_path / "npy" / "data_joint.npy").shape == (3, 3, 9, 17, 3)
    run("prepare", "npy", tmp_path / "npy", tmp_path / "back")
    back = open_dataset(tmp_path / "back")
    assert (back.layout, back.splits, back.units) == (rich.layout, {}, "px")
    for clip, was in zip(back, made, strict=True):
        np.testing.assert_array_equal(clip.score, was.score)


def test_shards_of_tensorflow(tmp_path, dataset):
    run("convert", dataset.path, tmp_path / "shards", "--format", "tfrecord", "--shards", 2, "--frames", 20)
    run("prepare", "tfrecord", tmp_path / "shards", tmp_path / "back")
    assert (tmp_path / "back" / "keypoint.npy").read_bytes() == (dataset.path / "keypoint.npy").read_bytes()


# ---- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{dataset} {out} --format npy --frames 16", "has 17 frames, the arrays have room for 16; give --frames 18"),
        ("{dataset} {out} --format npy --people 1", "has 2 people, the arrays have room for 1; give --people 2"),
        ("{dataset} {out} --format npy --people 0", "--people is 0, expected at least 1"),
        ("{dataset} {out} --format npy --split xview", "no split 'xview'; its splits are xsub"),
        ("{dataset} {out}.pkl --format mmaction0", "give --part train or val"),
        ("{dataset} {out}.pkl --format mmaction0 --part test", "split 'xsub' has no part 'test'"),
        ("{dataset} {out} --split xsub", "--split is an option for mmaction0, npy, tfrecord; pyskl has no use for it"),
        ("{dataset} {out} --format npy --shuffle-seed 1", "--shuffle-seed is an option for tfrecord"),
        ("{dataset} {out} --format hdf5", "'pyskl', 'mmaction0', 'npy', 'tfrecord'"),
        ("{rich} {out}.pkl --format mmaction0 --part val", "has splits xsub, fold_val, split2; choose one by --split"),
        ("{rich} {out} --format npy --split fold_val", "has part 'part0', the arrays are train, val, test"),
        ("{rich} {out} --format npy --split xsub --people 3", "clip 'clip 4, ö' has no label"),
        ("{dataset} {dataset} --overwrite", "exists and is no file"),
        ("{dataset} {dataset} --format npy --overwrite", "exists and is no folder of such arrays"),
        ("{dataset} {out}/deep/down.pkl", "there is no folder"),
        ("{out} {out}", "no file or folder"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path, dataset, rich, capsys, words, message):
    before = sorted(tmp_path.rglob("*"))
    named = {"dataset": dataset.path, "rich": rich.path, "out": tmp_path / "out"}
    assert message in refused(capsys, "convert", *words.format(**named).split())
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_there_is_replaced_only_on_request(tmp_path, dataset, capsys):
    for out, form in ((tmp_path / "a.pkl", "pyskl"), (tmp_path / "npy", "npy")):
        words = ["convert", dataset.path, out, "--format", form]
        run(*words)
        assert "give --overwrite" in refused(capsys, *words)
        run(*words, "--overwrite")


def test_a_failed_conversion_keeps_what_was_there(tmp_path, dataset, capsys):
    out = tmp_path / "a.pkl"
    run("convert", dataset.path, out)
    before = out.read_bytes()
    rows = np.load(dataset.path / "keypoint.npy")
    rows[-1] = np.nan
    content = io.BytesIO()
    np.save(content, rows)
    (dataset.path / "keypoint.npy").write_bytes(content.getvalue())
    about = json.loads((dataset.path / "dataset.json").read_text())
    about.pop("sha256_of_this"), about.pop("crc32")  # as an earlier version wrote it
    (dataset.path / "dataset.json").write_text(json.dumps(about))
    assert "clip 'clip008' holds values that are not finite" in refused(
        capsys, "convert", dataset.path, out, "--overwrite"
    )
    assert out.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if ".partial" in file.name] == []


def test_recordings_need_no_dataset_folder(tmp_path):
    path = faulty.table_json(tmp_path, faulty.recordings())
    run("convert", path, tmp_path / "out.pkl")
    before, after = list(read(path)), list(read(tmp_path / "out.pkl"))
    assert [clip.name for clip in after] == [clip.name for clip in before]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.keypoint, other.keypoint)
        assert (one.label, one.splits) == (other.label, other.splits)
