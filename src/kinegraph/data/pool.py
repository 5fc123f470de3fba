"""Many files read or written by several processes, here or on a cluster, their results in order."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from types import ModuleType
from typing import TypeVar

from kinegraph.data.cluster import Cluster, by_cluster

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_A_TASK = 16  # what is sent to a process at a time
# Ctrl-C of a terminal, its end, preemption by a scheduler: sent to all processes. Windows has no SIGHUP.
STOPS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
TASKS_AHEAD = 3  # tasks a process that are under way: memory does not grow with the number of items


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | Cluster
) -> Generator[Result, None, None]:
    """function(item) for each item, by up to `workers` processes or a cluster; few items are not worth another process.

    function: of a module, or a partial of one. Its error is raised when it is its item's turn; what is under way then
    is left. Close the iterator to leave it early.
    """
    tasks = [items[i : i + ITEMS_A_TASK] for i in range(0, len(items), ITEMS_A_TASK)]
    if isinstance(workers, Cluster):
        with closing(by_cluster(partial(_all, function), tasks, workers)) as results:
            yield from results
        return
    workers = min(workers, len(tasks) // 2)
    if workers < 2:
        yield from map(function, items)
        return
    # Not fork: torch and numpy may have threads, which a forked process inherits locked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_obey_the_parent) as pool:
        under_way: deque[Future] = deque()
        waiting = iter(tasks)
        try:
            with signals_held(), main_left_out():
                under_way.extend(pool.submit(_all, function, task) for task in islice(waiting, TASKS_AHEAD * workers))
            while under_way:
                yield from under_way.popleft().result()
                under_way.extend(pool.submit(_all, function, task) for task in islice(waiting, 1))
        except BrokenProcessPool:
            raise ChildProcessError(
                f"one of {workers} processes was ended from outside, perhaps for want of memory: try fewer --workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def main_left_out() -> Iterator[None]:
    """A process that is started here does not run the user's script again, which would come to this place, too.

    Nothing of the script is needed: what runs there are functions of modules.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the end: a process that is started here does not get them before it is ready."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_stops_to_the_parent() -> None:
    """For a process that works for another: a terminal or scheduler stops all of them, the parent says what becomes."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def _obey_the_parent() -> None:
    """A process that is killed cannot tell its workers to stop: each watches whether its parent is still there."""
    leave_stops_to_the_parent()

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _all(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]
