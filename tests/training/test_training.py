"""Whole runs: learning, resuming bit for bit, and several processes that agree with one."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.models.protogcn import first_means
from kinegraph.models.weights import load_model
from kinegraph.training import distributed
from kinegraph.training.loop import Training
from kinegraph.training.optim import Averaged
from tests import made_up
from tests.training.killed import killed_after

TIMES = ("time", "data_time", "command")
OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, adjacency, channels, classes):
        super().__init__()
        self.layer = nn.Linear(channels, classes)

    def forward(self, x):
        return self.layer(x).mean((1, 2, 3))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "dataset"
    made_up.dataset(path)
    return path


def run(tmp_path: Path, data: Path, name: str, *options: str) -> Path:
    config = made_up.config(tmp_path / "config.yaml", data)
    assert main(["train", str(config), "--work-dir", str(tmp_path / name), *options]) == 0
    return tmp_path / name


def logged(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("last", "best"):
        left, right = (load_file(folder / "checkpoints" / f"{name}.safetensors") for folder in (one, other))
        assert left.keys() == right.keys()
        for key in left:
            assert torch.equal(left[key], right[key]), f"{name}: {key}"
    assert logged(one) == logged(other)


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        (5, ("--save-every", "100")),  # at the end of the first epoch: its 5 batches are done, nothing of the second
        (8, ("--save-every", "2")),  # inside the second: 3 batches done, 2 of them saved
        (8, ("--save-every", "2", "--workers", "2")),
        (12, ("--save-every", "1")),
    ],
)
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path, data, steps, options):
    check_resuming(tmp_path, data, steps, options)


def test_steps_of_two_batches_and_the_average_are_resumed_bit_for_bit(tmp_path, data):
    check_resuming(tmp_path, data, 9, ("--save-every", "3"), ("--accumulate", "2", "--ema", "0.9"))


def test_a_loss_of_the_networks_own_is_resumed_with_what_it_keeps(tmp_path, data):
    protogcn = ("--model", "kinegraph.models.protogcn.ProtoGCN", "--model.widths", "[8, 16]")
    check_resuming(tmp_path, data, 8, ("--save-every", "2"), protogcn)
    before = load_file(tmp_path / "whole" / "checkpoints" / "last.safetensors")["contrast.means"]
    assert not torch.equal(before, first_means(before.shape[1]))


def check_resuming(tmp_path, data, steps, options, model=()) -> None:
    whole = run(tmp_path, data, "whole", "--log-every", "2", *model)
    with killed_after(steps):
        run(tmp_path, data, "killed", "--log-every", "2", *options, *model)
    run(tmp_path, data, "killed", "--log-every", "2", *options, *model, "--resume")
    assert_same_run(tmp_path / "killed", whole)


def test_a_run_that_died_before_its_first_checkpoint_starts_anew(tmp_path, data):
    with killed_after(0):
        run(tmp_path, data, "dead")
    assert_same_run(run(tmp_path, data, "dead"), run(tmp_path, data, "whole"))


@pytest.mark.parametrize("clipped", [(), ("--clip-gradients", "1")])
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_place(tmp_path, data, capsys, clipped):
    config = made_up.config(tmp_path / "config.yaml", data)
    rate = ("--optimizer.init_args.lr", "1e30", "--schedule.kind", "step")
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run"), *rate, *clipped]) == 2
    assert "not a finite number in epoch 1" in capsys.readouterr().err


def test_double_precision_trains_and_tests(tmp_path, data):
    config = made_up.config(tmp_path / "config.yaml", data, precision="64-true")
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run")]) == 0
    weights = tmp_path / "run" / "checkpoints" / "last.safetensors"
    assert main(["test", str(config), str(weights), "--precision", "64-true"]) == 0


def test_ctrl_c_saves_and_resumes(tmp_path, data, monkeypatch, capsys):
    whole = run(tmp_path, data, "whole")
    step = Training._step

    def interrupted_step(self, *batch):
        if self.progress.step == 7 and not resumed:
            os.kill(os.getpid(), 2)
        return step(self, *batch)

    monkeypatch.setattr(Training, "_step", interrupted_step)
    resumed = False
    config = tmp_path / "config.yaml"
    arguments = ["train", str(config), "--work-dir", str(tmp_path / "stopped")]
    assert main(arguments) == 130
    assert "saved; go on with\n  kinegraph train" in capsys.readouterr().out
    resumed = True
    assert main([*arguments, "--resume"]) == 0
    assert_same_run(tmp_path / "stopped", whole)


def test_the_saved_config_runs_again_to_the_same_weights(tmp_path, data):
    first = run(tmp_path, data, "first", "--deterministic")
    again = tmp_path / "again"
    assert main(["train", str(first / "config.yaml"), "--work-dir", str(again)]) == 0
    assert_same_run(first, again)


def test_the_config_of_a_resumed_run_runs_again_too(tmp_path, data):
    folder = run(tmp_path, data, "run", "--schedule.kind", "step", "--epochs", "1")
    run(tmp_path, data, "run", "--schedule.kind", "step", "--epochs", "2", "--resume")
    assert main(["train", str(folder / "config.yaml"), "--work-dir", str(tmp_path / "again")]) == 0
    assert_same_run(folder, tmp_path / "again")


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (("--schedule.warmup", "0.3", "--epochs", "1"), "2", "has epochs 1, asked for is 2: it would be another run"),
        (("--epochs", "2"), "1", "is from epoch 2, asked for are 1 epochs: give --epochs 2 or more"),
    ],
)
def test_other_epochs_than_those_of_one_run_are_refused(tmp_path, data, capsys, first, then, message):
    """A warmup that is a share of all steps is over, and weights of two epochs are not those of one."""
    options = ("--schedule.kind", "step", *first)
    folder = run(tmp_path, data, "run", *options)
    config = (folder / "config.yaml").read_bytes()
    again = ["train", str(tmp_path / "config.yaml"), "--work-dir", str(folder), *options, "--epochs", then, "--resume"]
    assert main(again) == 2
    assert message in capsys.readouterr().err
    assert (folder / "config.yaml").read_bytes() == config


def test_that_nothing_is_learnt_is_said_once_also_by_a_resumed_run(tmp_path, data):
    options = ("--optimizer.init_args.lr", "1e-9", "--epochs", "7", "--no-validate")
    with killed_after(30):
        run(tmp_path, data, "run", *options)
    folder = run(tmp_path, data, "run", *options, "--resume")
    assert sum("not clearly more than" in line.get("message", "") for line in logged(folder)) == 1


def test_eight_clips_are_learnt_by_heart(tmp_path):
    made_up.dataset(tmp_path / "dataset", count=12)
    plain = "{rotation: [0, 0, 0], crop: 0, mirror: 0}"
    folder = run(tmp_path, tmp_path / "dataset", "run", "--epochs", "40", "--no-validate",
                 "--preprocessing.augment", plain, "--preprocessing.people", "1",
                 "--model.init_args", "{widths: [16, 32], dropout: 0}")  # fmt: skip
    train_lines = [line for line in logged(folder) if line["mode"] == "train"]
    assert train_lines[-1]["top1"] == 1.0
    assert not (folder / "checkpoints" / "best.safetensors").exists()


def kinegraph(*arguments: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-m", "kinegraph.cli", *map(str, arguments)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)


def test_members_of_an_ensemble_know_the_streams_of_the_recipe(tmp_path, data):
    members = (
        "[{network: kinegraph.models.jointdistances.JointDistances, width: 2},"
        " {network: kinegraph.models.stgcn.STGCN, widths: [4], streams: [1]}]"
    )
    model = ["--model", "kinegraph.models.ensemble.Ensemble", "--model.members", members]
    streams = ["--preprocessing.streams", "[joint, bone]"]
    folder = run(tmp_path, data, "run", "--epochs", "1", *model, *streams)
    network = load_model(folder / "checkpoints/last.safetensors")
    distances, bones = network.members
    assert network.config["streams"] == distances.config["streams"] == 2
    assert 2 * distances.coordinates == network.config["channels"] == 2 * bones.config["channels"]


def test_two_batches_that_make_one_step_are_one_batch(tmp_path, data):
    """Of a network in which clips do not touch; 18 clips are 2 steps of 8 and one of 2."""
    own = tmp_path / "layer.py"
    own.write_text(OWN)
    words = ["--plugins", str(own), "--model", "layer.Own", "--epochs", "2"]
    one = run(tmp_path, data, "one", *words, "--batch-size", "8")
    two = run(tmp_path, data, "two", *words, "--batch-size", "4", "--accumulate", "2")
    left, right = (load_file(it / "checkpoints/last.safetensors") for it in (one, two))
    for key, tensor in left.items():
        torch.testing.assert_close(right[key], tensor, rtol=1e-5, atol=1e-6)
    of_one, of_two = ([it["lr"] for it in logged(folder) if it["mode"] == "train"] for folder in (one, two))
    assert of_one == of_two


def test_the_moving_average_is_measured_and_written(tmp_path, data):
    folder = run(tmp_path, data, "run", "--epochs", "2", "--ema", "0.5")
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=False)
    for key, tensor in load_file(folder / "checkpoints/last.safetensors").items():
        assert torch.equal(tensor, state["averaged"][key]), key
    assert not torch.equal(state["averaged"]["head.weight"], state["network"]["head.weight"])


def test_a_moving_average_forgets_the_beginning_soon():
    now = torch.nn.BatchNorm1d(1)
    averaged = Averaged(now, 0.5)
    for steps, weight in enumerate((2.0, 4.0)):
        now.weight.data.fill_(weight)
        now.num_batches_tracked += 1
        averaged.update(now, steps)
    mean = 2 / 11 * (0.1 * 1 + 0.9 * 2) + 9 / 11 * 4  # decay 1/10, then 2/11: still below 0.5
    assert averaged.network.weight.item() == pytest.approx(mean)
    assert averaged.network.num_batches_tracked == 2


def test_a_temperature_divides_the_logits_of_the_weights_alone(tmp_path, data):
    plain = run(tmp_path, data, "plain", "--epochs", "2")
    sharper = run(tmp_path, data, "sharper", "--epochs", "2", "--temperature", "0.5")
    assert logged(plain)[1:] == logged(sharper)[1:]
    left, right = (load_file(it / "checkpoints/last.safetensors") for it in (plain, sharper))
    for key, tensor in left.items():
        assert torch.equal(right[key], 2 * tensor if key.startswith("head.") else tensor), key


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--temperature", "1e-40"], "temperature is 1e-40, expected from 0.001 to 1000"),
        (["--head-lr", "1e300"], "a number of the optimizer is too large (lr "),
        (["--optimizer.weight_decay", "1e39"], "weight_decay 1e+39): lower the learning rate"),
    ],
)
def test_numbers_that_weights_cannot_hold_are_a_line(tmp_path, data, capsys, words, message):
    config = made_up.config(tmp_path / "config.yaml", data)
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run"), "--epochs", "1", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_network_without_a_known_last_layer_takes_no_temperature(tmp_path, data, capsys):
    own = tmp_path / "no_head.py"
    own.write_text(OWN)
    config = made_up.config(tmp_path / "config.yaml", data)
    words = ["train", str(config), "--work-dir", str(tmp_path / "run"), "--plugins", str(own), "--model", "no_head.Own"]
    assert main([*words, "--temperature", "0.5"]) == 2
    assert "the last layer of Own is not known, which a temperature" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_two_processes_give_the_figures_of_one(tmp_path, data):
    """9 test clips do not divide by two: a padded sampler would count one twice."""
    config = made_up.config(tmp_path / "config.yaml", data)
    both = ("--accelerator", "cpu", "--devices", 2)
    trained = kinegraph("train", config, "--work-dir", tmp_path / "run", *both)
    assert trained.returncode == 0, trained.stderr
    weights = tmp_path / "run" / "checkpoints" / "last.safetensors"
    assert kinegraph("test", config, weights, "--out", tmp_path / "two" / "r.pkl", *both).returncode == 0
    assert main(["test", str(config), str(weights), "--out", str(tmp_path / "one" / "r.pkl")]) == 0
    one, two = (pickle.loads((tmp_path / name / "r.pkl").read_bytes()) for name in ("one", "two"))
    assert len(one) == 9
    np.testing.assert_allclose(np.stack(one), np.stack(two), rtol=1e-5, atol=1e-6)
    validated = [line for line in logged(tmp_path / "run") if line["mode"] == "val"]
    found = np.stack(one).argmax(1) == [i % 3 for i in range(18, 27)]
    assert validated[-1]["top1"] == pytest.approx(found.mean(), abs=1e-6)


def test_a_published_checkpoint_is_tested_with_the_preprocessing_of_the_config(tmp_path, data):
    """Exported for MMAction2 1.x and tested from there, a network has the figures it had."""
    folder = run(tmp_path, data, "run")
    weights, theirs = folder / "checkpoints" / "last.safetensors", tmp_path / "theirs.pth"
    assert main(["convert", str(weights), str(theirs), "--to", "mmaction1"]) == 0
    scores = []
    for checkpoint in (weights, theirs):
        out = tmp_path / checkpoint.stem / "result.pkl"
        assert main(["test", str(tmp_path / "config.yaml"), str(checkpoint), "--out", str(out)]) == 0
        scores.append(np.stack(pickle.loads(out.read_bytes())))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_alike(tmp_path, data):
    often = ("--log-every", "1", "--epochs", "1")
    plain, compiled = (run(tmp_path, data, name, *often, *more) for name, more in (("a", ()), ("b", ("--compile",))))
    losses, names = (
        [read(folder) for folder in (plain, compiled)]
        for read in (
            lambda folder: [line["loss"] for line in logged(folder) if line["mode"] == "train"],
            lambda folder: load_file(folder / "checkpoints" / "last.safetensors").keys(),
        )
    )
    assert len(losses[0]) == 5
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
    assert names[0] == names[1]


def test_one_class_alone_is_said(tmp_path, capsys):
    same, about = [replace(clip, label=1) for clip in made_up.clips(8)], {"units": "m", "source": "made up"}
    write_dataset(tmp_path / "data", same, layout=same[0].layout, class_names=["sit", "wave"], **about)
    run(tmp_path, tmp_path / "data", "run", "--epochs", "1", "--no-validate")
    assert "all training clips are of one class, 'wave', so there is nothing to learn" in capsys.readouterr().out


def test_precision_auto_is_kept_when_a_run_goes_on(tmp_path, data, capsys, monkeypatch):
    """Else its weights would be those of another run, where another precision is measured as faster."""
    for found, more in (("bf16-mixed", "--overwrite"), ("32-true", "--resume")):
        monkeypatch.setattr(distributed, "faster_training", lambda accelerator, found=found: found)
        run(tmp_path, data, "run", "--epochs", "1", "--precision", "auto", more)
        assert "precision bf16-mixed: " in capsys.readouterr().out


def test_learned_graphs_wait(tmp_path, data):
    """2s-AGCN's only_train_part: in its first epochs they stay as they began, weight decay or not."""
    options = ("--model", "AAGCN", "--model.widths", "[8, 8]", "--graph-waits", "2", "--no-validate", "--no-report")
    folder = {epochs: run(tmp_path, data, f"run{epochs}", *options, "--epochs", str(epochs)) for epochs in (1, 2, 3)}
    found = {it: load_file(where / "checkpoints" / "last.safetensors") for it, where in folder.items()}
    for block in (0, 1):
        graph = f"blocks.{block}.spatial.graph"
        assert torch.equal(found[1][graph], found[1]["A"])
        assert torch.equal(found[2][graph], found[2]["A"])
        assert not torch.equal(found[3][graph], found[3]["A"])
    assert not torch.equal(found[1]["head.weight"], found[2]["head.weight"])
