"""MS-G3D: published logits and first stage, its graphs and windows, absent people, inference, first weights."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kinegraph.models.layers.scales import bones_of, scales_of, windows_of
from kinegraph.models.msg3d import MSG3D, WindowConvolution
from kinegraph.models.optimize import optimize
from kinegraph.models.published import infer_layout, load_published, to_dialect
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests.models.golden_weights2 import EVERY, check_figures, golden_arrays, golden_state

GOLDEN = [name for name in EVERY if "msg3d" in name]


def small(people: int = 2, joints: int = 5) -> MSG3D:
    torch.manual_seed(0)
    chain = torch.diag(torch.ones(joints - 1), 1)[None]
    model = MSG3D(chain, 3, 4, people=people, widths=[6, 7, 12])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.2)
    return model.eval()


@pytest.mark.parametrize("name", GOLDEN)
def test_published_logits(name):
    model = load_published(golden_state(name))
    assert isinstance(model, MSG3D)
    check_figures(name, model, torch.from_numpy(golden_arrays(name)["input"]))


@pytest.mark.parametrize("name", GOLDEN)
def test_as_many_multiplications_as_published(name):
    model, spec = load_published(golden_state(name)), EVERY[name]
    flops = []
    for clips in (1, 2):  # what two have more than one is what a clip takes: the graph's scales are made once
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            model(torch.rand(clips, 2, spec["gmacs_frames"], spec["joints"], 3))
        flops.append(counted.get_total_flops())
    assert (flops[1] - flops[0]) / 2e9 == pytest.approx(spec["gmacs"], abs=1e-4)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("dialect", ["pyskl", "mmaction1"])
def test_weights_go_out_as_they_came_in(name, dialect):
    state = golden_state(name)
    theirs = to_dialect(load_published(state), dialect)
    renamed = {key.replace("fc_cls", "fc") if dialect == "mmaction1" else key: it for key, it in state.items()}
    assert theirs.keys() == renamed.keys()
    for key, tensor in renamed.items():
        assert theirs[key].shape == tensor.shape, key
        assert (theirs[key] - tensor).abs().max() < (1e-6 if key.endswith(".A") else 1e-12), key
    again, once = load_published(theirs).state_dict(), load_published(state).state_dict()
    assert all(torch.equal(again[key], once[key]) for key in once)


def test_graphs_that_do_not_belong_to_the_skeleton_are_refused():
    state = golden_state(GOLDEN[1])
    state["backbone.sgcn2.0.A"] = state["backbone.sgcn2.0.A"].flip(0)
    with pytest.raises(ValueError, match=r"are not the scales of its graph 'backbone\.A'"):
        load_published(state)


@pytest.mark.parametrize("name", ["nturgb+d", "coco"])
def test_graphs_as_published(name):
    arrays = golden_arrays({"nturgb+d": GOLDEN[0], "coco": GOLDEN[1]}[name])
    layout = load_layout({"nturgb+d": "ntu25_star", "coco": "coco17_tree"}[name])
    bones = bones_of(torch.from_numpy(adjacency(layout, "spatial")).float())
    assert np.array_equal(bones[0].numpy(), arrays["A"])
    np.testing.assert_allclose(scales_of(bones[0], 13).numpy(), arrays["A_scales"], atol=1e-6)
    for window in (3, 5):
        np.testing.assert_allclose(windows_of(bones[0], window).numpy(), arrays[f"A_window{window}"], atol=1e-6)


def test_layout_is_known_by_its_bones():
    assert infer_layout(load_published(golden_state(GOLDEN[0]))).name == "ntu25_star"


def test_scales_of_a_chain_are_its_distances():
    chain = bones_of(torch.diag(torch.ones(4), 1)[None])[0]
    graph = scales_of(chain, 4)
    distance = (torch.arange(5)[:, None] - torch.arange(5)).abs()
    for k in range(4):
        expected = ((distance == k) | (distance == 0)).float()
        torch.testing.assert_close(graph[k], expected / expected.sum(0))


def test_window_convolution_is_its_formula():
    torch.manual_seed(0)
    layer, x = WindowConvolution(3, 4, 2, 5, 6, stride=2).eval(), torch.rand(2, 7, 4, 2)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    graph = torch.rand(6, 12, 12)
    padded = torch.cat([torch.zeros(2, 1, 4, 2), x, torch.zeros(2, 1, 4, 2)], 1)
    expected = []
    for t in (0, 2, 4, 6):
        nodes = padded[:, t : t + 3].flatten(1, 2)  # (B, 12, 2)
        sums = torch.einsum("kij,bic->bjkc", graph + layer.spatial.offset, nodes).flatten(2)
        h = layer.spatial.norm((sums @ layer.spatial.mix.weight.T + layer.spatial.mix.bias)[:, None]).relu()
        h = h[:, 0].unflatten(1, (3, 4))  # (B, tau, v, c)
        kernel = layer.join.weight.unflatten(1, (3, 5))
        expected.append(torch.einsum("bnvc,dnc->bvd", h, kernel) + layer.join.bias)
    assert torch.allclose(layer(x, graph), layer.join_norm(torch.stack(expected, 1)), atol=1e-4)


def test_absent_people_are_computed_once_to_the_same_logits():
    model, x = small(), torch.rand(6, 2, 9, 5, 3)
    people = torch.tensor([2, 1, 1, 2, 1, 1])
    x[people == 1, 1] = 0
    with torch.no_grad():
        assert torch.allclose(model(x, people), model(x), rtol=1e-5)
    one, other, x = small().double().train(), small().double().train(), x.double()
    one(x, people).square().mean().backward()
    other(x).square().mean().backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-6, atol=1e-12)
    for a, b in zip(one.buffers(), other.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("bf16", 3e-2)])
def test_the_engine_computes_the_same(precision, apart):
    torch.manual_seed(0)
    model = load_published(golden_state(GOLDEN[1]))
    x = torch.randn(3, 2, 20, 17, 3)
    with torch.no_grad():
        expected, found = model(x), optimize(model, precision)(x)
    assert (found - expected).abs().max() < apart * expected.std()


def test_weights_files_know_people_and_bones(tmp_path):
    model = small(people=1, joints=17)
    save_weights(tmp_path / "w.safetensors", model, layout=load_layout("coco17"), class_names=list("abcd"),
                 preprocessing={})  # fmt: skip
    again, x = load_weights(tmp_path / "w.safetensors").model, torch.rand(2, 1, 9, 17, 3)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_first_weights_as_published():
    torch.manual_seed(0)
    model = MSG3D(torch.eye(25)[None], 3, 60)
    offset, dilated = model.blocks[0].spatial.offset, model.blocks[0].last.dilated[0].weight
    assert 0.9e-6 < offset.abs().max() <= 1e-6
    assert dilated.abs().max().item() == pytest.approx(1 / 48**0.5, rel=0.02)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
