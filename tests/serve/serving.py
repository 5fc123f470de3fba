"""A small network and a recording for the tests of the server, in process and as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinegraph.data.formats.json_lines import Frame, Head, frame_line, head_line
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.weights import save_weights
from tests.inference.test_stream import recording, weights

for name in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(name)


def written(folder: Path) -> Path:
    """Weights whose exact engine waits for 8 frames, and two.jsonl, a recording of two people."""
    known = weights(Preprocessing(people=1), strides=(1, 2))
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(folder / "w.safetensors", known.model, **about, extra={"training": {"frames": [10, 20, 30]}})
    clip = recording(40, people=2)
    frames = [Frame(people, None, ("a", "b"), t) for t, people in enumerate(clip.keypoint.swapaxes(0, 1))]
    lines = [head_line(Head(clip.layout, 30.0)), *map(frame_line, frames)]
    (folder / "two.jsonl").write_text("\n".join(lines) + "\n")
    return folder


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
