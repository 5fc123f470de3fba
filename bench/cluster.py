"""Raw recordings prepared by the workers of dask, beside one process: files a second, memory, killed workers.

python bench/cluster.py raw --clips 56880 --workers 1 2 4 --kill 10

Where the folder `raw` is missing, it is made: `--clips` synthetic recordings of one person, each of `--frames` frames.
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
from dataclasses import replace
from functools import partial
from pathlib import Path

from distributed import Client, LocalCluster

from kinegraph.data.pool import in_order
from kinegraph.synthetic.actions import ACTIONS
from kinegraph.synthetic.recordings import ClipName, plan_names, recording
from kinegraph.synthetic.sensor import Track, as_skeleton_file

PREPARE = (sys.executable, "-m", "kinegraph", "prepare")


def make(raw: Path, clips: int, frames: int) -> None:
    """Write short synthetic recordings of one person."""
    hidden = raw.with_name(f".{raw.name}.part")
    hidden.mkdir(parents=True)
    names = plan_names(clips, [number for number, action in ACTIONS.items() if action.people == 1])
    for _ in in_order(partial(_write, folder=hidden, frames=frames), names, len(os.sched_getaffinity(0))):
        pass
    hidden.rename(raw)


def _write(name: ClipName, folder: Path, frames: int) -> None:
    whole, random_values = recording(name, seed=0)
    tracks = [_cut(track, frames) for track in whole.tracks if track.frames[0] < frames]
    cut = replace(whole, length=frames, tracks=tracks, reversed_order=whole.reversed_order[:frames])
    (folder / f"{name}.skeleton").write_bytes(as_skeleton_file(cut, random_values))


def _cut(track: Track, frames: int) -> Track:
    there = track.frames < frames
    return replace(track, frames=track.frames[there], joints=track.joints[there], state=track.state[there])


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
                processes.update(client.run(os.getpid, on_error="ignore"))  # one may just be starting again
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
    parser.add_argument("--calm", action=argparse.BooleanOptionalAction, default=True, help="also without killing")
    parser.add_argument("--clips", type=int, default=56_880, help="how many recordings to make, where there are none")
    parser.add_argument("--frames", type=int, default=30, help="of each recording that is made")
    given = parser.parse_args()
    if not given.raw.is_dir():
        make(given.raw, given.clips, given.frames)
    files = sum(1 for _ in given.raw.glob("**/*.skeleton"))
    place, peak = Path(tempfile.mkdtemp(dir=given.raw.parent)), [0.0]

    def look(child: int) -> None:
        peak[0] = max(peak[0], resident(child))

    try:
        seconds = watched([*PREPARE, str(given.raw), str(place / "one"), "--workers", "1"], look)
        alone = digest(place / "one")
        print(f"{files:,} files; one process: {files / seconds:.0f} files/s, {peak[0]:.0f} MB", flush=True)
        for workers in given.workers:
            for kill in [*[None] * given.calm, *[given.kill] * bool(given.kill)]:
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
