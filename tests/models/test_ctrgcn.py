"""CTR-GCN: published logits and first block, its formula, absent people, inference, first weights."""

import numpy as np
import pytest
import torch

from kinegraph.models.ctrgcn import CTRGCN, ChannelwiseGraphConvolution
from kinegraph.models.dialects import to_dialect
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests.models.golden_weights2 import NETWORKS, golden_arrays, golden_state

GOLDEN = [name for name in NETWORKS if "ctrgcn" in name]


def small(people: int = 2, joints: int = 5) -> CTRGCN:
    torch.manual_seed(0)
    model = CTRGCN(torch.rand(3, joints, joints), 3, 4, people=people, widths=[8, 8, 16], strides=[1, 2, 1])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.3, 0.3)
    return model.eval()


@pytest.mark.parametrize("name", GOLDEN)
def test_published_logits(name):
    model, arrays = load_published(golden_state(name)), golden_arrays(name)
    x = torch.from_numpy(arrays["input"])
    with torch.no_grad():
        logits, block = model(x), model.blocks[0](model.whole_clips(x)[:1, 0])
    assert isinstance(model, CTRGCN)
    assert sum(it.numel() for it in model.parameters()) == NETWORKS[name]["parameters"]
    spread = arrays["logits"].std()
    assert np.abs(logits.numpy() - arrays["logits"]).max() < 1e-5 * spread
    frames = block[0, NETWORKS[name]["block0_frames"]].permute(2, 0, 1).numpy()
    np.testing.assert_allclose(frames, arrays["block0"], atol=1e-4 * arrays["block0"].std())


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("dialect", ["pyskl", "mmaction1"])
def test_weights_go_out_as_they_came_in(name, dialect):
    state = golden_state(name)
    theirs = to_dialect(load_published(state), dialect)
    renamed = {key.replace("fc_cls", "fc") if dialect == "mmaction1" else key: it for key, it in state.items()}
    assert theirs.keys() == renamed.keys()
    for key, tensor in renamed.items():
        assert torch.equal(theirs[key].to(tensor.dtype), tensor), key
    assert all(torch.equal(a, b) for a, b in zip(load_published(theirs).state_dict().values(),
                                                 load_published(state).state_dict().values(), strict=True))  # fmt: skip


def test_graph_convolution_is_its_formula():
    torch.manual_seed(0)
    x, graph = torch.rand(2, 4, 5, 24), torch.rand(3, 5, 5)
    layer = ChannelwiseGraphConvolution(graph, 24, 8)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    expected = torch.zeros(2, 4, 5, 8)
    for k in range(3):
        inner, rows = slice(3 * k, 3 * k + 3), slice(8 * k, 8 * k + 8)  # an eighth of 24 channels
        u = x.mean(1) @ layer.theta.weight[inner].T + layer.theta.bias[inner]
        w = x.mean(1) @ layer.phi.weight[inner].T + layer.phi.bias[inner]
        h = x @ layer.value.weight[rows].T + layer.value.bias[rows]
        apart = torch.tanh(u[:, :, None] - w[:, None])  # (B, i, j, r)
        q = layer.alpha * (apart @ layer.expand[k].T + layer.expand_bias[k]) + layer.graph[k][..., None]
        expected += torch.einsum("bijd,btid->btjd", q, h)
    assert torch.allclose(layer(x), expected, atol=1e-4)


def test_absent_people_are_computed_once_to_the_same_logits():
    model, x = small(), torch.rand(6, 2, 9, 5, 3)
    people = torch.tensor([2, 1, 1, 2, 1, 1])
    x[people == 1, 1] = 0
    with torch.no_grad():
        assert torch.allclose(model(x, people), model(x), rtol=1e-5)
    model.train()
    one, other, x = small().double().train(), small().double().train(), x.double()
    (one(x, people).square().mean()).backward()
    (other(x).square().mean()).backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-6, atol=1e-12)
    for a, b in zip(one.buffers(), other.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9)


def test_people_who_are_not_there_are_filled_up_and_too_many_refused():
    model, x = small(), torch.rand(2, 1, 9, 5, 3)
    with torch.no_grad():
        assert torch.equal(model(x), model(torch.cat([x, torch.zeros_like(x)], 1)))
        assert not torch.allclose(model(x), model(torch.cat([torch.zeros_like(x), x], 1)))
    with pytest.raises(ValueError, match="built for 2 people, the clips have 3"):
        model(torch.rand(1, 3, 9, 5, 3))


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("bf16", 3e-2)])
def test_the_engine_computes_the_same(precision, apart):
    layout = load_layout("ntu25")
    torch.manual_seed(0)
    model = CTRGCN(adjacency(layout), 3, 6, widths=[16, 16, 32]).eval()
    for block in model.blocks:
        torch.nn.init.normal_(block.spatial_norm.weight, 0.5, 0.1)
        torch.nn.init.constant_(block.spatial.alpha, 0.3)
    torch.nn.init.normal_(model.head.weight)
    x = torch.randn(3, 2, 20, 25, 3)
    with torch.no_grad():
        expected, found = model(x), optimize(model, precision)(x)
    assert (found - expected).abs().max() < apart * expected.std()


def test_weights_files_know_the_people(tmp_path):
    model = small(people=1, joints=17)
    save_weights(tmp_path / "w.safetensors", model, layout=load_layout("coco17"), class_names=list("abcd"),
                 preprocessing={})  # fmt: skip
    again, x = load_weights(tmp_path / "w.safetensors").model, torch.rand(2, 1, 9, 17, 3)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_first_weights_as_published():
    torch.manual_seed(0)
    model = CTRGCN(torch.zeros(3, 25, 25), 3, 60, widths=[64] * 3)
    block = model.blocks[1]
    found = [block.spatial.theta.weight, block.spatial.value.weight, block.spatial.expand, block.temporal.divide.weight,
             block.temporal.dilated[0].weight, model.head.weight]  # fmt: skip
    deviations = [(2 / 8) ** 0.5, (2 / 64) ** 0.5, (2 / 64) ** 0.5, (2 / 16) ** 0.5, (2 / 80) ** 0.5, 0.01]
    assert [it.std().item() for it in found] == pytest.approx(deviations, rel=0.1)
    assert block.spatial.alpha.item() == 0
    assert block.spatial_norm.weight.unique().tolist() == pytest.approx([1e-6])


def test_options_are_named():
    for options, message in (
        ({"widths": [3]}, "widths has 3, expected at least 4"),
        ({"widths": [6]}, "widths has 6, expected multiples of 4"),
        ({"people": 0}, "people is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            CTRGCN(torch.eye(5)[None], 3, 4, **options)
