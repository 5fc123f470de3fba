import pytest
import torch

from kinegraph.models.agcn import AGCN, AdaptiveGraphConvolution, PersonAGCN


def test_graph_convolution_is_its_formula():
    torch.manual_seed(0)
    x, graph = torch.rand(2, 4, 5, 6), torch.rand(3, 5, 5)
    layer = AdaptiveGraphConvolution(graph, 6, 8)
    torch.nn.init.normal_(layer.offset)
    torch.nn.init.normal_(layer.bias)
    expected = torch.zeros(2, 4, 5, 8)
    for k in range(3):
        rows = slice(2 * k, 2 * k + 2)  # a quarter of 8 channels
        theta = x @ layer.theta.weight[rows].T + layer.theta.bias[rows]
        phi = x @ layer.phi.weight[rows].T + layer.phi.bias[rows]
        alike = torch.softmax(torch.einsum("btve,btwe->bvw", theta, phi) / (2 * 4), dim=1)
        gathered = torch.einsum("btvc,bvw->btwc", x, graph[k] + layer.offset[k] + alike)
        expected += gathered @ layer.mix.weight[:, 6 * k : 6 * k + 6].T + layer.bias[k]
    assert torch.allclose(layer(x, graph), expected, atol=1e-5)
    assert torch.allclose(layer.seen(x).sum(2), torch.ones(2, 3, 5))


def test_a_norm_for_each_person():
    """The authors' own code, and its number of parameters: between its norm and its head it is AGCN."""
    torch.manual_seed(0)
    model, plain = PersonAGCN(torch.rand(3, 25, 25), 3, 60).eval(), AGCN(torch.rand(3, 25, 25), 3, 60).eval()
    assert sum(p.numel() for p in model.parameters()) == 3_469_510
    assert model.head.weight.std().item() == pytest.approx((2 / 60) ** 0.5, rel=0.05)
    scale = torch.rand(2, 25, 3)
    with torch.no_grad():
        model.data_norm.weight.copy_(scale.flatten())
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("data_norm")}, strict=False)
    clips = torch.rand(2, 2, 8, 25, 3)
    assert torch.allclose(model(clips), plain(clips * scale[:, None]), atol=1e-4)
    assert torch.allclose(model.fold()(clips), model(clips), atol=1e-4)
    assert not torch.allclose(model(clips), model(clips.flip(1)), atol=1e-4)
    with pytest.raises(ValueError, match="built for 2 people, the clips have 3"):
        model(torch.rand(1, 3, 8, 25, 3))


def test_published_initialisation():
    torch.manual_seed(0)
    model = AGCN(torch.zeros(3, 25, 25), 3, 60, widths=[64] * 4)
    block = model.blocks[1]
    found = [block.spatial.mix.weight, block.spatial.theta.weight, block.temporal.weight, model.head.weight,
             model.blocks[0].graph_residual.mix.weight]  # fmt: skip
    deviations = [(2 / (64 * 64 * 3)) ** 0.5, (2 / 16) ** 0.5, (2 / (64 * 9)) ** 0.5, 0.01, (2 / 64) ** 0.5]
    assert [w.std().item() for w in found] == pytest.approx(deviations, rel=0.1)
    assert all(b.abs().max() == 0 for name, b in model.named_parameters() if name.endswith("bias"))
    assert block.spatial.offset.unique().tolist() == pytest.approx([1e-6])
    assert block.spatial_norm.weight.unique().tolist() == pytest.approx([1e-6])
    assert block.temporal_norm.weight.unique().tolist() == [1.0]
