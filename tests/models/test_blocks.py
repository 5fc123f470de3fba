"""What every network does with clips, people and joints."""

import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.agcn import AGCN
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import picked
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.layout import JointLayout

CHAIN = JointLayout("chain", tuple("abcde"), ((1, 0), (2, 1), (3, 2), (4, 3)), centre=0)


@pytest.fixture(params=[STGCN, STGCNPP, AGCN], ids=lambda network: network.__name__)
def model(request):
    torch.manual_seed(0)
    steps = torch.diag(torch.ones(4), 1)  # partitions self, one way and the other way along a chain of joints
    model = request.param(torch.stack((torch.eye(5), steps, steps.T)), 3, 4, widths=[24, 48, 48])
    for norm in model.modules():  # as after training, so that no step is trivial
        if isinstance(norm, BatchNorm):
            torch.nn.init.uniform_(norm.running_mean, -1, 1)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
    return model.double().eval()


@pytest.mark.parametrize("people", [[2, 1, 3, 0], [3, 3, 3, 3], [0, 0, 0, 0], [7, 1, 1, 1]])
@pytest.mark.parametrize("padding", [0.0, -0.5])
def test_absent_people_computed_once_give_the_same_logits(model, people, padding):
    x = torch.randn(4, 3, 12, 5, 3, dtype=torch.float64)
    for clip, count in enumerate(people):
        x[clip, count:] = padding
    with torch.no_grad():
        full, once = model(x), model(x, torch.tensor(people))
    assert (full - once).abs().max() < 1e-10


def test_people_may_come_in_any_order_and_clips_do_not_touch(model):
    x = torch.randn(3, 2, 10, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        logits = model(x)
        assert torch.allclose(model(x.flip(1)), logits, atol=1e-12)
        assert torch.allclose(model(x[1:2]), logits[1:2], atol=1e-12)


def test_head_of_the_mean_features_is_the_logits(model):
    x = torch.randn(2, 2, 9, 5, 3, dtype=torch.float64)
    features = model.features(x)  # 9 frames, one stride of 2
    assert features.shape == (2, 2, 5, 5, 48)
    assert torch.allclose(model.head(features).mean((1, 2, 3)), model(x), atol=1e-12)


def test_every_parameter_learns(model):
    F.cross_entropy(model(torch.randn(4, 2, 12, 5, 3).double()), torch.tensor([0, 1, 2, 3])).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-12]
    # a bias of theta adds the same to all that a softmax compares
    assert [name for name in silent if not name.endswith("theta.bias")] == []


def test_clips_are_learned_by_heart(model):
    model = model.float().train()
    x, labels = torch.randn(8, 1, 8, 5, 3), torch.arange(8) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_weights_file_gives_the_same_network(model, tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(path, model, layout=CHAIN, class_names="abcd", preprocessing={})
    found = load_weights(path).model
    x = torch.randn(2, 2, 9, 5, 3, dtype=torch.float64)
    assert found.config == model.config
    assert torch.equal(found(x), model(x))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 1, 8, 7, 3), "5 joints, the clips have 7"), ((1, 1, 8, 5, 2), "3 channels, the clips have 2"),
     ((1, 8, 5, 3), r"\(clips, people, frames, joints, channels\), found shape \(1, 8, 5, 3\)")],
)  # fmt: skip
def test_wrong_input_is_named_with_both_numbers(model, shape, message):
    with pytest.raises(ValueError, match=message):
        model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"strides": [1, 2]}, "3 widths and 2 strides"), ({"dropout": 1.5}, "dropout is 1.5"),
     ({"widths": []}, "0 widths"), ({"widths": [8, 0]}, "widths has 0, expected at least"),
     ({"strides": [1, 1, 0]}, "strides has 0")],
)  # fmt: skip
def test_wrong_options_are_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        type(model)(torch.eye(5)[None], 3, 4, **({"widths": [8, 16, 16]} | options))


@pytest.mark.parametrize("axis", [0, 1])
def test_several_threads_add_up_gradients_in_one_order(axis):
    """Of places that are taken often, as the absent body of many clips; a sum in another order rounds otherwise."""
    shape = [25, 25, 16]
    shape.insert(axis, 6)
    x, places = torch.randn(shape, requires_grad=True), torch.tensor([0, 5, 1, 5, 2, 5, 3, 5, 4, 5, 5, 5])
    weight = torch.randn_like(picked(x, places, axis))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (expected,) = torch.autograd.grad((x[(slice(None),) * axis + (places,)] * weight).sum(), x)
    torch.set_num_threads(2)
    try:
        for _ in range(50):
            (found,) = torch.autograd.grad((picked(x, places, axis) * weight).sum(), x)
            assert torch.equal(found, expected)
    finally:
        torch.set_num_threads(threads)
