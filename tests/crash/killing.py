"""A command in a process of its own, killed at a moment that is chosen beforehand.

The process is forked from one that has imported everything, so that a kill costs what the command costs and not the
seconds of an import. It leads a session of its own, in which what it leaves running is found.
"""

import atexit
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinegraph import cli

PATIENCE = 120  # seconds after which a command counts as hanging
# What changes files: each of these is a step before which a command can be killed.
STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "ctypes.dlsym")


@dataclass(frozen=True)
class Kill:
    """When a command ends, and who is killed.

    seconds: after so many. step: before the one of this number that changes files. bytes: in the middle of the write
    that takes a file beyond this size. who: the command, a process that it started, or all of them as in a power cut;
    for seconds only.
    """

    how: Literal["seconds", "step", "bytes"]
    at: float
    who: Literal["main", "child", "all"] = "main"

    def __str__(self) -> str:
        return f"{self.who} at {self.how} {self.at:.2f}" if self.how == "seconds" else f"at {self.how} {self.at:.0f}"


@dataclass(frozen=True)
class Ending:
    """code: of the exit, negative for a signal. steps: that changed files, where the command came to its end.
    left: seconds that other processes lived on."""

    code: int
    seconds: float
    steps: int
    left: float
    output: str


def run(arguments: Sequence[str], folder: Path, kill: Kill | None = None, rng=None) -> Ending:
    """`kinegraph ARGUMENTS` in `folder`. Raises TimeoutError where it, or what it started, does not end."""
    reading, writing = os.pipe()
    said = folder.parent / f"{folder.name}.said"
    pid = os.fork()
    if not pid:
        _command(list(arguments), folder, said, kill, writing)
    os.close(writing)
    began = time.monotonic()
    status, done = None, False
    while status is None:
        passed = time.monotonic() - began
        if kill and kill.how == "seconds" and passed >= kill.at and not done:
            _strike(pid, kill.who, rng)
            done = True
        if passed > PATIENCE:
            os.killpg(pid, signal.SIGKILL)
            raise TimeoutError(f"{arguments[0]} hangs, it said: {said.read_text()[-2000:]}")
        time.sleep(0.005)
        ended, code = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if ended else None
    seconds = time.monotonic() - began
    left = _outlived(pid)
    with os.fdopen(reading) as counted:
        steps = int(counted.read() or 0)
    return Ending(status, seconds, steps, left, said.read_text(errors="replace"))


def _command(arguments: list[str], folder: Path, said: Path, kill: Kill | None, counted: int) -> None:
    """What the forked process does; it does not return."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        sys.stdout, sys.stderr = (open(fd, "w", buffering=1) for fd in (1, 2))  # noqa: SIM115  for good
        sys.modules["__main__"] = cli  # what it starts, it starts as `python -m kinegraph.cli`
        sys.argv = ["kinegraph", *arguments]
        taken = _count_steps(kill.at if kill and kill.how == "step" else None)
        if kill and kill.how == "bytes":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which Python ignores: the system ends the process
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(kill.at), int(kill.at)))
        code = cli.main(arguments)
        os.write(counted, str(taken()).encode())
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _count_steps(last: float | None):
    """Counts the events of Python's own audit that change files, and dies before the one of number `last`."""
    me, steps = os.getpid(), 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal steps
        changing = event in STEPS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if changing and os.getpid() == me:
            if last is not None and steps >= last:
                os.kill(me, signal.SIGKILL)
            steps += 1

    sys.addaudithook(look)
    return lambda: steps


def _strike(pid: int, who: str, rng) -> None:
    children = [it for it in _session(pid) if it != pid]
    if who == "all":
        os.killpg(pid, signal.SIGKILL)
    elif who == "child" and children:
        os.kill(children[int(rng.integers(len(children)))], signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)


def _outlived(pid: int) -> float:
    """Seconds until the last process of a session is gone."""
    began = time.monotonic()
    while others := _session(pid):
        if time.monotonic() - began > PATIENCE / 4:
            for other in others:
                os.kill(other, signal.SIGKILL)
            raise TimeoutError(f"{len(others)} processes live on after the command")
        time.sleep(0.05)
    return time.monotonic() - began


def _session(leader: int) -> list[int]:
    """The processes of a session that are no zombies."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _, _, session = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(session) == leader and state != "Z":
            found.append(int(entry))
    return found
