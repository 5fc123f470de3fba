"""Clips as vectors: what a network knows of each before it names a class. Clips that look alike to it lie together."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from kinegraph.atomic import atomic_file
from kinegraph.inference.asking import batches
from kinegraph.inference.predictor import Predictor, predictor_of
from kinegraph.inference.untrained import encoder_for, is_any
from kinegraph.messages import spreadsheet_cell
from kinegraph.skeleton.clip import SkeletonClip

if TYPE_CHECKING:
    from torch import nn

    from kinegraph.models.weights import Weights

KINDS = (".npz", ".csv")


def embeddings(
    predictor: Predictor, clips: Iterable[SkeletonClip], batch_size: int = 32
) -> Iterator[Float[np.ndarray, "views D"]]:
    """The vectors of each clip's views, float32: means over people, time and joints of the last block's features.

    clips: that fit (`Predictor.fit`) and may be read while vectors are taken. Raises ValueError for a network of
    another kind, whose features are not known.
    """
    predictor = predictor.ready()
    for batch in batches(clips, min(batch_size, predictor.preprocessing.largest_batch)):
        yield from predictor.describe(batch)


def embed(
    model: "nn.Module | Weights | str | Path", clips: Iterable[SkeletonClip], *, map_layout: bool = False
) -> Float[np.ndarray, "N D"]:
    """A vector for each clip, the mean of its views: what a network knows of it before it names a class.

    model: "any", for the joints of the first clip, or a trained network as `kinegraph.predict` takes it.
    map_layout: take the joints by name from clips that have others too.
    Raises ValueError where clips do not fit the network.
    """
    if is_any(model):
        clips = list(clips)
        model = encoder_for(clips, [None] * len(clips))
    predictor = predictor_of(model, map_layout=map_layout)
    return np.stack([views.mean(0) for views in embeddings(predictor, map(predictor.fit, clips))])


def write_embeddings(
    path: Path, vectors: Float[np.ndarray, "N D"], names: Sequence[str], truths: Sequence[str | None]
) -> None:
    """Write vectors with the clips' names and, where they are known, classes; completely or not at all.

    A .npz holds the arrays vectors, names and classes ("" where not known), a .csv a row a clip.
    """
    with atomic_file(path) as unfinished:
        if path.suffix == ".npz":
            with unfinished.open("wb") as file:
                np.savez(file, vectors=vectors, names=np.array(names), classes=np.array([it or "" for it in truths]))
            return
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["clip", "class", *(f"v{i}" for i in range(vectors.shape[1]))])
            for name, truth, row in zip(names, truths, vectors, strict=True):
                table.writerow([spreadsheet_cell(name), spreadsheet_cell(truth), *(f"{value:.7g}" for value in row)])
