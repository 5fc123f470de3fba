"""A table for each joint or for each frame: places, names of joints, classes by folders, rates, and what is refused."""

import numpy as np
import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.faults import Fault
from kinegraph.skeleton.layout import load_layout
from tests.data.formats import written
from tests.made_up import body

COCO = load_layout("coco17").joints
FRAMES = np.stack([100 + 300 * (body("coco17", 2) - body("coco17", 2).min(0)) + 5 * t for t in range(6)]).round(2)


def write(folder, frames=FRAMES, header="time,x,y", prefix=""):
    for joint, track in zip(COCO, frames.swapaxes(0, 1), strict=True):
        first = [f"{t / 25:.2f}," if "time" in header else "" for t in range(len(track))]
        rows = [f"{start}{x},{y}" for start, (x, y) in zip(first, track.tolist(), strict=True)]
        written(folder / f"{prefix}{joint}.csv", "\n".join([header] * bool(header) + rows) + "\n")
    return folder


def by_frames(folder, frames=FRAMES, named=True):
    for number, frame in enumerate(frames.tolist()):
        rows = [f"{COCO[place] if named else place},{x},{y}" for place, (x, y) in enumerate(frame)]
        written(folder / f"frame_{number:03}.csv", "\n".join(["joint,x,y", *rows]) + "\n")
    return folder


@pytest.mark.parametrize("header", ["time,x,y", ""])
def test_a_table_for_each_joint(tmp_path, header):
    for place, shift in (("bow/s01", 0), ("bow/s02", 3), ("wave/s01", 9), ("wave/s02", 20)):
        write(tmp_path / place, FRAMES + shift, header)
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.format, found.class_names, found.layout.name) == ("split-tables", ("bow", "wave"), "coco17")
    assert [(it.name, it.label) for it in clips][1:3] == [("bow/s02", 0), ("wave/s01", 1)]
    assert [it.splits["xsub"] for it in clips] == ["val", "train"] * 2  # the person is on one side
    assert clips[0].fps == (25 if header else None)
    np.testing.assert_allclose(clips[0].keypoint[0], FRAMES, rtol=1e-5)


def test_clips_beside_each_other_have_the_beginnings_of_the_names(tmp_path):
    for clip, shift in (("take1", 0), ("take2", 7)):
        write(tmp_path, FRAMES + shift, prefix=f"{clip}_")
    clips = list(recordings(tmp_path).clips)
    assert [clip.name for clip in clips] == ["take1", "take2"]
    np.testing.assert_allclose(clips[1].keypoint[0], FRAMES + 7, rtol=1e-5)


@pytest.mark.parametrize("named", [True, False])
def test_a_table_for_each_frame(tmp_path, named):
    by_frames(tmp_path / "bow" / "a", named=named)
    by_frames(tmp_path / "wave" / "a", FRAMES[::-1], named=named)
    found = recordings(tmp_path)
    clips = list(found.clips)
    assert (found.class_names, found.layout.name) == (("bow", "wave"), "coco17")
    np.testing.assert_allclose(clips[0].keypoint[0], FRAMES, rtol=1e-5)


def test_a_row_without_a_place_was_not_seen_and_faults_name_the_line(tmp_path):
    write(tmp_path / "a")
    written(tmp_path / "a" / "nose.csv", "frame,x,y\n0,1,2\n2,,\n3,5,6\n")
    clip = next(recordings(tmp_path / "a").clips)
    assert clip.keypoint[0, :4, 0].tolist() == [[1, 2], [0, 0], [0, 0], [5, 6]]
    write(tmp_path / "b" / "one")
    written(tmp_path / "b" / "two" / "nose.csv", "frame,x,y\n0,1,2\n1,much,2\n")
    for joint in COCO[1:4]:
        written(tmp_path / "b" / "two" / f"{joint}.csv", "frame,x,y\n0,1,2\n")
    items = list(recordings(tmp_path / "b", on_fault="keep").clips)
    assert isinstance(items[1], Fault)
    assert "nose.csv line 3 (clip 'two'): x is 'much', expected a number" in str(items[1])
