"""docs/own_data.md says what is true: its blocks are run one after another, as a reader would."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import yaml

from kinegraph.cli import main
from kinegraph.commands.arguments import parameters_of, read_config
from kinegraph.commands.predict import predict
from kinegraph.commands.prepare import prepare
from kinegraph.commands.test import test as score
from kinegraph.commands.train import train
from kinegraph.data.dataset import open_dataset

PAGE = (Path(__file__).parents[1] / "docs" / "own_data.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ran = []
    for kind, text in BLOCK.findall(PAGE):
        ran.append(kind)
        named = re.match(r"# (\S+\.yaml)\n", text)
        if kind == "python":
            exec(compile(text, "docs/own_data.md", "exec"), {})
        elif kind == "yaml" and named:
            Path(named[1]).write_text(text, encoding="utf-8")
        elif kind == "yaml":  # a change to the config
            Path("changed.yaml").write_text(
                yaml.safe_dump(yaml.safe_load(Path("own.yaml").read_text()) | yaml.safe_load(text))
            )
            read_config(train, Path("changed.yaml"))
        elif kind == "sh":
            for line in text.splitlines():
                program, *argv = shlex.split(line)
                assert (program, main(argv)) == ("kinegraph", 0), capsys.readouterr().err
        else:
            assert kind == "text"
            assert Path("own.csv").read_text().startswith(text)
    assert {"python", "yaml", "sh", "text"} <= set(ran)
    check_what_the_page_says(capsys.readouterr().out)


def check_what_the_page_says(printed: str) -> None:
    dataset = open_dataset("data/own", check_values=True)
    assert np.bincount(dataset.label).tolist() == [48, 48, 48]
    sides = set(zip(dataset.attributes["subject"].tolist(), dataset.splits["xsub"].tolist(), strict=True))
    assert len(sides) == 12
    assert "split xsub made here, val is subject" in printed
    with Path("results/own/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(dataset.indices("xsub", "val"))
    top1 = float(re.search(r"top\w*1\w*: ([\d.]+)", printed)[1])
    assert top1 > 0.9  # chance is 0.33


def test_messages_of_the_page_are_those_of_the_program():
    sources = "".join(file.read_text(encoding="utf-8") for file in Path(main.__code__.co_filename).parent.rglob("*.py"))
    for words in ("are of no built-in layout", "are scattered", "is there twice in frame", "has no image size, which"):
        assert words in PAGE
        assert words in " ".join(sources.split())


def test_every_option_of_the_page_exists():
    named = {option.replace("-", "_") for option in re.findall(r"--([a-z][a-z-]+)", PAGE)}
    assert named <= {name for verb in (prepare, train, score, predict) for name in parameters_of(verb)}
    assert len(named) > 10
