"""MATLAB's files: values, axes, structs and cells of versions 5, 4 and 7.3, UTD-MHAD, and what is refused."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.data.reading.files.matlab import load_mat
from tests.made_up import body

io = pytest.importorskip("scipy.io")
h5py = pytest.importorskip("h5py")
REST = body("kinect20") + [0, 0, 3]
WALK = np.stack([REST + [0.01 * t, 0, 0] for t in range(25)])  # as many frames as a Kinect v2 has joints
RUN = WALK[5:20]


def save(path, version="5", **variables):
    path.parent.mkdir(exist_ok=True)
    io.savemat(path, variables, do_compression=version == "5", format=version)
    return path


def listed(*values):
    """A cell of MATLAB."""
    cell = np.empty(len(values), object)
    cell[:] = values
    return cell


FORMS = {
    "frames first": WALK,
    "joints first": WALK.transpose(1, 2, 0),
    "coordinates first": WALK.transpose(2, 1, 0),
    "rows": WALK.reshape(25, 60),
    "columns": WALK.reshape(25, 60).T,
}


@pytest.mark.parametrize("form", FORMS)
def test_axes_in_any_order(tmp_path, form):
    found = recordings(save(tmp_path / "walk.mat", data=FORMS[form], emg=np.arange(9.0)), up="y")
    (clip,) = found.clips
    assert (found.format, clip.layout.name, clip.name) == ("poses", "kinect20", "walk")
    np.testing.assert_allclose(clip.keypoint[0], WALK, rtol=1e-6)
    assert any("MATLAB" in line for line in found.assumed)
    assert any("emg" in line for line in found.skipped())


def test_version_4(tmp_path):
    (clip,) = read(save(tmp_path / "walk.mat", "4", data=FORMS["rows"]), up="y")
    np.testing.assert_allclose(clip.keypoint[0], WALK, rtol=1e-6)


def test_a_struct_says_label_rate_and_subject(tmp_path):
    for subject, label, joints in ((1, "walk", WALK), (2, "run", RUN)):
        save(
            tmp_path / f"{subject}.mat", rec={"joints": joints, "label": label, "fps": 50, "info": {"subject": subject}}
        )
    found = recordings(tmp_path, up="y")
    walk, run = found.clips
    assert found.class_names == ("run", "walk")
    assert (walk.label, walk.fps, walk.attributes["subject"]) == (1, 50, 1)
    assert (run.label, run.frames, dict(run.splits)["xsub"] != dict(walk.splits)["xsub"]) == (0, 15, True)


def test_points_named_as_joints(tmp_path):
    names = ("hip_center", "spine", "shoulder_center", "head", "left_shoulder", "left_elbow", "left_wrist")
    path = save(tmp_path / "lift.mat", **{name: WALK[:, i] for i, name in enumerate(names)}, fps=100)
    (clip,) = read(path, up="y")
    assert (clip.layout.name, clip.fps) == ("kinect20", 100)
    np.testing.assert_allclose(clip.keypoint[0, :, :7], WALK[:, :7], rtol=1e-6)


CLIPS = {
    "cells": {"clips": listed(WALK, RUN, WALK.transpose(1, 2, 0)), "labels": listed("walk", "run", "walk")},
    "structs": {"rec": [{"pos": it, "label": name} for it, name in ((WALK, "walk"), (RUN, "run"), (WALK, "walk"))]},
}


@pytest.mark.parametrize("form", CLIPS)
def test_several_clips(tmp_path, form):
    found = recordings(save(tmp_path / "all.mat", **CLIPS[form]), up="y")
    clips = list(found.clips)
    assert (found.class_names, [clip.label for clip in clips]) == (("run", "walk"), [1, 0, 1])
    for clip, joints in zip(clips, (WALK, RUN, WALK), strict=True):
        np.testing.assert_allclose(clip.keypoint[0], joints, rtol=1e-6)


def test_clips_on_the_last_axis(tmp_path):
    clips = np.stack([WALK, WALK + 0.1]).transpose(2, 3, 1, 0)
    found = recordings(save(tmp_path / "all.mat", X=clips, y=[[1, 0]]), up="y")
    one, two = found.clips
    assert (one.label, two.label) == (1, 0)
    np.testing.assert_allclose(two.keypoint[0], WALK + 0.1, rtol=1e-6)


def dataset(group, name, value, kind):
    group.create_dataset(name, data=np.asarray(value).T).attrs["MATLAB_class"] = np.bytes_(kind)
    return group[name].ref


def test_version_7_3_has_its_axes_reversed(tmp_path):
    with h5py.File(tmp_path / "all.mat", "w") as file:
        refs, rec = file.create_group("#refs#"), file.create_group("rec")
        rec.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, values, kind in (
            ("pos", (WALK.transpose(1, 2, 0), RUN.transpose(1, 2, 0)), "double"),
            ("label", ([list(map(ord, "walk"))], [list(map(ord, "run"))]), "char"),
        ):
            rows = [dataset(refs, f"{field}{i}", it, kind) for i, it in enumerate(values)]
            rec.create_dataset(field, data=np.array([rows], h5py.ref_dtype))
    found = recordings(tmp_path / "all.mat", up="y")
    walk, run = found.clips
    assert (found.class_names, walk.label, run.label) == (("run", "walk"), 1, 0)
    np.testing.assert_allclose(run.keypoint[0], RUN, rtol=1e-6)


def utd(folder):
    """UTD-MHAD's joints begin at the head: shoulders hang on the second, hips on the fourth."""
    order = [3, 2, 1, 0, *range(4, 20)]
    return save(folder / "a27_s2_t3_skeleton.mat", d_skel=WALK[:, order].transpose(1, 2, 0))


def test_utd_mhad(tmp_path):
    utd(tmp_path / "Skeleton")
    found = recordings(tmp_path)
    (clip,) = found.clips
    assert (found.format, found.class_names[clip.label], clip.fps) == ("utd-mhad", "squat", 30)
    assert (clip.attributes, clip.splits) == ({"subject": 2, "trial": 3}, {"xsub": "val"})
    np.testing.assert_allclose(clip.keypoint[0], WALK, rtol=1e-6)


def test_objects_are_left_out_and_named(tmp_path):
    sparse = pytest.importorskip("scipy.sparse").eye(4).tocsc()
    with pytest.raises(ValueError, match=r"holds A \(a sparse matrix\), which is not read; save arrays"):
        recordings(save(tmp_path / "a.mat", A=sparse))
    found = recordings(save(tmp_path / "b.mat", A=sparse, data=WALK))
    assert len(list(found.clips)) == 1
    assert any("A, a sparse matrix" in line for line in found.skipped())


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def cell(count, *inner):
    """A cell of MATLAB 5 that says how many elements it has."""
    flags, sizes = element(6, struct.pack("<II", 1, 0)), element(5, struct.pack("<ii", 1, count))
    return element(14, flags + sizes + element(1, b"a") + b"".join(inner))


PACKED = zlib.compress(bytes(200_000_000), 9)


def deep(content, depth):
    return content if not depth else deep(cell(1, content), depth - 1)


def test_damaged_files_are_one_line(tmp_path):
    """scipy.io.loadmat ends the process at one in some hundred of such files."""
    rec = {"pos": WALK, "label": "walk", "more": listed(RUN, "run", {"a": 1})}
    path = save(tmp_path / "a.mat", rec=rec, x=listed(WALK, RUN))
    path_4 = save(tmp_path / "b.mat", "4", data=FORMS["rows"])
    io.savemat(plain := tmp_path / "c.mat", {"rec": rec})
    rng = np.random.default_rng(0)
    for content in (path.read_bytes(), path_4.read_bytes(), plain.read_bytes()):
        for _ in range(150):
            damaged = bytearray(content)
            at = int(rng.integers(min(len(content), 900)))
            damaged[at : at + int(rng.integers(0, 5))] = rng.bytes(int(rng.integers(0, 6)))
            (tmp_path / "d.mat").write_bytes(damaged)
            with suppress(ValueError):
                list(recordings(tmp_path / "d.mat", on_fault="keep").clips)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (cell(2_000_000_000), "has more elements than the file can hold"),
        (deep(cell(1), 100), "nested too deeply"),
        (struct.pack("<II", 15, len(PACKED)) + PACKED, "would unpack to more than"),
        (cell(1)[:30], "is it cut"),
        (
            element(14, element(6, struct.pack("<II", 99, 0)) + element(5, bytes(8)) + element(1, b"a")),
            "of the class 99",
        ),
    ],
)
def test_a_hostile_file_takes_no_memory(tmp_path, content, reason):
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "a.mat").write_bytes(head + content)
    with pytest.raises(ValueError, match=reason) as caught:
        recordings(tmp_path / "a.mat")
    assert "a.mat" in str(caught.value)


def test_bytes_in_either_order():
    """MATLAB's own files of other machines, that scipy has among its tests."""
    folder = Path(io.__file__).parent / "matlab" / "tests" / "data"
    names = ("testmatrix_4.2c_SOL2.mat", "testmatrix_6.1_SOL2.mat", "testmatrix_7.4_GLNX86.mat")
    if not all((folder / name).is_file() for name in names):
        pytest.skip("scipy is installed without its tests")
    for name in names:
        expected = [[1, 2, 3, 4, 5], [2, 0, 0, 0, 0], [3, 0, 0, 0, 0]]
        np.testing.assert_array_equal(load_mat(folder / name).values["testmatrix"], expected)


def test_x_and_y_of_penn_action_are_one_array(tmp_path):
    """Its action, its part and the size of its pictures count."""
    io = pytest.importorskip("scipy.io")
    places = np.random.default_rng(0).uniform(50, 400, (6, 13, 2)).round(1)
    for number, (train, action) in enumerate(((1, "bowl"), (-1, "squat"))):
        beside = {"visibility": np.full((6, 13), number), "dimensions": [480, 640, 6], "action": action, "train": train}
        io.savemat(tmp_path / f"{number}.mat", {"x": places[..., 0] + number, "y": places[..., 1], **beside})
    found = recordings(tmp_path, layout="penn13")
    bowl, squat = found.clips
    np.testing.assert_allclose(squat.keypoint[0], places + [1, 0], rtol=1e-6)
    assert [found.class_names[it.label] for it in (bowl, squat)] == ["bowl", "squat"]
    assert (bowl.splits, squat.splits) == ({"split": "train"}, {"split": "test"})
    assert squat.image_size == (640, 480)
    assert (squat.score == 1).all()
