"""Quick checks of a dataset folder, whose findings prepare, train and test print in a line each.

It is a part of what `kinegraph inspect` says, in the same words: what one pass over a clip shows, without bones or the
order of axes. A minute of NTU RGB+D's clips takes seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from kinegraph.data.checks import Expected, Finding, findings, units_expected
from kinegraph.data.clip_summary import ClipSummary
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.repeats import course
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.geometry import extent, seen

KINDS = (
    "scale", "units", "empty", "nobody", "one_frame", "still", "duplicate_content", "near_duplicate", "two_labels",
    "shared_subjects", "frame_rates", "no_part", "class_not_in_train", "rare_class", "few_clips",
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
    return [one for one in findings(facts, expected) if one.kind in KINDS]


def line_of(finding: Finding) -> str:
    """A finding with how many clips have it, and the first of them."""
    if not finding.clips:
        return finding.message
    return f"{finding.message} ({counted(len(finding.clips), 'clip')}: {first_few(finding.clips, CLIPS_NAMED)})"


def _glance(folder: SkeletonDataset, index: int, parts: Mapping[str, Shaped[np.ndarray, "n"]]) -> ClipSummary:
    """The facts of a clip that cost no more than to read it once."""
    people, frames, label = int(folder.people[index]), int(folder.frames[index]), int(folder.label[index])
    rows = folder.rows(index)
    subject = folder.attributes["subject"][index].item() if "subject" in folder.attributes else None
    rate = float(folder.fps[index])
    about = {
        "name": folder.names[index],
        "fps": rate if rate == rate else None,
        "label": label if label >= 0 else None,
        "subject": subject,
        "splits": {split: str(part[index]) for split, part in parts.items()},
    }
    there = rows.reshape(people, frames, -1).any(2)
    shape = people, frames, *rows.shape[1:]
    if not there.any():
        return ClipSummary(**about, shape=shape)
    digest = hashlib.blake2b(rows, digest_size=16)
    digest.update(bytes(shape[:2]) if max(shape[:2]) < 256 else repr(shape).encode())
    return ClipSummary(
        **about,
        shape=shape,
        present=int(there.any(1).sum()),
        nobody=float(1 - there.any(0).mean()),
        still=frames > 1 and not _moves(rows.reshape(people, frames, -1), there),
        size=_size(rows[np.flatnonzero(there)[there.sum() // 2]]),
        largest=max(float(rows.max()), -float(rows.min())),
        digest=digest.digest(),
        course=course(rows.reshape(people, frames, *rows.shape[1:])),
    )


def _moves(bodies: Float[np.ndarray, "M T D"], there: Bool[np.ndarray, "M T"]) -> bool:
    """Whether somebody differs from one frame to another in which they are there."""
    for person, now in zip(bodies, there, strict=True):
        if now[0] and now[-1] and (person[0] != person[-1]).any():  # nearly always, and quickly seen
            return True
        poses = person[now]
        if len(poses) and (poses != poses[0]).any():
            return True
    return False


def _size(body: Float[np.ndarray, "V C"]) -> float:
    """How large a body is, along the longest axis, in a frame in which it is there."""
    return float(extent(body[seen(body)].astype(np.float64)).max())


def check_scale(found: Sequence[Finding], folder: SkeletonDataset) -> None:
    """Raises ValueError where coordinates are too large or too small to compute with."""
    for finding in found:
        if finding.kind == "scale":
            raise ValueError(f"{folder.path}: {line_of(finding)}; prepare the dataset again with the right units")
