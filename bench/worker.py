"""One contestant in a process of its own: reads requests, a JSON line each, and answers each with a JSON line.

python bench/worker.py CONTESTANT
"""

import ctypes
import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from jobs import Job

ENOUGH = 0.5  # seconds of a figure on a GPU


class Worker:
    """What a contestant can be asked; each method takes and returns plain data."""

    def __init__(self, contestant: str):
        self.contestant = importlib.import_module(f"contestants.{contestant}")
        self.torch = sys.modules.get("torch")  # not there for TensorFlow
        self.steps = {}

    def versions(self) -> dict[str, str]:
        return self.contestant.versions()

    def prepare(self, job: dict) -> float:
        """Build, run once to warm up, and once for a first figure."""
        step = self.steps[Job(**job)] = self._step(Job(**job))
        step()
        return self.time(job)

    def time(self, job: dict) -> float:
        """Seconds of a step. On a GPU of one of several; their memory is then free for the next contestant.

        With one thread of a CPU it is processor time: what other programs take meanwhile does not count.
        """
        step, steps = self.steps[Job(**job)], 1
        clock = time.process_time if job["device"] == "cpu" and job["threads"] == 1 else time.perf_counter
        if on_gpu := job["device"] == "cuda":
            step()  # takes the memory again
            start = clock()
            step()
            steps = int(min(max(ENOUGH / (clock() - start), 1), 10))
        start = clock()
        for _ in range(steps):
            step()
        seconds = (clock() - start) / steps
        if on_gpu:
            self.torch.cuda.empty_cache()
        return seconds

    def result(self, job: dict) -> list:
        result = self._step(Job(**job))()
        return (result.double().cpu() if self.torch else result).tolist()

    def memory(self, job: dict) -> float:
        """Peak memory of two steps in MB, above what the process had with network, batch and libraries."""
        step = self._step(Job(**job))
        if job["device"] == "cuda":
            gpu = self.torch.cuda
            before = gpu.memory_allocated()
            gpu.reset_peak_memory_stats()
            step(), step()
            return (gpu.max_memory_allocated() - before) / 1e6
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # memory that building has left to the C library would hide what steps take
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # from here on a new high-water mark
        step(), step()
        return _status("VmHWM") - before

    def profile(self, job: dict, rounds: int) -> dict:
        """Seconds of a step, one number a round, and peak memory in MB with weights and batch. For a row of gpu.py."""
        gpu = self.torch.cuda if job["device"] == "cuda" else None
        gc.collect()
        if gpu:
            gpu.empty_cache()
            gpu.reset_peak_memory_stats()
        try:
            self.prepare(job)
            seconds = [self.time(job) for _ in range(rounds)]
            memory = gpu.max_memory_allocated() / 1e6 if gpu else _status("VmHWM")
        finally:
            self.forget()  # also after an error, such as too little memory: the next row is to have all of it
        return {"seconds": seconds, "memory": memory}

    def forget(self) -> None:
        self.steps.clear()
        if self.torch and "torch._dynamo" in sys.modules:
            self.torch.compiler.reset()

    def _step(self, job: Job) -> Callable:
        """A step that is over when it returns, on a GPU too."""
        if self.torch:
            self.torch.set_num_threads(job.threads)
        step = self.contestant.prepare(job)
        if job.device != "cuda":
            return step

        def finished():
            result = step()
            self.torch.cuda.synchronize()
            return result

        return finished


def _status(field: str) -> float:
    """A memory figure of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"no {field} in /proc/self/status")


def serve(contestant: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints
    worker = None
    for line in sys.stdin:
        request, *arguments = json.loads(line)
        try:
            worker = worker or Worker(contestant)
            answer = {"answer": getattr(worker, request)(*arguments)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
