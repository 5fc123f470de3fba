"""kinegraph sweep: real trainings, in this process, on folds of the training part of a small dataset."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.training.commands import Commands, Ended
from kinegraph.training.search import Choices, Numbers, read_search
from kinegraph.training.study import course, last_figure, shown_place
from tests import made_up

optuna = pytest.importorskip("optuna")
LR = "optimizer.lr=log(1e-4,1e-1)"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A dataset whose training part has four subjects, and a config that trains on it."""
    monkeypatch.chdir(tmp_path)
    clips = [replace(clip, attributes={"subject": f"p{i % 4}"}) for i, clip in enumerate(made_up.clips(24))]
    write_dataset("data", clips, layout="ntu25", class_names=["a", "b", "c"], units="m", source="made up")
    made_up.config(tmp_path / "c.yaml", tmp_path / "data", epochs=1)
    return tmp_path


def study(place="runs/sweep_c/study.db"):
    return optuna.load_study(study_name="c", storage=f"sqlite:///{place}")


def test_trials_are_measured_on_folds_of_the_training_part(own, here, capsys):
    call = ["sweep", "c.yaml", "--folds", "2", "--search", LR, "batch_size=choice(4,8)"]
    assert main([*call, "--trials", "2"]) == 0
    text, folder = capsys.readouterr().out, open_dataset("data")
    assert "2 folds by subject of the part 'train' of split 'xsub', 16 clips; the other 8 clips are not used" in text
    test = set(folder.indices("xsub", "val").tolist())
    for trial in study().trials:
        runs = sorted(Path("runs/sweep_c").glob(f"trial{trial.number:04}/fold*"))
        figures, held = [], []
        for run in runs:
            config = yaml.safe_load((run / "config.yaml").read_text())
            assert config["optimizer"]["init_args"]["lr"] == trial.params["optimizer.lr"]
            assert config["batch_size"] == int(trial.params["batch_size"])
            trained, tested = (set(folder.indices(config["split"], part).tolist()) for part in ("train", "test"))
            assert not (trained | tested) & test
            held.append(tested)
            records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
            figures.append([it["top1"] for it in records if it["mode"] == "val"][-1])
        assert held[0] | held[1] == set(folder.indices("xsub", "train").tolist())
        assert trial.value == pytest.approx(np.mean(figures))
    best = yaml.safe_load(Path("runs/sweep_c/best.yaml").read_text())
    assert best["split"] == "xsub"
    assert best["optimizer"]["init_args"]["lr"] == study().best_params["optimizer.lr"]
    page = Path("runs/sweep_c/report.html").read_text()
    assert "Sweep of c" in page
    assert "part &#x27;train&#x27; of split &#x27;xsub&#x27;" in page
    here.clear()
    assert main([*call, "--trials", "3"]) == 0  # goes on: one more, and what is there stays
    assert len(here) == 2
    first = [trial.params for trial in study().trials]
    assert main([*call, "--trials", "3", "--out", "again"]) == 0
    again = optuna.load_study(study_name="c", storage="sqlite:///again/study.db")
    assert [trial.params for trial in again.trials] == first  # the same seed draws the same


def test_a_killed_trial_is_tried_again_where_it_was_and_one_that_fails_is_not(own, monkeypatch, capsys):
    deeds = iter(["killed", "wrong"])

    def run(self, words, enough=None):
        deed = next(deeds, "fine")
        if deed == "wrong":
            return Ended(2, "the loss is not a finite number")
        code = main(list(words))
        return Ended(-9, "Killed") if deed == "killed" else Ended(code, "")

    monkeypatch.setattr(Commands, "run", run)
    call = ["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--search", LR]
    assert main([*call, "--trials", "2"]) == 0
    trials = study().trials
    assert [trial.state.name for trial in trials] == ["FAIL", "FAIL", "COMPLETE"]
    assert trials[1].user_attrs["error"] == "the loss is not a finite number"  # of the trial that is tried again
    assert trials[1].params == trials[0].params
    assert trials[1].user_attrs["run"] == trials[0].user_attrs["run"] == "trial0000"
    assert "was stopped, and will be tried again" in capsys.readouterr().out


def test_a_trial_of_a_dead_machine_is_tried_again(own, here, monkeypatch):
    monkeypatch.setattr("kinegraph.training.study.GRACE", 1)
    monkeypatch.setattr("kinegraph.training.study.BEAT", 1)
    call = ["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--search", LR]
    assert main([*call, "--trials", "1"]) == 0
    dead = study()
    trial = dead.ask()
    trial.suggest_float("optimizer.lr", 1e-4, 1e-1, log=True)
    trial.set_user_attr("run", "trial0001")
    storage = optuna.storages.RDBStorage("sqlite:///runs/sweep_c/study.db", heartbeat_interval=1)
    storage.record_heartbeat(trial._trial_id)
    assert main([*call, "--trials", "2"]) == 0
    states = [it.state.name for it in study().trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study().trials[2].params == study().trials[1].params


@pytest.mark.slow
def test_a_killed_sweep_takes_its_trainings_along_and_the_next_call_goes_on(own, here, monkeypatch):
    call = ["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--search", LR, "--trials", "1"]
    long = ["--", "--epochs", "100000"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "kinegraph", *call, *long], env=environment)
    saved = own / "runs/sweep_c/trial0000/fold1/checkpoints/last.ckpt"
    wait_for(saved.exists)
    training = json.loads((saved.parents[1] / ".lock").read_text())["process"]
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{training}").exists())
    monkeypatch.setattr("kinegraph.training.study.GRACE", 1)
    monkeypatch.setattr("kinegraph.training.study.BEAT", 1)

    def run(self, words, enough=None):
        here.append(list(words))
        return Ended(2, "enough is seen")

    monkeypatch.setattr(Commands, "run", run)
    assert main([*call, *long]) == 2
    assert "--resume" in here[0]
    assert str(Path("runs/sweep_c/trial0000/fold1")) in here[0]
    assert [it.state.name for it in study().trials] == ["FAIL", "FAIL"]


def wait_for(what) -> None:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < 300
        time.sleep(0.05)


def test_bad_trials_are_pruned_by_the_median(own, monkeypatch):
    """The figure of a validation follows from the number of the trial: the eighth is the worst."""
    values = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.1, 0.97]

    def run(self, words, enough=None):
        place = Path(words[words.index("--work-dir") + 1])
        place.mkdir(parents=True)
        value = values[int(place.parent.name.removeprefix("trial"))]
        with (place / "log.jsonl").open("w") as log:
            for epoch in (1, 2):
                log.write(json.dumps({"mode": "val", "epoch": epoch, "top1": value}) + "\n")
                log.flush()
                if enough():
                    return Ended(130, "interrupted")
        return Ended(0, "")

    monkeypatch.setattr(Commands, "run", run)
    assert main(["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--search", LR, "--trials", "8"]) == 0
    states = [trial.state.name for trial in study().trials]
    assert states == ["COMPLETE"] * 6 + ["PRUNED", "COMPLETE"]
    assert [*study().trials[6].intermediate_values] == [1]
    assert study().best_trial.number == 7


def test_without_validation_trials_are_pruned_by_the_loss_and_measured_once(own, here, capsys):
    made_up.config(own / "c.yaml", own / "data", epochs=2, validate=False)
    assert main(["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--search", LR, "--trials", "1"]) == 0
    assert "by the loss in training, as the config does not validate" in capsys.readouterr().out
    log = Path("runs/sweep_c/trial0000/fold1/log.jsonl")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [it["epoch"] for it in records if it["mode"] == "val"] == [2]
    assert course(log, "top1", by_loss=False) == [(2, last_figure(log, "top1"))]
    (first,) = [it["loss"] for it in records if it["mode"] == "train" and it["epoch"] == 1]
    with log.open("a") as file:
        file.write('{"mode": "val", "epo')  # it is being written
    assert course(log, "top1", by_loss=True) == [(1, -first)]


def test_a_password_is_not_shown():
    assert shown_place("postgresql://me:secret@host/sweeps") == "postgresql://me:***@host/sweeps"
    assert shown_place("my study.db") == "my study.db"


def test_a_study_of_something_else_is_left_alone(own, here, capsys):
    optuna.create_study(storage="sqlite:///other.db", study_name="c").add_trial(optuna.create_trial(value=1.0))
    call = ["sweep", "c.yaml", "--by", "clip", "--folds", "2", "--trials", "1"]
    assert main([*call, "--search", LR, "--storage", "other.db"]) == 2
    assert "is not of `kinegraph sweep`: give another --name" in capsys.readouterr().err
    assert main([*call, "--search", LR]) == 0
    assert main([*call, "--search", "epochs=int(1,2)"]) == 2
    assert "has other search: give another --name or --out" in capsys.readouterr().err
    Path("runs/sweep_c/study.db").unlink()
    assert main([*call, "--search", LR]) == 2
    assert "has trials of another study; choose another --out" in capsys.readouterr().err


def test_ranges_are_read():
    space = read_search(["a.b=log(1e-4, 1)", "c=int(2,8)", "d=choice([32, 64],[64,128])", "--e-f=float(-1,0.5)"])
    assert space["a.b"] == Numbers(1e-4, 1, log=True)
    assert space["c"] == Numbers(2, 8, integer=True)
    assert space["d"] == Choices(("[32, 64]", "[64, 128]"))
    assert space["e_f"] == Numbers(-1, 0.5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--search", "optimizer.lr"], "expected OPTION=RANGE"),
        (["--search", "optimizer.lr=lag(1,2)"], "expected log(1e-4, 1e-2), float(0, 0.5)"),
        (["--search", "optimizer.lr=log(0,1)"], "a logarithm needs numbers above 0"),
        (["--search", "optimizer.lr=float(2,1)"], "expected a smaller number, then a larger one"),
        (["--search", "epochs=int(1.5,3)"], "expected integers"),
        (["--search", "batch_size=choice(8)"], "expected at least two, all different"),
        (["--search", "optimizer.lrr=log(1e-4,1e-2)"], "did you mean 'lr'?"),
        (["--search", "batch_size=int(-4,8)"], "batch_size is -4, expected at least 1"),
        (["--search", "split=choice(xsub,xview)"], "--search split: a sweep decides that itself"),
        (["--search", LR, "--split", "xsup"], "expected one of the dataset's: xsub"),
        (["--search", LR, "--storage", "c.yaml"], "--storage: file is not a database"),
        (["--search", LR, "--by", "subjet"], "did you mean 'subject'?"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(own, capsys, words, message):
    assert main(["sweep", "c.yaml", "--trials", "1", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()
