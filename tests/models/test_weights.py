import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from kinegraph import __version__
from kinegraph.models import weights_path
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import add_measured, load_model, load_weights, save_weights, save_weights_again
from kinegraph.skeleton.layout import JointLayout

LAYOUT = JointLayout("chain", tuple("abcd"), ((1, 0), (2, 1), (3, 2)), centre=0)
ABOUT = {"preprocessing": {"frames": 12, "streams": ["joint"]}, "extra": {"recipe": "demo", "top1": 0.5, "epoch": 3}}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = STGCN(torch.rand(2, 4, 4), 3, 2, widths=[4, 8], kernel=3, dropout=0.1, edges="learned", graph_residual=True)
    model(torch.randn(2, 1, 6, 4, 3))  # statistics that are not the initial ones
    return model


@pytest.fixture
def path(model, tmp_path):
    save_weights(tmp_path / "best.safetensors", model, layout=LAYOUT, class_names=["wave", "sit"], **ABOUT)
    return tmp_path / "best.safetensors"


def changed(path, tensors=None, **fields):
    """The same file with other header fields, or other tensors."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["kinegraph"]) | fields
    header.pop("sha256", None)  # as an earlier version wrote it
    save_file(load_file(path) if tensors is None else tensors, path, metadata={"kinegraph": json.dumps(header)})
    return path


def test_round_trip_keeps_every_bit(model, path):
    before = torch.random.get_rng_state()
    weights = load_weights(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    state = weights.model.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor), name
        assert state[name].dtype == tensor.dtype
    x = torch.randn(3, 2, 9, 4, 3)
    assert torch.equal(weights.model(x), model.eval()(x))
    assert weights.model.config == model.config
    assert weights.layout == LAYOUT
    assert weights.class_names == ("wave", "sit")
    assert weights.preprocessing == ABOUT["preprocessing"]
    assert weights.extra == ABOUT["extra"] | {"made_with": {"kinegraph": __version__, "torch": torch.__version__}}


def test_loaded_network_trains_on(path):
    model = load_model(path).train()
    model(torch.randn(2, 1, 6, 4, 3)).square().sum().backward()
    assert all(p.requires_grad and p.grad is not None for p in model.parameters())


def test_written_whole_or_not_at_all(model, path):
    before = path.read_bytes()
    unwritable = {"preprocessing": {}, "extra": {"function": print}}
    with pytest.raises(TypeError):
        save_weights(path, model, layout=LAYOUT, class_names=["a", "b"], **unwritable)
    (path.parent / "folder").mkdir()
    with pytest.raises(OSError):
        save_weights(path.parent / "folder", model, layout=LAYOUT, class_names=["a", "b"], **ABOUT)
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} == {"best.safetensors", "best.md", "folder"}


def test_half_the_room(model, path, tmp_path):
    """Kernels lose bits; graphs and statistics none, nor does a kernel beyond what float16 can hold."""
    with torch.no_grad():
        model.blocks[1].temporal.weight[0, 0, 0] = 1e5
    save_weights(path, model, layout=LAYOUT, class_names=["wave", "sit"], **ABOUT)
    save_weights_again(path, tmp_path / "half.safetensors", half=True)
    kept, found = load_file(tmp_path / "half.safetensors"), load_model(tmp_path / "half.safetensors").state_dict()
    for name, tensor in model.state_dict().items():
        halved = tensor.ndim in (2, 4) and name != "blocks.1.temporal.weight"
        assert kept[name].dtype == (torch.float16 if halved else tensor.dtype), name
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor.half().float() if halved else tensor), name
    add_measured(tmp_path / "half.safetensors", {"source": "s", "split": "xsub", "part": "val", "clips": 4, "top1": 1})
    again = load_file(tmp_path / "half.safetensors")
    assert all(torch.equal(again[name], tensor) and again[name].dtype == tensor.dtype for name, tensor in kept.items())
    extra = load_weights(tmp_path / "half.safetensors").extra
    assert (extra["stored"], extra["recipe"], len(extra["measured"])) == ("float16", "demo", 1)


def test_a_card_stands_beside_them_but_spares_the_notes_of_others(model, path):
    card = path.with_suffix(".md")
    assert "from 4 joints" in card.read_text()
    assert "wave; sit" in card.read_text()
    save_weights_again(path, path, more={"notes": "Mind the cat.", "licence": "CC0"})
    assert card.read_text().count("Mind the cat.") == 1
    assert "## Licence\n\nCC0\n" in card.read_text()
    card.write_text("my own")
    save_weights_again(path, path)
    assert card.read_text() == "my own"


def test_the_zoo(model, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights_path, "FOLDER", tmp_path / "zoo")
    with pytest.raises(ValueError, match="no weights 'waver': there is no such file, and the zoo is empty"):
        load_model("waver")
    (tmp_path / "zoo").mkdir()
    save_weights_again(path, tmp_path / "zoo" / "waver.safetensors", half=True)
    assert load_weights("waver").class_names == ("wave", "sit")
    assert load_model("waver").config == model.config
    assert 'kg.predict("waver", clip)' in (tmp_path / "zoo" / "waver.md").read_text()
    with pytest.raises(ValueError, match="no weights 'wavr': there is no such file, and those in the zoo are waver"):
        load_model("wavr")
    (tmp_path / "waver").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        load_model("waver")


def test_save_refuses_names_that_do_not_fit(model, tmp_path):
    with pytest.raises(ValueError, match="2 classes, there are 3 class names"):
        save_weights(tmp_path / "x", model, layout=LAYOUT, class_names=["a", "b", "c"], **ABOUT)
    other = JointLayout("short", tuple("abc"), ((1, 0), (2, 1)), centre=0)
    with pytest.raises(ValueError, match="4 joints, layout 'short' has 3"):
        save_weights(tmp_path / "x", model, layout=other, class_names=["a", "b"], **ABOUT)


@pytest.mark.parametrize(
    "network",
    ["os.system", "kinegraph.models.weights.os.system", "kinegraph.models.stgcn.nn", "kinegraph.models.stgcn.BatchNorm",
     "kinegraph.models.weights.save_weights", "kinegraph.cli.main", "kinegraph.models.nothing.STGCN", "STGCN", ""],
)  # fmt: skip
def test_only_networks_of_ours_are_built(path, network):
    with pytest.raises(ValueError, match=f"asks for the network '{network}', expected one of kinegraph.models"):
        load_weights(changed(path, network=network))


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"version": 9}, "format version 9"), ({"config": {"channels": 3}}, "describes no STGCN"),
     ({"config": {"channels": 3, "classes": 2, "widths": [10**9, 10**9]}}, "describes no STGCN"),
     ({"config": {"channels": 3, "classes": 2, "widths": [10**5, 2 * 10**5], "kernel": 3, "edges": "learned",
                  "graph_residual": True}}, "expected .*100000"),
     ({"config": []}, "damaged header"),
     ({"config": {"channels": 3, "classes": 2, "nonsense": 1}}, "describes no STGCN: .*nonsense"),
     ({"class_names": ["only"]}, "names 1 classes and 4 joints"), ({"layout": {}}, "the layout lacks 'name'")],
)  # fmt: skip
def test_header_that_does_not_fit(path, fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_weights(changed(path, **fields))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_tensors_that_do_not_fit(path):
    tensors = load_file(path)
    cases = {
        "lacks tensor 'head.bias'": {k: t for k, t in tensors.items() if k != "head.bias"},
        "lacks tensor 'A'": {k: t for k, t in tensors.items() if k != "A"},
        "unknown tensor 'head.spare'": tensors | {"head.spare": torch.zeros(1)},
        r"'head.weight' is \(5, 8\) .* expected \(2, 8\)": tensors | {"head.weight": torch.zeros(5, 8)},
        "'head.bias' is .*int64": tensors | {"head.bias": torch.zeros(2, dtype=torch.int64)},
    }
    for message, state in cases.items():
        with pytest.raises(ValueError, match=message):
            load_weights(changed(path, state))


def test_other_files_are_refused(path, tmp_path):
    (tmp_path / "text.safetensors").write_text("not weights at all, just some words")
    (tmp_path / "short.safetensors").write_bytes(path.read_bytes()[:-100])
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    messages = {"text.safetensors": "not a safetensors file", "short.safetensors": "not a safetensors file",
                "foreign.safetensors": "another program"}  # fmt: skip
    for name, message in messages.items():
        with pytest.raises(ValueError, match=message) as caught:
            load_model(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"there is no file .*none.safetensors; weights that come with Kinegraph are "):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is a folder without weights"):
        load_model(tmp_path / "empty")
    (tmp_path / "best.pth").touch()
    with pytest.raises(ValueError, match=r"`kinegraph convert .*best.pth OUT.safetensors` makes one of it"):
        load_weights(tmp_path / "best.pth")
    with pytest.raises(ValueError, match="knows its strides"):
        load_model(path, strides=[1, 1])


def test_weights_are_read_without_the_compiler():
    """Functions such as `ones_like` on shapes alone have torch import its compiler and sympy, which takes a second."""
    code = """
import sys, torch
from kinegraph.allowed import NETWORKS, allowed_class
kinds = [allowed_class(name) for name in NETWORKS if not name.endswith(".Ensemble")]  # which is made of the others
graph = torch.ones(3, 25, 25)
with torch.device("meta"):
    for kind in kinds:
        kind(graph, 6, 4)
        assert "sympy" not in sys.modules, kind
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
