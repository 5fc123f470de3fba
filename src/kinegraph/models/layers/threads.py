"""Work shared out among the threads of a CPU: each computes whole pieces by itself.

torch's threads share single operations, and not every one: they wait for each other hundreds of times in a network, and
what one has computed another reads. Pieces that a thread computes from beginning to end stay in its own cache.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from threading import Barrier, Lock, local
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")
_making, _here = Lock(), local()


def _forget() -> None:
    """A forked process has none of the threads of its parent, and no lock that one of them held."""
    global _making
    _making = Lock()
    _here.__dict__.clear()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def workers(device: torch.device) -> int:
    """How many threads there are to share out work to: one where a device or a compiler does that itself."""
    return 1 if device.type != "cpu" or torch.compiler.is_compiling() else _threads()


def shares(rows: int, at_once: int, device: torch.device) -> list[list[slice]]:
    """All rows, in order: for each thread its own slices, each of at most `at_once` rows."""
    count = max(1, min(workers(device), rows))
    bounds = [rows * i // count for i in range(count + 1)]
    return [
        [slice(start, min(start + at_once, last)) for start in range(first, last, at_once)]
        for first, last in pairwise(bounds)
    ]


def each(compute: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """compute(piece) of every piece, without gradients, as many at once as torch has threads: make that many pieces.

    A thread has its share of torch's threads, and does not share out again.
    """
    if len(pieces) == 1 or (threads := _threads()) == 1:
        with torch.no_grad():
            return [compute(piece) for piece in pieces]
    inference = torch.is_inference_mode_enabled()

    def alone(piece: Piece) -> Result:
        with torch.inference_mode(inference), torch.no_grad():  # both are a thread's own
            return compute(piece)

    with _making:
        pool = _pool(min(threads, len(pieces)), threads)
    return list(pool.map(alone, pieces))


def with_one_thread(compute: Callable[[], Result]) -> Result:
    """compute() while torch has a single thread; a thread of `each` keeps its share."""
    if getattr(_here, "is_worker", False):
        return compute()
    with _making:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return compute()
        finally:
            torch.set_num_threads(threads)


def _threads() -> int:
    """torch's number of threads, in a thread that may be new: not while workers that are being made change it."""
    if getattr(_here, "is_worker", False):
        return 1
    with _making:
        return torch.get_num_threads()


@cache
def _pool(workers: int, threads: int) -> ThreadPoolExecutor:
    """Workers that share torch's threads, kept."""
    ready = Barrier(workers)
    pool = ThreadPoolExecutor(workers, initializer=_take_share, initargs=(threads // workers,))
    list(pool.map(lambda _: ready.wait(), range(workers)))  # all are there
    torch.set_num_threads(threads)  # the workers' number is also that of threads yet to come
    return pool


def _take_share(threads: int) -> None:
    _here.is_worker = True
    torch.get_num_threads()  # a thread takes the common number when it is first asked: before it gets its own
    torch.set_num_threads(threads)
