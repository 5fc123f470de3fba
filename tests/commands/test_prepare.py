"""`kinegraph prepare` on real and golden files: what comes out, and what wrong input leaves behind."""

import json
import os
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.commands.prepare import prepare
from kinegraph.data.dataset import open_dataset
from kinegraph.data.formats import ntu, ui_prmd
from kinegraph.data.formats.ntu import MARKER
from kinegraph.data.read import read
from tests import made_up
from tests.golden import FOLDER as GOLDEN

SHARED = Path(os.environ.get("KINEGRAPH_SHARED") or Path(__file__).parents[2].parent / "shared") / "data"


@pytest.fixture
def raw(tmp_path):
    """The golden raw NTU files: six of NTU RGB+D 60's actions, two of 120's."""
    ZipFile(GOLDEN / "ntu_raw.zip").extractall(tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("bodies", ["tracked", "energy"])
def test_ntu(raw, out, bodies, capsys):
    prepare(raw, out, format="ntu60", bodies=bodies, workers=1)
    dataset = open_dataset(out, check_values=True)
    expected = list(read(raw, classes=60, bodies=bodies))
    assert dataset.names == [clip.name for clip in expected]
    for found, clip in zip(dataset, expected, strict=True):
        np.testing.assert_array_equal(found.keypoint, clip.keypoint)
        assert (found.label, found.attributes, found.splits) == (clip.label, clip.attributes, clip.splits)
    assert (dataset.layout.name, len(dataset.class_names), dataset.units) == ("ntu25", 60, "m")
    assert f"bodies {bodies}" in dataset.source
    printed = squeezed(capsys.readouterr().out)
    assert "6 clips" in printed
    assert "split xsub train 4, val 2" in printed
    assert "skipped: 2 of actions that NTU RGB+D 60 does not have" in printed


def test_ntu120_has_its_own_split_and_classes(raw, out):
    prepare(raw, out, format="ntu120", dtype="float16", workers=2)
    dataset = open_dataset(out)
    assert (len(dataset), len(dataset.class_names), dataset.dtype) == (8, 120, "float16")
    assert dataset.parts("xset") == ("train", "val")


def test_ntu120_on_files_of_ntu60_is_remarked(raw, tmp_path, capsys):
    prepare(raw, tmp_path / "all", format="ntu120", workers=1)
    assert "note: all clips" not in capsys.readouterr().out
    for name in ("S006C001P045R001A061", "S007C002P004R002A120"):
        next(raw.rglob(f"{name}.skeleton")).unlink()
    prepare(raw, tmp_path / "some", format="ntu120", workers=1)
    assert "note: all clips are of NTU RGB+D 60's actions; --classes 60" in capsys.readouterr().out


def test_missing_skeletons_are_left_out_unless_wanted(raw, out, capsys):
    missing = min(ntu.missing_skeletons())
    shutil.copy(min(raw.glob("*.skeleton")), raw / f"{missing}.skeleton")
    prepare(raw, out, format="ntu60", workers=1)
    assert missing not in open_dataset(out).names
    assert "skipped: 1 on the published list of missing skeletons" in capsys.readouterr().out
    prepare(raw, out, format="ntu60", workers=1, keep_missing=True, overwrite=True)
    assert missing in open_dataset(out).names


def test_synthetic_recordings_stay_synthetic(raw, out):
    (raw / MARKER).write_text("{}")
    prepare(raw, out, format="ntu60", workers=1)
    assert open_dataset(out).source.startswith("synthetic")
    assert "synthetic" in json.loads((out / "dataset.json").read_text())["source"]


def test_ui_prmd(out, capsys):
    prepare(GOLDEN / "ui_prmd", out, format="ui-prmd", labels="quality")
    dataset = open_dataset(out, check_values=True)
    assert [dataset.class_names[label] for label in dataset.label] == [
        "standing shoulder extension, correct",
        "deep squat, incorrect",
    ]
    assert dataset.licence == ui_prmd.LICENCE
    assert "2 of 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "labels", "clips", "classes", "train"),
    [
        ("ui_prmd_kinect.npz", None, 2000, 10, 1000),
        ("ui_prmd_kinect.npz", "quality", 2000, 20, 1000),
        ("hdm05_11.npz", None, 287, 11, 188),
    ],
)
def test_arrays_of_real_recordings(out, name, labels, clips, classes, train):
    if not (SHARED / name).is_file():
        pytest.skip("the recordings are not beside the checkout")
    prepare(SHARED / name, out, format="npz", labels=labels)
    dataset = open_dataset(out, check_values=True)
    assert (len(dataset), len(dataset.class_names)) == (clips, classes)
    assert (np.bincount(dataset.label) > 0).all()
    assert len(dataset.indices("xsub", "train")) == train
    with np.load(SHARED / name) as arrays:
        rows = dataset.offset[7], dataset.offset[7] + dataset.frames[7]
        np.testing.assert_allclose(dataset[7].keypoint[0] * 1000, arrays["keypoint_mm"][slice(*rows)], atol=1e-3)


# ---- wrong input -----------------------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])


def test_broken_files_stop_the_run_or_are_listed(raw, out, capsys):
    broken = sorted(raw.glob("*.skeleton"))[2]
    cut(broken)
    with pytest.raises(ValueError, match=f"{broken.name}: line"):
        prepare(raw, out, format="ntu60", workers=1)
    assert main(["prepare", str(raw), str(out)]) == 2
    assert "; --skip-broken leaves out what is broken" in capsys.readouterr().err
    assert main(["predict", "ui-prmd-10", str(broken)]) == 2  # nothing would be left
    assert "skip-broken" not in capsys.readouterr().err
    shutil.copytree(raw, dashed := raw.with_name("take--2"))  # no option
    assert main(["prepare", str(dashed), str(out)]) == 2
    assert "; --skip-broken leaves out what is broken" in capsys.readouterr().err
    assert not out.exists()
    prepare(raw, out, format="ntu60", workers=1, skip_broken=True)
    assert broken.stem not in open_dataset(out).names
    assert f"skipped: broken: {broken}: line" in capsys.readouterr().out


def test_only_broken_files(raw, out):
    for file in raw.iterdir():
        cut(file)
    with pytest.raises(ValueError, match=r"no clip is left; .*: 2 of actions .*; broken: .*; and 4 more"):
        prepare(raw, out, format="ntu60", workers=1, skip_broken=True)
    assert not out.exists()


def test_broken_ui_prmd_files_are_listed(tmp_path, out, capsys):
    raw = shutil.copytree(GOLDEN / "ui_prmd", tmp_path / "ui")
    next(raw.rglob("*angles_inc.txt")).write_text("1,2,3\n")
    prepare(raw, out, format="ui-prmd", skip_broken=True)
    assert len(open_dataset(out)) == 1
    assert "angles_inc.txt line 1 has 3 numbers" in capsys.readouterr().out


def test_an_older_dataset_is_replaced_only_on_request(raw, out):
    prepare(raw, out, format="ntu60", workers=1)
    with pytest.raises(ValueError, match="exists"):
        prepare(raw, out, format="ntu120", workers=1)
    prepare(raw, out, format="ntu120", workers=1, overwrite=True)
    assert len(open_dataset(out)) == 8


WRONG = {
    "no folder": ("ntu60 {raw}/nothing {out}", "nothing"),
    "no skeletons": ("ntu60 {golden}/ui_prmd {out}", "no .skeleton file"),
    "no such source": ("ntu61 {raw} {out}", "there is no format 'ntu61'; did you mean 'ntu60'?"),
    "no texts": ("ui-prmd {raw} {out}", "no UI-PRMD files"),
    "no file": ("npz {raw}/nothing.npz {out}", "nothing.npz"),
    "a folder": ("npz {raw} {out}", "is a folder, expected a .npz file"),
    "other arrays": ("npz {golden}/graphs.npz {out}", "no array 'keypoint'"),
    "another's option": ("npz {golden}/graphs.npz {out} --bodies energy", "--bodies is an option for ntu, "),
    "no such policy": ("ntu60 {raw} {out} --bodies all", "energy"),
    "no workers": ("ntu60 {raw} {out} --workers 0", "0 workers"),
    "no such layout": ("npz {golden}/graphs.npz {out} --layout ntu52", "did you mean 'ntu2"),
    "recordings in the way": ("ntu60 {raw} {raw} --overwrite", "not a dataset folder"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_one_line_and_leaves_nothing(raw, out, wrong, capsys):
    command, message = WRONG[wrong]
    before = sorted(raw.parent.rglob("*"))
    assert main(["prepare", *command.format(raw=raw, out=out, golden=GOLDEN).split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(raw.parent.rglob("*")) == before


def test_a_fault_that_names_its_option_names_no_other_way(tmp_path, capsys):
    """Leaving out all recordings would be no way on: the option of a reader counts as one of the verb."""
    (tmp_path / "long").mkdir()
    for name in "ab":
        np.save(tmp_path / "long" / f"{name}.npy", made_up.body("ntu25") + 0.01 * np.arange(40)[:, None, None])
    (tmp_path / "s.csv").write_text("recording,start_s,end_s,label\na,0.1,0.5,walk\nb,0.2,0.9,sit\n")
    words = ["prepare", str(tmp_path / "long"), str(tmp_path / "out"), "--segments", str(tmp_path / "s.csv")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "which segments in seconds need: give --fps" in said
    assert "skip-broken" not in said
    assert main([*words, "--fps", "30"]) == 0
