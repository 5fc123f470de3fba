"""Quick checks of a dataset folder, whose findings prepare, train and test print in a line each.

It is a part of what `kinegraph inspect` says, in the same words: what one pass over a clip shows, without bones or the
order of axes. A minute of NTU RGB+D's clips takes seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from kinegraph.data.checks import Expected, Finding, findings, units_expected
from kinegraph.data.clip_summary import ClipSummary
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.large import BLOCK_BYTES
from kinegraph.data.repeats import course_by
from kinegraph.data.row_file import RowFile
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.geometry import extent, seen

KINDS = (
    "scale", "units", "empty", "nobody", "second", "one_frame", "still", "duplicate_content", "near_duplicate",
    "two_labels", "shared_subjects", "frame_rates", "no_part", "no_split", "names", "class_not_in_train", "rare_class",
    "few_clips", "unlabelled",
)  # fmt: skip
CLIPS_NAMED = 3


def dataset_findings(folder: SkeletonDataset, split: str | None = None) -> list[Finding]:
    """The findings about a dataset, problems first; with a split, about the clips in its parts alone."""
    indices = np.arange(len(folder))
    parts = folder.splits if split is None else {split: folder.part_of(split)}
    if split is not None:
        indices = indices[parts[split] != "none"]
    facts = [_glance(folder, index, parts) for index in indices.tolist()]
    expected = Expected(
        folder.layout, len(folder.class_names), *units_expected(folder.units), class_names=folder.class_names
    )
    return [finding for finding in findings(facts, expected) if finding.kind in KINDS]


def line_of(finding: Finding) -> str:
    """A finding with how many clips have it, and the first of them."""
    if not finding.clips:
        return finding.message
    return f"{finding.message} ({counted(len(finding.clips), 'clip')}: {first_few(finding.clips, CLIPS_NAMED)})"


def _glance(folder: SkeletonDataset, index: int, parts: Mapping[str, Shaped[np.ndarray, "n"]]) -> ClipSummary:
    """The facts of a clip that cost no more than to read it once."""
    people, frames, label = int(folder.people[index]), int(folder.frames[index]), int(folder.label[index])
    values, start = folder.arrays["keypoint"], int(folder.offset[index])
    subject = folder.attributes["subject"][index].item() if "subject" in folder.attributes else None
    rate = float(folder.fps[index])
    about = {
        "name": folder.names[index],
        "fps": rate if rate == rate else None,
        "label": label if label >= 0 else None,
        "subject": subject,
        "splits": {split: str(part[index]) for split, part in parts.items()},
        "segments": None if folder.segments is None else folder.segments[index],
    }
    shape, step = (people, frames, *values.shape[1:]), max(1, BLOCK_BYTES // values.row_bytes)
    there, digest, moved, largest = _read_once(values, start, people, frames, step)
    if not there.any():
        return ClipSummary(**about, shape=shape)
    middle = start + int(np.flatnonzero(there)[there.sum() // 2])
    digest.update(bytes(shape[:2]) if max(shape[:2]) < 256 else repr(shape).encode())
    return ClipSummary(
        **about,
        shape=shape,
        present=int(there.any(1).sum()),
        nobody=float(1 - there.any(0).mean()),
        second=not there[0].any(),
        still=frames > 1 and not moved,
        size=_size(values.read(middle, middle + 1)[0]),
        largest=largest,
        digest=digest.digest(),
        course=course_by(there, partial(_poses, values, start, frames, step)),
    )


def _read_once(
    values: RowFile, start: int, people: int, frames: int, step: int
) -> tuple[Bool[np.ndarray, "M T"], hashlib.blake2b, bool, float]:
    """Who is there in each frame, the digest of all values, whether anybody moves, and the largest coordinate.

    step: frames in memory at a time.
    """
    there, digest, moved, largest = np.zeros((people, frames), bool), hashlib.blake2b(digest_size=16), False, 0.0
    for person in range(people):
        first = None
        for at in range(0, frames, step):
            row, stop = start + person * frames, min(at + step, frames)
            poses = values.read(row + at, row + stop)
            there[person, at:stop] = now = poses.any((1, 2))
            digest.update(poses)
            bodies = poses[now]
            if len(bodies):
                first = bodies[0] if first is None else first
                moved = moved or bool((bodies != first).any())
                largest = max(largest, float(bodies.max()), -float(bodies.min()))
    return there, digest, moved, largest


def _poses(
    values: RowFile, start: int, frames: int, step: int, person: int, numbers: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n V C"]:
    """A person in some frames. Not inside of `_glance`: such annotations take a tenth of its time."""
    first = start + person * frames
    if frames <= step:
        return values.read(first, first + frames)[numbers]
    return np.concatenate([values.read(first + number, first + number + 1) for number in numbers.tolist()])


def _size(body: Float[np.ndarray, "V C"]) -> float:
    """How large a body is, along the longest axis, in a frame in which it is there."""
    return float(extent(body[seen(body)].astype(np.float64)).max())


def check_scale(found: Sequence[Finding], folder: SkeletonDataset) -> None:
    """Raises ValueError where coordinates are too large or too small to compute with."""
    for finding in found:
        if finding.kind == "scale":
            raise ValueError(f"{folder.path}: {line_of(finding)}; prepare the dataset again with the right units")
