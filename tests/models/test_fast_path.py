"""What a network computes, with absent people computed once, is what the papers write down, gradients included."""

import os
from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.agcn import AGCN
from kinegraph.models.layers import absent, graph_product, winograd
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from tests.models.plain import plain_logits

NETWORKS = {
    "STGCN": (STGCN, {}),
    "STGCN learned, graph residual": (STGCN, {"edges": "learned", "graph_residual": True}),
    "STGCNPP": (STGCNPP, {}),
    "AGCN": (AGCN, {}),
}
LABELS = torch.tensor([0, 1, 2, 3])


@pytest.fixture(autouse=True)
def in_pieces(monkeypatch):
    """Even these few numbers go through the backward passes of our own, several pieces of them."""
    monkeypatch.setattr(graph_product, "FEW", 0)
    monkeypatch.setattr(graph_product, "PIECE", 2**13)
    monkeypatch.setattr(winograd, "NARROWEST", 1)
    monkeypatch.setattr(winograd, "PIECE", 2**13)


@pytest.fixture(params=NETWORKS)
def model(request):
    torch.manual_seed(0)
    network, options = NETWORKS[request.param]
    steps = torch.diag(torch.ones(4), 1)  # partitions self, one way and the other way along a chain of joints
    model = network(torch.stack((torch.eye(5), steps, steps.T)), 3, 4, widths=[8, 8, 16], **options)
    for name, parameter in model.named_parameters():  # no scale is so small that its gradient proves nothing
        if "norm" in name or name.endswith("bias"):
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model.double().train()


def clips(people: list[int], padding: float = 0.0) -> torch.Tensor:
    x = torch.randn(4, 3, 17, 5, 3, dtype=torch.float64)
    for clip, count in enumerate(people):
        x[clip, count:] = padding
    return x


def trained(model, logits) -> dict[str, torch.Tensor]:
    """Logits, loss gradients and running statistics of one step of a model."""
    F.cross_entropy(logits, LABELS, reduction="sum").backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {"logits": logits.detach()} | gradients | dict(model.named_buffers())


@pytest.mark.parametrize("padding", [0.0, -0.5])
@pytest.mark.parametrize("people", [None, [3, 3, 3, 3], [2, 1, 3, 0], [3, 2, 3, 3], [0, 0, 0, 0]], ids=str)
def test_training_step_is_that_of_the_plain_network(model, people, padding):
    x, plain = clips(people or [2, 1, 3, 0], padding), deepcopy(model)
    found = trained(model, model(x, None if people is None else torch.tensor(people)))
    for name, expected in trained(plain, plain_logits(plain, x)).items():
        if not name.endswith("num_batches_tracked"):
            assert (found[name] - expected).abs().max() < 1e-10 * max(1, expected.abs().max()), name


def test_a_body_that_is_no_padding_is_not_left_out(model):
    x = clips([1, 1, 1, 1])
    x[2, 2] += 0.1  # noise was added to one absent body
    assert torch.allclose(model(x, torch.ones(4, dtype=torch.int64)), plain_logits(model, x), atol=1e-10)


def test_a_gpu_gets_a_multiple_of_bodies(model, monkeypatch):
    monkeypatch.setitem(absent.MULTIPLE, "cpu", 4)
    x, people = clips([2, 1, 1, 1]), torch.tensor([2, 1, 1, 1])
    computed, place, copies = absent.one_for_absent(x.flatten(0, 1), people, 3)
    assert (len(computed), copies) == (8, 5)
    assert torch.equal(computed[place], x.flatten(0, 1))
    assert torch.allclose(model(x, people), plain_logits(model, x), atol=1e-10)


def test_with_dropout_absent_people_differ():
    model = STGCN(torch.eye(5)[None], 3, 4, widths=[8, 8], dropout=0.5).train()
    x, people = clips([1, 1, 1, 1]).float(), torch.ones(4, dtype=torch.int64)
    torch.manual_seed(0)
    whole = model(x)
    torch.manual_seed(0)
    assert torch.equal(model(x, people), whole)


@pytest.mark.parametrize("people", [[3, 3, 3, 3], [1, 1, 3, 0]], ids=str)
def test_float32_gradients_are_as_accurate_as_the_plain_networks(model, people):
    names = [name for name, _ in model.named_parameters()]
    ratios = []
    for _ in range(9):  # on one batch either may be lucky, and rounding may turn a ReLU round
        x, exact, ours, theirs = clips(people), deepcopy(model), deepcopy(model).float(), deepcopy(model).float()
        reference = trained(exact, plain_logits(exact, x))
        found = trained(ours, ours(x.float(), torch.tensor(people)))
        plain = trained(theirs, plain_logits(theirs, x.float()))
        error, allowed = (
            sum((of[name] - reference[name]).norm() ** 2 for name in names).sqrt() for of in (found, plain)
        )
        ratios.append(float(error / allowed))
    assert sorted(ratios)[4] < 1.5


def test_bfloat16_keeps_float32_statistics_and_gradients(model):
    x, people = clips([1, 2, 3, 1]), torch.tensor([1, 2, 3, 1])
    exact = deepcopy(model)
    reference = trained(exact, exact(x, people))
    model.float()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(x.float(), people)
    found = trained(model, logits.float())
    for norm in (m for m in model.modules() if isinstance(m, BatchNorm)):
        assert norm.running_var.dtype == norm.weight.grad.dtype == torch.float32
    for name in ("logits", "data_norm.running_var", "blocks.2.temporal_norm.running_var"):
        assert torch.allclose(found[name].double(), reference[name], rtol=0.1, atol=0.1), name


@pytest.mark.skipif("CHECK_SHAPES" in os.environ, reason="the checks of shapes are not to be seen through")
def test_a_compiler_sees_through_the_network(model):
    x, plain = clips([3, 3, 3, 3]), deepcopy(model)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    expected = trained(plain, plain(x))
    found = trained(model, compiled(x))
    for name in expected:
        assert torch.allclose(found[name], expected[name], atol=1e-10), name
