"""Windows of long recordings, with a label for each frame: drawn at random for training, side by side for scores.

A training window has its middle in a segment, or between two: every segment and every gap has a place in an epoch, a
long one several. So whatever lies around segments, which looks most like them, is in the windows, too.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from kinegraph.data.augment import mirrored_classes
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.loading import Key, Samples, mirror_drawn
from kinegraph.data.preprocessing import FIRST_FRAME, Preprocessing, prepare_clip
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.segment import IGNORED, Segment, one_label, runs

WindowSample = tuple[Float[np.ndarray, "views M F V D"], np.ndarray, int, int]
IN_A_ROW = ("pad", "window")  # samplings that keep frames as they follow each other
TIME_CHANGES = ("crop", "time_warp", "mixup", "bone_lengths")  # variations that labels of frames do not follow


@dataclass(frozen=True)
class Place:
    """Frames of a recording that the middle of a window is drawn from; label: of them, -1 for a gap without class."""

    recording: int
    start: int
    end: int
    label: int


class WindowDataset(Samples):
    """Windows of some recordings of a dataset folder as (views, labels of frames, people, position).

    indices: of the recordings. seed: draws training windows; without one, windows lie side by side and overlap by half.
    several: labels are (F, classes) of 0 and 1, for frames of several classes; else (F,), -1 where a frame is ignored.
    dense: windows side by side overlap by seven eighths. Frames behind the end of a recording are ignored: -1, or NaN.
    Raises ValueError where the folder has no segments, or the preprocessing changes the order of frames.
    """

    def __init__(
        self,
        folder: SkeletonDataset,
        indices: Int[np.ndarray, "N"],
        preprocessing: Preprocessing,
        seed: int | None = None,
        several: bool = False,
        dense: bool = False,
    ):
        check_in_a_row(preprocessing)
        self.folder, self.indices, self.seed, self.several = folder, indices, seed, several
        self.preprocessing = replace(preprocessing, test_frames=None)
        self.frames = preprocessing.frames
        self.step = max(self.frames // (8 if dense else 2), 1)
        self.places: list[Place] = []
        self.overlapping = self.unlabelled = 0  # frames of several classes, and of none
        self.frame_counts = np.zeros(len(folder.class_names), np.int64)
        for index in indices.tolist():
            labels = self.labels_of(index)
            self.overlapping += int((labels.sum(axis=1) > 1).sum())
            self.unlabelled += int((~labels.any(axis=1)).sum())
            known = labels if several else one_label(labels)[0][:, None] == np.arange(labels.shape[1])
            self.frame_counts += known.sum(axis=0)
            self.places += self._places(index, labels)
        if not self.places:
            raise ValueError(f"{folder.path}: no frame of the {len(indices)} recordings of this part has a label")

    def labels_of(self, index: int) -> Bool[np.ndarray, "T classes"]:
        return labels_of(self.folder, index)

    @property
    def label(self) -> Int[np.ndarray, "W"]:
        """The class in the middle of each window."""
        return np.array([place.label for place in self.places])

    def class_counts(self) -> list[int]:
        """Frames of each class."""
        return self.frame_counts.tolist()

    def name_of(self, position: int) -> str:
        """For messages."""
        place = self.places[position % len(self)]
        return f"{self.folder.names[place.recording]} frame {place.start}"

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, key: Key) -> WindowSample:
        epoch, position = key
        place = self.places[position % len(self)]
        rng = None if self.seed is None else np.random.default_rng((self.seed, epoch, position))
        middle = place.start + self.frames // 2 if rng is None else int(rng.integers(place.start, place.end))
        recorded = int(self.folder.frames[place.recording])
        first = min(max(middle - self.frames // 2, 0), max(recorded - self.frames, 0))
        clip = cut(self.folder[place.recording], first, self.frames)
        steps, mirrored = (self.preprocessing, False) if rng is None else mirror_drawn(self.preprocessing, rng)
        labels = self._frame_labels(place.recording, first, mirrored)
        return prepare_clip(clip, steps, rng), labels, min(clip.people, steps.people), position

    def __getitems__(
        self, keys: list[Key]
    ) -> tuple[Float[Tensor, "N views M T V C"], Shaped[Tensor, "N T ..."], Int[Tensor, "N"], Int[Tensor, "N"]]:
        views, labels, people, positions = zip(*map(self.__getitem__, keys), strict=True)
        numbers: Sequence[Tensor] = (torch.tensor(people), torch.tensor(positions))
        return torch.from_numpy(np.stack(views)), torch.from_numpy(np.stack(labels)), *numbers

    def _frame_labels(self, index: int, first: int, mirrored: bool) -> np.ndarray:
        labels = self.labels_of(index)[first : first + self.frames]
        if mirrored:
            labels = labels[:, mirrored_classes(self.folder.class_names)]
        missing = self.frames - len(labels)
        if self.several:
            return np.pad(labels.astype(np.float32), ((0, missing), (0, 0)), constant_values=np.nan)
        return np.pad(one_label(labels)[0], (0, missing), constant_values=IGNORED)

    def _places(self, index: int, labels: Bool[np.ndarray, "T classes"]) -> list[Place]:
        if self.seed is None:
            starts = window_starts(len(labels), self.frames, self.step)
            return [Place(index, start, start + 1, IGNORED) for start in starts]
        none = self.folder.none
        gaps = np.flatnonzero(labels.sum(axis=1) == 0) if none is None else np.flatnonzero(labels[:, none])
        wanted = [*self.folder.segments[index]] if self.folder.segments else []
        if self.several or none is not None:
            between = np.full(len(labels), IGNORED)
            between[gaps] = 0
            wanted += [replace(run, label=IGNORED if none is None else none) for run in runs(between)]
        return [Place(index, *part, run.label) for run in wanted for part in pieces(run, self.frames)]


def labels_of(folder: SkeletonDataset, index: int) -> Bool[np.ndarray, "T classes"]:
    """The classes of each frame of a recording. Frames without a class have `folder.none`, if the dataset has it."""
    labels = folder.labels_of(index)
    if folder.none is not None:
        labels[:, folder.none] |= ~labels.any(axis=1)
    return labels


def concerns(windows: WindowDataset, stride: int) -> list[str]:
    """Lines on windows and segments that will hardly be learnt. stride: frames of one answer."""
    folder, longest = windows.folder, int(windows.folder.frames[windows.indices].max())
    lengths = [segment.end - segment.start for i in windows.indices.tolist() for segment in (folder.segments or ())[i]]
    usual = int(np.median(lengths)) if lengths else 0
    lines: list[str] = []
    if len(folder.class_names) == 1:
        lines.append(
            f"all frames with a label are of one class, '{folder.class_names[0]}', so there is nothing to learn; "
            "`kinegraph prepare` without --none ignore makes a class of the frames between segments"
        )
    if windows.frames > longest:
        lines.append(
            f"windows of {windows.frames:,} frames are longer than every recording ({longest:,} at most): the rest of "
            "them is padding"
        )
    if 0 < usual < stride:
        lines.append(
            f"the network answers once for {stride} frames, and half of the segments have {usual} or fewer: give it "
            "smaller strides"
        )
    return lines


def pieces(segment: Segment, longest: int) -> list[tuple[int, int]]:
    """A segment in equal parts of at most so many frames."""
    count = -(-(segment.end - segment.start) // longest)
    edges = np.linspace(segment.start, segment.end, count + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))


def window_starts(recorded: int, frames: int, step: int) -> list[int]:
    """First frames of windows `step` frames apart; the last one ends with the recording."""
    if recorded <= frames:
        return [0]
    return [*range(0, recorded - frames, step), recorded - frames]


def windows(clip: SkeletonClip, frames: int) -> Iterator[SkeletonClip]:
    """All that a network of frames sees of a recording; as one clip it would see the middle window alone."""
    return (cut(clip, start, frames) for start in window_starts(clip.frames, frames, frames))


def cut(clip: SkeletonClip, first: int, frames: int) -> SkeletonClip:
    """Some frames of a recording, as a clip without segments."""
    part = slice(first, first + frames)
    score = None if clip.score is None else clip.score[:, part]
    return replace(clip, keypoint=clip.keypoint[:, part], score=score, segments=None)


def check_in_a_row(preprocessing: Preprocessing) -> None:
    """Raises ValueError for a preparation after which frames are not those of the labels any more."""
    if preprocessing.sampling not in IN_A_ROW:
        raise ValueError(
            f"a label for each frame needs frames in a row: preprocessing.sampling is '{preprocessing.sampling}', "
            "expected 'window'"
        )
    if preprocessing.normalize in (*FIRST_FRAME, "ntu_published"):
        raise ValueError(
            f"preprocessing.normalize '{preprocessing.normalize}' may drop frames, which labels of frames do not "
            "follow; expected facing, sized, image or none"
        )
    if changed := [name for name in TIME_CHANGES if getattr(preprocessing.augment, name)]:
        raise ValueError(f"preprocessing.augment.{changed[0]} is not for labels of frames; leave it out")
    if preprocessing.test_mirror:
        raise ValueError("preprocessing.test_mirror is not for labels of frames; leave it out")
