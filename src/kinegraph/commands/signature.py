"""What a verb's signature and docstring say of its options: needed for its help, without the parser.

They are read from the verb's source, and a wrong name is refused by them: the verb's module, and with it torch and
numpy, which take seconds to import, is not imported. The parser in `arguments.py` checks everything again.
"""

import ast
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import docstring_parser

from kinegraph.messages import nearest

PACKAGE = Path(__file__).parents[1]
CONFIGS = (".yaml", ".yml")
SYNONYMS = {  # what people type -> the option it stands for, in a verb that has it
    "data.dataset": "dataset",
    "data.split": "split",
    "lr": "optimizer.lr",
}
ALIKE = 0.75  # from this likeness on a name is surely meant; else the parser, which knows more names, is asked
PASSING = ("crossval", "sweep")  # verbs that give the words behind -- to `train`
OPEN = ("train",)  # verbs with options of the classes that a config names, which only the parser knows
CONFIGURED = ("train", "test")  # verbs that take configs of other projects
LARGEST = 2**63 - 1  # what torch takes as a seed
MOST = {"workers": 128, "devices": 64, "nodes": 10_000}  # processes: more would take the machine's memory
# Words that a verb takes besides its options, before its parser sees them.
BESIDES = {"train": ("train-data-path", "test-data-path", "list", "config", "print-config"), "test": ("from",)}


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
        else it.name.upper() + (" ..." if is_list(it.annotation) else "")
        for it in needed
    ]


def help_topic(argv: Sequence[str]) -> str | None:
    """The word behind `--help`, "" where it stands alone; None where the words do not ask for help."""
    for i, word in enumerate(argv):
        if word in ("-h", "--help") or word.startswith("--help="):
            topic = "".join(argv[i + 1 : i + 2]) if word in ("-h", "--help") else word.partition("=")[2]
            return "" if Path(topic).suffix in CONFIGS else topic
    return None


def is_list(annotation) -> bool:
    choices = [annotation, *typing.get_args(annotation)]
    return any(typing.get_origin(choice) in (list, tuple, Sequence) for choice in choices)


# ---- read from the source: nothing is imported -----------------------------------------------------------------------


@cache
def verb_of(name: str) -> Any:
    """The function of a verb, with its signature and its docstring; its body is empty."""
    return declaration(f"kinegraph.commands.{name}", name, with_body=False)


@cache
def declaration(module: str, name: str, with_body: bool = True) -> Any:
    """The object that a name in a module stands for: a constant, a type, a data class with its fields or a function.

    Of other classes there are the name and the docstring. An empty class stands for what other packages define.
    """
    statement = _statements(module)[name]
    if isinstance(statement, ast.ImportFrom):
        return _imported(statement, name)
    if isinstance(statement, ast.FunctionDef):
        statement = statement if with_body else _only_signature(statement)
    elif isinstance(statement, ast.ClassDef):
        statement = _only_fields(statement)
    known = _statements(module)
    read = {it.id for it in ast.walk(statement) if isinstance(it, ast.Name) and isinstance(it.ctx, ast.Load)}
    scope: dict[str, Any] = {"__name__": module} | {it: declaration(module, it) for it in read & known.keys() - {name}}
    exec(compile(ast.Module([statement], []), str(_file(module)), "exec"), scope)
    return scope[name]


@cache
def _statements(module: str) -> dict[str, ast.stmt]:
    """The statements of a module by the names that they define."""
    return dict(_defined(ast.parse(_file(module).read_text(encoding="utf-8")).body))


def _defined(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for it in statements:
        match it:
            case ast.FunctionDef() | ast.ClassDef():
                yield it.name, it
            case ast.ImportFrom():
                yield from ((one.asname or one.name, it) for one in it.names)
            case ast.Assign():
                yield from ((one.id, it) for target in it.targets for one in ast.walk(target) if _is_name(one))
            case ast.If():  # TYPE_CHECKING
                yield from _defined(it.body)
            case _:
                pass


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _file(module: str) -> Path:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(statement: ast.ImportFrom, name: str) -> Any:
    package = statement.module or ""
    original = next(it.name for it in statement.names if name in (it.asname, it.name))
    if package.partition(".")[0] == "kinegraph":
        return declaration(package, original)
    if package.partition(".")[0] in sys.stdlib_module_names:
        return getattr(import_module(package), original)
    return type(original, (), {"__module__": package})


def _only_signature(function: ast.FunctionDef) -> ast.FunctionDef:
    said = ast.Expr(ast.Constant(ast.get_docstring(function) or ""))
    return ast.fix_missing_locations(ast.FunctionDef(function.name, function.args, [said], [], lineno=1))


def _only_fields(declared: ast.ClassDef) -> ast.ClassDef:
    said = ast.Expr(ast.Constant(ast.get_docstring(declared) or ""))
    values = [it for it in declared.decorator_list if ast.unparse(it).startswith("dataclass")]
    options = not values and any(it.arg == "total" for it in declared.keywords)  # a TypedDict of options
    kept = [it for it in declared.body if isinstance(it, ast.AnnAssign)] if values or options else []
    bases, keywords = (declared.bases, declared.keywords) if options else ([], [])
    return ast.fix_missing_locations(ast.ClassDef(declared.name, bases, keywords, [said, *kept], values, lineno=1))


# ---- a wrong name is refused before torch is imported ----------------------------------------------------------------


@dataclass(frozen=True)
class Declared:
    """An option. choices: the only values that it takes. flag: it takes none. word: it is typed without its name."""

    name: str
    choices: tuple[str, ...] = ()
    flag: bool = False
    word: bool = False


@cache
def declared(verb: str) -> tuple[Declared, ...]:
    """The arguments and options of a verb, in order."""
    return tuple(
        Declared(it.name, tuple(map(str, _choices(it.annotation))), it.annotation is bool, it.word)
        for it in options_of(verb_of(verb))
    )


def _choices(annotation: object) -> Iterator[object]:
    """The words of the Literals in an annotation."""
    for inner in typing.get_args(annotation):
        if typing.get_origin(annotation) is typing.Literal:
            yield inner
        else:
            yield from _choices(inner)


def check_names(verb: str, argv: Sequence[str]) -> None:
    """Raises ValueError for the first word that is no option of the verb, with the nearest one."""
    known = {option.name for option in declared(verb)}
    typed = {name for option in declared(verb) for name in (option.name, f"no_{option.name}")} | {"help"}
    typed |= {name.replace("-", "_") for name in BESIDES.get(verb, ())}
    typed |= {name for name, meant in SYNONYMS.items() if meant.partition(".")[0] in known}
    for word in argv:
        if word == "--":
            return
        name = word.removeprefix("--").partition("=")[0].replace("-", "_").rstrip("+")
        if word.startswith("--") and name not in typed and name.partition(".")[0] not in known:
            if verb in CONFIGURED and _is_of_others(argv):
                return
            close = _near(name, known, surely=verb in OPEN)
            if close is None and verb in OPEN:
                return
            hint = f"; did you mean '{close}'?" if close else ""
            if verb in PASSING and name.partition(".")[0] in {option.name for option in declared("train")}:
                hint = f"; options of kinegraph train follow --, such as kinegraph {verb} ... -- {word}"
            raise ValueError(f"there is no option '{typed_name(name)}' of kinegraph {verb}{hint}")


def check_needed(verb: str, argv: Sequence[str]) -> None:
    """Raises ValueError for the options that a verb cannot do without; without any word, also for its arguments."""
    needed = [it for it in parameters_of(verb_of(verb)).values() if it.default is it.empty]
    typed = {word.partition("=")[0].replace("_", "-") for word in argv}
    options = [f"--{it.name.replace('_', '-')}" for it in needed if it.kind is it.KEYWORD_ONLY]
    lacking = [it.name for it in needed if not argv and it.kind is not it.KEYWORD_ONLY]
    if lacking := [*lacking, *(it for it in options if it not in typed)]:
        raise ValueError(missing(lacking, usage_of(verb_of(verb))))


def missing(names: Sequence[str], usage: str) -> str:
    """The line that says which arguments and options have to be given."""
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"{listed} {'is' if len(names) == 1 else 'are'} missing; expected {usage}"


def _is_of_others(argv: Sequence[str]) -> bool:
    """Whether a word is a config of another project, which has options of its own."""
    files = [path for path in map(Path, argv) if path.suffix in (".py", ".yaml", ".yml") and path.is_file()]
    if not files:
        return False
    from kinegraph.foreign.read import is_foreign  # imports numpy

    return any(map(is_foreign, files))


def _near(name: str, known: set[str], surely: bool) -> str | None:
    """The option that is meant, as it is typed."""
    if surely:
        last = {it.rpartition(".")[2]: it for it in sorted(known, reverse=True)}
        close = get_close_matches(name, last, n=1, cutoff=ALIKE)
        return typed_name(last[close[0]]) if close else None
    close = nearest(name, known) or next((it for it in sorted(known) if it.startswith(name)), None)
    return typed_name(close) if close else None


def typed_name(name: str) -> str:
    return name.replace("_", "-")


# ---- numbers in their ranges -----------------------------------------------------------------------------------------


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
