"""A disk that is full or read-only: one line that names the place, what was there before is as it was, no remains."""

import errno
import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kinegraph.cli import main
from tests import made_up

ROOM = 48  # MiB


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What the commands read, on a disk with room."""
    folder = tmp_path_factory.mktemp("source")
    made_up.dataset(folder / "dataset")
    config = made_up.config(folder / "config.yaml", folder / "dataset", schedule="{kind: step}", epochs=1)
    assert main(["synthesize", str(folder / "raw"), "--clips", "50", "--actions", "8", "--workers", "1"]) == 0
    assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return folder


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "tmpfs", place], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("only the superuser may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def spoil(disk: Path, how: str) -> str:
    """Leave no room, or allow no change. Returns what the system says of it."""
    if how == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        return os.strerror(errno.EROFS).lower()
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if how == "nearly full":  # room for a beginning
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - 20_000)
    return os.strerror(errno.ENOSPC).lower()


def contents(disk: Path) -> dict[str, str]:
    files = (file for file in disk.rglob("*") if file.is_file() and file.name != "ballast")
    return {str(file.relative_to(disk)): hashlib.md5(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("how", ["full", "nearly full", "read-only"])
@pytest.mark.parametrize("verb", ["synthesize", "prepare", "convert", "test", "train"])
def test_what_was_there_stays(source, disk, capsys, verb, how):
    config, weights, run = source / "config.yaml", source / "run" / "checkpoints" / "best.safetensors", disk / "run"
    before, command = {
        "synthesize": (["--actions", "35"], ["synthesize", disk / "raw", "--clips", "50", "--workers", "1"]),
        "prepare": (["--dtype", "float16"], ["prepare", "ntu60", source / "raw", disk / "set", "--workers", "1"]),
        "convert": ([], ["convert", source / "dataset", disk / "set.pkl"]),
        "test": ([], ["test", config, weights, "--out", disk / "test" / "result.pkl", "--batch-size", "2"]),
        "train": ([], ["train", config, "--work-dir", run]),
    }[verb]
    words = list(map(str, command))
    assert main([*words, *before]) == 0
    kept, said = contents(disk), spoil(disk, how)
    more = {"test": [], "train": ["--resume", "--epochs", "2"]}.get(verb, ["--overwrite"])
    capsys.readouterr()
    assert main([*words, *more]) == 2
    (line,) = [it for it in capsys.readouterr().err.splitlines() if not it.startswith("epoch")]
    assert line.startswith(f"kinegraph: {disk}")
    assert said in line or "cannot be written" in line
    found = contents(disk)
    if verb == "train":  # the config is that of the call, the log may be longer; neither harms going on
        written = {"run/config.yaml", "run/log.jsonl", "run/metrics.csv"}
        kept, found = ({name: it[name] for name in it.keys() - written} for it in (kept, found))
    elif verb == "test":  # one file after another
        found = {name: found[name] for name in kept}
    assert found.keys() == kept.keys()
    assert [name for name in kept if kept[name] != found[name]] == []


def test_a_run_goes_on_once_there_is_room(source, disk):
    words = ["train", str(source / "config.yaml"), "--work-dir"]
    assert main([*words, str(disk / "run")]) == 0
    spoil(disk, "nearly full")
    assert main([*words, str(disk / "run"), "--resume", "--epochs", "3"]) == 2
    (disk / "ballast").unlink()
    assert main([*words, str(disk / "run"), "--resume", "--epochs", "3"]) == 0
    assert main([*words, str(source / "whole"), "--epochs", "3"]) == 0
    one, other = (load_file(it / "checkpoints" / "last.safetensors") for it in (disk / "run", source / "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (disk / "run" / "log.jsonl").read_text().count("\n") == (
        (source / "whole" / "log.jsonl").read_text().count("\n")
    )
