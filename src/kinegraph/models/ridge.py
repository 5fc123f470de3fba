"""A linear head in closed form: ridge regression from features to classes, as in Extreme Learning Machines.

How strongly it is held back, and how sure its answers are, follows from the clips themselves: each is answered by the
head of all others, or of all other people's, which needs no second fit (leave-one-out in closed form).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import nn

STRENGTHS = 10.0 ** np.arange(-5, 2)  # of the ridge, times the number of examples
SMOOTHING = 0.05  # of the truth, when sharpness is chosen: few examples do not prove that answers are certain
SHARPNESS = 2.0 ** np.arange(0, 7.5, 0.5)
LEAST = 1e-12  # square of a direction's size that is more than rounding, of the largest
ALIKE = 1e-9  # of the largest number: vectors that differ by less differ by rounding
UNCHECKED = 0.01, 8.0  # strength and sharpness where no class has two examples


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = weight @ features + bias. scores: of each view of each example by the head of all others."""

    weight: Float[np.ndarray, "classes D"]
    bias: Float[np.ndarray, "classes"]
    scores: Float[np.ndarray, "N views classes"]

    @torch.no_grad()
    def copy_to(self, layer: nn.Linear) -> None:
        """Make a layer of the same size this head."""
        layer.weight.copy_(torch.from_numpy(self.weight))
        layer.bias.copy_(torch.from_numpy(self.bias))


def fit_head(
    vectors: Float[np.ndarray, "N views D"],
    labels: Int[np.ndarray, "N"],
    classes: int,
    mirrored: Int[np.ndarray, "classes"] | None = None,
    groups: Shaped[np.ndarray, "N"] | None = None,
) -> LinearHead:
    """A ridge regression to the classes; every class counts as much as any other.

    mirrored: the classes of the second half of the views, which are seen in the mirror; None: the same. Scores are then
    those of the first half. groups: clips that are left out together, such as a person's; None: each alone.
    """
    clips, views, _ = vectors.shape
    of_views = labels.repeat(views).reshape(clips, views)
    asked = views
    if mirrored is not None:
        asked = views // 2
        of_views[:, asked:] = mirrored[of_views[:, asked:]]
    rows = vectors.reshape(clips * views, -1)
    centre, spread = rows.mean(0), np.sqrt(rows.var(0).sum())  # in all directions the same: small ones are noise
    spread = spread if spread > ALIKE * np.abs(rows).max() else 1.0
    x = np.concatenate([(rows - centre) / spread, np.ones((len(rows), 1))], axis=1)
    weight = 1 / np.bincount(of_views.ravel(), minlength=classes)[of_views.ravel()]
    root = np.sqrt(weight / weight.mean())[:, None]
    target = root * (np.eye(classes)[of_views.ravel()] - 1 / classes)
    x *= root
    directions, squares = _directions(x)
    best = None
    together = np.arange(clips) if groups is None else groups
    checked = have_others(labels, together)
    strengths, sharpnesses = (STRENGTHS, SHARPNESS) if checked.any() else np.array(UNCHECKED)[:, None]
    for strength in strengths * len(x):
        left_out = _left_out(directions, squares, target, strength, together.repeat(views))
        scores = (left_out / root).reshape(clips, views, -1)[:, :asked]
        loss, sharpness = min((_loss(scores * sharpness, labels, checked), sharpness) for sharpness in sharpnesses)
        if best is None or loss < best[0]:
            best = loss, strength, sharpness, scores * sharpness
    assert best is not None
    _, strength, sharpness, scores = best
    coefficients = sharpness * x.T @ (directions @ ((directions.T @ target) / (squares + strength)[:, None]))
    linear = coefficients[:-1] / spread
    return LinearHead(linear.T, coefficients[-1] - centre @ linear, scores)


def _directions(x: Float[np.ndarray, "R E"]) -> tuple[Float[np.ndarray, "R S"], Float[np.ndarray, "S"]]:
    """x x' = U diag(squares) U', by the smaller of its two sides: vectors may have many more numbers than clips."""
    if x.shape[0] > x.shape[1]:  # in a third of the time that a singular value decomposition takes
        squares, sides = np.linalg.eigh(x.T @ x)
        kept = squares > LEAST * squares[-1]
        return x @ sides[:, kept] / np.sqrt(squares[kept]), squares[kept]
    squares, directions = np.linalg.eigh(x @ x.T)
    return directions, np.maximum(squares, 0)


def _left_out(
    directions: Float[np.ndarray, "R S"],
    squares: Float[np.ndarray, "S"],
    target: Float[np.ndarray, "R classes"],
    strength: float,
    groups: Shaped[np.ndarray, "R"],
) -> Float[np.ndarray, "R classes"]:
    """What each row is given by the ridge regression of all rows but those of its group.

    With H = x (x'x + strength)^-1 x' that is target - (1 - H_gg)^-1 (target - H target)_g for the rows g of a group.
    """
    shares = squares / (squares + strength)
    residual = target - directions @ (shares[:, None] * (directions.T @ target))
    found = target.copy()
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(groups[order][1:] != groups[order][:-1]) + 1):
        inside = directions[rows] * shares @ directions[rows].T
        found[rows] -= np.linalg.solve(np.eye(len(rows)) * (1 + 1e-9) - inside, residual[rows])
    return found


def log_probabilities(scores: Float[np.ndarray, "N views classes"]) -> Float[np.ndarray, "N classes"]:
    """The logarithm of the mean of the views' probabilities, as a network answers."""
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.log(np.maximum((shares / shares.sum(-1, keepdims=True)).mean(1), 1e-12))


def have_others(labels: Int[np.ndarray, "N"], groups: Shaped[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """The clips whose class has others outside of their group: what is said of them without the group can be right."""
    _, group = np.unique(groups, return_inverse=True)
    count = np.zeros((labels.max() + 1, group.max() + 1), int)
    np.add.at(count, (labels, group), 1)
    return count[labels].sum(1) > count[labels, group]


def groups_of(names: Iterable[object], labels: Int[np.ndarray, "N"]) -> Int[np.ndarray, "N"] | None:
    """A number for each name, such as a subject's; None where a name is missing, or no class has clips of two names."""
    texts = ["" if name is None else str(name) for name in names]
    _, groups = np.unique(texts, return_inverse=True)
    return groups if "" not in texts and have_others(labels, groups).any() else None


def _loss(
    scores: Float[np.ndarray, "N views classes"], labels: Int[np.ndarray, "N"], checked: Bool[np.ndarray, "N"]
) -> float:
    checked = checked if checked.any() else np.ones(len(labels), bool)
    likely, labels = log_probabilities(scores)[checked], labels[checked]
    of_truth = likely[np.arange(len(labels)), labels]
    return -float(((1 - SMOOTHING) * of_truth + SMOOTHING * likely.mean(1)).mean())
