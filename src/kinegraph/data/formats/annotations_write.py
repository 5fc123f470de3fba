"""Clips of a dataset -> annotation pickles of MMAction2 and PYSKL, which `annotations` reads back as they were."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Int

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats.annotations import ABOUT, OWN_KEYS
from kinegraph.data.reading.steps.companion import about_text, beside, described
from kinegraph.data.split_names import ABSENT, published_name
from kinegraph.safe_pickle import seal_file


def write_annotations(path: Path, dataset: SkeletonDataset) -> None:
    """Write {"split": ..., "annotations": [...]}, as PYSKL and MMAction2 1.x read it.

    What the format has no place for (layout, class names, units, source) lies under a key of its own, which the other
    projects do not look at. Memory does not grow with the number of clips.
    """
    lists, meant = {}, {}
    for split in dataset.splits:
        for part in dataset.parts(split):
            if part == ABSENT:
                continue
            name = published_name(split, part)
            name = name if name not in lists else f"{split}: {part}"
            lists[name] = [dataset.names[i] for i in dataset.indices(split, part)]
            meant[name] = [split, part]
    about = described(dataset) | {"splits": meant}
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        file.write(_PROTO + pickle.EMPTY_DICT)
        for key, value in (("split", lists), (ABOUT, about)):
            file.write(_value(key) + _value(value) + pickle.SETITEM)
        file.write(_value("annotations"))
        _write_list(file, _annotations(dataset, np.arange(len(dataset))))
        file.write(pickle.SETITEM + pickle.STOP)
        file.flush()
        seal_file(unfinished)


def write_annotation_list(path: Path, dataset: SkeletonDataset, clips: Int[np.ndarray, "n"], split: str | None) -> None:
    """Write a plain list of some clips' annotations, as MMAction2 0.x reads it: one file for each part of a split.

    A list has no place for layout, class names, source and splits: they go to NAME.kinegraph.json beside it.
    """
    write_atomic(beside(path), about_text(dataset, clips, split).encode())
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        file.write(_PROTO)
        _write_list(file, _annotations(dataset, clips))
        file.write(pickle.STOP)
        file.flush()
        seal_file(unfinished)


def _annotations(dataset: SkeletonDataset, clips: Int[np.ndarray, "n"]) -> Iterator[dict]:
    if taken := [key for key in dataset.attributes if key in OWN_KEYS]:
        raise ValueError(
            f"{dataset.path}: the attribute '{taken[0]}' has the name of a field of annotations; rename it"
        )
    for i in clips:
        clip = dataset[int(i)]
        annotation = {
            "keypoint": clip.keypoint.astype(dataset.dtype),
            "frame_dir": clip.name,
            "total_frames": clip.frames,
            **clip.attributes,
        }
        if clip.label is not None:
            annotation["label"] = clip.label
        if clip.score is not None:
            annotation["keypoint_score"] = clip.score.astype(dataset.dtype)
        if clip.image_size is not None:
            annotation["img_shape"] = annotation["original_shape"] = clip.image_size[::-1]
        if clip.fps is not None:
            annotation["fps"] = clip.fps
        yield annotation


# A pickle put together from pickles, so that clips need not all be in memory. It works in protocol 3, not in 4: there
# each value numbers what it refers back to by itself, and its numbers may be used again by the next.
_PROTO = pickle.PROTO + bytes([3])
# numpy 1 has its functions elsewhere than numpy 2, which knows both places.
_NUMPY_2, _NUMPY_1 = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"


def _value(value: object) -> bytes:
    written = pickle.dumps(value, protocol=3)[len(_PROTO) : -len(pickle.STOP)]
    return _NUMPY_1 + written.removeprefix(_NUMPY_2) if written.startswith(_NUMPY_2) else written


def _write_list(file: BinaryIO, annotations: Iterator[dict]) -> None:
    file.write(pickle.EMPTY_LIST)
    for annotation in annotations:
        items = (_value(key) + _value(value) + pickle.SETITEM for key, value in annotation.items())
        file.write(pickle.EMPTY_DICT + b"".join(items) + pickle.APPEND)
