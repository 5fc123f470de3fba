"""Figures for services, callbacks and early ends: with made-up services, as the real ones want accounts."""

import json
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import pytest
import torch
import yaml
from safetensors.torch import load_file

from kinegraph import plugins
from kinegraph.cli import main
from kinegraph.training import observers
from kinegraph.training.loop import Training
from tests import made_up

CALLBACK = """
import json


class Notes:
    def _note(self, **what):
        with open("notes", "a") as file:
            file.write(json.dumps(what) + "\\n")

    def on_start(self, run):
        self._note(start=run.path.name)

    def on_epoch(self, run, figures):
        self._note(saved=run.checkpoint.is_file(), **figures)

    def on_end(self, run):
        self._note(end=run.last.is_file())


class OnlyEnd:
    def on_end(self, run):
        open("ended", "w").close()


class Nothing:
    pass
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_LOADED", {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CALLBACK)
    made_up.dataset(tmp_path / "data")
    made_up.config(tmp_path / "c.yaml", tmp_path / "data")
    yield tmp_path
    sys.modules.pop("mine", None)


def train(*words: str) -> int:
    return main(["train", "c.yaml", "--work-dir", "run", *words])


def logged(place, mode: str) -> list[dict]:
    return [
        it for line in (place / "run/log.jsonl").read_text().splitlines() if (it := json.loads(line))["mode"] == mode
    ]


@pytest.fixture
def services(monkeypatch):
    """Weights & Biases and MLflow, as far as they are used; what they are given is kept."""
    seen = {"init": [], "log": [], "end": [], "runs": [], "metrics": [], "params": [], "mlflow_end": []}

    def init(**about):
        seen["init"].append(about)
        return SimpleNamespace(
            log=lambda figures, step: seen["log"].append((step, figures)),
            finish=lambda exit_code: seen["end"].append(exit_code),
        )

    def start_run(run_id=None, run_name=None):
        seen["runs"].append((run_id, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "m1"))

    wandb, mlflow = ModuleType("wandb"), ModuleType("mlflow")
    wandb.init = init
    mlflow.set_experiment, mlflow.start_run = (lambda name: None), start_run
    mlflow.log_params = seen["params"].append
    mlflow.log_metrics = lambda figures, step: seen["metrics"].append((step, figures))
    mlflow.end_run = seen["mlflow_end"].append
    for module in (wandb, mlflow):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(observers, "find_spec", lambda name: True)
    return seen


def interrupted(monkeypatch, at: int):
    """A training that stops before this step."""
    step = Training._step

    def stopping(self, *batch):
        if self.progress.step == at:
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Training, "_step", stopping)
    return lambda: monkeypatch.setattr(Training, "_step", step)


def test_services_get_the_log_and_a_resumed_run_goes_on_there(place, services, monkeypatch):
    go_on = interrupted(monkeypatch, at=7)
    both = ("--loggers", "wandb", "mlflow")
    assert train(*both) == 130
    go_on()
    assert train(*both, "--resume") == 0
    first, again = services["init"]
    assert (first["id"], first["resume"], first["name"]) == (again["id"], "allow", "run")
    assert first["config"] == yaml.safe_load((place / "run/config.yaml").read_text())
    assert services["end"] == [1, 0]
    assert services["runs"] == [(None, "run"), ("m1", None)]
    assert services["mlflow_end"] == ["FAILED", "FINISHED"]
    assert len(services["params"]) == 1
    assert services["params"][0]["optimizer.init_args.lr"] == "0.05"
    shown = [(step, figures["val/top1"]) for step, figures in services["log"] if "val/top1" in figures]
    assert shown == [(step, figures["val/top1"]) for step, figures in services["metrics"] if "val/top1" in figures]
    assert [step for step, _ in shown] == [5, 10, 15]
    assert [value for _, value in shown] == pytest.approx([it["top1"] for it in logged(place, "val")], abs=1e-6)


def test_a_service_that_fails_does_not_end_the_training(place, services, monkeypatch, capsys):
    def lost(figures, step):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(sys.modules["mlflow"], "log_metrics", lost)
    assert train("--loggers", "mlflow", "wandb") == 0
    error = capsys.readouterr().err
    assert error.count("warning: mlflow gets no more figures, log.jsonl has all: no route to host") == 1
    assert [step for step, figures in services["log"] if "val/top1" in figures] == [5, 10, 15]
    monkeypatch.setattr(sys.modules["wandb"], "init", lambda **_: lost(0, 0))
    assert train("--loggers", "wandb", "--overwrite") == 2
    assert "wandb cannot be used: no route to host; or leave --loggers wandb" in capsys.readouterr().err


def test_a_run_is_not_replaced_before_its_services_are_reached(place, services, monkeypatch):
    def refused(**_):
        raise ConnectionError("no API key")

    beside = ["tensorboard"] if find_spec("tensorboard") else []
    assert train("--loggers", "wandb", "mlflow", *beside) == 0
    run = place / "run"
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    monkeypatch.setattr(sys.modules["mlflow"], "start_run", refused)
    assert train("--loggers", *beside, "wandb", "mlflow", "--overwrite", "--seed", "8") == 2
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before
    assert train("--loggers", "wandb", "--overwrite") == 0
    assert len({it["id"] for it in services["init"]}) == 3  # a run that replaces another is another to the service
    assert json.loads((run / "loggers.json").read_text()) == {"wandb": services["init"][-1]["id"]}
    assert train("--overwrite") == 0
    assert not (run / "loggers.json").exists()


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_what_is_not_installed_is_asked_for(place, monkeypatch, capsys, name):
    monkeypatch.setattr(observers, "find_spec", lambda name: None)
    assert train("--loggers", name) == 2
    assert f"pip install 'kinegraph[{name}]'" in capsys.readouterr().err
    assert not (place / "run").exists()


def test_callbacks_are_called_at_start_epochs_and_end(place):
    assert train("--plugins", "mine.py", "--callbacks", "mine.Notes", "mine.OnlyEnd", "--validate-every", "2") == 0
    notes = [json.loads(line) for line in (place / "notes").read_text().splitlines()]
    assert notes[0] == {"start": "run"}
    assert [(it["epoch"], it["saved"], "val_top1" in it) for it in notes[1:-1]] == [
        (1, True, False), (2, True, True), (3, True, True),
    ]  # fmt: skip
    assert [it["val_top1"] for it in notes[2:-1]] == pytest.approx(
        [it["top1"] for it in logged(place, "val")], abs=1e-6
    )
    assert notes[-1] == {"end": True}
    assert (place / "ended").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--callbacks", "mine.Note"], "did you mean 'mine.Notes'?"),
        (["--callbacks", "mine.Nothing"], "has none of the methods on_start, on_epoch, on_end"),
        (["--early-stop", "2", "--no-validate"], "early_stop looks at validations"),
        (["--early-stop", "0"], "early_stop is 0, expected at least 1"),
    ],
)
def test_a_mistake_is_one_line(place, capsys, words, message):
    assert train("--plugins", "mine.py", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (place / "run").exists()


FIGURES = [0.3, 0.5, 0.5, 0.4, 0.9, 0.9]  # of validations; the third and fourth are not better than the second


@pytest.fixture
def measured(monkeypatch):
    """Validations with known figures."""
    validate = Training._validate

    def known(self):
        monkeypatch.setattr(self.task, "validate", lambda *_: {"top1": FIGURES[self.progress.epoch - 1], "loss": 1.0})
        return validate(self)

    monkeypatch.setattr(Training, "_validate", known)


@pytest.mark.parametrize(
    ("words", "epochs"),
    [
        (["--early-stop", "2"], 4),
        (["--early-stop", "3"], 6),
        (["--early-stop", "1"], 3),
        (["--early-stop", "1", "--validate-every", "2"], 4),  # looked at in the epochs 2, 4 and 6 only
    ],
)
def test_it_ends_early_without_a_better_validation(place, measured, capsys, words, epochs):
    assert train(*words, "--epochs", "6") == 0
    assert logged(place, "train")[-1]["epoch"] == epochs
    assert ("ended early: no better top1 for" in capsys.readouterr().err) == (epochs < 6)


def test_an_early_end_is_resumed_bit_for_bit(place, measured, monkeypatch):
    words = ("--early-stop", "2", "--epochs", "6")
    assert main(["train", "c.yaml", "--work-dir", "straight", *words]) == 0
    go_on = interrupted(monkeypatch, at=17)  # in the fourth epoch
    assert train(*words, "--save-every", "1") == 130
    go_on()
    assert train(*words, "--resume") == 0
    assert logged(place, "train")[-1]["epoch"] == 4
    one, other = (load_file(place / name / "checkpoints/last.safetensors") for name in ("straight", "run"))
    assert all(torch.equal(one[key], other[key]) for key in one)
