import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.stgcnpp import STGCNPP, MultiScaleConvolution, branch_widths


def test_branch_widths_are_those_of_published_checkpoints():
    assert [branch_widths(width)[:2] for width in (64, 128, 256)] == [[14, 10], [23, 21], [46, 42]]
    assert all(sum(branch_widths(width)) == width for width in range(6, 100))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_frame_sees_four_before_and_four_after(stride):
    torch.manual_seed(0)
    layer = MultiScaleConvolution(60, stride).eval()
    x = torch.randn(1, 30, 2, 60, requires_grad=True)
    y = layer(x)
    assert y.shape == (1, 30 // stride, 2, 60)
    y[0, 12 // stride, 0].sum().backward()
    assert x.grad.abs().sum((0, 2, 3)).nonzero().flatten().tolist() == list(range(8, 17))
    assert x.grad[0, :, 1].abs().max() == 0  # joints do not touch here


def test_graphs_start_where_asked_and_are_learned_apart():
    graph = torch.rand(2, 4, 4)
    model = STGCNPP(graph, 3, 2, widths=[6, 12])
    F.cross_entropy(model(torch.randn(2, 1, 8, 4, 3)), torch.tensor([0, 1])).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    first, second = (block.graph for block in model.blocks)
    assert not torch.equal(first, graph)
    assert not torch.equal(first, second)


def test_published_initialisation():
    """PYSKL leaves its layers as torch draws them, uniform within 1 / sqrt(fan-in), and draws the head with 0.01."""
    torch.manual_seed(0)
    model = STGCNPP(torch.zeros(3, 25, 25), 3, 60, widths=[64] * 4)
    block = model.blocks[1]
    time = block.temporal
    for weights, fan_in in [(block.spatial.mix.weight, 64), (block.spatial.bias, 64), (time.divide.weight, 64),
                            (time.dilated[1].weight, 30), (time.join.weight, 64)]:  # fmt: skip
        assert weights.std().item() == pytest.approx((1 / (3 * fan_in)) ** 0.5, rel=0.1)
        assert weights.abs().max() <= fan_in**-0.5
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.head.bias.abs().max() == 0
