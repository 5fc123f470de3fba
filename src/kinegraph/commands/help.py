"""`kinegraph VERB --help`: what a verb does, its options as people type them, its examples, on two screens at most.

All of it stands in the verb's docstring and signature, or in the data class of its options: what comes before `Args:`,
the options, and `Examples:`, which is printed as it stands. The fields of a data class are only named; `--help
preprocessing` explains those of one.
"""

import builtins
import collections.abc
import inspect
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

from kinegraph.commands.signature import SYNONYMS, Option, help_topic, options_of, usage_of
from kinegraph.messages import did_you_mean

WIDEST, NARROWEST = 100, 60  # columns
COLUMN = 26  # where the explanations begin
VALUES = {int: "N", float: "X", Path: "PATH"}  # what to type behind an option; TEXT for the rest


def answer_help(verb: Callable, argv: Sequence[str], from_config: bool) -> None:
    """Where argv asks for help, print it and exit; it needs no parser."""
    if (topic := help_topic(argv)) is not None:
        print(topic_text(verb, topic) if topic else help_text(verb, usage_of(verb, from_config), from_config))
        raise SystemExit(0)


def help_text(verb: Callable, usage: str, from_config: bool = False) -> str:
    """What `--help` prints. from_config: options may stand in a YAML file."""
    options = [option for option in options_of(verb) if "." not in option.name]
    words = [] if from_config else [option for option in options if option.word]
    lines = [f"usage: {usage}", "", *_wrapped(_about(verb)), ""]
    if from_config:
        lines += _entry("CONFIG", "YAML file with options as below, without dashes in front and with _.")
    lines += [line for option in words for line in _shown(option, option.name.upper())]
    lines += ["", "options:"]
    for option in options:
        if option not in words:
            lines += _group(option) if is_dataclass(option.annotation) else _shown(option)
    if from_config:
        lines += _entry("--print-config", "print the full config as it would run, and exit.")
        typed = ", ".join(f"--{other} for --{name}" for other, name in SYNONYMS.items())
        lines += _entry("also understood", f"{typed}.")
    return "\n".join([*lines, *_examples(verb)])


def topic_text(verb: Callable, topic: str) -> str:
    """What `--help TOPIC` prints: one option, the fields of a data class, or those of the class that is the default."""
    name = topic.lstrip("-").replace("-", "_").rstrip(".")
    options = {option.name: option for option in options_of(verb)}
    if name not in options:
        hint = did_you_mean(name, options)
        raise ValueError(f"there is no option '{topic}' of kinegraph {verb.__name__} to explain{hint}")
    lines, default = _shown(options[name]), options[name].default
    inside = [option for option in options.values() if option.name.startswith(f"{name}.")]
    if inspect.isclass(default):
        default = getattr(import_module(default.__module__), default.__qualname__)  # the verb's source has its name
        inside = [option for option in options_of(default, prefix=f"{name}.") if not option.word]  # words: the verb's
        lines += ["", *_wrapped(f"{_path(default)}: {_about(default)}"), "", f"another class's: --{name}.help CLASS"]
    if inside:
        lines += ["", f"options --{name}.NAME:"]
    for option in inside:
        if not is_dataclass(option.annotation):
            lines += _shown(option, option.name.removeprefix(f"{name}.").replace("_", "-"))
    return "\n".join(lines)


# ---- lines -----------------------------------------------------------------------------------------------------------


def _shown(option: Option, name: str | None = None) -> list[str]:
    """What an option is, under its own name with dashes or another one."""
    kind, typed = option.annotation, name or f"--{option.name.replace('_', '-')}"
    if kind is bool:
        return _entry(typed.replace("--", "--[no-]") if option.default is True else typed, option.says)
    said = option.says
    choices = [str(choice) for choice in _choices(kind)]
    if choices and not all(re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", said) for choice in choices):
        said += f" One of {', '.join(choices)}."
    if (default := _default(option.default)) and not re.search(r"by default|the default", said):
        said += f" (default: {default})"
    return _entry(typed if typed.isupper() else f"{typed} {_value(kind)}", said.strip())


def _group(option: Option) -> list[str]:
    """A data class in a few lines: its purpose and the names of its fields."""
    fields = [field.name for field in options_of(option.annotation) if not is_dataclass(field.annotation)]
    line = f"{option.says.rstrip('.')}: {', '.join(fields).replace('_', '-')}; --help {option.name} explains them."
    return _entry(f"--{option.name}.NAME", line)


def _entry(name: str, text: str) -> list[str]:
    start = f"  {name:<{COLUMN - 4}}  "
    indent = {"initial_indent": start, "subsequent_indent": " " * COLUMN}
    return textwrap.wrap(text, _width(), break_on_hyphens=False, **indent) or [start.rstrip()]


def _wrapped(text: str) -> list[str]:
    paragraphs = text.split("\n\n")
    lines = [[*textwrap.wrap(" ".join(part.split()), _width(), break_on_hyphens=False), ""] for part in paragraphs]
    return [line for part in lines for line in part][:-1]


def _width() -> int:
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


# ---- what the docstring and the signature say ------------------------------------------------------------------------


def _about(function: Callable) -> str:
    return re.split(r"\n(?:Args|Examples?|Raises|Returns|Shapes?):\s*\n", inspect.getdoc(function) or "")[0].strip()


def _examples(verb: Callable) -> list[str]:
    found = re.search(r"^Examples?:\n((?:[ \t]+\S.*\n?|\n)+)", inspect.getdoc(verb) or "", re.MULTILINE)
    return ["", "examples:", *textwrap.indent(textwrap.dedent(found[1]).strip(), "  ").splitlines()] if found else []


def _alone(annotation: object) -> object:
    """An annotation without its `| None`, of several kinds the first."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return kinds[0] if typing.get_origin(annotation) in (typing.Union, types.UnionType) else annotation


def _choices(annotation: object) -> tuple:
    """The values there are, if they are all there is."""
    kind = _alone(annotation)
    several = kind is not annotation and len({*typing.get_args(annotation), type(None)}) > 2
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Literal and not several else ()


def _value(annotation: object) -> str:
    """What stands for the value: N, PATH, N ... for several."""
    kind = _alone(annotation)
    match typing.get_origin(kind):
        case builtins.list | builtins.tuple | collections.abc.Sequence:
            return f"{_value(typing.get_args(kind)[0])} ..."
        case collections.abc.Callable:
            return "CLASS"
    return "YAML" if is_dataclass(kind) else VALUES.get(kind, "TEXT")


def _default(default: object) -> str:
    """A default as text; nothing where there is none to show."""
    if default in (None, inspect.Parameter.empty) or isinstance(default, bool) or is_dataclass(default):
        return ""
    if isinstance(default, tuple | list):
        return " ".join(map(str, default))
    return _path(default) if callable(default) else str(default)


def _path(thing: object) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"
