"""Clips of any format that no command can use are faults: without a name, with one twice, with NaN ..."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kinegraph.data.formats.recordings import Fault, Item, Recordings
from kinegraph.data.large import blocks
from kinegraph.messages import CONTROL, plain_name
from kinegraph.skeleton.clip import SkeletonClip


def checked(found: Recordings) -> Iterator[Item]:
    """Faults in place of clips that no command can use; names that are safe to show."""
    names: set[str] = set()
    for number, item in enumerate(found.clips):
        if not isinstance(item, SkeletonClip):
            yield item
            continue
        clip = _plainly_named(item)
        fault = _fault(clip, number, len(found.class_names), names)
        names.add(clip.name)
        yield fault or clip


def _fault(clip: SkeletonClip, number: int, classes: int, names: set[str]) -> Fault | None:
    if not clip.name:
        return Fault(f"clip number {number} has no name", kind="no_name")
    if clip.name in names:
        return Fault(f"two clips are named '{clip.name}'", clip.name, "duplicate_name")
    if clip.label is not None and not 0 <= clip.label < (classes or clip.label + 1):
        known = f"the {classes} classes are 0 to {classes - 1} (--class-names)" if classes else "classes count from 0"
        return Fault(f"has label {clip.label}, {known}", clip.name, "label")
    for array in filter(lambda it: it is not None, (clip.keypoint, clip.score)):
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
    cells = {key: plain_name(it) if isinstance(it, str) else it for key, it in clip.attributes.items()}
    splits = {plain_name(split): plain_name(part) for split, part in clip.splits.items()}
    return replace(clip, name=plain_name(clip.name), attributes=cells, splits=splits)
