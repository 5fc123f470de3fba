"""What must be true of a reader, whatever it is given: a result, or one line that names the place; soon, in little
memory, and without touching anything outside.
"""

import errno
import os
import re
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 5.0  # of the processor, for one input
MEMORY = 512 << 20  # bytes beyond what the process has already, for inputs of some kilobytes
WRITES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate"}
RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect"}


class TooSlowError(BaseException):
    """Not an Exception, so that no reader takes it for a fault of a file."""


class _Watch:
    """Notes what the process does while an input is read: audit hooks stay for good, so this one is switched."""

    def __init__(self):
        self.inside: str | None = None
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.inside is None:
            return
        if event in RUNS and not _asked_by_typeshed():
            self.seen.append(f"{event} {arguments[:1]}")
        elif event in WRITES or (event == "open" and _to_write(arguments)):
            place = os.path.abspath(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes | Path) else ""
            if not place.startswith((self.inside, "/dev/")) and "__pycache__" not in place:
                self.seen.append(f"{event} {place}")


def _asked_by_typeshed() -> bool:
    """Whether jsonargparse is looking for stubs: it asks Python for its path, once."""
    return any(
        frame.f_code.co_filename.endswith("typeshed_client/finder.py") for frame, _ in traceback.walk_stack(None)
    )


def _to_write(arguments: tuple) -> bool:
    _, mode, flags = arguments
    return bool(set("wax+") & set(mode)) if mode else bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


_watch = _Watch()


def install() -> None:
    """Once in a process, before inputs are judged."""
    sys.addaudithook(_watch)

    def too_slow(number, frame) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, too_slow)


def limit_memory() -> None:
    """From now on the process gets no more than MEMORY; what asks for more fails there and then."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)


@contextmanager
def _limits(folder: Path, seconds: float) -> Iterator[None]:
    _watch.inside, _watch.seen = str(folder), []
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _watch.inside = None


def fault(read: Callable[[Path, bytes], object], folder: Path, data: bytes, seconds: float = SECONDS) -> str | None:
    """None if reading the input ends as it must, else what is wrong, and where, in a line that is the same for alike.

    folder: emptied; all that is read and written lies in it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    problem = None
    try:
        with _limits(folder, seconds):
            read(folder, data)
    except (ValueError, OSError) as error:
        problem = _of_refusal(error, folder)
    except TooSlowError as error:
        problem = f"longer than {seconds:g} s {_place(error)}"
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {str(error)[:100]} {_place(error)}"
    problem = f"touches {_watch.seen[0]}" if _watch.seen else problem
    return problem and re.sub(
        r"\d+", lambda it: it[0] if it.start() and problem[it.start() - 1] == ":" else "N", problem
    )


def _of_refusal(error: ValueError | OSError, folder: Path) -> str | None:
    """What is wrong with a refusal: it wanted too much memory first, or does not say clearly what is wrong where."""
    cause = error
    while cause is not None:
        if isinstance(cause, MemoryError) or "allocate" in str(cause):
            return f"wanted too much memory {_place(cause)}"
        cause = cause.__context__
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        known = error.filename is not None and error.errno not in (None, errno.ENOMEM)
        return None if known or str(folder) in str(error) else f"no place in {error!r:.100} {_place(error)}"
    try:
        text = str(error)
    except Exception as other:
        return f"a message that fails: {other!r:.80} {_place(error)}"
    if len(text.splitlines()) != 1:
        return f"{len(text.splitlines())} lines: {text[:60]!r} {_place(error)}"
    if len(text) > 1000:
        return f"a line of {len(text)} letters {_place(error)}"
    if str(folder) not in text and not any(file.name in text for file in folder.rglob("*")):
        return f"no place in {text[:80]!r} {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    """The innermost line of ours."""
    frames = [it for it in traceback.extract_tb(error.__traceback__) if "kinegraph" in it.filename]
    return f"at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
