"""A clip in the few numbers by which it is checked, so that any number of clips can be compared."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Float, Shaped

from kinegraph.data.formats.conventions import FLAT, LAYOUTS, is_flat
from kinegraph.data.formats.ntu import FILE_NAME
from kinegraph.data.formats.recordings import Fault, Item
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import bones, extent, foot_and_head
from kinegraph.skeleton.layout import JointLayout, load_layout

AXES = "MTVC"
FLAT_UNITS = ("px", "[-1, 1]")
MOST_PEOPLE = 10
FRAMES_MEASURED = 16


@dataclass(frozen=True, eq=False)
class ClipSummary:
    """A clip in a few numbers, a fault, or a clip that was not read (shape is None then).

    shape: people, frames, joints, channels. axes: the order that its axes seem to have, where it is another one.
    flat: whether published files have joints of the clip's layout in 2D only, as far as the layout is known.
    present: people who are not all zero. missing: share of joints that are zero while their person is there.
    never: joints that always are. still: all frames are the same. largest: of all coordinates, without their signs.
    size: of a body, median over frames, in the clip's units. upward: from feet to head, likewise. bone: length of a
    bone as a share of size.
    """

    name: str
    label: int | None = None
    subject: object = None
    splits: Mapping[str, str] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    fault: Fault | None = None
    shape: tuple[int, int, int, int] | None = None
    axes: str = ""
    flat: bool = True
    present: int = 0
    missing: float = 0.0
    never: Bool[np.ndarray, "V"] | None = None
    still: bool = False
    largest: float = 0.0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    size: float = float("nan")
    upward: tuple[float, ...] = ()
    bone: float = float("nan")
    score_range: tuple[float, float] | None = None
    digest: bytes = b""


# ---- one clip --------------------------------------------------------------------------------------------------------


def summarize(item: Item, layout: JointLayout | None = None) -> ClipSummary:
    """The summary of a clip, or of what stands in its place. layout: of the joints, where it is known."""
    if isinstance(item, Fault):
        return ClipSummary(item.clip, fault=item)
    named = FILE_NAME.match(item.name)  # of NTU RGB+D
    subject = item.attributes.get("subject", int(named[3]) if named else None)
    facts: dict = {"label": item.label, "subject": subject, "splits": item.splits}
    if not isinstance(item, SkeletonClip):
        return ClipSummary(item.name, **facts)
    facts |= {"image_size": item.image_size, "flat": layout is None or is_flat(layout)}
    keypoint = item.keypoint
    if 0 in keypoint.shape:
        return ClipSummary(item.name, **facts, shape=keypoint.shape)
    axes = guess_axes(keypoint, layout)
    if axes != AXES:
        keypoint = np.transpose(keypoint, [axes.index(axis) for axis in AXES])
    shape = tuple(map(int, keypoint.shape))
    measured = _measure(keypoint.astype(np.float64, copy=False), layout or likely_layout(shape[2], shape[3]))
    score = item.score if item.score is not None and item.score.size else None
    limits = None if score is None else (float(np.min(score)), float(np.max(score)))
    axes = axes if axes != AXES else ""
    return ClipSummary(item.name, **facts, shape=shape, axes=axes, score_range=limits, **measured)


def _measure(keypoint: Float[np.ndarray, "M T V C"], layout: JointLayout | None) -> dict:
    keypoint = np.nan_to_num(keypoint, posinf=0, neginf=0)
    seen = keypoint.any(3)
    there = seen.any(2)
    measured: dict = {"present": int(there.any(1).sum())}
    if not there.any():
        return measured
    bodies, joints = keypoint[there], seen[there]  # (B, V, C): every person in every frame
    chosen = np.unique(np.linspace(0, len(bodies) - 1, min(len(bodies), FRAMES_MEASURED)).astype(int))
    measured |= _body(bodies[chosen], joints[chosen], layout)
    moved = any(np.ptp(person[now], axis=0).any() for person, now in zip(keypoint, there, strict=True) if now.any())
    digest = hashlib.blake2b(bodies.tobytes(), digest_size=16)
    return measured | {
        "missing": float(1 - joints.mean()),
        "never": ~joints.any(0),
        "still": not moved and keypoint.shape[1] > 1,
        "largest": float(np.abs(bodies).max()),
        "low": tuple(bodies[joints].min(0).tolist()),
        "high": tuple(bodies[joints].max(0).tolist()),
        "digest": digest.digest(),
    }


def _body(bodies: Float[np.ndarray, "B V C"], joints: Bool[np.ndarray, "B V"], layout: JointLayout | None) -> dict:
    """Size, direction and bones of the bodies; a joint that was not seen is left out."""
    bodies = np.where(joints[..., None], bodies, np.nan)
    measured: dict = {"size": float(np.median(extent(bodies).max(1)))}
    if layout is None or len(layout) != bodies.shape[1]:
        return measured
    lengths = np.linalg.norm(bones(bodies, layout), axis=2)
    lengths = lengths[:, [joint for joint, parent in enumerate(layout.parents) if joint != parent]]
    if np.isfinite(lengths).any() and measured["size"] > 0:
        measured["bone"] = float(np.nanmedian(lengths) / measured["size"])
    ends = foot_and_head(layout)
    if ends and np.isfinite(heights := bodies[:, ends[1]] - bodies[:, ends[0]]).any(0).all():
        measured["upward"] = tuple(np.nanmedian(heights, axis=0).tolist())
    return measured


# ---- layout and axes -------------------------------------------------------------------------------------------------


def likely_layout(joints: int, channels: int) -> JointLayout | None:
    """The layout that published files of this shape have; (x, y, score) counts as 2D."""
    name = LAYOUTS.get((joints, channels)) or LAYOUTS.get((joints, 5 - channels))
    return load_layout(name) if name else None


def guess_axes(keypoint: Shaped[np.ndarray, "..."], layout: JointLayout | None = None, stated: str = AXES) -> str:
    """The order that the axes of a clip's array seem to have, such as "MTVC" or "CTVM".

    These are the stated axes where no other order fits better.

    The number of joints and the 2 or 3 channels decide. Where several orders have the right sizes, the content does: a
    second person who is absent, bones that keep their lengths, neighbouring frames that are more alike than joints.
    """
    shape = keypoint.shape
    joints = {len(layout)} if layout else {v for v, _ in LAYOUTS}

    def fits(axes: str) -> bool:
        people, _, v, channels = (shape[axes.index(axis)] for axis in AXES)
        return v in joints and channels in (2, 3) and people <= MOST_PEOPLE

    fitting = [axes for axes in (stated, AXES, "CTVM", *map("".join, permutations(AXES))) if fits(axes)]
    keypoint = np.nan_to_num(keypoint.astype(float), posinf=0, neginf=0)
    if stated in fitting and keypoint.any() and {AXES, "CTVM"} <= {*fitting}:
        stated = _ends_swapped(keypoint, stated)
    if fitting and stated not in fitting and shape[stated.index("C")] not in (2, 3):
        stated = fitting[0]
    turned = stated.replace("TV", "VT")  # a number of joints that is not known needs the content's word, too
    return turned if turned in fitting and _changes(keypoint, 1) > 2 * _changes(keypoint, 2) else stated


def _changes(keypoint: np.ndarray, axis: int) -> float:
    return float(np.abs(np.diff(keypoint, axis=axis)).mean()) if keypoint.shape[axis] > 1 else 0.0


def _ends_swapped(keypoint: Float[np.ndarray, "a T V b"], stated: str) -> str:
    """ "MTVC" or "CTVM" where both ends of the shape could be the channels."""
    if not keypoint[..., 1:].any():
        return "CTVM"  # not two or three channels with only the first in use, but people who are absent
    if not keypoint[1:].any():
        return AXES
    unrest = {AXES: _unrest(keypoint), "CTVM": _unrest(keypoint.transpose(3, 1, 2, 0))}
    other = AXES if stated == "CTVM" else "CTVM"
    return other if unrest[other] < unrest[stated] / 2 else stated


def _unrest(keypoint: Float[np.ndarray, "M T V C"]) -> float:
    """How much bones change their length over time, relative to their length."""
    if (layout := likely_layout(*keypoint.shape[2:])) is None:
        return float("inf")
    seen = keypoint.any((2, 3))
    lengths = np.linalg.norm(bones(keypoint, layout), axis=3)
    people = [person[now] for person, now in zip(lengths, seen, strict=True) if now.sum() > 1]
    changes = [np.median(person.std(0) / np.maximum(person.mean(0), 1e-9)) for person in people]
    return float(np.mean(changes)) if changes else float("inf")


def units_of(facts: ClipSummary) -> str | None:
    """What a clip's coordinates seem to be in: m, cm, mm, px or [-1, 1], by the size of its bodies; else None."""
    if facts.shape is None or not facts.size > 0:
        return None
    if facts.shape[3] == 2 or third_is_score(facts):
        return "px" if facts.size > 5 else "[-1, 1]"
    for units, least, most in (("m", 0.05, 8), ("cm", 25, 320), ("mm", 320, 8000)):
        if least <= facts.size < most:
            return units
    return None


def third_is_score(facts: ClipSummary) -> bool:
    """Whether the third channel seems to be a confidence: a layout that comes in 2D, and values from 0 to 1."""
    return (
        facts.shape is not None
        and facts.flat
        and facts.shape[2] in FLAT
        and facts.shape[3] == 3
        and (len(facts.low) == 3 and facts.low[2] >= 0 and facts.high[2] <= 1)
    )
