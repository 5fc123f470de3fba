"""Exported networks compute what torch computes, and answer without it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import kinegraph as kg
from kinegraph.allowed import NETWORKS
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference import export as exporting
from kinegraph.inference.exported import INPUT, load_exported
from kinegraph.models.network import network_class
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

SMALL = {"widths": [8, 16]}
OPTIONS = {
    "kinegraph.models.dgstgcn.DGSTGCN": {"widths": [16, 32]},
    "kinegraph.models.ctrgcn.CTRGCN": {"widths": [16, 32]},
    "kinegraph.models.jointdistances.JointDistances": {},
    "kinegraph.models.minirocket.MiniRocket": {"kernels": 60},
    "kinegraph.models.ensemble.Ensemble": {
        "members": [
            {"network": "kinegraph.models.stgcn.STGCN", **SMALL},
            {"network": "kinegraph.models.jointdistances.JointDistances"},  # has one place, the other one many
        ]
    },
}
OTHERS = {  # which take long to export, or no other numbers of frames
    "kinegraph.models.msg3d.MSG3D": {"widths": [24, 48, 96]},
    "kinegraph.models.protogcn.ProtoGCN": {"widths": [16, 32], "prototypes": 4},
    "kinegraph.models.skateformer.SkateFormer": {"widths": [96]},
}
SIX_CHANNELS = "PoseStatistics", "FixedFeatures"  # tested beside these classes
ONE_BY_ONE = [it for it in NETWORKS if it not in OTHERS and not it.endswith(SIX_CHANNELS)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "u.onnx"
    kg.export("ui-prmd-10", path)
    return path


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_networks_are_the_same_for_clips_of_any_shape(name, tmp_path):
    """The export compares; what it compared is compared once more, on clips that it did not make."""
    layout, kind = load_layout("ntu25"), network_class(name)
    torch.manual_seed(0)
    network = kind(torch.tensor(adjacency(layout, "spatial")).float(), 3, 4, **OPTIONS.get(name, SMALL)).eval()
    steps = Preprocessing(people=2, frames=16).to_dict()
    about = {"layout": layout, "class_names": list("abcd"), "preprocessing": steps}
    save_weights(tmp_path / "w.safetensors", network, **about)
    report = kg.export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    with pytest.raises(ValueError, match=r"w\.onnx is an exported network, which only answers: give the weights"):
        kg.embed(tmp_path / "w.onnx", made_up.clips(1))
    assert report.same == report.clips > 10
    x = np.random.default_rng(5).standard_normal((5, 2, 41, 25, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    found = load_exported(tmp_path / "w.onnx").logits(x)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * wanted.std(), rtol=0)


@pytest.mark.parametrize("name", [pytest.param(it, marks=[pytest.mark.slow] * ("MSG3D" in it)) for it in OTHERS])
def test_networks_are_the_same_for_any_number_of_clips(name, tmp_path):
    layout, kind = load_layout("ntu25"), network_class(name)
    torch.manual_seed(0)
    network = kind(torch.tensor(adjacency(layout, "spatial")).float(), 3, 4, **OTHERS[name]).eval()
    steps = Preprocessing(people=2, sampling="resample", frames=64).to_dict()
    about = {"layout": layout, "class_names": list("abcd"), "preprocessing": steps}
    save_weights(tmp_path / "w.safetensors", network, **about)
    kg.export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    steps = {node.op_type for node in onnx.load(tmp_path / "w.onnx").graph.node}
    assert "Dropout" not in steps, "onnxruntime passes over it, OpenVINO refuses it"
    x = np.random.default_rng(5).standard_normal((5, 2, 64, 25, 3)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    found = load_exported(tmp_path / "w.onnx").logits(x)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * wanted.std(), rtol=0)


def test_inspect_says_what_an_exported_file_takes(exported, tmp_path, capsys):
    assert main(["inspect", str(exported)]) == 0
    out = capsys.readouterr().out
    assert "exported network of Kinegraph" in out
    assert "clips that are prepared" in out
    (tmp_path / "broken.onnx").write_bytes(exported.read_bytes()[:1000])
    assert main(["inspect", str(tmp_path / "broken.onnx")]) == 1
    assert "problem: " in capsys.readouterr().out


def test_absent_people_are_computed_once(exported, monkeypatch):
    asked, sizes = load_exported(exported), list[int]()
    x = np.random.default_rng(0).standard_normal((3, 3, 20, len(asked.layout), asked.channels)).astype(np.float32)
    x[0, 1:], x[1] = 0, 0
    wanted = asked.session.run(None, {"clips": x})[0]

    class Counted:
        def run(self, names, feed):
            sizes.append(feed["clips"].shape[0] * feed["clips"].shape[1])
            return asked.session.run(names, feed)

    counted = replace(asked, session=Counted())
    for _ in range(2):
        np.testing.assert_allclose(counted.logits(x), wanted, atol=1e-5 * wanted.std(), rtol=0)
    assert sizes == [1, 4, 4]  # nobody once, then one and three people
    monkeypatch.setattr("kinegraph.inference.exported.MOST_LENGTHS", 2)
    for frames in (20, 19, 18):
        counted.logits(x[:, :, :frames])
    assert list(counted.absent) == [18], "those of a server's clips would be ever more"
    sizes.clear()
    plain = replace(counted, about={}, absent={})  # a file of an earlier version
    np.testing.assert_array_equal(plain.logits(x), wanted)
    assert sizes == [9]


def test_classes_of_a_few_clips_are_exported(tmp_path):
    rng = np.random.default_rng(0)
    clips = [kg.SkeletonClip(rng.normal(0, 0.3, (1, 30 + i, 25, 3)).astype(np.float32), "ntu25") for i in range(8)]
    model = kg.enroll("any", clips, ["wave", "bow"] * 4)
    kg.export(model, tmp_path / "any.onnx")
    for clip in clips:
        wanted, found = (kg.predict(it, clip).probabilities for it in (model, tmp_path / "any.onnx"))
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_predict_answers_as_torch_does_without_importing_it(exported, tmp_path, capsys):
    np.savez(tmp_path / "clip.npz", **own_clip())
    call = ["predict", "{}", str(tmp_path / "clip.npz"), "--top", "3"]
    assert main([word.format("ui-prmd-10") for word in call]) == 0
    wanted = capsys.readouterr().out
    code = "import sys; from kinegraph.cli import main; code = main(sys.argv[1:]); print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, *(word.format(exported) for word in call)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.stdout == f"{wanted}False\n"


def own_clip():
    weights = load_weights("ui-prmd-10")
    rng, joints = np.random.default_rng(0), weights.layout.joints
    body = np.cumsum(rng.normal(0, 0.2, (1, len(joints), 3)), 1) + rng.normal(0, 0.01, (60, len(joints), 3))
    return {"keypoint": body.astype(np.float32), "length": np.array([60]), "joint_names": np.array(joints)}


def test_python_takes_the_file_in_place_of_weights(exported):
    x = own_clip()["keypoint"]
    one = kg.predict(str(exported), x, compare=False)
    other = kg.predict("ui-prmd-10", x, compare=False)
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert load_exported(exported).layout == load_weights("ui-prmd-10").layout


def test_what_differs_is_not_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    assert main(["export", "ui-prmd-10", str(tmp_path / "u.onnx")]) == 2
    assert "something else than torch for clips of shape" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_float64_decides_where_float32_rounds():
    """2s-AGCN's softmax on a made-up clip of one frame: torch was off by 4e-4 of the spread, onnxruntime by 2e-5."""
    exact = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64)
    rounded, found = (exact + torch.tensor([[0.0, 0.0, 1e-2]])).float(), exact.float().numpy()
    assert exporting.largest_difference(found, rounded, lambda: exact) <= exporting.TOLERANCE
    assert exporting.largest_difference(found, rounded, lambda: exact + torch.tensor([[0, 0, 5e-3]])) > 1e-3
    assert exporting.largest_difference(found[:, :2], rounded, lambda: exact) == np.inf


def test_wrong_files_and_options_are_one_line(exported, tmp_path, capsys):
    def said(*words):
        assert main([str(word) for word in words]) == 2
        return capsys.readouterr().err

    assert "expected a name that ends in .onnx" in said("export", "ui-prmd-10", tmp_path / "u.pt")
    assert "exists; choose another name or give --overwrite" in said("export", "ui-prmd-10", exported)
    (tmp_path / "cut.onnx").write_bytes(exported.read_bytes()[:5000])
    assert "is no ONNX file that onnxruntime can run" in said("predict", tmp_path / "cut.onnx", "clip.npz")
    assert "leave --device and --precision out" in said("predict", exported, "--device", "cuda", save_clip(tmp_path))


def save_clip(folder):
    np.savez(folder / "clip.npz", **own_clip())
    return folder / "clip.npz"


def test_a_stream_asks_it_as_it_asks_torch(exported, tmp_path):
    """The window engine; torch is not imported, and the state of the stream is kept with the file's checksum."""
    frames = own_clip()["keypoint"]
    one, other = (kg.Stream(model, fps=30, engine="window", window=20) for model in (exported, "ui-prmd-10"))
    reason = kg.Stream(exported, fps=30).reason
    assert reason == "an exported network sees complete clips; `kinegraph export --stream` writes one of single frames"
    for frame in frames[:40]:
        for mine, theirs in zip(one.push(frame), other.push(frame), strict=True):
            np.testing.assert_allclose(mine.prediction.probabilities, theirs.prediction.probabilities, atol=1e-5)
    one.save(tmp_path / "state")
    with pytest.raises(ValueError, match="is of a stream with another network"):
        other.restore(tmp_path / "state")
    code = "import sys; from kinegraph.cli import main; code = main(sys.argv[1:]); print(code, 'torch' in sys.modules)"
    words = ["stream", exported, save_clip(tmp_path), "--speed", "0", "--fps", "30", "--show", "events"]
    ran = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert ran.stdout.splitlines()[-1] == "0 False", ran.stderr


def test_test_measures_it_as_it_measures_weights(exported, tmp_path, capsys):
    known, rng, label = load_weights("ui-prmd-10"), np.random.default_rng(3), [0, 3, 5, 5]
    moved = own_clip()["keypoint"] + rng.normal(0, 0.05, (4, 1, 60, len(known.layout), 3)).astype(np.float32)
    clips = [
        kg.SkeletonClip(it, known.layout, f"c{i}", label[i], splits={"s": "train" if i else "test"})
        for i, it in enumerate(moved)
    ]
    about = {"layout": known.layout, "class_names": known.class_names, "units": "m", "source": "made up"}
    kg.write_dataset(tmp_path / "d", clips, **about)
    (tmp_path / "c.yaml").write_text(f"dataset: {tmp_path / 'd'}\nsplit: s\nmodel: kinegraph.models.stgcn.STGCN\n")
    said = []
    for weights in (exported, "ui-prmd-10"):
        words = ["test", str(tmp_path / "c.yaml"), str(weights), "--part", "train", "--out", str(tmp_path / "r.pkl")]
        assert main(words) == 0, capsys.readouterr().err
        said.append((capsys.readouterr().out, (tmp_path / "r.pkl").read_bytes()))
        (tmp_path / "r.pkl").unlink()
    assert said[0][0] == said[1][0]
    assert "top1" in said[0][0]
    assert main([*words[:2], str(exported), "--part", "train", "--keep"]) == 2
    assert "--keep is for weights files" in capsys.readouterr().err


def test_the_reason_is_what_torch_found_first():
    class Choosy(nn.Module):
        def forward(self, clips):
            return clips if float(clips.sum()) > 0 else -clips

    with pytest.raises(ValueError, match=r"Choosy cannot be exported: .*data-dependent"):
        exporting.traced(Choosy(), torch.randn(2, 3), {0: torch.export.Dim.DYNAMIC}, INPUT, "Choosy")
