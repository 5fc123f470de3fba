"""What `optimize` makes of a network computes the same."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from threading import current_thread

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import kinegraph
from kinegraph.models.agcn import AGCN
from kinegraph.models.layers.absent import in_parts
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.threads import each
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from tests.models.golden_weights import golden_arrays, golden_state

KINDS = {
    "STGCN": (STGCN, {}),
    "STGCN 5 taps, learned, graph residual": (STGCN, {"edges": "learned", "graph_residual": True, "kernel": 5}),
    "STGCN fixed, 21 taps": (STGCN, {"edges": "fixed", "kernel": 21}),
    "STGCNPP": (STGCNPP, {}),
    "AGCN": (AGCN, {}),
}


@pytest.fixture(params=KINDS)
def model(request):
    """After some training: no scale, shift or edge is one that could be left out unnoticed."""
    torch.manual_seed(0)
    network, options = KINDS[request.param]
    steps = torch.diag(torch.ones(4), 1)
    model = network(torch.stack((torch.eye(5), steps, steps.T)), 3, 7, widths=[48, 48, 96, 96], **options)
    for norm in model.modules():
        if isinstance(norm, BatchNorm):
            for tensor, low, high in ((norm.running_mean, -1, 1), (norm.running_var, 0.5, 2), (norm.weight, -1, 1)):
                nn.init.uniform_(tensor, low, high)
    for name, parameter in model.named_parameters():
        if parameter.ndim != 2 and not name.endswith("norm.weight"):
            nn.init.trunc_normal_(parameter, parameter.mean().item(), 0.1)
    nn.init.normal_(model.head.weight)
    return model.eval()


def clips(frames: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    x, people = torch.randn(4, 2, frames, 5, 3), torch.tensor([2, 1, 0, 1])
    for clip, count in zip(x, people, strict=True):
        clip[count:] = 0
    return x, people


@pytest.mark.parametrize("frames", [30, 13, 1])
@pytest.mark.parametrize("at_once", [None, 2])
def test_float32_engine_is_the_model(model, frames, at_once):
    x, people = clips(frames)
    before = deepcopy(model.state_dict())
    engine = kinegraph.optimize(model, "fp32", at_once)
    with torch.no_grad():
        exact = deepcopy(model).double()(x.double())
    for logits in (engine(x), engine(x, people), engine.train()(x)):
        assert logits.dtype == torch.float32
        assert (logits - exact).abs().max() < 1e-5 * exact.abs().max()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_bfloat16_engine_names_the_same_class(model):
    x, people = clips()
    with torch.no_grad():
        logits = model(x)
    rounded = optimize(model, "bf16")(x, people)
    assert rounded.dtype == torch.float32
    assert (rounded - logits).norm() < 0.05 * logits.norm()
    margin = logits.topk(2).values.diff(dim=1).abs().squeeze(1) > 0.1 * logits.abs().max()
    assert margin.any()
    assert torch.equal(rounded.argmax(1)[margin], logits.argmax(1)[margin])


def test_engine_keeps_its_precision_under_autocast(model):
    x, people = clips()
    engine = optimize(model, "fp32")
    expected = engine(x, people)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(engine(x, people), expected)


@pytest.fixture
def threads():
    """torch.set_num_threads, until the test ends."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_share_the_bodies(model, threads):
    x, people = clips()
    engine = optimize(model, "fp32")
    threads(1)
    alone = engine(x, people)
    threads(3)
    together = engine(x, people)
    assert torch.get_num_threads() == 3
    assert not together.requires_grad
    assert torch.allclose(together, alone, rtol=1e-5, atol=1e-5 * alone.abs().max().item())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 4))
def test_parts_are_the_whole_in_order(threads, bodies, at_once, count):
    threads(count)
    sizes = []

    def double(part):
        sizes.append(len(part))
        return 2 * part

    x = torch.arange(3.0 * bodies).view(bodies, 3)
    assert torch.equal(in_parts(double, x, at_once), 2 * x)
    assert max(sizes) <= at_once
    assert torch.get_num_threads() == count


def test_an_error_in_a_part_is_told_and_threads_remain(threads):
    threads(2)
    with pytest.raises(RuntimeError, match="shape '\\[7\\]' is invalid"):
        in_parts(lambda part: part.view(7), torch.zeros(4, 3), 1)
    assert torch.get_num_threads() == 2


def test_threads_of_the_caller_keep_their_number(threads):
    threads(2)
    with ThreadPoolExecutor(3) as callers:

        def call(i):
            in_parts(lambda part: part, torch.zeros(4, 3), 1)
            return torch.get_num_threads()

        assert set(callers.map(call, range(30))) == {2}
    inside = in_parts(lambda part: torch.full((len(part),), float(torch.get_num_threads())), torch.zeros(4, 3), 1)
    assert inside.tolist() == [1] * 4


@pytest.mark.parametrize(
    "network", ["mmaction0_stgcn_coco17_60", "mmaction0_agcn_ntu25_60", "mmaction1_stgcnpp_nturgbd"]
)
def test_published_logits_hold(network):
    arrays = golden_arrays(network)
    logits = optimize(load_published(golden_state(network)), "fp32")(torch.from_numpy(arrays["input"]))
    assert torch.allclose(logits, torch.from_numpy(arrays["logits"]), rtol=1e-4, atol=1e-4)


def test_workers_do_not_share_out_again(threads):
    threads(6)
    with ThreadPoolExecutor(1) as later:
        inner = each(lambda _: set(each(lambda _: current_thread(), [0, 1, 2])), [0, 1])
        assert [len(seen) for seen in inner] == [1, 1]
        assert later.submit(torch.get_num_threads).result() == 6
    assert torch.get_num_threads() == 6


def test_wrong_options_are_named():
    model = STGCN(torch.eye(5)[None], 3, 4, widths=[8])
    for options, message in (("fp16", "precision is 'fp16', expected auto"), (("auto", 0), "at_once is 0, expected")):
        with pytest.raises(ValueError, match=message):
            optimize(model, *([options] if isinstance(options, str) else options))
    with pytest.raises(ValueError, match="a Linear cannot be optimized, expected a SkeletonNetwork"):
        optimize(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="5 joints, the clips have 7"):
        optimize(model)(torch.zeros(1, 1, 8, 7, 3))
