"""Products with packed weights are the same products, whatever is faster on the machine that runs the tests."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch import nn

from kinegraph.models.layers import folding, graph_product, products, winograd
from kinegraph.models.layers.products import Packed
from kinegraph.models.optimize import optimize
from kinegraph.models.stgcn import STGCN

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")


@pytest.fixture
def pays(monkeypatch):
    monkeypatch.setattr(products, "onednn_pays", lambda: True)
    monkeypatch.setattr(folding, "PACKED_NARROWEST", 16)
    monkeypatch.setattr(winograd, "NARROWEST", 16)
    monkeypatch.setattr(winograd, "PACKED_PIECE", 2**13)
    monkeypatch.setattr(graph_product, "PIECE", 2**11)


@pytest.fixture
def network():
    torch.manual_seed(0)
    steps = torch.diag(torch.ones(4), 1)
    network = STGCN(torch.stack((torch.eye(5), steps, steps.T)), 3, 7, widths=[16, 16, 32], graph_residual=True)
    nn.init.normal_(network.head.weight)
    return network.eval()


def test_an_engine_with_packed_weights_is_the_network(pays, network):
    x, people = torch.randn(4, 2, 30, 5, 3), torch.tensor([2, 1, 2, 1])
    x[[1, 3], 1] = 0
    engine = optimize(network, "fp32")
    layers = [type(layer) for layer in engine.modules()]
    assert nn.Linear not in layers
    assert winograd.MinimalFiltering in layers
    logits, found = network(x, people), engine(x, people)
    assert (found - logits).abs().max() < 1e-5 * logits.std()
    for copy in (deepcopy(engine), pickle.loads(pickle.dumps(engine))):  # also after the weights were packed
        assert torch.equal(copy(x, people), found)


def test_blocks_in_bfloat16_are_not_packed(pays, network):
    engine = optimize(network, "bf16")
    assert not any(isinstance(layer, Packed) for layer in engine.modules())
    engine(torch.randn(1, 1, 20, 5, 3))


def test_gradients_and_other_weights_are_not_those_of_a_packed_layer(pays):
    layer, other = Packed(torch.randn(6, 5), torch.randn(6)), nn.Linear(5, 6)
    x = torch.randn(7, 5)
    layer(x)
    of_x = x.clone().requires_grad_()
    layer(of_x).sum().backward()
    torch.testing.assert_close(of_x.grad, layer.weight.sum(0).expand(7, 5))
    layer.load_state_dict(other.state_dict())
    torch.testing.assert_close(layer(x), other(x))
