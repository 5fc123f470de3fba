"""Who is who in formats whose files do not say it (`data.tracking`), and what became of people, in words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from kinegraph.data.large import blocks
from kinegraph.data.reading.clips.clip_columns import Facts, facts
from kinegraph.data.reading.clips.recordings import Item, Recordings, each_clip
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.steps.labels_lists import read_labels_file
from kinegraph.data.tracking import follow_rows
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import of_person

BodyPolicy = Literal["tracked", "rows"]


def followed(items: Iterator[Item], changed: dict[str, int]) -> Iterator[Item]:
    """The clips with every person in one row; as they are where the rows are consistent, without rows of nobody.

    changed: gets, for clips where they are not, the number of frames in which somebody was in another row.
    """

    def in_rows(clip: SkeletonClip) -> tuple[SkeletonClip]:
        tracks = follow_rows(clip.keypoint)
        if tracks.changed:
            changed[clip.name] = tracks.changed
            clip = _in_rows(clip, tracks.rows)
        return (_without_nobody(clip),)

    return each_clip(items, in_rows)


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


# ---- a clip of each person -------------------------------------------------------------------------------------------


def lists_persons(file: Path, labels: str | None) -> bool:
    """Whether the rows of a labels file are persons and not clips. labels: its column of labels."""
    return any(re.search(r"#\d+$", name) for name in read_labels_file(file, labels))


def each_person(
    found: Recordings,
    labels_file: Path | None = None,
    *,
    class_names: str | None = None,
    val_share: float | None = None,
    labels: str | None = None,
) -> Recordings:
    """The recordings with a clip for each person, from the first to the last frame that he or she is in.

    labels_file: what is known of persons; who is not listed is left out. Without one each has the label of the clip.
    class_names, val_share: see `facts`. labels: the file's column of labels.
    """
    persons = each_clip(found.clips, _persons)
    if labels_file is None:
        return replace(found, clips=persons)
    known = facts(read_labels_file(labels_file, labels), class_names=class_names, val_share=val_share)
    if known.faults:
        name, fault = next(iter(known.faults.items()))
        raise ValueError(f"{labels_file}: {name} {fault}")
    unlisted: list[str] = []

    def skipped() -> list[str]:
        line = f"{counted(len(unlisted), 'person')} that {labels_file.name} does not list: {first_few(unlisted)}"
        return [*found.skipped(), line] if unlisted else found.skipped()

    return replace(
        found,
        clips=each_clip(persons, lambda clip: _labelled(clip, known, unlisted)),
        class_names=known.class_names,
        skipped=skipped,
        changed=lambda: found.changed() + known.lines(),
    )


def _persons(clip: SkeletonClip) -> Iterator[Item]:
    for person, body in enumerate(clip.keypoint):
        there = np.flatnonzero(body.any((1, 2)))
        if not len(there):
            continue
        frames = slice(int(there[0]), int(there[-1]) + 1)
        score = None if clip.score is None else clip.score[person : person + 1, frames]
        segments = clip.segments
        if segments is not None:
            try:
                segments = of_person(segments, person, clip.names_of_people, frames.start, frames.stop - frames.start)
            except ValueError as error:
                yield Fault(str(error), clip.name, "segments")
                return
        name = clip.name if clip.people == 1 else f"{clip.name}#{person + 1}"
        own = {"individuals": clip.names_of_people[person]} if "individuals" in clip.attributes else {}
        about = {"segments": segments, "attributes": clip.attributes | own}
        yield replace(clip, name=name, keypoint=body[None, frames], score=score, **about)


def _labelled(clip: SkeletonClip, known: Facts, unlisted: list[str]) -> Iterator[Item]:
    about = known.clips.get(clip.name) or known.clips.get(f"{clip.name}#1")
    if about is None:
        unlisted.append(clip.name)
        return
    yield replace(
        clip,
        label=about.label,
        fps=about.fps or clip.fps,
        image_size=about.image_size or clip.image_size,
        attributes=clip.attributes | about.attributes,
        splits=about.splits,
    )
