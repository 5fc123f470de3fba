"""What a command prints to a terminal or pipe. Where nobody reads it, the command goes on and writes its files."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

SAID = ("kinegraph:", "warning:", "problem:", "note:", "assumed:", "skipped:")  # lines that are not only progress


class _Pipe(io.FileIO):
    """An output whose reader may leave, or whose disk may be full: what cannot be written then is dropped."""

    lost: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


@contextmanager
def patient_output() -> Iterator[list[OSError]]:
    """Within it `print` does not fail. Yields a list that has, at the end, why something could not be written."""
    usual, lost = (sys.stdout, sys.stderr), []
    pipes = [_patient(stream) for stream in usual]
    sys.stdout, sys.stderr = pipes
    try:
        yield lost
    finally:
        for pipe in pipes:
            if pipe is not None:
                pipe.flush()
        sys.stdout, sys.stderr = usual
        reasons = (_pipe_of(pipe) for pipe in pipes)
        errors = [reason.lost for reason in reasons if reason is not None and reason.lost]
        lost += [error for error in errors if not isinstance(error, BrokenPipeError)]


class Warnings(io.TextIOBase):
    """An output that lets only warnings and errors through, and is no terminal: nothing moves on it."""

    def __init__(self, shown: TextIO):
        self.shown, self._begun = shown, ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.startswith(SAID):
                print(line, file=self.shown, flush=True)
        return len(text)


def note(line: str) -> None:
    """Print what is worth knowing beside the results, on stderr."""
    print(f"note: {line}", file=sys.stderr)


def anybody_reads() -> bool:
    """Whether what is printed arrives, as far as is known; after ten lines `kinegraph predict ... | head` can stop."""
    pipe = _pipe_of(sys.stdout)
    return pipe is None or pipe.lost is None


def _patient(stream: TextIO | None) -> TextIO | None:
    """A stream in its place; one that is no file of the system, such as a notebook's, stays."""
    if stream is None or stream not in (sys.__stdout__, sys.__stderr__):
        return stream
    if os.name == "nt" and stream.isatty():  # Windows' consoles take letters, not bytes
        return stream
    stream.flush()
    try:
        pipe = _Pipe(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError):
        return stream
    lines = stream.line_buffering
    return io.TextIOWrapper(
        io.BufferedWriter(pipe), encoding=stream.encoding, errors="replace", line_buffering=lines, write_through=False
    )


def _pipe_of(stream: TextIO | None) -> _Pipe | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Pipe) else None
