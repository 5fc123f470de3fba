"""A recorded clip: what every reader yields and every transform starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from kinegraph.messages import quoted
from kinegraph.notebook import in_notebook
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.skeleton.segment import Segment

MIDPOINTS = {  # in the order in which they can be computed
    "pelvis": ("left_hip", "right_hip"),
    "neck": ("left_shoulder", "right_shoulder"),
    "spine": ("pelvis", "neck"),
}


class ClipError(ValueError):
    """Arrays that do not make a clip. kind: "joints", "axes", "swapped_axes" or "score"."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, eq=False)
class SkeletonClip:
    """Some people's joints over the frames of one recording, in the recording's own coordinates.

    keypoint: C = 2 (pixels) or 3 (metres, camera or world frame); the dataset says which. A joint that was not seen
        is all zero; a person who is absent for a while has frames of zeros. Any array or tensor of numbers will do, and
        (T, V, C) for one person.
    layout: also its name or YAML file.
    name: no two clips of a dataset have the same. label: number of the class, from 0, in the dataset's class names.
    score: detector confidence in [0, 1], where the source has one. fps: frames per second, where it is known.
    image_size: (width, height) in pixels, for 2D keypoints.
    attributes: what the source knows about the clip (subject, camera, setup ...).
    splits: which part of each published split the clip belongs to, e.g. {"xsub": "train", "xview": "val"}.
    segments: of a long recording, what is done from when to when; None for a clip of one action, which has a label.
    Raises ValueError when keypoint, score and layout do not fit each other, or are of other kinds.
    """

    keypoint: Float[np.ndarray, "M T V C"]
    layout: JointLayout
    name: str = ""
    label: int | None = None
    score: Float[np.ndarray, "M T V"] | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[Segment, ...] | None = None

    if TYPE_CHECKING:  # what may be given is more than what is kept

        def __init__(
            self,
            keypoint: Any,
            layout: JointLayout | str | Path,
            name: str = "",
            label: int | None = None,
            score: Any = None,
            fps: float | None = None,
            image_size: tuple[int, int] | None = None,
            attributes: Mapping[str, int | str] = ...,
            splits: Mapping[str, str] = ...,
            segments: tuple[Segment, ...] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        _make_arrays(self)
        shape = self.keypoint.shape
        if len(shape) != 4 or shape[3] not in (2, 3):
            swapped = len(shape) == 4 and len(self.layout) in shape and {2, 3} & {*shape}
            hint = "; its axes seem to be in another order" if swapped else ""
            message = f"clip '{self.name}': keypoint has shape {shape}, expected (people, frames, joints, 2 or 3){hint}"
            raise ClipError("swapped_axes" if swapped else "axes", message)
        if shape[2] != len(self.layout):
            raise ClipError(
                "joints",
                f"clip '{self.name}' has {shape[2]} joints, layout '{self.layout.name}' has {len(self.layout)}",
            )
        if self.score is not None and self.score.shape != shape[:3]:
            raise ClipError("score", f"clip '{self.name}': score has shape {self.score.shape}, expected {shape[:3]}")

    def __repr__(self) -> str:
        rate = f" at {self.fps:g} a second" if self.fps else ""
        people = "1 person" if self.people == 1 else f"{self.people} people"
        about = f"{people}, {self.frames} frames{rate}, {self.layout.name}, {self.keypoint.shape[3]}D"
        label = "" if self.label is None else f", label {self.label}"
        return f"SkeletonClip({self.name!r}: {about}{label})"

    def _repr_html_(self) -> str:
        return in_notebook(self)

    @property
    def table(self) -> dict[str, list[Any]]:
        """A row for each joint of each person in each frame, as columns: `pandas.DataFrame(clip.table)`.

        `kinegraph.read` takes such a table. Joints that were not seen are left out.
        """
        rows = np.argwhere(self.keypoint.any(axis=-1))
        person, frame, joint = rows.T
        names = np.array(self.layout.joints)
        columns: dict[str, list[Any]] = {"clip": [self.name or "clip"] * len(rows), "frame": frame.tolist()}
        columns |= {"person": person.tolist(), "joint": names[joint].tolist()}
        places = (person, frame, joint)
        axes = "xyz"[: self.keypoint.shape[3]]
        columns |= {axis: self.keypoint[..., i][places].tolist() for i, axis in enumerate(axes)}
        return columns | ({} if self.score is None else {"score": self.score[places].tolist()})

    @property
    def names_of_people(self) -> list[str]:
        """The name of each person as the source has it (its attribute `individuals`), or empty texts."""
        names = [name.strip() for name in str(self.attributes.get("individuals", "")).split(",")]
        return names if len(names) == self.people and all(names) else [""] * self.people

    @property
    def people(self) -> int:
        """M, also counting people who are never seen."""
        return self.keypoint.shape[0]

    @property
    def frames(self) -> int:
        """T, of the recording at its own frame rate."""
        return self.keypoint.shape[1]


def _make_arrays(clip: SkeletonClip) -> None:
    """Make arrays and a layout of what was given. Raises ValueError where that is impossible."""
    if isinstance(clip.layout, str | Path):
        object.__setattr__(clip, "layout", load_layout(clip.layout))
    if not isinstance(clip.layout, JointLayout):
        raise ValueError(f"clip '{clip.name}': layout is {quoted(clip.layout)}, expected a JointLayout or its name")
    for name, axes in (("keypoint", 4), ("score", 3)):
        values = getattr(clip, name)
        if values is None and name == "score":
            continue
        masked = isinstance(values, np.ma.MaskedArray)
        if not isinstance(values, np.ndarray) or masked or values.dtype.kind not in "fiu":
            values = _array(values, clip.name, name)
        object.__setattr__(clip, name, values[None] if values.ndim == axes - 1 else values)


def _array(values: Any, clip: str, name: str) -> np.ndarray:
    try:
        return as_numbers(values)
    except (TypeError, ValueError) as error:
        where = "; kg.read(path) gives the clips of a file" if isinstance(values, str | Path) else ""
        masked = "; " + str(error) if isinstance(values, np.ma.MaskedArray) else ""
        found = f"{type(values).__name__}{f' of {values.dtype}' if isinstance(values, np.ndarray) else ''}"
        raise ValueError(f"clip '{clip}': {name} is a {found}, expected an array of numbers{where}{masked}") from None


def as_numbers(values: Any) -> Float[np.ndarray, "..."]:
    """An array or tensor, wherever it lies, or lists, as float32. Raises TypeError or ValueError for anything else."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values  # numpy has no bfloat16
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError("a joint that was not seen is all zero: give values.filled(0)")
    if values is None or np.iscomplexobj(values):  # numpy would make NaN of the one, and halve the other
        raise TypeError
    return np.asarray(values, np.float32)


# ---- joints that nobody records because they are midpoints of others: those of the layout coco20 ---------------------


def can_add_midpoints(recorded: Sequence[str], wanted: JointLayout) -> bool:
    """Whether a layout has the recorded joints and, behind them, midpoints alone."""
    more = wanted.joints[len(recorded) :]
    return tuple(recorded) == wanted.joints[: len(recorded)] and set(more) == set(MIDPOINTS)


def with_midpoints(values: Float[np.ndarray, "M T v *rest"], wanted: JointLayout) -> Float[np.ndarray, "M T V *rest"]:
    """Coordinates or scores of recorded joints and of their midpoints: the mean of two, also where one is unseen.

    The values are returned unchanged where the layout lacks other joints than midpoints.
    """
    if not can_add_midpoints(wanted.joints[: values.shape[2]], wanted):
        return values
    place = {name: number for number, name in enumerate(wanted.joints)}
    more = len(wanted) - values.shape[2]
    made = np.concatenate([values, np.zeros_like(values[:, :, :more])], axis=2)
    for name, ends in MIDPOINTS.items():
        made[:, :, place[name]] = made[:, :, [place[end] for end in ends]].mean(2)
    return made


def clip_with_midpoints(clip: SkeletonClip, wanted: JointLayout) -> SkeletonClip:
    """The clip in a layout that has more joints than it, see `can_add_midpoints`."""
    score = None if clip.score is None else with_midpoints(clip.score, wanted)
    return replace(clip, keypoint=with_midpoints(clip.keypoint, wanted), score=score, layout=wanted)
