"""Losses, each built from the number of training clips of every class in class order."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, softplus


class CrossEntropy(nn.Module):
    """Mean cross entropy of the softmax; the counts do not matter to it."""

    def __init__(self, counts: Sequence[int], label_smoothing: float = 0.0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]) -> Float[Tensor, ""]:
        return cross_entropy(logits.float(), labels, label_smoothing=self.label_smoothing)


class ClassBalancedFocalLoss(nn.Module):
    """Sigmoid focal loss, one class against the rest, weighted by how rare the clip's own class is.

    L = 1/N sum_n w[y_n] sum_c (1 - p_nc)^gamma (-log p_nc)   with p_nc = s(z_nc) where c = y_n, else 1 - s(z_nc)
    w_c ∝ (1 - beta) / (1 - beta^counts_c), scaled to mean 1

    counts: clips of each class in the training part, in class order: np.bincount(labels, minlength=classes).
    Source: Cui et al. 2019 (class-balanced loss); as in MMAction2 0.x, CBFocalLoss. There log(1 + exp(-z)) overflows
    below z = -88; softplus does not.
    """

    weight: Float[Tensor, "classes"]

    def __init__(self, counts: Sequence[int], beta: float = 0.9999, gamma: float = 2.0):
        super().__init__()
        self.gamma = gamma
        if gamma < 0:
            raise ValueError(f"gamma is {gamma}, expected 0 or more")
        # From the training labels, so no part of a checkpoint.
        self.register_buffer("weight", class_balanced_weights(counts, beta).float(), persistent=False)

    def forward(self, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]) -> Float[Tensor, ""]:
        classes = len(self.weight)
        if logits.shape[1] != classes:
            raise ValueError(f"the network has {logits.shape[1]} classes, the loss has counts of {classes}")
        sign = 2 * one_hot(labels, classes) - 1
        margin = logits.float() * sign  # p = s(margin), 1 - p = s(-margin)
        focal = torch.exp(-self.gamma * softplus(margin)) * softplus(-margin)  # (N, classes)
        return (self.weight[labels] * focal.sum(dim=1)).mean()


def class_balanced_weights(counts: Sequence[int], beta: float = 0.9999) -> Float[Tensor, "classes"]:
    """Weight of each class by its effective number of clips (Cui et al. 2019, section 3), mean 1; beta 0: all equal."""
    count = torch.as_tensor(counts, dtype=torch.float64)
    if count.ndim != 1 or len(count) == 0:
        raise ValueError(f"class counts have shape {tuple(count.shape)}, expected one number a class")
    if not 0 <= beta < 1:
        raise ValueError(f"beta is {beta}, expected at least 0 and below 1")
    if empty := [index for index, number in enumerate(count.tolist()) if not number >= 1]:
        raise ValueError(
            f"class {empty[0]} has {count[empty[0]]:g} training clips; class-balanced weights need at least one of "
            f"every class: drop the class or use CrossEntropy"
        )
    weight = (1 - beta) / (1 - beta**count)
    return weight * len(weight) / weight.sum()
