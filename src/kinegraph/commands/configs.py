"""The YAML file of a call, and the classes that it names, checked before anything is imported or built."""

import inspect
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import yaml
from jsonargparse import Namespace, set_parsing_settings

from kinegraph.allowed import LOSSES, NETWORKS, OPTIMIZERS, OPTIONS, allowed_class, allowed_name
from kinegraph.data.augment import RENAMED
from kinegraph.plugins import plugin_files
from kinegraph.safe_io import compose_yaml, parsed_yaml, read_yaml

OWN_DATA = ("kinegraph.data.preprocessing.Preprocessing", "kinegraph.data.augment.Augment")  # options that hold options
# The parser imports no other name that a value gives, and builds nothing of a dictionary for an untyped parameter.
set_parsing_settings(
    import_path_denylist=["*"],
    import_path_allowlist=[*NETWORKS, *LOSSES, *OPTIMIZERS, *OWN_DATA],
    validate_subclass_spec_in_any=False,
    instantiate_subclass_spec_in_any=False,
)


def read_options_file(path: Path) -> dict[str, object]:
    """The options in a YAML file, class names in full. Raises ValueError, naming the line or the option."""
    options = config_values(path)
    _check_plugins(path, options.get("plugins"))
    _rename_augmentation(options.get("preprocessing"))
    return {str(name): _allowed(value, str(name)) for name, value in options.items()}


def config_values(path: Path) -> dict[str, object]:
    """What a config says, as it stands there. Raises ValueError for a file that cannot be a config."""
    check_yaml(path)
    options = read_yaml(path)
    assert isinstance(options, dict)
    if "config" in options:
        raise ValueError(f"{path}: config: a config cannot name another config; write its options here")
    return options


def _rename_augmentation(preprocessing: object) -> None:
    """Give the fields in a config of an earlier version their names of today."""
    augment = preprocessing.get("augment") if isinstance(preprocessing, dict) else None
    if isinstance(augment, dict):
        preprocessing["augment"] = {RENAMED.get(str(name), name): value for name, value in augment.items()}


def check_yaml(path: Path) -> None:
    """Raise ValueError, naming the line, unless a config is a YAML file of options, each there once."""
    if path.is_dir():
        own = path / "config.yaml"
        raise ValueError(f"{path} is a folder, no YAML config" + (f"; did you mean {own}?" if own.is_file() else ""))
    if not path.exists():
        raise ValueError(f"there is no config file {path}")
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError(f"{path} is no YAML config: its name does not end in .yaml")
    if not path.is_file():
        raise ValueError(f"{path} is a device or a pipe, no YAML config")
    top = compose_yaml(path)
    read_yaml(path)
    if top is None:
        raise ValueError(f"{path} is empty; expected options, one a line, such as 'epochs: 20'")
    if not isinstance(top, yaml.MappingNode):
        raise ValueError(f"{path} line {top.start_mark.line + 1} is no option; expected lines such as 'epochs: 20'")
    _check_once(path, top)


def _check_once(path: Path, node: yaml.MappingNode) -> None:
    there: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if (first := there.setdefault(str(key.value), line)) != line:
            raise ValueError(f"{path} line {line}: '{key.value}' is already on line {first}; keep one of them")
        if isinstance(value, yaml.MappingNode):
            _check_once(path, value)


def _check_plugins(path: Path, named: object) -> None:
    """A config only records its plugins; the user names them again. Raises ValueError for one that is not loaded."""
    if not named:
        return
    files = [str(it) for it in (named if isinstance(named, list) else [named])]
    loaded = {file.stem for file in plugin_files()}
    if missing := [file for file in files if Path(file).stem not in loaded]:
        raise ValueError(
            f"{path} was written with plugins, and a config alone runs no code of them: run again with "
            f"--plugins {' '.join(missing)}"
        )


# ---- classes ---------------------------------------------------------------------------------------------------------


def allow_words(words: Sequence[str]) -> list[str]:
    """The words of a command line, class names in full. Raises ValueError for a class that is not allowed."""
    allowed, words = [], list(words)
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        option, equals, value = word.partition("=")
        if word.startswith("--"):
            allowed.append(f"{option}={_allowed_word(value, option)}" if equals else word)
        else:
            allowed.append(_allowed_word(word, before) if before.startswith("--") and "=" not in before else word)
    return allowed


def _allowed_word(value: str, option: str) -> str:
    checked = _allowed(value, option.lstrip("-").rstrip("+"))
    assert isinstance(checked, str)
    return checked


def _allowed(value: object, key: str) -> object:
    """A value with its class names in full, at every depth. key: where it stands, with dots.

    Raises ValueError, naming the key, for a class that is not allowed.
    """
    if isinstance(value, Mapping):
        return _kwargs_apart({name: _allowed(inner, f"{key}.{name}") for name, inner in value.items()})
    if isinstance(value, list | tuple | set):
        return [_allowed(inner, key) for inner in value]
    option, _, last = key.rpartition(".")
    is_name = last == "class_path" or key in OPTIONS or (last == "help" and option in OPTIONS)
    if isinstance(value, str) and (inner := _parsed(value, key)) is not None:
        checked = _allowed(inner, key)
        return json.dumps(checked) if checked != inner else value
    if not is_name or value is None or (key in OPTIONS and not isinstance(value, str)):
        return value
    option = key if key in OPTIONS else option
    try:
        name = allowed_name(value, option if option in OPTIONS else "")
        found = allowed_class(name)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None
    set_parsing_settings(import_path_allowlist=[name, f"{found.__module__}.{found.__qualname__}"])
    return name


def _kwargs_apart(value: dict) -> dict:
    """A class with its settings; those that its constructor takes as **kwargs stand in dict_kwargs, for the parser."""
    given = value.get("init_args")
    if "class_path" not in value or not isinstance(given, dict):
        return value
    named = inspect.signature(allowed_class(value["class_path"])).parameters
    if all(it.kind is not it.VAR_KEYWORD for it in named.values()):
        return value
    apart = {name: it for name, it in given.items() if name not in named}
    kept = {name: it for name, it in given.items() if name in named}
    return value | {"init_args": kept, "dict_kwargs": {**apart, **value.get("dict_kwargs", {})}}


def _parsed(text: str, key: str) -> Mapping | list | None:
    """The mapping or list that a text stands for, if it does: the parser reads it as one."""
    if not any(mark in text for mark in ":{[\n"):
        return None
    try:
        value = parsed_yaml(text, key)
    except ValueError as error:
        if "unfolds" in str(error) or "nested" in str(error) or "itself" in str(error):
            raise
        return None  # no YAML: text
    return value if isinstance(value, Mapping | list) else None


# ---- a class has its own defaults ------------------------------------------------------------------------------------


def forget_other_classes(options: Namespace, written: Mapping, words: Sequence[str]) -> None:
    """A class has its own defaults, not what the config or the verb's default says of another class."""
    for name, now in vars(options).items():
        if not isinstance(now, Namespace) or "init_args" not in now:
            continue
        attribute = now.class_path.rpartition(".")[2]
        given = _given_in(written.get(name), attribute) | _given_by(name, words)
        taken = inspect.signature(allowed_class(now.class_path)).parameters
        for key in vars(now.init_args).keys() - given:
            if key in taken and taken[key].default is not inspect.Parameter.empty:
                now.init_args[key] = taken[key].default


def _given_in(written: object, attribute: str) -> set[str]:
    """The settings that a config gives to the class `attribute`: none where it names another, or no settings."""
    if not isinstance(written, dict):
        return set()
    if "class_path" not in written:
        return {*written}
    return {*written.get("init_args", {})} if written["class_path"].rpartition(".")[2] == attribute else set()


def _given_by(name: str, words: Sequence[str]) -> set[str]:
    """The settings of a class on the command line, as --optimizer.lr 0.1 or --optimizer '{...}'."""
    given = set()
    for word, after in pairwise([*words, ""]):
        option, equals, value = word.partition("=")
        if option.startswith(f"--{name}."):
            given.add(option.rpartition(".")[2])
        elif option == f"--{name}" and (text := value if equals else after).startswith("{"):
            block = parsed_yaml(text, option)
            assert isinstance(block, dict)
            given |= {*block.get("init_args", block)}
    return given
