"""Names of clips that say label, subject and more, where their form is given; and the form that names seem to have."""

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.read import recordings
from kinegraph.data.reading.steps.clip_names import suggested, with_names
from tests.data.formats.test_poses import FRAMES


@pytest.mark.parametrize(
    ("form", "name", "said"),
    [
        ("{label}_{subject}_{trial}", "walk_S01_2", {"label": "walk", "subject": "S01", "trial": "2"}),
        ("{label}_{subject}_{trial}", "pick_up_S01_2", {"label": "pick_up", "subject": "S01", "trial": "2"}),
        ("{subject}-{action}-{_}", "s3-squat-trial1", {"subject": "s3", "action": "squat"}),
        ("A{label}_P{subject}", "A001_P012", {"label": "001", "subject": "012"}),
        ("{label}{trial}", "walk12", {"label": "walk", "trial": "12"}),
        ("{label}_{subject}", "day1/walk_S01", {"label": "walk", "subject": "S01"}),
        ("{subject}/{label}_{trial}", "day1/S01/walk_2", {"subject": "S01", "label": "walk", "trial": "2"}),
        ("{label}({trial}).x", "walk(2).x", {"label": "walk", "trial": "2"}),
    ],
)
def test_names_say_what_their_form_says(form, name, said):
    found, lines = with_names({name: {}, "other": {"fps": "7"}}, form)
    assert found[name] == said
    assert found["other"] == {"fps": "7"} | dict.fromkeys(said, "")
    assert "1 name of another form than" in lines[0]


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (["walk_S01_01", "walk_S02_01", "run_S01_02"], "{label}_{subject}_{trial}"),
        (["pick_up_S01_01", "walk_S02_01", "sit_down_S01_02"], "{label}_{subject}_{trial}"),
        (["subject1-squat-t1", "subject2-lunge-t1", "subject2-squat-t2"], "{subject}-{label}-{trial}"),
        (["A001_P002_x", "A001_P003_x", "A002_P002_x"], "{label}_{subject}_x"),
        (["walk01", "walk02", "run01"], "{label}{trial}"),
        (["a/S01_1", "a/S02_1", "b/S01_2"], "{subject}_{trial}"),
        (["anna_walk", "ben_walk", "ben_run"], None),
        (["1_2", "2_2", "3_1"], None),
        (["clip_1", "clip_2", "clip_3"], None),
        (["clip1", "clip2", "clip3"], None),
        (["walk_S01", "run_S02"], None),
        (["A001_P001_G001", "A002_P001_G001", "A001_P002_G002"], "{label}_{subject}_{_}"),
    ],
)
def test_the_form_is_suggested_where_it_is_clear(names, form):
    assert suggested(names) == form
    if form:
        assert with_names({name: {} for name in names}, form)[1] == []


@pytest.mark.parametrize(
    ("names", "labels", "form"),
    [
        (["a/anna_1", "a/ben_1", "b/anna_1", "b/ben_2"], [0, 0, 1, 1], "{subject}_{trial}"),
        (["a/anna1", "a/ben1", "b/anna1", "b/ben2"], [0, 0, 1, 1], "{subject}{trial}"),
        (["walk/walk_1", "walk/walk_2", "run/run_1"], [0, 0, 1], "{label}_{trial}"),
        (["a/anna_S01", "a/ben_S02", "b/anna_S01", "b/ben_S02"], [0, 0, 1, 1], None),
    ],
)
def test_words_that_come_back_in_other_classes_are_people(names, labels, form):
    assert suggested(names, labels) == form


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("label_subject", "expected parts in braces"),
        ("{label}_{label}", r"\{label\} is there twice"),
        ("{name}_{subject}", r"\{name\} can be no column; \{_\} leaves a part out"),
        ("{label}-{subject}", "they are walk_S01_01, .* did you mean '{label}_{subject}_{trial}'?"),
    ],
)
def test_a_form_that_fits_nothing_is_named(form, reason):
    with pytest.raises(ValueError, match=reason):
        with_names({name: {} for name in ("walk_S01_01", "walk_S02_01", "run_S01_02")}, form)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for label in ("walk", "run"):
        for subject in ("S01", "S02", "S03"):
            noise = rng.normal(0, 0.05, FRAMES.shape)
            np.save(tmp_path / "raw" / f"{label}_{subject}_1.npy", FRAMES + [2, 0, 5] + noise)
    return tmp_path / "raw"


def test_prepare_suggests_the_form_and_its_subjects_part_the_clips(folder, tmp_path, capsys):
    """The line that prepare prints is followed."""
    out = tmp_path / "d"
    main(["prepare", str(folder), str(out)])
    assert "prepare --names '{label}_{subject}_1'" in capsys.readouterr().out
    main(["prepare", str(folder), str(out), "--names", "{label}_{subject}_1", "--overwrite"])
    assert "--names" not in capsys.readouterr().out
    dataset = open_dataset(out)
    assert dataset.class_names == ("run", "walk")
    assert dataset.source.count("made here") == 1
    xsub = dict(zip(dataset.attributes["subject"].tolist(), dataset.splits["xsub"].tolist(), strict=True))
    assert sorted(xsub.values()) == ["train", "train", "val"]
    parts = dict(zip(dataset.names, dataset.part_of("subject=S02").tolist(), strict=True))
    assert sorted(name for name, part in parts.items() if part == "test") == ["run_S02_1", "walk_S02_1"]


@pytest.fixture
def folders(folder):
    """The same files in a folder for each class."""
    for file in folder.iterdir():
        label, _, rest = file.name.partition("_")
        (folder / label).mkdir(exist_ok=True)
        file.rename(folder / label / rest)
    return folder


def test_folders_of_classes_keep_them(folders):
    found = recordings(folders, names="{subject}_{trial}")
    clips = list(found.clips)
    assert found.class_names == ("run", "walk")
    assert [(clip.label, clip.attributes["subject"]) for clip in clips[:2]] == [(0, "S01"), (0, "S02")]


@pytest.mark.parametrize("options", [{}, {"names": "{subject}_{trial}"}])
def test_class_names_give_the_order_of_classes_that_are_folders(folders, tmp_path, options):
    file = tmp_path / "names.txt"
    file.write_text("walk\nrun\n")
    found = recordings(folders, class_names=str(file), **options)
    assert {(clip.name.split("/")[0], found.class_names[clip.label]) for clip in found.clips} == {
        ("walk", "walk"),
        ("run", "run"),
    }
    assert found.class_names == ("walk", "run")
    file.write_text("walk\nrunn\n")
    with pytest.raises(
        ValueError, match=r"names.txt has no class 'run', which the recordings have; did you mean 'runn'"
    ):
        recordings(folders, class_names=str(file), **options)
    file.write_text("gehen\nlaufen\n")
    found = recordings(folders, class_names=str(file), **options)
    assert any(line.startswith("classes: by their numbers, so 'run' is 'gehen' of ") for line in found.assumed)


def test_a_labels_file_without_labels_leaves_the_classes_of_folders(folders, tmp_path):
    (tmp_path / "who.csv").write_text("clip,subject\nwalk/S01_1,1\nrun/S02_1,2\n")
    found = recordings(folders, labels_file=tmp_path / "who.csv")
    assert {clip.name: found.class_names[clip.label] for clip in found.clips} == {
        "run/S02_1": "run",
        "walk/S01_1": "walk",
    }


def test_class_names_and_a_labels_file_beside_names(tmp_path):
    """Also where the reader takes them itself, as that of tables."""
    joints = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    header = ",".join(["frame", *(f"{joint}_{axis}" for joint in joints for axis in "xy")])
    rows = "".join(f"{t}," + ",".join(str(20 * i + t) for i in range(10)) + "\n" for t in range(3))
    for name in ("1_S01", "0_S02", "1_S02"):
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{rows}")
    (tmp_path / "classes.txt").write_text("bow\nwave\n")
    found = recordings(tmp_path, names="{label}_{subject}", class_names=str(tmp_path / "classes.txt"), layout="coco17")
    said = {clip.name: (clip.label, clip.attributes["subject"]) for clip in found.clips}
    assert found.class_names == ("bow", "wave")
    assert said == {"0_S02": (0, "S02"), "1_S01": (1, "S01"), "1_S02": (1, "S02")}


@pytest.mark.parametrize(
    ("names", "labels", "line"),
    [
        (("bow", "wave", "sit"), {"A001": 0, "A003": 2}, "labels are numbers up to 3 for as many names"),
        (("bow", "wave", "sit", "run"), {"A001": 1, "A003": 3}, "labels count from 0, so 1 is 'wave', though"),
    ],
)
def test_numbers_of_classes_that_count_from_1(tmp_path, names, labels, line):
    """A001 to A003 of three names are certainly the first to the third; of four names what is assumed is said."""
    (tmp_path / "names.txt").write_text("\n".join(names))
    (tmp_path / "raw").mkdir()
    for name in labels:
        np.save(tmp_path / "raw" / f"{name}_S01.npy", FRAMES + [2, 0, 5])
    clips = np.stack([FRAMES, FRAMES]) + [2, 0, 5]
    np.savez(tmp_path / "clips.npz", x=clips, y=[1, 3])
    options = {"class_names": str(tmp_path / "names.txt")}
    for found in (
        recordings(tmp_path / "raw", names="A{label}_{subject}", **options),
        recordings(tmp_path / "clips.npz", **options),
    ):
        assert [clip.label for clip in found.clips] == list(labels.values())
        assert any(it.startswith(line) for it in found.assumed)
