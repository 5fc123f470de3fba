"""Qualisys Track Manager's exports: markers and rigid bodies with and without headers, gaps, .mat, what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from tests.data.formats import written

FACTS = (
    "NO_OF_FRAMES\t3\nNO_OF_CAMERAS\t13\nNO_OF_MARKERS\t3\nFREQUENCY\t120\nNO_OF_ANALOG\t0\nDESCRIPTION\t--\n"
    "TIME_STAMP\t2024-04-15, 10:39:38.777\t406646.66137317\nDATA_INCLUDED\t3D\nMARKER_NAMES\tNeck\tRShoulder\tMidHip\n"
)
TYPES = "TRAJECTORY_TYPES\tMeasured\tMeasured\tMeasured\n"
WALK = f"""{FACTS}{TYPES}-473.521\t191.980\t1413.382\t-677.077\t164.814\t1315.497\t-138.493\t187.190\t953.579
-473.564\t192.348\t1413.040\tNULL\tNULL\tNULL\t0.000\t0.000\t0.000
\t\t\t-677.045\t164.794\t1315.445\t-138.465\t187.193\t953.464
"""
JOINTS = np.array([[-473.521, 191.98, 1413.382], [-677.077, 164.814, 1315.497], [-138.493, 187.19, 953.579]]) / 1000


def frames_of(path):
    found = recordings(path, up="y")
    (clip,) = found.clips
    assert (found.format, found.units, clip.fps) == ("qualisys", "m", 120)
    return clip.keypoint[0][:, [clip.layout.joints.index(name) for name in ("neck", "right_shoulder", "mid_hip")]]


def numbered(text):
    """The same with the number and the time of each frame."""
    rows = text.removeprefix(FACTS + TYPES).splitlines()
    return "".join(f"{frame}\t{frame / 120:.5f}\t{row}\n" for frame, row in enumerate(rows, 1))


HEADER = (
    "Frame\tTime\t" + "\t".join(f"{name} {axis}" for name in ("Neck", "RShoulder", "MidHip") for axis in "XYZ") + "\n"
)


@pytest.mark.parametrize(
    "text", [WALK, FACTS + HEADER + numbered(WALK), FACTS + TYPES + "\n" + numbered(WALK), WALK.replace("\n", "\r\n")]
)
def test_markers(tmp_path, text):
    frames = frames_of(written(tmp_path / "walk.tsv", text))
    np.testing.assert_allclose(frames[0], JOINTS, rtol=1e-6)
    assert frames.any(2).tolist() == [[True] * 3, [True, False, False], [False, True, True]]


def test_decimals_with_commas(tmp_path):
    frames = frames_of(written(tmp_path / "walk.tsv", WALK.replace(".", ",").replace("\t406646,", "\t406646.")))
    np.testing.assert_allclose(frames[0], JOINTS, rtol=1e-6)


def test_rigid_bodies(tmp_path):
    """A row of 6D has 16 numbers a body, of which the first three are its place."""
    bodies = ("pelvis", "thigh_l", "thigh_r", "trunk")
    rows = ["\t".join(f"{100 * body + axis}.5" for body in range(4) for axis in range(16)) for _ in range(2)]
    head = FACTS.replace("3D\nMARKER_NAMES\tNeck\tRShoulder\tMidHip", "6D\nBODY_NAMES\t" + "\t".join(bodies))
    (clip,) = read(written(tmp_path / "walk.tsv", head + "\n".join(rows) + "\n"), up="y")
    assert clip.layout.joints == bodies
    np.testing.assert_allclose(clip.keypoint[0, 1, 3], [0.3005, 0.3015, 0.3025], rtol=1e-6)


def test_mat(tmp_path):
    io = pytest.importorskip("scipy.io")
    data = np.stack([np.c_[JOINTS * 1000 + frame, np.ones(3)] for frame in range(2)], 2)
    names = np.array([["Neck", "RShoulder", "MidHip"]], object)
    labeled = {"Count": 3, "Labels": names, "Data": data, "Type": np.ones((3, 2))}
    io.savemat(tmp_path / "w.mat", {"walk01": {"FrameRate": 120, "Trajectories": {"Labeled": labeled}}})
    np.testing.assert_allclose(frames_of(tmp_path / "w.mat")[1], JOINTS + 0.001, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (("\t3D", "\tAngular Acceleration"), "DATA_INCLUDED 'Angular Acceleration', expected 3D or 6D"),
        (("\t120\n", "\tfast\n"), "'fast' frames a second"),
        (("\tRShoulder", "\tNeck"), "names 'Neck' twice"),
        (("-473.564", "x"), "line 12: could not convert string to float: 'x'"),
        (("-473.521", "1e30"), "holds a number that is not finite"),
        ((WALK[len(FACTS + TYPES) :], ""), "has no frames below its facts"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(written(tmp_path / "walk.tsv", WALK.replace(*changes))))
