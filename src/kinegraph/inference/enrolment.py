"""New classes from a few examples each, without training: a new head on the features of a trained network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import nn

from kinegraph.data.augment import mirrored_classes
from kinegraph.evaluation.calibration import least_probability
from kinegraph.inference.embedding import each_clip, embeddings, encoder_for, is_any
from kinegraph.inference.predictor import predictor_of, weights_of
from kinegraph.messages import counted, quoted
from kinegraph.models.network import last_layer, with_classes
from kinegraph.models.ridge import fit_head, groups_of, have_others, log_probabilities
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip


@dataclass(frozen=True)
class Enrolled:
    """What became of the examples. right: share that the head of all others answers right; None where no class has two.

    by_person: "all others" are those of other people, because it is known whose each example is.
    least: probability below which an answer is rather none of the classes; 0 where no class has two examples.
    """

    weights: Weights
    right: float | None
    least: float
    by_person: bool


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
    known = encoder_for(clips, classes, examples=True) if is_any(model) else weights_of(model)
    predictor = predictor_of(known, map_layout=map_layout)
    names = tuple(dict.fromkeys(classes))
    vectors = np.stack(list(embeddings(predictor, map(predictor.fit, clips))))
    labels = np.array([names.index(name) for name in classes])
    frames, subjects = [clip.frames for clip in clips], [clip.attributes.get("subject") for clip in clips]
    weights = enrolled(known, vectors, labels, names, frames, subjects).weights
    weights.model.weights = weights  # pyright: ignore[reportArgumentType]  as load_model does
    return weights.model


def enrolled(
    known: Weights,
    vectors: Float[np.ndarray, "N views D"],
    labels: Int[np.ndarray, "N"],
    class_names: tuple[str, ...],
    frames: Sequence[int],
    subjects: Sequence[object] = (),
) -> Enrolled:
    """The network of `known` with a head for new classes.

    vectors: of all views of the examples by this network, see `embeddings`. labels: their classes, by number.
    frames: their lengths, from which the window of a stream follows. subjects: whose each is, where that is
    known: then the head is judged by people whom it does not know. Where classes are mirror images by name, examples
    in the mirror are of the other class, and the network looks at no mirror images.
    Raises ValueError for fewer than two classes, and a network whose last layer is not known.
    """
    last_layer(known.model)
    if len(class_names) < 2:
        raise ValueError(f"there is one class, {class_names[0]}: an answer needs something to choose from; give two")
    steps, mirrored = known.preprocessing, mirrored_classes(class_names)
    if not steps["test_mirror"] or (mirrored == np.arange(len(mirrored))).all():
        mirrored = None
    people = groups_of(subjects, labels) if subjects else None
    head = fit_head(vectors.astype(np.float64), labels, len(class_names), mirrored, people)
    steps = steps | ({} if mirrored is None else {"test_mirror": False})
    likely = log_probabilities(head.scores)
    checked = have_others(labels, np.arange(len(labels)) if people is None else people)
    right = float((likely.argmax(1) == labels)[checked].mean()) if checked.any() else None
    least = least_probability(likely[checked], labels[checked]) if checked.any() else 0.0
    network = with_classes(known.model, len(class_names))
    head.copy_to(last_layer(network))
    training = known.extra.get("training", {})
    lengths = [int(n) for n in np.percentile(frames, (0, 50, 100))]
    kept = {key: training[key] for key in ("recorded", "units", "coordinates") if key in training}
    extra: dict[str, Any] = {"training": kept | {"frames": lengths}}
    extra |= {"least_probability": least} if least else {}
    return Enrolled(Weights(network, known.layout, class_names, steps, extra), right, least, people is not None)
