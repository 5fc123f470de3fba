"""What is wrong with a command line or its YAML file, in one line: which option, what was found, what is expected."""

import inspect
import re
from collections.abc import Callable

from jsonargparse import ArgumentParser

from kinegraph.allowed import ALLOWED, allowed_class
from kinegraph.commands.signature import SYNONYMS, missing
from kinegraph.messages import nearest

KINDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
KINDS |= {"list": "a list", "tuple": "a list", "Sequence": "a list", "dict": "options of its own"}

GIVEN = ("adjacency", "channels", "classes", "params", "counts")  # by the training, not by an option


def explain(problem: str, parser: ArgumentParser, verb: Callable) -> str:
    """A message of the parser as one line."""
    keys = re.findall(r'Parser key "([^"]+)":', problem)
    key = ".".join(key for i, key in enumerate(keys) if not any(other.endswith(f".{key}") for other in keys[:i]))
    owner = re.search(r"class_path='([\w.]+)'", problem)
    if lacking := re.search(r"following arguments are required: (.*)", problem):
        return missing(lacking[1].replace("_", "-").split(", "), str(parser.usage))
    if "Dict must include a class_path" in problem:
        if "'class_path':" in problem:
            return f"{key}: what a class is given stands under init_args, beside class_path"
        example = "torch.optim.SGD --optimizer.lr 0.1" if key == "optimizer" else f"CLASS --{key}.NAME VALUE"
        return f"{key} has options but no class; name it too: --{key} {example} (in a config class_path and init_args)"
    if wrong := re.search(r"(?:does not accept option|Option) '([\w.]+)'|unrecognized arguments: (\S+)", problem):
        group = re.search(r"Group '([\w.]+)'", problem)
        name = wrong[1] or wrong[2].lstrip("-").partition("=")[0]
        if wrong[2] and not wrong[2].startswith("-"):
            return f"'{wrong[2]}' is one word too many; expected {parser.usage}"
        if name == "class_path" and key:
            return f"{key}: what a class is given stands under init_args, beside class_path"
        if owner and key:
            taken = _taken_by(owner[1])
            hint = _near(name, taken) or f"; name has {', '.join(option for option in taken if option not in GIVEN)}"
            return f"{key}: {owner[1].rpartition('.')[2]} has no option '{name}'{hint}"
        full = f"{group[1]}.{name}" if group else name
        return f"there is no option '{full}' of kinegraph {verb.__name__}{_near(full, _known(parser))}"
    if refused := re.search(r"Importing '([\w.]+)' is not allowed|Expected '([\w.]+)' to be a function", problem):
        return f"{key}: '{refused[1] or refused[2]}' is not allowed; a config may name {ALLOWED}"
    if expected := _expected(problem):
        found = _found(problem)
        choices = re.findall(r"'([^']*)'", expected)
        return f"{key}: expected {expected}, found '{found}'{_near(found, choices)}"
    text = " ".join(re.sub(r"\. Got value: Namespace\(.*", "", problem, flags=re.DOTALL).split())
    text = re.sub(r"^(?:Parser key \"[^\"]+\": )*(?:Type .*? expects a function or a callable class: )?", "", text)
    return f"{key}: {text}" if key else text


def _expected(problem: str) -> str:
    """What the alternatives of a type are, in words."""
    kinds: dict[str, None] = {}
    for kind, choices in re.findall(r"Expected an? (?:<class '(?:[\w.]+\.)?(\w+)'>|typing\.Literal\[(.*?)\])", problem):
        if kind != "NoneType":
            kinds[f"one of {choices}" if "," in choices else choices or KINDS.get(kind, kind)] = None
    if of := re.search(r"Expected a tuple with (\d+) elements", problem):
        kinds = {f"{of[1]} values": None}
    return " or ".join(kinds)


def _found(problem: str) -> str:
    """The value that was found, the innermost of a list."""
    values = re.findall(r"Got value: (?!Namespace)(.*?)(?:\. Got value: Namespace.*)?$", problem, re.MULTILINE)
    given = re.findall(r"Given value: (.*?)(?:\. Got value: Namespace.*)?$", problem, re.MULTILINE)
    return min([*values, *given] or [""], key=len)


def _near(name: str, known: list[str]) -> str:
    """The option or value somebody may have meant, however it is written and wherever it belongs to."""
    name = name.lower().replace("_", "-") if any("-" in word for word in known) else name.lower()
    last = {word.rpartition(".")[2]: word for word in reversed(known)}
    close = nearest(name, known) or nearest(name.rpartition(".")[2], last)
    close = close or next((word for word in known if name and word.startswith(name)), None)
    if (meant := SYNONYMS.get(name)) and meant.partition(".")[0] in known:
        close = meant
    return f"; did you mean '{last.get(close, close)}'?" if close else ""


def _known(parser: ArgumentParser) -> list[str]:
    names = [option.lstrip("-") for action in parser._actions for option in action.option_strings]
    return [name for name in names if not name.endswith((".help", "+"))]


def _taken_by(class_path: str) -> list[str]:
    return list(inspect.signature(allowed_class(class_path)).parameters)
