"""Several processes compute what one does, and end together when one of them is killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinegraph.cli import main
from tests import made_up

pytestmark = pytest.mark.slow

BOTH = ("--accelerator", "cpu", "--devices", "2")
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
NETWORK = "{class_path: plain_network.Plain}"
PLUGINS = ("--plugins", str(Path(__file__).with_name("plain_network.py")))
PATIENCE = 300  # seconds


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Configs of the same run: for one process, and for two with half of its batch each."""
    folder = tmp_path_factory.mktemp("processes")
    made_up.dataset(folder / "dataset", count=36)  # 24 to train: as many for each process, in whole batches
    for name, size in (("one", 8), ("two", 4)):
        made_up.config(folder / f"{name}.yaml", folder / "dataset", batch_size=size, model=NETWORK, epochs=30)
    return folder


@contextmanager
def started(*words: object):
    """A process, ended at the end whatever happens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)], env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if children(process.pid) or process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finished(*words: object) -> str:
    with started(*words) as process:
        said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0, said
        return said


def children(pid: int) -> list[int]:
    return [int(it) for it in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


def wait_for(what) -> None:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / "last.safetensors")


@pytest.fixture(scope="module")
def two(place):
    """The run of two processes that nobody disturbs."""
    finished("kinegraph.cli", "train", place / "two.yaml", "--work-dir", place / "two", *PLUGINS, *BOTH)
    return place / "two"


def test_two_processes_train_to_the_weights_of_one(place, two):
    assert main(["train", str(place / "one.yaml"), "--work-dir", str(place / "one"), *PLUGINS]) == 0
    one = weights(place / "one")
    assert main(["train", str(place / "one.yaml"), "--work-dir", str(place / "none"), "--epochs", "1", *PLUGINS]) == 0
    for name, tensor in weights(two).items():
        torch.testing.assert_close(tensor, one[name], rtol=1e-5, atol=1e-6)
    moved = (weights(place / "none")["module.head.weight"] - one["module.head.weight"]).abs().max()
    assert moved > 1e-2  # so that the same weights say something


def test_two_processes_measure_the_figures_of_one(place):
    run, measured, scores = place / "stgcn", {}, {}
    config = made_up.config(place / "stgcn.yaml", place / "dataset", epochs=2)
    assert main(["train", str(config), "--work-dir", str(run)]) == 0
    for name, options in (("1", ("--accelerator", "cpu")), ("2", BOTH)):
        out = place / f"result{name}"
        command = ("test", config, run / "checkpoints" / "last.safetensors", "--out", out / "r.pkl")
        finished("kinegraph.cli", *command, "--batch-size", "3", *options)
        scores[name] = np.stack(pickle.loads((out / "r.pkl").read_bytes()))
        measured[name] = json.loads((out / "r.json").read_text())["metrics"], (out / "per_class.csv").read_bytes()
    assert measured["1"] == measured["2"]  # to the last digit; the scores differ as with another batch size
    np.testing.assert_allclose(scores["1"], scores["2"], rtol=1e-5, atol=1e-6)


def test_one_killed_process_ends_the_others_with_the_reason(place):
    run = place / "killed"
    command = ("kinegraph.cli", "train", place / "two.yaml", "--work-dir", run, "--epochs", "100000", *PLUGINS)
    with started(*command, *BOTH) as process:
        wait_for((run / "checkpoints" / "last.ckpt").exists)
        (child,) = children(process.pid)
        os.kill(child, signal.SIGKILL)
        said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 2
    assert "kinegraph: another process of this run has ended" in said
    assert "Traceback" not in said


def test_a_killed_launcher_takes_its_processes_along(place):
    run = place / "orphaned"
    command = ("kinegraph.cli", "train", place / "two.yaml", "--work-dir", run, "--epochs", "100000", *PLUGINS, *BOTH)
    with started(*TORCHRUN, "-m", *command) as launcher:
        wait_for((run / "checkpoints" / "last.ckpt").exists)
        trainers = children(launcher.pid)
        assert len(trainers) == 2
        launcher.kill()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in trainers))


def test_torchrun_starts_a_killed_run_again_where_it_was(place, two, monkeypatch):
    run = place / "elastic"
    command = ("kinegraph.cli", "train", place / "two.yaml", "--work-dir", run, *PLUGINS, *BOTH)
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    with started(*TORCHRUN, "--max-restarts", "1", "-m", *command) as launcher:
        wait_for((run / "checkpoints" / "last.ckpt").exists)
        os.kill(children(launcher.pid)[1], signal.SIGKILL)
        said = launcher.communicate(timeout=PATIENCE)[0]
    assert launcher.returncode == 0, said
    assert (run / "log.jsonl").read_text().count('"environment"') == 1  # gone on with, not started anew
    for name, tensor in weights(run).items():
        assert torch.equal(tensor, weights(two)[name]), name


def test_restarts_that_would_hang_are_refused_at_the_first_start(place, monkeypatch, capsys):
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    assert main(["train", str(place / "one.yaml"), "--work-dir", str(place / "refused"), *PLUGINS]) == 2
    assert "set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in capsys.readouterr().err
    assert not (place / "refused").exists()
