"""Wide tables in blocks: the same as one row per joint, over the ends of blocks, with gaps, and their faults."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinegraph.data.read import read, recordings
from kinegraph.data.reading.files import number_blocks
from kinegraph.data.reading.tables import table_csv
from kinegraph.data.reading.tables.table_wide import BLOCK
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

JOINTS = load_layout("coco17").joints
FRAMES = 2 * BLOCK + 3
PLACES = np.random.default_rng(0).uniform(1, 900, (FRAMES, 17, 3)).round(3).astype(np.float32)  # x, y, score
PLACES[..., 2] /= 900
HEADER = ",".join(["clip", "frame", *(f"{joint}_{axis}" for joint in JOINTS[::-1] for axis in ("x", "y", "score"))])


def rows() -> list[str]:
    """Two clips; joints stand in another order than in the layout."""
    cells = [",".join(map(str, frame[::-1].ravel())) for frame in PLACES]
    return [f"{'ab'[t >= BLOCK + 7]},{t},{it}" for t, it in enumerate(cells)]


def test_blocks_are_put_together(tmp_path):
    lines = rows()
    cells = lines[3].split(",")
    lines[3] = ",".join([*cells[:2], "", *cells[3:]])  # x of the last joint of the layout
    del lines[5]
    (tmp_path / "own.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    a, b = read(tmp_path / "own.csv")
    expected = PLACES.copy()
    expected[3, 16], expected[5] = 0, 0
    for clip, part in ((a, expected[: BLOCK + 7]), (b, expected[BLOCK + 7 :])):
        np.testing.assert_array_equal(clip.keypoint[0], part[..., :2])
        np.testing.assert_array_equal(clip.score[0], part[..., 2])


@pytest.mark.parametrize(
    ("line", "cell", "value", "reason"),
    [
        (300, 2, "seven", r"line 302 \(clip 'b'\): x is 'seven', expected a number"),
        (2, 3, "1e40", r"line 4 \(clip 'a'\): y is '1e40', expected a finite number"),
        (1, 1, "0", r"line 3 \(clip 'a'\): joint 'right_ankle' is there twice in frame 0"),
        (4, 1, "4.5", r"line 6 \(clip 'a'\): frame '4.5', expected a whole number"),
        (4, 0, "b", r"line 7: the rows of clip 'a' are scattered"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, line, cell, value, reason):
    lines = rows()
    cells = lines[line].split(",")
    cells[cell] = value
    lines[line] = ",".join(cells)
    (tmp_path / "own.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    with pytest.raises(ValueError, match=reason):
        list(read(tmp_path / "own.csv"))


def answer(file: Path) -> tuple[list, ...] | str:
    """The clips of a file, or what is said of it."""
    try:
        return tuple(
            [it.name, it.keypoint.tolist(), None if it.score is None else it.score.tolist()] for it in read(file)
        )
    except ValueError as error:
        return str(error)


CELLS = st.sampled_from(
    ["", "nan", "NaN", " 2.5", "-0.1", "1e3", "7", "0.30000000000000004", "123456.789", "1,5", "-3,25e-2"]
    + [",5", "5,", "1,234", " ", "1_0", '"4.5"', "n/a", "inf", "1e40", "0x1", "3\t", "#1", "break"]
)
USUAL = st.one_of(st.floats(-1e6, 1e6, width=32).map(repr), st.sampled_from(["", "nan", "1e3", " 2.5"]))


@given(
    st.lists(st.lists(st.one_of(USUAL, USUAL, USUAL, CELLS), min_size=6, max_size=6), min_size=1, max_size=8),
    st.sampled_from(",;\t"),
    st.sampled_from(["frame", "time", "note", None]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@example([["1,5", "", "2,25", "3", "4", ""]], ";", "frame", "\n", False)  # decimal commas
@example([["1", "", "", "", "4", ""]] * 3, ",", None, "\r\n", True)  # empty cells beside each other
def test_blocks_of_lines_give_what_single_cells_give(rows, separator, first, end, point):
    """The same clips, or the same message, of whatever cells."""
    names = [*[first] * bool(first), *(f"{axis}_{joint}" for joint in range(3) for axis in "xy")]
    lines = [separator.join(names)]
    for t, row in enumerate(rows):
        cells = [it.replace(".", ",") for it in row] if separator == ";" and not point else row
        lines.append(separator.join([*[str(t + 3)] * bool(first), *cells]))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        file = Path(folder) / "own.csv"
        file.write_text(end.join([*lines, ""]), newline="")
        patch.setattr(number_blocks, "BLOCK", 40)
        quick = answer(file)
        patch.setattr(table_csv, "is_plain", lambda *_: False)
        patch.setattr(table_csv, "plain_clip", lambda *_: None)
        assert quick == answer(file)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            [f"{joint}_{axis}" for joint in ("hip", "knee", "foot") for axis in "wxyz"],
            "rotations of joints (quaternions)",
        ),
        (["hip_flexion_r", "hip_flexion_l", "knee_angle_r", "knee_angle_l"], "angles of joints, without their places"),
    ],
)
def test_turns_and_angles_are_no_places(tmp_path, columns, said):
    """x, y and z beside w were places."""
    rows = [",".join(["time", *columns]), *(",".join([str(t / 100), *["0.5"] * len(columns)]) for t in range(9))]
    (tmp_path / "imu.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match=rf"imu\.csv is {re.escape(said)}"):
        list(read(tmp_path / "imu.csv"))


def test_levels_of_a_kinect_are_scores(tmp_path):
    """Azure's confidence: 0 none, 1 low, 2 medium, 3 high."""
    lines = ["frame," + ",".join(f"{joint}_{axis}" for joint in JOINTS for axis in ("x", "y", "confidence"))]
    lines += [f"{t}," + ",".join(f"{100 + 9 * i},{t + i * i},{i % 3}" for i in range(17)) for t in range(5)]
    (tmp_path / "azure.csv").write_text("\n".join(lines))
    found = recordings(tmp_path / "azure.csv")
    (clip,) = found.clips
    assert clip.score[0, 2, :6].tolist() == [0, 0.5, 1, 0, 0.5, 1]
    assert "scores are levels from 0 to 2: divided by 2, at most 1" in found.changed()


@pytest.mark.parametrize(
    ("header", "index"), [("{}", False), ("{}", True), ("f{}", False), ("kp_{}", True), ("{one}", False)]
)
def test_columns_that_are_numbered(tmp_path, header, index):
    """As pandas writes an array of rows; the numbers of the header were the first frame."""
    places = np.stack([body("coco17", 2) * 200 + 400 + [t, 0] for t in range(6)])
    rows = np.concatenate([places, np.full((6, 17, 1), 0.9)], 2).reshape(6, -1)
    names = [header.format(i, one=i + 1) for i in range(51)]
    lines = [[""] * index + names, *([str(t)] * index + [f"{it:.3f}" for it in row] for t, row in enumerate(rows))]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    found = recordings(tmp_path / "a.csv", layout="coco17")
    (clip,) = found.clips
    np.testing.assert_allclose(clip.keypoint[0], places, atol=1e-3)
    np.testing.assert_allclose(clip.score, 0.9, rtol=1e-6)
    assert any(line.startswith("columns that are numbered") for line in found.assumed)


@pytest.mark.parametrize("axes", [("tx", "ty", "tz"), ("X", "Y", "Z", "Ox", "Oy", "Oz")])
def test_positions_in_storages_of_opensim(tmp_path, axes):
    names = ["pelvis", "femur_r", "tibia_r", "femur_l", "tibia_l", "torso"]
    rows = np.random.default_rng(0).normal(0, 0.3, (5, 6, len(axes))).round(4)
    head = "Positions\nversion=1\nnRows=5\nnColumns=9\ninDegrees=yes\nendheader\n"
    columns = ["time", *(f"{name}_{axis}" for name in names for axis in axes)]
    lines = [columns, *([f"{t / 50}", *map(str, row.ravel().tolist())] for t, row in enumerate(rows))]
    (tmp_path / "pos_global.sto").write_text(head + "".join("\t".join(line) + "\n" for line in lines))
    (clip,) = read(tmp_path / "pos_global.sto", units="m")
    np.testing.assert_allclose(clip.keypoint[0], rows[..., :3], rtol=1e-6)
    assert clip.fps == 50


NAMED = ",".join(f"{name}_{axis}" for name in ("ear", "nose", "tail") for axis in "xy")
CELLS = [[f"{t + j}.5" for j in range(6)] for t in range(6)]


def table(path: Path, header: str, *before: str) -> Path:
    """A table of three joints in six frames. before: of each frame, the cells before those of the joints."""
    lines = [f"{header},{NAMED}", *(",".join([first, *cells]) for first, cells in zip(before, CELLS, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("column", ["video", "vid_id", "session_pitch"])
def test_rows_of_clips_without_frames_are_their_frames(tmp_path, column):
    clips = list(read(table(tmp_path / "a.csv", column, *"aaabbb")))
    assert [(clip.name, clip.frames) for clip in clips] == [("a", 3), ("b", 3)]
    assert clips[1].keypoint[0, :, 0, 0].tolist() == [3.5, 4.5, 5.5]
    assert clips[0].layout.joints == ("ear", "nose", "tail")


def test_ids_that_number_the_rows_are_nobody(tmp_path):
    (clip,) = read(table(tmp_path / "a.csv", "pose_id", *"012345"))
    assert clip.keypoint.shape[:2] == (1, 6)
    (clip,) = read(table(tmp_path / "b.csv", "frame,mouse_id", *(f"{t},{i}" for t in range(3) for i in (4, 7))))
    assert clip.keypoint.shape[:2] == (2, 3)


def test_labels_of_frames_are_segments(tmp_path):
    """One table has both; as clips they are refused with the way."""
    path = table(tmp_path / "a.csv", "video,label", *(f"v,{'walk' if t < 4 else 'fall'}" for t in range(6)))
    with pytest.raises(
        ValueError, match=r"label 'fall', the clip began with 'walk'; a label for each frame: .*--segments"
    ):
        list(read(path))
    found = recordings(path, whole=True)
    assert [(clip.label, clip.frames) for clip in found.clips] == [(None, 6)]


def test_a_row_of_units_and_what_lies_beside_space(tmp_path):
    path = table(tmp_path / "a.csv", "Trial time,Area", "s,cm²", *(f"{t / 25},{t}" for t in range(5)))
    lines = path.read_text().splitlines()
    lines[1] = "s,cm²," + ",".join(["cm"] * 6)
    path.write_text("\n".join(lines))
    (clip,) = read(path)
    assert (clip.frames, clip.fps) == (5, 25)
    columns = [f"{axis}_{i}" for i in range(3) for axis in "xyXYZ"]
    (tmp_path / "face.csv").write_text(
        ",".join(["frame", *columns]) + "\n" + "0," + "1,2,30,40,50," * 2 + "1,2,30,40,50\n"
    )
    (tmp_path / "own.yaml").write_text("{name: own, joints: [a, b, c], bones: [[b, a], [c, a]], centre: a}")
    (clip,) = read(tmp_path / "face.csv", layout=str(tmp_path / "own.yaml"), units="mm")
    np.testing.assert_allclose(clip.keypoint[0, 0], [[0.03, 0.04, 0.05]] * 3, rtol=1e-6)
