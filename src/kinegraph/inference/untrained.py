"""The encoder "any": it is made for the joints of the clips at hand, and needs no training, see `PoseStatistics`."""

from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from kinegraph.data.auto import mirror_forbidden, placed
from kinegraph.data.conditions import conditions_of
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.posestatistics import PoseStatistics
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency

NAME = "any"
FRAMES = 64  # a clip; parts of an eighth have eight
STREAMS = ("joint", "bone")


def is_any(model: object) -> bool:
    """Whether this is the name of the encoder, and no file of the user's."""
    return isinstance(model, str | Path) and str(model) == NAME and not Path(model).exists()


def encoder_for(clips: Sequence[SkeletonClip], classes: Sequence[str | None]) -> Weights:
    """An encoder of the joints and coordinates of the first clip; its head answers nothing yet.

    How bodies are placed, and whether clips may be seen in the mirror, follows from the clips and the names of their
    classes. Raises ValueError where there is no clip.
    """
    if not clips:
        raise ValueError("there are no clips; the encoder 'any' is made for the joints of the clips")
    first = clips[0]
    layout, dimensions = first.layout, first.keypoint.shape[3]
    fits = [it.layout.joints == layout.joints and it.keypoint.shape[3] == dimensions for it in clips]
    alike = list(compress(clips, fits))  # the others are refused, or mapped, when the encoder sees them
    steps = Preprocessing(people=max(it.people for it in alike), streams=STREAMS, sampling="resample", frames=FRAMES)
    steps, _ = placed(steps, alike, layout, dimensions)
    names = tuple(dict.fromkeys(map(str, classes)))
    labels = np.array([names.index(str(name)) for name in compress(classes, fits)])
    forbidden = mirror_forbidden(alike, labels, names, layout, np.arange(len(alike)), steps)
    steps = Preprocessing.from_dict(steps.to_dict() | {"test_mirror": not forbidden})
    network = PoseStatistics(adjacency(layout, "uniform"), len(STREAMS) * dimensions, len(names)).eval()
    extra = {"training": {"recorded": conditions_of(alike).to_dict(), "coordinates": list("xyz"[:dimensions])}}
    return Weights(network, layout, names, steps.to_dict(), extra)
