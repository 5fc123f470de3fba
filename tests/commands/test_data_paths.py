"""`kinegraph train --train-data-path A --test-data-path B`, as the TensorFlow project, on its TFRecord shards."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.reading.files import tfrecord_wire as wire

SMALL = ["--model.init_args.widths=[4]", "--epochs=1", "--batch-size=4", "--preprocessing.frames=6", "--no-report"]
CONFIG = """
model: {class_path: kinegraph.models.stgcn.STGCN, init_args: {edges: fixed, init: tensorflow, padding: same}}
preprocessing: {people: 2, normalize: none, sampling: loop}
split: xsub
dataset: data/ntu60
"""


def write_shards(folder: Path, clips: int, joints: int = 25) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(clips)
    for shard in range(2):
        with (folder / f"data_joint-{shard}.tfrecord").open("wb") as file:
            for i in range(shard, clips, 2):
                array = rng.standard_normal((3, 8, joints, 2)).astype(np.float32)
                array[..., 1] = 0  # one person
                features = {"features": wire.serialize_tensor(array), "label": i % 3}
                wire.write_record(file, wire.serialize_example(features))


@pytest.fixture
def ntu(tmp_path):
    write_shards(tmp_path / "xview" / "train_data", 9)
    write_shards(tmp_path / "xview" / "val_data", 5)
    (tmp_path / "tf.yaml").write_text(CONFIG)
    return tmp_path


def train(ntu: Path, *words: str, train: str = "train_data", test: str = "val_data") -> int:
    paths = [f"--train-data-path={ntu / 'xview' / train}", "--test-data-path", str(ntu / "xview" / test)]
    return main(["train", str(ntu / "tf.yaml"), *paths, "--work-dir", str(ntu / "run"), "--overwrite", *SMALL, *words])


def test_two_folders_of_shards_are_trained_on(ntu, capsys):
    """The split is named after the folder, not after the config; the second time nothing is read again."""
    assert train(ntu) == 0
    (made,) = (ntu / "xview").glob("train_data.kinegraph-*")
    assert "read 14 clips" in capsys.readouterr().out
    dataset = open_dataset(made)
    assert {part: len(dataset.indices("xview", part)) for part in dataset.parts("xview")} == {"train": 9, "val": 5}
    config = yaml.safe_load((ntu / "run" / "config.yaml").read_text())
    assert (config["dataset"], config["split"]) == (str(made), "xview")
    assert train(ntu) == 0
    assert "read 14 clips" not in capsys.readouterr().out
    (ntu / "xview" / "val_data" / "data_joint-0.tfrecord").unlink()
    assert train(ntu) == 0  # other files: another folder
    assert len(list((ntu / "xview").glob("train_data.kinegraph-*"))) == 2


def test_own_name_of_the_split(ntu):
    assert train(ntu, "--split", "mine") == 0
    assert yaml.safe_load((ntu / "run" / "config.yaml").read_text())["split"] == "mine"


def test_what_is_wrong_is_one_line(ntu, capsys):
    write_shards(ntu / "xview" / "others", 3, joints=18)
    dataset = str(ntu / "dataset")
    for words, options, complaint in [
        ((), {"test": "lost"}, f"--test-data-path: there is no file or folder {ntu / 'xview' / 'lost'}"),
        (("--dataset", dataset), {}, "--dataset and --train-data-path both name the clips; give one of them"),
        ((), {"test": "others"}, "--class-names"),
    ]:
        assert train(ntu, *words, **options) == 2
        error = capsys.readouterr().err
        assert complaint in error
        assert error.count("\n") == 1
        assert not (ntu / "run").exists()
    assert main(["train", str(ntu / "tf.yaml"), "--train-data-path", str(ntu)]) == 2
    assert "--test-data-path is missing" in capsys.readouterr().err
