from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from kinegraph.training.losses import (
    BinaryCrossEntropy,
    ClassBalancedFocalLoss,
    CrossEntropy,
    _published,
    balanced_weights,
    class_balanced_weights,
)

# Logits, labels and counts made for this project; the losses are what MMAction2 0.x computes from them.
GOLDEN = Path(__file__).parents[1] / "golden" / "losses_metrics.npz"


@pytest.mark.parametrize("gamma", [1, 2])
def test_published_figures(gamma):
    with np.load(GOLDEN) as golden:
        counts = golden["cbfocal/counts"].tolist()
        loss = ClassBalancedFocalLoss(counts) if gamma == 2 else ClassBalancedFocalLoss(counts, gamma=gamma)
        found = loss(torch.from_numpy(golden["cbfocal/logits"]), torch.from_numpy(golden["cbfocal/labels"]))
        assert found.item() == pytest.approx(float(golden[f"cbfocal/loss_gamma{gamma}"]), rel=1e-6)


def test_without_focus_and_balance_it_is_binary_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(5, 4, generator=generator), torch.tensor([0, 3, 1, 1, 2])
    expected = binary_cross_entropy_with_logits(logits, one_hot(labels, 4).float(), reduction="sum") / 5
    torch.testing.assert_close(ClassBalancedFocalLoss([9, 2, 5, 1], beta=0.0, gamma=0.0)(logits, labels), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_of_classes_that_do_not_count_teaches_nothing(smoothing):
    loss = CrossEntropy([5, 1], label_smoothing=smoothing, class_weights=[0.0, 2.0])
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]], requires_grad=True)
    found = loss(logits, torch.tensor([0, 0]))
    found.backward()
    assert found.item() == 0
    assert (logits.grad == 0).all()
    assert loss(logits, torch.tensor([0, 1])).item() > 0


def test_cross_entropy_by_hand():
    logits, labels = torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    expected = (np.log(2) + np.log(1 + np.exp(-1))) / 2
    assert CrossEntropy([5, 1])(logits, labels).item() == pytest.approx(expected)


def test_label_smoothing_by_hand():
    """0.1 of the target is spread over both classes: 0.95 and 0.05."""
    expected = -0.95 * np.log(1 / (1 + np.e)) - 0.05 * np.log(np.e / (1 + np.e))
    found = CrossEntropy([5, 1], label_smoothing=0.1)(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    assert found.item() == pytest.approx(expected)
    blind = CrossEntropy([5, 1], label_smoothing=1.0)  # nothing of the label is left
    assert blind(torch.tensor([[0.0, 1.0]]), torch.tensor([0])) == blind(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))


def test_balanced_cross_entropy_is_the_mean_of_the_classes_own_means():
    logits, labels = torch.randn(8, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([0] * 6 + [1] * 2)
    plain = CrossEntropy([6, 2])
    expected = (plain(logits[:6], labels[:6]) + plain(logits[6:], labels[6:])) / 2
    torch.testing.assert_close(CrossEntropy([6, 2], class_weights="balanced")(logits, labels), expected)
    torch.testing.assert_close(CrossEntropy([9, 9], class_weights=[1, 3])(logits, labels), expected)
    assert balanced_weights([6, 0, 2]).tolist() == pytest.approx([0.5, 1, 1.5])
    assert balanced_weights([1, 3]).tolist() == pytest.approx([1.5, 0.5])  # a single clip is one


def test_several_classes_a_clip():
    logits = torch.tensor([[0.0, 2.0, -1.0]])
    expected = (np.log(2) + np.log(1 + np.exp(-2)) + np.log(1 + np.exp(-1))) / 3  # yes, yes, no
    loss = BinaryCrossEntropy([1, 1, 1])
    assert loss(logits, torch.tensor([[1.0, 1.0, 0.0]])).item() == pytest.approx(expected, rel=1e-6)
    torch.testing.assert_close(loss(logits, torch.tensor([1])), loss(logits, torch.tensor([[0.0, 1.0, 0.0]])))
    weighted = BinaryCrossEntropy([1, 1, 1], class_weights=[0.0, 3.0, 0.0])(logits, torch.tensor([1]))
    assert weighted.item() == pytest.approx(np.log(1 + np.exp(-2)), rel=1e-6)
    with pytest.raises(ValueError, match=r"3 classes, the targets have shape \(1, 2\)"):
        loss(logits, torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("name", "total", "largest", "smallest"), [("babel60", 45473, 6260, 122), ("babel120", 48978, 6260, 19)]
)
def test_published_counts(name, total, largest, smallest):
    """Sums and ranges of the lists in MMAction2 0.x, stgcn_80e_babel60_wfl.py and stgcn_80e_babel120_wfl.py, and of the
    weights that its CBFocalLoss makes of them."""
    classes = int(name.removeprefix("babel"))
    loss = ClassBalancedFocalLoss([1] * classes, published_counts=name)
    lightest, heaviest = {"babel60": (0.0727, 2.7900), "babel120": (0.0167, 4.1005)}[name]
    assert (loss.weight.min().item(), loss.weight.max().item()) == pytest.approx((lightest, heaviest), abs=6e-5)
    counts = _published(name, classes)
    assert (sum(counts), max(counts), min(counts)) == (total, largest, smallest)
    with pytest.raises(ValueError, match=f"'{name}' has {classes} classes, the dataset 10"):
        ClassBalancedFocalLoss([1] * 10, published_counts=name)


@pytest.mark.parametrize("loss", [ClassBalancedFocalLoss([1, 9]), BinaryCrossEntropy([1, 9]), CrossEntropy([1, 9])])
def test_logits_of_a_thousand_give_finite_loss_and_gradient(loss):
    logits = torch.tensor([[-1000.0, 1000.0], [1000.0, -1000.0]], requires_grad=True)
    value = loss(logits, torch.tensor([0, 0]))
    value.backward()
    assert 0 < value.item() < 1e4
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]  # the wrong clip is put right
    assert not logits.grad[1].any()


def test_large_logits_of_the_focal_loss_by_hand():
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
    for loss in (CrossEntropy, BinaryCrossEntropy):
        assert loss([1, 2], class_weights="balanced").state_dict() == {}


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": [1.0]}, "class_weights has 1 numbers, the dataset 2 classes"),
        ({"class_weights": [1.0, -1.0]}, "^class_weights are expected to be 0 or more, and one above 0$"),
        ({"class_weights": [1.0, float("inf")]}, "expected to be 0 or more"),
        ({"label_smoothing": 1.5}, "label_smoothing is 1.5"),
    ],
)
def test_wrong_settings_of_cross_entropy_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        CrossEntropy([4, 2], **options)


def test_other_number_of_classes_is_named():
    with pytest.raises(ValueError, match="the network has 3 classes, the loss has counts of 2"):
        ClassBalancedFocalLoss([1, 2])(torch.zeros(1, 3), torch.tensor([0]))


def test_nothing_to_balance_is_named():
    with pytest.raises(ValueError, match=r"^no class has training clips, so there is nothing to balance$"):
        balanced_weights([0, 0])
    assert balanced_weights([0, 4]).tolist() == [1, 1]


def test_logits_of_half_precision_give_a_loss_of_float32():
    """Sums over classes and clips lose too much in half precision, so they are not taken there."""
    logits, labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(2)), torch.arange(6) % 3
    for loss in (CrossEntropy([1, 1, 1]), BinaryCrossEntropy([1, 1, 1]), ClassBalancedFocalLoss([1, 1, 1])):
        found = loss(logits.half(), labels)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, loss(logits.half().float(), labels), rtol=1e-6, atol=0)
