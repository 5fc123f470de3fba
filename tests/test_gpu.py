"""On a GPU: the numbers of the CPU, exact resuming, bf16, torch.compile, the settings of the loader.

`bash bench/gpu.sh` runs these tests on a machine with a GPU. With KINEGRAPH_TEST_DEVICE=cpu they run on the CPU, which
shows that the tests themselves work.
"""

import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.models.agcn import AGCN
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from tests import made_up

DEVICE = os.environ.get("KINEGRAPH_TEST_DEVICE", "cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="no CUDA device"),
]
NETWORKS = (STGCN, STGCNPP, AGCN)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Convolutions on a GPU may round their inputs to 10 bits (TF32); not where numbers are compared."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=NETWORKS, ids=lambda network: network.__name__)
def model(request):
    torch.manual_seed(0)
    graph = torch.from_numpy(kg.adjacency(kg.load_layout("coco17"), strategy="spatial")).float()
    return request.param(graph, 3, 7, widths=[48, 48, 96])


@pytest.fixture
def batch():
    """Five clips (N M T V C), of which three show one person, their people, and their labels."""
    people = torch.tensor([2, 1, 2, 1, 1])
    x = torch.randn(5, 2, 20, 17, 3, generator=torch.Generator().manual_seed(1))
    x[people == 1, 1] = 0.0
    return x, people, torch.arange(5)


def difference(value: torch.Tensor, exact: torch.Tensor) -> float:
    """Relative to the size of the exact numbers."""
    return float((value.detach().cpu().double() - exact.detach()).norm() / exact.detach().norm())


def gradients(model, x, people, labels) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits in training mode, and the gradient of each parameter."""
    logits = model.train()(x, people)
    F.cross_entropy(logits.float() if logits.dtype != torch.float64 else logits, labels).backward()
    return logits, {name: parameter.grad for name, parameter in model.named_parameters()}


def on_device(*tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.to(DEVICE) for tensor in tensors]


def test_logits_and_gradients_are_those_of_double_precision(model, batch):
    x, people, labels = batch
    exact, exact_gradients = gradients(deepcopy(model).double(), x.double(), people, labels)
    logits, found = gradients(model.to(DEVICE), *on_device(x, people, labels))
    assert difference(logits, exact) < 1e-4
    largest = max(gradient.norm() for gradient in exact_gradients.values())
    for name, gradient in found.items():
        error = (gradient.cpu().double() - exact_gradients[name]).norm()
        assert error < 1e-3 * exact_gradients[name].norm() + 1e-6 * largest, name


def test_absent_bodies_are_left_out_without_a_difference(model, batch):
    x, people, _ = on_device(*batch)
    model = model.to(DEVICE).eval()
    with torch.inference_mode():
        every = model(x)
        assert difference(model(x, people), every.cpu().double()) < 1e-5


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 5e-2)])
def test_the_engine_says_what_the_network_says(model, batch, precision, tolerance):
    x, people, _ = batch
    with torch.inference_mode():
        exact = deepcopy(model).double().eval()(x.double(), people)
        engine = kg.optimize(model.to(DEVICE).eval(), precision=precision)
        assert difference(engine(*on_device(x, people)), exact) < tolerance


def test_bf16_gradients_point_where_those_of_fp32_do(model, batch):
    x, people, labels = on_device(*batch)
    _, exact = gradients(deepcopy(model).to(DEVICE), x, people, labels)
    with torch.autocast(DEVICE, torch.bfloat16):
        _, found = gradients(model.to(DEVICE), x, people, labels)
    flat = [torch.cat([value.flatten().float() for value in values.values()]) for values in (exact, found)]
    assert F.cosine_similarity(*flat, dim=0) > 0.98


def test_compiled_is_the_same_function(model, batch):
    x, _, labels = on_device(*batch)
    exact, exact_gradients = gradients(deepcopy(model).to(DEVICE), x, None, labels)
    backend = "inductor" if DEVICE == "cuda" else "eager"  # the former takes a minute on a CPU
    compiled = torch.compile(model.to(DEVICE), backend=backend, dynamic=False)
    logits, found = gradients(compiled, x, None, labels)
    assert difference(logits, exact.detach().cpu().double()) < 1e-4
    for (name, gradient), original in zip(found.items(), exact_gradients.values(), strict=True):
        assert torch.allclose(gradient, original, rtol=1e-2, atol=1e-4), name


def train(folder: Path, *options: str) -> dict[str, np.ndarray]:
    """The weights that a short deterministic training ends with."""
    if not (folder / "config.yaml").exists():
        made_up.dataset(folder / "dataset")
        made_up.config(folder / "config.yaml", folder / "dataset", epochs=2)
    run = ("--work-dir", str(folder / options[0]), "--deterministic", "--accelerator", DEVICE)
    assert main(["train", str(folder / "config.yaml"), *run, *options[1:]]) == 0
    return load_file(folder / options[0] / "checkpoints" / "last.safetensors")


def assert_equal(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch):
    uninterrupted = train(tmp_path, "uninterrupted")
    step, steps = torch.optim.SGD.step, []

    def dying_step(self, *arguments, **options):
        steps.append(0)
        if len(steps) == 8:
            raise RuntimeError("killed")
        return step(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", dying_step)
        with pytest.raises(RuntimeError, match="killed"):
            train(tmp_path, "killed", "--save-every", "2")
    assert_equal(train(tmp_path, "killed", "--save-every", "2", "--resume"), uninterrupted)


def test_workers_of_the_loader_change_nothing(tmp_path):
    assert_equal(train(tmp_path, "alone", "--workers", "0"), train(tmp_path, "helped", "--workers", "2"))


def test_bf16_trains_to_about_the_same_loss(tmp_path):
    exact, found = (train(tmp_path, name, "--precision", name) for name in ("32-true", "bf16-mixed"))
    flat = [torch.cat([value.flatten().float() for value in weights.values()]) for weights in (exact, found)]
    assert F.cosine_similarity(*flat, dim=0) > 0.99
