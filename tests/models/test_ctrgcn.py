"""CTR-GCN: its formula, people, first weights. Published figures: test_newer_networks.py."""

import pytest
import torch

from kinegraph.models.ctrgcn import CTRGCN, ChannelwiseGraphConvolution
from kinegraph.models.layers.graph_product import channel_graph_product
from kinegraph.models.layers.mixing import channels_first


def small(people: int = 2, joints: int = 5) -> CTRGCN:
    torch.manual_seed(0)
    model = CTRGCN(torch.rand(3, joints, joints), 3, 4, people=people, widths=[8, 8, 16], strides=[1, 2, 1])
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.3, 0.3)
    return model.eval()


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
    assert torch.allclose(layer(channels_first(x)), channels_first(expected).flatten(2), atol=1e-4)


def test_gradients_of_the_product_with_channels_graphs_are_those_of_its_formula():
    torch.manual_seed(0)
    given = x, graph, weight, bias = tuple(
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((6, 3, 4, 5), (2, 7, 3, 5, 5), (2, 7, 6), (2, 7))
    )
    h = torch.einsum("cbtv,kdc->kdbtv", x, weight) + bias[:, :, None, None, None]
    expected = torch.einsum("kdbtv,kdbvw->dbtw", h, graph).flatten(2)
    assert torch.allclose(channel_graph_product(*given), expected)
    assert torch.autograd.gradcheck(channel_graph_product, given)
    with torch.no_grad():
        assert torch.allclose(channel_graph_product(*given), expected)


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
