"""Who is who in formats whose files do not say it (`data.tracking`), and what became of people, in words."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Int

from kinegraph.data.formats.recordings import Item
from kinegraph.data.large import blocks
from kinegraph.data.tracking import follow_rows
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip

BodyPolicy = Literal["tracked", "rows"]


def followed(items: Iterator[Item], changed: dict[str, int]) -> Iterator[Item]:
    """The clips with every person in one row; as they are where the rows are consistent, without rows of nobody.

    changed: gets, for clips where they are not, the number of frames in which somebody was in another row.
    """
    with closing(items):
        for item in items:
            if isinstance(item, SkeletonClip):
                tracks = follow_rows(item.keypoint)
                if tracks.changed:
                    changed[item.name] = tracks.changed
                    item = _in_rows(item, tracks.rows)
                item = _without_nobody(item)
            yield item


def _without_nobody(clip: SkeletonClip) -> SkeletonClip:
    """The clip without people who are never seen."""
    there = np.array([any(row[part].any() for part in blocks(row[None])) for row in clip.keypoint], bool)
    if there.all() or not there.any():
        return clip
    return replace(clip, keypoint=clip.keypoint[there], score=None if clip.score is None else clip.score[there])


def _in_rows(clip: SkeletonClip, rows: Int[np.ndarray, "M T"]) -> SkeletonClip:
    at, absent = np.arange(clip.frames), rows < 0
    keypoint = np.where(absent[..., None, None], 0, clip.keypoint[rows, at])
    score = None if clip.score is None else np.where(absent[..., None], 0, clip.score[rows, at])
    there = (rows >= 0).any(1)  # somebody who went on in another row was one person
    return replace(clip, keypoint=keypoint[there], score=None if score is None else score[there])


def further_people(left_out: Mapping[str, int], people: int) -> list[str]:
    """The line on people that were seen but are of no body. left_out: clip -> how often, in single frames."""
    if not left_out:
        return []
    bodies = "one body" if people == 1 else f"{people} bodies"
    return [
        f"people beyond {bodies} a clip, seen {sum(left_out.values()):,} times in {counted(len(left_out), 'clip')} "
        f"({first_few([*left_out])}); --people keeps more"
    ]


def changed_rows(frames: Mapping[str, int]) -> list[str]:
    """The line on people who were followed from row to row. frames: clip -> in how many."""
    if not frames:
        return []
    return [
        f"people changed rows in {counted(len(frames), 'clip')}, {counted(sum(frames.values()), 'frame')}, "
        f"and were followed: "
        f"{first_few([*frames])}; --bodies rows leaves them as they are"
    ]
