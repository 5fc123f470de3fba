"""Own recordings in a CSV, a JSON or an npz file: what is read, how splits are made, what is refused and where."""

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import read
from kinegraph.data.read import recordings as any_recordings
from kinegraph.data.reading.files import csv_rows
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

recordings = partial(any_recordings, format="table")

ARM = {
    "name": "arm",
    "joints": ["shoulder", "elbow", "wrist"],
    "bones": [["elbow", "shoulder"], ["wrist", "elbow"]],
    "centre": "shoulder",
}
CSV = """clip,frame,person,joint,x,y,score,label
b,10,0,shoulder,1,2,0.9,wave
b,10,0,elbow,3,4,0.8,wave
b,10,0,wrist,5,6,0.7,wave
b,12,0,wrist,7,8,0.6,wave
b,12,3,Elbow,9,10,0.5,wave
a,0,0,0,1.5,2.5,1,point
a,0,0,1,,2.5,1,point
a,0,0,2,nan,2.5,1,point
"""


@pytest.fixture
def arm(tmp_path):
    file = tmp_path / "arm.yaml"
    file.write_text(yaml.safe_dump(ARM))
    return str(file)


@pytest.fixture
def table(tmp_path):
    def written(text: str, name: str = "own.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return written


def test_rows_become_clips(table, arm):
    found = recordings(table(CSV), layout=arm)
    b, a = found.clips
    assert (found.count, found.class_names, found.units) == (2, ("point", "wave"), "px")
    assert (b.name, b.label, a.name, a.label) == ("b", 1, "a", 0)
    expected = np.zeros((2, 3, 3, 2))  # two people, frames 10 to 12
    expected[0, 0] = [1, 2], [3, 4], [5, 6]
    expected[0, 2, 2] = 7, 8
    expected[1, 2, 1] = 9, 10
    np.testing.assert_array_equal(b.keypoint, expected)
    np.testing.assert_allclose(b.score[:, 2], [[0, 0, 0.6], [0, 0.5, 0]], rtol=1e-6)
    np.testing.assert_array_equal(a.keypoint, [[[[1.5, 2.5], [0, 0], [0, 0]]]])  # what is empty was not seen
    np.testing.assert_array_equal(a.score, [[[1, 0, 0]]])


def test_people_who_are_seen_most_are_kept(table, arm):
    b, _ = recordings(table(CSV), layout=arm, people=1).clips
    assert b.keypoint.shape == (1, 3, 3, 2)
    np.testing.assert_array_equal(b.keypoint[0, 0, 0], [1, 2])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("score", "Visibility").replace("clip", "Clip"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(",10,", ",10.0,").replace("wave", '"wave"'),
    ],
)
def test_spellings_of_the_same_table(table, arm, change):
    plain = list(recordings(table(CSV), layout=arm).clips)
    other = list(recordings(table(change(CSV), "other.csv"), layout=arm).clips)
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_array_equal(one.keypoint, two.keypoint)
        np.testing.assert_array_equal(one.score, two.score)
        assert (one.name, one.label) == (two.name, two.label)


@given(seed=st.integers(0, 10**6), people=st.integers(1, 3), frames=st.integers(1, 6), channels=st.integers(2, 3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_clip_comes_back_whatever_the_order_of_its_rows(tmp_path, seed, people, frames, channels):
    rng = np.random.default_rng(seed)
    keypoint = rng.normal(0, 1, (people, frames, 17, channels)).astype(np.float32)
    keypoint[rng.random(keypoint.shape[:3]) < 0.3] = 0
    keypoint[:, [0, -1], 0] = 1  # everybody is there, at both ends
    names = load_layout("coco17").joints
    rows = [
        ",".join(["clip", str(t), str(m), names[v], *(repr(float(c)) for c in keypoint[m, t, v])])
        for m, t, v in zip(*np.nonzero(keypoint.any(-1)), strict=True)
    ]
    text = "\n".join(["clip,frame,person,joint," + ",".join("xyz"[:channels]), *rng.permutation(rows)])
    (tmp_path / "one.csv").write_text(text)
    # All of COCO's joints seldom have a row, so the layout is named.
    (clip,) = recordings(tmp_path / "one.csv", layout="coco17").clips
    np.testing.assert_array_equal(clip.keypoint, keypoint)


def rows(layout: str, clips: str = "a", axes: str = "x,y") -> str:
    values = ",".join("1" for _ in axes.split(","))
    lines = [f"{clip},0,{joint},{values}" for clip in clips for joint in load_layout(layout).joints]
    return "\n".join([f"clip,frame,joint,{axes}", *lines])


@pytest.mark.parametrize("layout", ["coco17", "blazepose33", "halpe26", "ntu25", "openpose18"])
def test_layouts_are_found_by_their_joints(table, layout):
    assert recordings(table(rows(layout))).layout.name == layout
    assert recordings(table(rows(layout).upper().replace("CLIP,FRAME,JOINT,X,Y", "clip,frame,joint,x,y"))).layout.name
    pose = 100 + 99 * body(layout, 2)
    numbered = "\n".join(["clip,frame,joint,x,y", *(f"a,0,{i},{x:.2f},{y:.2f}" for i, (x, y) in enumerate(pose))])
    assert recordings(table(numbered)).layout.name == layout


@pytest.mark.parametrize(("units", "unit", "factor"), [("m", "m", 1), ("cm", "m", 0.01), ("mm", "m", 0.001)])
def test_units_in_space(table, units, unit, factor):
    found = recordings(table(rows("ntu25", axes="x,y,z")), units=units)
    assert found.units == unit
    np.testing.assert_allclose(next(found.clips).keypoint, factor)


def test_fractions_of_the_image_become_pixels(table):
    found = recordings(table(rows("blazepose33", axes="x,y,z")), units="image", image_size="640x480")
    clip = next(found.clips)
    assert (found.units, clip.image_size, clip.keypoint.shape) == ("px", (640, 480), (1, 1, 33, 2))
    np.testing.assert_array_equal(clip.keypoint[0, 0, 7], [640, 480])
    assert found.assumed == ("x and y alone: the unit of z is not the picture's",)
    with pytest.raises(ValueError, match="its size is not known; give --image-size"):
        next(recordings(table(rows("blazepose33")), units="image").clips)


# ---- labels, splits --------------------------------------------------------------------------------------------------


def many(column: str, cells: list[str]) -> str:
    lines = [f"clip{i},0,{joint},1,1,{cell}" for i, cell in enumerate(cells) for joint in range(17)]
    return "\n".join([f"clip,frame,joint,x,y,{column}", *lines])


def test_whole_subjects_are_drawn_for_validation(table):
    cells = [f"{'ab'[i % 2]},{i // 4}" for i in range(40)]
    found = recordings(table(many("label,subject", cells)))
    clips = list(found.clips)
    parts = {clip.attributes["subject"]: clip.splits["xsub"] for clip in clips}
    assert sorted(parts) == list(range(10))
    assert all(clip.splits["xsub"] == parts[clip.attributes["subject"]] for clip in clips)
    assert list(parts.values()).count("val") == 2
    drawn = ", ".join(str(subject) for subject, part in sorted(parts.items()) if part == "val")
    assert f"split xsub made here, val is subject {drawn}" in found.source
    reordered = "\n".join(
        [many("label,subject", cells).splitlines()[0], *many("label,subject", cells).splitlines()[:0:-1]]
    )
    again = {clip.name: clip.splits for clip in recordings(table(reordered)).clips}
    assert again == {clip.name: clip.splits for clip in clips}, "the draw depends on the order of the rows"


def test_without_subjects_each_class_is_divided(table):
    found = recordings(table(many("label", ["a"] * 10 + ["b"] * 5 + ["c"])), val_share=0.4)
    drawn = [(clip.label, clip.splits["holdout"]) for clip in found.clips]
    assert [drawn.count((label, "val")) for label in range(3)] == [4, 2, 0]  # one clip alone is for training
    assert "split holdout made here, 40% of each class" in found.source
    some = [clip.splits["holdout"] for clip in recordings(table(many("label", ["a", "a", ""]))).clips]
    assert (sorted(some[:2]), some[2]) == (["train", "val"], "none")  # nothing can be learned from the third
    everything = recordings(table(many("label", ["a", "b"])), val_share=0)
    assert {clip.splits["holdout"] for clip in everything.clips} == {"train"}


def test_splits_and_facts_of_the_table(table):
    text = many(
        "label,split,split_xview,fps,width,height,camera", ["3,Training,val,30,640,480,left", "0,test,,25,,,right"]
    )
    found = recordings(table(text), image_size="100x50")
    first, second = found.clips
    assert found.class_names == tuple(f"class {i}" for i in range(4))  # numbers are class numbers
    assert (first.label, first.fps, first.image_size, first.attributes) == (3, 30, (640, 480), {"camera": "left"})
    assert first.splits == {"split": "train", "xview": "val"}
    assert (second.image_size, second.splits) == ((100, 50), {"split": "test", "xview": "none"})


def test_labels_file(table, tmp_path):
    labels = table("name,label,subject\nclip0,sit,p1\nclip2,stand,p2\nclip9,sit,p1\n", "labels.csv")
    found = recordings(table(many("camera", ["1", "2", "3"])), labels_file=labels)
    listed = [(clip.name, found.class_names[clip.label], clip.attributes) for clip in found.clips]
    assert listed == [
        ("clip0", "sit", {"camera": 1, "subject": "p1"}),
        ("clip2", "stand", {"camera": 3, "subject": "p2"}),
    ]
    assert found.skipped() == [
        "1 clip that labels.csv does not list: clip1",
        "1 clip of labels.csv without recording: clip9",
    ]
    names = table("stand\nsit\nrun\n", "names.txt")
    ordered = recordings(table(many("camera", ["1", "2", "3"])), labels_file=labels, class_names=str(names))
    assert [clip.label for clip in ordered.clips] == [1, 0]


def test_clips_without_labels(table, tmp_path, capsys):
    assert main(["prepare", "table", str(table(many("camera", ["1", "2"]))), str(tmp_path / "out")]) == 0
    assert open_dataset(tmp_path / "out").label.tolist() == [-1, -1]
    assert "the clips have no labels" in capsys.readouterr().out


# ---- wrong input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("7,8,0.6", "seven,8,0.6"), r"line 5 \(clip 'b'\): x is 'seven', expected a number"),
        (("7,8,0.6", '"7,500",8,0.6'), r"line 5: '7,500' may be a thousand or a decimal; write decimals with a point"),
        (("7,8,0.6", "inf,8,0.6"), r"line 5 .*x is 'inf', expected a finite number"),
        (("b,10,0,elbow", "b,10,0,elbwo"), r"line 3 .*layout 'arm' has no joint 'elbwo'; did you mean 'elbow'"),
        (("a,0,0,2", "a,0,0,3"), r"line 9 .*joint 3, layout 'arm' has 0 to 2"),
        (("b,10,0,elbow", "b,10,0,shoulder"), r"line 3 .*joint 'shoulder' of person '0' is there twice in frame 10"),
        (("b,10,0,elbow", "b,0.5,0,elbow"), r"line 3 .*frame '0.5', expected a whole number"),
        (("b,12,3", "c,12,3"), None),
        (("b,12,0,wrist", "a,12,0,wrist"), r"line 6: the rows of clip 'b' are scattered"),
        (("0.8,wave", "0.8,walk"), r"line 3 \(clip 'b'\): label 'walk', the clip began with 'wave'"),
        (("0.8,wave", "0.8,wave,1"), r"line 3 has 9 cells, the header has 8"),
        (("b,12,3", ",12,3"), "line 6 names no clip"),
        (("label", "lable"), "unknown column 'lable'; did you mean 'label'"),
        (("joint", "joints"), "no column 'joint', .*did you mean 'joints'"),
        (("score", "x"), "has the column 'x' twice"),
        (("b,12,3", "b,900000000,3"), r"900,000,000|899,999,991|frames"),
        (("b,10,0", "b,1e300,0"), "frame '1e300', expected a whole number"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(table, arm, change, message):
    text = CSV.replace(*change, 1)
    if message is None:
        assert [clip.name for clip in recordings(table(text), layout=arm).clips] == ["b", "c", "a"]
        return
    with pytest.raises(ValueError, match=message) as caught:
        list(recordings(table(text), layout=arm).clips)
    assert "own.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is an empty file"),
        ("clip,frame,joint,x,y\n", {}, "has no rows"),
        ("clip,frame,joint,x,y\na,0,hip,1,1\n", {}, "1 joint hip is of no built-in layout; give --layout"),
        (rows("coco17").replace("nose", "tail"), {}, "nearest is 'coco17', which lacks tail"),
        (rows("coco17"), {"people": 0}, "0 people"),
        (rows("coco17"), {"val_share": 1.5}, "share of 1.5 is not possible"),
        (many("split", ["train"]), {"val_share": 0.2}, "--val-share is for clips without one"),
        (many("label", ["99999"]), {}, "clip 'clip0' has label 99999"),
        (many("fps", ["fast"]), {}, "clip 'clip0' has fps 'fast', expected a positive number"),
        (many("split_label", ["train"]), {}, "'label' cannot be an attribute"),
    ],
)
def test_wrong_tables(table, text, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(recordings(table(text), **options).clips)
    assert "\n" not in str(caught.value)


def test_wrong_files(table, tmp_path):
    with pytest.raises(ValueError, match="holds no table with the columns clip, frame, joint, x, y and no JSON"):
        recordings(tmp_path)
    with pytest.raises(ValueError, match=r"ends in '.ods', expected .csv, .json or .npz"):
        recordings(table("x", "own.ods"))
    with pytest.raises(OSError, match=r"gone\.csv"):
        recordings(tmp_path / "gone.csv")
    (tmp_path / "binary.csv").write_bytes(b"clip,frame,joint,x,y\n\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        recordings(tmp_path / "binary.csv")
    labels = table("clip,label\nother,a\n", "labels.csv")
    with pytest.raises(ValueError, match="lists none of the clips, which are clip0; its own are other"):
        recordings(table(many("camera", ["1"])), labels_file=labels)


CELLS = st.sampled_from(
    ["", "a", "b", "0", "1", "-1", "1e400", "nan", "nose", "16", "17", '"', "é", "\x00", "1_0", "٣"]
)
LINES = st.lists(st.lists(CELLS, min_size=5, max_size=7).map(",".join), max_size=12).map("\n".join)


@given(lines=LINES, junk=st.text(max_size=30), at=st.integers(0, 40))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_but_value_errors(tmp_path, lines, junk, at):
    text = "clip,frame,joint,x,y,label\n" + lines
    file = tmp_path / "fuzz.csv"
    file.write_text(text[:at] + junk + text[at:] if junk else text, encoding="utf-8", errors="replace", newline="")
    try:
        clips = list(recordings(file, layout="coco17").clips)
    except ValueError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  it need not be raised
    else:
        assert all(np.isfinite(clip.keypoint).all() for clip in clips)


# ---- JSON and npz ----------------------------------------------------------------------------------------------------

JSON = {
    "layout": ARM,
    "fps": 25,
    "image_size": [640, 480],
    "class_names": ["wave", "point"],
    "clips": [
        {"name": "one", "label": "point", "keypoint": [[[[1, 2], [3, 4], [5, None]]]], "score": [[[1, 0.5, 1]]]},
        {"name": "two", "label": "wave", "keypoint": [[[1, 2], [3, 4], [5, 6]]], "score": [[1, 1, 1]], "subject": 4},
    ],
}


def test_json(table):
    found = recordings(table(json.dumps(JSON), "own.json"))
    one, two = found.clips
    assert (found.class_names, found.units, found.layout.name) == (("wave", "point"), "px", "arm")
    assert (one.label, one.fps, one.image_size) == (1, 25, (640, 480))
    np.testing.assert_array_equal(one.keypoint, [[[[1, 2], [3, 4], [0, 0]]]])
    np.testing.assert_array_equal(one.score, [[[1, 0.5, 0]]])
    np.testing.assert_array_equal(two.keypoint, [[[[1, 2], [3, 4], [5, 6]]]])
    assert two.attributes == {"subject": "4"}  # the other clip has none


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": []}, "'clips' is no list of objects with at least one"),
        ({"clip": 1}, "unknown field 'clip'; did you mean 'clips'"),
        ({"layout": "amr"}, "no layout 'amr'"),
        ({"layout": "coco17"}, "3 joints in 2D, expected the 17 of layout 'coco17'"),
        ({"units": "inch"}, "'units' is 'inch', expected one of m, cm"),
        ({"image_size": 640}, r"'image_size' is 640, expected \[width, height\]"),
        ({"class_names": ["wave", "pont"]}, "no such class; did you mean 'pont'"),
        ({"clips": [{"name": "a", "keypoint": [[1, 2], [3]]}]}, "clip 'a': 'keypoint' is no nested list"),
        ({"clips": [{"name": "a", "keypoint": [[[["x", 1]] * 3]]}]}, "clip 'a': 'keypoint' is no nested list"),
        ({"clips": JSON["clips"][:1] * 2}, "two clips are named 'one'"),
        ({"clips": [JSON["clips"][0] | {"score": [[[1, 1]]]}]}, r"scores \(1, 1, 2\)"),
    ],
)
def test_wrong_json(table, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(recordings(table(json.dumps(JSON | change), "own.json")).clips)
    assert "\n" not in str(caught.value)


def test_null_in_a_json_is_nobody_or_a_joint_that_was_not_seen(table):
    pose = [[1, 2]] * 17
    frames = [pose, None, [[1, 2], None, [None, 3], *pose[3:]]]
    for keypoint in (frames, [frames], [frames, None]):
        clip = {"name": "a", "keypoint": keypoint, "score": None}
        (read,) = recordings(table(json.dumps({"layout": "coco17", "clips": [clip]}), "own.json")).clips
        there = read.keypoint.any(-1)[0]
        assert (there.sum(1).tolist(), there[2, :4].tolist()) == ([17, 0, 15], [True, False, False, True])


def test_a_json_may_have_any_number_of_people_a_frame(table):
    """As a detector gives them, in any order: frames, people, joints."""
    one, two = [[[x + j, 2.0 * j] for j in range(17)] for x in (100, 900)]
    frames = [[one], [two, one], [], None, [one, two], [two]]
    item = {"name": "a", "keypoint": frames, "score": [[[0.5] * 17 for _ in frame or ()] for frame in frames]}
    found = recordings(table(json.dumps({"layout": "coco17", "units": "px", "clips": [item]}), "own.json"))
    (clip,) = found.clips
    assert clip.keypoint[:, :, 0, 0].tolist() == [[100, 100, 0, 0, 100, 0], [0, 900, 0, 0, 900, 900]]
    assert clip.score[:, :, 3].tolist() == [[0.5, 0.5, 0, 0, 0.5, 0], [0, 0.5, 0, 0, 0.5, 0.5]]


def test_broken_json(table):
    with pytest.raises(ValueError, match=r"own\.json is not readable JSON"):
        recordings(table("{", "own.json"))


# ---- folders ---------------------------------------------------------------------------------------------------------


def pose(frame: int, extra: str = "") -> str:
    return "".join(f"{frame},{joint},{frame + joint}.5,{joint}.5{extra}\n" for joint in range(17))


def in_folders(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_folder_of_own_files_is_clips(tmp_path):
    """A file without a column of clips is one; the folders are classes, and files that are no recordings stay aside."""
    header = "frame,joint,x,y\n"
    one, two = header + pose(0) + pose(1), header + pose(0)
    files = {
        "wave/a.csv": one,
        "bow/a.csv": two,
        "bow/b.tsv": two.replace(",", "\t"),
        "notes.txt": "x",
        "fps.json": "{}",
    }
    found = any_recordings(in_folders(tmp_path / "raw", files), layout="coco17")
    assert found.format == "table"
    clips = {clip.name: (clip.frames, found.class_names[clip.label]) for clip in found.clips}
    assert clips == {"bow/a": (1, "bow"), "bow/b": (1, "bow"), "wave/a": (2, "wave")}


def test_files_of_a_folder_may_name_their_clips_labels_and_splits(tmp_path):
    rows = {label: "".join(f"c,{line},{label}\n" for line in pose(0).splitlines()) for label in ("sit", "run")}
    files = {f"train/x/{label}.csv": "clip,frame,joint,x,y,label\n" + text for label, text in rows.items()}
    json_file = {"clips": [{"name": "j", "Label": "run", "keypoint": [[[1, 2]] * 17]}]}
    files["val/own.json"] = json.dumps(json_file)
    found = any_recordings(in_folders(tmp_path, files), layout="coco17")
    clips = {clip.name: (found.class_names[clip.label], clip.splits["split"]) for clip in found.clips}
    assert clips == {"train/x/sit/c": ("sit", "train"), "train/x/run/c": ("run", "train"), "j": ("run", "val")}


def test_files_that_do_not_fit_together_are_named(tmp_path):
    files = {"a.csv": "frame,joint,x,y\n" + pose(0), "b.csv": "frame,joint,x,y,z\n" + pose(0, ",1")}
    with pytest.raises(ValueError, match=r"b\.csv has another channels than .*a\.csv: prepare them one by one"):
        any_recordings(in_folders(tmp_path, files), layout="coco17")
    (tmp_path / "b.csv").write_text("frame,joint,x,y\n" + pose(0).replace("0,3,", "0,99,"))
    with pytest.raises(ValueError, match=r"b\.csv line 5 .*joint 99, layout 'coco17' has 0 to 16"):
        list(any_recordings(tmp_path, layout="coco17").clips)


def test_npz_is_read_as_arrays(tmp_path):
    np.savez(
        tmp_path / "own.npz", keypoint=np.ones((4, 17, 2)), length=np.array([1, 3]), label=np.array([0, 1]),
        class_names=np.array(["a", "b"]),
    )  # fmt: skip
    found = recordings(tmp_path / "own.npz", layout="coco17")
    assert [(clip.frames, clip.label) for clip in found.clips] == [(1, 0), (3, 1)]
    with pytest.raises(ValueError, match=r"--fps is not for .npz files"):
        recordings(tmp_path / "own.npz", layout="coco17", fps=30)


SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[3].parent / "shared") / "data"


def test_real_recordings_survive_the_table(tmp_path):
    if not (SHARED / "ui_prmd_kinect.npz").is_file():
        pytest.skip("the recordings are not beside the checkout")
    clips = [clip for _, clip in zip(range(3), recordings(SHARED / "ui_prmd_kinect.npz").clips, strict=False)]
    lines = ["clip,frame,joint,x,y,z,label"]
    for clip in clips:
        for t, v in np.ndindex(clip.keypoint.shape[1:3]):
            x, y, z = map(float, clip.keypoint[0, t, v])
            lines.append(f"{clip.name},{t},{clip.layout.joints[v]},{x},{y},{z},{clip.label}")
    (tmp_path / "own.csv").write_text("\n".join(lines))
    found = recordings(tmp_path / "own.csv")
    assert found.layout.name == "kinect22"
    for clip, again in zip(clips, found.clips, strict=True):
        np.testing.assert_array_equal(again.keypoint, clip.keypoint)


# ---- numbers of frames -----------------------------------------------------------------------------------------------


def numbered(table, numbers, fps=""):
    pose = 100 + 99 * body("coco17", 2)
    rows = [f"a,{t},{i},{x + t:.2f},{y:.2f},{fps}" for t in numbers for i, (x, y) in enumerate(pose)]
    return recordings(table("\n".join(["clip,frame,joint,x,y,fps", *rows])))


@pytest.mark.parametrize(("numbers", "step"), [((10, 12, 14, 16), 2), ((1834, 1836, 1840, 1846, 1850), 4)])
def test_frames_that_are_numbered_in_steps_follow_each_other(table, numbers, step):
    found = numbered(table, numbers, fps=30)
    (clip,) = found.clips
    assert (clip.frames, clip.fps) == (len(numbers), 30 / step)
    assert clip.keypoint.any((0, 2, 3)).all()
    assert found.changed()[0].startswith(f"frames are numbered in steps of {step} in 1 clip (a)")


def test_a_gap_stays_a_gap(table):
    found = numbered(table, (0, 1, 2, 8, 9, 10), fps=30)
    (clip,) = found.clips
    assert (clip.frames, clip.fps, found.changed()) == (11, 30, [])
    assert (~clip.keypoint.any((0, 2, 3))).sum() == 5


@pytest.mark.parametrize("above", ["# my camera\n# 25 frames a second\n", "# my camera\n"])
def test_comments_above_the_header_are_passed_over(tmp_path, above):
    rows = "clip,frame,joint,x,y\n" + "".join(f"a,0,{joint},{joint},2\n" for joint in range(17))
    (tmp_path / "a.csv").write_text(above + rows)
    (clip,) = recordings(tmp_path / "a.csv", layout="coco17").clips
    np.testing.assert_array_equal(clip.keypoint[0, 0, 1:, 0], range(1, 17))
    (tmp_path / "a.csv").write_text(above + "#frame," + ",".join(f"x_{i},y_{i}" for i in range(17)) + "\n1" + ",3" * 34)
    (clip,) = recordings(tmp_path / "a.csv", layout="coco17").clips  # as numpy.savetxt writes a header
    assert (clip.keypoint == 3).all()


def test_joints_of_minus_one_are_unseen_and_said(tmp_path):
    rows = [f"a,{t},{j},{x},{x}" for t in range(3) for j in range(17) for x in (-1 if j == 4 else 100 + j,)]
    (tmp_path / "a.csv").write_text("clip,frame,joint,x,y\n" + "\n".join(rows))
    found = recordings(tmp_path / "a.csv", layout="coco17")
    (clip,) = found.clips
    assert not clip.keypoint[:, :, 4].any()
    assert clip.keypoint[:, :, 5].all()
    assert found.changed() == ["3 joints whose coordinates are all -1 count as not seen"]


def test_parts_of_holistic_are_one_body(tmp_path):
    lines = ["frame,row_id,type,landmark_index,x,y,z"]
    for frame in range(2):
        for kind, count in (("face", 468), ("left_hand", 21), ("pose", 33), ("right_hand", 21)):
            for i in range(count):
                x = {"left_hand": 0.2, "pose": 0.3, "right_hand": 0.4}.get(kind, 0.9) + i / 1000
                x = "" if frame and kind == "left_hand" else x
                lines.append(f"{frame},{frame}-{kind}-{i},{kind},{i},{x},{x and 0.5},{x and 0.1}")
    (tmp_path / "sign.csv").write_text("\n".join(lines))
    found = recordings(tmp_path / "sign.csv")
    (clip,) = found.clips
    assert clip.keypoint.shape == (1, 2, 75, 3)
    assert clip.layout.joints[33] == "left_hand_wrist"
    np.testing.assert_allclose(
        clip.keypoint[0, 0, [0, 32, 33, 53, 54, 74], 0], [0.3, 0.332, 0.2, 0.22, 0.4, 0.42], rtol=1e-5
    )
    assert not clip.keypoint[0, 1, 33:54].any()
    assert "rows of type face" in found.skipped()


COMMENTS = {
    "# fps: 25": 25, "# frame_rate=30": 30, "#FPS,30": 30, "#FPS;30;;;": 30, "# Frame rate (Hz): 59.94": 59.94,
    "# sampling rate: 100 Hz": 100, "# made by me": None,
}  # fmt: skip


@pytest.mark.parametrize("comment", COMMENTS)
def test_comments_above_a_table(tmp_path, comment):
    names = [f"{joint}_{axis}" for joint in load_layout("coco17").joints for axis in "xy"]
    rows = [[float(t * 40 + i) for i in range(34)] for t in range(1, 4)]
    lines = [comment, "# camera: left", ",".join(names), *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = any_recordings(tmp_path / "a.csv")
    (clip,) = found.clips
    assert clip.fps == COMMENTS[comment]
    assert any("fps" in line for line in found.assumed) == (clip.fps is not None)
    assert "# camera: left" in " ".join(found.skipped())


GERMAN = ["Nase", "Hals", "Schulter_links", "Schulter_rechts", "Hand_links", "Hand_rechts"]


def german(path, joints=GERMAN, above=()):
    header = ["Bild", *(f"{joint}_{axis}" for joint in joints for axis in "xy")]
    rows = [[str(t), *(f"{100 + 7 * i + t},5" for i in range(2 * len(joints)))] for t in range(3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*above, *map(";".join, [header, *rows])]))
    return path


def test_names_of_joints_in_another_language_make_a_layout(tmp_path):
    for place in ("a", "b"):
        german(tmp_path / f"{place}.csv")
    found = any_recordings(tmp_path)
    assert found.layout.joints == tuple(GERMAN)
    assert any(line.startswith("bones:") for line in found.assumed)
    assert [it.keypoint[0, 1, 0].tolist() for it in found.clips] == [[101.5, 108.5]] * 2


def test_a_layout_without_the_names_of_the_table_has_its_order(tmp_path):
    joints = [f"Gelenk {name}" for name in "abcdefghijklmnopq"]
    found = any_recordings(german(tmp_path / "a.csv", joints), layout="coco17")
    (clip,) = found.clips
    assert clip.keypoint[0, 0, 16].tolist() == [100.5 + 7 * 32, 100.5 + 7 * 33]
    assert any("in the order of the table" in line for line in found.assumed)


@pytest.mark.parametrize("above", [["Aufnahme vom 1. Mai", ""], ["Name;walk", "FPS;50"], ["Meine Daten;;;;;;;;;;;;"]])
def test_a_title_above_a_table(tmp_path, above):
    (clip,) = any_recordings(german(tmp_path / "a.csv", above=above)).clips
    assert (clip.keypoint.shape, clip.fps) == ((1, 3, 6, 2), 50 if "FPS;50" in above else None)


def test_a_row_above_that_says_the_same_of_all_columns(tmp_path):
    header = ["bodypart", *(name for name in GERMAN for _ in "xy")], ["axis", *"xy" * 6]
    rows = [["scorer", *["me"] * 12], *header, ["0", *map(str, range(1, 13))], ["1", *map(str, range(1, 13))]]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    (clip,) = any_recordings(tmp_path / "a.csv").clips
    assert clip.keypoint[0, 0].tolist() == [[i, i + 1] for i in range(1, 13, 2)]


def test_folders_of_people_around_those_of_classes(tmp_path):
    for place in ("s01/walk", "s01/run", "s02/walk", "s02/run"):
        german(tmp_path / place / "1.csv")
    (tmp_path / "labels.csv").write_text("clip,label\n1,walk\n")
    found = any_recordings(tmp_path)
    clips = list(found.clips)
    assert found.class_names == ("run", "walk")
    assert [(it.label, it.attributes["subject"]) for it in clips] == [(0, "s01"), (1, "s01"), (0, "s02"), (1, "s02")]
    assert "labels.csv" in " ".join(found.skipped())


def test_files_named_by_parts_are_these(tmp_path):
    """train.csv and test.csv: no new split is made of them."""
    for part in ("train", "test"):
        rows = [f"{part}{i},{t},{joint},{t},{i}" for i in range(2) for t in range(3) for joint in ("nose", "left_eye")]
        (tmp_path / f"{part}.csv").write_text("\n".join(["clip,frame,joint,x,y", *rows]))
    found = any_recordings(tmp_path, layout="coco17")
    assert {clip.name: clip.splits for clip in found.clips} == {
        f"{part}{i}": {"split": part} for part in ("train", "test") for i in range(2)
    }
    assert "parts of a split by the names of files: test.csv, train.csv" in found.assumed


def test_a_table_of_a_folder_is_parsed_three_times_at_most_and_again_when_it_changes(tmp_path, monkeypatch):
    parsed = []
    monkeypatch.setattr(csv_rows, "_lines", lambda path, lines=csv_rows._lines: (parsed.append(path), lines(path))[1])
    header = ",".join(f"{name}_{axis}" for name in load_layout("coco17").joints for axis in "xy")
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text(f"{header}\n" + f"{','.join(map(str, range(34)))}\n" * 2)
    assert [clip.frames for clip in read(tmp_path)] == [2, 2, 2]
    assert max(map(parsed.count, parsed)) <= 3
    (tmp_path / "c.csv").write_text(f"{header}\n" + f"{','.join(map(str, range(7, 41)))}\n" * 2)
    assert list(read(tmp_path))[2].keypoint[0, 0, 0, 0] == 7
