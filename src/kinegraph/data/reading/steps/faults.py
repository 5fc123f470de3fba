"""Clips that no command can use, and what becomes of faults: an error, a line, or an item among the clips."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Literal

import numpy as np

from kinegraph.data.large import blocks
from kinegraph.data.reading.clips.recordings import Item, Recordings
from kinegraph.data.reading.faults import Fault, FormatError, OneOfSeveral
from kinegraph.messages import CONTROL, plain_name
from kinegraph.skeleton.clip import SkeletonClip

OnFault = Literal["stop", "skip", "keep"]


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
    texts = [clip.name, *(text for text in (*clip.attributes.values(), *clip.splits) if isinstance(text, str))]
    if not any(map(CONTROL.search, texts)):
        return clip
    cells = {key: plain_name(value) if isinstance(value, str) else value for key, value in clip.attributes.items()}
    splits = {plain_name(split): plain_name(part) for split, part in clip.splits.items()}
    return replace(clip, name=plain_name(clip.name), attributes=cells, splits=splits)


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
