"""AAGCN: its formulas, people, first weights. Published figures: test_newer_networks.py."""

import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.aagcn import AAGCN, AdaptiveGraphConvolution, Attention


def test_graph_convolution_is_its_formula():
    torch.manual_seed(0)
    x, graph = torch.rand(2, 4, 5, 6), torch.rand(3, 5, 5)
    layer = AdaptiveGraphConvolution(graph, 6, 8)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    expected = torch.zeros(2, 4, 5, 8)
    for k in range(3):
        rows = slice(2 * k, 2 * k + 2)  # a quarter of 8 channels
        a = x @ layer.theta.weight[rows].T + layer.theta.bias[rows]
        b = x @ layer.phi.weight[rows].T + layer.phi.bias[rows]
        alike = torch.tanh(torch.einsum("btve,btwe->bvw", a, b) / (2 * 4))
        gathered = torch.einsum("btvc,bvw->btwc", x, layer.graph[k] + layer.alpha * alike)
        expected += gathered @ layer.mix.weight[:, 6 * k : 6 * k + 6].T + layer.bias[k]
    assert torch.allclose(layer(x), expected, atol=1e-4)


@pytest.mark.parametrize(("joints", "kernel"), [(5, 5), (6, 5)])
def test_attention_is_its_formula(joints, kernel):
    torch.manual_seed(0)
    layer, y = Attention(4, joints).double(), torch.rand(2, 12, joints, 4, dtype=torch.float64, requires_grad=True)
    assert layer.joints.kernel_size == (kernel,)
    x = y.permute(0, 3, 1, 2)  # (B, C, T, V), as published
    x = x * (1 + torch.sigmoid(F.conv1d(x.mean(2), layer.joints.weight, layer.joints.bias, padding=2)))[:, :, None]
    x = x * (1 + torch.sigmoid(F.conv1d(x.mean(3), layer.frames.weight, layer.frames.bias, padding=4)))[..., None]
    x = x * (1 + torch.sigmoid(layer.excite(torch.relu(layer.squeeze(x.mean((2, 3)))))))[..., None, None]
    expected, found = x.permute(0, 2, 3, 1), layer(y)
    assert torch.allclose(found, expected, atol=1e-14)
    with torch.no_grad():
        assert torch.allclose(layer(y), expected, atol=1e-14)
    weight, inputs = torch.rand_like(found), (y, *layer.parameters())
    wanted, got = (torch.autograd.grad((it * weight).sum(), inputs) for it in (expected, found))
    assert all(torch.allclose(a, b, atol=1e-13) for a, b in zip(wanted, got, strict=True))


def test_first_weights_as_published():
    torch.manual_seed(0)
    model = AAGCN(torch.zeros(3, 25, 25), 3, 60, widths=[64] * 3)
    block = model.blocks[1]
    found = [block.spatial.mix.weight, block.spatial.theta.weight, block.temporal.weight, block.attention.joints.weight,
             block.attention.squeeze.weight, model.head.weight]  # fmt: skip
    deviations = [(2 / (64 * 64 * 3)) ** 0.5, (2 / 16) ** 0.5, (2 / (64 * 9)) ** 0.5, (2 / (25 * 65)) ** 0.5,
                  (2 / 64) ** 0.5, 0.01]  # fmt: skip
    assert [it.std().item() for it in found] == pytest.approx(deviations, rel=0.1)
    assert block.spatial_norm.weight.unique().tolist() == pytest.approx([1e-6])
    y = torch.rand(2, 12, 25, 64)
    with torch.no_grad():
        block.attention.joints.weight.zero_()
        assert torch.allclose(block.attention(y), 3.375 * y)  # every gate at 1/2
