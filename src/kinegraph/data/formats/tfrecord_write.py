"""Clips of a dataset -> shards for the TensorFlow project, without TensorFlow; `tfrecord` says what is in them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.companion import FILE, about_text
from kinegraph.data.formats.padded_write import check_fits, padded
from kinegraph.data.formats.tfrecord_wire import serialize_example, serialize_tensor, write_record
from kinegraph.data.split_names import PARTS
from kinegraph.skeleton.clip import SkeletonClip

MOST_SHARDS = 10_000  # files a part


def write_tfrecords(
    folder: Path,
    dataset: SkeletonDataset,
    parts: Mapping[str, Int[np.ndarray, "n"]],
    *,
    split: str | None = None,
    shards: int = 40,
    frames: int = 300,
    people: int = 2,
    shuffle_seed: int | None = None,
    replaceable: Callable[[Path], None] | None = None,
) -> None:
    """Write the clips of each part to PART_data/PART_data_joint-<shard>.tfrecord, folders that the project trains on.

    parts: name of a part -> its clips; under the name "" they go to data_joint-<shard>.tfrecord. split: what they are
    the parts of. A part of fewer clips than shards makes one a clip. shuffle_seed: mixes the clips of a part; the
    project's training shuffles batches only, and needs it. replaceable: see `atomic_folder`.
    Coordinates are those of the dataset; what else is known of the clips goes to kinegraph.json. One clip is in memory
    at a time.
    Raises ValueError naming a clip that is too long, has too many people or no label.
    """
    if not 1 <= shards <= MOST_SHARDS:
        raise ValueError(f"{shards} shards a part, expected 1 to {MOST_SHARDS:,}")
    if other := [part for part in parts if part and part not in PARTS]:
        raise ValueError(f"a part is named '{other[0]}', shards are named by {', '.join(PARTS)}")
    written = np.concatenate(list(parts.values()))
    check_fits(folder, dataset, written, frames, people)
    generator = np.random.default_rng(shuffle_seed)
    with atomic_folder(folder, replaceable) as unfinished:
        for part, clips in parts.items():
            inside = unfinished / f"{part}_data" if part else unfinished
            inside.mkdir(exist_ok=True)
            clips = clips if shuffle_seed is None else generator.permutation(clips)
            for number, some in enumerate(_shares(clips, shards)):
                name = f"{part}_data_joint-{number}.tfrecord" if part else f"data_joint-{number}.tfrecord"
                with (inside / name).open("wb") as file:
                    for i in some:
                        write_record(file, _example(dataset[int(i)], frames, people))
        (unfinished / FILE).write_text(about_text(dataset, written, split), encoding="utf-8")


def is_shard_folder(folder: Path) -> bool:
    """Whether a folder holds nothing but what `write_tfrecords` writes."""
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    return (folder / FILE).is_file() and all(file.name == FILE or file.suffix == ".tfrecord" for file in files)


def _shares(clips: Int[np.ndarray, "n"], shards: int) -> Iterator[Int[np.ndarray, "m"]]:
    """Equal shares in order; the last takes the rest, as in the TensorFlow project."""
    shards = min(shards, len(clips))
    for shard in range(shards):
        step = len(clips) // shards
        yield clips[step * shard : step * (shard + 1) if shard < shards - 1 else None]


def _example(clip: SkeletonClip, frames: int, people: int) -> bytes:
    features = {"features": serialize_tensor(padded(clip, frames, people)), "label": clip.label}
    features |= {"name": clip.name.encode(), "frames": clip.frames, "people": clip.people}
    if clip.image_size is not None:
        features |= dict(zip(("width", "height"), clip.image_size, strict=True))
    return serialize_example(features)
