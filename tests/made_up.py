"""A small dataset that a network can learn: three ways of moving one joint, and noise."""

from pathlib import Path

import numpy as np
import yaml

from kinegraph.data.dataset import SkeletonDataset, write_dataset
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout

CONFIG = """
split: xsub
model:
  class_path: kinegraph.models.stgcn.STGCN
  init_args: {widths: [8, 16], dropout: 0.2}
preprocessing:
  people: 2
  normalize: none
  sampling: resample
  frames: 12
  augment: {rotation: [0.1, 0.1, 0.1], crop: 0.8, mirror: 0.5}
optimizer:
  class_path: torch.optim.SGD
  init_args: {lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1.0e-4}
schedule: {kind: cosine}
epochs: 3
batch_size: 4
seed: 7
report: false
"""


def clips(count: int, layout_name: str = "ntu25") -> list[SkeletonClip]:
    """Every third clip is of the same class; the last third is the "val" part."""
    layout, rng = load_layout(layout_name), np.random.default_rng(count)
    rest = rng.normal(0, 0.2, (len(layout), 3))
    made = []
    for i in range(count):
        keypoint = rest + rng.normal(0, 0.05, (1 + i % 2, 14 + i % 5, len(layout), 3))
        keypoint[0, :, 5, i % 3] += np.linspace(0, 3, keypoint.shape[1])
        part = "val" if i >= count - count // 3 else "train"
        made.append(SkeletonClip(keypoint.astype(np.float32), layout, f"clip{i:03}", i % 3, splits={"xsub": part}))
    return made


def dataset(path: Path, count: int = 27, layout_name: str = "ntu25") -> SkeletonDataset:
    """Write it to `path`."""
    layout = load_layout(layout_name)
    return write_dataset(
        path, clips(count, layout_name), layout=layout, class_names=["a", "b", "c"], units="m", source="made up"
    )


def config(path: Path, dataset_path: Path, **more: object) -> Path:
    """Write a config that trains on it to `path`."""
    options = {"dataset": str(dataset_path)} | yaml.safe_load(CONFIG)
    options |= {key: yaml.safe_load(str(value)) for key, value in more.items()}
    path.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    return path


def body(layout_name: str, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Joints (V, C) at rest of a body that could be one: each a bone's length away from its neighbour, and from others.

    Left and right bones are equally long. About 1 from end to end.
    """
    layout, rng = load_layout(layout_name), np.random.default_rng(seed)
    twin = layout.mirrored()
    neighbours = [[] for _ in layout.joints]
    for one, other in layout.bones:
        neighbours[one].append(other)
        neighbours[other].append(one)
    place, waiting, lengths = {layout.centre: np.zeros(channels)}, [layout.centre], {}
    while waiting:
        joint = waiting.pop(0)
        for other in neighbours[joint]:
            if other in place:
                continue
            length = lengths.setdefault(min(other, twin[other]), rng.uniform(0.12, 0.2))
            tries = rng.normal(size=(200, channels))
            tries = place[joint] + length * tries / np.linalg.norm(tries, axis=1, keepdims=True)
            there = np.stack(list(place.values()))
            nearest = np.linalg.norm(tries[:, None] - there, axis=2).min(1)
            place[other] = tries[nearest.argmax()]
            waiting.append(other)
    return np.stack([place[joint] for joint in range(len(layout))])


def write_text(path: Path, text: str) -> Path:
    """Write a file in a folder that is made where there is none."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
