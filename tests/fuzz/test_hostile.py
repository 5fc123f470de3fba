"""Files made to do harm: none runs code, unpacks to more than it is, or is obeyed by a terminal, page or table."""

import csv
import io
import json
import os
import pickle
import re
import zipfile
from itertools import pairwise

import numpy as np
import pytest
import torch
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_model, save_weights
from kinegraph.safe_pickle import load_pickle
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

SCRIPT = "</script><script>alert(1)</script>"
NAMES = [SCRIPT, "=cmd|'/c calc'!A1", "+1", "-2", "@SUM(A1)", "\t=1+1", "\x1b[2J\x1b[31mred\x07", "[/bold]", "../../up"]
NAMES += ["/absolute", "a\u202egnp.exe", '" onload="alert(1)', "two\nlines", "nul\0"]


def ran(words: list, capsys) -> tuple[int, str, str]:
    code = main(list(map(str, words)))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


# ---- code ------------------------------------------------------------------------------------------------------------


class Command:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


class Nested:
    """numpy's own way to build an array, its parts commands."""

    def __init__(self, part, trace):
        self.part, self.trace = part, trace

    def __reduce__(self):
        command = Command(self.trace)
        new = np._core.multiarray._reconstruct
        if self.part == "argument":
            return new, (np.ndarray, (0,), command)
        state = (1, (1,), np.dtype("O"), False, [command]) if self.part == "object" else {"x": command}
        return new, (np.ndarray, (0,), b"b"), state


@pytest.mark.parametrize("part", ["argument", "object", "state"])
def test_a_command_inside_of_an_array(tmp_path, part):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": [Nested(part, tmp_path / "trace")]}))
    with pytest.raises(ValueError, match=r"asks for '.*system'"):
        load_pickle(tmp_path / "a.pkl")
    torch.save({"state_dict": {"a": Nested(part, tmp_path / "trace")}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth asks for \S+"):
        load_model(tmp_path / "a.pth")
    assert not (tmp_path / "trace").exists()


@pytest.mark.filterwarnings("error::DeprecationWarning")
@pytest.mark.parametrize("option", ["model", "loss", "optimizer"])
@pytest.mark.parametrize("called", ["os.system", "builtins.exec", "subprocess.Popen", "pathlib.Path.touch"])
def test_a_config_calls_networks_losses_and_optimizers_only(tmp_path, capsys, option, called):
    for arguments in ({}, {"command": f"touch {tmp_path / 'trace'}"}, {"args": ["touch", str(tmp_path / "trace")]}):
        spec = {"dataset": "x", "split": "y", option: {"class_path": called, "init_args": arguments}}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(spec))
        code, _, error = ran(["train", tmp_path / "c.yaml"], capsys)
        assert (code, error.count("\n")) == (2, 1)
        assert f"{option}: '{called}' is not allowed; a config may name kinegraph's networks" in error
        assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("verb", ["train", "draw"])
def test_yaml_with_tags_and_aliases(tmp_path, capsys, verb):
    laughs = "name: &a [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}' if i else '*a'] * 10)}]\n" for i in range(9))
    hostile = {
        f"name: !!python/object/apply:os.system ['touch {tmp_path / 'trace'}']\n": "line 1",
        laughs: "unfolds to more than",
        "&a\nname: *a\n": "holds itself",
        "name: " + "[" * 5000: "nested too deeply",
    }
    clip = {"name": "a", "keypoint": [[[1, 2]] * 17]}
    (tmp_path / "a.json").write_text(json.dumps({"clips": [clip]}))
    for text, says in hostile.items():
        (tmp_path / "c.yaml").write_text(text)
        words = ["train", tmp_path / "c.yaml"]
        if verb == "draw":
            words = ["draw", tmp_path / "a.json", tmp_path / "o.html", "--layout", tmp_path / "c.yaml"]
        code, _, error = ran(words, capsys)
        assert (code, error.count("\n")) == (2, 1)
        assert says in error
    assert not (tmp_path / "trace").exists()


# ---- bombs -----------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return content.getvalue()


def test_zip_bombs(tmp_path, capsys):
    zeros = io.BytesIO()
    np.save(zeros, np.zeros((100 << 20) // 8))
    (tmp_path / "bomb.npz").write_bytes(zipped({"keypoint.npy": zeros.getvalue()}))
    code, _, error = ran(["prepare", "npz", tmp_path / "bomb.npz", tmp_path / "out"], capsys)
    assert code == 2
    assert re.search(r"bomb\.npz has [\d,]+ bytes and would unpack to 104,", error)
    packed = io.BytesIO()
    np.savez_compressed(packed, keypoint=np.zeros((100, 25, 3)))  # a file that is small because it says little
    (tmp_path / "fine.npz").write_bytes(packed.getvalue())
    assert "no array 'length'" in ran(["prepare", "npz", tmp_path / "fine.npz", tmp_path / "out"], capsys)[2]

    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as file:
        members = {name: file.read(name) for name in file.namelist()}
    for bomb in (zipped(members), zipped(members | {"a/data/0": bytes(1 << 20)})):
        (tmp_path / "a.pth").write_bytes(bomb)
        with pytest.raises(ValueError, match=r"a\.pth is not a checkpoint .* would unpack to more"):
            load_model(tmp_path / "a.pth")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"clips": ' + "9" * 100_000 + "}", "[" * 10**5 + "]" * 10**5])
def test_json_without_end(tmp_path, capsys, text):
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset.json").write_text(text)
    for words in (["prepare", "table", tmp_path / "a.json", tmp_path / "out"], ["inspect", tmp_path / "a.json"],
                  ["draw", tmp_path / "set", tmp_path / "o.html"]):  # fmt: skip
        code, out, error = ran(words, capsys)
        assert code
        assert "not readable JSON" in out + error


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path):
    """A table whose clips and classes have such names, and a network for these classes."""
    rng = np.random.default_rng(0)
    clips = [
        {"name": name, "label": name, "subject": name, "split": "val" if i % 3 else "train",
         "keypoint": rng.uniform(0, 99, (1, 5, 17, 2)).round(1).tolist()}
        for i, name in enumerate(NAMES)
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(
        json.dumps({"layout": "coco17", "fps": 30, "image_size": [99, 99], "clips": clips})
    )
    layout = load_layout("coco17")
    network = STGCN(torch.from_numpy(adjacency(layout)).float(), 2, len(NAMES), widths=[4])
    shown = [re.sub(r"[\x00-\x1f\u202e]", "\N{REPLACEMENT CHARACTER}", name.strip()) for name in NAMES]
    how = Preprocessing(people=1, normalize="none", sampling="resample", frames=5).to_dict()
    save_weights(tmp_path / "w.safetensors", network, layout=layout, class_names=shown, preprocessing=how)
    return tmp_path


def harmless(text: str) -> bool:
    """For a terminal: no line but ours, nothing to obey."""
    return not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_names_in_files_and_on_the_screen(named, capsys):
    before = {file for file in named.parent.rglob("*") if not file.is_relative_to(named)}
    data, weights = named / "set", named / "w.safetensors"
    results = [
        ran(words, capsys)
        for words in (
            ["prepare", "table", named / "a.json", data],
            ["inspect", data],
            ["inspect", named / "a.json"],
            ["predict", weights, data],
            ["predict", weights, named / "a.json"],
            ["predict", weights, data, "--out", named / "p.csv"],
            ["predict", weights, data, "--out", named / "p.json"],
            ["explain", weights, data, "--out", named / "e.csv"],
            ["draw", data, named / "d.html", "--weights", weights, "--clip", "0"],
            ["draw", named / "a.json", named / "d2.html", "--clip", "6"],
            ["convert", data, named / "arrays", "--format", "npy"],
            ["convert", data, named / "a.pkl"],
        )
    ]
    assert [code for code, _, _ in results if code > 1] == []
    assert all(harmless(out + error) for _, out, error in results)
    assert {file for file in named.parent.rglob("*") if not file.is_relative_to(named)} == before
    for table in ("p.csv", "e.csv"):
        rows = list(csv.reader((named / table).open(newline="", encoding="utf-8")))
        assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "@"))]
        assert any("cmd|" in cell for row in rows for cell in row)
    for page in ("d.html", "d2.html"):
        text = (named / page).read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert harmless(text.replace("\n", " "))
        assert "default-src 'none'" in text
    assert len(open_dataset(data)) == len(NAMES)


@pytest.mark.parametrize("name", ["\x1b[2J", "two\nlines", "a\u202eb"])
def test_names_in_our_own_files_are_cleaned_too(named, name):
    assert main(["prepare", "table", str(named / "a.json"), str(named / "set")]) == 0
    about = json.loads((named / "set" / "dataset.json").read_text(encoding="utf-8"))
    about["class_names"][1] = name
    del about["sha256_of_this"]
    (named / "set" / "dataset.json").write_text(json.dumps(about))
    assert harmless(open_dataset(named / "set").class_names[1])
    about["splits"] = {name: "x"} if isinstance(about["splits"], dict) else [name]
    (named / "set" / "dataset.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match=r"dataset\.json holds as a name"):
        open_dataset(named / "set")


# ---- links -----------------------------------------------------------------------------------------------------------


def test_what_a_link_points_to_is_not_written(named, capsys):
    """A file that is a link is replaced by a file of its own; a folder that is one is written where it points."""
    (named / "precious").write_text("as it was")
    for out in ("p.csv", "d.html"):
        (named / out).symlink_to(named / "precious")
    weights, data = named / "w.safetensors", named / "a.json"
    assert main(["predict", str(weights), str(data), "--out", str(named / "p.csv")]) == 0
    assert main(["draw", str(data), str(named / "d.html"), "--clip", "0"]) == 0
    assert (named / "precious").read_text() == "as it was"
    assert not (named / "d.html").is_symlink()

    (named / "elsewhere").mkdir()
    (named / "elsewhere" / "letter").write_text("as it was")
    (named / "set").symlink_to(named / "elsewhere")
    code, _, error = ran(["prepare", "table", data, named / "set", "--overwrite"], capsys)
    assert code == 2
    assert "not a dataset folder" in error
    assert os.listdir(named / "elsewhere") == ["letter"]


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n" for before, name in pairwise("abcdefghij")
)
RUNS = {
    "aliases": (BOMB, '{"mode": "train"}'),
    "a model of text": ("model: abc\n", '{"mode": "train"}'),
    "holds itself": ("a: &a [*a]\n", '{"mode": "train"}'),
    "nested log": ("epochs: 3\n", "[" * 100_000),
    "text as loss": ("epochs: 3\n", '{"mode": "train", "epoch": 1, "loss": "low"}'),
    "a huge epoch": ("epochs: 3\n", '{"mode": "train", "epoch": 1, "loss": ' + "9" * 5000 + "}"),
    "epochs of text": ("epochs: 3\n", '{"mode": "train", "epoch": "one"}'),
    "a list": ("- 1\n", '{"mode": "train"}'),
}  # fmt: skip


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_folder_of_a_stranger_is_one_problem_and_no_traceback(tmp_path, capsys, kind):
    config, log = RUNS[kind]
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(config)
    (run / "log.jsonl").write_text(log + "\n")
    code, shown, error = ran(["inspect", run], capsys)
    assert (code, error) == (1, "")
    assert "problem: " in shown
