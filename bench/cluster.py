"""Raw recordings prepared by the workers of dask, beside one process: files a second, memory, killed workers.

kinegraph synthesize raw --clips 56880
python bench/cluster.py raw --workers 1 2 4 --kill 10
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from distributed import Client, LocalCluster

PREPARE = (sys.executable, "-m", "kinegraph", "prepare")


def digest(folder: Path) -> str:
    """Of all files of a dataset."""
    total = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        with file.open("rb") as content:
            total.update(hashlib.file_digest(content, "sha256").digest())
    return total.hexdigest()[:16]


def resident(process: int) -> float:
    """MB of memory that a process has; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def watched(command: list[str], look, every: float = 0.5) -> float:
    """Seconds that a command takes; `look(process)` is called meanwhile."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while child.poll() is None:
        look(child.pid)
        time.sleep(every)
    assert child.returncode == 0, command
    return time.monotonic() - began


def by_dask(raw: Path, out: Path, workers: int, kill: float | None) -> tuple[float, float, float, int]:
    """Seconds, peak MB of `prepare` and of the largest worker, and how many workers were killed."""
    killed, peak = [], [0.0, 0.0]
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster,
        Client(cluster) as client,
    ):
        processes = client.run(os.getpid)
        ended = threading.Event()

        def killer() -> None:
            while not ended.wait(kill):
                processes.clear()
                processes.update(client.run(os.getpid))
                if len(processes) == workers:  # a worker that is killed while it starts is not started again
                    killed.append(random.choice(list(processes.values())))
                    os.kill(killed[-1], signal.SIGKILL)

        def look(child: int) -> None:
            peak[0] = max(peak[0], resident(child))
            peak[1] = max([peak[1], *map(resident, list(processes.values()))])

        if kill:
            threading.Thread(target=killer, daemon=True).start()
        address = f"dask://{cluster.scheduler_address}"
        seconds = watched([*PREPARE, str(raw), str(out), "--executor", address], look)
        ended.set()
    return seconds, *peak, len(killed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--kill", type=float, help="kill one worker every so many seconds")
    given = parser.parse_args()
    files = sum(1 for _ in given.raw.glob("**/*.skeleton"))
    place, peak = Path(tempfile.mkdtemp(dir=given.raw.parent)), [0.0]

    def look(child: int) -> None:
        peak[0] = max(peak[0], resident(child))

    try:
        seconds = watched([*PREPARE, str(given.raw), str(place / "one"), "--workers", "1"], look)
        alone = digest(place / "one")
        print(f"{files:,} files; one process: {files / seconds:.0f} files/s, {peak[0]:.0f} MB", flush=True)
        for workers in given.workers:
            for kill in (None, given.kill) if given.kill else (None,):
                seconds, memory, worker, killed = by_dask(given.raw, place / "many", workers, kill)
                same = "the same" if digest(place / "many") == alone else "ANOTHER"
                shutil.rmtree(place / "many")
                print(
                    f"{workers} workers, {killed} killed: {files / seconds:.0f} files/s, prepare {memory:.0f} MB, "
                    f"largest worker {worker:.0f} MB, {same} dataset",
                    flush=True,
                )
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
