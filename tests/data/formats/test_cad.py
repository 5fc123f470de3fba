"""CAD-60 and CAD-120: places among turns, confidences, activityLabel.txt, subjects."""

from pathlib import Path

import numpy as np
import pytest

from kinegraph.data.formats.cad import ENDS, TURNED
from kinegraph.data.read import recordings

TURN = "1,0,0,0,1,0,0,0,1,1,"


def place(frame: int, joint: int) -> tuple[float, float, float]:
    return (100 * joint + frame, 900 - 50 * joint, 2500)


def written(path: Path, frames: int = 3) -> Path:
    """The joints of each frame in the order of the file; the left hand of frame 2 is a guess."""
    rows = []
    for frame in range(1, frames + 1):
        cells = [f"{TURN}{x},{y},{z},1," for x, y, z in (place(frame, it) for it in range(11))]
        cells += [",".join(map(str, (*place(frame, 11 + it), int((frame, it) != (2, 0)), ""))) for it in range(4)]
        rows.append(f"{frame}," + "".join(cells))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*rows, "END", ""]))
    return path


def test_joints_are_found_among_the_turns(tmp_path):
    (clip,) = recordings(written(tmp_path / "0512164529.txt")).clips
    for number, joint in enumerate((*TURNED, *ENDS)):
        column = clip.layout.joints.index(joint)
        np.testing.assert_allclose(clip.keypoint[0, 1, column], np.array(place(2, number)) / 1000, rtol=1e-6)
    assert [clip.layout.joints[it] for it in np.flatnonzero(clip.score[0, 1] == 0)] == ["left_hand"]


def test_the_list_beside_the_files_and_the_folder_say_label_and_subject(tmp_path):
    for person in (1, 2):
        written(tmp_path / f"data{person}" / f"05{person}.txt")
        (tmp_path / f"data{person}" / "activityLabel.txt").write_text(f"05{person},brushing teeth,\nEND\n")
    written(tmp_path / "Subject3_annotations/taking_medicine/12.txt")  # without the list, the folder says it
    found = recordings(tmp_path)
    clips = {clip.name: (found.class_names[clip.label], clip.attributes["subject"]) for clip in found.clips}
    assert clips == {
        "data1/051": ("brushing teeth", 1),
        "data2/052": ("brushing teeth", 2),
        "Subject3_annotations/taking_medicine/12": ("taking_medicine", 3),
    }


def test_a_row_that_is_cut(tmp_path):
    path = written(tmp_path / "05.txt")
    path.write_text(path.read_text().replace(f"\n2,{TURN}", "\n2,"))
    with pytest.raises(
        ValueError, match=r"05\.txt line 2 has 161 numbers, expected 171: the frame, 11 joints with turns"
    ):
        list(recordings(path).clips)
