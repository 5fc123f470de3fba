"""Products by oneDNN: torch's numbers and gradients, whoever counts multiplications sees them."""

import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kinegraph.models.layers import graph_product, products
from kinegraph.models.layers.products import (
    _MixFirst,
    _MixLast,
    by_onednn,
    mix_first,
    mix_last,
    product,
    product_of_rows,
    quick_linear,
)

MEASURED = products.onednn_pays.__wrapped__


@pytest.fixture(autouse=True, params=[True, False])
def pays(request, monkeypatch):
    """Both ways, whatever is faster on the machine that runs the tests."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("torch was built without oneDNN")
    monkeypatch.setattr(products, "onednn_pays", lambda: request.param)
    return request.param


def test_product_of_views():
    a, b, bias = torch.randn(30, 17), torch.randn(20, 17), torch.randn(20)
    exact = a.double() @ b.double().T + bias
    for left in (a, a.T.contiguous().T):
        for right in (b, b.T.contiguous().T):
            torch.testing.assert_close(product(left, right, bias).double(), exact, atol=1e-5, rtol=0)
            torch.testing.assert_close(product(left, right).double(), exact - bias, atol=1e-5, rtol=0)
    for left, right in ((a.T, b.T), (b.T, a.T)):  # the narrower one first and last
        wanted = left.double().T @ right.double()
        torch.testing.assert_close(product_of_rows(left, right).double(), wanted, atol=1e-5, rtol=0)


def test_gradients():
    x, weight, bias = (torch.randn(s, dtype=torch.double, requires_grad=True) for s in ((2, 5, 4), (3, 4), (3,)))
    assert torch.autograd.gradcheck(_MixLast.apply, (x, weight, bias))
    assert torch.autograd.gradcheck(_MixFirst.apply, (weight, x.detach()[0].T.requires_grad_()))


@pytest.mark.parametrize("rows", [None, slice(3), slice(3, None)])
def test_layer_and_its_rows(rows):
    layer, x = nn.Linear(6, 7), torch.randn(4, 5, 2, 6)
    exact = layer.double()(x.double())[..., rows or slice(None)]
    layer.float()
    x.requires_grad_()
    y = quick_linear(layer, x, rows)
    torch.testing.assert_close(y.double(), exact, atol=1e-5, rtol=0)
    y.add_(1).square().sum().backward()  # in place, as blocks do
    slope = 2 * (exact + 1)
    weight = layer.weight.double()[rows or slice(None)]
    torch.testing.assert_close(x.grad.double(), slope @ weight, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(layer.bias.grad.double()[rows or slice(None)], slope.sum((0, 1, 2)), atol=1e-4, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert quick_linear(layer, x, rows).dtype == torch.bfloat16


def test_whoever_counts_multiplications_sees_them(pays):
    x, weight = torch.randn(8, 6), torch.randn(7, 6)
    assert by_onednn(x) == pays
    with FlopCounterMode(display=False) as counted:
        mix_last(x, weight)
        mix_first(weight, x.T)
    assert counted.get_total_flops() == 2 * 2 * 8 * 6 * 7


@pytest.mark.parametrize(("torchs", "onednns", "faster"), [(2.0, 1.0, True), (1.2, 1.0, False), (1.0, 2.0, False)])
def test_what_is_clearly_faster_is_taken(monkeypatch, tmp_path, torchs, onednns, faster):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    times = {"torch": torchs, "oneDNN": onednns}
    monkeypatch.setattr("kinegraph.models.quickest.milliseconds", lambda calls, clock: times)
    assert MEASURED() is faster


def test_other_programs_decide_nothing(monkeypatch, tmp_path):
    """A thread that has to wait is not slower."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before, seen = torch.get_num_threads(), set()

    def asked(way):
        time.sleep(0.01 if way.func is nn.functional.linear else 0)
        seen.add(torch.get_num_threads())
        return sum(range(200_000)) * np.ones(2)  # a cold start is lost in it

    monkeypatch.setattr(products, "_asked", asked)
    torch.set_num_threads(2)
    try:
        assert (MEASURED(), seen, torch.get_num_threads()) == (False, {1}, 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("large", [0, 2**60])
@pytest.mark.parametrize("few", [0, 2**60])  # all at once, as of short clips, keeps gradients too
def test_sum_over_neighbours_frame_by_frame(large, few, monkeypatch):
    monkeypatch.setattr(graph_product, "FEW", few)
    monkeypatch.setattr(graph_product, "PIECE", 2**12)  # some frames at a time
    monkeypatch.setattr(graph_product, "LARGE", large)
    given = [torch.randn(s) for s in ((2, 9, 5, 4), (3, 5, 5), (6, 12), (5, 6))]
    exact = [it.double().requires_grad_() for it in given]
    given = [it.requires_grad_() for it in given]
    y = graph_product.graph_product(*given)
    x, graph, weight, constant = exact
    wanted = torch.einsum("kvw,btvc,dkc->btwd", graph, x, weight.unflatten(1, (3, 4))) + constant
    torch.testing.assert_close(y.double(), wanted, atol=1e-5, rtol=0)
    slope = torch.randn_like(y)
    y.backward(slope)
    wanted.backward(slope.double())
    for found, expected in zip(given, exact, strict=True):
        torch.testing.assert_close(found.grad.double(), expected.grad, atol=1e-4, rtol=0)
