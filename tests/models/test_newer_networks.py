"""The newer networks: published figures, weights in and out, absent people, inference, explanations."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kinegraph.inference.explanation import activation_map
from kinegraph.models.aagcn import AAGCN
from kinegraph.models.ctrgcn import CTRGCN
from kinegraph.models.dgstgcn import DGSTGCN
from kinegraph.models.msg3d import MSG3D
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published, to_dialect
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.layout import load_layout
from tests.models.golden_weights2 import NETWORKS, golden_arrays, golden_state

DIALECTS = {"ctrgcn": ("pyskl", "mmaction1"), "aagcn": ("pyskl", "mmaction1"), "agcn": ("pyskl", "mmaction1"),
            "dgstgcn": ("pyskl",)}  # fmt: skip
KINDS = {"ctrgcn": CTRGCN, "dgstgcn": DGSTGCN, "aagcn": AAGCN, "agcn": partial(AAGCN, attention=False)}


def small(kind: str, joints: int = 5, classes: int = 4, **options):
    """A network of three blocks whose every part matters."""
    torch.manual_seed(0)
    model = KINDS[kind](torch.rand(3, joints, joints), 3, classes, widths=[16, 16, 32], strides=[1, 2, 1], **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 0.6, 0.1)
            torch.nn.init.normal_(module.running_mean, 0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.named_parameters():
        if (parameter.ndim == 1 and not name.endswith("norm.weight")) or "expand" in name or "attention" in name:
            torch.nn.init.normal_(parameter, 0.2, 0.1)
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_published_figures(name):
    model, arrays = load_published(golden_state(name)), golden_arrays(name)
    x = torch.from_numpy(arrays["input"])
    with torch.no_grad():
        logits, features = model(x), model.features(x).mean((1, 2, 3))
        first = model.whole_clips(x)[:1, 0]
        if model.data_norm.num_features == x.shape[3] * x.shape[4]:  # of each body, before the blocks
            first = model.data_norm(first.flatten(2).unsqueeze(2)).view(first.shape)
        block = model.blocks[0](first)[0, NETWORKS[name]["block0_frames"]].permute(2, 0, 1)
    assert sum(it.numel() for it in model.parameters()) == NETWORKS[name]["parameters"]
    for key, found, tolerance in (("logits", logits, 1e-5), ("features", features, 1e-5), ("block0", block, 1e-5)):
        assert np.abs(found.numpy() - arrays[key]).max() < tolerance * arrays[key].std(), key


@pytest.mark.parametrize("name", NETWORKS)
def test_multiplications_are_the_published_ones_but_for_products_in_place_of_means(name):
    model, spec = load_published(golden_state(name)), NETWORKS[name]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, spec["people"], spec["gmacs_frames"], spec["joints"], 3))
    expected, frames = spec["gmacs"] * 1e9, spec["gmacs_frames"]
    for block in model.blocks if "ctrgcn" in name else ():
        embedded, refined = block.spatial.theta.weight.numel(), block.spatial.expand[..., 0].numel()
        expected -= 2 * embedded * spec["people"] * spec["joints"] * (frames - 1)  # the mean over time comes before
        expected += 2 * refined * spec["people"] * spec["joints"] ** 2  # bias and learned graph are in the product
        frames = -(-frames // block.temporal.stride)
    for block in model.blocks if "aagcn" in name else ():  # means over joints and over time are weighted by attention
        expected += block.temporal.weight.shape[1] * spec["people"] * frames * (spec["joints"] + 1)
        frames = -(-frames // block.temporal.stride[0])
    assert counter.get_total_flops() / 2 == pytest.approx(expected, abs=1e5)  # the figures have four digits


@pytest.mark.parametrize(("name", "dialect"), [
    (name, dialect) for name in NETWORKS for dialect in DIALECTS[name.split("_")[1]]
])  # fmt: skip
def test_weights_go_out_as_they_came_in(name, dialect):
    state = golden_state(name)
    model = load_published(state)
    theirs = to_dialect(model, dialect)
    head = "cls_head.fc." if dialect == "mmaction1" else "cls_head.fc_cls."
    renamed = {key.replace("fc_cls.", "fc.").replace("cls_head.fc.", head): it for key, it in state.items()}
    assert theirs.keys() == renamed.keys()
    for key, tensor in renamed.items():
        assert torch.equal(theirs[key].to(tensor.dtype), tensor), key
    again = load_published(theirs)
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_absent_people_are_computed_once_to_the_same_logits_and_gradients(kind):
    model, x, people = small(kind), torch.rand(6, 2, 9, 5, 3), torch.tensor([2, 1, 1, 2, 1, 1])
    x[people == 1, 1] = 0
    with torch.no_grad():
        assert torch.allclose(model(x, people), model(x), rtol=1e-4, atol=1e-5)
    one, other, x = small(kind).double().train(), small(kind).double().train(), x.double()
    one(x, people).square().mean().backward()
    other(x).square().mean().backward()
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert (a.grad is b.grad is None) or torch.allclose(a.grad, b.grad, rtol=1e-6, atol=1e-11), name
    for a, b in zip(one.buffers(), other.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 2e-5), ("bf16", 0.1)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_computes_the_same(kind, precision, apart):
    model, people = small(kind, joints=25), torch.tensor([2, 1, 2, 1, 1])
    engine = optimize(model, precision)
    for frames in (1, 2, 20, 21):
        x = torch.randn(5, 2, frames, 25, 3)
        x[people == 1, 1] = 0
        with torch.no_grad():
            expected = model(x)
            for found in (engine(x), engine(x, people)):
                assert (found - expected).abs().max() < apart * expected.std()


@pytest.mark.parametrize("kind", KINDS)
def test_training_under_autocast_stays_near(kind):
    model, x, labels = small(kind).train(), torch.randn(8, 2, 12, 5, 3), torch.arange(8) % 4
    losses = []
    for cast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            loss = torch.nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        losses.append(loss.item())
        assert all(it.grad is None or it.grad.isfinite().all() for it in model.parameters())
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_sums_to_the_logit(kind):
    model, x = small(kind), torch.randn(3, 2, 12, 5, 3)
    with torch.no_grad():
        said, logits = activation_map(model, x, torch.tensor([0, 3, 1])), model(x)
    assert said.shape == (3, 2, 6, 5)
    assert torch.allclose(said.sum((1, 2, 3)), logits[range(3), [0, 3, 1]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_files_build_the_same_network(kind, tmp_path):
    options = {"partitions": 5, "widths": [16, 16, 32]} if kind == "dgstgcn" else {"people": 3, "widths": [16] * 3}
    model = KINDS[kind](torch.rand(3, 17, 17), 3, 4, **options).eval()
    save_weights(tmp_path / "w.safetensors", model, layout=load_layout("coco17"), class_names=list("abcd"),
                 preprocessing={})  # fmt: skip
    again, x = load_weights(tmp_path / "w.safetensors").model, torch.rand(2, 3, 9, 17, 3)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("network", [STGCNPP, CTRGCN, AAGCN, MSG3D])
def test_first_weights_of_mmaction2_1x_differ_over_time_only(network):
    """There Kaiming's by fan-out with biases 0 where PYSKL leaves torch's own; all else is the same."""
    layers = {}
    for init in ("pyskl", "mmaction1"):
        torch.manual_seed(0)
        model = network(torch.eye(5).expand(3, 5, 5), 3, 60, init=init)
        layers[init] = {
            name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
        }
    drawn = {
        name
        for name, layer in layers["mmaction1"].items()
        if layer.bias is not None and not layer.bias.any() and layers["pyskl"][name].bias.any()
    }
    parts = {STGCNPP: (".dilated.", ".residual.mix"), MSG3D: (".dilated.", ".divide", ".residual.mix")}
    expected = parts.get(network, (".residual.mix",))
    assert drawn == {name for name in layers["pyskl"] if any(part in name for part in expected)}
    for name in drawn:
        weight = layers["mmaction1"][name].weight
        share = weight.shape[0] / 6 if name.endswith(".divide") else weight[:, 0].numel()
        assert weight.std().item() == pytest.approx((2 / share) ** 0.5, rel=0.15)
    with pytest.raises(ValueError, match="init is 'zero', expected pyskl or mmaction1"):
        network(torch.eye(5)[None], 3, 60, init="zero")
