"""docs/own_network.md says what is true: its blocks are run one after another, as a reader would."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from kinegraph import plugins
from kinegraph.cli import main
from kinegraph.models.weights import load_weights

PAGE = (Path(__file__).parents[1] / "docs" / "own_network.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_LOADED", {})
    for kind, text in BLOCK.findall(PAGE):
        if named := re.match(r"# (\S+\.(?:py|yaml))\n", text):
            Path(named[1]).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(compile(text, "docs/own_network.md", "exec"), {})
        else:
            assert kind == "sh"
            for line in text.splitlines():
                program, *argv = shlex.split(line)
                assert (program, main(argv)) == ("kinegraph", 0), capsys.readouterr().err
    printed = capsys.readouterr().out
    assert float(re.search(r"top\w*1\w*: ([\d.]+)", printed)[1]) > 0.9  # chance is 0.33
    assert "started from mine, all of it taken over" in printed
    assert load_weights("runs/mine").model.A.shape == (3, 25, 25)
    sys.modules.pop("mynet")
    monkeypatch.setattr(plugins, "_LOADED", {})
    message = PAGE.partition("`needs ")[2].partition("`")[0]
    with pytest.raises(ValueError, match=f"needs {message}"):
        load_weights("runs/mine")
