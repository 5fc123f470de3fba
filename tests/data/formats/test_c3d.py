"""C3D files: numbers of three processors, integers and floats, subjects, and what is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings

NAMES = ("Neck", "RShoulder", "midHip", "LBigToe")
PLACES = np.arange(3 * 4 * 3).reshape(3, 4, 3) * 8.0 - 100  # frames, markers, millimetres
INTEL, DEC, MIPS = 84, 85, 86


def floats(values, processor: int) -> bytes:
    if processor == DEC:
        halves = (np.asarray(values, "<f4") * 4).view("<u2").reshape(-1, 2)[:, ::-1]
        return halves.tobytes()
    return np.asarray(values, ">f4" if processor == MIPS else "<f4").tobytes()


def entry(group: int, name: str, order: str, content: bytes) -> bytes:
    return struct.pack("bb", len(name), group) + name.encode() + struct.pack(f"{order}h", len(content) + 2) + content


def texts(values) -> bytes:
    width = max(map(len, values))
    return bytes([0xFF, 2, width, len(values)]) + "".join(value.ljust(width) for value in values).encode() + b"\0"


def write(
    path: Path, names=NAMES, places=PLACES, processor=INTEL, scale=-1.0, units="mm", hidden=(), analog=2, more=b""
) -> Path:
    """A file with a block of header, two of parameters, and frames; hidden: (frame, marker) that were not seen."""
    order = ">" if processor == MIPS else "<"
    frames, points = places.shape[:2]
    header = bytes([2, 0x50]) + struct.pack(f"{order}5H", points, analog, 1, frames, 10)
    header += floats([scale], processor) + struct.pack(f"{order}2H", 4, 1) + floats([100.0], processor)
    entries = entry(-1, "POINT", order, b"\0") + entry(1, "LABELS", order, texts(names))
    entries += entry(1, "UNITS", order, texts([units])) + more + b"\0\0"
    rows = np.concatenate([places / (1 if scale < 0 else scale), np.zeros((frames, points, 1))], 2)
    for frame, marker in hidden:
        rows[frame, marker, 3] = -1
    rows = np.concatenate([rows.reshape(frames, -1), np.full((frames, analog), 7)], 1)
    data = floats(rows.ravel(), processor) if scale < 0 else rows.astype(f"{order}i2").tobytes()
    block = bytes([1, 0x50, 2, processor]) + entries
    path.write_bytes(header.ljust(512, b"\0") + block.ljust(1024, b"\0") + data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "walk.c3d"


@pytest.mark.parametrize("processor", [INTEL, DEC, MIPS])
@pytest.mark.parametrize("scale", [-1.0, 0.5])
def test_numbers_of_every_kind(path, processor, scale):
    found = recordings(write(path, processor=processor, scale=scale, hidden=[(1, 2)]))
    (clip,) = found.clips
    assert (found.format, found.units, clip.layout.name, clip.name, clip.fps) == ("c3d", "m", "openpose25", "walk", 100)
    place = [clip.layout.joints.index(name) for name in ("neck", "right_shoulder", "mid_hip", "left_big_toe")]
    expected = PLACES / 1000
    expected[1, 2] = 0
    np.testing.assert_allclose(clip.keypoint[0][:, place], expected, rtol=1e-6)
    assert clip.keypoint.any(3).sum() == 11


def test_units_and_a_layout_of_ones_own(path, tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\njoints: [LASI, RASI]\nbones: [[LASI, RASI]]\ncentre: RASI\n")
    write(path, ("LASI", "RASI", "*3", "T10"), units="m")
    (own,) = read(path)
    assert (own.layout.joints, own.layout.mirror) == (("LASI", "RASI", "T10"), ((0, 1),))
    found = recordings(path, layout=str(tmp_path / "mine.yaml"))
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], PLACES[:, :2], rtol=1e-6)
    assert found.skipped() == ["1 marker without a joint of it: T10"]


def test_subjects_are_people_and_boxes_are_not(path):
    names = [f"{who}:{name}" for who in ("Anna", "Bo") for name in NAMES] + ["box:corner"]
    places = np.concatenate([PLACES, PLACES + 500, PLACES[:, :1]], 1)
    found = recordings(write(path, names, places))
    (clip,) = found.clips
    neck = clip.layout.joints.index("neck")
    np.testing.assert_allclose(
        clip.keypoint[:, :, neck], np.stack([PLACES[:, 0], PLACES[:, 0] + 500]) / 1000, rtol=1e-6
    )
    assert "markers of box, none of which is a joint of it" in found.skipped()


def test_points_that_are_no_markers_are_left_out(path):
    angles = entry(1, "ANGLES", "<", texts(["HipAngle"]))
    (clip,) = read(write(path, (*NAMES, "HipAngle"), np.concatenate([PLACES, PLACES[:, :1]], 1), more=angles))
    assert clip.layout.name == "openpose25"


def test_folders_are_classes(tmp_path):
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "01.c3d")
    assert recognise(tmp_path)[0].NAME == "c3d"
    assert [(clip.name, clip.label) for clip in read(tmp_path)] == [("run/01", 0), ("walk/01", 1)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"units": "furlong"}, "POINT:UNITS is 'furlong', expected one of m, cm, mm"),
        ({"names": ("Neck", "Neck", "midHip", "LBigToe")}, "names the marker 'Neck' twice"),
        ({"names": ("*1", "*2", "*3", "")}, "names no markers"),
        ({"processor": 87}, "has a header or parameters that are not readable; is it cut?"),
        ({"hidden": [(frame, marker) for frame in range(3) for marker in range(4)]}, "without any person"),
    ],
)
def test_what_cannot_be_read_is_named(path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(write(path, **changes)))


def test_a_cut_file(path):
    write(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"walk\.c3d says 3 frames of 4 points and has 2; is it cut\?"):
        read(path)


SEGMENTS = (
    "worldbody",
    "pelvis",
    "l_thigh",
    "r_thigh",
    "l_shank",
    "r_shank",
    "l_foot",
    "r_foot",
    "torso",
    "l_uarm",
    "r_uarm",
)


def theia(path: Path, cut: int = 0) -> Path:
    """As Theia3D exports: no points, a matrix of each segment by columns and a residual."""
    poses = np.tile(np.append(np.eye(4).ravel(), 0.0), (2, len(SEGMENTS), 1))
    poses[..., 12:15] = np.arange(2 * len(SEGMENTS) * 3).reshape(2, -1, 3) + 500
    poses[1, 2, 16] = -1  # the left thigh was not seen
    labels = [f"{name}_4X4" for name in SEGMENTS]
    number = {"USED": len(SEGMENTS), "DATA_START": 4, "RATIO": 1}
    more = entry(-2, "ROTATION", "<", b"\0") + entry(2, "LABELS", "<", texts(labels))
    more += b"".join(entry(2, key, "<", struct.pack("<bbh", 2, 0, it) + b"\0") for key, it in number.items())
    write(path, ["none"], np.zeros((2, 0, 3)), analog=0, more=more)
    data = poses.astype("<f4").tobytes()
    path.write_bytes(path.read_bytes()[:1536] + data[: len(data) - cut])
    return path


def test_segments_are_joints_where_there_are_no_points(path):
    """left_hip is where l_thigh begins."""
    found = recordings(theia(path), up="z")
    (clip,) = found.clips
    place = [clip.layout.joints.index(name) for name in ("left_hip", "right_ankle", "left_shoulder")]
    expected = (np.array([2, 7, 9])[:, None] * 3 + np.arange(3) + 500) / 1000
    np.testing.assert_allclose(clip.keypoint[0, 0, place], expected[:, [0, 2, 1]] * [1, 1, -1], rtol=1e-6)
    assert clip.keypoint[0].any(2).sum(1).tolist() == [10, 9]
    assert "worldbody" not in clip.layout.joints


def test_poses_of_segments_that_are_cut(path):
    with pytest.raises(ValueError, match="says 2 frames of 11 segments and has 1; is it cut"):
        recordings(theia(path, cut=4))
