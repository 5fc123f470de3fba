"""docs/live.md says what is true: its blocks are run one after another, as a reader would, a server among them."""

import io
import json
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from kinegraph.cli import main
from kinegraph.commands.arguments import parameters_of
from kinegraph.commands.predict import predict
from kinegraph.commands.prepare import prepare
from kinegraph.commands.serve import serve
from kinegraph.commands.stream import stream

PAGE = (Path(__file__).parents[1] / "docs" / "live.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:8000"


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed, server = "", None
    with ExitStack() as opened:
        for kind, text in BLOCK.findall(PAGE):
            printed += capsys.readouterr().out
            if named := re.match(r"# (\S+\.yaml)\n", text):
                Path(named[1]).write_text(text, encoding="utf-8")
            elif kind == "text":
                check_events(printed, text)
            elif ADDRESS in text or "kinegraph serve" in text:
                if server is None:
                    for name in ("starlette", "uvicorn", "websockets"):
                        pytest.importorskip(name)  # all before has run
                    server = started(opened, text, tmp_path)
                else:
                    ask(text.replace(ADDRESS, server), kind)
            elif kind == "python":
                exec(compile(text, "docs/live.md", "exec"), {})
            else:
                run(monkeypatch, text)
    printed += capsys.readouterr().out
    assert re.search(r"--enter 0\.\d\d lets \d+% of unknown clips pass", printed)
    assert "exact 9" in printed
    assert '"first_frame"' in printed
    assert '"kind": "begin"' in printed.rpartition('"class_names"')[2]


def run(monkeypatch, text: str) -> None:
    for line in text.splitlines():
        command, _, source = line.partition(" < ")
        content = Path(source).read_bytes() if source else b""
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        program, *argv = shlex.split(command)
        assert (program, main(argv)) == ("kinegraph", 0)


def started(opened: ExitStack, text: str, folder: Path) -> str:
    from tests.serve.serving import served

    program, verb, weights, *_ = shlex.split(text)
    assert (program, verb) == ("kinegraph", "serve")
    return opened.enter_context(served(folder, weights)).removeprefix("http://")


def ask(text: str, kind: str) -> None:
    if kind == "python":
        exec(compile(text, "docs/live.md", "exec"), {})
    else:
        done = subprocess.run(shlex.split(text), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        print(json.dumps(json.loads(done.stdout)))


def check_events(printed: str, shown: str) -> None:
    """The events of the page, which may begin a few frames apart on another processor, and the four squats."""
    lines, expected = ([json.loads(it) for it in text.splitlines() if it.startswith("{")] for text in (printed, shown))
    ends, pages = ([it for it in found if it["kind"] == "end"] for found in (lines, expected))
    assert [it["class"] for it in ends] == [it["class"] for it in pages] == ["squat", "wave"]
    for end, page, truth in zip(ends, pages, [(3, 11), (15, 19)], strict=True):
        for key, second in zip(("start_seconds", "end_seconds"), truth, strict=True):
            assert abs(end[key] - page[key]) < 0.5
            assert abs(end[key] - second) < 0.5
    assert sum(it["kind"] == "repetition" and it["end_seconds"] < 11.5 for it in lines) == 4


def test_every_option_of_the_page_exists():
    named = {option.replace("-", "_") for option in re.findall(r"--([a-z][a-z-]+)", PAGE)}
    known = {name for verb in (prepare, predict, stream, serve) for name in parameters_of(verb)}
    assert named - {"work_dir", "silent", "show_error", "data_binary", "seconds", "frames"} <= known
