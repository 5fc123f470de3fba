"""One bit of a file is changed: what is read is refused or equal, never something else."""

import pickle

import numpy as np
import pytest
import torch

from kinegraph.evaluation.results import read_result
from kinegraph.models.weights import load_weights
from tests import made_up
from tests.attacks.flipping import KINDS, flip, written

FLIPS = 25


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return written(tmp_path_factory.mktemp("flips"))


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(run, name):
    refused, silent = flip(run, name, FLIPS)
    assert silent == []
    assert refused > FLIPS / 2


def test_other_readers_of_results_pass_over_the_checksum(run):
    with (run / "result.pkl").open("rb") as file:
        rows = pickle.load(file)
    assert (len(rows), rows[0].dtype) == (9, np.float32)


def test_files_without_checksums_are_read(run, tmp_path):
    """As earlier versions and other programs write them."""
    content = (run / "result.pkl").read_bytes()
    (tmp_path / "old.pkl").write_bytes(content[: content.index(b"\n# sha256")])
    assert read_result(tmp_path / "old.pkl").scores.tobytes() == read_result(run / "result.pkl").scores.tobytes()


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
