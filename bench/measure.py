"""Contestants as processes, and runs of several of them taking turns."""

import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

from jobs import Job

HERE = Path(__file__).parent
OWN = ("plain", "ours")  # run in this environment; the others have their own
PEERS = ("mmaction2", "tensorflow", "costgcn")
Run = tuple[str, Job]  # contestant and what it does


class Unavailable(Exception):
    """A contestant does not have this, or is not installed."""


class Contestant:
    """A worker process; `ask` sends it a request and waits for the answer."""

    def __init__(self, name: str, python: Path, threads: int, log: Path):
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",  # a waiting thread gives its core away; worth several times under load
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        self.name = name
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [python, HERE / "worker.py", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | settings,
            )

    def ask(self, request: str, *arguments: object, seconds: float | None = None) -> object:
        """Raises Unavailable with the contestant's reason; also, and ends its process, after so many seconds."""
        try:
            print(json.dumps([request, *arguments]), file=self.process.stdin, flush=True)
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                self.process.kill()
                self.process.wait()
                raise Unavailable(f"{self.name}: not done after {seconds:.0f} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise Unavailable(f"{self.name}: {answer['error']}")
        return answer["answer"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Contest:
    """All contestants that can be had, started when needed, one process for each and number of threads."""

    def __init__(self, peers: Path, log: Path, seconds: float, rounds: Sequence[int]):
        """seconds: about how long the runs of one group may take, within (fewest, most) rounds."""
        self.log, self.seconds, self.rounds = log, seconds, rounds
        pythons = {name: peers / name / "bin" / "python" for name in PEERS}
        self.pythons = {name: path for name, path in pythons.items() if path.exists()}
        self.pythons |= dict.fromkeys(OWN, Path(sys.executable))
        self.running: dict[tuple[str, int], Contestant] = {}
        self.remarks: list[str] = []
        self.started = time.perf_counter()

    def seconds_spent(self) -> float:
        return time.perf_counter() - self.started

    def say(self, text: str) -> None:
        print(f"[{self.seconds_spent():4.0f} s] {text}", file=sys.stderr, flush=True)

    def remark(self, text: str) -> None:
        """Something to be said below the table, once."""
        if text not in self.remarks:
            self.remarks.append(text)
            self.say(text)

    def start(self, name: str, threads: int) -> Contestant:
        if name not in self.pythons:
            raise Unavailable(f"{name} is not installed")
        return Contestant(name, self.pythons[name], threads, self.log)

    def worker(self, name: str, threads: int) -> Contestant:
        key = name, threads
        if key not in self.running or self.running[key].process.poll() is not None:
            self.running[key] = self.start(name, threads)
        return self.running[key]

    def ask(self, run: Run, request: str) -> object:
        name, job = run
        return self.worker(name, job.threads).ask(request, vars(job))

    def ask_fresh(self, run: Run, request: str) -> object:
        """Ask a process that has done nothing before."""
        name, job = run
        worker = self.start(name, job.threads)
        try:
            return worker.ask(request, vars(job))
        finally:
            worker.close()

    def attempt(self, run: Run, call: Callable[[], object]) -> object | None:
        """What the call returns; None, and a remark below the table, if the contestant cannot do it."""
        try:
            return call()
        except Unavailable as reason:
            if run[0] in self.pythons:
                self.remark(str(reason))
            return None

    def times(self, runs: Iterable[Run]) -> dict[Run, list[float]]:
        """Seconds of each run. They take turns in changing order, so that another program's load falls on all."""
        first = {run: self.attempt(run, lambda run=run: self.ask(run, "prepare")) for run in runs}
        first = {run: seconds for run, seconds in first.items() if seconds is not None}
        calls = {run: lambda run=run: self.attempt(run, lambda: self.ask(run, "time")) for run in first}
        rest = take_turns(calls, self.rounds_for(sum(first.values())) - 1)
        for name, threads in {(name, job.threads) for name, job in first}:
            self.worker(name, threads).ask("forget")
        return {run: [first[run], *rest[run]] for run in first if None not in rest[run]}

    def rounds_for(self, seconds: float) -> int:
        """How many rounds of that length fit into the time for one group."""
        fewest, most = self.rounds
        return int(min(max(self.seconds // max(seconds, 1e-6), fewest), most))

    def close(self) -> None:
        for worker in self.running.values():
            worker.close()
        self.running.clear()


def take_turns(calls: dict[Hashable, Callable[[], float]], rounds: int) -> dict[Hashable, list[float]]:
    """What each call returns in each round; the order of a round is drawn."""
    found = {key: [] for key in calls}
    order, rng = list(calls), random.Random(0)
    for _ in range(rounds):
        rng.shuffle(order)
        for key in order:
            found[key].append(calls[key]())
    return found
