"""A clip in the few numbers by which it is checked, so that any number of clips can be compared."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from kinegraph.data.cleaning import Needs, needs
from kinegraph.data.large import blocks
from kinegraph.data.reading.clips.conventions import FLAT, candidates, is_flat
from kinegraph.data.reading.clips.published_names import NTU_NAME
from kinegraph.data.reading.clips.recordings import Item
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.joints.axes import AXES, guess_axes
from kinegraph.data.repeats import course_by
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import bones, extent, foot_and_head
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import Segment

FLAT_UNITS = ("px", "[-1, 1]")
FRAMES_MEASURED = 16
PIXELS = 5.0  # a larger body in a picture is in pixels


@dataclass(frozen=True, eq=False)
class ClipSummary:
    """A clip in a few numbers, a fault, or a clip that was not read (shape is None then).

    shape: people, frames, joints, channels. axes: the order that its axes seem to have, where it is another one.
    flat: whether published files have this layout in 2D only; True where the layout is unknown.
    present: number of people who are not all zero. missing: share of the joints of present people that are zero.
    nobody: share of frames without people. second: the first person is in no frame, another one is.
    never: joints that are zero in all frames. still: all frames are equal.
    largest: the largest absolute coordinate. size: of a body, median over frames, in the clip's units.
    needs: what cleaning would change. upward: from feet to head, median over frames. bone: median length of a bone as a
        share of size. course: poses over time, by which clips are compared, see `repeats`.
    """

    name: str
    label: int | None = None
    subject: object = None
    splits: Mapping[str, str] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    segments: tuple[Segment, ...] | None = None
    fault: Fault | None = None
    shape: tuple[int, int, int, int] | None = None
    axes: str = ""
    flat: bool = True
    present: int = 0
    missing: float = 0.0
    nobody: float = 0.0
    second: bool = False
    never: Bool[np.ndarray, "V"] | None = None
    still: bool = False
    largest: float = 0.0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    size: float = float("nan")
    upward: tuple[float, ...] = ()
    bone: float = float("nan")
    score_range: tuple[float, float] | None = None
    needs: Needs = field(default_factory=Needs)
    digest: bytes = b""
    course: Float[np.ndarray, "D"] | None = None


# ---- one clip --------------------------------------------------------------------------------------------------------


def summarize(item: Item, layout: JointLayout | None = None, as_arrays: bool = True) -> ClipSummary:
    """The summary of a clip, or of a fault or an unread clip in its place.

    layout: of the joints, if known. as_arrays: whether the axes may be in another order.
    """
    if isinstance(item, Fault):
        return ClipSummary(item.clip, fault=item)
    named = NTU_NAME.match(item.name)  # of NTU RGB+D
    subject = item.attributes.get("subject", int(named[3]) if named else None)
    facts: dict = {"label": item.label, "subject": subject, "splits": item.splits}
    if not isinstance(item, SkeletonClip):
        return ClipSummary(item.name, **facts)
    facts |= {
        "segments": item.segments,
        "image_size": item.image_size,
        "fps": item.fps,
        "flat": layout is None or is_flat(layout),
    }
    keypoint = item.keypoint
    if 0 in keypoint.shape:
        return ClipSummary(item.name, **facts, shape=keypoint.shape)
    axes = guess_axes(keypoint, layout) if as_arrays else AXES
    if axes != AXES:
        keypoint = np.transpose(keypoint, [axes.index(axis) for axis in AXES])
    shape = tuple(map(int, keypoint.shape))
    measured = _measure(keypoint, layout or likely_layout(shape[2]))
    if layout is not None and item.layout == layout and axes == AXES:
        facts["needs"] = needs(item)
    score = item.score if item.score is not None and item.score.size else None
    limits = None if score is None else _limits(score)
    axes = axes if axes != AXES else ""
    return ClipSummary(item.name, **facts, shape=shape, axes=axes, score_range=limits, **measured)


def _measure(keypoint: Float[np.ndarray, "M T V C"], layout: JointLayout | None) -> dict:
    there = np.zeros(keypoint.shape[:2], bool)
    times_seen, digest, moved = np.zeros(keypoint.shape[2], np.int64), hashlib.blake2b(digest_size=16), False
    low, high = np.full(keypoint.shape[3], np.inf), np.full(keypoint.shape[3], -np.inf)
    for person in range(len(keypoint)):
        first = None
        for part in blocks(keypoint):
            poses = _finite(keypoint[person, part])
            seen = poses.any(2)
            there[person, part] = now = seen.any(1)
            bodies, joints = poses[now], seen[now]  # (B, V, C): the person in every frame
            if not len(bodies):
                continue
            first = bodies[0] if first is None else first
            moved = moved or bool((bodies != first).any())
            times_seen += joints.sum(0)
            low, high = np.minimum(low, bodies[joints].min(0)), np.maximum(high, bodies[joints].max(0))
            digest.update(bodies.tobytes())
    measured: dict = {"present": int(there.any(1).sum())}
    if not there.any():
        return measured
    places = np.argwhere(there)
    places = places[np.unique(np.linspace(0, len(places) - 1, min(len(places), FRAMES_MEASURED)).astype(int))]
    some = _finite(keypoint[places[:, 0], places[:, 1]])
    return measured | {
        **_body(some, some.any(2), layout),
        "missing": float(1 - times_seen.sum() / (there.sum() * len(times_seen))),
        "nobody": float(1 - there.any(0).mean()),
        "second": not there[0].any(),
        "never": times_seen == 0,
        "still": not moved and keypoint.shape[1] > 1,
        "largest": float(max(high.max(), -low.min(), 0)),
        "low": tuple(low.tolist()),
        "high": tuple(high.tolist()),
        "digest": digest.digest(),
        "course": course_by(there, lambda person, frames: _finite(keypoint[person, frames])),
    }


def _finite(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.nan_to_num(values.astype(np.float64, copy=False), posinf=0, neginf=0)


def _limits(score: Float[np.ndarray, "M T V"]) -> tuple[float, float]:
    """The least and the largest."""
    some = [(np.min(score[:, part]), np.max(score[:, part])) for part in blocks(score)]
    return float(min(low for low, _ in some)), float(max(high for _, high in some))


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


# ---- layout and units ------------------------------------------------------------------------------------------------


def likely_layout(joints: int) -> JointLayout | None:
    """The most frequent layout of so many joints."""
    return next(iter(candidates(joints)), None)


def units_of(facts: ClipSummary) -> str | None:
    """The likely units of a clip by the size of its bodies: m, cm, mm, px or [-1, 1]; None for other sizes."""
    if facts.shape is None or not facts.size > 0:
        return None
    if facts.shape[3] == 2 or third_is_score(facts):
        return "px" if facts.size > PIXELS else "[-1, 1]"
    for units, least, most in (("m", 0.05, 8), ("cm", 25, 320), ("mm", 320, 8000)):
        if least <= facts.size < most:
            return units
    return None


def third_is_score(facts: ClipSummary) -> bool:
    """Whether the third channel seems to be a confidence: a layout that comes in 2D, values from 0 to 1 beside pixels.

    Beside smaller numbers it may be z, which is decided where files are read (`third_number`).
    """
    return (
        facts.shape is not None
        and facts.flat
        and facts.size > PIXELS
        and facts.shape[2] in FLAT
        and facts.shape[3] == 3
        and (len(facts.low) == 3 and facts.low[2] >= 0 and facts.high[2] <= 1)
    )
