"""How a verb's signature becomes its command line, and a YAML file a call of it."""

import inspect
import json
import re
import types
import typing
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import docstring_parser
import yaml
from jsonargparse import ArgumentParser, Namespace

from kinegraph.commands.complaints import explain
from kinegraph.commands.configs import allow_words, forget_other_classes, read_options_file
from kinegraph.commands.declared import SYNONYMS
from kinegraph.commands.named_configs import find_config
from kinegraph.data.augment import RENAMED
from kinegraph.plugins import load_plugins
from kinegraph.safe_io import parsed_yaml

CONFIGS = (".yaml", ".yml")
LARGEST = 2**63 - 1  # what torch takes as a seed
MOST = {"workers": 128, "devices": 64, "nodes": 10_000}  # processes: more would take the machine's memory
PRECISIONS = {  # names of number formats -> Lightning's
    **dict.fromkeys(("32", "fp32", "float32"), "32-true"),
    **dict.fromkeys(("16", "fp16", "float16", "half"), "16-mixed"),
    **dict.fromkeys(("bf16", "bfloat16"), "bf16-mixed"),
    **dict.fromkeys(("64", "fp64", "float64", "double"), "64-true"),
}
OLD_NAMES = {f"preprocessing.augment.{old}": f"preprocessing.augment.{new}" for old, new in RENAMED.items()}


@dataclass(frozen=True)
class Option:
    """A parameter of a verb or a field of one of its data classes, name with dots. word: among those without a dash."""

    name: str
    says: str
    annotation: object
    default: object
    word: bool = False


def options_class(verb: Callable) -> Callable:
    """What declares a verb's options: the data class that it takes as `options`, or else the verb itself."""
    declared = inspect.signature(verb).parameters.get("options")
    return declared.annotation if declared is not None and is_dataclass(declared.annotation) else verb


def parameters_of(verb: Callable) -> Mapping[str, inspect.Parameter]:
    """The options of a verb by name."""
    return inspect.signature(options_class(verb)).parameters


def options_of(function: Callable, prefix: str = "") -> Iterator[Option]:
    """The options of a verb or the parameters of a class in order; those of a data class after it."""
    declared = options_class(function)
    fields_here = fields(declared) if is_dataclass(declared) else ()
    documented = docstring_parser.parse(inspect.getdoc(declared) or "", style=docstring_parser.DocstringStyle.GOOGLE)
    says = {it.arg_name: " ".join((it.description or "").split()) for it in documented.params}
    says |= {it.name: it.metadata["help"] for it in fields_here if "help" in it.metadata}
    for it in inspect.signature(declared).parameters.values():
        name = f"{prefix}{it.name}"
        word = it.default is it.empty and it.kind is not it.KEYWORD_ONLY
        default = None if is_dataclass(it.annotation) else it.default
        yield Option(name, says.get(it.name, ""), it.annotation, default, word)
        if is_dataclass(it.annotation):
            yield from options_of(it.annotation, prefix=f"{name}.")


def parser_for(verb: Callable, from_config: bool = False) -> ArgumentParser:
    """A parser whose options are the function's parameters; with from_config they may stand in a YAML file."""
    name = f"kinegraph {verb.__name__}"
    usage = f"{name} {'CONFIG' if from_config else ' '.join(_needed(verb))} [--option value ...]"
    parser = ArgumentParser(prog=name, usage=usage, exit_on_error=False, allow_abbrev=False)
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
    parser = parser_for(verb, from_config)
    if (topic := help_topic(argv)) is not None:
        from kinegraph.commands.help import help_text, topic_text

        print(topic_text(verb, topic) if topic else help_text(verb, parser.usage, from_config))
        raise SystemExit(0)
    options = read_options(parser, verb, argv, from_config)
    arguments = {name: _builder(value) for name, value in parser.instantiate(options).items(nested=False)}
    if not from_config:
        return arguments
    del arguments["config"]
    words = _config_first(as_parsed(verb, argv))
    name = Path(words[1]).stem if words[:1] == ["--config"] else ""
    return {
        "options": options_class(verb)(**arguments),
        "config_text": _written(parser, verb, options),
        "config_name": name,
    }


def _written(parser: ArgumentParser, verb: Callable, options: Namespace) -> str:
    """The options as YAML that runs again: those of the call itself are left at their defaults."""
    for it in fields(options_class(verb)):
        if it.metadata.get("resume") == "of the call":
            options[it.name] = it.default
    return parser.dump(options, skip_unset=False)


def written_options(verb: Callable, path: Path) -> dict[str, Any]:
    """The options in a config as plain data, with the defaults for those that it does not have."""
    parser = parser_for(verb, from_config=True)
    options = read_options(parser, verb, [str(path)], from_config=True)
    return yaml.safe_load(_written(parser, verb, options))


def _builder(value: object) -> object:
    """A class with its settings, still to be called, as the plain partial that it is."""
    if not isinstance(value, partial) or not (classes := [it for it in value.args if inspect.isclass(it)]):
        return value
    return partial(classes[0], **value.keywords)


def read_config(verb: Callable, path: Path, argv: Sequence[str] = ()) -> Namespace:
    """The options of a verb's YAML file, checked, nothing built yet."""
    return read_options(parser_for(verb, from_config=True), verb, [str(path), *argv], from_config=True)


def _needed(verb: Callable) -> list[str]:
    """What has to be given, as the usage line shows it."""
    needed = [it for it in parameters_of(verb).values() if it.default is it.empty]
    return [
        f"--{it.name.replace('_', '-')} {it.name.upper()}"
        if it.kind is it.KEYWORD_ONLY
        else it.name.upper() + " ..." * _is_list(it.annotation)
        for it in needed
    ]


def help_topic(argv: Sequence[str]) -> str | None:
    """What `--help` is to explain: nothing in particular (""), or the word behind it; None where nobody asks."""
    for i, word in enumerate(argv):
        if word in ("-h", "--help") or word.startswith("--help="):
            topic = "".join(argv[i + 1 : i + 2]) if word in ("-h", "--help") else word.partition("=")[2]
            return "" if Path(topic).suffix in CONFIGS else topic
    return None


def _files(word: str) -> list[str]:
    """The files that --plugins names."""
    option, _, value = word.partition("=")
    files = parsed_yaml(value, option)
    return [str(file) for file in files] if isinstance(files, list) else [value]


def read_options(parser: ArgumentParser, verb: Callable, argv: Sequence[str], from_config: bool) -> Namespace:
    words = as_parsed(verb, argv)
    written, given = [], None
    if from_config:
        words = _config_first(words)
        for word in words:
            if word.startswith("--plugins="):
                load_plugins(_files(word))
    if words[:1] == ["--config"]:
        given, words = read_options_file(find_config("".join(words[1:2]))), words[2:]
        given |= {name: PRECISIONS.get(str(it), it) for name, it in given.items() if name == "precision"}
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
    parameters = parameters_of(verb)
    kinds = _kinds(verb)
    needed = [it for it in parameters.values() if it.default is it.empty and it.kind is not it.KEYWORD_ONLY]
    many = needed and _is_list(needed[-1].annotation)  # `fuse A B C`, `predict WEIGHTS A B`: the last words are a list
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
        elif _is_list(kind) and not equals:
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
    alone, together = several[: len(needed) - 1], several[len(needed) - 1 :]
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
    words = [word for it in choices if typing.get_origin(it) is typing.Literal for word in typing.get_args(it)]
    if len(values) == 1 and (values[0].startswith("[") or values[0] in words):
        return values[0]
    numbers = re.search(r"\b(int|float)\b", str(annotation))
    return f"[{','.join(values)}]" if numbers else json.dumps(list(values), ensure_ascii=False)


def _is_list(annotation) -> bool:
    choices = [annotation, *typing.get_args(annotation)]
    return any(typing.get_origin(choice) in (list, tuple, Sequence) for choice in choices)


def check_numbers(least: int = 1, **numbers: int | None) -> None:
    """Raises ValueError naming the option that is smaller than `least`, or larger than a machine can bear."""
    for name, number in numbers.items():
        if number is not None and number < least:
            raise ValueError(f"{name} is {number}, expected at least {least}")
        if number is not None and number > (most := MOST.get(name, LARGEST)):
            raise ValueError(f"{name} is {number}, expected at most {most}")


def check_ranges(options: Any) -> None:
    """Raises ValueError for the first option of a data class that is outside of its range."""
    for it in fields(options):
        least, above, number = it.metadata["least"], it.metadata["above"], getattr(options, it.name)
        if least is not None and not isinstance(number, str):
            check_numbers(least, **{it.name: number})
        if above is not None and number is not None and not number > above:
            raise ValueError(f"{it.name} is {number:g}, expected more than {above}")
