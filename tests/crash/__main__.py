"""`python -m tests.crash --kills 50`: kills commands at random moments and looks whether anything is lost."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import count
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="jobs whose name begins so")
    asked = options.parse_args()
    began = time.monotonic()
    base = Path(tempfile.mkdtemp(prefix="kinegraph-crash-"))
    try:
        tried, lost = kill_all(base, asked.kills, asked.seed, asked.only)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{'job':<20}{'kills':>6}{'survived':>10}")
    for name, times in tried.items():
        print(f"{name:<20}{times:>6}{times - lost[name]:>10}")
    kills, failed = sum(tried.values()), sum(lost.values())
    print(f"{kills - failed} of {kills} kills survived in {(time.monotonic() - began) / 60:.1f} minutes")
    return int(failed > 0)


def kill_all(base: Path, kills: int, seed: int, only: str) -> tuple[Counter, Counter]:
    """Kills one job after another. Returns how often each was killed, and how often something was wrong then."""
    import numpy as np
    from lightning_fabric import Fabric  # noqa: F401  seconds to import: once, before the commands are forked

    from kinegraph.commands import convert, prepare, synthesize, test, train  # noqa: F401  likewise
    from tests.crash.jobs import jobs

    rng = np.random.default_rng(seed)
    chosen = [job for job in jobs(base / "base") if job.name.startswith(only)]
    known, tried, lost = {}, Counter(), Counter()
    for number in count():
        if tried.total() >= kills:
            break
        job = chosen[number % len(chosen)]
        if job.name not in known:
            known[job.name] = reference(job, base)
        endings, problem = kill_once(job, base / f"kill{number}", known[job.name], rng)
        tried[job.name] += len(endings)
        lost[job.name] += bool(problem)
        print(f"{job.name:<20} {', '.join(endings)}  {'LOST: ' + problem if problem else 'ok'}", flush=True)
    return tried, lost


def reference(job, base: Path):
    """The state before, the state after, and how long a command takes that nobody kills."""
    from tests.crash.jobs import fresh, must, state_of
    from tests.crash.killing import run

    old = base / f"{job.name} old"
    old.mkdir()
    if job.before:
        fresh(job, old / "made", old)
        must(run(job.before, old / "made"))
        old = old / "made"
    folder = fresh(job, base / f"{job.name} new", old)
    ending = run(job.command, folder)
    must(ending)
    return old, state_of(job, old), state_of(job, folder), ending


def kill_once(job, folder: Path, known, rng) -> tuple[list[str], str]:
    """Kill a job, look at what is there, run it again. Returns when it was killed and what is wrong then."""
    from tests.crash.jobs import LostError, again, fresh, judge, must, remains, state_of
    from tests.crash.killing import run

    old, before, after, whole = known
    fresh(job, folder, old)
    endings, tries = [], 0
    try:
        while tries < 6 and len(endings) < 1 + job.train:  # a training twice: as it is resumed, too
            kill = choose(job, whole, folder.parent / f"{job.name} new" / "out", rng)
            ending = run(again(job, folder), folder, kill, rng)
            judge(job, folder, before, after)
            if ending.code > 0 and ("kinegraph: " not in ending.output or _traceback(ending.output)):
                raise LostError(f"{kill}: no clear line: {ending.output[-1500:]}")
            tries += 1
            if ending.code:
                endings.append(f"{kill} ({ending.left:.0f} s)" if ending.left > 1 else str(kill))
            elif job.train and endings:
                break
            else:  # it was quicker
                shutil.rmtree(folder)
                fresh(job, folder, old)
        must(run(again(job, folder), folder))
        if state_of(job, folder) != after:
            raise LostError("it ends in another state than the uninterrupted one")
        if left := remains(folder):
            raise LostError(f"it leaves {left[0]}")
    except (AssertionError, RuntimeError, ValueError, OSError) as error:
        return endings or [str(kill)], str(error)
    shutil.rmtree(folder)
    return endings, ""


def _traceback(output: str) -> bool:
    """Whether there is one besides those that torch drops when it ends."""
    return output.count("Traceback") > output.count("Exception ignored")


def choose(job, whole, out: Path, rng):
    """A moment within the course of a job: by the clock, before a change to a file, or inside a write."""
    from tests.crash.killing import Kill

    how = rng.choice(["seconds", "step", "bytes"], p=[0.4, 0.4, 0.2])
    if how == "seconds":
        who = rng.choice(["main", "child", "all"] if job.children else ["main"])
        return Kill("seconds", float(rng.uniform(0, whole.seconds)), str(who))
    if how == "step":
        return Kill("step", int(rng.integers(whole.steps)))
    largest = max(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return Kill("bytes", int(rng.uniform(0, largest)))


if __name__ == "__main__":
    sys.exit(main())
