"""Batches for training and testing: what is drawn for a clip depends on (seed, epoch, clip) alone.

Neither workers, processes nor a restart change it: no random state lives here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kinegraph.data.augment import exchange_factor, mirrored_classes
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.pool import leave_stops_to_the_parent, main_left_out, signals_held
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import bone_lengths, scale_bones

Key = tuple[int, int]
Sample = tuple[Float[np.ndarray, "views M T V C"], int, int, int]
Batch = tuple[Float[Tensor, "N views M T V C"], Int[Tensor, "N"], Int[Tensor, "N"], Int[Tensor, "N"]]


class Samples(Dataset[Any]):
    """What a loader takes: clips, or windows of long recordings, asked for by (epoch, position).

    seed: of random views; None for fixed ones.
    """

    seed: int | None

    @property
    def label(self) -> Int[np.ndarray, "N"]:
        """The class of each."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class ClipDataset(Samples):
    """Some clips of a dataset folder as (views, label, people, position).

    An item is asked for by (epoch, position); with a seed it is a random training view, without the fixed test views.
    A position beyond the last clip begins anew, and is varied in another way. A clip without a label has -1.
    Raises ValueError where a clip lacks what `preprocessing` needs.
    """

    def __init__(
        self,
        folder: SkeletonDataset,
        indices: Int[np.ndarray, "N"],
        preprocessing: Preprocessing,
        seed: int | None = None,
    ):
        self.folder, self.indices, self.preprocessing, self.seed = folder, indices, preprocessing, seed

    @property
    def label(self) -> Int[np.ndarray, "N"]:
        """The class of each clip."""
        return self.folder.label[self.indices]

    def class_counts(self) -> list[int]:
        """Clips of each class."""
        return np.bincount(self.label, minlength=len(self.folder.class_names)).tolist()

    def name_of(self, position: int) -> str:
        """The name of a clip, for messages."""
        return self.folder.names[self.indices[position % len(self)]]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: Key) -> Sample:
        epoch, position = key
        clip = self.folder[self.indices[position % len(self)]]
        label = -1 if clip.label is None else clip.label
        if self.seed is None:
            views = prepare_clip(clip, self.preprocessing)
        else:
            rng = np.random.default_rng((self.seed, epoch, position))
            steps, mirrored = mirror_drawn(self.preprocessing, rng)
            views = self._varied(position % len(self), clip, steps, rng)
            label = int(self._mirrored[label]) if mirrored else label
        return views, label, min(clip.people, self.preprocessing.people), position

    def __getitems__(self, keys: list[Key]) -> Batch:
        """A whole batch, which is what a DataLoader asks for: views, labels, people and positions."""
        views, labels, people, positions = zip(*map(self.__getitem__, keys), strict=True)
        return torch.from_numpy(np.stack(views)), torch.tensor(labels), torch.tensor(people), torch.tensor(positions)

    @cached_property
    def _mirrored(self) -> Int[np.ndarray, "classes"]:
        return mirrored_classes(self.folder.class_names)

    def _varied(
        self, member: int, clip: SkeletonClip, steps: Preprocessing, rng: np.random.Generator
    ) -> Float[np.ndarray, "1 people F V D"]:
        """A random training view, maybe mixed with one of another clip of the same class and number of people."""
        view = self._with_other_bones(member, clip, steps, rng)
        mixup = steps.augment.mixup
        if not mixup or rng.random() >= mixup:
            return view
        label, people = self.folder.label[self.indices], self.folder.people[self.indices]
        alike = np.flatnonzero((label == label[member]) & (people == people[member]))
        other = int(rng.choice(alike))
        lent = self._with_other_bones(other, self.folder[self.indices[other]], steps, rng)
        share = np.float32(rng.uniform(0, 0.5)) * (lent != 0)  # nothing is blended with joints that were not seen
        return view + share * (lent - view)

    def _with_other_bones(
        self, member: int, clip: SkeletonClip, steps: Preprocessing, rng: np.random.Generator
    ) -> Float[np.ndarray, "1 people F V D"]:
        """A random training view, maybe with the bone lengths of the first person of another clip."""
        share = steps.augment.bone_lengths
        if share and rng.random() < share:
            other = int(rng.integers(len(self)))
            factor = exchange_factor(self._bone_lengths[member], self._bone_lengths[other][0])
            keypoint = scale_bones(clip.keypoint, factor.astype(np.float32), clip.layout)
            clip = replace(clip, keypoint=keypoint)
        return prepare_clip(clip, steps, rng)

    @cached_property
    def _bone_lengths(self) -> list[Float[np.ndarray, "_ V"]]:
        clips = (self.folder[index] for index in self.indices)
        return [bone_lengths(clip.keypoint, clip.layout) for clip in clips]


def mirror_drawn(steps: Preprocessing, rng: np.random.Generator) -> tuple[Preprocessing, bool]:
    """With `mirror_labels`, whether a training clip is mirrored is drawn here, and `steps` do it certainly or never."""
    if not steps.augment.mirror_labels:
        return steps, False
    mirrored = bool(rng.random() < steps.augment.mirror)
    return replace(steps, augment=replace(steps.augment, mirror=float(mirrored))), mirrored


class EpochBatches:
    """Batches of keys (epoch, position) in the order of one epoch, this process's share of them, from batch `skip` on.

    With several processes every one gets the same number of clips: the first clips of the order fill up the last.
    labels: draw every class equally often, instead of every clip.
    """

    def __init__(
        self,
        clips: int,
        batch_size: int,
        seed: int,
        epoch: int,
        skip: int = 0,
        rank: int = 0,
        processes: int = 1,
        labels: Int[np.ndarray, "N"] | None = None,
    ):
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(clips) if labels is None else class_balanced(labels, clips, rng)
        share = np.resize(order, -(-clips // processes) * processes)[rank::processes]
        keys = [(epoch, int(position)) for position in share]
        self.batches = [keys[i : i + batch_size] for i in range(0, len(keys), batch_size)][skip:]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)


def class_balanced(labels: Int[np.ndarray, "N"], draws: int, rng: np.random.Generator) -> Int[np.ndarray, "draws"]:
    """Positions of clips, every class that has clips equally often (give or take one), in random order.

    A clip comes back only after all others of its class; then as position + N, so that it is varied in another way.
    """
    classes = rng.permutation(np.unique(labels))
    shares = np.full(len(classes), draws // len(classes))
    shares[: draws % len(classes)] += 1
    drawn = []
    for label, share in zip(classes, shares, strict=True):
        members = np.flatnonzero(labels == label)
        passes = -(-share // len(members))
        rounds = [rng.permutation(members) + i * len(labels) for i in range(passes)]
        drawn += [clip for members in rounds for clip in members][:share]
    return rng.permutation(np.array(drawn, np.int64))


def train_loader(
    clips: Samples,
    batch_size: int,
    epoch: int,
    *,
    repeat: int = 1,
    balanced: bool = False,
    skip: int = 0,
    rank: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> DataLoader[Any]:
    """One epoch of training batches; `repeat` passes over the clips make an epoch.

    balanced: as many clips, but every class equally often. skip: batches of this epoch that were done before.
    rank, processes: this process and how many there are. workers: processes that prepare clips.
    Raises ValueError for clips without a seed.
    """
    if clips.seed is None:
        raise ValueError("these clips have no seed, which training views are drawn from: give ClipDataset one")
    labels = clips.label if balanced else None
    batches = EpochBatches(len(clips) * repeat, batch_size, clips.seed, epoch, skip, rank, processes, labels)
    return _loader(clips, batches, workers)


def fixed_loader(
    clips: Samples, batch_size: int, *, rank: int = 0, processes: int = 1, workers: int = 0
) -> DataLoader[Any]:
    """Every clip once, over all processes together: none is counted twice."""
    keys = [(0, position) for position in range(rank, len(clips), processes)]
    return _loader(clips, [keys[i : i + batch_size] for i in range(0, len(keys), batch_size)], workers)


def _loader(clips: Samples, batches: Iterable[list[Key]], workers: int) -> DataLoader[Any]:
    return _Loader(
        clips,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_stops_to_the_run,
        generator=torch.Generator(),  # the loader draws a seed for its workers; not from the run's random numbers
        pin_memory=torch.cuda.is_available(),
    )


class _Loader(DataLoader[Any]):
    def __iter__(self) -> Any:
        if not self.num_workers:
            return super().__iter__()
        with signals_held(), main_left_out():  # one that ends before it is ready would end the run, not saved yet
            return super().__iter__()


def _leave_stops_to_the_run(worker: int) -> None:
    leave_stops_to_the_parent()  # the run finishes its step and saves


def _as_it_is(batch: Any) -> Any:
    return batch  # a Batch already, of ClipDataset.__getitems__
