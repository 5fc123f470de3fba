"""How recordings were made: units, size of bodies, vertical and frame rate; and whether others were made likewise.

Weights carry the conditions of their training clips, so that recordings in other units, upside down or at another frame
rate are noticed before a network answers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import extent, foot_and_head, nearest_axis, seen

CLIPS = 500  # of a dataset that are measured, at most
SHARES = (5, 50, 95)  # percentiles
OTHER_SIZE = {2: 50.0, 3: 5.0}  # times larger or smaller: other units; in pictures people are near or far
OTHER_RATE = 1.25
UPRIGHT = 0.7  # share of a body's length along one axis, from which it stands along that axis
SELDOM = 0.02
MORE_MISSING = 0.01  # of the joints, above what is usual
AXES = ("x", "y", "z", "-x", "-y", "-z")


@dataclass(frozen=True)
class Conditions:
    """units: of a dataset. size: of bodies, in these units, the 5th, 50th and 95th percentile over clips.

    upward: share of the clips whose people stand along an axis, by axis ("y", "-z" ...). fps: least, middle and most
    frames a second of the clips that say it. missing: share of the joints that are not seen, of people who are there,
    as percentiles as of size. Each is empty where it is not known.
    """

    units: str = ""
    size: tuple[float, ...] = ()
    upward: Mapping[str, float] = field(default_factory=dict)
    fps: tuple[float, ...] = ()
    missing: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        lists = {"size": list(self.size), "fps": list(self.fps), "missing": list(self.missing)}
        return asdict(self) | {"upward": dict(self.upward)} | lists

    @classmethod
    def from_dict(cls, content: object) -> "Conditions":
        """From plain data of any origin; a part that is not as expected counts as not known."""
        content = content if isinstance(content, Mapping) else {}
        upward = content.get("upward")
        shares = upward.items() if isinstance(upward, Mapping) else ()
        known = {str(axis): float(share) for axis, share in shares if axis in AXES and _is_number(share)}
        return cls(
            units=content["units"] if isinstance(content.get("units"), str) else "",
            size=_three(content.get("size"), above=0),
            upward=known,
            fps=_three(content.get("fps"), above=0),
            missing=_three(content.get("missing")),
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e12


def _three(value: object, above: float = -1) -> tuple[float, ...]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return ()
    fits = all(_is_number(number) and number > above for number in value)
    return tuple(map(float, value)) if fits else ()


# ---- measured --------------------------------------------------------------------------------------------------------


def conditions_of(clips: Iterable[SkeletonClip], units: str = "") -> Conditions:
    """The conditions of some clips. units: of their coordinates, where they are known."""
    sizes, ways, rates, missing, count = [], Counter(), [], [], 0
    for clip in clips:
        count += 1
        there = seen(clip.keypoint)
        bodies = np.where(there[..., None], clip.keypoint, np.nan)[there.any(2)]
        if len(bodies):
            missing.append(1 - float(there[there.any(2)].mean()))
            sizes.append(float(np.median(extent(bodies).max(1))))
        if way := stands_along(clip):
            ways[way] += 1
        if clip.fps:
            rates.append(clip.fps)
    sizes = [size for size in sizes if size > 0]
    return Conditions(
        units,
        tuple(float(f"{size:.4g}") for size in np.percentile(sizes, SHARES)) if sizes else (),
        {way: round(times / count, 4) for way, times in sorted(ways.items())},
        tuple(map(float, np.percentile(rates, (0, 50, 100)))) if rates else (),
        tuple(round(float(share), 4) for share in np.percentile(missing, SHARES)) if missing else (),
    )


def stands_along(clip: SkeletonClip) -> str:
    """The signed axis along which people stand, feet to head, such as "y"; "" where they mostly do not, or it is not
    known which joints are feet and head."""
    ends = foot_and_head(clip.layout) or clip.layout.spine
    if ends is None:
        return ""
    both = seen(clip.keypoint)[..., list(ends)].all(-1)
    along = (clip.keypoint[..., ends[1], :] - clip.keypoint[..., ends[0], :])[both].astype(np.float64)
    if not len(along) or not along.any():
        return ""
    way = np.mean(along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9), axis=0)
    if np.abs(way).max() < UPRIGHT:
        return ""
    return nearest_axis(np.pad(way, (0, 3 - len(way)))) or ""


# ---- compared --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Differences:
    """wrong: why answers would be wrong, each with the option that helps. notes: what is only worth knowing."""

    wrong: Sequence[str] = ()
    notes: Sequence[str] = ()


def compare(
    trained: Conditions, found: Conditions, dimensions: int, *, any_size: bool, any_vertical: bool
) -> Differences:
    """How recordings differ from those that a network was trained on.

    dimensions: 2 or 3. any_size, any_vertical: whether clips are brought to one size, or turned upright, before the
    network sees them.
    """
    wrong, notes = [], []
    if dimensions == 2 and trained.units == "m":  # x and y asked of a network of x, y, z: it says so itself
        return Differences()
    if trained.size and found.size and not any_size:
        times, limit = found.size[1] / trained.size[1], OTHER_SIZE[dimensions]
        if not 1 / limit < times < limit:
            least, _, most = trained.size
            wrong.append(
                f"bodies are {_figure(found.size[1])} large, those that the network was trained on {_figure(least)} to "
                f"{_figure(most)}{f' ({trained.units})' if trained.units else ''}: give --units"
                + (" or, for fractions of a picture, --image-size" if dimensions == 2 else "")
            )
    if not any_vertical and trained.upward and found.upward:
        wrong, notes = _vertical(trained.upward, found.upward, dimensions, wrong, notes)
    if trained.fps and found.fps and not 1 / OTHER_RATE < found.fps[1] / trained.fps[1] < OTHER_RATE:
        notes.append(
            f"{found.fps[1]:g} frames a second, the network was trained at {trained.fps[1]:g}: "
            f"--resample-fps {trained.fps[1]:g} brings clips to that rate"
        )
    if trained.missing and found.missing and found.missing[1] > trained.missing[2] + MORE_MISSING:
        notes.append(
            f"{found.missing[1]:.1%} of the joints are missing, in the recordings that the network was trained on "
            f"{trained.missing[1]:.1%}: answers may be wrong"
        )
    return Differences(wrong, notes)


def _figure(size: float) -> str:
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"


def _vertical(
    trained: Mapping[str, float], found: Mapping[str, float], dimensions: int, wrong: list[str], notes: list[str]
) -> tuple[list[str], list[str]]:
    usual, way = max(trained, key=trained.__getitem__), max(found, key=found.__getitem__)
    if trained.get(way, 0) > SELDOM or found[way] <= 0.5 or trained[usual] <= 0.5:
        return wrong, notes
    opposite = way.removeprefix("-") == usual.removeprefix("-")
    text = f"heads are toward {way}, in the recordings that the network was trained on toward {usual}"
    keep = "y" if dimensions == 3 else "-y"
    if opposite:
        return [*wrong, f"{text}: give --up {way} to turn them, or --up {keep} if people are upside down"], notes
    return wrong, [*notes, f"{text}: unless people lie, give --up {way}"]
