"""int8: near fp32 on clips that did not calibrate, or not written at all."""

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.inference.exported import load_exported
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from tests import made_up

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Random weights of a small network, and a dataset whose labels are what it answers: fp32 is always right."""
    folder = tmp_path_factory.mktemp("int8")
    clips, layout = made_up.clips(30), kg.load_layout("ntu25")
    torch.manual_seed(1)
    network = STGCN(torch.tensor(kg.adjacency(layout)).float(), 3, 3, widths=[8, 16], graph_residual=True).eval()
    network.head.weight.data *= 30
    steps = {"people": 2, "frames": 16, "sampling": "resample", "normalize": "facing", "up": "z"}
    about = {"layout": layout, "class_names": ["a", "b", "c"], "preprocessing": steps}
    save_weights(folder / "w.safetensors", network, **about)
    for clip in clips:
        object.__setattr__(clip, "label", kg.predict(str(folder / "w.safetensors"), clip, compare=False).label)
    about = {"layout": layout, "class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    kg.write_dataset(folder / "d", clips, **about)
    return folder


def run(here, out, *words):
    return main(["export", str(here / "w.safetensors"), str(out), "--int8", str(here / "d"), *map(str, words)])


def test_int8_is_near_fp32(here, tmp_path, capsys):
    assert run(here, tmp_path / "q.onnx", "--split", "xsub", "--max-loss", 20) == 0, capsys.readouterr().err
    assert "100.0% in fp32" in capsys.readouterr().out
    assert main(["export", str(here / "w.safetensors"), str(tmp_path / "f.onnx")]) == 0
    small, plain = load_exported(tmp_path / "q.onnx"), load_exported(tmp_path / "f.onnx")
    assert small.about["precision"] == "int8"
    assert {name for name, _ in _kinds(tmp_path / "q.onnx")} >= {"QuantizeLinear", "DequantizeLinear"}
    clips = [plain.fit(clip) for clip in kg.open_dataset(here / "d")]
    wanted, found = plain.scores(clips), small.scores(clips)
    assert 0 < np.abs(found - wanted).max() < 0.5 * wanted.std()


def test_int8_with_its_preparation_is_near_fp32(here, tmp_path, capsys):
    words = "--split", "xsub", "--max-loss", 20, "--preprocessing", "graph"
    assert run(here, tmp_path / "q.onnx", *words) == 0, capsys.readouterr().err
    small = load_exported(tmp_path / "q.onnx")
    assert small.prepares
    assert {name for name, _ in _kinds(tmp_path / "q.onnx")} >= {"QuantizeLinear", "DequantizeLinear"}
    for clip in kg.open_dataset(here / "d")[:5]:
        wanted = kg.predict(str(here / "w.safetensors"), clip, compare=False).probabilities
        found = kg.predict(str(tmp_path / "q.onnx"), clip, compare=False).probabilities
        assert 0 < np.abs(found - wanted).max() < 0.3


def _kinds(path):
    import onnx

    return [(node.op_type, node.name) for node in onnx.load(path).graph.node]


def test_what_loses_more_is_not_written(here, tmp_path, capsys, monkeypatch):
    """Scales of clips that are all zero are of no use."""
    from kinegraph.inference import quantization

    fed = quantization._fed
    monkeypatch.setattr(quantization, "_fed", lambda *given: {name: 0 * it for name, it in fed(*given).items()})
    assert run(here, tmp_path / "q.onnx", "--split", "xsub") == 2
    assert "more than --max-loss 0.5" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_wrong_calls_are_one_line(here, tmp_path, capsys):
    def said(*words):
        assert run(here, tmp_path / "q.onnx", *words) == 2
        assert list(tmp_path.iterdir()) == []
        return capsys.readouterr().err

    assert "--int8 needs --split" in said()
    assert "part is 'train'" in said("--split", "xsub", "--part", "train")
    assert "no split 'other'" in said("--split", "other").replace("has no", "no")
    assert "expected points of top-1" in said("--split", "xsub", "--max-loss", -1)
