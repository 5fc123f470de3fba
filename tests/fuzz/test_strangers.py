"""Runs, tests and weights of a stranger: a command ends with an answer or one line, and shows nothing to obey.

The files here may be large, which the fuzzed ones are not.
"""

import json
import os
import re
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kinegraph.cli import main
from kinegraph.models.weights import HEADER
from tests import made_up

DEEP = "[" * 200_000 + "]" * 200_000
ESCAPE = "\x1b[2J\x1b]0;x\x07\u202e"
TERMINAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
ENVIRONMENT = '{"mode": "environment", "seed": 1}\n'


@cache
def good() -> Path:
    """A dataset, a run of one epoch and a test of its weights."""
    folder = Path(mkdtemp(prefix="kinegraph-strangers-"))
    made_up.dataset(folder / "data")
    config = made_up.config(folder / "config.yaml", folder / "data", epochs=1)
    assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    assert main(["test", str(config), str(folder / "run"), "--out", str(folder / "test" / "result.pkl")]) == 0
    return folder


def answered(capsys, *words: object) -> str:
    """What a command says: an answer, or one line and exit code 2."""
    code = main(list(map(str, words)))
    out, error = capsys.readouterr()
    assert code in (0, 1, 2), words
    assert code != 2 or (error.count("kinegraph: ") == 1 and error.splitlines()[-1].startswith("kinegraph: ")), error
    assert not TERMINAL.search(out + error), words
    return out + error


# ---- tests and runs --------------------------------------------------------------------------------------------------

RESULTS = {
    "nested": DEEP,
    "nested inside": '{"labels": [0], "config": ' + DEEP + "}",
    "a list as environment": {"environment": [1]},
    "a number as log": {"log": 5},
    "a list as dataset": {"dataset": [1]},
    "a number as config": {"config": 5},
    "a number as weights": {"environment": {"weights": 5}},
    "huge labels": {"labels": [10**30] * 9},
    "infinite labels": {"labels": [float("inf")] * 9},
    "escapes": {
        "split": ESCAPE,
        "class_names": [f"{ESCAPE}{i}" for i in range(3)],
        "warnings": [f"{ESCAPE}: {ESCAPE}"],
    },
    "half of a letter": {"part": "\ud800"},
    "a large config": {"config": "a: [1]\n" * 200_000},
    "a device as log": {"log": "/dev/zero", "dataset": "/dev/zero"},
}


@pytest.mark.parametrize("kind", RESULTS)
def test_the_json_beside_a_result(tmp_path, capsys, kind):
    about = RESULTS[kind]
    if isinstance(about, dict):
        about = json.dumps(json.loads((good() / "test" / "result.json").read_text()) | about)
    (tmp_path / "result.json").write_text(about, encoding="utf-8")
    (tmp_path / "result.pkl").write_bytes((good() / "test" / "result.pkl").read_bytes())
    capsys.readouterr()
    answered(capsys, "report", tmp_path)
    answered(capsys, "report", good() / "test", tmp_path, "--out", tmp_path / "c.html")
    answered(capsys, "inspect", tmp_path / "result.json")


LOGS = {
    "nested": '{"mode": "train", "epoch": 1, "loss": ' + DEEP + "}",
    "text": '{"mode": "val", "epoch": 1, "top1": 0.5, "top5": "x", "mean_class_accuracy": [1]}',
    "400 digits": '{"mode": "val", "epoch": 1, "top1": ' + "9" * 400 + "}",
    "400 digits as epoch": '{"mode": "val", "top1": 0.5, "epoch": ' + "9" * 400 + "}",
    "sums that overflow": '{"mode": "train", "epoch": 1, "loss": 1e308}\n' * 2,
    "truth": '{"mode": "val", "epoch": true, "top1": true}\n{"mode": ["val"], "epoch": 1, "top1": 0.5}',
    "escapes": json.dumps({"mode": "warning", "severity": ESCAPE, "message": {ESCAPE: ESCAPE}}),
    "a long line": '{"mode": "' + "x" * 5_000_000 + '"}',
    "many warnings": '{"mode": "warning", "severity": "warning", "message": "m"}\n' * 20_000,
    "many epochs": "\n".join(f'{{"mode": "val", "epoch": {i}, "loss": 0.5, "top1": 0.5}}' for i in range(30_000)),
}


@pytest.mark.parametrize("kind", LOGS)
def test_the_log_of_a_run(tmp_path, capsys, kind):
    (tmp_path / "log.jsonl").write_text(ENVIRONMENT + LOGS[kind] + "\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text("epochs: 3\n")
    good()
    capsys.readouterr()
    answered(capsys, "report", tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 400_000
    answered(capsys, "report", good() / "run", tmp_path, "--out", tmp_path / "c.html")
    answered(capsys, "inspect", tmp_path)


CONFIGS = {
    "a model of text": "model: abc\n",
    "holds itself": "a: &a [*a]\n",
    "aliases": "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijkl")),
    "names another": "config: /dev/zero\n",
    "escapes": 'dataset: "\\e[2J"\nsplit: "\\a"\n',
    "large": "a: [1]\n" * 200_000,
    "a device": None,
}  # fmt: skip


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_config_of_a_run(tmp_path, capsys, kind):
    (tmp_path / "log.jsonl").write_text(ENVIRONMENT)
    if (text := CONFIGS[kind]) is None:
        (tmp_path / "config.yaml").symlink_to("/dev/zero")
    else:
        (tmp_path / "config.yaml").write_text(text)
    good()
    capsys.readouterr()
    answered(capsys, "report", tmp_path)
    answered(capsys, "report", good() / "run", tmp_path, "--out", tmp_path / "c.html")
    answered(capsys, "inspect", tmp_path)
    said = answered(capsys, "train", tmp_path / "config.yaml", "--work-dir", tmp_path / "new")
    assert said.startswith("kinegraph: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such devices")
def test_a_run_is_not_resumed_into_a_device(tmp_path, capsys):
    shutil.copytree(good() / "run", tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").unlink()
    (tmp_path / "run" / "log.jsonl").symlink_to("/dev/zero")
    capsys.readouterr()
    config = tmp_path / "run" / "config.yaml"
    assert "log.jsonl is a device" in answered(capsys, "train", config, "--work-dir", tmp_path / "run", "--resume")


# ---- weights ---------------------------------------------------------------------------------------------------------

HEADERS = {
    "frames of parts": {"preprocessing": {"frames": 32.5}},
    "frames without end": {"preprocessing": {"frames": 50_000}},
    "people in a list": {"preprocessing": {"people": [1]}},
    "streams": {"preprocessing": {"streams": 5}},
    "augment": {"preprocessing": {"augment": {"rotation": ["a"]}}},
    "recipe": {"extra": {"recipe": 5}},
    "training": {"extra": {"training": [1]}},
    "clips": {"extra": {"training": {"clips": "many"}}},
    "measured": {"extra": {"measured": [{"top1": 0.5}]}},
    "based on": {"extra": {"based_on": 5}},
    "made with": {"extra": {"made_with": ["x"]}},
    "escapes": {"extra": {"notes": ESCAPE, "licence": ESCAPE, "training": {"source": ESCAPE, "absent": [ESCAPE]}}},
    "joints": {"layout": {"joints": [f"j{i}" for i in range(59_999)] + ["j59998"]}},
}


@pytest.mark.parametrize("kind", [*HEADERS, "all NaN"])
def test_the_header_of_weights(tmp_path, capsys, kind):
    with safe_open(good() / "run" / "checkpoints" / "last.safetensors", "pt") as file:
        state, header = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()[HEADER])  # noqa: SIM118
    for field, values in HEADERS.get(kind, {}).items():
        header[field] |= values
    if kind == "all NaN":
        state = {name: torch.full_like(it, torch.nan) if it.is_floating_point() else it for name, it in state.items()}
    weights, data = tmp_path / "w.safetensors", good() / "data"
    save_file(state, weights, metadata={HEADER: json.dumps(header)})
    capsys.readouterr()
    answered(capsys, "inspect", weights)
    said = answered(capsys, "predict", weights, data)
    assert "nan" not in said.replace("NaN", "")
    answered(capsys, "draw", data, tmp_path / "o.html", "--weights", weights)
    answered(capsys, "convert", weights, tmp_path / "half.safetensors", "--half")
    answered(capsys, "test", good() / "config.yaml", weights, "--keep")


@pytest.mark.parametrize("name", ["last", "j0"])
def test_tens_of_thousands_of_names(tmp_path, capsys, name):
    joints = [*(f"j{i}" for i in range(60_000)), name]
    clip = {"name": "a", "keypoint": [[[0.0, 1.0]] * len(joints)]}
    (tmp_path / "a.json").write_text(json.dumps({"layout": {"joints": joints, "bones": []}, "clips": [clip]}))
    assert answered(capsys, "prepare", tmp_path / "a.json", tmp_path / "out").startswith("kinegraph: ")
    assert "problem" in answered(capsys, "inspect", tmp_path / "a.json")


# ---- what is no file -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("device", ["pipe", "/dev/zero"])
@pytest.mark.parametrize(
    "name", ["a.skeleton", "a.csv", "a.pkl", "a.json", "a.npz", "a.pth", "a.safetensors", "a.yaml"]
)
def test_pipes_and_devices_are_no_files(tmp_path, capsys, name, device):
    place = tmp_path / "in" / name
    place.parent.mkdir()
    os.mkfifo(place) if device == "pipe" else place.symlink_to(device)
    good()
    capsys.readouterr()
    weights, data = good() / "run", good() / "data"
    for words in (
        ["inspect", place], ["inspect", place.parent], ["prepare", place, tmp_path / "out"],
        ["prepare", place.parent, tmp_path / "out"], ["predict", weights, place], ["predict", weights, place.parent],
        ["predict", place, data], ["report", place], ["report", place.parent], ["train", place],
        ["test", good() / "config.yaml", place], ["convert", place, tmp_path / "o.safetensors"],
        ["fuse", place, place, "--data", data, "--split", "xsub"],
        ["draw", data, tmp_path / "o.html", "--layout", place],
        ["prepare", data, tmp_path / "out", "--class-names", place],
        ["predict", weights, data, "--preprocessing", place],
    ):  # fmt: skip
        said = answered(capsys, *words)
        assert said.startswith("kinegraph: ") or "problem" in said, words
