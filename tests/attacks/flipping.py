"""Files that we write, a bit of them changed: what is read then, beside what was read before."""

from pathlib import Path

import numpy as np
import torch

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.results import read_result, result_pickle
from kinegraph.models.checkpoint_file import read_resumed
from kinegraph.models.weights import load_weights
from tests import made_up


def written(folder: Path) -> Path:
    """A dataset, the run folder of a training on it, and a result file."""
    made_up.dataset(folder / "data", 9)
    made_up.config(folder / "c.yaml", folder / "data", epochs=1)
    assert main(["train", str(folder / "c.yaml"), "--work-dir", str(folder / "run")]) == 0
    (folder / "result.pkl").write_bytes(result_pickle(np.random.default_rng(0).normal(size=(9, 3))))
    return folder


def _weights(path):
    found = load_weights(path)
    state = {name: it.numpy().tobytes() for name, it in found.model.state_dict().items()}
    return state, found.layout, found.class_names, found.preprocessing, found.extra


def _checkpoint(path):
    return [it.numpy().tobytes() if isinstance(it, torch.Tensor) else it for it in _leaves(read_resumed(path))]


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for key, it in value.items() for leaf in (key, *_leaves(it))]
    return [leaf for it in value for leaf in _leaves(it)] if isinstance(value, list | tuple) else [value]


def _result(path):
    return read_result(path).scores.tobytes()


def _dataset(path):
    folder = open_dataset(path.parent)
    clips = [folder[i] for i in range(len(folder))]
    facts = [(it.name, it.label, it.keypoint.tobytes(), it.splits, it.layout) for it in clips]
    return facts, folder.class_names, folder.units, folder.source


KINDS = {
    "run/checkpoints/best.safetensors": _weights,
    "run/checkpoints/last.ckpt": _checkpoint,
    "result.pkl": _result,
    "data/keypoint.npy": _dataset,
    "data/clips.csv": _dataset,
    "data/dataset.json": _dataset,
}


def flip(folder: Path, name: str, count: int) -> tuple[int, list[int]]:
    """Flip single bits of a file. Returns how often reading was refused, and the bits that gave something else."""
    path, read = folder / name, KINDS[name]
    whole, expected = path.read_bytes(), read(path)
    refused, silent = 0, []
    places = np.random.default_rng(len(name)).choice(8 * len(whole), count, replace=False)
    try:
        for place in places.tolist():
            content = bytearray(whole)
            content[place // 8] ^= 1 << place % 8
            path.write_bytes(content)
            try:
                if read(path) != expected:
                    silent.append(place)
            except ValueError as error:
                refused += "\n" not in str(error)
    finally:
        path.write_bytes(whole)
    return refused, silent
