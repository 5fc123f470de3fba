"""Tables with one row per frame that name no clips: where another clip begins."""

import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.tables.table_parts import Restart
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("coco17")
JOINTS = ",".join(f"{joint}_{axis}" for joint in LAYOUT.joints for axis in "xy")


def clips(path, header, cells):
    """Frames of each clip, and what was assumed, of a table with these cells before those of the joints."""
    lines = [f"{header},{JOINTS}"]
    lines += [",".join([cell, *(str(10 * joint + t % 7) for joint in range(34))]) for t, cell in enumerate(cells)]
    path.write_text("\n".join([*lines, ""]))
    found = recordings(path)
    return [clip.keypoint.shape[1] for clip in found.clips], [it for it in found.assumed if "another begins" in it]


@pytest.mark.parametrize(
    ("header", "cells", "why"),
    [
        ("time", [f"{t % 20 / 25:g}" for t in range(40)], "where 'time' begins anew"),  # numbers alone
        ("Exercise,time", [f"squat,{t % 20 / 25:g}" for t in range(40)], "'Exercise' changes, or where 'time' begins"),
        ("Subject,label", [f"{'ab'[t // 20]},squat" for t in range(40)], "'Subject' or 'label' changes"),
        ("Trial", [str(1 + t // 20) for t in range(40)], "'Trial' changes"),  # numbers alone
    ],
)
def test_recordings_below_each_other_are_clips_of_their_own(tmp_path, header, cells, why):
    """They were one clip of 40 frames, in silence."""
    frames, assumed = clips(tmp_path / "a.csv", header, cells)
    assert frames == [20, 20]
    assert why in assumed[0]


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("time", [f"{t / 25:g}" for t in range(40)]),
        ("time", [f"{(t - 2 * (t == 30)) / 25:g}" for t in range(40)]),  # a time stamp that is late
        ("clip,frame,Trial", [f"one,{t},{t // 20}" for t in range(40)]),  # clips have names
    ],
)
def test_one_recording_is_one_clip(tmp_path, header, cells):
    assert clips(tmp_path / "a.csv", header, cells) == ([40], [])


def test_a_restart_is_where_most_of_the_time_is_taken_back():
    times, restart = [5, 6, 7, 6.9, 8, 5.1, 6, 7, 0, 1], Restart()
    assert [i for i, time in enumerate(times) if restart.at(time)] == [5, 8]


def test_rows_of_two_cameras_that_alternate_are_named_with_the_way(tmp_path):
    """They would be 40 clips of a frame each."""
    cells = [f"{'ab'[t % 2]},{t // 2}" for t in range(40)]
    with pytest.raises(ValueError, match="rows of each camera alternate in frame 0; sort the table by camera"):
        clips(tmp_path / "a.csv", "camera,frame", cells)
    assert clips(tmp_path / "b.csv", "camera,frame", sorted(cells, key=lambda it: it[0]))[0] == [20, 20]
