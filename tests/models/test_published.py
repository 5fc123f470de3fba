"""Checkpoints of other projects. Weights and logits: tests/golden, what the published implementations compute."""

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor

import kinegraph
from kinegraph.models.agcn import AGCN
from kinegraph.models.convert import convert_checkpoint, published_weights
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.published import identify, infer_layout, load_published, save_published, to_dialect
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.weights import load_model, load_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import JointLayout, load_layout
from tests.models.golden_weights import NETWORKS, golden_arrays, golden_state

LAYOUTS = {"ntu-rgb+d": "ntu25", "coco": "coco17", "nturgb+d": "ntu25_star"}  # 1.x and PYSKL have other bones


@pytest.mark.parametrize("network", NETWORKS)
def test_published_network_computes_its_logits_and_goes_back(network):
    spec, state, golden = NETWORKS[network], golden_state(network), golden_arrays(network)
    dialect = spec["dialect"]
    table, blocks = identify(state)
    assert (table.dialect, blocks) == (dialect, 10)
    model = load_published(state)
    with torch.no_grad():
        logits = model(torch.from_numpy(golden["input"])).numpy()
    assert np.abs(logits - golden["logits"]).max() < 1e-5 * np.abs(golden["logits"]).max()
    assert sum(p.numel() for p in model.parameters()) == spec["parameters"]
    expected = "coco17_tree" if spec["layout"] == "coco" and dialect != "mmaction0" else LAYOUTS[spec["layout"]]
    assert infer_layout(model).name == expected
    assert_same(to_dialect(model, dialect), state)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("dialect", ["stgcn2018", "mmaction0", "mmaction1", "pyskl"])
def test_one_network_in_every_dialect(dialect, tmp_path):
    """The same weights through another project's names: the four are one function."""
    model = load_published(golden_state("mmaction0_stgcn_coco17_60"))
    save_published(tmp_path / "a.pth", model, dialect)
    found = kinegraph.load_model(tmp_path / "a.pth")
    assert_same(found.state_dict(), model.state_dict())
    assert found.config == model.config
    stored = torch.load(tmp_path / "a.pth", weights_only=True)
    names = {"stgcn2018": "fcn.weight", "mmaction0": "backbone.edge_importance.9", "mmaction1": "cls_head.fc.weight",
             "pyskl": "cls_head.fc_cls.weight"}  # fmt: skip
    assert names[dialect] in stored.get("state_dict", stored)


def gesture(network: type, dialect: str) -> dict[str, Tensor]:
    """As small published gesture models: 6 blocks, 21 hand joints, x and y, one person."""
    torch.manual_seed(0)
    graph = adjacency("hand21", "spatial" if network is STGCN else "inward_outward")
    model = network(graph, 2, 40, widths=[64] * 5 + [128])
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            torch.nn.init.uniform_(tensor, 0.5, 2)
    return to_dialect(model, dialect)


@pytest.mark.parametrize(
    ("network", "dialect"),
    [(STGCNPP, "pyskl"), (STGCNPP, "mmaction1"), (STGCN, "pyskl"), (STGCN, "mmaction0"), (STGCN, "stgcn2018"),
     (AGCN, "mmaction0")],
)  # fmt: skip
def test_small_gesture_networks(network, dialect):
    model = load_published(gesture(network, dialect))
    assert type(model) is network
    shape = {name: model.config[name] for name in ("channels", "classes", "widths", "strides")}
    assert shape == {"channels": 2, "classes": 40, "widths": [64] * 5 + [128], "strides": [1] * 5 + [2]}
    assert infer_layout(model).name == "hand21"
    x = torch.randn(2, 1, 20, 21, 2)
    assert model(x).shape == (2, 40)
    given = load_published(gesture(network, dialect), strides=[1] * 5 + [4])
    assert given.features(x).shape[2] == 5
    assert not torch.allclose(given(x), model(x))
    with pytest.raises(ValueError, match="6 widths and 2 strides"):
        load_published(gesture(network, dialect), strides=[1, 2])


def test_projection_that_keeps_the_width_halves_the_frames():
    model = STGCN(adjacency("hand21"), 2, 3, widths=[8, 8, 16], strides=[1, 2, 1])
    state = to_dialect(model, "pyskl")
    assert load_published(state).config["strides"] == [1, 2, 2]  # the last by the published rule
    assert load_published(state, strides=[1, 2, 1]).config == model.config


def test_files_of_training_runs(tmp_path):
    state = golden_state("mmaction0_stgcn_coco17_60")
    parallel = {
        "meta": {"epoch": 80},
        "state_dict": {f"module.{k}": t for k, t in state.items()},
        "optimizer": {"lr": 1},
    }
    torch.save(parallel, tmp_path / "new.pth")
    torch.save(parallel, tmp_path / "old.pth", _use_new_zipfile_serialization=False)  # torch before 1.6
    torch.save({k: t.half() if t.is_floating_point() else t for k, t in state.items()}, tmp_path / "half.pt")
    for name in ("new.pth", "old.pth"):
        assert torch.equal(load_model(tmp_path / name).head.weight, state["cls_head.fc.weight"].flatten(1))
    assert load_model(tmp_path / "half.pt").head.weight.dtype == torch.float32
    loaded = load_published(state)
    torch.nn.init.zeros_(loaded.head.bias)
    assert state["cls_head.fc.bias"].abs().max() > 0  # the network is no view of what was given


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file ran')",)


class Unknown:
    """What the objects of a training framework are to this one."""


@pytest.mark.parametrize("protocol", [2, 4, 5, "torch", "torch old"])
def test_code_in_a_file_is_not_run(tmp_path, protocol):
    path = tmp_path / "hostile.pth"
    for content, asked in (({"state_dict": Hostile()}, "exec"), ({"message_hub": Unknown()}, "test_published.Unknown")):
        if isinstance(protocol, int):
            path.write_bytes(pickle.dumps(content, protocol=protocol))
        else:
            torch.save(content, path, _use_new_zipfile_serialization=protocol == "torch")
        with pytest.raises(ValueError, match=rf"hostile.pth asks for \S*{asked}; only tensors") as caught:
            load_model(path)
        assert "\n" not in str(caught.value)


def test_broken_files(tmp_path):
    state = {"a": torch.zeros(100)}
    torch.save(state, tmp_path / "short.pth")
    torch.save(state, tmp_path / "short_old.pth", _use_new_zipfile_serialization=False)
    for name in ("short.pth", "short_old.pth"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-80])
    (tmp_path / "text.pth").write_text("not weights at all, just some words")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save({"epoch": 3}, tmp_path / "no_state.pth")
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "bomb.pth")
    messages = {"text.pth": "not a checkpoint", "empty.pth": "not a checkpoint", "short.pth": "not a checkpoint",
                "short_old.pth": "not a checkpoint", "no_state.pth": "no state dict",
                "bomb.pth": "no values"}  # fmt: skip
    for name, message in messages.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_model(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.pth")


def test_state_that_fits_nothing():
    state = golden_state("mmaction1_stgcn_coco")
    conv, head = "backbone.gcn.4.tcn.conv.weight", "cls_head.fc.weight"

    def without(*names):
        return {name: tensor for name, tensor in state.items() if name not in names}

    nearest = "nearest is STGCN in dialect mmaction1, with"
    cases = {
        "different graphs": state | {"backbone.gcn.3.gcn.A": torch.zeros(3, 17, 17)},
        f"{nearest} 181 of the file's 182 .* it has an unknown 'backbone.gcn.0.x'": state
        | {"backbone.gcn.0.x": torch.ones(1)},
        f"{nearest} 180 of the file's 180 .* it lacks '{conv}'": without(conv),
        f"{nearest} 180 of the file's 181 .* it lacks '{head}' and has an unknown 'cls_head.fc.w'": without(head)
        | {"cls_head.fc.w": torch.ones(1)},
        "it lacks 'backbone.gcn.0.gcn.bn.weight'": without("backbone.gcn.0.gcn.bn.weight"),
        r"tensor 'backbone.data_bn.weight' has shape \(102,\), expected \(51,\)": state
        | {"backbone.data_bn.weight": torch.ones(102)},
        r"graph has shape \(\)": state | {"backbone.gcn.0.gcn.A": torch.tensor(1.0)},
        "none of its 1 tensors .'conv1.weight' .* stgcn2018, mmaction0, mmaction1, pyskl": {
            "conv1.weight": torch.ones(1)
        },
    }
    for message, wrong in cases.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_published(wrong)
        assert "\n" not in str(caught.value)


def test_export_refuses_what_a_project_does_not_have():
    graph = torch.rand(3, 4, 4)
    cases = [
        (STGCNPP(graph, 3, 2, widths=[8]), "mmaction0", "no STGCNPP in dialect 'mmaction0', only in mmaction1, pyskl"),
        (AGCN(graph, 3, 2, widths=[8]), "pyskl", "no AGCN in dialect 'pyskl', only in mmaction0"),
        (AGCN(graph, 3, 2, widths=[8]), "mmaction7", "no AGCN in dialect 'mmaction7', only in mmaction0"),
        (SkeletonNetwork(graph, 3, 2), "pyskl", "no SkeletonNetwork in dialect 'pyskl': it is of Kinegraph alone"),
        (STGCN(graph, 3, 2, widths=[8], edges="learned"), "pyskl", "learns its edges"),
        (STGCN(graph, 3, 2, widths=[8], graph_residual=True), "mmaction0", "residual path"),
        (STGCN(graph, 3, 2, widths=[8], norm_eps=1e-3), "mmaction0", "norm_eps 0.001"),
    ]
    for model, dialect, message in cases:
        with pytest.raises(ValueError, match=message):
            to_dialect(model, dialect)
    fixed = STGCN(graph, 3, 2, widths=[8], edges="fixed", graph_residual=True)  # PYSKL has these as options
    assert load_published(to_dialect(fixed, "pyskl")).config == fixed.config


def test_convert_to_a_weights_file_and_back(tmp_path):
    state = gesture(STGCNPP, "pyskl")
    torch.save({"state_dict": state}, tmp_path / "in.pth")
    names = [f"gesture {i}" for i in range(40)]
    how = {"frames": 100}
    said = convert_checkpoint(tmp_path / "in.pth", tmp_path / "out.safetensors", class_names=names, preprocessing=how)
    assert "STGCNPP, 21 joints of 'hand21', 40 classes" in said
    weights = load_weights(tmp_path / "out.safetensors")
    assert (weights.layout.name, list(weights.class_names), weights.preprocessing) == ("hand21", names, how)
    x = torch.randn(1, 1, 10, 21, 2)
    assert torch.equal(weights.model(x), load_model(tmp_path / "in.pth")(x))
    convert_checkpoint(tmp_path / "out.safetensors", tmp_path / "back.pth", to="pyskl")
    assert_same(torch.load(tmp_path / "back.pth", weights_only=True)["state_dict"], state)
    convert_checkpoint(tmp_path / "back.pth", tmp_path / "other.pth", to="mmaction1")
    assert "cls_head.fc.weight" in torch.load(tmp_path / "other.pth", weights_only=True)["state_dict"]


def test_convert_says_what_is_missing(tmp_path):
    path, out = tmp_path / "in.pth", tmp_path / "out.safetensors"
    own = JointLayout("own", tuple("abcd"), ((1, 0), (2, 1), (3, 2)), centre=0)
    model = STGCN(adjacency(own), 3, 2, widths=[8])
    save_published(path, model, "mmaction0")
    with pytest.raises(ValueError, match="graph of 4 joints that is of no built-in layout"):
        convert_checkpoint(path, out)
    with pytest.raises(ValueError, match="network for 4 joints, layout 'ntu25' has 25"):
        convert_checkpoint(path, out, layout=load_layout("ntu25"))
    with pytest.raises(ValueError, match="2 classes, there are 1 class names"):
        convert_checkpoint(path, out, layout=own, class_names=["only"])
    with pytest.raises(ValueError, match="name the dialect"):
        convert_checkpoint(path, tmp_path / "out.pth")
    with pytest.raises(ValueError, match=r"'pyskl' is a \.pth file"):
        convert_checkpoint(path, out, to="pyskl")
    with pytest.raises(ValueError, match="holds no layout"):
        convert_checkpoint(path, tmp_path / "out.pth", to="pyskl", layout=own)
    assert not out.exists()
    weights = published_weights(path, layout=own)
    assert (weights.layout, weights.class_names) == (own, ("0", "1"))
    assert infer_layout(STGCN(torch.rand(3, 25, 25), 3, 2, widths=[8])) is None
    assert infer_layout(STGCNPP(torch.rand(3, 25, 25), 3, 2, widths=[8])) is None
