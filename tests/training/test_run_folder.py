"""Two trainings in one folder, a training that was killed, and a run that goes on with other clips."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinegraph.cli import main
from kinegraph.training import run_folder
from kinegraph.training.run_folder import RunFolder, locked
from tests import made_up

HOLD = "import sys, time; from pathlib import Path; from kinegraph.training.run_folder import locked\n"
HOLD += "with locked(Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(60)"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the run folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def train(tmp_path, *more) -> int:
    return main(["train", str(tmp_path / "c.yaml"), "--work-dir", str(tmp_path / "run"), *more])


def test_the_second_training_says_who_trains(tmp_path, capsys, holder):
    made_up.config(tmp_path / "c.yaml", made_up.dataset(tmp_path / "data").path, epochs=1)
    assert train(tmp_path) == 2
    error = capsys.readouterr().err
    assert f"run is in use: process {holder.pid} on " in error
    assert "trains in it; wait for it, or choose another --work-dir" in error
    assert [it.name for it in (tmp_path / "run").iterdir()] == [".lock"]
    holder.send_signal(signal.SIGKILL)  # whatever it leaves, it holds nothing
    holder.wait()
    assert train(tmp_path) == 0
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_lock_ends_with_its_training_and_leaves_no_empty_folder(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "runs" / "one"):
            raise KeyError
        assert list(tmp_path.iterdir()) == []


def test_reading_the_lock_does_not_let_go_of_it(tmp_path):
    with locked(tmp_path / "run"):
        (tmp_path / "run" / ".lock").read_bytes()
        for _ in range(2):  # also a second training of this process
            with pytest.raises(ValueError, match="in use"), locked(tmp_path / "run"):
                pass


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"])
def test_further_processes_of_one_run_hold_it_together(tmp_path, holder, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    with locked(tmp_path / "run"):
        pass


def test_a_forked_worker_does_not_keep_the_lock(tmp_path):
    with locked(tmp_path / "run"):
        child = os.fork()
        if not child:
            time.sleep(20)
            os._exit(0)
    try:
        code = "import sys; from pathlib import Path; from kinegraph.training.run_folder import locked\n"
        code += "with locked(Path(sys.argv[1])): pass"
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], timeout=60).returncode == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_run_goes_on_with_its_own_clips_only(tmp_path, capsys):
    made_up.config(tmp_path / "c.yaml", made_up.dataset(tmp_path / "data").path, epochs=1)
    assert train(tmp_path) == 0
    before = (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes()
    (tmp_path / "data").rename(tmp_path / "moved")
    made_up.dataset(tmp_path / "data", 28)
    assert train(tmp_path, "--resume") == 2
    assert "was saved while training on other clips, labels or joints" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes() == before
    for file in (tmp_path / "moved").iterdir():  # a copy is the same dataset
        (tmp_path / "data" / file.name).write_bytes(file.read_bytes())
    assert train(tmp_path, "--resume") == 0


def test_on_windows_one_byte_is_locked_and_no_open_file_is_removed(tmp_path, monkeypatch):
    """Windows locks a byte from the present place on, and does not remove a file that is open."""
    held, removed = {}, []

    def locking(number, mode, count):
        place = (os.fstat(number).st_ino, os.lseek(number, 0, os.SEEK_CUR))
        if place in held and _is_open(held[place]):
            raise PermissionError(errno.EACCES, "locked")
        held[place] = number

    def unlink(path, missing_ok=False):
        assert not any(map(_is_open, held.values())), "open"
        removed.append(path.name)
        held.clear()

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    monkeypatch.setattr(run_folder, "WINDOWS", True)
    monkeypatch.setattr(Path, "unlink", unlink)
    with (
        locked(tmp_path / "run"),
        pytest.raises(ValueError, match=f"in use: process {os.getpid()} on"),
        locked(tmp_path / "run"),
    ):
        pass
    assert removed == [".lock"]
    with locked(tmp_path / "run"):  # the file of before is there, with its text
        pass


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_figure_that_is_no_number_is_null_in_the_log(tmp_path):
    """NaN is not JSON: other programs could not read the file."""
    run = RunFolder(tmp_path)
    run.log(mode="val", epoch=1, top1=0.5, loss=float("inf"), map=float("nan"))

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    line = json.loads(run.log_file.read_text(), parse_constant=refuse)
    assert (line["top1"], line["loss"], line["map"]) == (0.5, None, None)
