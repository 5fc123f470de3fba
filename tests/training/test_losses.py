from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from kinegraph.training.losses import ClassBalancedFocalLoss, CrossEntropy, class_balanced_weights

# Logits, labels and counts made for this project; the losses are what MMAction2 0.x computes from them.
GOLDEN = Path(__file__).parents[1] / "golden" / "losses_metrics.npz"


@pytest.mark.parametrize("gamma", [1, 2])
def test_published_figures(gamma):
    with np.load(GOLDEN) as golden:
        loss = ClassBalancedFocalLoss(golden["cbfocal/counts"].tolist(), gamma=gamma)
        found = loss(torch.from_numpy(golden["cbfocal/logits"]), torch.from_numpy(golden["cbfocal/labels"]))
        assert found.item() == pytest.approx(float(golden[f"cbfocal/loss_gamma{gamma}"]), rel=1e-6)


def test_without_focus_and_balance_it_is_binary_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(5, 4, generator=generator), torch.tensor([0, 3, 1, 1, 2])
    expected = binary_cross_entropy_with_logits(logits, one_hot(labels, 4).float(), reduction="sum") / 5
    torch.testing.assert_close(ClassBalancedFocalLoss([9, 2, 5, 1], beta=0.0, gamma=0.0)(logits, labels), expected)


def test_cross_entropy_by_hand():
    logits, labels = torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    expected = (np.log(2) + np.log(1 + np.exp(-1))) / 2
    assert CrossEntropy([5, 1])(logits, labels).item() == pytest.approx(expected)


def test_large_logits_give_finite_loss_and_gradient():
    logits = torch.tensor([[-200.0, 200.0], [200.0, -200.0]], requires_grad=True)
    loss = ClassBalancedFocalLoss([1, 1])(logits, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(200.0)  # the first clip is wrong by 200 in both classes, the second is right
    assert torch.isfinite(logits.grad).all()


def test_rare_classes_weigh_more_and_the_mean_is_one():
    weight = class_balanced_weights([10, 1000, 100])
    assert weight.mean().item() == pytest.approx(1)
    assert weight[0] > weight[2] > weight[1]
    # Below 1 / (1 - beta) clips the effective number is nearly the number itself.
    assert (weight[0] / weight[2]).item() == pytest.approx(10, rel=0.01)


def test_weights_are_no_part_of_a_checkpoint():
    assert ClassBalancedFocalLoss([1, 2]).state_dict() == {}


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ([4, 0, 2], {}, "class 1 has 0 training clips"),
        ([4, -3], {}, "class 1 has -3 training clips"),
        ([], {}, "expected one number a class"),
        ([4, 2], {"beta": 1.0}, "beta is 1.0"),
        ([4, 2], {"gamma": -1.0}, "gamma is -1.0"),
    ],
)
def test_wrong_settings_are_named(counts, options, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedFocalLoss(counts, **options)


def test_other_number_of_classes_is_named():
    with pytest.raises(ValueError, match="the network has 3 classes, the loss has counts of 2"):
        ClassBalancedFocalLoss([1, 2])(torch.zeros(1, 3), torch.tensor([0]))
