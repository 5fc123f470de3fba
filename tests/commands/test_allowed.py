"""A config names classes of a fixed list. Nothing else that it or a command line names is imported or called."""

import builtins
import inspect
import os
import pkgutil
import shutil
import subprocess
from functools import partial
from importlib import import_module

import pytest
import torch
import yaml

import kinegraph.models
import kinegraph.training
from kinegraph.allowed import LOSSES, NETWORKS, OPTIMIZERS, RENAMED, allowed_class, allowed_name
from kinegraph.cli import main
from kinegraph.training.losses import build_loss
from tests import made_up

CODE = {"body": {"_code": "\n"}, "import_block": "import os; os.system('id > PWNED')\ndef forward(self, x): return x\n"}
EXEC = {"class_path": "torch.fx.graph_module.reduce_graph_module", "init_args": CODE}
IMPORT = {"class_path": "pwn.Net"}  # a module in the working directory
NESTED = {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"weight": EXEC}}
AS_TEXT = yaml.safe_dump(EXEC, default_flow_style=True, width=10_000)


def config(**options: object) -> str:
    return yaml.safe_dump({"dataset": "nowhere", "split": "xsub"} | options)


HOSTILE = {
    "the class itself": (config(loss=EXEC), []),
    "inside of an allowed class": (config(loss=NESTED), []),
    "in a list": (config(optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": [EXEC]}}), []),
    "as text": (config(loss=AS_TEXT), []),
    "as text with an escape": (config(loss='{"class\\u005fpath": "pwn.Net"}'), []),
    "a key with dots": (config(**{"loss.init_args.weight.class_path": "pwn.Net"}), []),
    "further arguments": (config(model={"class_path": NETWORKS[0], "dict_kwargs": {"norm": IMPORT}}), []),
    "in an option without a class": (config(preprocessing=IMPORT), []),
    "a module of the working directory": (config(model="pwn.Net"), []),
    "a method of an allowed class": (config(optimizer="torch.optim.SGD.__init__"), []),
    "typed as a class": (config(), ["--loss.class_path", "pwn.Net"]),
    "typed as one word": (config(), ["--model=pwn.Net"]),
    "typed, abbreviated": (config(), ["--los", "pwn.Net"]),
    "typed as YAML": (config(), ["--loss", AS_TEXT]),
    "typed for an argument": (config(), ["--loss.init_args.weight", AS_TEXT]),
    "typed for its help": (config(), ["--model.help", "pwn.Net"]),
    "a config in a config": (config(config="evil.yaml"), []),
    "a second config": (config(), ["--config", "evil.yaml"]),
    "a second config, abbreviated": (config(), ["--conf=evil.yaml"]),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "pwn.py").write_text("open('PWNED', 'w')\nimport torch\nclass Net(torch.nn.Module): pass\n")
    (tmp_path / "evil.yaml").write_text(config(loss=EXEC))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_not_in_the_list_is_refused_in_one_line(here, capsys, case):
    text, words = HOSTILE[case]
    (here / "c.yaml").write_text(text)
    assert main(["train", "c.yaml", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    if "config" not in case and "abbreviated" not in case:
        assert "is not allowed; a config may name kinegraph's networks and losses, torch.optim's optimizers" in error
    assert not (here / "PWNED").exists()


def test_every_command_that_reads_a_config_refuses_it(here, capsys):
    made_up.dataset(here / "data")
    made_up.config(here / "good.yaml", here / "data", epochs=1)
    assert main(["train", "good.yaml", "--work-dir", "run"]) == 0
    shutil.copy("evil.yaml", "run/config.yaml")
    weights = "run/checkpoints/last.safetensors"
    for words in (
        ["train", "run/config.yaml", "--work-dir", "run", "--resume"],
        ["test", "evil.yaml", weights],
        ["predict", weights, "data", "--preprocessing", "evil.yaml"],
        ["inspect", "run"],
    ):
        capsys.readouterr()
        main(words)
        assert words[0] == "inspect" or "reduce_graph_module' is not allowed" in capsys.readouterr().err
    assert not (here / "PWNED").exists()


def test_every_class_of_the_list_is_what_it_should_be():
    for name in (*NETWORKS, *LOSSES):
        assert issubclass(allowed_class(name), torch.nn.Module)
    for name in LOSSES:
        loss = build_loss(partial(allowed_class(name)), [3, 5, 2])(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
        assert loss.shape == ()
        assert loss > 0
    for name in OPTIMIZERS:
        assert issubclass(allowed_class(name), torch.optim.Optimizer)
        allowed_class(name)(torch.nn.Linear(3, 2).parameters())  # a matrix and a vector, as every network has
    known = {f"torch.optim.{it}" for it in torch.optim.__all__ if inspect.isclass(getattr(torch.optim, it))}
    unfit = {f"torch.optim.{it}" for it in ("Optimizer", "LBFGS", "Muon", "SparseAdam")}
    assert known - unfit == {name for name in OPTIMIZERS if name.startswith("torch.")}


def test_nothing_else_passes():
    ours = [f"{room.__name__}.{it.name}" for room in (kinegraph.models, kinegraph.training)
            for it in pkgutil.iter_modules(room.__path__)]  # fmt: skip
    places = ["torch", "torch.nn", "torch.nn.modules.loss", "torch.nn.functional", "torch.fx", "torch.fx.graph_module",
              "torch.jit", "torch.hub", "torch.optim", "torch.optim.lr_scheduler", "builtins", "os", "subprocess",
              "pathlib", "functools", "kinegraph.plugins", *ours]  # fmt: skip
    passed = set()
    for place in places:
        for name in vars(import_module(place)):
            try:
                passed.add(allowed_name(f"{place}.{name}"))
            except ValueError:
                continue
    missing = {name for name in OPTIMIZERS if name.startswith("torch") and not hasattr(torch.optim, name.split(".")[2])}
    assert passed == {*NETWORKS, *LOSSES, *OPTIMIZERS} - missing
    assert set(RENAMED.values()) <= passed
    for name in (*vars(builtins), *vars(os), *vars(subprocess), "", ".", 3, None, ["torch.optim.SGD"]):
        with pytest.raises(ValueError, match="is not allowed; a config may name"):
            allowed_name(name)


@pytest.mark.parametrize("named", ["c.yaml", "/dev/zero", "bomb.yaml"])
def test_a_config_in_a_config_is_refused_unread(here, capsys, named):
    (here / "bomb.yaml").write_text("".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 10 if i else 'x'}]\n" for i in range(9)))
    (here / "c.yaml").write_text(config(config=named))
    assert main(["train", "c.yaml"]) == 2
    assert (
        capsys.readouterr().err
        == "kinegraph: c.yaml: config: a config cannot name another config; write its options here\n"
    )
    (here / "zero.yaml").symlink_to("/dev/zero")
    assert main(["train", "zero.yaml"]) == 2
    assert "is a device or a pipe" in capsys.readouterr().err


def test_a_class_of_a_file_that_is_not_given_names_the_option():
    """As for weights from somebody who trained with a plugin; modules of Python and torch are no such files."""
    with pytest.raises(ValueError, match=r"a class of a file mynet\.py, give --plugins mynet\.py, where you trust"):
        allowed_name("mynet.AttentionNet")
    for name in ("os.system", "torch.load", "a.b.Net"):
        with pytest.raises(ValueError, match="is not allowed") as refused:
            allowed_name(name)
        assert "give --plugins" not in str(refused.value)
