"""A network, loss, optimizer and graph of the user's own: trained and resumed, and never loaded by a config alone."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from kinegraph import plugins
from kinegraph.cli import main
from tests import made_up
from tests.training.killed import killed_after

SOURCE = """
import numpy as np
import torch
from torch import nn

open("LOADED", "a").write("x")


def hips(layout):
    graph = np.eye(len(layout))[None].repeat(2, axis=0)
    graph[1, layout.centre] = 1
    return graph


def flat(layout):
    return np.eye(len(layout))


class Net(nn.Module):
    def __init__(self, A, in_channels, num_classes, width=8, deep=False, **more):
        super().__init__()
        self.register_buffer("A", A)
        self.config = {"channels": in_channels, "classes": num_classes, "width": width} | more
        self.hidden = nn.Linear(in_channels, width)
        self.head = nn.Linear(width, num_classes)
        self.deep, self.more = deep, more

    def forward(self, x):  # (N, M, T, V, C), without how many people there are
        return self.head((self.A.sum(0) @ self.hidden(x).tanh()).mean((1, 2, 3)))


class Loss(nn.Module):
    def __init__(self, counts, share=0.5):
        super().__init__()
        self.classes, self.share = len(counts), share

    def forward(self, logits, labels):
        return self.share * nn.functional.cross_entropy(logits, labels)


class Step(torch.optim.SGD):
    def __init__(self, params, lr=0.3):
        super().__init__(params, lr=lr)
"""
OWN = {
    "model": {"class_path": "mynet.Net", "init_args": {"width": 12, "deep": True, "colour": "red"}},
    "loss": {"class_path": "mynet.Loss", "init_args": {"share": 0.25}},
    "optimizer": {"class_path": "mynet.Step"},
    "partition": "mynet.hips",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_LOADED", {})
    sys.modules.pop("mynet", None)  # of the docs' tests
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(SOURCE)
    made_up.dataset(tmp_path / "data")
    made_up.config(tmp_path / "config.yaml", tmp_path / "data", **OWN)
    yield tmp_path
    sys.modules.pop("mynet", None)


def train(*words: object) -> int:
    return main(["train", "config.yaml", "--work-dir", *map(str, words)])


def test_all_four_are_trained_and_resumed_bit_for_bit(place):
    assert train("whole", "--plugins", "mynet.py") == 0
    config = yaml.safe_load(Path("whole/config.yaml").read_text())
    assert config["plugins"] == ["mynet.py"]
    assert config["model"]["init_args"] == {"width": 12, "deep": True}
    assert config["model"]["dict_kwargs"] == {"colour": "red"}
    whole = load_file("whole/checkpoints/last.safetensors")
    assert whole["A"].shape[0] == 2
    assert whole["module.hidden.weight"].shape[0] == 12

    with killed_after(8):
        train("killed", "--plugins", "mynet.py", "--save-every", "2")
    again = ["train", "killed/config.yaml", "--work-dir", "killed", "--resume"]
    assert main([*again, "--plugins", "mynet.py"]) == 0
    resumed = load_file("killed/checkpoints/last.safetensors")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("verb", ["train", "resume", "test", "predict"])
def test_a_config_alone_loads_no_plugin(place, monkeypatch, capsys, verb):
    assert train("run", "--plugins", "mynet.py", "--epochs", "1") == 0
    monkeypatch.setattr(plugins, "_LOADED", {})
    del sys.modules["mynet"]
    Path("LOADED").unlink()
    capsys.readouterr()
    weights = "run/checkpoints/last.safetensors"
    words = {
        "train": ["train", "run/config.yaml", "--work-dir", "other"],
        "resume": ["train", "run/config.yaml", "--work-dir", "run", "--resume"],
        "test": ["test", "run/config.yaml", weights],
        "predict": ["predict", weights, "data", "--preprocessing", "run/config.yaml"],
    }
    assert main(words[verb]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "a config alone runs no code of them: run again with --plugins mynet.py" in error
    assert not Path("LOADED").exists()
    assert train("third") == 2
    assert "'mynet.Net' is not allowed" in capsys.readouterr().err
    assert not Path("LOADED").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plugins", "absent.py"], "--plugins absent.py: expected a Python file"),
        (["--plugins", "mynet.py", "--partition", "mynet.hip"], "did you mean 'mynet.hips'?"),
        (["--plugins", "mynet.py", "--partition", "mynet.flat"], "mynet.flat gave an array (25, 25) of float64"),
        (["--plugins", "mynet.py", "--model", "mynet.Nett"], "did you mean 'mynet.Net'?"),
        (["--plugins", "mynet.py", "--model.dict_kwargs.colour", "blue"], ""),
        (["--plugins", "mynet.py", "--loss.shares", "0.5"], "loss: Loss has no option 'shares'; did you mean 'share'?"),
        (["--plugins", "mynet.py", "--freeze", "1"], "it needs --init-from"),
        (["--partition", "mynet.hips"], "is not allowed"),
    ],
)
def test_a_mistake_is_one_line(place, capsys, words, message):
    code = train("run", *words, "--epochs", "1")
    error = capsys.readouterr().err
    assert code == (2 if message else 0), error
    assert message in error
    if message:
        assert error.count("\n") == 1
        assert not Path("run").exists()
    else:
        assert yaml.safe_load(Path("run/config.yaml").read_text())["model"]["dict_kwargs"]["colour"] == "blue"


def test_a_forward_of_its_own_needs_no_people(place):
    """A subclass that replaces forward is a black box, from training to the weights that are read again."""
    source = "from kinegraph.models.stgcn import STGCN\n\n\nclass Mean(STGCN):\n"
    source += "    def forward(self, x):\n        return self.head(self.forward_features(x.mean(1)).mean((1, 2)))\n"
    (place / "own.py").write_text(source)
    model = {"class_path": "own.Mean", "init_args": {"widths": [8, 8]}}
    config = made_up.config(place / "own.yaml", place / "data", model=model, epochs=1)
    weights, plugin = "run/checkpoints/last.safetensors", ("--plugins", "own.py")
    assert main(["train", str(config), "--work-dir", "run", *plugin]) == 0
    assert main(["test", str(config), weights, *plugin, "--out", "result.pkl"]) == 0
    assert main(["predict", weights, "data", "--split", "xsub", *plugin]) == 0
    sys.modules.pop("own", None)


def test_a_file_that_changed_since_it_was_loaded_is_named(place):
    plugins.load_plugins(["mynet.py"])
    plugins.load_plugins(["mynet.py"])
    (place / "mynet.py").write_text(SOURCE + "\n# wider\n")
    with pytest.warns(UserWarning, match=r"mynet.py was changed since it was loaded, .* start Python again"):
        plugins.load_plugins(["mynet.py"])


WRONG = """
import torch
from torch import nn


class Other(nn.Module):
    def __init__(self, num_class=3):
        super().__init__()


class Order(nn.Module):
    def __init__(self, A, channels, classes):
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 1)

    def forward(self, x):
        N, C, T, V, M = x.size()
        return self.conv(x.permute(0, 4, 1, 2, 3).reshape(N * M, C, T, V)).mean((2, 3))


class Pair(nn.Module):
    def __init__(self, A, channels, classes):
        super().__init__()
        self.head = nn.Linear(channels, classes)

    def forward(self, x):
        y = self.head(x.mean((1, 2, 3)))
        return y, y


class Loss(nn.Module):
    def __init__(self, counts):
        super().__init__()

    def forward(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels) + missing


class Each(Loss):
    def forward(self, logits, labels):
        return nn.functional.cross_entropy(logits, labels, reduction="none")
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "wrong.Other"], "its constructor has (num_class=3), and has to begin with these three"),
        (["--model", "wrong.Order"], "wrong.py line 18, in forward: RuntimeError"),
        (["--model", "wrong.Order"], "(1, 2, 12, 25, 3); a network of (N, C, T, V, M) begins with x = x.permute"),
        (["--model", "wrong.Pair"], "Pair.forward returns a tuple, expected only the logits"),
        (["--loss", "wrong.Loss"], "wrong.py line 36, in forward: NameError: name 'missing' is not defined"),
        (["--loss", "wrong.Each"], "Each returns a tensor of shape (4,), expected one number"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_the_place(place, capsys, words, message):
    sys.modules.pop("wrong", None)
    made_up.config(Path("config.yaml"), Path("data"))
    Path("wrong.py").write_text(WRONG)
    assert train("run", "--plugins", "wrong.py", *words, "--epochs", "1") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "--loss" in words or not Path("run").exists()
