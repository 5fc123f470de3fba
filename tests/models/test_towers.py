"""Towers answer as the networks that they are made of would together, and each learns as it would alone."""

import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.optimize import optimize
from kinegraph.models.stgcn import STGCN
from kinegraph.models.towers import Towers
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("coco17")
GRAPH = torch.tensor(adjacency(LAYOUT)).float()
OPTIONS = {"widths": [8, 8, 16], "kernel": 3, "edges": "learned", "graph_residual": True}
SEEN = [[0, 1, 2, 3], [4, 5], [0, 1, 4, 5]]  # channels


def towers(**options) -> Towers:
    torch.manual_seed(0)
    return Towers(GRAPH, 6, 4, streams=3, towers=[[0, 1], [2], [0, 2]], **OPTIONS | options)


def apart(model: Towers) -> list[STGCN]:
    """The networks with the towers' tensors and parts of their head."""
    networks = []
    for i, (tower, weight) in enumerate(zip(model.towers, model.head.weight.chunk(3, dim=1), strict=True)):
        network = STGCN(GRAPH, len(SEEN[i]), 4, **OPTIONS)
        state = tower.state_dict() | {"head.weight": 3 * weight, "head.bias": model.head.bias}
        network.load_state_dict(state)
        networks.append(network)
    return networks


@pytest.mark.parametrize("training", [False, True])
def test_logits_and_loss_are_those_of_the_networks_apart(training):
    model = towers(label_smoothing=0.1).train(training)
    x, labels = torch.randn(4, 2, 10, 17, 6), torch.tensor([0, 3, 1, 1])
    people = torch.tensor([2, 1, 2, 1])
    x[people == 1, 1] = 0
    alone = [network.train(training)(x[..., seen], people) for network, seen in zip(apart(model), SEEN, strict=True)]
    logits, loss = model(x, people, labels)
    torch.testing.assert_close(logits, torch.stack(alone).mean(0), atol=1e-5, rtol=1e-5)
    losses = [F.cross_entropy(one, labels, label_smoothing=0.1) for one in alone]
    torch.testing.assert_close(loss, torch.stack(losses).mean(), atol=1e-5, rtol=1e-5)


def test_folded_and_saved_it_answers_the_same(tmp_path):
    model = towers().eval()
    for norm in (layer for layer in model.modules() if hasattr(layer, "running_mean")):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    x = torch.randn(3, 1, 12, 17, 6)
    wanted = model(x)
    torch.testing.assert_close(optimize(model, "fp32")(x), wanted, atol=1e-5, rtol=1e-4)
    about = {"layout": LAYOUT, "class_names": list("abcd"), "preprocessing": {}}
    save_weights(tmp_path / "w.safetensors", model, **about)
    torch.testing.assert_close(load_weights(tmp_path / "w.safetensors").model(x), wanted, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streams": 4}, "streams is 4, which does not divide the 6 channels"),
        ({"streams": 2, "towers": [[0], [2]]}, "towers names stream 2, expected 0 to 1"),
        ({"streams": 2, "towers": [[0], []]}, "expected for each tower the streams that it sees"),
    ],
)
def test_what_cannot_be_divided_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Towers(GRAPH, 6, 4, **options)
