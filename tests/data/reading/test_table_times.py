"""Tables that say a frame by its time or its picture, a clip by its video; and tables without names of columns."""

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

JOINTS = load_layout("coco17").joints
WALK = np.stack([400 + 300 * body("coco17", 2) + 5 * t for t in range(4)]).round(2)


def table(path, header: str, keys, joint: bool = True):
    """A long table: the keys of each frame in front of joint, x and y."""
    lines = [header]
    for key, frame in zip(keys, WALK, strict=True):
        lines += [f"{key},{name},{x},{y}" for name, (x, y) in zip(JOINTS, frame, strict=True)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("column", "times", "rate"),
    [
        ("timestamp", ["0.00", "0.04", "0.08", "0.12"], 25),
        ("time_ms", ["1000", "1020", "1040", "1060"], 50),
        ("time", [f"2024-05-01T10:00:00.{t}" for t in range(4)], 10),
        ("Time", ["0 sec", "0.04 sec", "0.08 sec", "0.12 sec"], 25),  # MATLAB's timetable
        ("Time", [f"00:00:00.{20 * t:03}" for t in range(4)], 50),
        ("Time", [f"01-Mar-2024 11:59:59.{t + 6}" for t in range(4)], 10),
        ("t_us", [f"{1709280000000000 + 40000 * t}" for t in range(4)], 25),
    ],
)  # fmt: skip
def test_times_are_frames_and_say_the_rate(tmp_path, column, times, rate):
    path = table(tmp_path / "a.csv", f"{column},landmark,x,y", times)
    (clip,) = read(path)
    np.testing.assert_allclose(clip.keypoint[0], WALK, rtol=1e-6)
    assert clip.fps == rate
    assert next(read(path, fps=12)).fps == 12


def test_a_time_that_goes_back_is_named(tmp_path):
    path = table(tmp_path / "a.csv", "timestamp,landmark,x,y", ["0.0", "0.2", "0.1", "0.3"])
    with pytest.raises(ValueError, match=r"line 36: the time '0.1' comes after a later one; sort the rows by time"):
        list(read(path))


@pytest.mark.parametrize(
    ("header", "keys", "names"),
    [
        ("video,frame,landmark,x,y", ["a,0", "a,1", "b,0", "b,1"], {"a": 2, "b": 2}),
        ("filename,joint,x,y", ["a_01.jpg", "a_02.jpg", "a_04.jpg", "b_07.png"], {"a": 4, "b": 1}),
        ("image,frame,joint,x,y", ["a/1.jpg,1", "a/2.jpg,2", "a/3.jpg,3", "a/4.jpg,4"], {"a": 4}),
    ],
)
def test_videos_and_pictures_are_clips(tmp_path, header, keys, names):
    clips = list(read(table(tmp_path / "t.csv", header, keys)))
    assert {clip.name: clip.frames for clip in clips} == names
    np.testing.assert_allclose(clips[0].keypoint[0, :2], WALK[:2], rtol=1e-6)


@pytest.mark.parametrize(("step", "lost", "rate"), [(1, (7, 8, 9), 30), (2, (), 15)])
def test_times_beside_frame_numbers_say_the_frame_rate(tmp_path, step, lost, rate):
    """Milliseconds are rounded; frames are lost, or the recorder keeps every second one."""
    header = ",".join(["frame", "timestamp_ms", *(f"{axis}{i}" for i in range(17) for axis in "xy")])
    pose = ",".join(map(str, body("coco17", 2).ravel()))
    rows = [f"{step * i},{round(1000 * step * i / 30)},{pose}" for i in range(40) if i not in lost]
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]))
    found = recordings(tmp_path / "a.csv", image_size="100x100")
    (clip,) = found.clips
    assert clip.fps == rate
    assert any("by the column 'timestamp_ms'" in line for line in found.assumed)
    assert not any("timestamp_ms" in line for line in found.skipped())


def test_body_and_face_without_names_are_the_body(tmp_path):
    header = ",".join(["class", *(f"{axis}{i}" for i in range(1, 502) for axis in "xyzv")])
    frame = np.column_stack([0.2 + 0.5 * body("blazepose33", 2), np.zeros(33), np.full(33, 0.9)])
    row = [*frame.ravel(), *np.full(468 * 4, 0.5)]
    (tmp_path / "coords.csv").write_text("\n".join([header, *[",".join(["happy", *map(str, row)])] * 2]))
    found = recordings(tmp_path / "coords.csv", image_size="100x100")
    (clip,) = found.clips
    assert (found.class_names, clip.label, clip.layout.name) == (("happy",), 0, "blazepose33")
    np.testing.assert_allclose(clip.keypoint[0, 1], 100 * frame[:, :2], rtol=1e-5)
    assert found.skipped() == ["468 of 501 joints, MediaPipe's face"]


def test_a_table_without_header_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("0.1,0.2,0.3,0.4,0.5,0.6\n0.1,0.2,0.3,0.4,0.5,0.6\n")
    with pytest.raises(ValueError, match=r"a\.csv has no header, its first row holds 6 numbers; write the names of"):
        list(read(tmp_path / "a.csv"))
