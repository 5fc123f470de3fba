"""SLEAP's analysis files: tracks, skeleton, scores, and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.formats import clip_arrays, recognise
from kinegraph.data.read import read, recordings

h5py = pytest.importorskip("h5py")

NODES = ("snout", "left_ear", "right_ear", "centre", "tail_base")
EDGES = [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4]]
TRACKS = np.arange(2 * 2 * 5 * 3, dtype=float).reshape(2, 2, 5, 3) + 1  # tracks, x and y, nodes, frames
TRACKS[1, :, :, 0] = np.nan
SCORES = np.linspace(0.1, 1.2, 2 * 5 * 3).reshape(2, 5, 3)


def write(path: Path, **changes) -> Path:
    arrays = {"tracks": TRACKS, "node_names": np.bytes_(NODES), "edge_inds": EDGES, "point_scores": SCORES} | changes
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            if array is not None:
                file[key] = array
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mice.analysis.h5"


def test_tracks_are_people(path):
    found = recordings(write(path))
    (clip,) = found.clips
    assert (found.format, found.units, clip.name, clip.layout.joints) == ("sleap", "px", "mice.analysis", NODES)
    np.testing.assert_array_equal(clip.keypoint[0], TRACKS[0].transpose(2, 1, 0))
    assert not clip.keypoint[1, 0].any()
    assert not clip.score[1, 0].any()
    assert clip.score[0, 2, 1] == np.float32(SCORES[0, 1, 2])
    assert clip.score.max() == 1
    assert {frozenset(bone) for bone in clip.layout.bones} == {frozenset(edge) for edge in EDGES}
    assert clip.layout.mirror == ((1, 2),)


def test_frames_may_come_first(path, tmp_path):
    (clip,) = read(write(path))
    other = write(tmp_path / "b.h5", tracks=TRACKS.transpose(3, 0, 2, 1), point_scores=SCORES.transpose(2, 0, 1))
    (again,) = read(other)
    np.testing.assert_array_equal(again.keypoint, clip.keypoint)
    np.testing.assert_array_equal(again.score, clip.score)
    (short,) = read(write(tmp_path / "c.h5", tracks=TRACKS[..., :2], point_scores=SCORES[..., :2]))
    np.testing.assert_array_equal(short.keypoint, clip.keypoint[:, :2])


@pytest.mark.parametrize("edges", [None, [[0, 1]], [[0, 9]], [[0.5, 1]]])
def test_a_skeleton_whose_edges_do_not_connect_it(path, edges):
    found = recordings(write(path, edge_inds=edges))
    assert "bones: from each node to 'centre', the file has no edges that connect all nodes (--layout)" in found.assumed
    (clip,) = found.clips
    assert len(clip.layout.bones) == 4


def test_folders_are_classes(tmp_path):
    for name in ("rearing", "grooming"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "01.h5")
    assert recognise(tmp_path)[0].NAME == "sleap"
    assert [(clip.name, clip.label) for clip in read(tmp_path)] == [("grooming/01", 0), ("rearing/01", 1)]


def test_joints_of_a_given_layout(path):
    nodes = np.bytes_(("nose", "LEar", "Right ear", "centre", "tail_base"))
    found = recordings(write(path, node_names=nodes), layout="coco17")
    (clip,) = found.clips
    place = [clip.layout.joints.index(joint) for joint in ("nose", "left_ear", "right_ear")]
    np.testing.assert_array_equal(clip.keypoint[0][:, place], TRACKS[0].transpose(2, 1, 0)[:, :3])
    assert any("2 nodes without a joint in layout coco17: centre, tail_base" in line for line in found.skipped())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tracks": TRACKS[:, :, :4]}, r"has tracks of shape \(2, 2, 4, 3\), expected \(tracks, 2, 5, frames\)"),
        ({"tracks": TRACKS * np.inf}, "holds a number that is not finite"),
        ({"tracks": TRACKS * np.nan}, "without any person"),
        ({"tracks": TRACKS[..., :0]}, "has no frames"),
        ({"tracks": None, "track_names": [1]}, "is not recognised: HDF5 with edge_inds"),
        ({"node_names": np.bytes_(("a", "b", "a", "c", "d"))}, "names the node 'a' twice"),
        ({"node_names": np.bytes_(("a",))}, "names 1 node, expected 2 to 1,000"),
    ],
)
def test_what_cannot_be_read_is_named(path, changes, reason):
    with pytest.raises(ValueError, match=reason):
        list(read(write(path, **changes)))


def test_arrays_in_other_files_are_not_followed(path, tmp_path):
    write(path, tracks=None, track_names=[1])
    write(tmp_path / "secret.h5")
    with h5py.File(path, "a") as file:
        file["tracks"] = h5py.ExternalLink("secret.h5", "tracks")
    with pytest.raises(ValueError, match="has no tracks"):
        list(read(path))


def test_an_array_larger_than_its_file_can_hold_is_not_read(path):
    write(path, tracks=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("tracks", (100, 2, 5, 10**9), "f4", chunks=(1, 2, 5, 1000))
    with pytest.raises(ValueError, match="numbers, too many"):
        list(read(path))


def test_without_h5py_one_line_says_what_to_install(path, monkeypatch):
    write(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r'pip install "kinegraph\[formats\]"'):
        read(path)


TABLE = """\
track,frame_idx,instance.score,snout.x,snout.y,snout.score,back.x,back.y,back.score,tail.x,tail.y,tail.score
mouse_1,0,0.98,10.5,20.5,0.9,30,40,0.8,50,60,0.7
mouse_2,0,0.97,110.5,120.5,0.9,130,140,0.8,150,160,0.7
mouse_1,1,0.96,11.5,21.5,0.9,,,,51,61,0.7
"""


def test_tables_have_a_row_an_instance(tmp_path):
    (tmp_path / "mice.csv").write_text(TABLE)
    found = recordings(tmp_path / "mice.csv")
    (clip,) = found.clips
    assert (found.format, clip.layout.joints) == ("sleap", ("snout", "back", "tail"))
    assert clip.attributes == {"individuals": "mouse_1, mouse_2"}
    np.testing.assert_array_equal(
        clip.keypoint[0], [[[10.5, 20.5], [30, 40], [50, 60]], [[11.5, 21.5], [0, 0], [51, 61]]]
    )
    np.testing.assert_array_equal(clip.keypoint[1, 0], [[110.5, 120.5], [130, 140], [150, 160]])
    assert not clip.keypoint[1, 1].any()
    np.testing.assert_allclose(clip.score[0, 1], [0.9, 0, 0.7], rtol=1e-6)


def test_instances_without_track_are_followed(tmp_path):
    (tmp_path / "mice.csv").write_text(TABLE.replace("mouse_1", "").replace("mouse_2", ""))
    (clip,) = read(tmp_path / "mice.csv")
    assert (clip.people, clip.attributes) == (2, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("tail.y", "tail.z"), "has no column 'tail.y'"),
        (("20.5", "low"), "line 2 holds a cell that is no number"),
        ((",0.7\n", "\n"), "line 2 has 11 cells, the header has 12"),
        (("back.x", "snout.x"), "has the column 'snout.x' twice"),
    ],
)
def test_tables_that_cannot_be_read_are_named(tmp_path, change, reason):
    (tmp_path / "mice.csv").write_text(TABLE.replace(*change))
    with pytest.raises(ValueError, match=rf"mice\.csv {reason}"):
        list(read(tmp_path / "mice.csv"))


def test_files_of_a_format_are_not_searched_for_arrays(path, monkeypatch):
    """That reads HDF5 as a whole, and a file of hours is large."""
    monkeypatch.setattr(clip_arrays, "detect", lambda _: pytest.fail("was searched"))
    assert recognise(write(path))[0].NAME == "sleap"
