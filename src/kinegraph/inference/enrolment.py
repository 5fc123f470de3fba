"""New classes from a few examples each, without training: a new head on the features of a trained network.

The head is a ridge regression from features to classes, as in Extreme Learning Machines. How strongly it is held back,
and how sure its answers are, follows from the examples themselves: each is answered by the head of all others, which
needs no second fit (leave-one-out in closed form).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from kinegraph.data.augment import mirrored_classes
from kinegraph.evaluation.calibration import least_probability
from kinegraph.inference.embedding import each_clip, embeddings, encoder_for, is_any
from kinegraph.inference.predictor import predictor_of, weights_of
from kinegraph.messages import counted, quoted
from kinegraph.models.network import last_layer, with_classes
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip

STRENGTHS = 10.0 ** np.arange(-5, 2)  # of the ridge, times the number of examples
SMOOTHING = 0.05  # of the truth, when sharpness is chosen: few examples do not prove that answers are certain
SHARPNESS = 2.0 ** np.arange(0, 7.5, 0.5)
UNCHECKED = 0.01, 8.0  # strength and sharpness where no class has two examples


@dataclass(frozen=True)
class Enrolled:
    """What became of the examples. right: share that the head of all others answers right; None where no class has two.

    least: probability below which an answer is rather none of the classes; 0 where no class has two examples.
    """

    weights: Weights
    right: float | None
    least: float


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = weight @ features + bias. scores: of each view of each example by the head of all other examples."""

    weight: Float[np.ndarray, "classes D"]
    bias: Float[np.ndarray, "classes"]
    scores: Float[np.ndarray, "N views classes"]


def enroll(
    model: nn.Module | Weights | str | Path,
    clips: Iterable[SkeletonClip],
    classes: Iterable[str],
    *,
    map_layout: bool = False,
) -> nn.Module:
    """A network with new classes, from a few examples of each, in seconds: `kinegraph.predict` takes it.

    model: "any", which takes clips of every layout, or a trained network as `kinegraph.predict` takes it, which stays
    as it is. clips: the examples, classes: the name of each one's.
    map_layout: take the joints by name from clips that have others too. What `load_model` gives comes back: its
    `weights` are for `save_weights`.
    Raises ValueError for one class alone, for clips that do not fit the network, and without a class for each.
    """
    clips, classes = list(each_clip(clips)), list(classes)
    if not clips or len(clips) != len(classes):
        raise ValueError(
            f"{counted(len(clips), 'clip')} and {len(classes)} names of classes, expected one for each clip"
        )
    if wrong := [name for name in classes if not isinstance(name, str)]:
        raise ValueError(f"a class is named {quoted(wrong[0])}, expected a text")
    classes = list(map(str, classes))  # numpy's texts too
    known = encoder_for(clips, classes) if is_any(model) else weights_of(model)
    predictor = predictor_of(known, map_layout=map_layout)
    names = tuple(dict.fromkeys(classes))
    vectors = np.stack(list(embeddings(predictor, map(predictor.fit, clips))))
    labels = np.array([names.index(name) for name in classes])
    weights = enrolled(known, vectors, labels, names, [clip.frames for clip in clips]).weights
    weights.model.weights = weights  # pyright: ignore[reportArgumentType]  as load_model does
    return weights.model


def enrolled(
    known: Weights,
    vectors: Float[np.ndarray, "N views D"],
    labels: Int[np.ndarray, "N"],
    class_names: tuple[str, ...],
    frames: Sequence[int],
) -> Enrolled:
    """The network of `known` with a head for new classes.

    vectors: of all views of the examples by this network, see `embeddings`. labels: their classes, by number.
    frames: their lengths, from which the window of a stream follows. Where classes are mirror images by name, examples
    in the mirror are of the other class, and the network looks at no mirror images.
    Raises ValueError for fewer than two classes, and a network whose last layer is not known.
    """
    last_layer(known.model)
    if len(class_names) < 2:
        raise ValueError(f"there is one class, {class_names[0]}: an answer needs something to choose from; give two")
    steps, mirrored = known.preprocessing, mirrored_classes(class_names)
    if not steps["test_mirror"] or (mirrored == np.arange(len(mirrored))).all():
        mirrored = None
    head = fit_head(vectors.astype(np.float64), labels, len(class_names), mirrored)
    steps = steps | ({} if mirrored is None else {"test_mirror": False})
    likely = log_probabilities(head.scores)
    checked = _with_others(labels)
    right = float((likely.argmax(1) == labels)[checked].mean()) if checked.any() else None
    least = least_probability(likely[checked], labels[checked]) if checked.any() else 0.0
    network = with_classes(known.model, len(class_names))
    with torch.no_grad():
        last_layer(network).weight.copy_(torch.from_numpy(head.weight))
        last_layer(network).bias.copy_(torch.from_numpy(head.bias))
    training = known.extra.get("training", {})
    lengths = [int(n) for n in np.percentile(frames, (0, 50, 100))]
    kept = {key: training[key] for key in ("recorded", "units", "coordinates") if key in training}
    extra: dict[str, Any] = {"training": kept | {"frames": lengths}}
    extra |= {"least_probability": round(least, 4)} if least else {}
    return Enrolled(Weights(network, known.layout, class_names, steps, extra), right, least)


def fit_head(
    vectors: Float[np.ndarray, "N views D"],
    labels: Int[np.ndarray, "N"],
    classes: int,
    mirrored: Int[np.ndarray, "classes"] | None = None,
) -> LinearHead:
    """A ridge regression to the classes; every class counts as much as any other.

    mirrored: the classes of the second half of the views, which are seen in the mirror; None: the same. Scores are then
    those of the first half.
    """
    clips, views, _ = vectors.shape
    of_views = labels.repeat(views).reshape(clips, views)
    asked = views
    if mirrored is not None:
        asked = views // 2
        of_views[:, asked:] = mirrored[of_views[:, asked:]]
    rows = vectors.reshape(clips * views, -1)
    centre, spread = rows.mean(0), np.sqrt(rows.var(0).sum()) or 1.0  # in all directions the same: small ones are noise
    x = np.concatenate([(rows - centre) / spread, np.ones((len(rows), 1))], axis=1)
    weight = 1 / np.bincount(of_views.ravel(), minlength=classes)[of_views.ravel()]
    root = np.sqrt(weight / weight.mean())[:, None]
    target = root * (np.eye(classes)[of_views.ravel()] - 1 / classes)
    x *= root
    directions, squares = _directions(x)
    best = None
    strengths, sharpnesses = (STRENGTHS, SHARPNESS) if _with_others(labels).any() else np.array(UNCHECKED)[:, None]
    for strength in strengths * len(x):
        left_out = _left_out(directions, squares, target, strength, views)
        scores = (left_out / root).reshape(clips, views, -1)[:, :asked]
        loss, sharpness = min((_loss(scores * it, labels), it) for it in sharpnesses)
        if best is None or loss < best[0]:
            best = loss, strength, sharpness, scores * sharpness
    assert best is not None
    _, strength, sharpness, scores = best
    coefficients = sharpness * x.T @ (directions @ ((directions.T @ target) / (squares + strength)[:, None]))
    linear = coefficients[:-1] / spread
    return LinearHead(linear.T, coefficients[-1] - centre @ linear, scores)


def _directions(x: Float[np.ndarray, "R E"]) -> tuple[Float[np.ndarray, "R S"], Float[np.ndarray, "S"]]:
    """x x' = U diag(squares) U', by the smaller of its two sides: vectors may have many more numbers than clips."""
    if x.shape[0] > x.shape[1]:
        directions, sizes, _ = np.linalg.svd(x, full_matrices=False)
        return directions, sizes**2
    squares, directions = np.linalg.eigh(x @ x.T)
    return directions, np.maximum(squares, 0)


def _left_out(
    directions: Float[np.ndarray, "R S"],
    squares: Float[np.ndarray, "S"],
    target: Float[np.ndarray, "R classes"],
    strength: float,
    views: int,
) -> Float[np.ndarray, "R classes"]:
    """What each row is given by the ridge regression of all rows but those of its clip.

    With H = x (x'x + strength)^-1 x' that is target - (1 - H_cc)^-1 (target - H target)_c for the rows c of a clip.
    """
    shares = squares / (squares + strength)
    residual = (target - directions @ (shares[:, None] * (directions.T @ target))).reshape(-1, views, target.shape[1])
    of_clips = directions.reshape(-1, views, len(squares))
    inside = np.einsum("cve,e,cwe->cvw", of_clips, shares, of_clips, optimize=True)
    return target - np.linalg.solve(np.eye(views) * (1 + 1e-9) - inside, residual).reshape(target.shape)


def log_probabilities(scores: Float[np.ndarray, "N views classes"]) -> Float[np.ndarray, "N classes"]:
    """The logarithm of the mean of the views' probabilities, as a network answers."""
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return np.log(np.maximum((shares / shares.sum(-1, keepdims=True)).mean(1), 1e-12))


def _with_others(labels: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """The examples whose class has others: what is said of them without them can be right."""
    return np.bincount(labels)[labels] > 1


def _loss(scores: Float[np.ndarray, "N views classes"], labels: Int[np.ndarray, "N"]) -> float:
    checked = _with_others(labels) if _with_others(labels).any() else np.ones(len(labels), bool)
    likely, labels = log_probabilities(scores)[checked], labels[checked]
    of_truth = likely[np.arange(len(labels)), labels]
    return -float(((1 - SMOOTHING) * of_truth + SMOOTHING * likely.mean(1)).mean())
