"""One bit of a file is changed: what is read is refused or equal, never something else."""

import pickle

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.evaluation.results import read_result, result_pickle
from kinegraph.models.checkpoint_file import read_resumed
from kinegraph.models.weights import load_weights
from tests import made_up

FLIPS = 25


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A dataset, and the run folder of a training on it."""
    folder = tmp_path_factory.mktemp("flips")
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


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(run, name):
    path, read = run / name, KINDS[name]
    whole, expected, refused = path.read_bytes(), read(path), 0
    places = np.random.default_rng(len(name)).choice(8 * len(whole), FLIPS, replace=False)
    try:
        for place in places.tolist():
            content = bytearray(whole)
            content[place // 8] ^= 1 << place % 8
            path.write_bytes(content)
            try:
                assert read(path) == expected, f"bit {place} of {name} was not noticed"
            except ValueError as error:
                refused += "\n" not in str(error)
    finally:
        path.write_bytes(whole)
    assert refused > FLIPS / 2


def test_other_readers_of_results_pass_over_the_checksum(run):
    with (run / "result.pkl").open("rb") as file:
        rows = pickle.load(file)
    assert (len(rows), rows[0].dtype) == (9, np.float32)


def test_files_without_checksums_are_read(run, tmp_path):
    """As earlier versions and other programs write them."""
    content = (run / "result.pkl").read_bytes()
    (tmp_path / "old.pkl").write_bytes(content[: content.index(b"\n# sha256")])
    assert read_result(tmp_path / "old.pkl").scores.tobytes() == _result(run / "result.pkl")


def test_a_file_that_is_cut_short_or_rewritten_in_use_is_noticed(run, tmp_path):
    folder = made_up.dataset(tmp_path / "data", 9)
    file, last = folder.path / "keypoint.npy", len(folder) - 1
    whole, expected = file.read_bytes(), folder[0].keypoint.copy()
    file.write_bytes(whole[:-1000])
    with pytest.raises(ValueError, match=r"keypoint.npy was (cut short|changed)"):
        folder[last]
    file.write_bytes(whole)
    np.testing.assert_array_equal(folder[0].keypoint, expected)
    file.write_bytes(whole[:-1000] + bytes(1000))
    with pytest.raises(ValueError, match=r"keypoint.npy was changed after it was written"):
        folder[last]
    replaced = pickle.dumps(folder)
    file.write_bytes(whole)
    assert len(pickle.loads(replaced)) == 9
    made_up.dataset(tmp_path / "other", 12)
    for name in ("keypoint.npy", "clips.csv", "dataset.json"):
        (folder.path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(ValueError, match="was replaced by another dataset while it was in use"):
        pickle.loads(replaced)


def test_weights_that_are_no_numbers_are_refused(run, tmp_path):
    from kinegraph.models.weights import save_weights

    found = load_weights(run / "run")
    with torch.no_grad():
        for tensor in found.model.parameters():
            tensor.fill_(float("nan"))
    save_weights(tmp_path / "nan.safetensors", found.model, layout=found.layout, class_names=found.class_names,
                 preprocessing=found.preprocessing)  # fmt: skip
    with pytest.raises(ValueError, match=r"holds values that are not finite, first in"):
        load_weights(tmp_path / "nan.safetensors")
