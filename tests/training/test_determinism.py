"""The same run twice is the same to the last byte, times aside; workers change nothing."""

import json
import os
import re
from pathlib import Path

import pytest

from kinegraph.cli import main
from tests import made_up

TIMES = ("time", "data_time", "memory")


@pytest.fixture
def run_in(tmp_path, monkeypatch):
    """Trains and tests in a folder of that name, with the same words in each."""
    made_up.dataset(tmp_path / "dataset")
    made_up.config(tmp_path / "config.yaml", tmp_path / "dataset", report="true", epochs=2)

    def run(name: str, *options: str) -> Path:
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        weights = os.path.join("run", "checkpoints", "best.safetensors")
        assert main(["train", "../config.yaml", "--work-dir", "run", "--deterministic", *options]) == 0
        assert main(["test", "../config.yaml", weights, "--out", os.path.join("test", "result.pkl")]) == 0
        return tmp_path / name

    return run


def contents(folder: Path) -> dict[str, object]:
    """Every file; of the log the lines without times, and nothing of last.ckpt, which says how long the log is."""
    found: dict[str, object] = {
        str(file.relative_to(folder)): file.read_bytes().replace(str(folder).encode(), b"")
        for file in folder.rglob("*")
        if file.is_file() and file.name != "last.ckpt"
    }
    lines = map(json.loads, found[os.path.join("run", "log.jsonl")].splitlines())
    found["log"] = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    del found[os.path.join("run", "log.jsonl")]
    return found


def test_the_same_run_twice_is_the_same_byte_for_byte(run_in):
    one, other = contents(run_in("one")), contents(run_in("other"))
    assert one.keys() == other.keys()
    assert len(one) > 15
    assert [name for name in one if one[name] != other[name]] == []


def test_workers_change_nothing(run_in):
    runs = [contents(run_in(f"with{workers}", "--workers", str(workers))) for workers in (0, 1, 2)]
    for name in ("best.safetensors", "last.safetensors"):
        kept = [run[os.path.join("run", "checkpoints", name)] for run in runs]
        kept = [re.sub(rb"sha256.{70}", b"", it) for it in kept]  # of the recipe, too
        recipes = [it.replace(b"workers: 1", b"workers: 0").replace(b"workers: 2", b"workers: 0") for it in kept]
        assert recipes[0] == recipes[1] == recipes[2]
