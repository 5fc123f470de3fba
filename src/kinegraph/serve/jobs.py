"""Jobs, one after another, in a process of their own, each with a time limit.

A file from a stranger may take for ever, or end the process that reads it: then that process is replaced, and nobody
else is disturbed. Both sides send JSON, so that a process which reads such a file cannot make this one run anything.
"""

import asyncio
import json
import multiprocessing
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

Work = Callable[..., None]  # takes a connection and the arguments of the process
BEGIN = 300.0  # seconds in which a process has to be ready


class Busy(Exception):
    """Too many jobs wait."""


class Jobs:
    """A queue of at most `waiting` jobs, those that still arrive among them. seconds: that one may take.

    work, arguments: what the process runs.

    The process sends "ready" and then an answer to each job.
    """

    def __init__(self, work: Work, arguments: Sequence[object], *, seconds: float = 120.0, waiting: int = 16):
        self.work, self.arguments, self.seconds, self.waiting = work, tuple(arguments), seconds, waiting
        self._count, self._worker = 0, _Worker(work, self.arguments)
        self._thread = ThreadPoolExecutor(1, "jobs")  # its queue is that of the jobs, first come first served
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Generator[None]:
        """Hold a place in the queue, before the job is known: an upload counts while it comes. Raises Busy."""
        with self._lock:
            if self._count >= self.waiting:
                raise Busy
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1

    async def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a job. Raises TimeoutError, or ConnectionError where the process ended."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._asked, job)

    def start(self) -> None:
        """Begin to load the network, before the first job."""
        self._thread.submit(self._worker.ready)

    def stop(self) -> None:
        """End the process; the job that runs is lost."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._worker.end()

    def _asked(self, job: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._worker.ready()
            return self._worker.ask(job, self.seconds)
        except (TimeoutError, ConnectionError):
            self._worker.end()
            self._worker = _Worker(self.work, self.arguments)
            self._thread.submit(self._worker.ready)
            raise


class _Worker:
    """A process and the connection to it; it is started by `ready`."""

    def __init__(self, work: Work, arguments: Sequence[object]):
        self.work, self.arguments = work, arguments
        self.process: Any = None
        self.connection: Connection | None = None

    def ready(self) -> None:
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.connection, theirs = context.Pipe()
            self.process = context.Process(target=self.work, args=(theirs, *self.arguments), daemon=True)
            self.process.start()
            theirs.close()
            try:
                self._received(BEGIN)
            except (TimeoutError, ConnectionError):  # another begins: what this one says late would be an answer
                self.end()
                raise

    def ask(self, job: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert self.connection is not None, "ready comes first"
        try:
            self.connection.send_bytes(json.dumps(job).encode())
        except OSError:
            raise ConnectionError from None
        return self._received(seconds)

    def _received(self, seconds: float) -> dict[str, Any]:
        assert self.connection is not None
        if not self.connection.poll(seconds):
            raise TimeoutError
        try:
            return json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            raise ConnectionError from None

    def end(self) -> None:
        process, self.process = self.process, None
        if process is not None and process.is_alive():
            process.kill()
            process.join(10)
