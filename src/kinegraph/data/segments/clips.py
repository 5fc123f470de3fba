"""A clip of each segment: what networks of clips learn from long recordings."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np

from kinegraph.data.formats.recordings import Item, Recordings
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import IGNORED, Segment, labels_of_frames, runs


def clips_of_segments(found: Recordings) -> Recordings:
    """Each segment as a clip NAME_START with its label; the gaps too, where they have a class.

    Raises ValueError for recordings without segments.
    """
    none = found.class_names.index(found.none) if found.none else None
    return replace(found, clips=_clips(found.clips, none, len(found.class_names)), none="")


def _clips(items: Iterator[Item], none: int | None, classes: int) -> Iterator[Item]:
    with closing(items):
        for item in items:
            if not isinstance(item, SkeletonClip):
                yield item
                continue
            if item.segments is None:
                raise ValueError(f"clip '{item.name}' has no segments to cut; --segments TABLE gives them")
            gaps: list[Segment] = []
            if none is not None:
                free = ~labels_of_frames(item.segments, item.frames, classes).any(axis=1)
                gaps = runs(np.where(free, none, IGNORED))
            names: dict[str, int] = {}
            for one in sorted((*item.segments, *gaps), key=lambda it: it.start):
                name = f"{item.name}_{one.start:06d}"
                names[name] = names.get(name, 0) + 1
                yield _clip(item, one, name if names[name] == 1 else f"{name}-{names[name]}")


def _clip(recording: SkeletonClip, one: Segment, name: str) -> SkeletonClip:
    part = slice(one.start, one.end)
    score = None if recording.score is None else recording.score[:, part]
    keypoint = recording.keypoint[:, part]
    return replace(recording, keypoint=keypoint, score=score, name=name, label=one.label, segments=None)
