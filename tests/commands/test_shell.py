"""The shell: help, completion, options that are refused early, quiet output, readers who leave."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

from kinegraph.cli import CONFIG_VERBS, VERBS, main
from kinegraph.commands.completion import SCRIPTS, completions
from kinegraph.commands.configs import find_config, is_ours, named_configs
from kinegraph.commands.help import help_text
from kinegraph.commands.signature import check_names, declared, options_of, parameters_of, usage_of, verb_of
from kinegraph.foreign.main_py import MARKS
from kinegraph.foreign.mmskeleton import MARK
from tests import made_up

HEAVY = "print({'torch', 'numpy', 'jsonargparse'} & set(sys.modules))"


def imported_by(*words: str) -> str:
    code = f"import sys; from kinegraph.cli import main; main({list(words)!r}); {HEAVY}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    return ended.stdout.splitlines()[-1]


@pytest.mark.parametrize("verb", VERBS)
def test_the_source_says_what_the_signature_says(verb):
    function = getattr(import_module(f"kinegraph.commands.{verb}"), verb)
    assert [it.name for it in declared(verb) if "." not in it.name] == list(parameters_of(function))
    assert {it.name for it in declared(verb)} == {option.name for option in options_of(function)}
    from_config = verb in CONFIG_VERBS
    text = help_text(function, usage_of(function, from_config), from_config)
    assert help_text(verb_of(verb), usage_of(verb_of(verb), from_config), from_config) == text
    for option in declared(verb):
        check_names(verb, [f"--{option.name.replace('_', '-')}", f"--no-{option.name}" if option.flag else "value"])


def test_names_and_help_need_nothing_heavy():
    assert imported_by("train", "small_data", "--epoch", "3") == "set()"
    assert imported_by("train", "--list") == "set()"
    assert imported_by("predict", "a", "b", "--ot", "c") == "set()"
    assert "torch" not in imported_by("test", "a", "b", "--splt", "c")
    assert imported_by("completion", "--words", "train", "--") == "set()"


def test_no_help_needs_anything_heavy():
    code = f"""import sys
from kinegraph.cli import VERBS, main
for verb in VERBS:
    try:
        main([verb, "--help"])
    except SystemExit:
        pass
{HEAVY}"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert ended.stdout.count("usage: ") == len(VERBS)
    assert ended.stdout.splitlines()[-1] == "set()"


def test_help_by_name(capsys):
    for words in (["report", "--help"], ["help", "report"]):
        with pytest.raises(SystemExit):
            main(words)
    first, second = capsys.readouterr().out.split("usage: ")[1:]
    assert first == second
    assert main(["help"]) == 0
    assert "kinegraph COMMAND" in capsys.readouterr().out
    assert main(["help", "reprot"]) == 2
    assert "did you mean 'report'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["pre"], ["predict", "prepare"]),
        (["comp"], ["completion"]),
        (["help", "rep"], ["report"]),
        (["train", "small"], ["small_data", "small_data_quick"]),
        (["draw", "clip", "--th"], ["--theme"]),
        (["draw", "clip", "--theme", ""], ["light", "dark"]),
        (["train", "small_data", "--preprocessing.sam"], ["--preprocessing.sampling"]),
        (["draw", "clip", "--out", ""], []),  # a file
        (["nothing", ""], []),
    ],
)
def test_what_the_tab_key_gives(words, found):
    assert completions(VERBS, words, list(named_configs())) == found


def test_bash_completes(tmp_path):
    bash = "/bin/bash"
    if not os.path.exists(bash):
        pytest.skip("there is no bash")
    (tmp_path / "kinegraph").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kinegraph "$@"\n')
    (tmp_path / "kinegraph").chmod(0o755)
    (tmp_path / "clip file.csv").touch()

    def typed(*words: str) -> list[str]:
        line = " ".join(f"'{word}'" for word in ("kinegraph", *words))
        script = f"{SCRIPTS['bash']}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _kinegraph\n"
        script += """printf '%s\\n' "${COMPREPLY[@]}"\n"""
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        ended = subprocess.run([bash, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
        return ended.stdout.splitlines()

    assert typed("pre") == ["predict", "prepare"]
    assert typed("draw", "x", "--the") == ["--theme"]
    assert typed("inspect", "clip") == ["clip file.csv"]


def test_a_config_is_called_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = named_configs()["small_data"]
    assert (
        find_config("small_data") == find_config("small_data.yaml") == find_config("configs/small_data.yaml") == named
    )
    (tmp_path / "small_data").mkdir()  # no config
    assert find_config("small_data") == named
    own = tmp_path / "small_data.yaml"
    own.write_text("epochs: 2\n")
    assert find_config("small_data.yaml").resolve() == own
    with pytest.raises(ValueError, match="no config file small_dat; did you mean 'small_data'"):
        find_config("small_dat")


def test_quiet_shows_results_and_warnings_only(tmp_path, capsys):
    made_up.dataset(tmp_path / "dataset")
    config = made_up.config(tmp_path / "config.yaml", tmp_path / "dataset", epochs=1)
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run"), "-q"]) == 0
    printed = capsys.readouterr()
    assert "epoch 1/1" not in printed.err
    assert "last weights: " in printed.out
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run"), "--quiet"]) == 2
    assert capsys.readouterr().err.startswith(f"kinegraph: {tmp_path / 'run'} already holds a run")
    with pytest.raises(ValueError, match="already holds a run"):
        main(["-v", "train", str(config), "--work-dir", str(tmp_path / "run")])


def test_a_test_needs_no_config(tmp_path, capsys):
    made_up.dataset(tmp_path / "dataset")
    config = made_up.config(tmp_path / "config.yaml", tmp_path / "dataset", epochs=1)
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run")]) == 0
    weights = str(tmp_path / "run/checkpoints/last.safetensors")
    figures = []
    for words in (
        [str(tmp_path / "run/config.yaml"), weights],
        [str(tmp_path / "dataset"), weights, "--split", "xsub"],
    ):
        capsys.readouterr()
        assert main(["test", *words]) == 0
        figures.append(capsys.readouterr().out)
    assert figures[0] == figures[1]
    assert main(["test", str(tmp_path / "dataset"), weights]) == 2
    assert "is a dataset folder: give --split too" in capsys.readouterr().err


def test_a_config_of_ours_is_known_without_asking_for_other_projects(tmp_path):
    assert all(map(is_ours, named_configs().values()))
    assert not {MARK, *MARKS} & {option.name for option in declared("train")}  # so none of theirs is taken for ours
    (tmp_path / "theirs.yaml").write_text("work_dir: a\nfeeder: feeders.feeder.Feeder\nmodel_args: {}\n")
    assert not is_ours(tmp_path / "theirs.yaml")
