"""A network of the user's own is saved, loaded, asked, explained and continued like ours, or a line says why not."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

import kinegraph as kg
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.enrolment import enrolled
from kinegraph.inference.explanation import activation_map
from kinegraph.inference.predictor import Predictor, placed
from kinegraph.models.network import BlackBox, SkeletonNetwork, build_network, divide_logits
from kinegraph.models.optimize import optimize
from kinegraph.models.stgcn import STGCN
from kinegraph.models.transfer import Meaning, Start, freeze_blocks, take_over
from kinegraph.models.weights import Weights, load_weights, save_weights
from kinegraph.plugins import load_plugins, plugin_classes
from kinegraph.skeleton.layout import JointLayout

CHAIN = JointLayout("chain", tuple("abcde"), ((1, 0), (2, 1), (3, 2), (4, 3)), centre=0)
CLASSES = ("wave", "sit", "run")
SMALL = {"widths": (8, 16), "kernel": 3}
OPTIONS = {
    "AttentiveSTGCN": {"reduction": 4, **SMALL, "edges": "learned"},
    "Narrow": {},
    "Raw": {},
    "Untyped": {"width": 6},
    "Plain": {"hidden": 5, "colour": "red"},
}


def build(name: str, options: dict | None = None, classes: int = 3):
    load_plugins([Path(__file__).with_name("own_networks.py")])
    kind = plugin_classes()[f"own_networks.{name}"]
    steps = torch.diag(torch.ones(4), 1)
    options = OPTIONS[name] if options is None else options
    return build_network(partial(kind, **options), torch.stack((torch.eye(5), steps, steps.T)), 2, classes)


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    x, people = torch.randn(6, 2, 12, 5, 2), torch.tensor([2, 1, 1, 2, 1, 1])
    for clip, count in zip(x, people, strict=True):
        clip[count:] = 0
    return x, people


@pytest.fixture(params=OPTIONS)
def model(request):
    """After some steps of training on batches with absent people."""
    torch.manual_seed(0)
    model, (x, people) = build(request.param).train(), clips()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(x, people), torch.arange(6) % 3).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture
def path(model, tmp_path):
    how = {"frames": 12, "people": 2, "sampling": "loop", "normalize": "none", "streams": ["joint"]}
    save_weights(tmp_path / "own.safetensors", model, layout=CHAIN, class_names=CLASSES, preprocessing=how)
    return tmp_path / "own.safetensors"


def test_a_weights_file_gives_the_same_network(model, path):
    before = torch.random.get_rng_state()
    found = load_weights(path).model
    assert torch.equal(torch.random.get_rng_state(), before)
    x, people = clips()
    assert type(found) is type(model)
    assert found.config == model.config
    assert torch.equal(found(x, people), model(x, people))
    assert kg.predict(path, torch.randn(1, 20, 5, 2).numpy()).class_name in CLASSES


def test_absent_people_change_nothing(model):
    x, people = clips()
    with torch.no_grad():
        assert torch.allclose(model(x, people), model(x), atol=1e-5)


def test_batch_statistics_count_every_absent_person():
    """torch's BatchNorm knows nothing of copies: in training all bodies are computed."""
    torch.manual_seed(0)
    with_people, without = build("Untyped").train(), build("Untyped").train()
    without.load_state_dict(with_people.state_dict())
    x, people = clips()
    assert torch.equal(with_people(x, people), without(x))
    assert torch.equal(with_people.norm.running_var, without.norm.running_var)


def test_optimized_where_its_inside_is_known(model):
    x, people = clips()
    if isinstance(model, BlackBox):
        with pytest.raises(ValueError, match="a Plain cannot be optimized, expected a SkeletonNetwork"):
            optimize(model)
        return
    with torch.no_grad():
        logits = model(x)
    assert torch.allclose(optimize(model, "fp32")(x, people), logits, atol=1e-5)
    assert torch.allclose(optimize(model, "bf16", at_once=2)(x, people), logits, atol=0.05)


def test_explained_where_its_inside_is_known(model):
    x, people = clips()
    if isinstance(model, BlackBox):
        with pytest.raises(ValueError, match="Plain cannot be explained: its logits are no sum over people"):
            activation_map(model, x)
        return
    logits, best = model(x).max(1)
    assert torch.allclose(activation_map(model, x, best, people).sum((1, 2, 3)), logits, atol=1e-4)


def test_continued_from_its_own_weights_and_from_those_of_its_parent(model):
    meaning = Meaning(CHAIN.joints, CLASSES)
    after = build(network_name(model))
    assert take_over(after, meaning, Start("before", model, meaning, {}, {})).new == ()
    x, people = clips()
    assert torch.equal(after.eval()(x, people), model(x, people))
    if isinstance(model, STGCN):
        parent = STGCN(model.A, 2, 3, **SMALL, edges=model.config.get("edges", "importance"))
        taken = take_over(after, meaning, Start("parent", parent, meaning, {}, {}))
        assert all(name.startswith("attention.") for name in taken.new)
        assert torch.equal(after.blocks[1].temporal.weight, parent.blocks[1].temporal.weight)
    else:
        with pytest.raises(ValueError, match="freeze is 1, the network has 0 blocks"):
            freeze_blocks(after, 1)
        with pytest.raises(ValueError, match=r"give --model kinegraph.models.stgcn.STGCN"):
            take_over(after, meaning, Start("other", STGCN(model.A, 2, 3, **SMALL), meaning, {}, {}))


def network_name(model) -> str:
    return type(model.module if isinstance(model, BlackBox) else model).__name__


def test_a_file_of_a_class_that_is_not_loaded_says_what_it_needs(model, path):
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["kinegraph"]) | {"network": "elsewhere.Net"}
    del header["sha256"]  # as an earlier version wrote it
    save_file(load_file(path), path, metadata={"kinegraph": json.dumps(header)})
    with pytest.raises(ValueError, match=r"own.safetensors .*needs --plugins elsewhere.py that defines class Net: ask"):
        load_weights(path)


def test_what_cannot_be_recorded_is_refused_with_the_argument(tmp_path):
    load_plugins([Path(__file__).with_name("own_networks.py")])
    plain = plugin_classes()["own_networks.Plain"](torch.eye(5)[None], 2, 3)
    about = {"layout": CHAIN, "class_names": CLASSES, "preprocessing": {}}
    with pytest.raises(ValueError, match=r"a Plain does not record .* build it as BlackBox\(Plain, adjacency"):
        save_weights(tmp_path / "x.safetensors", plain, **about)

    class Odd(SkeletonNetwork):
        def __init__(self, adjacency, channels, classes, scale):
            super().__init__(adjacency, channels, classes)

    with pytest.raises(ValueError, match="Odd was built with scale = a Tensor, which a weights file cannot hold"):
        save_weights(tmp_path / "x.safetensors", Odd(torch.eye(5)[None], 2, 3, torch.ones(1)), **about)
    with pytest.raises(NotImplementedError, match=r"Odd does not define forward_features\(self, x\)"):
        Odd(torch.eye(5)[None], 2, 3, 1)(torch.zeros(1, 1, 4, 5, 2))


class Likewise(SkeletonNetwork):
    """Its options have names of ours, and other meanings."""

    def __init__(self, adjacency, channels, classes, widths: int = 8, strides: int = 2, people: str = "all"):
        super().__init__(adjacency, channels, classes)

    def forward_features(self, x):
        return x


class DeepHead(SkeletonNetwork):
    def __init__(self, adjacency, channels, classes):
        super().__init__(adjacency, channels, classes, width=0)
        self.head = nn.Sequential(nn.Linear(channels, 8), nn.ReLU(), nn.Linear(8, classes))


class Unbiased(SkeletonNetwork):
    def __init__(self, adjacency, channels, classes):
        super().__init__(adjacency, channels, classes, width=0)
        self.head = nn.Linear(channels, classes, bias=False)

    def forward_features(self, x):
        return x


class OwnForward(SkeletonNetwork):
    def forward(self, x, people=None, labels=None):
        return self.head(x.mean((1, 2, 3))).tanh()


def test_options_may_be_called_as_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = Likewise(torch.eye(5)[None], 2, 3).eval()
    asked = placed(Predictor(network, CHAIN, CLASSES, Preprocessing(people=1)), "cpu")
    assert asked.network is network
    optimize(network, engine="auto")


@pytest.mark.parametrize("kind", [DeepHead, Unbiased, OwnForward])
def test_a_temperature_and_new_classes_go_into_a_linear_head_alone(kind):
    with pytest.raises(ValueError, match=f"the last layer of {kind.__name__} is not known"):
        divide_logits(kind(torch.eye(5)[None], 2, 3), 0.5)
    known = Weights(kind(torch.eye(5)[None], 2, 3), CHAIN, CLASSES, Preprocessing(people=1).to_dict(), {})
    with pytest.raises(ValueError, match=f"the last layer of {kind.__name__} is not known"):
        enrolled(known, np.ones((2, 1, 2)), np.array([0, 1]), ("a", "b"), [9, 9])
