"""What is wrong with a command line or its YAML file, in one line: which option, what was found, what is expected."""

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import yaml
from jsonargparse import ArgumentParser

from kinegraph.commands.built import NOT_BUILT
from kinegraph.messages import nearest
from kinegraph.safe_io import compose_yaml, read_yaml

KINDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
KINDS |= {"list": "a list", "tuple": "a list", "Sequence": "a list", "dict": "options of its own"}


def explain(problem: str, parser: ArgumentParser, verb: Callable) -> str:
    """One line out of a parser's message."""
    keys = re.findall(r'Parser key "([^"]+)":', problem)
    key = ".".join(key for i, key in enumerate(keys) if not any(other.endswith(f".{key}") for other in keys[:i]))
    owner = re.search(r"class_path='([\w.]+)'", problem)
    if lacking := re.search(r"following arguments are required: (.*)", problem):
        names = lacking[1].replace("_", "-").split(", ")
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        return f"{listed} {'is' if len(names) == 1 else 'are'} missing; expected {parser.usage}"
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
            return f"{key}: {owner[1].rpartition('.')[2]} has no option '{name}'{_near(name, _taken_by(owner[1]))}"
        whole = f"{group[1]}.{name}" if group else name
        return f"there is no option '{whole}' of kinegraph {verb.__name__}{_near(whole, _known(parser))}"
    if refused := re.search(r"Importing '([\w.]+)' is not allowed|Expected '([\w.]+)' to be a function", problem):
        return f"{key}: '{refused[1] or refused[2]}' {NOT_BUILT}"
    if re.search(r"dot import path|has no attribute|No module named", problem):
        return _no_class(problem, key, verb)
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


def _no_class(problem: str, key: str, verb: Callable) -> str:
    """A class that is not there; the nearest is one of the same module, or of the default's."""
    asked = re.search(r"dot import path string: (\S+)|class_path[=' ]+([\w.]+)|Got value: ([\w.]+)$", problem.strip())
    name = next(filter(None, asked.groups()), "") if asked else ""
    usual = getattr(inspect.signature(verb).parameters.get(key.partition(".")[0]), "default", None)
    module = name.rpartition(".")[0] or getattr(usual, "__module__", "")
    try:
        known = [word for word in vars(import_module(module)) if word[:1].isupper()]
    except (ImportError, ValueError):
        known = []
    close = nearest(name.rpartition(".")[2], known)
    hint = f"; did you mean '{module}.{close}'?" if close else ""
    such = f" such as {usual.__module__}.{usual.__qualname__}" if inspect.isclass(usual) and not close else ""
    return f"{key}: there is no class '{name}'; expected its import path{such}{hint}"


def _near(name: str, known: list[str]) -> str:
    """The option or value somebody may have meant, however it is written and wherever it belongs to."""
    name = name.lower().replace("_", "-") if any("-" in word for word in known) else name.lower()
    last = {word.rpartition(".")[2]: word for word in reversed(known)}
    close = nearest(name, known) or nearest(name.rpartition(".")[2], last)
    return f"; did you mean '{last.get(close, close)}'?" if close else ""


def _known(parser: ArgumentParser) -> list[str]:
    names = [option.lstrip("-") for action in parser._actions for option in action.option_strings]
    return [name for name in names if not name.endswith((".help", "+"))]


def _taken_by(class_path: str) -> list[str]:
    module, _, attribute = class_path.rpartition(".")
    return list(inspect.signature(getattr(import_module(module), attribute)).parameters)


def check_yaml(path: Path) -> None:
    """Raise ValueError, naming the line, unless a config is a YAML file of options, each there once."""
    if path.is_dir():
        own = path / "config.yaml"
        raise ValueError(f"{path} is a folder, no YAML config" + (f"; did you mean {own}?" if own.is_file() else ""))
    if not path.exists():
        raise ValueError(f"there is no config file {path}")
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError(f"{path} is no YAML config: its name does not end in .yaml")
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
