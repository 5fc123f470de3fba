"""Commands of Kinegraph as processes of their own, which share the threads of the machine and are stopped together."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event, Lock

from kinegraph.data.pool import cores

PART = "KINEGRAPH_PART"  # in the environment: the command ends soon after a process that is killed and cannot stop it
LOOK = 1.0  # seconds from one look at a running command to the next


def threads_each(processes: int) -> int:
    """Of the cores that this process may use, which a scheduler may have chosen among those of the machine."""
    return max(cores() // processes, 1)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the number of a signal; and its last line of errors."""

    code: int
    says: str


@dataclass(eq=False)
class Commands:
    """Runs commands, each with so many threads. `stop` asks all of them to end, and starts no other."""

    threads: int
    stopped: Event = field(default_factory=Event)
    _children: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def run(self, words: Sequence[str], enough: Callable[[], bool] | None = None) -> Ended | None:
        """Run `kinegraph WORDS` to its end; None where all were stopped before it began.

        enough: asked now and then; once it says True the command gets SIGTERM, and saves what it has.
        """
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads), "OMP_WAIT_POLICY": "PASSIVE", PART: "1"}
        command = [sys.executable, "-m", "kinegraph", *words]
        with self._lock:
            if self.stopped.is_set():
                return None
            child = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            self._children.add(child)
        errors = self._errors(child, enough)
        with self._lock:
            self._children.discard(child)
        last = (errors.strip().splitlines() or [f"ended with code {child.returncode}"])[-1]
        return Ended(child.returncode, last.removeprefix("kinegraph: "))

    def stop(self) -> None:
        self.stopped.set()
        with self._lock:
            for child in self._children:
                child.terminate()

    def side_by_side(self, processes: int, tasks: Iterable[Callable[[], object]]) -> None:
        """Do tasks that run commands, `processes` at a time. Raises the first error; the others are stopped."""
        with ThreadPoolExecutor(processes) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in ended:
                    future.result()
            finally:
                self.stop()
                pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _errors(child: subprocess.Popen[str], enough: Callable[[], bool] | None) -> str:
        while True:
            try:
                return child.communicate(timeout=LOOK if enough else None)[1]
            except subprocess.TimeoutExpired:
                if enough and enough():
                    child.terminate()
                    enough = None
