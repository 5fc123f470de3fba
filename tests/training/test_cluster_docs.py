"""docs/cluster.md: its job scripts get SIGTERM in the middle of a training, and go on to the same weights."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from kinegraph.cli import main
from tests import made_up

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CALL = "configs/small_data.yaml --dataset data/mine --work-dir runs/mine"
NETWORK = "{class_path: plain_network.Plain}"
PLUGIN = Path(__file__).with_name("plain_network.py")
PATIENCE = 300  # seconds
SRUN = """#!/bin/bash
# As SLURM's: starts the tasks with its variables, and passes signals on to them.
tasks=()
for task in $(seq 0 $((SLURM_NTASKS - 1))); do
    SLURM_PROCID=$task SLURM_NODEID=$task SLURM_LOCALID=0 "$@" & tasks+=($!)
done
trap 'kill -TERM "${tasks[@]}"' TERM
for task in "${tasks[@]}"; do
    wait "$task"; code=$?
    while [ $code -gt 128 ] && kill -0 "$task" 2>/dev/null; do wait "$task"; code=$?; done
    [ $code -eq 0 ] || failed=$code
done
exit ${failed:-0}
"""
PROGRAMS = {
    "srun": SRUN,
    "scontrol": '#!/bin/sh\necho "$@" >> scontrol.log\n',
    "kinegraph": f'#!/bin/sh\nexec "{sys.executable}" -m kinegraph "$@"\n',
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A config, the weights of its undisturbed run, and the programs of a cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    made_up.dataset(folder / "dataset", count=36)
    made_up.config(folder / "c.yaml", folder / "dataset", batch_size=8, model=NETWORK, epochs=30)
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
        (folder / name).chmod((folder / name).stat().st_mode | stat.S_IXUSR)
    assert main(["train", str(folder / "c.yaml"), "--work-dir", str(folder / "alone"), "--plugins", str(PLUGIN)]) == 0
    return folder


def script(kind: str) -> list[str]:
    """The command that runs the page's script for a training of ours."""
    if kind == "kubernetes":
        job = next(yaml.safe_load(text) for language, text in BLOCKS if language == "yaml")
        container = job["spec"]["template"]["spec"]["containers"][0]
        assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2]
        words = [*container["command"], *container["args"]]
    else:
        words = ["bash", "-c", next(text for _, text in BLOCKS if "again()" in text)]
    more = " --devices 1 --nodes 2 --batch-size 4 --accelerator cpu" if kind == "two nodes" else ""
    assert CALL in words[-1]
    return [*words[:-1], words[-1].replace(CALL, f"c.yaml --work-dir 'runs/{kind}' --plugins {PLUGIN}{more}").replace(
        "runs/mine", f"'runs/{kind}'")]  # fmt: skip


def start(place: Path, kind: str, restarts: int) -> subprocess.Popen:
    environment = os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"OMP_NUM_THREADS": "1"}
    if kind != "kubernetes":
        tasks = "2" if kind == "two nodes" else "1"
        environment |= {"SLURM_NTASKS": tasks, "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "kinegraph"}
        environment |= {"SLURM_NODELIST": "127.0.0.1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": tasks}
        environment |= {"SLURM_RESTART_COUNT": str(restarts)} if restarts else {}
    return subprocess.Popen(
        script(kind), cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["one node", "two nodes", "kubernetes"])
def test_a_job_that_gets_sigterm_goes_on_to_the_same_weights(place, kind):
    run = place / "runs" / kind
    job = start(place, kind, restarts=0)
    try:
        began = time.monotonic()
        while not (run / "checkpoints" / "last.ckpt").exists():
            assert job.poll() is None, job.communicate()[0]
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.02)
        job.terminate()  # of the script alone, as --signal=B: and Kubernetes do
        said = job.communicate(timeout=PATIENCE)[0]
        assert "saved; go on with" in said
        assert "Traceback" not in said
        assert not (run / "checkpoints" / "last.safetensors").exists()
        if kind == "kubernetes":
            assert job.returncode == 130
        else:
            assert (place / "scontrol.log").read_text() == "requeue 7\n"
            (place / "scontrol.log").unlink()
        job = start(place, kind, restarts=1)
        said = job.communicate(timeout=PATIENCE)[0]
        assert job.returncode == 0, said
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert (run / "log.jsonl").read_text().count('"environment"') == 1
    left, right = (load_file(it / "checkpoints" / "last.safetensors") for it in (run, place / "alone"))
    for name in left:
        if kind == "two nodes":  # halves of the same batches: float32 rounding
            torch.testing.assert_close(left[name], right[name], rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(left[name], right[name]), name
