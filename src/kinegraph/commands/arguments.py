"""The command line of a verb, made of its signature; a YAML file may hold the options of a call."""

import inspect
import json
import re
import types
import typing
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from kinegraph.allowed import LOSSES, NETWORKS, OPTIMIZERS, OPTIONS, allowed_class, allowed_name
from kinegraph.commands.configs import config_values, find_config
from kinegraph.commands.help import answer_help
from kinegraph.commands.parse_errors import explain
from kinegraph.commands.signature import (
    SYNONYMS,
    arguments_of,
    help_topic,
    is_list,
    options_class,
    options_of,
    parameters_of,
    usage_of,
)
from kinegraph.data.augment import RENAMED
from kinegraph.plugins import load_plugins, plugin_files
from kinegraph.safe_io import parsed_yaml

PRECISIONS = {  # names of number formats -> Lightning's
    **dict.fromkeys(("32", "fp32", "float32"), "32-true"),
    **dict.fromkeys(("16", "fp16", "float16", "half"), "16-mixed"),
    **dict.fromkeys(("bf16", "bfloat16"), "bf16-mixed"),
    **dict.fromkeys(("64", "fp64", "float64", "double"), "64-true"),
}
OLD_NAMES = {f"preprocessing.augment.{old}": f"preprocessing.augment.{new}" for old, new in RENAMED.items()}

OWN_DATA = ("kinegraph.data.preprocessing.Preprocessing", "kinegraph.data.augment.Augment")  # options that hold options
# The parser imports no other name that a value gives, and builds nothing of a dictionary for an untyped parameter.
set_parsing_settings(
    import_path_denylist=["*"],
    import_path_allowlist=[*NETWORKS, *LOSSES, *OPTIMIZERS, *OWN_DATA],
    validate_subclass_spec_in_any=False,
    instantiate_subclass_spec_in_any=False,
)


def parser_for(verb: Callable, from_config: bool = False) -> ArgumentParser:
    """A parser whose options are the function's parameters; with from_config they may stand in a YAML file."""
    usage = usage_of(verb, from_config)
    parser = ArgumentParser(prog=f"kinegraph {verb.__name__}", usage=usage, exit_on_error=False, allow_abbrev=False)
    if from_config:
        parser.add_argument("--config", action="config", help="YAML file with any of the options below")
    declared = options_class(verb)
    rules = {"as_positional": not from_config, "sub_configs": False, "fail_untyped": False}
    if declared is verb:
        parser.add_function_arguments(verb, **rules)
    else:
        parser.add_class_arguments(declared, instantiate=False, **rules)
    return parser


def parse(verb: Callable, argv: Sequence[str], from_config: bool = False) -> dict:
    """The verb's arguments, built; for a verb with a config also the call written down as YAML.

    argv: as typed; --work-dir and --work_dir are the same, booleans are --validate and --no-validate, a list option
    takes several words. Raises ValueError with one line that names the option, what was found and what is expected.
    Where argv asks for help, prints it and exits.
    """
    if help_topic(argv) is not None:
        answer_help(verb, argv, from_config)
    parser = parser_for(verb, from_config)
    options = read_options(parser, verb, argv, from_config)
    arguments = {name: _builder(value) for name, value in parser.instantiate(options).items(nested=False)}
    declared = options_class(verb)
    if not from_config:
        return arguments if declared is verb else {"options": declared(**arguments)}
    del arguments["config"]
    words = _config_first(as_parsed(verb, argv))
    name = Path(words[1]).stem if words[:1] == ["--config"] else ""
    return {"options": declared(**arguments), "config_text": _written(parser, verb, options), "config_name": name}


def answer(verb: Callable, argv: Sequence[str], from_config: bool = False) -> Any:
    """Parse, and call the verb. Where it stops at a broken clip among others, the message says how to go on."""
    arguments = parse(verb, argv, from_config)
    try:
        return verb(**arguments)
    except ValueError as error:
        from kinegraph.data.reading.faults import OneOfSeveral

        named = {option.replace("-", "_") for option in re.findall(r"(?<![\w/-])--([a-z][a-z-]*)", str(error))}
        remedied = named & _kinds(verb).keys()  # the message names an option already; a path may hold any characters
        if isinstance(error, OneOfSeveral) and "skip_broken" in arguments and not remedied:
            raise ValueError(f"{error}; --skip-broken leaves out what is broken") from None
        raise


def _written(parser: ArgumentParser, verb: Callable, options: Namespace) -> str:
    """The options as YAML that runs again: those of the call itself are left at their defaults."""
    for field in fields(options_class(verb)):
        if field.metadata.get("resume") == "of the call":
            options[field.name] = field.default
    return parser.dump(options, skip_unset=False)


def written_options(verb: Callable, path: Path) -> dict[str, Any]:
    """The options in a config as plain data, with the defaults for those that it does not have."""
    parser = parser_for(verb, from_config=True)
    options = read_options(parser, verb, [str(path)], from_config=True)
    return yaml.safe_load(_written(parser, verb, options))


def _builder(value: object) -> object:
    """A class with its settings, still to be called, as the plain partial that it is."""
    if not isinstance(value, partial) or not (
        classes := [argument for argument in value.args if inspect.isclass(argument)]
    ):
        return value
    return partial(classes[0], **value.keywords)


def read_config(verb: Callable, path: Path, argv: Sequence[str] = ()) -> Namespace:
    """The options of a verb's YAML file, checked, nothing built yet."""
    return read_options(parser_for(verb, from_config=True), verb, [str(path), *argv], from_config=True)


def _files(word: str) -> list[str]:
    """The files that --plugins names."""
    option, _, value = word.partition("=")
    files = parsed_yaml(value, option)
    return [str(file) for file in files] if isinstance(files, list) else [value]


def read_options(parser: ArgumentParser, verb: Callable, argv: Sequence[str], from_config: bool) -> Namespace:
    """The options of a call, checked. The files of --plugins are run first: options may name what is in them."""
    words = as_parsed(verb, argv)
    written, given = [], None
    for word in words:
        if word.startswith("--plugins="):
            load_plugins(_files(word))
    if from_config:
        words = _config_first(words)
    if words[:1] == ["--config"]:
        given, words = read_options_file(find_config("".join(words[1:2]))), words[2:]
        given |= {name: PRECISIONS.get(str(value), value) for name, value in given.items() if name == "precision"}
        written = ["--config", yaml.safe_dump(given, sort_keys=False, allow_unicode=True)]  # what was checked
    if from_config:
        if any("--config".startswith(word.partition("=")[0]) for word in words if word.startswith("--con")):
            raise ValueError("expected one config, as the first word or behind --config; options change what it says")
        words = allow_words(words)
    try:
        options = parser.parse_args([*written, *words])
    except ArgumentError as error:
        raise ValueError(explain(str(error), parser, verb)) from None
    if given is not None:
        forget_other_classes(options, given, words)
    for name, parameter in parameters_of(verb).items():
        if parameter.default is not None and name in options and options[name] is None:
            raise ValueError(f"{name} is there without a value; give one or leave it out")
    return options


def _config_first(words: list[str]) -> list[str]:
    """The word that is no option's value is the config; what the command line says comes after it and counts more."""
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        if not word.startswith("-") and (not before.startswith("--") or "=" in before or before == "--config"):
            options = words[: i - (before == "--config")] + words[i + 1 :]
            return ["--config", word, *options]
    return words


def as_parsed(verb: Callable, argv: Sequence[str]) -> list[str]:
    """The words as jsonargparse wants them, from the words as people type them."""
    kinds, arguments = _kinds(verb), arguments_of(verb)
    many = arguments and is_list(arguments[-1].annotation)  # `fuse A B C`, `predict WEIGHTS A B`: the last are a list
    words, rest, several = [], list(argv), []
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            (several if many and not word.startswith("-") else words).append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        option = _meant(name.replace("-", "_"), kinds)
        positive = option.removeprefix("no_")
        kind = kinds.get(option.replace(".init_args.", "."))
        if kind is bool and not equals and not (rest and rest[0] in ("true", "false")):
            words.append(f"--{option}=true")
        elif option not in kinds and kinds.get(positive) is bool and not equals:
            words.append(f"--{positive}=false")
        elif is_list(kind) and not equals:
            values = []
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            if not values:
                raise ValueError(f"{word} is there without a value; give one or leave it out")
            words.append(f"--{option}={_listed(values, kind)}")
        else:
            if kind is not None and not equals:
                if not rest or rest[0].startswith("--"):
                    raise ValueError(f"{word} is there without a value; give one or leave it out")
                equals, value = "=", rest.pop(0)  # so it may begin with a dash, and is not one of the several
            words.append(f"--{option}{equals}{PRECISIONS.get(value, value) if option == 'precision' else value}")
    last = len(arguments) - 1
    alone, together = several[:last], several[last:]
    return [*alone, *([_listed(together, list[Path])] if together else []), *words]


def _meant(name: str, kinds: Mapping[str, object]) -> str:
    """The option of today that a word stands for."""
    name = OLD_NAMES.get(name, name)
    meant = SYNONYMS.get(name, name)
    return meant if name not in kinds and meant.partition(".")[0] in kinds else name


def _kinds(verb: Callable) -> dict[str, object]:
    """The type of every option, those of the classes that are defaults too."""
    kinds = {option.name: option.annotation for option in options_of(verb)}
    for name, parameter in parameters_of(verb).items():
        if inspect.isclass(parameter.default) and parameter.default is not parameter.empty:
            kinds |= {option.name: option.annotation for option in options_of(parameter.default, prefix=f"{name}.")}
    return kinds


def _listed(values: Sequence[str], annotation: object) -> str:
    """Several words as a YAML list; text in quotes, in which a path may hold any character."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    choices = typing.get_args(annotation) if union else ()  # of a list or a word, such as "balanced"
    words = [
        word for choice in choices if typing.get_origin(choice) is typing.Literal for word in typing.get_args(choice)
    ]
    if len(values) == 1 and (values[0].startswith("[") or values[0] in words):
        return values[0]
    numbers = re.search(r"\b(int|float)\b", str(annotation))
    return f"[{','.join(values)}]" if numbers else json.dumps(list(values), ensure_ascii=False)


# ---- the file of a call ----------------------------------------------------------------------------------------------


def read_options_file(path: Path) -> dict[str, object]:
    """The options in a YAML file, class names in full. Raises ValueError, naming the line or the option."""
    options = config_values(path)
    _check_plugins(path, options.get("plugins"))
    _rename_augmentation(options.get("preprocessing"))
    return {str(name): _allowed(value, str(name)) for name, value in options.items()}


def _rename_augmentation(preprocessing: object) -> None:
    """Give the fields in a config of an earlier version their names of today."""
    augment = preprocessing.get("augment") if isinstance(preprocessing, dict) else None
    if isinstance(augment, dict):
        preprocessing["augment"] = {RENAMED.get(str(name), name): value for name, value in augment.items()}


def _check_plugins(path: Path, named: object) -> None:
    """A config only records its plugins; the user names them again. Raises ValueError for one that is not loaded."""
    if not named:
        return
    files = [str(file) for file in (named if isinstance(named, list) else [named])]
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
    if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in named.values()):
        return value
    apart = {name: value for name, value in given.items() if name not in named}
    kept = {name: value for name, value in given.items() if name in named}
    return value | {"init_args": kept, "dict_kwargs": {**apart, **value.get("dict_kwargs", {})}}


def _parsed(text: str, key: str) -> Mapping | list | None:
    """The mapping or list that the parser would read from a text; None for other texts."""
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
    """Give each class its own defaults in place of settings that the config or the verb has for another class."""
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
