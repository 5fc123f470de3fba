"""docs/long_recordings.md says what is true: its blocks are run one after another, as a reader would."""

import csv
import json
import re
import shlex
from pathlib import Path

from kinegraph.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "long_recordings.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    """From BORIS's table to a timeline; grooming and rearing of the mouse nobody labelled are where they were made."""
    monkeypatch.chdir(tmp_path)
    for kind, text in BLOCK.findall(PAGE):
        named = re.match(r"# (\S+)\n", text)
        if kind == "yaml":
            Path(named[1]).write_text(text, encoding="utf-8")
        elif kind == "python":
            exec(compile(text, named[1], "exec"), {})
        else:
            assert kind == "sh"
            for line in text.replace("\\\n", " ").splitlines():
                program, *argv = shlex.split(line)
                assert (program, main(argv)) == ("kinegraph", 0), capsys.readouterr().err
    printed = capsys.readouterr().out
    assert re.search(r"segments +\d+ of 4 recordings; 1\.\d+ to [23]", printed)
    assert re.search(r"between them +\d+% of the frames, class none", printed)
    figures = json.loads(Path("results/mice/figures.json").read_text())["figures"]
    assert figures["frame_accuracy"] > 0.85
    assert figures["f1_10"] > 0.6
    assert "<svg" in Path("results/mice/report.html").read_text()
    rows = list(csv.DictReader(Path("cage4.csv").read_text().splitlines()))
    assert {row["class"] for row in rows} <= {"groom", "rear", "none"}
    assert len(rows) > 3
    ends = [int(row["end_frame"]) for row in rows]
    assert ends[-1] == 750
    assert [int(row["first_frame"]) for row in rows] == [0, *ends[:-1]]
