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
    return {parameter.name: parameter for parameter in _parameters(options_class(verb))}


def needed_of(verb: Callable) -> list[inspect.Parameter]:
    """The arguments and options that have to be given."""
    return [parameter for parameter in parameters_of(verb).values() if parameter.default is parameter.empty]


def arguments_of(verb: Callable) -> list[inspect.Parameter]:
    """Those of them that are words without `--`."""
    return [parameter for parameter in needed_of(verb) if parameter.kind is not parameter.KEYWORD_ONLY]


def _parameters(function: Callable) -> Iterator[inspect.Parameter]:
    """The parameters; `**options: Unpack[SomeTypedDict]` stands for its fields, which keep their help."""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.VAR_KEYWORD:
            yield parameter
        elif typing.get_origin(parameter.annotation) is typing.Unpack:
            fields_of = typing.get_type_hints(*typing.get_args(parameter.annotation), include_extras=True)
            for name, hint in fields_of.items():
                yield inspect.Parameter(name, parameter.KEYWORD_ONLY, default=None, annotation=hint)


def options_of(function: Callable, prefix: str = "") -> Iterator[Option]:
    """The options of a verb or the parameters of a class in order; those of a data class after it."""
    declared = options_class(function)
    fields_here = fields(declared) if is_dataclass(declared) else ()
    documented = docstring_parser.parse(inspect.getdoc(declared) or "", style=docstring_parser.DocstringStyle.GOOGLE)
    says = {described.arg_name: " ".join((described.description or "").split()) for described in documented.params}
    says |= {field.name: field.metadata["help"] for field in fields_here if "help" in field.metadata}
    for parameter in _parameters(declared):
        name, annotation = f"{prefix}{parameter.name}", parameter.annotation
        if typing.get_origin(annotation) is typing.Annotated:
            annotation, says[parameter.name] = typing.get_args(annotation)
        word = parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
        default = None if is_dataclass(annotation) else parameter.default
        yield Option(name, says.get(parameter.name, ""), annotation, default, word)
        if is_dataclass(annotation):
            yield from options_of(annotation, prefix=f"{name}.")


def usage_of(verb: Callable, from_config: bool = False) -> str:
    """How a call begins."""
    return f"kinegraph {verb.__name__} {'CONFIG' if from_config else ' '.join(_needed(verb))} [--option value ...]"


def _needed(verb: Callable) -> list[str]:
    """What has to be given, as the usage line shows it."""
    return [
        f"--{parameter.name.replace('_', '-')} {parameter.name.upper()}"
        if parameter.kind is parameter.KEYWORD_ONLY
        else parameter.name.upper() + (" ..." if is_list(parameter.annotation) else "")
        for parameter in needed_of(verb)
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
    read = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    scope: dict[str, Any] = {"__name__": module} | {
        other: declaration(module, other) for other in read & known.keys() - {name}
    }
    exec(compile(ast.Module([statement], []), str(_file(module)), "exec"), scope)
    return scope[name]


@cache
def _statements(module: str) -> dict[str, ast.stmt]:
    """The statements of a module by the names that they define."""
    return dict(_defined(ast.parse(_file(module).read_text(encoding="utf-8")).body))


def _defined(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for statement in statements:
        match statement:
            case ast.FunctionDef() | ast.ClassDef():
                yield statement.name, statement
            case ast.ImportFrom():
                yield from ((alias.asname or alias.name, statement) for alias in statement.names)
            case ast.Assign():
                yield from (
                    (node.id, statement) for target in statement.targets for node in ast.walk(target) if _is_name(node)
                )
            case ast.If():  # TYPE_CHECKING
                yield from _defined(statement.body)
            case _:
                pass


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def _file(module: str) -> Path:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(statement: ast.ImportFrom, name: str) -> Any:
    package = statement.module or ""
    original = next(alias.name for alias in statement.names if name in (alias.asname, alias.name))
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
    values = [decorator for decorator in declared.decorator_list if ast.unparse(decorator).startswith("dataclass")]
    options = not values and any(keyword.arg == "total" for keyword in declared.keywords)  # a TypedDict of options
    annotated = [statement for statement in declared.body if isinstance(statement, ast.AnnAssign)]
    kept = annotated if values or options else []
    bases, keywords = (declared.bases, declared.keywords) if options else ([], [])
    return ast.fix_missing_locations(ast.ClassDef(declared.name, bases, keywords, [said, *kept], values, lineno=1))


# ---- a wrong name is refused before torch is imported ----------------------------------------------------------------


@dataclass(frozen=True)
class Declared:
    """An option. choices: its values, if limited. flag: typed without a value. word: a value typed without the name."""

    name: str
    choices: tuple[str, ...] = ()
    flag: bool = False
    word: bool = False


@cache
def declared(verb: str) -> tuple[Declared, ...]:
    """The arguments and options of a verb, in order."""
    return tuple(
        Declared(option.name, tuple(map(str, _choices(option.annotation))), option.annotation is bool, option.word)
        for option in options_of(verb_of(verb))
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
    function = verb_of(verb)
    arguments = [parameter.name for parameter in arguments_of(function)]
    options = [
        f"--{parameter.name.replace('_', '-')}" for parameter in needed_of(function) if parameter.name not in arguments
    ]
    typed = {word.partition("=")[0].replace("_", "-") for word in argv}
    lacking = [] if argv else arguments
    if lacking := lacking + [option for option in options if option not in typed]:
        raise ValueError(missing(lacking, usage_of(function)))


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
        last = {path.rpartition(".")[2]: path for path in sorted(known, reverse=True)}
        close = get_close_matches(name, last, n=1, cutoff=ALIKE)
        return typed_name(last[close[0]]) if close else None
    close = nearest(name, known) or next((option for option in sorted(known) if option.startswith(name)), None)
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
    for field in fields(options):
        least, above, number = field.metadata["least"], field.metadata["above"], getattr(options, field.name)
        if least is not None and not isinstance(number, str):
            check_numbers(least, **{field.name: number})
        if above is not None and number is not None and not number > above:
            raise ValueError(f"{field.name} is {number:g}, expected more than {above}")
