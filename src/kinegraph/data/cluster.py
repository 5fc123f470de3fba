"""The workers of a dask scheduler as processes that read files: on other machines, ended and started while it goes on.

dask.distributed moves the tasks, and gives those of a lost worker to another. All connections are its own; they are
pickles, so scheduler and workers belong into a network in which nobody else can reach them.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from kinegraph import __version__
from kinegraph.messages import counted, first_few

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

SCHEME = "dask://"
PATIENCE = 30  # seconds: for a scheduler to answer, for a first worker, and from one look at silent workers to the next
TASKS_AHEAD = 3  # tasks a thread that are under way: memory does not grow with the number of items
TRIES = 10  # of a task, where dask has given up because each worker that had it was killed


@dataclass(frozen=True)
class Cluster:
    """The workers of a dask scheduler at HOST:PORT. They see the same files under the same paths."""

    address: str


def cluster_of(executor: str | None) -> Cluster | None:
    """The cluster that `--executor` names, None for processes of this machine.

    Raises ValueError for another word, and where dask is not installed.
    """
    if executor in (None, "processes"):
        return None
    if not executor.startswith(SCHEME) or executor == SCHEME:
        raise ValueError(f"--executor is '{executor}', expected processes, or dask://HOST:PORT of a dask scheduler")
    if find_spec("distributed") is None:
        raise ValueError("dask.distributed is not installed: pip install 'kinegraph[dask]'")
    return Cluster(executor.removeprefix(SCHEME))


def by_cluster(
    function: Callable[[Sequence[Item]], list[Result]], tasks: Sequence[Sequence[Item]], cluster: Cluster
) -> Generator[Result, None, None]:
    """The results of function(task) for each task, in order, whichever worker computed them and however often."""
    with _connected(cluster.address) as client:
        _check_workers(client, next((item for task in tasks for item in task if isinstance(item, Path)), None))
        submit = partial(client.submit, function, pure=False)
        waiting, under_way = iter(tasks), deque[tuple[Any, Any]]()
        while True:
            ahead = TASKS_AHEAD * max(_threads(client), 1) - len(under_way)  # workers come and go
            under_way.extend((task, submit(task)) for task in islice(waiting, max(ahead, 0)))
            if not under_way:
                return
            task, future = under_way.popleft()
            yield from _result(client, future, partial(submit, task))


@contextmanager
def _connected(address: str) -> "Iterator[Client]":
    """A connection to the scheduler. Raises ConnectionError where there is none, or where it is lost."""
    from distributed import Client
    from distributed.comm import CommClosedError

    for name in ("distributed", "distributed.client"):  # what they log of a lost connection is said below, in a line
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no dask scheduler answers at {address}: {' '.join(str(error).split())[:200]}") from None
    with client:
        try:
            yield client
        except (CancelledError, CommClosedError):
            raise ConnectionError(f"the dask scheduler at {address} has ended; nothing was written") from None


def _check_workers(client: "Client", path: Path | None) -> None:
    """Raises ConnectionError where there are none, or where one has another version or does not see the files."""
    from distributed import TimeoutError as Late

    address = client.scheduler.address if client.scheduler else ""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except Late:
        raise ConnectionError(
            f"the dask scheduler at {address} has no worker after {PATIENCE} seconds: dask worker {address}"
        ) from None
    try:
        answers = cast("dict[str, tuple[str, bool]]", client.run(_here, path, callback_timeout=PATIENCE))
    except Late:
        raise ConnectionError(
            f"a dask worker of {address} does not answer within {PATIENCE} seconds: end it, or start it again"
        ) from None
    except ModuleNotFoundError as error:
        raise ConnectionError(f"a dask worker has no {error.name}: start it where kinegraph {__version__} is") from None
    if other := [f"{worker} has {version}" for worker, (version, _) in answers.items() if version != __version__]:
        raise ConnectionError(f"kinegraph {__version__} is here, but the dask worker {first_few(other, 2)}")
    if blind := [worker for worker, (_, seen) in answers.items() if not seen]:
        raise ConnectionError(
            f"{path} is not there for the dask worker {first_few(blind, 2)}: workers need the files under the same path"
        )


def _threads(client: "Client") -> int:
    """Of all workers that are there now."""
    return sum(cast("dict[str, int]", client.nthreads()).values())


def _here(path: Path | None) -> tuple[str, bool]:
    """Asked of a worker: its version, and whether it sees a file."""
    return __version__, path is None or path.exists()


def _result(client: "Client", future: "Future[Any]", again: "Callable[[], Future[Any]]") -> list[Any]:
    """The result of a task, which is submitted again where its workers were killed. Raises the function's error."""
    from distributed import KilledWorker
    from distributed import TimeoutError as Late

    tries, said = 1, False
    while True:
        try:
            return future.result(timeout=PATIENCE)
        except Late:
            own = future.exception() if future.status == "error" else None
            if isinstance(own, Late):  # of the function, such as a network disk's: it would come at every look
                raise own from None
            if not _threads(client) and not said:
                said = True
                print("no dask worker is left: waiting for one", file=sys.stderr, flush=True)
        except KilledWorker as error:
            if tries == TRIES:
                raise ChildProcessError(
                    f"{counted(4 * TRIES, 'worker')} were killed at the same files, perhaps for want of memory: "
                    f"{error.task}"
                ) from None
            tries, future = tries + 1, again()
