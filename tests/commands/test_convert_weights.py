"""`kinegraph convert` of checkpoints, from the command line."""

import re

import pytest
import torch

from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.published import save_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_model, load_weights
from kinegraph.skeleton.graph import adjacency


@pytest.fixture
def published(tmp_path):
    torch.manual_seed(0)
    save_published(tmp_path / "in.pth", STGCN(adjacency("ntu25"), 3, 60, widths=[8, 16]), "mmaction0")
    return tmp_path / "in.pth"


def test_from_and_to_another_project(published, tmp_path, capsys):
    out, back = tmp_path / "out.safetensors", tmp_path / "back.pth"
    how = ["--preprocessing.normalize", "ntu_published", "--preprocessing.sampling", "loop"]
    assert main(["convert", str(published), str(out), "--class-names", "ntu60", *how]) == 0
    assert "STGCN, 25 joints of 'ntu25', 60 classes" in capsys.readouterr().out
    weights = load_weights(out)
    assert weights.class_names[0] == "drink water"
    assert Preprocessing.from_dict(weights.preprocessing) == Preprocessing(normalize="ntu_published", sampling="loop")
    assert main(["convert", str(out), str(back), "--to", "mmaction1"]) == 0
    x = torch.randn(1, 2, 20, 25, 3)
    with torch.no_grad():
        assert torch.equal(load_model(back)(x), load_model(published)(x))
        assert torch.equal(weights.model(x), load_model(published)(x))


def test_half_the_room(published, tmp_path, capsys):
    out, again = tmp_path / "out.safetensors", tmp_path / "again.safetensors"
    assert main(["convert", str(published), str(out), "--half"]) == 0
    assert main(["convert", str(out), str(again), "--half"]) == 0
    assert re.search(r"again.safetensors: 0.\d\d MB, was 0.\d\d MB", capsys.readouterr().out)
    x = torch.randn(1, 2, 20, 25, 3)
    with torch.no_grad():
        assert torch.equal(load_model(out)(x), load_model(again)(x))
        assert torch.allclose(load_model(out)(x), load_model(published)(x), rtol=1e-2, atol=1e-3)
    assert main(["convert", str(out), str(tmp_path / "o.safetensors"), "--half", "--layout", "ntu25"]) == 2
    assert "knows its layout; leave out --layout" in capsys.readouterr().err
    assert main(["convert", str(out), str(tmp_path / "o.pth"), "--half", "--to", "pyskl"]) == 2
    assert "--half is for a .safetensors file" in capsys.readouterr().err


def test_classes_in_another_language(published, tmp_path, capsys):
    out, spanish, names = tmp_path / "out.safetensors", tmp_path / "es.safetensors", tmp_path / "es.txt"
    assert main(["convert", str(published), str(out), "--class-names", "ntu60"]) == 0
    names.write_text("".join(f"clase {i}\n" for i in range(60)), encoding="utf-8")
    assert main(["convert", str(out), str(spanish), "--class-names", str(names)]) == 0
    assert "drink water is now clase 0, " in capsys.readouterr().out
    weights, x = load_weights(spanish), torch.randn(1, 2, 20, 25, 3)
    assert weights.class_names == tuple(f"clase {i}" for i in range(60))
    with torch.no_grad():
        assert torch.equal(weights.model(x), load_model(out)(x))
    names.write_text("uno\n", encoding="utf-8")
    assert main(["convert", str(out), str(tmp_path / "no.safetensors"), "--class-names", str(names)]) == 2
    assert "has 1 names" in (said := capsys.readouterr().err)
    assert "expected a line for each, in this order: drink water, eat meal/snack, " in said
    assert not (tmp_path / "no.safetensors").exists()


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [("out.pth", [], "name the dialect"), ("in.pth", ["--to", "pyskl"], "exists; choose another place or give"),
     ("out.safetensors", ["--to", "pyskl"], r"is a \.pth file"), ("none/out.safetensors", [], "there is no folder"),
     ("out.safetensors", ["--split", "xsub"], "--split is an option for a dataset folder"),
     ("out.safetensors", ["--layout", "coco17"], "network for 25 joints, layout 'coco17' has 17"),
     ("out.safetensors", ["--strides", "1"], "2 widths and 1 strides"),
     ("out.safetensors", ["--class-names", "ntu120"], "60 classes, there are 120 class names")],
)  # fmt: skip
def test_what_does_not_go_together(published, tmp_path, capsys, out, options, message):
    assert main(["convert", str(published), str(tmp_path / out), *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(message, said)
    assert {path.name for path in tmp_path.iterdir()} == {"in.pth"}


def test_options_for_checkpoints_are_none_for_datasets(tmp_path, capsys):
    assert main(["convert", str(tmp_path), str(tmp_path / "out"), "--to", "pyskl"]) == 2
    assert "--to is an option for a checkpoint" in capsys.readouterr().err
