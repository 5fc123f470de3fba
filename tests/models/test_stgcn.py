import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.stgcn import STGCN, GraphConvolution

SMALL = {"widths": [8, 16, 16], "kernel": 5}


def path_graph(joints: int = 5) -> torch.Tensor:
    """Partitions self, one way and the other way along a chain of joints."""
    steps = torch.diag(torch.ones(joints - 1), 1)
    return torch.stack((torch.eye(joints), steps, steps.T))


def small(**options) -> STGCN:
    torch.manual_seed(0)
    model = STGCN(path_graph(), 3, 4, **(SMALL | options))
    for norm in model.modules():  # statistics as after training, so that no step is trivial
        if isinstance(norm, BatchNorm):
            torch.nn.init.uniform_(norm.running_mean, -1, 1)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    return model


def test_graph_convolution_is_its_formula():
    rng = torch.Generator().manual_seed(0)
    x, graph = torch.rand(2, 4, 5, 3, generator=rng), torch.rand(3, 5, 5, generator=rng)
    layer = GraphConvolution(3, 3, 6)
    torch.nn.init.normal_(layer.bias)
    mixed = torch.einsum("kdc,btvc->kbtvd", layer.mix.weight.view(6, 3, 3).transpose(0, 1), x)
    mixed = mixed + layer.bias[:, None, None, None]  # channels first, then neighbours, as published
    assert torch.allclose(layer(x, graph), torch.einsum("kbtvd,kvw->btwd", mixed, graph), atol=1e-5)


@pytest.mark.parametrize("edges", ["importance", "fixed", "learned"])
@pytest.mark.parametrize("graph_residual", [False, True])
def test_every_parameter_learns(edges, graph_residual):
    model = small(edges=edges, graph_residual=graph_residual).eval()  # in training a bias before BatchNorm gets none
    F.cross_entropy(model(torch.randn(4, 2, 12, 5, 3)), torch.tensor([0, 1, 2, 3])).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_dropout_spares_the_first_block():
    one = small(widths=[8], dropout=0.9).train()
    two = small(widths=[8, 8], dropout=0.9).train()
    x = torch.randn(2, 1, 8, 5, 3)
    assert torch.equal(one(x), one(x))
    assert not torch.equal(two(x), two(x))


@pytest.mark.parametrize(
    ("init", "spatial", "temporal", "head", "scale"),
    # deviation of the first weights: sqrt(2 / fan-out), fan-out of the graph convolution counted over its K outputs
    [("kaiming", (2 / 192) ** 0.5, (2 / (64 * 9)) ** 0.5, 0.01, 0.0), ("stgcn2018", 0.02, 0.02, 0.02, 0.02),
     ("tensorflow", (2 / 192) ** 0.5, (2 / (64 * 9)) ** 0.5, (2 / 60) ** 0.5, 0.0)],
)  # fmt: skip
def test_published_initialisation(init, spatial, temporal, head, scale):
    torch.manual_seed(0)
    model = STGCN(path_graph(25), 3, 60, widths=[64] * 4, init=init)
    block = model.blocks[1]
    found = [block.spatial.mix.weight.std(), block.temporal.weight.std(), model.head.weight.std()]
    assert torch.stack(found).tolist() == pytest.approx([spatial, temporal, head], rel=0.05)
    assert torch.cat([b.temporal_norm.weight for b in model.blocks]).std().item() == pytest.approx(scale, rel=0.2)
    assert all(b.abs().max() == 0 for name, b in model.named_parameters() if name.endswith("bias"))
    if init == "tensorflow":  # cut at two deviations of the normal distribution that was cut
        assert block.temporal.weight.abs().max() < 2 * temporal / 0.8796


@pytest.mark.parametrize("shape", [(4, 3, 5, 7), (1, 6, 2, 3), (3, 1, 1, 2)])
def test_batchnorm_is_torchs(shape):
    ours, theirs = BatchNorm(shape[3]).train(), torch.nn.BatchNorm2d(shape[3]).double().train()
    torch.nn.init.uniform_(ours.weight)
    torch.nn.init.uniform_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    torch.manual_seed(0)
    for _ in range(3):
        x = (3 + 2 * torch.randn(shape)).requires_grad_()
        x64 = x.detach().double().requires_grad_()
        y, y64 = ours(x), theirs(x64.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        weigh = torch.randn(shape)
        (y * weigh).sum().backward()
        (y64 * weigh).sum().backward()
        assert torch.allclose(y.double(), y64, atol=1e-5)
        assert torch.allclose(x.grad.double(), x64.grad, atol=1e-5)
    pairs = [(ours.state_dict(), theirs.state_dict())]
    pairs.append(({k: p.grad for k, p in ours.named_parameters()}, {k: p.grad for k, p in theirs.named_parameters()}))
    for found, expected in pairs:
        for name, tensor in expected.items():
            assert torch.allclose(found[name].double(), tensor.double(), rtol=1e-5, atol=1e-5), name


def test_what_batchnorm_returns_in_bfloat16_is_no_view():
    """Adding to a view in place costs autograd two copies of the gradient."""
    x = torch.randn(4, 3, 5, 7, dtype=torch.bfloat16, requires_grad=True)
    y = BatchNorm(7).train()(x)
    assert not y._is_view()
    y.add_(x).sum().backward()
    assert torch.allclose(x.grad.float(), torch.ones(x.shape), atol=0.01)  # the sum of what is normalised is constant


def test_batchnorm_statistics_are_as_accurate_as_torchs_default_order():
    torch.manual_seed(0)
    x = 10 + torch.randn(16, 64, 17, 8)
    ours, plain = BatchNorm(8, momentum=1.0), torch.nn.BatchNorm2d(8, momentum=1.0)
    ours(x), plain(x.permute(0, 3, 1, 2).contiguous())
    exact = x.double().var((0, 1, 2))
    error = (ours.running_var - exact).abs().max()
    assert error < 1e-6
    assert error < 4 * (plain.running_var - exact).abs().max() + 1e-7


def test_batchnorm_gradients_are_as_accurate_as_torchs_default_order():
    torch.manual_seed(0)
    x, weigh = torch.randn(16, 64, 17, 8), 1 + torch.randn(16, 64, 17, 8)
    exact, plain, ours = torch.nn.BatchNorm2d(8).double(), torch.nn.BatchNorm2d(8), BatchNorm(8)
    (exact(x.double().permute(0, 3, 1, 2)) * weigh.permute(0, 3, 1, 2)).sum().backward()
    (plain(x.permute(0, 3, 1, 2).contiguous()) * weigh.permute(0, 3, 1, 2)).sum().backward()
    (ours(x) * weigh).sum().backward()
    for found, theirs, reference in zip(ours.parameters(), plain.parameters(), exact.parameters(), strict=True):
        error, allowed = ((grad - reference.grad).norm() / reference.grad.norm() for grad in (found.grad, theirs.grad))
        assert error < 1.5 * allowed + 1e-7


def test_gradients_are_as_accurate_as_float32_allows():
    model, x, target = small().train(), torch.randn(4, 2, 20, 5, 3), torch.tensor([0, 1, 2, 3])
    exact = small().double().train()
    F.cross_entropy(model(x), target).backward()
    F.cross_entropy(exact(x.double()), target).backward()
    for (name, p), q in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert (p.grad - q.grad).norm() <= 1e-4 * q.grad.norm() + 1e-6, name


@pytest.mark.parametrize(("init", "temporal"), [("mmaction1", (2 / (64 * 9)) ** 0.5), ("pyskl", (3 * 64 * 9) ** -0.5)])
def test_first_weights_of_mmaction2_1x_and_pyskl(init, temporal):
    """Graph convolutions are uniform within 1 / sqrt(fan-in) of one partition, biases too; over time they differ."""
    torch.manual_seed(0)
    model = STGCN(path_graph(25), 3, 60, widths=[64, 64, 128], init=init)
    block, projection = model.blocks[1], model.blocks[2].residual.mix
    for weight in (block.spatial.mix.weight, block.spatial.bias):
        assert weight.abs().max().item() == pytest.approx(1 / 8, rel=0.05)
    uniform = init == "pyskl"
    assert block.temporal.weight.std().item() == pytest.approx(temporal, rel=0.05)
    assert (block.temporal.bias.abs().max() > 0) == uniform
    expected = (3 * 64) ** -0.5 if uniform else (2 / 128) ** 0.5
    assert projection.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert model.head.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.head.bias.abs().max() == 0
