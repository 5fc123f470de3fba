"""Skeletons of the Kinetics-400 annotations, which lie in files of their own, the kpfiles.

A kpfile is {frame_dir: {"keypoint": (skeletons, V, 3)}} with x, y and score; the annotation names its kpfile
(raw_file), the frame of each skeleton (frame_inds, ascending) and the score of each one's box (box_score).
Source: PYSKL tools/data/README.md and the operator DecompressPose, whose rules are kept.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float, Int

from kinegraph.data.reading.clips.conventions import is_name
from kinegraph.safe_pickle import load_pickle

PEOPLE = 10  # at most, in one frame


class Skeletons:
    """The kpfiles beside an annotation file, in its folder `kpfiles` or next to it; one at a time is in memory."""

    def __init__(self, folder: Path, box_threshold: float | None = None):
        self.folder, self.box_threshold = folder, box_threshold
        self.name, self.content = "", {}

    def order(self, items: Sequence[Mapping]) -> list[int]:
        """The order of annotations in which every kpfile is loaded once."""
        first: dict[str, int] = {}
        for i, item in enumerate(items):
            first.setdefault(_file_name(item), i)
        return sorted(range(len(items)), key=lambda i: first[_file_name(items[i])])

    def expanded(self, item: Mapping) -> dict:
        """The annotation with keypoint (M, T, V, 2) and keypoint_score (M, T, V) of the frames that have a skeleton."""
        keypoint, frame = self._of(item), np.asarray(item.get("frame_inds"))
        if (
            keypoint.ndim != 3
            or keypoint.shape[2] != 3
            or frame.shape != keypoint.shape[:1]
            or frame.dtype.kind not in "iu"
        ):
            raise ValueError(
                f"has skeletons {keypoint.shape} and frame_inds {frame.shape}, expected (skeletons, V, 3) and as many"
            )
        if (np.diff(frame.astype(np.int64)) < 0).any():
            raise ValueError("has frame_inds that do not ascend")
        if self.box_threshold is not None:
            box = np.asarray(item.get("box_score"))
            if box.shape != frame.shape or box.dtype.kind not in "fiu":
                raise ValueError(f"has box_score {box.shape}, expected {frame.shape}")
            keypoint, frame = keypoint[box >= self.box_threshold], frame[box >= self.box_threshold]
        people = by_person(keypoint.astype(np.float32), frame)
        return {**item, "keypoint": people[..., :2], "keypoint_score": people[..., 2], "total_frames": people.shape[1]}

    def _of(self, item: Mapping) -> np.ndarray:
        name = _file_name(item)
        if name != self.name:
            places = [self.folder / "kpfiles" / name, self.folder / name]
            file = next((place for place in places if name and place.is_file()), None)
            if file is None:
                where = (
                    f"its skeletons in '{name}', there is no {places[0]}" if name else "no raw_file with its skeletons"
                )
                raise ValueError(f"has {where}")
            self.content, self.name = {}, ""  # free the last before the next comes
            self.content, self.name = load_pickle(file), name
        found = self.content.get(str(item.get("frame_dir"))) if isinstance(self.content, Mapping) else None
        keypoint = found.get("keypoint") if isinstance(found, Mapping) else None
        if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind not in "fiu":
            raise ValueError(f"has no skeletons in {name}")
        return keypoint


def _file_name(item: Mapping) -> str:
    name = item.get("raw_file")
    return PurePosixPath(name).name if isinstance(name, str) and is_name(name) else ""  # where it lay does not matter


def by_person(skeleton: Float[np.ndarray, "n V 3"], frame: Int[np.ndarray, "n"]) -> Float[np.ndarray, "M T V 3"]:
    """Skeletons listed frame by frame -> the k-th skeleton of every frame as person k.

    Frames without any are dropped. Where a frame has more than 10, every frame's are ordered by their summed joint
    scores and the best 10 stay.
    """
    _, start, frame, count = np.unique(frame, return_index=True, return_inverse=True, return_counts=True)
    person = np.arange(len(frame)) - start[frame]
    most = count.max(initial=0)
    if most > PEOPLE:
        order = np.lexsort((-skeleton[..., 2].sum(1), frame))  # stable, so that frames stay together
        skeleton = skeleton[order]
    kept = person < PEOPLE
    people = np.zeros((min(most, PEOPLE), len(count), *skeleton.shape[1:]), np.float32)
    people[person[kept], frame[kept]] = skeleton[kept]
    return people
