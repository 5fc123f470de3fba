"""A small network and a recording for the tests of the server, in process and as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

for name in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(name)


@contextmanager
def served(folder: Path, *words: object, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of `kinegraph serve`, as a process; it has to end without a traceback."""
    command = [sys.executable, "-m", "kinegraph", "serve", *map(str, words), "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, env=os.environ | dict(environment or {}), text=True
    ) as process:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        try:
            assert found, line + process.stderr.read()
            yield found[0]
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
        assert "Traceback" not in said, said
