"""`kinegraph.predict`: the action of one clip. Importing this module does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from kinegraph.messages import quoted
from kinegraph.notebook import in_notebook
from kinegraph.skeleton.clip import SkeletonClip, as_numbers
from kinegraph.skeleton.layout import JointLayout

if TYPE_CHECKING:
    from torch import nn

    from kinegraph.data.preprocessing import Preprocessing
    from kinegraph.inference.exported import Exported
    from kinegraph.models.weights import Weights


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says: a probability for each class, 0 to 1, all together 1.

    least: probability below which it is rather none of the classes, where the weights say it (`kinegraph enroll`).
    """

    class_names: tuple[str, ...]
    probabilities: Float[np.ndarray, "classes"]
    least: float = 0.0

    @property
    def label(self) -> int:
        """Number of the likeliest class; of equals, the first."""
        return int(np.argmax(self.probabilities))

    @property
    def class_name(self) -> str:
        """Of the likeliest class."""
        return self.class_names[self.label]

    @property
    def probability(self) -> float:
        """Of the likeliest class."""
        return float(self.probabilities[self.label])

    @property
    def known(self) -> bool:
        """False where the likeliest class is so unlikely that the clip is rather none of the classes."""
        return self.probability >= self.least

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, likeliest first.

        Fewer where the others have none: a stretch of a frame of several classes is of one, nothing is said of others.
        """
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.class_names[i], float(self.probabilities[i])) for i in best if self.probabilities[i] > 0]

    def __repr__(self) -> str:
        return f"Prediction({self})"

    def _repr_html_(self) -> str:
        return in_notebook(self)

    def __str__(self) -> str:
        return ", ".join(f"{name} {probability:.1%}" for name, probability in self.top(3))


def predict(
    model: "nn.Module | Weights | Exported | str | PathLike[str]",
    clip: SkeletonClip | Float[np.ndarray, "M T V C"] | Float[np.ndarray, "T V C"] | str | PathLike[str] | Any,
    *,
    score: Float[np.ndarray, "M T V"] | Float[np.ndarray, "T V"] | None = None,
    image_size: Sequence[int] | str | None = None,
    preprocessing: "Preprocessing | None" = None,
    map_layout: bool = False,
    compare: bool = True,
) -> Prediction:
    """Recognise the action of one clip: a probability for each class.

    Of the result, .class_name is the answer and .top() the likeliest few with their probabilities.

    model: from `load_model` or `load_weights`; a run; or the path or name of a weights file or of a file that `export`
        wrote, which is then read at each call. The network computes on the device where it is.
    clip: a clip, such as dataset[i], or the coordinates of one person (T, V, C) or several (M, T, V, C) with the joints
        in the network's order: metres (C = 3) or pixels (C = 2), as in the recordings that it was trained on; or a
        file or a table of pandas or polars with one clip, in a form that `kinegraph.read` takes.
    score: confidences of the joints, for coordinates. image_size: (width, height) in pixels or "1920x1080", where
        the network's preprocessing needs it and the clip does not have it.
    preprocessing: for weights without it, such as those that `kinegraph convert` made of a .pth.
    map_layout: take the joints by name from a clip that has others too, or has them in another order.
    compare: refuse a clip in other units or upside down, as far as the weights say how the recordings were made that
        the network was trained on; False takes every clip as it is.
    The clip is prepared as in training; give it as it was recorded, at the frame rate of those recordings.
    Raises ValueError when clip and network do not fit each other, or the network's classes and joints are not known.
    """
    from kinegraph.inference.inputs import differences
    from kinegraph.inference.trained_network import asked_of, probabilities

    predictor = asked_of(model, preprocessing, map_layout=map_layout)
    if isinstance(clip, str | PathLike) or hasattr(clip, "columns") or hasattr(clip, "collect_schema"):
        clip = _only_clip(clip, image_size, predictor.layout)
    if not isinstance(clip, SkeletonClip):
        clip = clip_of(clip, predictor.layout, score)
    elif score is not None:
        raise ValueError("score is for plain coordinates; a SkeletonClip holds its own")
    clip = predictor.fit(clip if image_size is None else replace(clip, image_size=size_of(image_size)))
    if getattr(predictor, "of_frames", False) and clip.frames > predictor.preprocessing.frames:
        raise ValueError(
            f"the clip has {clip.frames:,} frames, and these weights answer for every frame of windows of "
            f"{predictor.preprocessing.frames}: `kinegraph predict WEIGHTS FILE` says what is done when"
        )
    if compare and (wrong := differences(predictor, [clip]).wrong):
        raise ValueError(f"{'; '.join(wrong)} (compare=False takes the clip as it is)")
    return Prediction(predictor.class_names, next(probabilities(predictor, [clip])), predictor.least)


def _only_clip(source: object, image_size: Sequence[int] | str | None, layout: JointLayout) -> SkeletonClip:
    """The one clip of a file or of a table of pandas or polars. layout: of the network.

    Raises ValueError where there are several.
    """
    from kinegraph.data.read import read

    size = None if image_size is None else "{}x{}".format(*size_of(image_size))
    clips = list(islice(read(source, image_size=size, expected=layout), 3))
    where = fspath(source) if isinstance(source, str | PathLike) else "the table"
    if len(clips) != 1:
        names = f" ({', '.join(clip.name for clip in clips)}{(' ...' if len(clips) > 2 else '')})" if clips else ""
        raise ValueError(
            f"{where} holds {'several clips' if clips else 'no clip'}{names}, expected one; "
            "kg.read gives them one after another"
        )
    return clips[0]


def size_of(image_size: Sequence[int] | str) -> tuple[int, int]:
    """Width and height in pixels. Raises ValueError for anything else."""
    from kinegraph.data.reading.clips.clip_columns import image_size_of

    try:
        width, height = image_size_of(image_size) if isinstance(image_size, str) else map(int, image_size)
    except (TypeError, ValueError, OverflowError):
        width = height = 0
    if width < 1 or height < 1:
        raise ValueError(
            f"image_size is {quoted(image_size)}, expected (width, height) in pixels, such as (1920, 1080)"
        )
    return width, height


def clip_of(keypoint: Any, layout: JointLayout, score: Any) -> SkeletonClip:
    """A clip of arrays, tensors or lists. Raises ValueError when they are not of the layout's joints.

    keypoint: (M, T, V, C), or (T, V, C) of one person. score: likewise (M, T, V) or (T, V).
    """
    keypoint = _numbers(keypoint)
    if keypoint.ndim == 5:
        raise ValueError(
            f"the coordinates have shape {keypoint.shape}, several clips: kg.predict takes one at a time (people, "
            "frames, joints, 2 or 3); prepared clips (clips, people, frames, joints, channels) are for model(x)"
        )
    if keypoint.ndim not in (3, 4) or 0 in keypoint.shape:
        raise ValueError(f"the coordinates have shape {keypoint.shape}, expected (people, frames, joints, 2 or 3)")
    if keypoint.shape[-2] != len(layout):
        raise ValueError(
            f"the coordinates are of {keypoint.shape[-2]} joints, the network was trained on the {len(layout)} of "
            f"layout '{layout.name}'; of a layout with others too, give a SkeletonClip with it, and map_layout=True"
        )
    if score is not None:
        score = _numbers(score)
        score = score[None] if score.ndim == 2 else score
    return SkeletonClip(keypoint[None] if keypoint.ndim == 3 else keypoint, layout, score=score)


def _numbers(values: object) -> Float[np.ndarray, "..."]:
    try:
        return as_numbers(values)
    except (TypeError, ValueError):
        raise ValueError(
            f"a {type(values).__name__} is no clip: give one, such as open_dataset(FOLDER)[0], a file with one, or an "
            "array of coordinates"
        ) from None
