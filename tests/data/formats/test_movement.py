"""Datasets of movement: axes in any order, names, scores and rates, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.read import read, recordings

h5py = pytest.importorskip("h5py")

NAMES = {"space": ("x", "y"), "keypoints": ("snout", "centre", "tail"), "individuals": ("anna", "bo")}
POSITION = np.arange(4 * 2 * 3 * 2, dtype=float).reshape(4, 2, 3, 2) + 1  # time, space, keypoints, individuals
POSITION[1, :, 2, 0] = np.nan
CONFIDENCE = np.linspace(0.1, 1, 4 * 3 * 2).reshape(4, 3, 2)
DIMS = ("time", "space", "keypoints", "individuals")


def write(path: Path, dims=DIMS, position=POSITION, **attributes) -> Path:
    """As xarray writes it: arrays along the dimensions are scales, to which position and confidence are linked."""
    with h5py.File(path, "w") as file:
        file["time"] = np.arange(len(position)) * 0.04
        for name, texts in NAMES.items():
            file.create_dataset(name, data=list(texts), dtype=h5py.string_dtype())
        for name in DIMS:
            file[name].make_scale(name)
        file["position"] = position.transpose([DIMS.index(name) for name in dims])
        file["confidence"] = CONFIDENCE.transpose(
            [[n for n in DIMS if n != "space"].index(n) for n in dims if n != "space"]
        )
        for key, axes in (("position", dims), ("confidence", [name for name in dims if name != "space"])):
            for axis, name in enumerate(axes):
                file[key].dims[axis].attach_scale(file[name])
        file.attrs.update({"time_unit": "seconds", "source_software": "SLEAP"} | attributes)
    return path


@pytest.mark.parametrize("dims", [DIMS, ("time", "individuals", "keypoints", "space")])
def test_individuals_are_people(tmp_path, dims):
    found = recordings(write(tmp_path / "mice.nc", dims))
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.layout.joints) == ("movement", "px", "mice", NAMES["keypoints"])
    assert (clip.fps, clip.attributes) == (25.0, {"individuals": "anna, bo"})
    np.testing.assert_array_equal(clip.keypoint[1], POSITION[..., 1].swapaxes(1, 2))
    assert not clip.keypoint[0, 1, 2].any()
    assert clip.score[1, 2, 0] == np.float32(CONFIDENCE[2, 0, 1])


def test_the_rate_that_is_said_goes_before_times(tmp_path):
    (clip,) = read(write(tmp_path / "a.nc", fps=30.0))
    assert clip.fps == 30


@pytest.mark.parametrize(
    ("position", "reason"),
    [(POSITION * np.inf, "holds a number that is not finite"), (POSITION * np.nan, "without any person")],
)
def test_what_cannot_be_read_is_named(tmp_path, position, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(write(tmp_path / "a.nc", position=position)))


def test_an_array_of_other_dimensions_is_named(tmp_path):
    write(tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "a") as file:
        del file["position"]
        file["position"] = POSITION
    with pytest.raises(ValueError, match=r"a\.nc has no position along time, space, keypoints and individuals"):
        list(read(tmp_path / "a.nc"))
