"""One training at a time in a run folder: a lock that the system gives back when its process ends, however it ends."""

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

from kinegraph.messages import plain_name
from kinegraph.safe_io import parsed_json

NAME = ".lock"
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder, which is made where it is missing, and removed again if it is still empty at the end.

    The processes of one distributed run hold it together: only the first takes the lock. Raises ValueError where
    another training holds it, with its process.
    """
    if not _is_first_process():
        yield
        return
    with ExitStack() as undo:
        _make(folder, undo)
        file = _taken(folder / NAME)
        try:
            yield
        finally:
            if file is not None:
                (folder / NAME).unlink(missing_ok=True)  # before it is let go of
                file.close()


def _is_first_process() -> bool:
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def _make(folder: Path, undo: ExitStack) -> None:
    missing = [it for it in (folder, *folder.parents) if not it.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        undo.callback(_remove_if_empty, made)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _taken(path: Path) -> FileIO | None:
    """The lock's file, open and locked; None where the file system has no locks, which is said."""
    while True:
        file = path.open("a+b", buffering=0)
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno not in NO_LOCKS:
                raise ValueError(
                    f"{path.parent} is in use: {holder} trains in it; wait for it, or choose another --work-dir"
                ) from None
            print(f"note: {path.parent} cannot be locked here: start no second training in it", file=sys.stderr)
            return None
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # it was let go of, and removed, between the opening and the lock
    with suppress(OSError):  # what it says is only for messages
        file.truncate(0)
        about = {"process": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M")}
        file.write(json.dumps(about).encode())
    return file


def _holder(file: FileIO) -> str:
    try:
        file.seek(0)
        about = parsed_json(file.read(1000).decode(), "the lock")
        return plain_name(f"process {about['process']} on {about['host']}, since {about['since']},")
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"


def _lock(file: FileIO) -> None:
    """Lock this handle of the file: reading the file by another handle, in this process too, changes nothing.

    A forked process closes its copy: a worker that outlives this process must not keep the lock.
    """
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.register_at_fork(after_in_child=file.close)
