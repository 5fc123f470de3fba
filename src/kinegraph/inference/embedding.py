"""Clips as vectors: what a network knows of each before it names a class. Clips that look alike to it lie together."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinegraph.atomic import atomic_file
from kinegraph.data.auto import mirror_forbidden, placed
from kinegraph.data.conditions import conditions_of
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.data.windows import windows
from kinegraph.inference.predictor import Predictor, predictor_of
from kinegraph.inference.trained_network import batches
from kinegraph.messages import spreadsheet_cell
from kinegraph.models.fixedfeatures import FixedFeatures
from kinegraph.models.posestatistics import PoseStatistics
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency

if TYPE_CHECKING:
    from torch import nn

    from kinegraph.models.weights import Weights


KINDS = (".npz", ".csv")
ANY = "any"
FRAMES = 64  # a clip; parts of an eighth have eight
LOOKED_AT = 300  # clips that the network of `enroll` looks at
STREAMS = ("joint", "bone")


def embeddings(
    predictor: Predictor, clips: Iterable[SkeletonClip], batch_size: int = 32
) -> Iterator[Float[np.ndarray, "views D"]]:
    """The vectors of each clip's views, float32: means over people, time and joints of the last block's features.

    Of a network of frames the mean over all windows of a recording.
    clips: that fit (`Predictor.fit`) and may be read while vectors are taken. Raises ValueError for a network of
    another kind, whose features are not known.
    """
    predictor, size = predictor.ready(), min(batch_size, predictor.preprocessing.largest_batch)
    if predictor.of_frames:
        for clip in clips:
            seen = batches(windows(clip, predictor.preprocessing.frames), size)
            yield np.concatenate([predictor.describe(batch) for batch in seen]).mean(axis=0)
        return
    for batch in batches(clips, size):
        yield from predictor.describe(batch)


def embed(
    model: "nn.Module | Weights | str | Path", clips: Iterable[SkeletonClip], *, map_layout: bool = False
) -> Float[np.ndarray, "N D"]:
    """A vector for each clip, the mean of its views: what a network knows of it before it names a class.

    model: "any", for the joints of the first clip, or a trained network as `kinegraph.predict` takes it.
    map_layout: take the joints by name from clips that have others too.
    Raises ValueError where clips do not fit the network, and where there are none.
    """
    clips = each_clip(clips)
    if is_any(model):
        clips = list(clips)
        model = encoder_for(clips, [None] * len(clips))
    predictor = predictor_of(model, map_layout=map_layout)
    vectors = [views.mean(0) for views in embeddings(predictor, map(predictor.fit, clips))]
    if not vectors:
        raise ValueError("there are no clips")
    return np.stack(vectors)


def each_clip(clips: Iterable[SkeletonClip]) -> Iterator[SkeletonClip]:
    """The clips one after another. Raises ValueError for anything else."""
    if isinstance(clips, SkeletonClip | str | Path):
        hint = "[clip]" if isinstance(clips, SkeletonClip) else "kg.read(path)"
        raise ValueError(f"clips are a {type(clips).__name__}, expected several: give {hint}")
    for number, clip in enumerate(clips):
        if not isinstance(clip, SkeletonClip):
            raise ValueError(
                f"clip {number} is a {type(clip).__name__}, expected a SkeletonClip, as kg.read gives them"
            )
        yield clip


def write_embeddings(
    path: Path, vectors: Float[np.ndarray, "N D"], names: Sequence[str], truths: Sequence[str | None]
) -> None:
    """Write vectors with the clips' names and, where they are known, classes; completely or not at all.

    A .npz holds the arrays vectors, names and classes ("" where not known), a .csv has one row per clip.
    """
    with atomic_file(path) as unfinished:
        if path.suffix == ".npz":
            with unfinished.open("wb") as file:
                np.savez(
                    file, vectors=vectors, names=np.array(names), classes=np.array([truth or "" for truth in truths])
                )
            return
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["clip", "class", *(f"v{i}" for i in range(vectors.shape[1]))])
            for name, truth, row in zip(names, truths, vectors, strict=True):
                table.writerow([spreadsheet_cell(name), spreadsheet_cell(truth), *(f"{value:.7g}" for value in row)])


# ---- the encoder "any": it is made for the joints of the clips at hand, and needs no training ------------------------


def is_any(model: object) -> bool:
    """Whether this is the name of the encoder, and no file of the user's."""
    return isinstance(model, str | Path) and str(model) == ANY and not Path(model).exists()


def encoder_for(clips: Sequence[SkeletonClip], classes: Sequence[str | None], *, examples: bool = False) -> Weights:
    """An encoder of the joints and coordinates of the first clip; its head answers nothing yet.

    How bodies are placed, and whether clips may be seen in the mirror, follows from the clips and the names of their
    classes. examples: a head will be fitted to these clips: the network is `FixedFeatures`, which fits itself to them
    and is more accurate. Otherwise it is `PoseStatistics`, whose vectors of different calls can be compared.
    Raises ValueError where there is no clip.
    """
    if not clips:
        raise ValueError("there are no clips; the encoder 'any' is made for the joints of the clips")
    first = clips[0]
    layout, dimensions = first.layout, first.keypoint.shape[3]
    fits = [clip.layout.joints == layout.joints and clip.keypoint.shape[3] == dimensions for clip in clips]
    alike = list(compress(clips, fits))  # the others are refused, or mapped, when the encoder sees them
    steps = Preprocessing(
        people=max(clip.people for clip in alike), streams=STREAMS, sampling="resample", frames=FRAMES
    )
    steps, _ = placed(steps, alike, layout, dimensions)
    names = tuple(dict.fromkeys(map(str, classes)))
    labels = np.array([names.index(str(name)) for name in compress(classes, fits)])
    forbidden = mirror_forbidden(alike, labels, names, layout, np.arange(len(alike)), steps)
    steps = Preprocessing.from_dict(steps.to_dict() | {"test_mirror": not forbidden})
    given = adjacency(layout, "uniform"), len(STREAMS) * dimensions, len(names)
    if examples:
        network = FixedFeatures(*given).eval()
        network.see(torch.cat(list(_bodies(alike, steps))))
    else:
        network = PoseStatistics(*given).eval()
    extra = {"training": {"recorded": conditions_of(alike).to_dict(), "coordinates": list("xyz"[:dimensions])}}
    return Weights(network, layout, names, steps.to_dict(), extra)


def _bodies(clips: Sequence[SkeletonClip], steps: Preprocessing) -> Iterator[Float[Tensor, "B T V C"]]:
    """The people of some of the clips, as the network sees them."""
    for place in np.unique(np.linspace(0, len(clips) - 1, LOOKED_AT).astype(int)):
        clip = clips[place]
        yield torch.from_numpy(prepare_clip(clip, steps)[0, : max(clip.people, 1)])
