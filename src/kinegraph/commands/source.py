"""What a module of Kinegraph declares, read from its source: the module itself is not imported.

So a verb's names and help need neither torch nor numpy, which take seconds to import.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


@cache
def verb_of(name: str) -> Any:
    """The function of a verb, with its signature and its docstring; its body is empty."""
    return declaration(f"kinegraph.commands.{name}", name, with_body=False)


@cache
def declaration(module: str, name: str, with_body: bool = True) -> Any:
    """What stands behind a name of a module: a constant, a type, a data class with its fields or a function.

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
