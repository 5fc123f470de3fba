"""The fastest way is chosen by a clock, kept, and never one that is slower or not exact enough."""

import json

import numpy as np
import pytest
import torch

from kinegraph.models import quickest as module
from kinegraph.models.optimize import Engine, optimize
from kinegraph.models.precision import slower_bf16
from kinegraph.models.quickest import quickest
from kinegraph.models.stgcn import STGCN

LOGITS = np.array([[0.0, 1.0, 3.0]])


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """A clock that each way moves on by its own time; and a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def choose(clock, asked: list[str], *, about=None, **ways: tuple[float, float]):
    """The choice among ways of (seconds, difference of a logit); asked: gets the names of those that are made."""

    def make(name):
        def maker():
            asked.append(name)
            return ways[name]

        return maker

    def ask(way):
        clock[0] += way[0]
        return LOGITS + way[1] * np.array([1, 0, 0])

    return quickest({name: make(name) for name in ways}, ask, about or {})


@pytest.mark.parametrize(
    ("ways", "chosen"),
    [
        ({"torch": (0.3, 0), "engine": (0.1, 1e-6), "other": (0.2, 0)}, "engine"),
        ({"torch": (0.1, 0), "engine": (0.2, 0)}, "torch"),
        ({"torch": (0.3, 0), "engine": (0.29, 0)}, "torch"),
        ({"torch": (0.3, 0), "rough": (0.1, 0.01), "engine": (0.2, 1e-6)}, "engine"),
        ({"torch": (0.3, 0), "broken": (0.1, np.nan)}, "torch"),
        ({"torch": (0.3, np.nan), "engine": (0.1, np.nan)}, "torch"),  # a network that has diverged
    ],
)
def test_the_fastest_that_is_exact_enough_is_chosen(clock, ways, chosen):
    assert choose(clock, [], **ways).measured.name == chosen


def test_a_choice_is_kept_until_what_it_depends_on_changes(clock, monkeypatch):
    ways = {"torch": (0.3, 0), "engine": (0.1, 0)}
    assert not choose(clock, [], **ways).kept
    made, before = [], clock[0]
    again = choose(clock, made, **ways)
    assert (again.kept, again.measured.name, made, clock[0]) == (True, "engine", ["engine"], before)
    assert not choose(clock, [], about={"clips": [2]}, **ways).kept
    monkeypatch.setattr(module, "machine", lambda: {"processor": "another", "versions": ""})
    assert not choose(clock, [], **ways).kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"name": "engine"}',
        '{"name": 3, "milliseconds": []}',
        '{"name": "engine", "milliseconds": {"engine": 1}, "differences": 3}',
    ],
)
def test_a_damaged_file_is_measured_again(clock, text):
    ways = {"torch": (0.3, 0), "engine": (0.1, 0)}
    choose(clock, [], **ways)
    (file,) = module.cache_folder().glob("*.json")
    file.write_text(text)
    assert not choose(clock, [], **ways).kept
    assert choose(clock, [], **ways).kept


def test_a_way_that_cannot_be_made_is_left_out_and_said(clock):
    def missing():
        raise ValueError("it is not installed")

    def ask(way):
        clock[0] += 0.1
        return LOGITS

    found = quickest({"torch": lambda: 0, "onnxruntime": missing}, ask, {})
    assert str(found.measured) == "torch is the fastest here: 100 ms (onnxruntime left out: it is not installed)"


@pytest.fixture
def network():
    torch.manual_seed(0)
    return STGCN(torch.eye(5)[None], 3, 7, widths=[48, 48]).eval()


@pytest.mark.parametrize(("precision", "largest"), [("fp32", 1e-4), ("auto", 0.1)])
def test_optimize_gives_what_was_measured(network, precision, largest, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = optimize(network, precision, engine="auto")
    kept = [json.loads(file.read_text()) for file in (tmp_path / "kinegraph/engines").glob("*.json")]
    (known,) = [it for it in kept if it["about"].get("network") == "STGCN"]  # beside it that of products
    assert isinstance(made, Engine) == (known["name"] != "torch")
    assert ("optimized bf16" in known["differences"]) == (precision == "auto")
    x = torch.randn(3, 2, 20, 5, 3)
    with torch.no_grad():
        assert (made(x) - network(x)).abs().max() <= largest * network(x).std()


@pytest.mark.parametrize("work", ["answer", "step"])
@pytest.mark.parametrize(("rough", "advice"), [(0.2, True), (0.05, False)])
def test_bf16_is_advised_against_where_it_is_measured_slower(network, clock, monkeypatch, work, rough, advice):
    def take(*given):
        clock[0] += rough if given[-1] else 0.1
        return np.zeros(1)

    monkeypatch.setattr("kinegraph.models.precision._answer", take)
    monkeypatch.setattr("kinegraph.models.precision._step", take)
    state = {name: it.clone() for name, it in network.state_dict().items()}
    line = slower_bf16(network, work, people=2)
    assert bool(line) == advice
    if advice:
        assert "200 ms instead of 100 ms" in line
    assert all(torch.equal(it, state[name]) for name, it in network.state_dict().items())


@pytest.mark.parametrize("work", ["answer", "step"])
def test_measuring_bf16_changes_neither_network_nor_random_numbers(network, work, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network.train()
    state, drawn = {name: it.clone() for name, it in network.state_dict().items()}, torch.get_rng_state()
    slower_bf16(network, work, people=2, frames=20)
    assert list((tmp_path / "kinegraph/engines").iterdir())
    assert all(torch.equal(it, state[name]) for name, it in network.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(it.grad is None for it in network.parameters())
