"""From the words people type to a verb's arguments: short ways of saying it, configs that are wrong, help, examples."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from kinegraph.cli import CONFIG_VERBS, VERBS, main
from kinegraph.commands.arguments import as_parsed, parser_for, read_config, read_options
from kinegraph.commands.help import help_text
from kinegraph.commands.signature import options_of
from kinegraph.commands.train import train
from tests.foreign.projects import pyskl

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / "configs" / "demo_synthetic.yaml")


def function_of(verb: str):
    return getattr(import_module(f"kinegraph.commands.{verb}"), verb)


def examples() -> list[list[str]]:
    """The words of every example in the help of every verb, without the remark behind it."""
    texts = [help_text(function_of(verb), "").partition("\nexamples:\n")[2] for verb in VERBS]
    lines = [line for text in texts for line in text.splitlines()]
    return [shlex.split(re.split(r"\s{2,}|\s>\s", line.strip())[0].split(" | ")[-1]) for line in lines if line.strip()]


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_an_example_is_understood(words, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    (tmp_path / "theirs.py").write_text(pyskl("stgcn", "j", False))
    program, verb, *words = words
    assert program == "kinegraph"
    function, from_config = function_of(verb), verb in CONFIG_VERBS
    words = [CONFIG if word.endswith(".yaml") and not Path(word).is_file() else word for word in words]
    theirs = [word for word in words if word.endswith(".py") and "configs/" in word]
    words = [str(tmp_path / "theirs.py") if word in theirs else word for word in words]
    words += ["--dataset", str(tmp_path)] if theirs else []
    if verb == "test" and words[0] == "runs/mine":  # a run folder in place of its config
        (tmp_path / "config.yaml").write_text("{}")
        words[0] = str(tmp_path)
    words = getattr(import_module(f"kinegraph.commands.{verb}"), "words", list)(words)
    words = [CONFIG if word == str(tmp_path / "config.yaml") else word for word in words]
    read_options(parser_for(function, from_config), function, words, from_config)


def options(*words: str):
    return read_options(parser_for(train, True), train, words, True)


@pytest.mark.parametrize(
    ("words", "same"),
    [
        (["--data.dataset", "a", "--data.split", "b"], ["--dataset", "a", "--split", "b"]),
        (["--lr", "0.2"], ["--optimizer.init_args.lr", "0.2"]),
        (["--optimizer.lr", "0.2"], ["--optimizer.init_args.lr", "0.2"]),
        (["--preprocessing.streams", "joint", "bone"], ["--preprocessing.streams", "[joint, bone]"]),
        (["--preprocessing.streams", "bone"], ["--preprocessing.streams", "[bone]"]),
        (["--preprocessing.augment.rotation", "0.1", "0", "0.2"], ["--preprocessing.augment.rotation=[0.1,0,0.2]"]),
        (["--preprocessing.test-mirror"], ["--preprocessing.test_mirror=true"]),
        (["--schedule.milestones", "3", "4.5"], ["--schedule.milestones=[3, 4.5]"]),
        (["--no-validate"], ["--validate=false"]),
        (["--model.widths", "8", "16"], ["--model.init_args.widths", "[8, 16]"]),
        (["--model.init_args.widths", "8", "16"], ["--model.init_args.widths=[8,16]"]),
        (["--loss.class_weights", "balanced"], ["--loss.init_args.class_weights=balanced"]),
        (["--loss.class_weights", "1", "2"], ["--loss.init_args.class_weights=[1, 2]"]),
        (["--model.graph-residual"], ["--model.init_args.graph_residual=true"]),
        (["--precision", "bf16"], ["--precision=bf16-mixed"]),
        (["--precision", "16"], ["--precision=16-mixed"]),
        (["--work-dir", "-x"], ["--work_dir=-x"]),
    ],
)
def test_two_ways_of_saying_it(words, same):
    assert options(CONFIG, *words) == options(CONFIG, *same)
    assert options(CONFIG, *words) != options(CONFIG)


def test_a_config_names_a_precision_as_people_do(tmp_path):
    (tmp_path / "c.yaml").write_text("dataset: a\nsplit: b\nprecision: 16\n")
    assert read_config(train, tmp_path / "c.yaml").precision == "16-mixed"


def test_the_config_may_stand_anywhere():
    assert options("--epochs", "3", CONFIG, "--no-validate") == options(CONFIG, "--epochs", "3", "--no-validate")
    assert options("--epochs", "3", CONFIG).epochs == 3  # and does not undo what was said before it


def test_a_verb_that_has_no_such_option_keeps_its_own_words():
    assert as_parsed(function_of("fuse"), ["a", "b", "--data", "c"]) == ['["a", "b"]', "--data=c"]


@pytest.mark.parametrize("name", ["run #1/a.pkl", "ä: ö, [ü].pkl", "😀 'x' \"y\".pkl"])
def test_a_path_in_a_list_may_hold_any_character(name):
    fuse = function_of("fuse")
    words = [name, "b.pkl", "--data", "c", "--search-results", name, "d"]
    found = read_options(parser_for(fuse), fuse, words, False)
    assert found.results == [Path(name), Path("b.pkl")]
    assert found.search_results == [Path(name), Path("d")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("# only a remark\n", "is empty"),
        ("dataset: a\n  split: [b\n", "line 2: "),
        ("- a\n- b\n", "line 1 is no option"),
        ("epochs: 3\nseed: 1\nepochs: 4\n", "line 3: 'epochs' is already on line 1"),
        ("preprocessing:\n  frames: 3\n  frames: 4\n", "line 3: 'frames' is already on line 2"),
        ("\0", "no text that YAML can be"),
        ("dataset: a\nsplit: b\nepochs:\n", "epochs is there without a value"),
        ("dataset: a\nsplit: b\npreprocessing: {fames: 3}\n", "preprocessing.fames' of kinegraph train; did you mean"),
        ("dataset: a\nsplit: b\nschedule: cosine\n", "schedule: "),
        ("dataset: a\nsplit: b\noptimizer: {rate: 1}\n", "optimizer"),
        ("dataset: a\nsplit: b\noptimizer: {class_path: torch.optim.SGD, lr: 1}\n", "under init_args"),
        ("epochs: 3\n", "dataset and split are missing"),
    ],
)
def test_a_broken_config_is_one_line_with_its_place(tmp_path, capsys, text, says):
    path = tmp_path / "my config.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["train", str(path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert "<" not in error
    assert "line" not in says or str(path) in error


def test_help_explains_one_option_or_the_fields_of_one(capsys):
    for topic, words in {
        "preprocessing": ["people N", "augment.rotation X ...", "(default: 300)"],
        "--preprocessing.frames": ["frames the network sees"],
        "epochs": ["--epochs N", "(default: 80)"],
        "model": ["kinegraph.models.stgcn.STGCN: ", "widths N ..."],
    }.items():
        with pytest.raises(SystemExit) as end:
            main(["train", "--help", topic])
        assert end.value.code == 0
        told = capsys.readouterr().out
        assert all(word in told for word in words), told
    assert main(["train", "--help", "preprocesing"]) == 2
    assert "did you mean 'preprocessing'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_in_the_help_and_says_something(verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    function = function_of(verb)
    told = help_text(function, "", verb in CONFIG_VERBS)
    for option in options_of(function):
        if "." not in option.name:
            assert option.says, option.name
            assert re.search(rf"(^  |--|--\[no-\]){re.escape(option.name.replace('_', '-'))}\b", told, re.M | re.I)


PUBLISHED = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
TORCHS = {"lr": 1e-3, "momentum": 0, "nesterov": False, "weight_decay": 0}
OURS = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.5, "weight_decay": 0.3}}


@pytest.mark.parametrize(
    ("written", "words", "expected"),
    [
        (None, ["--optimizer.lr", "0.01"], PUBLISHED | {"lr": 0.01}),
        ({"lr": 0.05}, [], PUBLISHED | {"lr": 0.05}),
        ("torch.optim.SGD", [], TORCHS),
        ({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.05}}, [], TORCHS | {"lr": 0.05}),
        ({"class_path": "torch.optim.Adam"}, [], {"lr": 1e-3, "weight_decay": 0}),
        (None, ["--optimizer", "SGD", "--optimizer.momentum", "0.5"], TORCHS | {"momentum": 0.5}),
        (OURS, ["--optimizer.lr", "0.02"], TORCHS | {"lr": 0.02, "weight_decay": 0.3}),
        (OURS, ["--optimizer", "torch.optim.AdamW"], {"lr": 1e-3, "weight_decay": 0.01}),
        (OURS, ["--optimizer", "torch.optim.AdamW", "--optimizer.lr", "0.02"], {"lr": 0.02, "weight_decay": 0.01}),
        (OURS, ["--optimizer", '{"class_path": "torch.optim.Adam", "init_args": {"lr": 0.2}}'],
         {"lr": 0.2, "weight_decay": 0}),
    ],
)  # fmt: skip
def test_an_optimizer_has_its_own_defaults(tmp_path, written, words, expected):
    config = {"dataset": "a", "split": "b"} | ({"optimizer": written} if written else {})
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    found = vars(read_config(train, tmp_path / "c.yaml", words).optimizer.init_args)
    assert found | expected == found


@pytest.mark.parametrize("name", ["kinegraph.commands.train.sgd", "kinegraph.training.optimizer.PublishedSGD"])
def test_runs_of_earlier_versions_name_their_optimizer_otherwise(tmp_path, name):
    (tmp_path / "c.yaml").write_text(f"dataset: a\nsplit: b\noptimizer: {name}\n")
    found = read_config(train, tmp_path / "c.yaml").optimizer
    assert found.class_path == "kinegraph.training.optim.PublishedSGD"
    assert vars(found.init_args) == PUBLISHED
