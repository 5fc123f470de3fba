"""A clip for each person, NAME#1, NAME#2 ..., with a label of his or her own where a labels file lists persons."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinegraph.data.formats.clip_columns import Facts, facts, read_labels_file
from kinegraph.data.formats.recordings import Fault, Item, Recordings
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import of_person


def lists_persons(file: Path) -> bool:
    """Whether the rows of a labels file are persons and not clips."""
    return any(re.search(r"#\d+$", name) for name in read_labels_file(file))


def each_person(
    found: Recordings,
    labels_file: Path | None = None,
    *,
    class_names: str | None = None,
    val_share: float | None = None,
) -> Recordings:
    """The recordings with a clip for each person, from the first to the last frame that he or she is in.

    labels_file: what is known of persons; who is not listed is left out. Without one each has the label of the clip.
    class_names, val_share: see `facts`.
    """
    persons = _persons(found.clips)
    if labels_file is None:
        return replace(found, clips=persons)
    known = facts(read_labels_file(labels_file), class_names=class_names, val_share=val_share)
    if known.faults:
        name, fault = next(iter(known.faults.items()))
        raise ValueError(f"{labels_file}: {name} {fault}")
    unlisted: list[str] = []

    def skipped() -> list[str]:
        line = f"{counted(len(unlisted), 'person')} that {labels_file.name} does not list: {first_few(unlisted)}"
        return found.skipped() + [line] * bool(unlisted)

    return replace(
        found,
        clips=_labelled(persons, known, unlisted),
        class_names=known.class_names,
        skipped=skipped,
        changed=lambda: found.changed() + known.lines(),
    )


def _persons(items: Iterator[Item]) -> Iterator[Item]:
    with closing(items):
        for clip in items:
            if not isinstance(clip, SkeletonClip):
                yield clip
                continue
            for person, body in enumerate(clip.keypoint):
                there = np.flatnonzero(body.any((1, 2)))
                if not len(there):
                    continue
                frames = slice(int(there[0]), int(there[-1]) + 1)
                score = None if clip.score is None else clip.score[person : person + 1, frames]
                segments = clip.segments
                if segments is not None:
                    try:
                        segments = of_person(
                            segments, person, clip.names_of_people, frames.start, frames.stop - frames.start
                        )
                    except ValueError as error:
                        yield Fault(str(error), clip.name, "segments")
                        break
                name = clip.name if clip.people == 1 else f"{clip.name}#{person + 1}"
                own = {"individuals": clip.names_of_people[person]} if "individuals" in clip.attributes else {}
                attributes = clip.attributes | own
                yield replace(
                    clip, name=name, keypoint=body[None, frames], score=score, segments=segments, attributes=attributes
                )


def _labelled(items: Iterator[Item], known: Facts, unlisted: list[str]) -> Iterator[Item]:
    with closing(items):
        for clip in items:
            if not isinstance(clip, SkeletonClip):
                yield clip
            elif (about := known.clips.get(clip.name) or known.clips.get(f"{clip.name}#1")) is None:
                unlisted.append(clip.name)
            else:
                yield replace(
                    clip,
                    label=about.label,
                    fps=about.fps or clip.fps,
                    image_size=about.image_size or clip.image_size,
                    attributes=clip.attributes | about.attributes,
                    splits=about.splits,
                )
