"""How a verb's signature becomes its command line, and a YAML file a call of it."""

import inspect
import json
import re
import typing
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

# Parameters that no option sets: the YAML of the call itself and its file's name, for a verb that keeps them.
WRITTEN = ("config_text", "config_name")
NOT_KEPT = {"resume": False, "work_dir": None}  # of a call, not of what it computes: the YAML is to run again


class _Help(DefaultHelpFormatter):
    """jsonargparse's help as people read and type it: dashes, --no-validate, defaults; no Python types."""

    def _format_action(self, action):
        return (
            ""
            if action.option_strings and action.option_strings[0].endswith(".help")
            else super()._format_action(action)
        )

    def _format_action_invocation(self, action):
        text = re.sub(r", --\w+\+ \w+", "", super()._format_action_invocation(action))
        text = f"{action.dest} ..." if "LIST_OF_PATHS" in text else text
        text = re.sub(r"--[\w.]+", lambda option: option[0].replace("_", "-"), text)
        return re.sub(r"--([\w-]+) \{true,false\}", r"--\1, --no-\1", text)

    def _expand_help(self, action):
        text, _, told = super()._expand_help(action).partition(" (type: ")
        default = re.search(r"default: ([^{}]*)\)$", told)
        plain = default and not default[1].startswith(("null", "kinegraph.")) and default[1] not in ("True", "False")
        text = text.partition(" (required, type: ")[0]
        return f"{text} (default: {default[1]})" if plain else text


def parser_for(verb: Callable, from_config: bool = False) -> ArgumentParser:
    """A parser whose options are the function's parameters; with from_config they may stand in a YAML file."""
    name = f"kinegraph {verb.__name__}"
    usage = f"{name} {'CONFIG' if from_config else ' '.join(_needed(verb))} [--option value ...]"
    parser = ArgumentParser(prog=name, usage=usage, exit_on_error=False, formatter_class=_Help)
    if from_config:
        parser.add_argument("--config", action="config", help="YAML file with any of the options below")
    parser.add_function_arguments(verb, as_positional=not from_config, skip=set(WRITTEN), sub_configs=False)
    return parser


def parse(verb: Callable, argv: Sequence[str], from_config: bool = False) -> dict:
    """The verb's arguments, built; for a verb with a config also the whole call written down as YAML.

    argv: as typed; --work-dir and --work_dir are the same, booleans are --validate and --no-validate, a list option
    takes several words. Raises ValueError with one line that names the option, what was found and what is expected.
    """
    parser = parser_for(verb, from_config)
    options = read_options(parser, verb, argv, from_config)
    arguments = dict(parser.instantiate(options))
    if from_config:
        files = arguments.pop("config") or []
        for name in NOT_KEPT.keys() & vars(options).keys():
            options[name] = NOT_KEPT[name]
        written = parser.dump(options, skip_unset=False), Path(str(files[-1])).stem if files else ""
        arguments.update(zip(WRITTEN, written, strict=True))
    return arguments


def read_config(verb: Callable, path: Path, argv: Sequence[str] = ()) -> Namespace:
    """The options of a verb's YAML file, checked, nothing built yet."""
    return read_options(parser_for(verb, from_config=True), verb, [str(path), *argv], from_config=True)


def _needed(verb: Callable) -> list[str]:
    """What has to be given, as the usage line shows it."""
    needed = [it for it in inspect.signature(verb).parameters.values() if it.default is it.empty]
    return [
        f"--{it.name.replace('_', '-')} {it.name.upper()}"
        if it.kind is it.KEYWORD_ONLY
        else it.name.upper() + " ..." * _is_list(it.annotation)
        for it in needed
    ]


def read_options(parser: ArgumentParser, verb: Callable, argv: Sequence[str], from_config: bool) -> Namespace:
    words = as_parsed(verb, argv)
    if from_config and words and not words[0].startswith("-"):
        if not Path(words[0]).is_file():
            raise ValueError(f"no config file {words[0]}" + ", it is a folder" * Path(words[0]).is_dir())
        if Path(words[0]).suffix not in (".yaml", ".yml"):
            raise ValueError(f"{words[0]} is no YAML config; expected {parser.usage}")
        words = ["--config", *words]
    try:
        return parser.parse_args(words)
    except ArgumentError as error:
        raise ValueError(explain(str(error), parser)) from None


def as_parsed(verb: Callable, argv: Sequence[str]) -> list[str]:
    """The words as jsonargparse wants them, from the words as people type them."""
    parameters = inspect.signature(verb).parameters
    types = {name: parameter.annotation for name, parameter in parameters.items()}
    first = next(iter(parameters.values()))
    many = first.default is first.empty and _is_list(first.annotation)  # `fuse A B C`: these words are one list
    words, rest, several = [], list(argv), []
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            (several if many and not word.startswith("-") else words).append(word)
            continue
        option, equals, value = word[2:].partition("=")
        option = option.replace("-", "_")
        positive = option.removeprefix("no_")
        if types.get(option) is bool and not equals and not (rest and rest[0] in ("true", "false")):
            words.append(f"--{option}=true")
        elif option not in types and types.get(positive) is bool and not equals:
            words.append(f"--{positive}=false")
        elif _is_list(types.get(option)) and not equals:
            values = []
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            listed = ",".join(values)
            words.append(f"--{option}={listed if listed.startswith('[') else f'[{listed}]'}")
        elif many and option in types and not equals and rest and not rest[0].startswith("--"):
            words.append(f"--{option}={rest.pop(0)}")  # its value is not one of the several
        else:
            words.append(f"--{option}{equals}{value}")
    return [json.dumps(several), *words] if several else words


def _is_list(annotation) -> bool:
    choices = [annotation, *typing.get_args(annotation)]
    return any(typing.get_origin(choice) in (list, tuple, Sequence) for choice in choices)


def explain(problem: str, parser: ArgumentParser) -> str:
    """One line out of a parser's message: which option, what was found, what is allowed."""
    text = " ".join(problem.split())
    text = re.sub(r'^Parser key "([^"]+)":', r"\1:", text)
    text = re.sub(r"Type \S*Callable\[.*\] expects a function or a callable class: ", "", text)
    union = r"Does not validate against any of the Union subtypes.*?Errors: - (.*?) - Expected a <class 'NoneType'>.*?"
    text = re.sub(union + r"Given value type:.*?Given value: (.*)$", r"\1. Got value: \2", text)
    text = re.sub(r"Expected an? <class '(\w+)'>\.", r"expected \1.", text)
    text = re.sub(r"Expected an? typing\.Literal\[(.*?)\]\.", r"expected one of \1.", text)
    text = re.sub(r"\. Got value: Namespace\(.*\)$", "", text)
    text = re.sub(r"\. Got value: (.*)$", r", found '\1'", text)
    unknown = re.search(r"[Oo]ption '(\w+)' is not accepted|unrecognized arguments: --([\w.]+)", text)
    owner = re.search(r"class_path='([\w.]+)'", problem)
    if unknown and (close := _nearest(unknown[1] or unknown[2], parser, owner[1] if owner else None)):
        text = f"{text.rstrip('. ')}; did you mean '{close}'?"
    return text.strip()


def _nearest(name: str, parser: ArgumentParser, class_path: str | None) -> str | None:
    known = {option.lstrip("-") for action in parser._actions for option in action.option_strings}
    known |= {option.rpartition(".")[2] for option in known}
    if class_path:
        module, _, attribute = class_path.rpartition(".")
        known = set(inspect.signature(getattr(import_module(module), attribute)).parameters)
    return next(iter(get_close_matches(name, sorted(known), n=1)), None)


def check_numbers(least: int = 1, **numbers: int | None) -> None:
    """Raises ValueError naming the option that is smaller than `least`."""
    for name, number in numbers.items():
        if number is not None and number < least:
            raise ValueError(f"{name} is {number}, expected at least {least}")
