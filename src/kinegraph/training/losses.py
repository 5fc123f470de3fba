"""Losses, each built from the number of training clips of every class in class order."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import resources
from typing import Literal

import torch
import yaml
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot, softplus

from kinegraph.data.loading import ClipDataset
from kinegraph.data.windows import WindowDataset

Weights = Literal["balanced"] | list[float] | None


class CrossEntropy(nn.Module):
    """Cross entropy of the softmax, the mean over clips by the weight of their class.

    Args:
        counts: training clips of each class, in class order.
        label_smoothing: share of the target that is spread evenly over all classes.
        class_weights: "balanced" weighs every class with 1 / its number of clips, a list gives the weights in class
            order; by default all weigh 1, and the counts do not matter.

    Raises ValueError naming a value that is out of range, or a list that has not one weight a class.
    """

    weight: Float[Tensor, "classes"] | None

    def __init__(self, counts: Sequence[int], label_smoothing: float = 0.0, class_weights: Weights = None):
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing is {label_smoothing}, expected between 0 and 1")
        self.label_smoothing = label_smoothing
        self.register_buffer("weight", _weights(class_weights, counts), persistent=False)
        self.spares = self.weight is not None and bool((self.weight == 0).any())

    def forward(self, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]) -> Float[Tensor, ""]:
        if self.spares and self.weight is not None and not self.weight[labels].any():
            return logits.float().sum() * 0  # a batch of such classes alone: torch divides by their weight, 0
        return cross_entropy(logits.float(), labels, weight=self.weight, label_smoothing=self.label_smoothing)


class BinaryCrossEntropy(nn.Module):
    """A yes or no for each class by itself, for clips that may be of several: the mean over clips and classes.

    Targets are shares (N, classes) between 0 and 1, or one label a clip (N,), then all its other classes are a no.
    Datasets hold one label a clip, so `kinegraph train` gives labels; your own loop may give several.

    Args:
        counts: training clips of each class, in class order.
        class_weights: as for CrossEntropy: "balanced", a list in class order, or by default 1 for all.

    Raises ValueError for weights or targets that are not one a class.
    """

    weight: Float[Tensor, "classes"] | None

    def __init__(self, counts: Sequence[int], class_weights: Weights = None):
        super().__init__()
        self.register_buffer("weight", _weights(class_weights, counts), persistent=False)

    def forward(
        self, logits: Float[Tensor, "N classes"], targets: Float[Tensor, "N classes"] | Int[Tensor, "N"]
    ) -> Float[Tensor, ""]:
        if targets.ndim == 1:
            targets = one_hot(targets, logits.shape[1])
        if targets.shape != logits.shape:
            raise ValueError(
                f"the network has {logits.shape[1]} classes, the targets have shape {tuple(targets.shape)}"
            )
        return binary_cross_entropy_with_logits(logits.float(), targets.float(), weight=self.weight)


class ClassBalancedFocalLoss(nn.Module):
    """Sigmoid focal loss, one class against the rest, weighted by how rare the clip's own class is.

    L = 1/N sum_n w[y_n] sum_c (1 - p_nc)^gamma (-log p_nc)   with p_nc = s(z_nc) where c = y_n, else 1 - s(z_nc)
    w_c ∝ (1 - beta) / (1 - beta^counts_c), scaled to mean 1

    Args:
        counts: training clips of each class, in class order: np.bincount(labels, minlength=classes).
        beta: from 0, all classes weigh the same, to nearly 1, a class weighs with 1 / its number of clips.
        gamma: how much less is learned from what is right already; 0 is plain binary cross entropy.
        published_counts: weigh by the lists in the BABEL configs of MMAction2 0.x instead. They seem to be in the wrong
            order (published_counts.yaml says why): for repeating that training only.
        clips_of_class: weigh by these numbers of clips, in class order, instead of those of the training part.

    Raises ValueError for a value that is out of range and for a class without clips.

    Source: Cui et al. 2019 (class-balanced loss); as in MMAction2 0.x, CBFocalLoss. There log(1 + exp(-z)) overflows
    below z = -88; softplus does not.
    """

    weight: Float[Tensor, "classes"]

    def __init__(
        self,
        counts: Sequence[int],
        beta: float = 0.9999,
        gamma: float = 2.0,
        published_counts: Literal["babel60", "babel120"] | None = None,
        clips_of_class: list[int] | None = None,
    ):
        super().__init__()
        self.gamma = gamma
        if gamma < 0:
            raise ValueError(f"gamma is {gamma}, expected 0 or more")
        if published_counts:
            counts = _published(published_counts, len(counts))
        if clips_of_class is not None:
            if len(clips_of_class) != len(counts):
                raise ValueError(f"clips_of_class has {len(clips_of_class)} numbers, the dataset {len(counts)} classes")
            counts = clips_of_class
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


class TorchLoss(nn.Module):
    """A loss of torch.nn on logits and labels.

    Those of a yes or no for each class get labels as one_hot; NLLLoss gets log-probabilities, whatever the network
    gives: log_softmax changes nothing where it was applied before.
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, logits: Float[Tensor, "N classes"], labels: Int[Tensor, "N"]) -> Float[Tensor, ""]:
        logits = logits.float()
        if isinstance(self.loss, nn.NLLLoss):
            logits = logits.log_softmax(dim=1)
        if isinstance(self.loss, nn.BCEWithLogitsLoss | nn.MultiLabelSoftMarginLoss):
            return self.loss(logits, one_hot(labels, logits.shape[1]).float())
        return self.loss(logits, labels)


def class_counts(clips: ClipDataset | WindowDataset) -> list[int]:
    """How many clips, or frames of long recordings, each class of the dataset has."""
    return clips.class_counts()


def build_loss(loss: Callable[..., nn.Module], counts: Sequence[int]) -> nn.Module:
    """A loss from its class, or from a partial of it, and the training clips of each class, if it takes them."""
    of_class = loss.func if isinstance(loss, partial) else loss
    if of_class.__module__.startswith("torch.nn."):
        return TorchLoss(loss())
    return loss(counts)


def loss_of(criterion: nn.Module, logits: Tensor, labels: Tensor) -> Float[Tensor, ""]:
    """criterion(logits, labels). Raises ValueError where a loss of the user's own gives anything but one number."""
    loss = criterion(logits, labels)
    if isinstance(loss, Tensor) and loss.ndim == 0:
        return loss
    found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
    raise ValueError(f"{type(criterion).__name__} returns {found}, expected one number, such as the mean over clips")


def class_balanced_weights(counts: Sequence[int], beta: float = 0.9999) -> Float[Tensor, "classes"]:
    """Weight of each class by its effective number of clips (Cui et al. 2019, section 3), mean 1; beta 0: all equal.

    Raises ValueError for a class without clips and for beta outside [0, 1).
    """
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


def balanced_weights(counts: Sequence[int]) -> Float[Tensor, "classes"]:
    """1 / clips of each class, scaled to mean 1 over the classes that have clips; 1 for those without.

    Raises ValueError when no class has clips.
    """
    count = torch.as_tensor(counts, dtype=torch.float64)
    there = count > 0
    if not there.any():
        raise ValueError("no class has training clips, so there is nothing to balance")
    weight = torch.ones_like(count)
    weight[there] = 1 / count[there] / (1 / count[there]).mean()
    return weight


def _weights(asked: Weights, counts: Sequence[int]) -> Float[Tensor, "classes"] | None:
    if asked is None:
        return None
    if asked == "balanced":
        return balanced_weights(counts).float()
    if len(asked) != len(counts):
        raise ValueError(f"class_weights has {len(asked)} numbers, the dataset {len(counts)} classes")
    if not all(0 <= weight < float("inf") for weight in asked) or not any(asked):
        raise ValueError("class_weights are expected to be 0 or more, and one above 0")
    return torch.tensor(asked, dtype=torch.float32)


def _published(name: str, classes: int) -> list[int]:
    counts = yaml.safe_load((resources.files("kinegraph.training") / "published_counts.yaml").read_text())[name]
    if len(counts) != classes:
        raise ValueError(f"published_counts '{name}' has {len(counts)} classes, the dataset {classes}")
    return counts
