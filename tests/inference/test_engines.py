"""`--engine auto` answers what torch answers, whichever engine is the fastest."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models import quickest as module
from kinegraph.models.quickest import cache_folder
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights

NAMES = ("torch", "optimized", "onnxruntime", "openvino")
NEEDS = {"onnxruntime": ("onnxscript", "onnxruntime"), "openvino": ("onnxscript", "onnxruntime", "openvino")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Weights, and a dataset of four clips in two classes; one has two people."""
    place = tmp_path_factory.mktemp("engines")
    layout = kg.load_layout("coco17")
    torch.manual_seed(0)
    network = STGCN(torch.tensor(kg.adjacency(layout)).float(), 3, 2, widths=[8, 16]).eval()
    torch.nn.init.normal_(network.head.weight)
    steps = Preprocessing(people=2, frames=16).to_dict()
    names = ["wave", "jump"]
    save_weights(place / "w.safetensors", network, layout=layout, class_names=names, preprocessing=steps)
    rng, clips = np.random.default_rng(0), []
    for number, people in enumerate((1, 2, 1, 1)):
        x = rng.standard_normal((people, 20 + number, 17, 3))
        facts = {"name": f"c{number}", "label": number % 2, "fps": 30, "splits": {"all": "val"}}
        clips.append(kg.SkeletonClip(x, "coco17", **facts))
    kg.write_dataset(place / "data", clips, layout=layout, class_names=names, units="m", source="made up")
    return place


def skip_without(engine: str) -> None:
    if missing := [name for name in NEEDS.get(engine, ()) if not find_spec(name)]:
        pytest.skip(f"{missing[0]} is not installed")


@pytest.fixture
def winner(request, tmp_path, monkeypatch):
    """The engine whose time is the shortest, and a cache folder of its own."""
    skip_without(request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "milliseconds", lambda calls, _=None: {it: 1.0 + (it != request.param) for it in calls})
    return request.param


@pytest.mark.parametrize("winner", NAMES, indirect=True)
def test_answers_and_figures_are_those_of_torch(place, tmp_path, winner, capsys):
    words = [str(place / "w.safetensors"), str(place / "data")]
    assert main(["predict", *words, "--out", str(tmp_path / "usual.csv"), "--batch-size", "1"]) == 0
    for _ in range(2):
        capsys.readouterr()
        (tmp_path / "auto.csv").unlink(missing_ok=True)
        assert main(["predict", *words, "--engine", "auto", "--out", str(tmp_path / "auto.csv")]) == 0
        said = capsys.readouterr().err
        assert f"engine: {winner} is the fastest here: 1 ms" in said
        assert ("openvino" in said) == bool(find_spec("openvino"))
    assert said.rstrip().endswith("as measured before")
    assert (tmp_path / "auto.csv").read_text() == (tmp_path / "usual.csv").read_text()
    assert len(list(cache_folder().glob("*.onnx"))) == ("onnxruntime" in NAMES and bool(find_spec("onnxscript")))
    usual = kg.test(words[0], words[1], "all", progress=False)
    found = kg.test(words[0], words[1], "all", engine="auto", progress=False)
    np.testing.assert_allclose(found.scores, usual.scores, atol=1e-4 * usual.scores.std(), rtol=0)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_by_name_answers_as_torch(place, tmp_path, monkeypatch, engine):
    skip_without(engine)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = [str(place / "w.safetensors"), str(place / "data")]
    kg.export(words[0], tmp_path / "w.onnx")
    texts = []
    for weights, chosen in ((words[0], "torch"), (words[0], engine), (str(tmp_path / "w.onnx"), engine)):
        out = tmp_path / f"{len(texts)}.csv"
        assert main(["predict", weights, words[1], "--engine", chosen, "--out", str(out)]) == 0
        texts.append(out.read_text())
    assert texts[0] == texts[1] == texts[2]
    usual, found = (kg.test(*words, "all", engine=it, progress=False).scores for it in ("torch", engine))
    np.testing.assert_allclose(found, usual, atol=1e-4 * usual.std(), rtol=0)
    assert not np.array_equal(found, usual)  # it is another program that computes


def test_an_engine_that_is_not_possible_is_refused(place, capsys):
    words = ["predict", str(place / "w.safetensors"), str(place / "data"), "--engine", "onnxruntime", "--precision"]
    for precision, said in (("64-true", "torch is the only one in 64-true"), ("bf16-mixed", "computes in 32-true")):
        assert main([*words, precision]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("winner", ["torch"], indirect=True)
def test_windows_choose_too(place, winner, capsys):
    words = [str(place / "w.safetensors"), str(place / "data"), "--window", "10"]
    assert main(["predict", *words]) == 0
    usual = capsys.readouterr().out
    assert main(["predict", *words, "--engine", "auto"]) == 0
    assert capsys.readouterr().out == usual


def test_without_a_choice_the_reason_is_said(place, capsys):
    words = ["predict", str(place / "w.safetensors"), str(place / "data"), "--engine", "auto"]
    assert main([*words, "--precision", "64-true"]) == 0
    assert "engine: torch, which is the only one in 64-true" in capsys.readouterr().err
