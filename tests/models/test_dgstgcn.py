"""DG-STGCN: its formulas, first weights, joints. Published figures: test_newer_networks.py."""

import numpy as np
import pytest
import torch

from kinegraph.models.dgstgcn import DGSTGCN, BodyAndJoints, DynamicGraphConvolution
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.mixing import channels_first
from kinegraph.models.published import to_dialect
from kinegraph.models.stgcnpp import MultiScaleConvolution


def test_sums_over_neighbours_are_their_formula():
    torch.manual_seed(0)
    x, graph = torch.rand(6, 2, 4, 5), torch.rand(3, 5, 5)  # (C, B, T, V)
    layer = DynamicGraphConvolution(3, 6, 16).eval()  # 3 partitions of 2 channels
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    last, z = x.permute(1, 2, 3, 0), torch.zeros(2, 4, 5, 6)
    mean, p = last.mean(1), torch.relu(BatchNorm.forward(layer.value_norm, layer.value(last)))
    for k in range(3):
        channels = slice(2 * k, 2 * k + 2)
        u, s = layer.theta(mean)[..., channels], layer.phi(mean)[..., channels]  # (B, V, 2)
        alike = torch.softmax(u @ s.mT, dim=1)
        for c in range(2):
            apart = torch.tanh(u[:, :, None, c] - s[:, None, :, c])
            g = graph[k] + layer.alpha[0] * apart + layer.beta[0] * alike
            z[..., 2 * k + c] = p[..., 2 * k + c] @ g
    assert torch.allclose(layer.summed(x, graph), z.permute(3, 0, 1, 2).flatten(2), atol=1e-4)


def test_the_body_joins_by_its_shares():
    """Without shares it is ST-GCN++'s layer; a share adds what the mean of the joints says."""
    torch.manual_seed(0)
    layer, plain, x = BodyAndJoints(12, 2, 5).eval(), MultiScaleConvolution(12, 2).eval(), torch.rand(2, 9, 5, 12)
    plain.load_state_dict({name: tensor for name, tensor in layer.state_dict().items() if name != "share"})

    def joined():
        return layer.joined(channels_first(x).flatten(2)).unflatten(2, (-1, 5)).permute(1, 2, 3, 0)

    with torch.no_grad():
        assert torch.allclose(joined(), torch.relu(plain.join_norm(plain.views(x))), atol=1e-6)
        layer.share[3] = 0.5
        both, body = plain.views(x), plain.views(x.mean(2, keepdim=True))
        both[:, :, 3] += 0.5 * body[:, :, 0]
        assert torch.allclose(joined(), torch.relu(plain.join_norm(both)), atol=1e-6)


def test_first_weights_as_published():
    torch.manual_seed(0)
    model = DGSTGCN(torch.zeros(3, 25, 25), 3, 60, widths=[64] * 3)
    first, *others = (block.graph for block in model.blocks)
    assert first.shape == (8, 25, 25)
    assert all(torch.equal(first, other) for other in others)  # drawn once
    assert (first.mean().item(), first.std().item()) == pytest.approx((0.04, 0.02), rel=0.05)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    zeros = [name for name, it in model.named_parameters() if not it.any() and not name.endswith("norm.bias")]
    assert {name.rpartition(".")[2] for name in zeros} == {"alpha", "beta", "share", "bias"}
    assert [name for name in zeros if name.endswith("bias")] == ["head.bias"]


def test_bones_are_not_used():
    torch.manual_seed(0)
    one = DGSTGCN(torch.zeros(1, 5, 5), 3, 4, widths=[8])
    torch.manual_seed(0)
    other = DGSTGCN(np.random.default_rng(0).normal(size=(3, 5, 5)), 3, 4, widths=[8])
    x = torch.rand(2, 1, 9, 5, 3)
    assert torch.equal(one(x), other(x))


def test_more_joints_than_the_published_class_takes():
    model = DGSTGCN(torch.zeros(1, 33, 33), 3, 4, widths=[8])
    assert model(torch.rand(2, 1, 9, 33, 3)).shape == (2, 4)
    with pytest.raises(ValueError, match="up to 25 joints, the network has 33"):
        to_dialect(model, "pyskl")
