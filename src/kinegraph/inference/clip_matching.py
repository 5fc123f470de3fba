"""Clips as a network wants them: its joints by name, scores only where it was trained with them, plausible values."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.dataset_write import LARGEST
from kinegraph.data.preprocessing import FIRST_FRAME, Preprocessing
from kinegraph.data.reading.clips.recordings import means_nobody
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip, can_add_midpoints, clip_with_midpoints
from kinegraph.skeleton.joint_names import body_joints, plain_joint, spine_of_xsens
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout


class Known(Protocol):
    """A network with known joints and classes: weights, or an exported network."""

    @property
    def layout(self) -> JointLayout: ...
    @property
    def class_names(self) -> Sequence[str]: ...


JOINTS_NAMED = 4
TURNED = ("ntu_published", *FIRST_FRAME, "facing")  # ways to normalise that need x, y and z


def fitted(
    clip: SkeletonClip,
    wanted: JointLayout,
    preprocessing: Preprocessing,
    channels: int,
    map_layout: bool = False,
    said: object = None,
    class_names: Sequence[str] = (),
) -> SkeletonClip:
    """The clip as the network wants it: its layout, and scores only where it was trained with them.

    wanted: the layout of the network. channels: of its input, all streams together. map_layout: also take joints by
    name from a layout with further joints; nothing is made up, so the layout must have all of them. said: see `kinds`.
    class_names: of the network; where one of them means that nobody is there ("empty"), a clip may show nobody.
    Raises ValueError with what the network wants, what the clip has, and what can be done.
    """
    clip = with_joints(clip, wanted, map_layout)
    clip = with_channels(clip, preprocessing, channels, said)
    if not np.isfinite(clip.keypoint).all() or (clip.score is not None and not np.isfinite(clip.score).all()):
        raise ValueError(f"{_called(clip)} holds values that are not finite; a joint that was not seen is all zero")
    if (largest := float(max(clip.keypoint.max(initial=0), -clip.keypoint.min(initial=0)))) > LARGEST:
        raise ValueError(f"{_called(clip)} has a coordinate of {largest:.3g}: no recording is that large")
    if not clip.keypoint.any() and not any(map(means_nobody, class_names)):
        raise ValueError(f"{_called(clip)} shows nobody: every joint in all of its {clip.frames} frames is zero")
    return clip


# ---- joints ----------------------------------------------------------------------------------------------------------


def with_joints(clip: SkeletonClip, wanted: JointLayout, map_layout: bool) -> SkeletonClip:
    """The clip with the joints and the layout of the network; the network knows the bones of this layout."""
    if clip.layout.joints == wanted.joints:
        return clip if clip.layout == wanted else replace(clip, layout=wanted)
    if can_add_midpoints(clip.layout.joints, wanted):
        return clip_with_midpoints(clip, wanted)
    order = joints_by_name(clip.layout.joints, wanted.joints)
    found = f"{_called(clip)} has {_joints_of(clip.layout)}, the network was trained on {_joints_of(wanted)}"
    if None in order:
        raise ValueError(f"{found}; {_what_can_be_done(clip.layout, wanted, order)}")
    if not map_layout and not _has_the_same(clip, wanted):
        raise ValueError(f"{found}; all of them are there by name: map_layout (--map-layout) takes them")
    places = [place for place in order if place is not None]
    score = None if clip.score is None else clip.score[:, :, places]
    return replace(clip, keypoint=clip.keypoint[:, :, places], score=score, layout=wanted)


def _has_the_same(clip: SkeletonClip, wanted: JointLayout) -> bool:
    """Whether a clip has the joints of a layout in another order or spelling, and shows no further ones."""
    order = _same([*map(plain_joint, clip.layout.joints)], [*map(plain_joint, wanted.joints)])
    further = [place for place in range(len(clip.layout)) if place not in order]
    return None not in order and not clip.keypoint[:, :, further].any()


@lru_cache
def joints_by_name(found: Sequence[str], wanted: Sequence[str]) -> tuple[int | None, ...]:
    """For each wanted joint the number of the found one with the same name; None where there is none, or several.

    Names are the same however they are spelled: left_knee, "Left Knee", LEFT-KNEE, leftKnee and LKnee. Where names
    differ, those of motion capture are known by the places of their bones: LeftUpLeg is left_hip (`body_joints`).
    """
    order = _same([*map(plain_joint, found)], [*map(plain_joint, wanted)])
    if None not in order:
        return order
    here, there = body_joints(found), body_joints(wanted)
    order = _same(here, there, order)
    spine = spine_of_xsens(here, there)
    return _completed(order, spine)


def _same(
    found: Sequence[str], wanted: Sequence[str], otherwise: Sequence[int | None] | None = None
) -> tuple[int | None, ...]:
    """The index of each wanted name. otherwise: the index of names that are missing, unless another joint has it."""
    places = {name: place for place, name in enumerate(found) if found.count(name) == 1}
    order = [places.get(name) if wanted.count(name) == 1 else None for name in wanted]
    return tuple(order) if otherwise is None else _completed(order, otherwise)


def _completed(order: Sequence[int | None], otherwise: Sequence[int | None]) -> tuple[int | None, ...]:
    """The indices, with those of `otherwise` where there are none, unless another joint has them."""
    found: list[int | None] = []
    for index, other in zip(order, otherwise, strict=True):
        found.append(other if index is None and other not in order else index)
    return tuple(found)


def _joints_of(layout: JointLayout) -> str:
    return f"the {len(layout)} joints of layout '{layout.name}'"


def _what_can_be_done(found: JointLayout, wanted: JointLayout, order: Sequence[int | None]) -> str:
    lacking = [name for name, place in zip(wanted.joints, order, strict=True) if place is None]
    if len(lacking) == len(wanted) == len(found):
        return f"no name is the same; if they are the same joints in the same order, say --layout {wanted.name}"
    text = f"it lacks {first_few(lacking, JOINTS_NAMED)}"
    text += f" ({len(lacking)} of {len(wanted)})" if len(lacking) > JOINTS_NAMED else ""
    enough = [name for name in layout_names() if 2 * len(load_layout(name)) >= len(found)]
    others = [name for name in enough if load_layout(name).joints != wanted.joints]
    fitting = [name for name in others if None not in joints_by_name(found.joints, load_layout(name).joints)]
    return f"{text}: use weights that were trained on {' or '.join(sorted({found.name, *fitting}))}"


# ---- channels --------------------------------------------------------------------------------------------------------


def with_channels(clip: SkeletonClip, preprocessing: Preprocessing, channels: int, said: object) -> SkeletonClip:
    """The clip with scores where the network was trained with them. They are left out where it was not."""
    dimensions, scored = clip.keypoint.shape[3], clip.score is not None
    each, allowed = _each(preprocessing, channels), kinds(preprocessing, channels, said)
    if (dimensions, scored) in allowed:
        return clip
    if (dimensions, False) in allowed:
        return replace(clip, score=None)
    wanted = " or ".join(_coordinates(size, score) for size, score in allowed) or f"{each} numbers a joint"
    if (dimensions, True) in allowed:
        hint = "give each joint its confidence, or use weights that were trained without"
    else:
        hint = "give scores apart from x and y, or " if (2, True) in allowed and not scored else ""
        hint += f"use weights that were trained on {dimensions}D clips"
    raise ValueError(f"{_called(clip)} has {_coordinates(dimensions, scored)}, the network wants {wanted}; {hint}")


def made_up_clip(
    layout: JointLayout, preprocessing: Preprocessing, channels: int, frames: int, said: object
) -> SkeletonClip:
    """A random clip of one person that fits a network, to measure with. Raises ValueError where no clip fits."""
    allowed = kinds(preprocessing, channels, said)
    if not allowed:
        raise ValueError(f"the network wants {_each(preprocessing, channels)} numbers a joint, which no clip has")
    (dimensions, scored), rng = allowed[0], np.random.default_rng(0)
    keypoint = rng.random((1, frames, len(layout), dimensions), np.float32) * (1 if dimensions == 3 else 1000)
    score = rng.random(keypoint.shape[:3], np.float32) if scored else None
    return SkeletonClip(keypoint, layout, score=score, fps=30, image_size=(1000, 1000))


def _each(preprocessing: Preprocessing, channels: int) -> int:
    """Channels of one stream: coordinates and, with scores, one more."""
    return (channels - preprocessing.moments) // len(preprocessing.streams)


def kinds(preprocessing: Preprocessing, channels: int, said: object = None) -> list[tuple[int, bool]]:
    """Numbers of coordinates that the network may want, and whether it wants scores then.

    Several where nobody can tell. said: the names of a joint's numbers, as weights may know them; of any content.
    """
    each, flat = _each(preprocessing, channels), _wants_pixels(preprocessing)
    found = [(size, size < each) for size in (2, 3) if each - 1 <= size <= each and flat in (None, size == 2)]
    named = list(said) if isinstance(said, list | tuple) else None
    return [pair for pair in found if [*"xyz"[: pair[0]], *["score"] * pair[1]] == named] or found


def _wants_pixels(preprocessing: Preprocessing) -> bool | None:
    """Whether the recipe is for 2D clips, for 3D ones, or (None) for either."""
    if preprocessing.normalize.startswith("image"):
        return True
    return False if preprocessing.normalize in TURNED else None


def _coordinates(dimensions: int, scored: bool) -> str:
    return f"{'xyz'[:dimensions]} {'with' if scored else 'without'} scores"


def _called(clip: SkeletonClip) -> str:
    return f"clip '{clip.name}'" if clip.name else "the clip"


def check_fit(known: Known, folder: SkeletonDataset, name: str) -> None:
    """The network's joints and classes must be the dataset's. Raises ValueError with both. name: of the network."""
    if known.layout.joints != folder.layout.joints:
        raise ValueError(
            f"{name} was trained on layout '{known.layout.name}' with {len(known.layout)} joints, "
            f"{folder.path} has '{folder.layout.name}' with {len(folder.layout)}"
        )
    if tuple(known.class_names) != folder.class_names:
        raise ValueError(
            f"{name} knows {len(known.class_names)} classes ({first_few(known.class_names)}), "
            f"{folder.path} has {len(folder.class_names)} ({first_few(folder.class_names)})"
        )
