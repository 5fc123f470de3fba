"""Configs of MMAction2, PYSKL and ProtoGCN given to `train`, `test` and `convert`."""

import json
from itertools import islice

import pytest

from kinegraph.cli import main
from kinegraph.commands.arguments import read_config
from kinegraph.commands.train import train
from kinegraph.data.loading import train_loader
from kinegraph.foreign.read import read_foreign
from kinegraph.models.weights import load_weights
from kinegraph.skeleton.layout import load_layout
from kinegraph.training import loop
from tests.foreign import projects

SHORT = ["--epochs", "1", "--repeat", "1", "--accelerator", "cpu", "--no-report"]  # options of a training
OWN = "layout=dict(num_node=5, inward=[(1, 0), (2, 1), (3, 0), (4, 3)], center=0)"


def test_joints_that_a_config_spells_out(place, monkeypatch, capsys):
    """Its own joints, edges and centre are a layout, which trains; converted, it is a file beside the config."""
    monkeypatch.setattr(loop, "train_loader", lambda *args, **options: islice(train_loader(*args, **options), 2))
    text = projects.changed("1.x stgcn True j", ("layout='coco'", OWN), ("dataset='coco', ", ""))
    (place / "config.py").write_text(text)
    projects.write_splits(place / "data/skeleton/ntu60_2d.pkl", 5, 2, 60)
    small = ["--batch-size", "2", *SHORT, "--workers", "0"]
    words = ["--work-dir", "run", "--no-validate", "--log-every", "1", "--preprocessing.frames", "8", *small]
    assert main(["train", "config.py", *words]) == 0
    layout = load_weights(place / "run" / "checkpoints" / "last.safetensors").layout
    assert (layout.bones, layout.centre) == (((1, 0), (2, 1), (3, 0), (4, 3)), 0)
    assert main(["convert", "config.py", "out.yaml"]) == 0
    assert "--layout out_layout.yaml" in capsys.readouterr().out
    assert load_layout(place / "out_layout.yaml").bones == layout.bones
    (place / "config.py").write_text(text.replace("(3, 0), ", ""))
    (line,) = read_foreign(place / "config.py").refused
    assert "joint 'joint 3' is not connected to the centre" in line
    (place / "config.py").write_text(text.replace("feats=['j']", "dataset='coco', feats=['b']"))
    (line,) = read_foreign(place / "config.py").refused
    assert "GenSkeFeat is for joints of 'coco', the network has the joints config" in line


TRAINED = {
    "0.x stgcn_80e_ntu60_xsub_keypoint": ("lists", 17, 2),
    "0.x stgcn_80e_babel60_wfl": ("lists", 25, 3),
    "1.x stgcnpp True bm": ("data/skeleton/ntu60_2d.pkl", 17, 2),
    "pyskl stgcn False xview": ("data/nturgbd/ntu60_3danno.pkl", 25, 3),
}


@pytest.mark.parametrize("name", TRAINED)
def test_configs_train_and_are_tested_word_for_word(name, place, monkeypatch, capsys):
    """Two steps on clips of the config's own files, which become a dataset folder once; then the test.

    Behind the config, and the weights, there may be a number of GPUs, as dist_train.sh and dist_test.sh take it.
    """
    monkeypatch.setattr(loop, "train_loader", lambda *args, **options: islice(train_loader(*args, **options), 2))
    where, joints, channels = TRAINED[name]
    if where == "lists":
        babel = "babel" in name
        projects.write_lists(place, name.removeprefix("0.x "), joints, channels, 60, frames=20 if babel else None)
    else:
        projects.write_splits(place / where, joints, channels, 60)
    config = place / "configs" / "skeleton" / "theirs.py"
    config.parent.mkdir(parents=True)
    config.write_text(projects.VARIANTS[name])
    words = f"{config} 1 --work-dir run --validate --seed 0 --deterministic --launcher none".split()
    words += ["--cfg-options", "data.workers_per_gpu=0", "train_dataloader.num_workers=0"][: 2 + ("1.x" in name)]
    small = ["--batch-size", "1", *SHORT, "--log-every", "1", "--workers", "0"]
    small += [] if "babel" in name else ["--preprocessing.frames", "8"]
    if "1.x" in name:
        words = [word for word in words if word != "data.workers_per_gpu=0"]
    assert main(["train", *words, *small]) == 0
    assert "clips of data/" in capsys.readouterr().out  # read
    weights = load_weights(place / "run" / "checkpoints" / "last.safetensors")
    assert len(weights.class_names) == 60
    assert weights.preprocessing["frames"] == (20 if "babel" in name else 8)
    log = [json.loads(line) for line in (place / "run" / "log.jsonl").read_text().splitlines()]
    assert [it["mode"] for it in log].count("val") == 1
    last = "run/checkpoints/last.safetensors"
    tested = "--eval top_k_accuracy mean_class_accuracy --out result.pkl --gpu-collect --work-dir elsewhere --compile"
    assert main(["test", str(config), last, "1", *tested.split()]) == 0
    said = capsys.readouterr().out
    assert "clips of data/" not in said  # the folder was there
    assert "dataset folder: data/" in said
    assert (place / "result.pkl").is_file()


def test_a_missing_file_is_one_line_with_the_place_and_the_option(place, capsys):
    (place / "config.py").write_text(projects.pyskl("stgcnpp", "j", False))
    (place / "data" / "nturgbd").mkdir(parents=True)
    (place / "data" / "nturgbd" / "ntu60_3dano.pkl").touch()
    assert main(["train", "config.py", "--work-dir", "run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in (
        "data/nturgbd/ntu60_3danno.pkl is not there",
        str(place),
        "did you mean 'ntu60_3dano.pkl'",
        "--dataset",
    ):
        assert part in error
    assert "--cfg-options data.train.dataset.ann_file=FILE" in error
    assert sorted(it.name for it in place.iterdir()) == ["config.py", "data"]


def test_an_address_is_no_file(place, capsys):
    """Published weights are often named by their address."""
    for words in (["convert", "https://a.org/a.pth", "out.safetensors"], ["inspect", "https://a.org/a.safetensors"]):
        assert main(words) == 2
        assert "addresses are not read: fetch the file first" in capsys.readouterr().err


EMA = "custom_hooks = [dict(type='SyncNormHook')]\n"


def test_all_that_cannot_be_honoured_is_listed_before_anything_starts(place, capsys):
    (place / "config.py").write_text(projects.heatmaps())
    assert main(["train", "config.py"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # of a network that is not here no more is said
    assert "config.py:3: model 'Recognizer3D' with 'ResNet3dSlowOnly' is not here" in lines[0]
    ours = projects.mmaction1("stgcn", "j", False)
    (place / "config.py").write_text(ours.replace("type='PoseDecode'", "type='PoseCompact'") + EMA)
    assert main(["train", "config.py"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(any(part in line for line in lines) for part in ("PoseCompact", "SyncNormHook"))
    assert all(line.startswith("not honoured: config.py:") for line in lines[:-1])
    assert "asks for" in lines[-1]
    (place / "config.py").write_text(projects.heatmaps())
    assert main(["convert", "config.py", "out.yaml"]) == 2
    assert not (place / "out.yaml").exists()


def test_convert_writes_the_rest_with_the_line_of_each_value(place, capsys):
    text = projects.pyskl("stgcn", "b", True).replace(
        "dict(type='PoseDecode')", "dict(type='Mystery'), dict(type='PoseDecode')"
    )
    (place / "config.py").write_text(text)
    assert main(["convert", "config.py", "out.yaml"]) == 0
    assert "not honoured: config.py:12: the transform 'Mystery' is not here" in capsys.readouterr().out
    written = (place / "out.yaml").read_text()
    assert "# not honoured: config.py:12: the transform 'Mystery'" in written
    lines = text.splitlines()
    for ours, theirs in (("batch_size: 16", "videos_per_gpu=16"), ("streams: [bone]", "feats=['b']")):
        line = next(line for line in written.splitlines() if line.strip().startswith(ours))
        assert theirs in lines[int(line.partition("# line ")[2].split(" ")[0].rstrip(":")) - 1]
    assert str(read_config(train, place / "out.yaml").split) == "xsub"
    assert main(["convert", "config.py", "out.yaml"]) == 2  # it is there
