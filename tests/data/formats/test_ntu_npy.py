"""NTU RGB+D's samples as dictionaries in .npy: people, labels and splits by the name, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

PEOPLE = np.random.default_rng(0).normal(size=(2, 4, 25, 3))
SAMPLE = {
    "file_name": "S001C003P002R001A055",
    "nbodys": [2, 2, 2, 2],
    "njoints": 25,
    "skel_body0": PEOPLE[0],
    "skel_body1": PEOPLE[1],
    "rgb_body0": np.ones((4, 25, 2)),
}


@pytest.fixture
def save(tmp_path):
    def write(sample=SAMPLE, name="S001C003P002R001A055.skeleton.npy"):
        np.save(tmp_path / name, sample)
        return tmp_path / name

    return write


def test_people_of_a_sample(save, tmp_path):
    save()
    save({**SAMPLE, "skel_body1": np.zeros((4, 25, 3))}, "S001C001P003R001A001.skeleton.npy")
    assert recognise(tmp_path)[0].NAME == "ntu-npy"
    drink, hug = (found := recordings(tmp_path)).clips
    assert (found.format, found.units, hug.layout.name, len(found.class_names)) == ("ntu-npy", "m", "ntu25", 60)
    assert (hug.name, hug.label, hug.fps) == ("S001C003P002R001A055", 54, 30)
    np.testing.assert_allclose(hug.keypoint, PEOPLE, rtol=1e-6)
    assert drink.keypoint.shape == (1, 4, 25, 3)
    assert (hug.splits, drink.splits) == ({"xsub": "train", "xview": "train"}, {"xsub": "val", "xview": "val"})


class Evil:
    def __reduce__(self):
        return (eval, ("1 + 1",))


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ({**SAMPLE, "skel_body1": PEOPLE[1, :3]}, r"holds a body \(3, 25, 3\), expected \(frames, 25, 3\)"),
        ({**SAMPLE, "skel_body0": "x"}, "holds a body 'x'"),
        ({"skel_body": 1}, "holds 0 bodies"),
        ([1, 2], "expected one value in an array of objects|no file of this format"),
        ({**SAMPLE, "file_name": Evil()}, "asks for .*eval.; of a pickle only numpy arrays and plain Python values"),
        ({**SAMPLE, "skel_body0": np.zeros((4, 25, 3)), "skel_body1": np.zeros((4, 25, 3))}, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(save, sample, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(save(sample), "ntu-npy"))
