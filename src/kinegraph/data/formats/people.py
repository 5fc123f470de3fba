"""Who is who in formats whose files do not say it (`data.tracking`), and what became of people, in words."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from kinegraph.data.tracking import follow_rows
from kinegraph.messages import first_few


def followed(
    name: str, keypoint: Float[np.ndarray, "M T V C"], score: Float[np.ndarray, "M T V"] | None, changed: dict[str, int]
) -> tuple[Float[np.ndarray, "M T V C"], Float[np.ndarray, "M T V"] | None]:
    """The array of a clip with every person in one row; as it is where the rows are consistent.

    changed: gets the number of frames in which somebody was in another row.
    """
    tracks = follow_rows(keypoint)
    if not tracks.changed:
        return keypoint, score
    changed[name] = tracks.changed
    at, absent = np.arange(keypoint.shape[1]), tracks.rows < 0
    keypoint = np.where(absent[..., None, None], 0, keypoint[tracks.rows, at])
    return keypoint, None if score is None else np.where(absent[..., None], 0, score[tracks.rows, at])


def further_people(left_out: Mapping[str, int], people: int) -> list[str]:
    """The line on people that were seen but are of no body. left_out: clip -> how often, in single frames."""
    if not left_out:
        return []
    bodies = "one body" if people == 1 else f"{people} bodies"
    return [
        f"people beyond {bodies} a clip, seen {sum(left_out.values()):,} times in {len(left_out):,} clips "
        f"({first_few([*left_out])}); --people keeps more"
    ]


def changed_rows(frames: Mapping[str, int]) -> list[str]:
    """The line on people who were followed from row to row. frames: clip -> in how many."""
    if not frames:
        return []
    return [
        f"people changed rows in {len(frames):,} clips, {sum(frames.values()):,} frames, and were followed: "
        f"{first_few([*frames])}; --bodies rows leaves them as they are"
    ]
