"""What every network does with clips, people and joints."""

import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.aagcn import AAGCN
from kinegraph.models.agcn import AGCN
from kinegraph.models.ctrgcn import CTRGCN
from kinegraph.models.dgstgcn import DGSTGCN
from kinegraph.models.layers.batchnorm import BatchNorm
from kinegraph.models.layers.blocks import picked
from kinegraph.models.msg3d import MSG3D
from kinegraph.models.protogcn import ProtoGCN
from kinegraph.models.skateformer import SkateFormer
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


WIDE = {"widths": [8, 16, 16]}
WRONG = [
    *((network, WIDE | options, message) for network in (STGCN, STGCNPP, AGCN) for options, message in (
        ({"strides": [1, 2]}, "3 widths and 2 strides"), ({"dropout": 1.5}, "dropout is 1.5"),
        ({"widths": []}, "0 widths"), ({"widths": [8, 0]}, "widths has 0, expected at least"),
        ({"strides": [1, 1, 0]}, "strides has 0"),
    )),
    (STGCN, WIDE | {"kernel": 4}, "kernel is 4"),
    (STGCN, WIDE | {"edges": "free"}, "edges is 'free', expected importance or"),
    (STGCN, WIDE | {"init": "zero"}, "init is 'zero'"),
    (STGCNPP, {"widths": [5]}, "widths has 5, expected at least 6"),
    (AGCN, {"widths": [3]}, "widths has 3, expected at least 4"),
    (AGCN, {"widths": [8], "kernel": 4}, "kernel is 4"),
    (AAGCN, {"widths": [3]}, "widths has 3, expected at least 4"),
    (AAGCN, {"kernel": 4}, "kernel is 4"),
    (AAGCN, {"people": 0}, "people is 0"),
    (CTRGCN, {"widths": [3]}, "widths has 3, expected at least 4"),
    (CTRGCN, {"widths": [6]}, "widths has 6, expected multiples of 4"),
    (CTRGCN, {"people": 0}, "people is 0"),
    (DGSTGCN, {"widths": [7]}, "widths has 7, expected at least 8"),
    (DGSTGCN, {"partitions": 0}, "partitions is 0, expected at least 1"),
    (MSG3D, {"widths": [8, 8]}, "2 widths, expected 3"),
    (MSG3D, {"widths": [8, 8, 5]}, "widths has 5, expected at least 6"),
    (MSG3D, {"people": 0}, "people is 0"),
    (ProtoGCN, {"prototypes": 0}, "prototypes is 0"),
    (ProtoGCN, {"weight": -0.1}, "weight is -0.1"),
    (SkateFormer, {"parts": [[0, 1], [2]]}, "parts have 2, 1 joints, expected equally many"),
    (SkateFormer, {"parts": [[0, 7]]}, "parts have joint 7, the layout has 0 to 4"),
    (SkateFormer, {"parts": None}, "no parts of the body are known for 5 joints"),
    (SkateFormer, {"parts": [[0, 1]], "near": 5}, "near is 5, expected a divisor of 4"),
    (SkateFormer, {"parts": [[0, 1]], "widths": [40]}, "widths has 40, expected multiples of 32"),
    (SkateFormer, {"parts": [[0, 1]], "people": 0}, "people is 0"),
    (SkateFormer, {"parts": [[0, 1]], "skip": 1.0}, "skip is 1.0, expected a probability below 1"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "options", "message"), WRONG)
def test_wrong_options_are_named(network, options, message):
    with pytest.raises(ValueError, match=message):
        network(torch.eye(5)[None], 3, 4, **options)


@pytest.mark.parametrize(
    ("network", "joints", "classes", "options", "parameters"),
    # Published networks built from source; TensorFlow's is derived: ten blocks of 3 x 25 x 25 edge weights less.
    [(STGCN, 25, 60, {}, 3_098_832), (STGCN, 17, 60, {}, 3_088_704), (STGCN, 25, 120, {}, 3_114_252),
     (STGCN, 25, 60, {"edges": "fixed"}, 3_080_082), (STGCN, 25, 60, {"edges": "learned"}, 3_098_832),
     (STGCNPP, 25, 60, {}, 1_403_144), (AGCN, 25, 60, {}, 3_469_360)],
)  # fmt: skip
def test_parameters_are_as_many_as_published(network, joints, classes, options, parameters):
    with torch.device("meta"):
        model = network(torch.zeros(3, joints, joints), 3, classes, **options)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model.features(torch.zeros(2, 2, 300, joints, 3, device="meta")).shape == (2, 2, 75, joints, 256)


@pytest.mark.parametrize("network", [AAGCN, CTRGCN])
def test_people_who_are_not_there_are_filled_up_and_too_many_refused(network):
    torch.manual_seed(0)
    model, x = network(torch.rand(3, 5, 5), 3, 4, widths=[8]), torch.rand(2, 1, 9, 5, 3)
    torch.nn.init.normal_(model.data_norm.bias)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), model(torch.cat([x, torch.zeros_like(x)], 1)))
        assert not torch.allclose(model(x), model(torch.cat([torch.zeros_like(x), x], 1)))
    with pytest.raises(ValueError, match="built for 2 people, the clips have 3"):
        model(torch.rand(1, 3, 9, 5, 3))


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
