"""The steps of every clip between the reader of its format and the caller, in this order.

Placeholders become unseen joints; what the layout leaves unsaid follows from the clips; clips that no command can use
become faults; then come cleaning, the vertical and the frame rate that were asked for; at last faults are raised,
skipped or kept. Between them stand `unstated.decided` (units, layout, vertical) and `people.followed` (who is who).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from kinegraph.data.cleaning import Cleaning, Smoothing, cleaned, swapped_pairs
from kinegraph.data.large import blocks, zeros
from kinegraph.data.reading.clips.conventions import PERCENT
from kinegraph.data.reading.clips.recordings import UNITS, Item, Recordings, each_clip, fault_of, peeked
from kinegraph.data.reading.faults import Fault, FormatError, OneOfSeveral
from kinegraph.data.reading.joints.named_joints import NAMES_ALONE
from kinegraph.data.reading.steps.unstated import bodies_of, some_bodies, some_frames
from kinegraph.data.repair import at_rate, turned_up
from kinegraph.messages import CONTROL, counted, first_few, plain_name
from kinegraph.skeleton.anatomy import complete, pairs_by_name
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.proportions import shortest_lines

CLEANING = tuple(option.name for option in fields(Cleaning))  # options: see `cleaning.Cleaning`
PLACEHOLDERS = (-1.0, -99.0, -999.0, -9999.0, 9999.0, 99999.0)
LOOKED_AT = 5000  # frames of a clip
LEVELS = (0, 1, 2, 3)  # of a Kinect
FEWEST = 2  # joints of a clip: a single one may be there by chance
OnFault = Literal["stop", "skip", "keep"]


def mapped(items: Iterator[Item], change: Callable[[SkeletonClip], SkeletonClip]) -> Iterator[Item]:
    """The items, each clip changed; a clip that cannot be is a fault."""

    def changed(clip: SkeletonClip) -> tuple[Item]:
        try:
            return (change(clip),)
        except ValueError as error:
            return (fault_of(error, clip.name),)

    return each_clip(items, changed)


# ---- numbers that programs write in place of a joint that was not seen: all its coordinates are -1, or -999 ----------


def without_placeholders(found: Recordings) -> Recordings:
    """The recordings with zero, which means unseen, in place of such joints; `changed` says how many there were."""
    counts: dict[float, int] = {}

    def cleared(clip: SkeletonClip) -> SkeletonClip:
        for value in PLACEHOLDERS:
            if clip.keypoint.size and (count := _count(clip, value)) >= FEWEST:
                clip = _cleared(clip, value)
                counts[value] = counts.get(value, 0) + count
        return clip

    def lines() -> list[str]:
        what = "joints whose coordinates are all"
        return [f"{count:,} {what} {value:g} count as not seen" for value, count in counts.items()]

    return replace(found, clips=mapped(found.clips, cleared), changed=lambda: found.changed() + lines())


def _count(clip: SkeletonClip, value: float) -> int:
    same = np.float32(value)  # half precision knows no number above 65,504
    return sum(int((clip.keypoint[:, part] == same).all(3).sum()) for part in blocks(clip.keypoint))


def _cleared(clip: SkeletonClip, value: float) -> SkeletonClip:
    keypoint, score = zeros(clip.keypoint.shape), None if clip.score is None else zeros(clip.score.shape)
    for part in blocks(clip.keypoint, keypoint):
        there = (clip.keypoint[:, part] != np.float32(value)).any(3)
        keypoint[:, part] = np.where(there[..., None], clip.keypoint[:, part], 0)
        if score is not None and clip.score is not None:
            score[:, part] = np.where(there, clip.score[:, part], 0)
    return replace(clip, keypoint=keypoint, score=score)


def with_shares(found: Recordings) -> Recordings:
    """The recordings with scores from 0 to 1 where files have percent or a Kinect's levels, by the first clips.

    Levels are 0, 1 (low or inferred), 2 (medium or tracked) and 3 (high). It is said.
    """
    said: list[str] = []

    def clips() -> Iterator[Item]:
        first, items = peeked(found.clips)
        some = [clip.score[:, :LOOKED_AT] for clip in first if clip.score is not None and clip.score.size]
        most, least = (
            max((float(score.max()) for score in some), default=0),
            min((float(score.min()) for score in some), default=0),
        )
        if most in LEVELS[2:] and all(np.isin(score, LEVELS).all() for score in some):
            full = LEVELS[2]
            said.append(f"scores are levels from 0 to {most:g}: divided by 2, at most 1")
        elif least >= 0 and PERCENT < most <= 100:
            full = 100
            said.append(f"scores are in percent, as they go up to {most:g}: divided by 100")
        else:
            yield from items
            return
        yield from mapped(
            items, lambda clip: clip if clip.score is None else replace(clip, score=_shares(clip.score, full))
        )

    return replace(found, clips=clips(), changed=lambda: found.changed() + said)


def _shares(score: Float[np.ndarray, "M T V"], full: float) -> Float[np.ndarray, "M T V"]:
    return np.minimum(score / np.float32(full), 1)


# ---- bones of points that no file connects, such as markers: the shortest lines, on both sides alike -----------------


def with_bones(found: Recordings) -> Recordings:
    """The recordings with bones where `guessed` says "bones": the layout's own are then provisional ones.

    So are those of a layout of which only the names of joints are known.
    """
    if "bones" not in found.guessed and found.layout.source != NAMES_ALONE:
        return found
    guessed = found.guessed - {"bones"}
    first, clips = peeked(found.clips)
    bodies = [bodies_of(clip) for clip in first]
    if not sum(map(len, bodies)):
        return replace(found, clips=clips, guessed=guessed)
    layout = layout_of_lines(found.layout, shortest_lines(some_bodies(bodies)))
    lines = f"the shortest lines between the {len(layout)} joints"
    line = f"bones: {lines}, the file names none (--layout my.yaml says others)"
    clips = with_layout(clips, found, layout)
    return replace(found, clips=clips, layout=layout, guessed=guessed, assumed=(*found.assumed, line))


def layout_of_lines(layout: JointLayout, lines: list[tuple[int, int]]) -> JointLayout:
    """The layout with these bones and their mirror images; the centre is the joint from which all others are near."""
    other = replace(layout, mirror=layout.mirror or pairs_by_name(layout)).mirrored()
    both = [pair for one, two in lines for pair in ((one, two), (other[one], other[two]))]
    bones = tuple({frozenset(pair): pair for pair in both}.values())
    source = "" if layout.source == NAMES_ALONE else layout.source
    return replace(layout, bones=bones, centre=_centre(len(layout), bones), parents=(), source=source)


def _centre(joints: int, bones: tuple[tuple[int, int], ...]) -> int:
    """The joint with the fewest bones to the others, in sum."""
    near: list[set[int]] = [set() for _ in range(joints)]
    for one, two in bones:
        near[one].add(two)
        near[two].add(one)

    def steps(start: int) -> int:
        reached, edge, total, step = {start}, {start}, 0, 0
        while edge := {joint for one in edge for joint in near[one]} - reached:
            step += 1
            total += step * len(edge)
            reached |= edge
        return total

    return min(range(joints), key=steps)


# ---- what somebody's own layout leaves unsaid: left and right, shoulders, spine --------------------------------------
# From the names of joints and the bones. Clips can then be turned to the front and mirrored, in any form they came.


def with_sides(found: Recordings) -> Recordings:
    """The recordings with a layout whose left and right, shoulders and spine are known, as far as they can be."""
    if not found.layout.unstated:
        return found
    first, clips = peeked(found.clips)
    layout, said = complete(found.layout, _lengths(found.layout, first))
    if not said:
        return replace(found, clips=with_layout(clips, found, layout))
    line = f"layout '{layout.name}': {said} (a layout file says it by mirror, shoulders, spine)"
    clips = with_layout(clips, found, layout)
    return replace(found, clips=clips, layout=layout, assumed=(*found.assumed, line))


def with_layout(items: Iterator[Item], found: Recordings, layout: JointLayout) -> Iterator[Item]:
    """The items, clips of the layout of the recordings with another one in its place."""
    with closing(found.clips):
        for item in items:
            own = isinstance(item, SkeletonClip) and item.layout == found.layout
            yield replace(item, layout=layout) if own else item


def _lengths(layout: JointLayout, clips: Sequence[SkeletonClip]) -> Float[np.ndarray, "V"]:
    """Of the bone from each joint's parent, the median over bodies that show both ends; 1 where none does."""
    shown = [some_frames(clip.keypoint) for clip in clips if clip.layout == layout]
    bodies = [keypoint.reshape(-1, *keypoint.shape[2:]) for keypoint in shown]
    joints = np.concatenate(bodies).astype(np.float64) if bodies else np.zeros((0, len(layout), 3))
    both = joints.any(-1) & joints.any(-1)[:, list(layout.parents)]
    apart = np.linalg.norm(joints - joints[:, list(layout.parents)], axis=-1)
    lengths = [np.median(bone[shown]) if shown.any() else 1.0 for bone, shown in zip(apart.T, both.T, strict=True)]
    return np.nan_to_num(np.array(lengths), nan=1.0, posinf=1.0)


# ---- clips that no command can use -----------------------------------------------------------------------------------


def checked(found: Recordings) -> Iterator[Item]:
    """Faults in place of clips that no command can use; names that are safe to show."""
    names: set[str] = set()
    for number, item in enumerate(found.clips):
        if not isinstance(item, SkeletonClip):
            yield item
            continue
        clip = _plainly_named(item)
        fault = _fault_of(clip, number, len(found.class_names), names)
        names.add(clip.name)
        yield fault or clip


def _fault_of(clip: SkeletonClip, number: int, classes: int, names: set[str]) -> Fault | None:
    if not clip.name:
        return Fault(f"clip number {number} has no name", kind="no_name")
    if clip.name in names:
        return Fault(f"two clips are named '{clip.name}'", clip.name, "duplicate_name")
    if clip.label is not None and not 0 <= clip.label < (classes or clip.label + 1):
        known = f"the {classes} classes are 0 to {classes - 1} (--class-names)" if classes else "classes count from 0"
        return Fault(f"has label {clip.label}, {known}", clip.name, "label")
    for array in (clip.keypoint, clip.score):
        if array is None:
            continue
        for part in blocks(array) if array.size else ():
            some = array[:, part]
            if not (np.isfinite(some.min()) and np.isfinite(some.max())):  # without an array of answers
                person, frame = np.argwhere(~np.isfinite(some))[0][:2]
                where = f"first of person {person} in frame {part.start + frame}"
                return Fault(f"holds NaN or infinity, {where}", clip.name, "not_finite")
    return None


def _plainly_named(clip: SkeletonClip) -> SkeletonClip:
    """Without control characters, which a terminal or a page would obey."""
    texts = [clip.name, *(it for it in (*clip.attributes.values(), *clip.splits) if isinstance(it, str))]
    if not any(map(CONTROL.search, texts)):
        return clip
    cells = {key: plain_name(value) if isinstance(value, str) else value for key, value in clip.attributes.items()}
    splits = {plain_name(split): plain_name(part) for split, part in clip.splits.items()}
    return replace(clip, name=plain_name(clip.name), attributes=cells, splits=splits)


# ---- what is asked for: cleaning, the vertical, the frame rate -------------------------------------------------------


def check_common(options: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that an option of every format cannot have."""
    for name, known in (("units", UNITS), ("up", get_args(Up))):
        if name in options and options[name] not in known:
            raise ValueError(f"--{name} is '{options[name]}', expected {', '.join(known[:-1])} or {known[-1]}")
    for name, least in (("fill", 1), ("jumps", 0.0), ("min_score", 0.0)):
        if name in options and not options[name] >= least:
            raise ValueError(f"--{name.replace('_', '-')} is {options[name]}, expected at least {least:g}")
    if options.get("smooth", "savgol") not in get_args(Smoothing):
        raise ValueError(f"--smooth is '{options['smooth']}', expected {' or '.join(get_args(Smoothing))}")
    for name in ("fps", "resample_fps"):
        if name in options and not 0 < options[name] < 1e6:
            raise ValueError(f"--{name.replace('_', '-')} is {options[name]:g}, expected frames a second, such as 30")


def cleaning(options: Mapping[str, Any]) -> Cleaning | None:
    """The cleaning that is asked for."""
    given = {name: options[name] for name in CLEANING if name in options}
    return Cleaning(**given) if given else None


def as_asked(items: Iterator[Item], options: Mapping[str, Any], mended: dict[str, int]) -> Iterator[Item]:
    """The clips cleaned, turned upright and at the frame rate that were asked for. mended: see `mended_lines`."""

    def clean(clip: SkeletonClip) -> SkeletonClip:
        if steps.mend_sides and (frames := int(swapped_pairs(clip).any((0, 2)).sum())):
            mended[clip.name] = frames
        return cleaned(clip, steps)

    if steps := cleaning(options):
        items = mapped(items, clean)
    if (up := options.get("up")) is not None:
        items = mapped(items, lambda clip: turned_up(clip, up))
    if (rate := options.get("resample_fps")) is not None:
        items = mapped(items, lambda clip: at_rate(clip, rate))
    return items


def mended_lines(frames: Mapping[str, int]) -> list[str]:
    """The line on left and right that were exchanged back. frames: clip -> in how many."""
    total = sum(frames.values())
    where = f"{counted(total, 'frame')} of {counted(len(frames), 'clip')}: {first_few([*frames])}"
    return [f"left and right were exchanged back in {where}"] if frames else []


# ---- what becomes of parts of files that cannot be read: an error, a line, or a word among the clips -----------------


def by_policy(
    items: Iterator[Item],
    on_fault: OnFault,
    broken: list[str],
    empty: dict[str, list[str]],
    skipped: Callable[[], list[str]],
    count: int,
) -> Iterator[Item]:
    """The clips; faults are raised, kept, or noted in `broken` and `empty`. Raises ValueError where no clip is left.

    count: of clips, at most.
    """
    left = False
    for item in items:
        if not isinstance(item, Fault) or on_fault == "keep":
            left = True
            yield item
        elif item.skip:
            empty.setdefault(item.message, []).append(item.clip)
        elif on_fault == "stop":
            raise (OneOfSeveral if count > 1 else FormatError)(item.kind, str(item))
        else:
            broken.append(f"broken: {item}")
    if not left and on_fault != "keep":
        reasons = skipped()
        more = f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else ""
        raise ValueError(f"no clip is left; skipped: {'; '.join(reasons[:3])}{more}")


def without_faults(found: Recordings, on_fault: OnFault) -> Recordings:
    """The recordings without the faults that a step after reading notices, such as segments that do not fit.

    on_fault: as of `recordings`. Raises ValueError at the first fault, or where no clip is left.
    """
    broken: list[str] = []
    empty: dict[str, list[str]] = {}

    def skipped() -> list[str]:
        return found.skipped() + [f"{len(names):,} {reason}" for reason, names in empty.items()] + broken

    def clips() -> Iterator[Item]:
        with closing(found.clips):
            yield from by_policy(found.clips, on_fault, broken, empty, skipped, found.count)

    return replace(found, clips=clips(), skipped=skipped)
