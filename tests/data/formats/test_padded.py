"""Padded arrays of 2s-AGCN, ST-GCN and BABEL, made up small."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kinegraph.cli import main
from kinegraph.commands.prepare import prepare
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats.padded import unpadded
from kinegraph.data.formats.padded_write import padded
from kinegraph.data.read import recordings
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout


def clips(count: int, channels: int = 3, frames: int = 8, joints: int = 25, people: int = 2) -> np.ndarray:
    """(N, C, T, V, M): clip i is i + 2 frames long, odd ones have one person."""
    filled = np.random.default_rng(count).normal(0, 1, (count, channels, frames, joints, people)).astype(np.float32)
    for i, clip in enumerate(filled):
        clip[:, i + 2 :] = 0
        clip[..., 1 if i % 2 else people :] = 0
    return filled


def write(folder, name: str, array: np.ndarray, labels: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", array)
    label_name = name.replace("data_joint", "label").replace("ntu_sk", "label").replace("data", "label")
    (folder / f"{label_name}.pkl").write_bytes(pickle.dumps(labels))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_train_and_val_of_2s_agcn(tmp_path, out):
    """Names with their file's ending and the folder's name, as its data_gen writes them."""
    raw, train, val = tmp_path / "xview", clips(4), clips(2)
    names = [f"S001C00{2 + i % 2}P00{i + 1}R001A00{i + 1}.skeleton" for i in range(4)]
    write(raw, "train_data_joint", train, (names, [0, 1, 2, 3]))
    write(raw, "val_data_joint", val, (["S002C001P008R002A060.skeleton", "S002C001P008R001A001.skeleton"], [59, 0]))
    write(raw, "train_data_bone", train, (names, [0, 1, 2, 3]))  # other streams are beside it
    prepare(raw, out, format="npy")
    dataset = open_dataset(out, check_values=True)
    assert dataset.names[0] == "S001C002P001R001A001"
    assert dataset.splits["xview"].tolist() == ["train"] * 4 + ["val"] * 2
    assert (dataset.layout.name, dataset.units, len(dataset.class_names)) == ("ntu25", "normalised", 60)
    assert (dataset.frames.tolist(), dataset.people.tolist()) == ([2, 3, 4, 5, 2, 3], [2, 1, 2, 1, 2, 1])
    assert dataset[4].attributes == {"setup": 2, "camera": 1, "subject": 8, "replication": 2, "action": 60}
    np.testing.assert_array_equal(dataset[2].keypoint, train[2].transpose(3, 1, 2, 0)[:, :4])
    np.testing.assert_array_equal(dataset[5].keypoint, val[1].transpose(3, 1, 2, 0)[:1, :3])


def test_more_clips_than_are_read_at_once(tmp_path, out):
    array = np.random.default_rng(0).normal(size=(150, 3, 2, 25, 1)).astype(np.float32)
    write(tmp_path / "raw", "train_data_joint", array, ([f"c{i}" for i in range(150)], np.arange(150) % 7))
    prepare(tmp_path / "raw", out, format="npy", split_name="half")
    dataset = open_dataset(out)
    assert set(dataset.splits["half"]) == {"train"}
    for i in (0, 63, 64, 127, 128, 149):
        np.testing.assert_array_equal(dataset[i].keypoint, array[i].transpose(3, 1, 2, 0))


def test_babel(tmp_path, out):
    """Its label files keep labels, sequences, chunks and annotators apart; a segment of two actions is there twice."""
    about = [4, 9, 119], [12, 12, 5], [0, 0, 1], ["ann", "ann", "bob"]
    write(tmp_path / "raw", "val_ntu_sk_120", clips(3, people=1), (["s7", "s7", "s8"], about))
    prepare(tmp_path / "raw", out, format="npy")
    dataset = open_dataset(out)
    assert dataset.names == ["s7_12_0_ann", "s7_12_0_ann-2", "s8_5_1_bob"]
    assert (len(dataset.class_names), dataset.class_names[0], dataset.label.tolist()) == (120, "walk", [4, 9, 119])
    assert dataset[2].attributes == {"segment": "s8", "sequence": "5", "chunk": "1", "annotator": "bob"}


def test_of_several_kinds_one_is_named(tmp_path, out, capsys):
    for classes in (60, 120):
        for part in ("train", "val"):
            labels = [classes - 1], [1], [2], ["a"]
            write(tmp_path / "raw", f"{part}_ntu_sk_{classes}", clips(1, people=1), ([part], labels))
    assert main(["prepare", "npy", str(tmp_path / "raw"), str(out)]) == 2
    assert "holds arrays of several kinds; give one of" in capsys.readouterr().err
    prepare(tmp_path / "raw" / "val_ntu_sk_60.npy", out, format="npy")
    dataset = open_dataset(out)
    assert (dataset.splits["split"].tolist(), len(dataset.class_names)) == (["train", "val"], 60)


def test_openpose_joints_with_scores(tmp_path, out):
    """Kinetics-skeleton as ST-GCN has it: x and y from -0.5 to 0.5, then the score."""
    array = clips(2, joints=18)
    array[:, 2] = np.clip(np.abs(array[:, 2]), 0, 1)
    write(tmp_path / "raw", "train_data", array, (["a", "b"], [1, 0]))
    prepare(tmp_path / "raw", out, format="npy")
    clip = open_dataset(out)[1]
    assert (clip.layout.name, clip.keypoint.shape) == ("openpose18", (1, 3, 18, 2))
    np.testing.assert_array_equal(clip.score, array[1, 2].transpose(2, 0, 1)[:1, :3])


def test_empty_clips_are_left_out_and_told(tmp_path, out, capsys):
    array = clips(3)
    array[1] = 0
    write(tmp_path / "raw", "train_data_joint", array, (["a", "b", "c"], [0, 1, 0]))
    prepare(tmp_path / "raw", out, format="npy")
    assert open_dataset(out).names == ["a", "c"]
    assert "skipped: 1 without any person: b" in capsys.readouterr().out


VALUES = st.sampled_from([0, 0, 0, 1.5, -2])


@given(arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 5), st.just(2), st.just(2)), elements=VALUES))
@settings(max_examples=50)
def test_only_zeros_are_cut_and_only_at_the_end(people):
    found = unpadded(people)
    if not people.any():
        assert not found.size
        return
    frames = found.shape[1]
    assert not people[:, frames:].any()
    assert found[:, -1].any()
    assert found.any((1, 2, 3)).all()
    np.testing.assert_array_equal(found, [person[:frames] for person in people if person.any()])


def test_padding_and_back():
    keypoint = np.random.default_rng(0).normal(size=(2, 3, 17, 2)).astype(np.float32)
    clip = SkeletonClip(keypoint, load_layout("coco17"), "a", score=np.ones((2, 3, 17), np.float32))
    filled = padded(clip, frames=5, people=4)
    assert filled.shape == (3, 5, 17, 4)
    np.testing.assert_array_equal(unpadded(filled.transpose(3, 1, 2, 0))[..., :2], keypoint)


# ---- wrong files -----------------------------------------------------------------------------------------------------

GOOD = clips(2)
LABELS = ["a", "b"], [0, 1]
WRONG = {
    "axes": (GOOD[0], LABELS, "holds float32 (3, 8, 25, 2), expected floats (clips, 2 or 3 channels"),
    "channels": (clips(2, channels=4), LABELS, "expected floats (clips, 2 or 3 channels"),
    "integers": (GOOD.astype(int), LABELS, "holds int64"),
    "joints": (clips(2, joints=16), LABELS, "16 joints in 3D are of no layout"),
    "count": (GOOD, (["a"], [0]), "train_label.pkl has 1 label, train_data_joint.npy has 2 clips"),
    "pair": (GOOD, {"a": 0}, "holds no pair of names and labels"),
    "lengths": (GOOD, (["a", "b"], [0]), "holds 2 names and 1 label"),
    "label": (GOOD, (["a", "b"], [0, -1]), "clip 'b' has label -1"),
    "columns": (GOOD, (["a", "b"], ([0, 1], [1, 1], [0], ["x", "x"])), "holds columns of 2, 2, 2, 1, 2 clips"),
    "names": (GOOD, (["a", "a"], [0, 1]), "two clips are named 'a'"),
    "not finite": (np.full_like(GOOD, np.nan), LABELS, "clip 'a' holds NaN or infinity"),
    "zeros": (np.zeros_like(GOOD), LABELS, "no clip is left; skipped: 2 without any person: a, b"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_arrays_are_one_line(tmp_path, out, wrong, capsys):
    array, labels, message = WRONG[wrong]
    write(tmp_path / "raw", "train_data_joint", array, labels)
    assert main(["prepare", "npy", str(tmp_path / "raw"), str(out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_wrong_places(tmp_path, out, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()

    def refused(path) -> str:
        assert main(["prepare", "npy", str(path), str(out)]) == 2
        return capsys.readouterr().err

    assert "there is no train_data_joint.npy" in refused(raw)
    assert "there is no file or folder" in refused(raw / "none")
    np.save(raw / "val_data_joint.npy", GOOD)
    assert f"there are no labels {raw}/val_label.pkl to val_data_joint.npy" in refused(raw)
    write(raw, "val_data_joint", GOOD, LABELS)
    write(raw, "train_data_joint", clips(2, joints=18), LABELS)
    assert "val_data_joint.npy is (clips 2, channels 3, frames 8, joints 25, people 2), train_data" in refused(raw)
    (raw / "train_data_joint.npy").write_bytes((raw / "val_data_joint.npy").read_bytes()[:-9])
    assert "train_data_joint.npy is not a whole .npy file of numbers" in refused(raw)


def test_an_array_alone_has_no_labels_and_says_so(tmp_path):
    np.save(tmp_path / "all.npy", GOOD)
    found = recordings(tmp_path / "all.npy", layout="ntu25")
    assert [(clip.name, clip.label) for clip in found.clips] == [("all-0", None), ("all-1", None)]
    assert found.skipped() == ["labels: there is no all_label.pkl, a pickle of (names, labels)"]


@pytest.mark.parametrize("labels", [(["a", "b", "c"], [1, 0, 1]), [1, 0, 1]])
@pytest.mark.parametrize("names", [("skeletons", "my_labels"), ("train_skeletons", "labels_train")])
def test_labels_of_another_name_count_where_they_are_as_many(tmp_path, names, labels):
    np.save(tmp_path / f"{names[0]}.npy", clips(3))
    (tmp_path / f"{names[1]}.pkl").write_bytes(pickle.dumps(labels))
    found = recordings(tmp_path)
    assert [clip.label for clip in found.clips] == [1, 0, 1]
    assert f"labels by their number: {names[1]}.pkl of {names[0]}.npy" in found.assumed
    (tmp_path / f"{names[1]}.pkl").write_bytes(pickle.dumps([0] * 4))
    if names[0] == "skeletons":  # those of train_... are needed
        assert [clip.label for clip in recordings(tmp_path / "skeletons.npy").clips] == [None] * 3


def test_labels_beside_an_array_stand_for_both(tmp_path):
    write(tmp_path, "train_data", clips(2), (["a", "b"], [1, 0]))
    by_labels, by_array = (recordings(tmp_path / f"train_{it}") for it in ("label.pkl", "data.npy"))
    assert [(it.name, it.label) for it in by_labels.clips] == [(it.name, it.label) for it in by_array.clips]
    (tmp_path / "train_data.npy").unlink()
    with pytest.raises(ValueError, match="may hold names and labels of clips"):
        recordings(tmp_path / "train_label.pkl")
