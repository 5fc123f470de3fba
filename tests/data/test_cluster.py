"""Recordings read by the workers of a real dask scheduler: the dataset is that of one process, byte for byte."""

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from kinegraph.cli import main
from kinegraph.data import cluster
from kinegraph.data.cluster import Cluster
from kinegraph.data.pool import in_order
from kinegraph.synthetic.recordings import write_recordings

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    write_recordings(folder / "raw", clips=64, workers=1)
    assert main(["prepare", str(folder / "raw"), str(folder / "one"), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def started():
    """A function that starts a scheduler and workers, and ends them at the end."""
    running = []

    def start(**options):
        made = distributed.LocalCluster(dashboard_address=None, threads_per_worker=1, **options)
        running.append(made)
        return made

    yield start
    for one in running:
        one.close()


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def prepared(raw: Path, out: Path, address: str, *words: str) -> int:
    return main(["prepare", str(raw), str(out), "--executor", f"dask://{address}", *words])


def test_workers_give_the_dataset_of_one_process(raw, tmp_path, started, monkeypatch, capsys):
    scheduler = started(n_workers=2, processes=False)
    monkeypatch.chdir(raw)
    assert prepared(Path("raw"), tmp_path / "many", scheduler.scheduler_address) == 0
    assert content(tmp_path / "many") == content(raw / "one")
    (raw / "raw" / "S001C001P999R001A001.skeleton").write_text("no recording")
    try:
        assert prepared(Path("raw"), tmp_path / "broken", scheduler.scheduler_address) == 2
    finally:
        (raw / "raw" / "S001C001P999R001A001.skeleton").unlink()
    assert "S001C001P999R001A001.skeleton" in capsys.readouterr().err
    assert sorted(it.name for it in tmp_path.iterdir()) == ["many"]


def kill_and_square(item: tuple[int, Path]) -> int:
    """The square, from the second try on: the first one ends its worker."""
    number, mark = item
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


@pytest.mark.slow
def test_a_task_that_was_lost_with_its_worker_is_done_by_another(tmp_path, started):
    scheduler = started(n_workers=1, processes=True)
    items = [(number, tmp_path / "mark") for number in range(40)]
    assert list(in_order(kill_and_square, items, Cluster(scheduler.scheduler_address))) == [n**2 for n in range(40)]
    assert (tmp_path / "mark").exists()


def test_a_worker_that_hangs_is_one_line(started, monkeypatch):
    """It was waited for without end."""
    scheduler = started(n_workers=1, processes=True)
    monkeypatch.setattr(cluster, "PATIENCE", 2)
    (pid,) = [worker.process.pid for worker in scheduler.workers.values()]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ConnectionError, match=r"a dask worker of .* does not answer within 2 seconds"):
            list(in_order(slow_square, range(64), Cluster(scheduler.scheduler_address)))
    finally:
        os.kill(pid, signal.SIGCONT)


def slow_square(number: int) -> int:
    time.sleep(0.05)
    return number**2


def test_a_scheduler_that_ends_is_one_line(started):
    scheduler = started(n_workers=1, processes=False)
    squares = in_order(slow_square, range(640), Cluster(scheduler.scheduler_address))
    assert next(squares) == 0
    threading.Timer(0.5, scheduler.close).start()
    with pytest.raises(ConnectionError, match="has ended; nothing was written"):
        list(squares)


def late_disk(number: int) -> int:
    if number == 20:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out", "clip.skeleton")
    return number


def test_a_disk_that_is_too_late_is_no_worker_that_is(started):
    """Both are a TimeoutError."""
    scheduler = started(n_workers=1, processes=False)
    numbers = in_order(late_disk, range(64), Cluster(scheduler.scheduler_address))
    assert [next(numbers) for _ in range(16)] == list(range(16))
    with pytest.raises(TimeoutError, match=r"clip\.skeleton"):
        next(numbers)


@pytest.mark.slow
def test_killed_workers_change_nothing(raw, tmp_path, started):
    scheduler = started(n_workers=3, processes=True)
    killed = []

    def kill() -> None:
        with distributed.Client(scheduler.scheduler_address, set_as_default=False) as client:
            while not ended.is_set():
                if rows := [it for it in tmp_path.glob(".many.partial-*/keypoint.npy") if it.stat().st_size > 1000]:
                    process = min(client.run(os.getpid).values())
                    os.kill(process, signal.SIGKILL)
                    killed.append((process, len(rows)))
                    return
                time.sleep(0.01)

    ended = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert prepared(raw / "raw", tmp_path / "many", scheduler.scheduler_address) == 0
    finally:
        ended.set()
        killer.join()
    assert killed
    assert content(tmp_path / "many") == content(raw / "one")


def test_wrong_input_is_one_line_and_leaves_nothing(raw, tmp_path, started, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    scheduler = started(n_workers=0, processes=False)
    address, out = scheduler.scheduler_address, tmp_path / "out"
    cases = [
        (raw / "raw", address, (), "has no worker after 1 seconds: dask worker inproc"),
        (raw / "raw", "127.0.0.1:1", (), "no dask scheduler answers at 127.0.0.1:1"),
        (raw / "raw", "", (), "expected processes, or dask://HOST:PORT of a dask scheduler"),
        (raw / "raw", address, ("--workers", "2"), "--workers counts processes of this machine"),
        (raw / "one", address, (), "--executor is for ntu and openpose"),
    ]
    for path, place, words, message in cases:
        assert prepared(path, out, place, *words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    scheduler.scale(1)
    scheduler.wait_for_workers(1)
    monkeypatch.setattr(cluster, "_here", lambda path: ("0.0.1", True))
    assert prepared(raw / "raw", out, address) == 2
    assert "has 0.0.1" in capsys.readouterr().err
    monkeypatch.setattr(cluster, "_here", lambda path: (cluster.__version__, False))
    assert prepared(raw / "raw", out, address) == 2
    assert "workers need the files under the same path" in capsys.readouterr().err
    assert not out.exists()
