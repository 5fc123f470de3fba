"""Names that no line defines. Ruff's F821 is off: it takes the axes in Float["N M T V C"] for names."""

import builtins
from collections.abc import Iterator
from pathlib import Path
from symtable import SymbolTable, symtable

import pytest

ROOT = Path(__file__).parents[1]
OF_MODULES = {*dir(builtins), "__file__", "__path__"}


def scopes(table: SymbolTable) -> Iterator[SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from scopes(inner)


def undefined(code: str) -> set[str]:
    """The names that some scope takes from its module, and that the module does not define."""
    module = symtable(code, "", "exec")
    tables = list(scopes(module))
    symbols = [(table is module, it) for table in tables for it in table.get_symbols()]
    defined = {it.get_name() for outer, it in symbols if it.is_assigned() and (outer or it.is_declared_global())}
    defined |= {it.get_name() for outer, it in symbols if outer and (it.is_imported() or it.is_namespace())}
    taken = [it for outer, it in symbols if outer or not (it.is_local() or it.is_free())]
    return {it.get_name() for it in taken if it.is_referenced()} - defined - OF_MODULES


@pytest.mark.parametrize("folder", ["src", "tests", "docs", "examples", "bench"])
def test_every_name_is_defined(folder):
    files = {file: undefined(file.read_text(encoding="utf-8")) for file in (ROOT / folder).rglob("*.py")}
    assert {str(file): names for file, names in files.items() if names} == {}


def test_undefined_names_are_seen():
    code = 'import a\ndef f(x: Float["N T"]) -> "N":\n    return [x, a, b, f, len] + [c for c in d]\nclass G: e = h'
    assert undefined(code) == {"Float", "b", "d", "h"}
