"""Emotion-Gait: walks in HDF5, their labels in a file beside them or in their names, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault

h5py = pytest.importorskip("h5py")
WALKS = [np.random.default_rng(number).normal(size=(5 + number, 48)) for number in range(3)]


def write(file, names=("1", "2", "10"), values=WALKS):
    with h5py.File(file, "w") as content:
        for name, value in zip(names, values, strict=True):
            content[name] = value
    return file


def test_labels_lie_beside_the_walks(tmp_path):
    write(tmp_path / "features_ELMD.h5")
    write(tmp_path / "labels_ELMD.h5", values=(3, 0, 1))
    (tmp_path / "names.txt").write_text("angry\nneutral\nhappy\nsad\n")
    found = recordings(tmp_path, class_names=str(tmp_path / "names.txt"))
    clips = {clip.name: clip for clip in found.clips}
    assert (found.format, found.layout.name) == ("egait", "egait16")
    assert {name: found.class_names[it.label] for name, it in clips.items()} == {
        "1": "sad",
        "2": "angry",
        "10": "neutral",
    }
    np.testing.assert_allclose(clips["10"].keypoint[0], WALKS[2].reshape(-1, 16, 3), rtol=1e-6)


def test_made_up_walks_are_labelled_by_their_names(tmp_path):
    found = recordings(write(tmp_path / "features_CVAEGCN_1_2000.h5", ("1_Happy", "2_Sad", "3_Happy")))
    assert [found.class_names[clip.label] for clip in found.clips] == ["happy", "sad", "happy"]


def test_without_labels_and_with_another_number_of_them(tmp_path):
    path = write(tmp_path / "features.h5")
    found = recordings(path)
    assert [clip.label for clip in found.clips] == [None] * 3
    assert found.assumed[0] == "features.h5: no labels, as no file such as labels.h5 lies beside"
    write(tmp_path / "labels.h5", ("a", "b"), (0, 1))
    with pytest.raises(ValueError, match=r"labels.h5 has 2 labels, features.h5 has 3 walks"):
        recordings(path)


def test_a_walk_of_another_width_is_a_fault(tmp_path):
    path = write(tmp_path / "features.h5", values=(WALKS[0], WALKS[1][:, :45], WALKS[2]))
    items = list(recordings(path, on_fault="keep").clips)
    assert sum(isinstance(it, Fault) and "holds (6, 45), expected (frames, 48)" in str(it) for it in items) == 1
