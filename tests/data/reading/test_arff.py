"""Weka's tables: columns by their lines, quotes, values that are not known, and what is refused."""

import pytest

from kinegraph.data.read import recordings
from kinegraph.data.reading.files.csv_rows import csv_lines
from tests.data.formats import written

HEAD = """% made up
@RELATION 'a b'

@ATTRIBUTE 'left hand x' NUMERIC
@attribute nose_x real
@ATTRIBUTE class {sit,'stand up'}
"""


def test_columns_and_rows(tmp_path):
    path = written(tmp_path / "a.arff", HEAD + "@DATA\n1.5, ?, 'stand up'\n% between\n2,3,sit\n")
    assert list(csv_lines(path)) == [
        (1, ["left hand x", "nose_x", "class"]),
        (8, ["1.5", "", "stand up"]),
        (10, ["2", "3", "sit"]),
    ]


def test_a_wide_table_of_weka_is_read(tmp_path):
    joints = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee", "right_knee")
    head = [f"@ATTRIBUTE {joint}_{axis} NUMERIC" for joint in joints for axis in "xy"]
    rows = [",".join([*(str(10 * t + i) for i in range(14)), label]) for label in ("sit", "walk") for t in range(1, 4)]
    path = written(
        tmp_path / "a.arff", "\n".join(["@RELATION r", *head, "@ATTRIBUTE class {sit,walk}", "@DATA", *rows])
    )
    found = recordings(path)
    clips = list(found.clips)
    assert (found.layout.name, found.class_names, [clip.frames for clip in clips]) == (
        "coco17",
        ("sit", "walk"),
        [3, 3],
    )
    assert clips[0].keypoint[0, 2, 0].tolist() == [30, 31]


def test_rows_with_numbers_of_cells_are_refused_with_the_way(tmp_path):
    path = written(tmp_path / "a.arff", HEAD + "@DATA\n{0 1.5, 2 sit}\n")
    with pytest.raises(ValueError, match=r"line 8 has its cells by number \(sparse ARFF\); save it as CSV"):
        list(csv_lines(path))
