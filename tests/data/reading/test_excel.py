"""Excel workbooks as tables of joints, labels and segments: what a CSV of the same cells gives."""

import csv
import zipfile

import numpy as np
import pytest

from kinegraph.data.read import read, recordings
from kinegraph.data.segments import read_tables

ROWS = [["frame", "nose_x", "nose_y", "body_x", "body_y", "tail_x", "tail_y", None]]
ROWS += [[t, 10.5 + t, 20, 15, 25, 30 + t, None if t == 2 else 41.25, None] for t in range(4)] + [[None] * 8]
LAYOUT = "name: m\njoints: [nose, tail, body]\nbones: [[nose, body], [tail, body]]\ncentre: body\n"
BORIS = [["Media file name", "Subject", "Behavior", "Behavior type", "Start (s)", "Stop (s)"]]
BORIS += [["walk.mp4", "mouse", "rear", "STATE", 0.5, 1.25]]


@pytest.fixture
def book(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")

    def write(name, *sheets):
        made = openpyxl.Workbook()
        made.remove(made.active)
        for number, rows in enumerate(sheets):
            sheet = made.create_sheet(f"sheet {number}")
            for row in rows:
                sheet.append(row)
        made.save(tmp_path / name)
        return tmp_path / name

    return write


def test_a_workbook_is_read_as_the_csv_of_its_cells(book, tmp_path):
    (tmp_path / "mouse.yaml").write_text(LAYOUT)
    with (tmp_path / "walk.csv").open("w", newline="") as file:
        csv.writer(file).writerows(row[:7] for row in ROWS[:-1])
    layout = str(tmp_path / "mouse.yaml")
    (wanted,) = read(tmp_path / "walk.csv", layout=layout)
    (clip,) = read(book("walk.xlsx", [], ROWS), layout=layout)
    np.testing.assert_array_equal(clip.keypoint, wanted.keypoint)
    assert not clip.keypoint[0, 2, 1].any()


def test_sheets_of_one_header_are_clips_or_joints(book, tmp_path):
    (tmp_path / "mouse.yaml").write_text(LAYOUT)
    layout = str(tmp_path / "mouse.yaml")
    (wanted,) = read(book("one.xlsx", ROWS), layout=layout)
    found = recordings(book("walk.xlsx", [["fps", 30]], ROWS, ROWS), layout=layout)
    first, second = found.clips
    assert (first.name, second.name) == ("sheet 1", "sheet 2")
    np.testing.assert_array_equal(first.keypoint, wanted.keypoint)
    assert "sheets beside sheet 1, sheet 2: sheet 0" in found.skipped()
    named = [[["video", *ROWS[0][:7]], *([f"take {i}", *row[:7]] for row in ROWS[1:5])] for i in (0, 1)]
    assert [clip.name for clip in read(book("named.xlsx", *named), layout=layout)] == ["take 0", "take 1"]
    joints = [[["frame", "x", "y"], *([t, 10 * i + t, 5] for t in range(4))] for i in range(3)]
    (tmp_path / "j.yaml").write_text(
        "{name: j, joints: [sheet 0, sheet 1, sheet 2], centre: sheet 0, "
        "bones: [[sheet 1, sheet 0], [sheet 2, sheet 0]]}"
    )
    (clip,) = read(book("joints.xlsx", *joints), layout=str(tmp_path / "j.yaml"))
    assert clip.keypoint[0, :, :, 0].tolist() == [[t, 10 + t, 20 + t] for t in range(4)]
    with pytest.raises(ValueError, match="several sheets, sheet 0, sheet 1: save the one with the table"):
        recordings(book("two.xlsx", ROWS, joints[0]))


def test_labels_and_segments_in_workbooks(book, tmp_path):
    (table,), _ = read_tables(book("boris.xlsx", BORIS))
    (row,) = table.rows
    assert (row.recording, row.label, row.start, row.end) == ("walk.mp4", "rear", 0.5, 1.25)
    (tmp_path / "data").mkdir()
    book("data/walk.xlsx", ROWS)
    labels = book("labels.xlsx", [["clip", "label", "subject"], ["walk", "rear", 3]])
    (tmp_path / "mouse.yaml").write_text(LAYOUT)
    found = recordings(tmp_path / "data", labels_file=labels, layout=str(tmp_path / "mouse.yaml"))
    (clip,) = found.clips
    assert (found.class_names, clip.attributes["subject"]) == (("rear",), 3)


def test_what_cannot_be_read_is_named(book, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"has several sheets, sheet 0, sheet 1: save the one with the table"):
        read_tables(book("two.xlsx", BORIS, [row[1:] for row in BORIS]))
    (tmp_path / "text.xlsx").write_text("frame,x")
    with pytest.raises(ValueError, match=r"text\.xlsx is not a readable Excel workbook"):
        read_tables(tmp_path / "text.xlsx")
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as parts:
        for number in range(9):
            parts.writestr(f"xl/{number}", bytes(1 << 27))
    with pytest.raises(ValueError, match=r"bomb\.xlsx has 1,207,959,552 bytes unpacked, expected at most"):
        read_tables(tmp_path / "bomb.xlsx")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ValueError, match=r'needs openpyxl: pip install "kinegraph\[excel\]"$'):
        read_tables(tmp_path / "text.xlsx")


def test_of_a_workbook_of_xsens_the_places_are_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.active.append(["Frame Rate", 60])
    for title, first in (("Segment Position", 1.0), ("Segment Velocity", 9.0)):
        sheet = made.create_sheet(title)
        for row in ROWS[:2]:
            sheet.append([*row[:1], *(first if isinstance(it, float) else it for it in row[1:7])])
    made.save(tmp_path / "mvn.xlsx")
    (tmp_path / "mouse.yaml").write_text(LAYOUT)
    found = recordings(tmp_path / "mvn.xlsx", layout=str(tmp_path / "mouse.yaml"))
    (clip,) = found.clips
    assert clip.keypoint[0, 0, 0, 0] == 1.0
    assert "sheets beside Segment Position: Sheet, Segment Velocity" in found.skipped()
