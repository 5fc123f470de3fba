"""What a verb's signature says of its options: needed for its help, without the parser."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import docstring_parser

CONFIGS = (".yaml", ".yml")


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
    """The options of a verb by name, those that it shares with other verbs at the end."""
    return {it.name: it for it in _parameters(options_class(verb))}


def _parameters(function: Callable) -> Iterator[inspect.Parameter]:
    """The parameters; `**options: Unpack[SomeTypedDict]` stands for its fields, which keep their help."""
    for it in inspect.signature(function).parameters.values():
        if it.kind is not it.VAR_KEYWORD:
            yield it
        elif typing.get_origin(it.annotation) is typing.Unpack:
            fields_of = typing.get_type_hints(*typing.get_args(it.annotation), include_extras=True)
            for name, hint in fields_of.items():
                yield inspect.Parameter(name, it.KEYWORD_ONLY, default=None, annotation=hint)


def options_of(function: Callable, prefix: str = "") -> Iterator[Option]:
    """The options of a verb or the parameters of a class in order; those of a data class after it."""
    declared = options_class(function)
    fields_here = fields(declared) if is_dataclass(declared) else ()
    documented = docstring_parser.parse(inspect.getdoc(declared) or "", style=docstring_parser.DocstringStyle.GOOGLE)
    says = {it.arg_name: " ".join((it.description or "").split()) for it in documented.params}
    says |= {it.name: it.metadata["help"] for it in fields_here if "help" in it.metadata}
    for it in _parameters(declared):
        name, annotation = f"{prefix}{it.name}", it.annotation
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, says[it.name] = typing.get_args(annotation)
        word = it.default is it.empty and it.kind is not it.KEYWORD_ONLY
        default = None if is_dataclass(annotation) else it.default
        yield Option(name, says.get(it.name, ""), annotation, default, word)
        if is_dataclass(annotation):
            yield from options_of(annotation, prefix=f"{name}.")


def usage_of(verb: Callable, from_config: bool = False) -> str:
    """How a call begins."""
    return f"kinegraph {verb.__name__} {'CONFIG' if from_config else ' '.join(_needed(verb))} [--option value ...]"


def _needed(verb: Callable) -> list[str]:
    """What has to be given, as the usage line shows it."""
    needed = [it for it in parameters_of(verb).values() if it.default is it.empty]
    return [
        f"--{it.name.replace('_', '-')} {it.name.upper()}"
        if it.kind is it.KEYWORD_ONLY
        else it.name.upper() + " ..." * is_list(it.annotation)
        for it in needed
    ]


def help_topic(argv: Sequence[str]) -> str | None:
    """What `--help` is to explain: nothing in particular (""), or the word behind it; None where nobody asks."""
    for i, word in enumerate(argv):
        if word in ("-h", "--help") or word.startswith("--help="):
            topic = "".join(argv[i + 1 : i + 2]) if word in ("-h", "--help") else word.partition("=")[2]
            return "" if Path(topic).suffix in CONFIGS else topic
    return None


def is_list(annotation) -> bool:
    choices = [annotation, *typing.get_args(annotation)]
    return any(typing.get_origin(choice) in (list, tuple, Sequence) for choice in choices)
