"""kinegraph crossval: real trainings on a small dataset."""

import csv
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.evaluation.about_result import read_evaluation
from kinegraph.evaluation.frame_results import read_timelines
from kinegraph.evaluation.results import read_result
from kinegraph.evaluation.timelines import sums
from kinegraph.skeleton.segment import Segment
from kinegraph.training.commands import threads_each
from kinegraph.training.crossval import folds_of
from tests import made_up


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A dataset of four subjects, and a config that trains on it."""
    monkeypatch.chdir(tmp_path)
    subjects = ["p10", "p2", "p2", "p3", "p4", "p10"]
    clips = [
        replace(clip, attributes={"subject": subjects[i % 6], "camera": "ab"[i % 3 : i % 3 + 1]})
        for i, clip in enumerate(made_up.clips(24))
    ]
    about = {"layout": "ntu25", "class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    write_dataset("data", clips, **about)
    return made_up.config(tmp_path / "c.yaml", tmp_path / "data", epochs=1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="elsewhere all cores may be used")
def test_trainings_share_the_cores_that_a_scheduler_leaves(monkeypatch):
    """On a machine of 64 cores, of which a job of SLURM has 4, each of two trainings had 32 threads."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3})
    assert [threads_each(processes) for processes in (1, 2, 8)] == [4, 2, 1]


def test_every_clip_is_tested_once_without_its_subject_in_training(own, tmp_path, capsys):
    assert main(["crossval", "c.yaml", "--folds", "2", "--processes", "2", "--out", "cv"]) == 0
    text, folder = capsys.readouterr().out, open_dataset("data")
    evaluation, about = read_evaluation(tmp_path / "cv" / "result.pkl")
    assert list(evaluation.names) == folder.names
    assert about["config"] == own.read_text()
    tested = []
    for run in sorted(tmp_path.glob("cv/seed0/fold*")):
        of_fold, _ = read_evaluation(run / "test" / "result.pkl")
        places = [folder.names.index(name) for name in of_fold.names]
        subjects = set(folder.attributes["subject"][places])
        assert len(subjects) == 2
        np.testing.assert_array_equal(evaluation.scores[places], of_fold.scores)
        learnt = json.loads((run / "log.jsonl").read_text().splitlines()[0])["clips"]
        assert learnt == sum(it not in subjects for it in folder.attributes["subject"])
        tested += places
    assert sorted(tested) == list(range(24))
    with (tmp_path / "cv" / "folds.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["fold"]) for row in rows] == [("0", "1"), ("0", "2")]
    mean = np.mean([float(row["top1"]) for row in rows])
    assert f"folds {mean:.4f} ±" in text
    assert "4 values of subject are too few for an interval" in text
    assert "only 24 clips" in text  # as of a test
    assert "<h1" in (tmp_path / "cv" / "report.html").read_text()


def test_what_is_done_is_kept_and_other_options_are_refused(own, here, tmp_path, capsys):
    call = ["crossval", "c.yaml", "--by", "clip", "--folds", "2", "--seeds", "2", "--split", "xsub", "--out", "cv"]
    assert main([*call, "--", "--epochs", "2"]) == 0
    kept = tmp_path / "cv/seed0/fold1/test/result.pkl"
    before, size = kept.stat().st_mtime_ns, len(read_result(kept).scores)
    assert size == 8  # half of the training part
    assert [words[words.index("--seed") + 1] for words in here if words[0] == "train"] == ["0", "0", "1", "1"]
    here.clear()
    (tmp_path / "cv/seed1/fold2/test/result.pkl").unlink()
    assert main([*call, "--", "--epochs", "2"]) == 0
    assert [words[0] for words in here] == ["train", "test"]
    assert kept.stat().st_mtime_ns == before
    assert main(call) == 2
    assert "cv has folds of other options: choose another --out, or --overwrite" in capsys.readouterr().err
    assert main([*call, "--overwrite"]) == 0
    assert kept.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "subjet"], "have no 'subjet' to divide them by; did you mean 'subject'?"),
        (["--folds", "9"], "--folds is 9, but the clips have 4 values of subject; give at most so many"),
        (["--by", "clip", "--folds", "leave-one-out"], "give a number for --by clip"),
        (["--by", "clip", "--folds", "25"], "--folds is 25, but there are 24 clips; give at most so many"),
        (["--by", "camera"], "8 clips of"),
        (["--by", "camera"], "the first is 'clip002', do not say their camera; --by clip divides"),
        (["--", "--task", "frames"], "data has clips of one label: give -- --task clips, or a config with this task"),
        (["--", "--early-stop", "3"], "leave it out of a cross-validation, or give -- --early-stop null"),
        (["--", "--epohs", "3"], "no option 'epohs' of kinegraph train; did you mean 'epochs'?"),
        (["--", "--model.widths", "-3"], "fold 1, seed 0: widths has -3"),
    ],
)
def test_wrong_options_are_one_line(own, capsys, words, message):
    assert main(["crossval", "c.yaml", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("values", "count", "folds"), [(7, None, 5), (3, None, 3), (7, "leave-one-out", 7), (7, 2, 2)])
def test_five_folds_are_usual_and_leave_one_out_has_one_a_subject(own, values, count, folds):
    about = {"layout": "ntu25", "class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    clips = [replace(clip, attributes={"subject": i % values}) for i, clip in enumerate(made_up.clips(24))]
    parts = folds_of(write_dataset("other", clips, **about), "subject", count, None)
    assert len(parts) == folds
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(24))
    if count == "leave-one-out":
        assert [part.split for part in parts] == [f"subject={i}" for i in range(values)]


def test_a_clip_without_a_label_is_named_before_the_first_training(own, here, capsys):
    about = {"layout": "ntu25", "class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    clips = [replace(clip, attributes={"subject": i % 3}) for i, clip in enumerate(made_up.clips(24))]
    clips[3] = replace(clips[3], label=None)
    write_dataset("other", clips, **about)
    assert main(["crossval", "c.yaml", "--dataset", "other"]) == 2
    assert "other: clip 'clip003' has no label" in capsys.readouterr().err
    assert not here


@pytest.mark.parametrize(
    "verb", [["crossval"], ["sweep", "--search", "optimizer.lr=log(1e-3,1e-1)", "--split", "xsub"]]
)
def test_a_config_need_not_name_the_dataset_that_the_command_is_given(own, tmp_path, capsys, verb):
    lines = [line for line in own.read_text().splitlines() if not line.startswith(("dataset:", "split:"))]
    (tmp_path / "bare.yaml").write_text("\n".join(lines))
    assert main([verb[0], "bare.yaml", *verb[1:], "--dataset", "data", "--by", "shoe"]) == 2
    assert "shoe" in capsys.readouterr().err  # the first fault that is left


def test_long_recordings_are_tested_once_and_their_figures_are_those_of_all_recordings(own, here, tmp_path, capsys):
    about = {"layout": "ntu25", "class_names": ["a", "b", "none"], "none": 2, "units": "m", "source": "made up"}
    clips = [
        replace(
            clip,
            label=None,
            attributes={"subject": i % 5},
            segments=(Segment(0, 4, i % 2), Segment(7, 12, (i + 1) % 2)),
        )
        for i, clip in enumerate(made_up.clips(10))
    ]
    write_dataset("long", clips, **about)
    assert main(["crossval", "c.yaml", "--dataset", "long"]) == 2
    assert "long has long recordings: give -- --task frames" in capsys.readouterr().err
    steps = ["--task", "frames", "--preprocessing.sampling", "window", "--preprocessing.augment.crop", "0"]
    call = ["crossval", "c.yaml", "--dataset", "long", "--out", "cv", "--", *steps, "--no-report"]
    assert main(call) == 0
    text, folder = capsys.readouterr().out, open_dataset("long")
    timelines = read_timelines(tmp_path / "cv" / "probabilities.npz", folder)
    assert [one.name for one in timelines] == folder.names
    for run in sorted(tmp_path.glob("cv/seed0/fold*")):
        for own_one in read_timelines(run / "test" / "probabilities.npz", folder):
            kept = timelines[folder.names.index(own_one.name)]
            np.testing.assert_array_equal(own_one.probabilities, kept.probabilities)
    pooled = json.loads((tmp_path / "cv" / "figures.json").read_text())["figures"]
    for name in ("frame_accuracy", "edit", "f1_50"):
        assert f"{name}: {pooled[name]:.4f} of all recordings [" in text
        parts, wholes = np.array([sums(one)[name] for one in timelines]).sum(axis=0)
        assert parts / wholes == pytest.approx(pooled[name])
    assert len(here) == 10
    assert main(call) == 0  # all is done
    assert len(here) == 10
