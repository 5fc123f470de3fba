"""What the folders around clips say, and the line that says so."""

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.formats import recognise
from kinegraph.data.read import read, recordings
from kinegraph.data.reading.clips.clip_files import Levels, levels_of, said_by_folders

FORMS = [
    ("{word}", Levels(0)),
    ("mydata/dataset/{word}", Levels(2)),
    ("mydata/{number}", Levels(1)),
    ("walk/{camera}/Skeleton", Levels(0)),
    ("{day}", Levels(None)),
    ("{day}/{word}", Levels(1)),
    ("mydata/{part}/{word}", Levels(2, part=1)),
    ("{word}/{part}", Levels(0, part=1)),
    ("mydata/{person}/{word}", Levels(2, subject=1)),
    ("{word}/{person}", Levels(0, subject=1)),
    ("{camera}/{word}", Levels(1)),
    ("{word}/trial_1", Levels(0)),
    ("{group}/{word}", Levels(1)),
    ("{part}", Levels(None, part=0)),
    ("set50_{part}_keypoints/{word}", Levels(1, part=0)),
    ("{person}/{number}", Levels(1, subject=0)),
]


@pytest.mark.parametrize(("form", "expected"), FORMS)
def test_the_class_is_the_innermost_folder_that_divides_the_clips(form, expected):
    said = {
        "word": ("walk", "run"), "part": ("Train", "test"), "person": ("s01", "s02"), "camera": ("cam1", "cam2"),
        "group": ("in", "out"), "number": ("0", "1"),
        "day": ("2024-05-01", "2024-05-02"),
    }  # fmt: skip
    places = [
        tuple(form.format(**{key: values[at >> bit & 1] for bit, (key, values) in enumerate(said.items())}).split("/"))
        for at in range(1 << len(said))
    ]
    assert levels_of(places) == expected


def test_a_folder_of_one_clip_is_no_class():
    assert levels_of([("walk", "intro"), ("walk", "encore"), ("run", "finale")]) == Levels(0)


def test_folders_of_people_alone_name_no_class():
    """Their names say it in full; s01 and p1 may be classes."""
    places = [(f"subject_{number}",) for number in (1, 1, 2, 2)]
    assert levels_of(places) == Levels(None, None, 0)
    assert levels_of([(f"s0{number}",) for number in (1, 1, 2, 2)]) == Levels(0)


def test_parts_have_any_of_their_names():
    classes, said = said_by_folders([("d", "Training", "walk"), ("d", "valid", "run")])
    assert (classes, said) == (("run", "walk"), [(1, {"split": "train"}), (0, {"split": "val"})])


def test_what_was_passed_over_is_said(tmp_path):
    for number, place in enumerate(("train/walk", "train/run", "test/walk", "test/run")):
        (folder := tmp_path / "mydata" / place).mkdir(parents=True)
        np.save(folder / "a.npy", np.random.default_rng(number).normal(size=(6, 17, 3)))
    found = recordings(tmp_path, layout="coco17", units="m", up="y")
    clips = list(found.clips)
    line = "classes: the folders run, walk, in mydata/; test, train as parts of a split (--names or --labels-file"
    assert any(it.startswith(line) for it in found.assumed)
    assert [(found.class_names[it.label], it.splits["split"]) for it in clips] == [
        ("run", "test"), ("walk", "test"), ("run", "train"), ("walk", "train"),
    ]  # fmt: skip


def test_a_folder_that_divides_nothing_is_said_and_one_of_a_program_names_no_class(tmp_path):
    for name in ("walk", "new_joints"):
        (folder := tmp_path / name / name).mkdir(parents=True)
        for clip in "ab":
            np.save(folder / f"{clip}.npy", np.random.default_rng(ord(clip)).normal(size=(6, 17, 3)))
    found = recordings(tmp_path / "walk", layout="coco17", units="m", up="y")
    assert found.class_names == ("walk",)
    assert "classes: one, the folder walk, as no folder divides the clips (--labels-file gives labels)" in found.assumed
    assert recordings(tmp_path / "new_joints", layout="coco17", units="m", up="y").class_names == ()


def test_a_dataset_folder_is_one_whatever_its_texts_say(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(6, 15, 2)) * 50 + 300)
    out = tmp_path / "out"
    assert (
        main(["prepare", str(tmp_path / "a.npy"), str(out), "--layout", "jhmdb15", "--source", "joint_positions"]) == 0
    )
    assert recognise(out)[0].NAME == "dataset"


@pytest.mark.parametrize("format", ["msr", "msr-daily", "kard", "utkinect", "uav-human", "irds"])
def test_a_data_set_says_how_its_files_are_named(tmp_path, format):
    (tmp_path / "other.txt").write_text("1 2 3 4\n")
    with pytest.raises(ValueError, match=r"other\.txt has another name than the files of this data set, such as \w+"):
        list(read(tmp_path / "other.txt", format))
