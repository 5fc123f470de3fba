"""The values that a Python file assigns, read off its syntax tree. No line of the file is run.

Known are literals, dict() and list(), names assigned before, arithmetic on numbers and lists, comparisons, simple
f-strings, and the placeholders `{{ ... }}` of mmcv and mmengine. Anything else is refused with its line.
"""

import ast
import operator
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinegraph.foreign.block import MOST_VALUES, Block
from kinegraph.messages import one_line

LONGEST_TEXT = 10_000  # letters of a string that is computed
LARGEST_NUMBER = 1 << 64
PLACEHOLDER = re.compile(r"\{\{\s*([\w.$:/\- ]*?)\s*\}\}")
PLAIN_FIELD = re.compile(r"\{(\w*)\}")
FORMAT = re.compile(r"0?\d{0,2}(\.\d{1,2})?[deEfFgGs%]?")
NUMBER_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda value, several: value in several,
    ast.NotIn: lambda value, several: value not in several,
}


class Imported(str):
    """The name of something that a config imports, such as a class; it stands for the thing.

    Also what is made of such a value: no import is followed, so nobody knows more than what is written there.
    """


@dataclass
class PythonFile:
    """A file while it is read. label: its name in messages. bases: what `{{ _base_.x }}` means. given: placeholders.

    used: names whose values others are made of. without_effect: remarks on lines that change no value of the config,
    and on variables of the environment.
    """

    label: str
    bases: Block
    given: Mapping[str, str]
    names: Block = field(default_factory=Block)
    left: int = MOST_VALUES
    used: set[str] = field(default_factory=set)
    without_effect: list[str] = field(default_factory=list)

    def line(self, node: ast.AST) -> str:
        return f"{self.label}:{getattr(node, 'lineno', 1)}"

    def refuse(self, node: ast.AST, what: str = "") -> ValueError:
        shown = one_line(ast.unparse(node))[:60] if isinstance(node, ast.expr | ast.stmt) else type(node).__name__
        return ValueError(f"{self.line(node)}: {what or f'`{shown}` is code, and a config is read as data'}")

    def spend(self, node: ast.AST, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise self.refuse(node, f"the file makes more than {MOST_VALUES:,} values; that is no configuration")


def evaluate(file: PythonFile, node: ast.expr) -> Any:
    """The value of an expression. Raises ValueError with the line of what cannot be read as data."""
    file.spend(node, 1)
    match node:
        case ast.Constant(value=str() as text):
            return _with_placeholders(file, node, text)
        case ast.Constant(value=value) if not isinstance(value, bytes | complex):
            return value
        case ast.Name(id=name):
            return _named(file, node, name)
        case ast.List(elts=elements):
            return _elements(file, elements)
        case ast.Tuple(elts=elements):
            return tuple(_elements(file, elements))
        case ast.Dict(keys=keys, values=values):
            return _dict(file, keys, values)
        case ast.Set(elts=[ast.Set(elts=[inner])]):  # {{ fileDirname }} or {{ _base_.model }} without quotes
            return _placeholder(file, node, ast.unparse(inner))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not() as op, operand=operand):
            value = known(file, operand)
            if isinstance(op, ast.Not):
                return not value
            return -value if isinstance(op, ast.USub) else +value
        case ast.BinOp(left=left, op=op, right=right):
            return binary(file, node, evaluate(file, left), op, evaluate(file, right))
        case ast.JoinedStr(values=parts):
            texts = [_formatted(file, part) for part in parts]
            return _like(texts, _text(file, node, "".join(texts)))
        case ast.BoolOp(op=op, values=[*values, last]):
            for item in values:
                if bool(value := known(file, item)) is isinstance(op, ast.Or):
                    return value
            return evaluate(file, last)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return COMPARISONS[type(op)](known(file, left), known(file, right))
        case ast.IfExp(test=test, body=body, orelse=other):
            return evaluate(file, body if known(file, test) else other)
        case ast.Subscript(value=owner, slice=key):
            return _item(file, node, evaluate(file, owner), key)
        case ast.Attribute(value=owner, attr=key):
            return _attribute(file, node, evaluate(file, owner), key)
        case ast.Call():
            return _call(file, node)
        case _:
            raise file.refuse(node)


def known(file: PythonFile, node: ast.expr) -> Any:
    """A value that something is decided or counted with, so none of an import."""
    value = evaluate(file, node)
    if isinstance(value, Imported):
        raise file.refuse(node, f"{value} has no value here, no import is followed")
    return value


def _named(file: PythonFile, node: ast.expr, name: str) -> object:
    if name in file.names:
        file.used.add(name)
        return file.names[name]
    if name == "_base_":
        return file.bases
    raise file.refuse(node, f"'{name}' has no value here")


def _elements(file: PythonFile, elements: list[ast.expr]) -> list[Any]:
    found: list[Any] = []
    for element in elements:
        if isinstance(element, ast.Starred):
            several = evaluate(file, element.value)
            file.spend(element, len(several))
            found.extend(several)
        else:
            found.append(evaluate(file, element))
    return found


def _dict(file: PythonFile, keys: list[ast.expr | None], values: list[ast.expr]) -> Block:
    found = Block()
    for key, value in zip(keys, values, strict=True):
        inner = evaluate(file, value)
        if key is not None:
            found.put(str(evaluate(file, key)), inner, file.line(value))
        else:
            _unpack(file, value, found, inner)
    return found


def keywords(file: PythonFile, call: ast.Call, found: Block) -> Block:
    for keyword in call.keywords:
        inner = evaluate(file, keyword.value)
        if keyword.arg is not None:
            found.put(keyword.arg, inner, file.line(keyword.value))
        else:
            _unpack(file, keyword.value, found, inner)
    return found


def _unpack(file: PythonFile, node: ast.expr, found: Block, inner: object) -> None:
    if not isinstance(inner, Block):
        raise file.refuse(node, "** needs a dict")
    file.spend(node, len(inner))
    for key, value in inner.items():
        found.put(key, value, inner.line(key))


def _like(values: Sequence[object], text: str) -> str:
    """A text that is made of values; of something imported, where one of them is."""
    return Imported(text) if any(isinstance(value, Imported) for value in values) else text


def binary(file: PythonFile, node: ast.AST, left: Any, op: ast.operator, right: Any) -> Any:
    if isinstance(left, Imported) or isinstance(right, Imported):
        return Imported(one_line(ast.unparse(node)))
    numbers = all(isinstance(number, int | float) for number in (left, right))
    if numbers and type(op) in NUMBER_OPERATORS:
        result = NUMBER_OPERATORS[type(op)](left, right)
        if abs(result) > LARGEST_NUMBER:
            raise file.refuse(node, "a number that is too large")
        return result
    if isinstance(op, ast.Add) and type(left) is type(right) and isinstance(left, list | tuple | str):
        file.spend(node, len(left) + len(right))
        return left + right
    if isinstance(op, ast.Mult) and isinstance(left, int):
        left, right = right, left
    if isinstance(op, ast.Mult) and isinstance(left, list | tuple | str) and isinstance(right, int):
        file.spend(node, len(left) * max(right, 0))
        return left * right
    if isinstance(op, ast.Mod) and isinstance(left, str) and "%" not in re.sub("%[sd]", "", left):
        parts = right if isinstance(right, tuple) else (right,)
        return _text(file, node, left % tuple(_shown(file, node, part) for part in parts))
    raise file.refuse(node)


def _text(file: PythonFile, node: ast.AST, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise file.refuse(node, f"a text of {len(text):,} letters; expected at most {LONGEST_TEXT:,}")
    return text


def _shown(file: PythonFile, node: ast.AST, value: object) -> Any:
    if not isinstance(value, str | int | float):
        raise file.refuse(node, f"a {type(value).__name__} in a text; expected a name or a number")
    return value


def _formatted(file: PythonFile, part: ast.expr) -> str:
    """A part of an f-string."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    if not isinstance(part, ast.FormattedValue):
        raise file.refuse(part)
    value = _shown(file, part, evaluate(file, part.value))
    spec = part.format_spec
    form = "".join(_formatted(file, value) for value in spec.values) if isinstance(spec, ast.JoinedStr) else ""
    if part.conversion not in (-1, ord("s")) or not FORMAT.fullmatch(form):
        raise file.refuse(part)
    try:
        return _like([value], format(value, form))
    except ValueError:
        raise file.refuse(part, f"'{form}' does not fit a {type(value).__name__}") from None


def _item(file: PythonFile, node: ast.Subscript, owner: Any, key: ast.expr) -> object:
    if isinstance(owner, Imported):
        return Imported(one_line(ast.unparse(node)))
    if not isinstance(owner, Block | list | tuple | str):
        raise file.refuse(node)
    if isinstance(key, ast.Slice) and not isinstance(owner, Block):
        ends = [None if bound is None else evaluate(file, bound) for bound in (key.lower, key.upper, key.step)]
        return owner[slice(*ends)]
    return owner[evaluate(file, key)]


def _attribute(file: PythonFile, node: ast.expr, owner: object, key: str) -> object:
    if isinstance(owner, Block) and key in owner:
        return owner[key]
    if isinstance(owner, Imported):
        return Imported(f"{owner}.{key}")
    raise file.refuse(node, f"there is no '{key}'" if isinstance(owner, Block) else "")


def _call(file: PythonFile, node: ast.Call) -> object:
    match node.func:
        case ast.Name(id="dict"):
            start = Block()
            for arg in node.args:
                _unpack(file, arg, start, evaluate(file, arg))
            return keywords(file, node, start)
        case ast.Name(id="list" | "tuple" | "str" | "int" | "float" | "len" | "range" as name) if not node.keywords:
            return _built(file, node, name, [known(file, arg) for arg in node.args])
        case ast.Attribute(value=owner, attr=attr):
            return _method(file, node, evaluate(file, owner), attr)
        case _:
            raise file.refuse(node)


def _built(file: PythonFile, node: ast.Call, name: str, arguments: list[Any]) -> object:
    match name, arguments:
        case "len", [list() | tuple() | Block() | str() as value]:
            return len(value)
        case "range", [*ends] if all(type(end) is int for end in ends):
            file.spend(node, len(range(*ends)))
            return list(range(*ends))
        case "list" | "tuple", [] | [list() | tuple()]:
            file.spend(node, len(arguments[0]) if arguments else 0)
            return list(*arguments) if name == "list" else tuple(*arguments)
        case "str" | "int" | "float", [str() | int() | float() as value] if len(str(value)) < 100:
            try:
                return {"str": str, "int": int, "float": float}[name](value)
            except ValueError as error:
                raise file.refuse(node, one_line(error)) from None
        case _:
            raise file.refuse(node)


def _method(file: PythonFile, node: ast.Call, owner: object, method: str) -> object:
    arguments = [evaluate(file, arg) for arg in node.args]
    if isinstance(owner, Imported):
        if f"{owner}.{method}" in ("os.path.join", "path.join", "osp.join") and _all_text(arguments):
            return _like(arguments, _text(file, node, posixpath.join(*map(str, arguments))))
        if f"{owner}.{method}" in ("os.environ.get", "environ.get", "os.getenv") and _all_text(arguments[:1]):
            return _of_environment(file, node, *arguments[:2])
        raise file.refuse(node)
    match owner, method, arguments:
        case Block(), "copy", []:
            return Block(owner, owner.lines)
        case list(), "copy", []:
            return list(owner)
        case Block(), "get", [str() as key, *missing]:
            return owner.get(key, *missing[:1])
        case str(), "format", _:
            return _filled(file, node, owner, arguments, keywords(file, node, Block()))
        case str(), "join", [list() | tuple() as parts] if _all_text(parts):
            file.spend(node, len(parts))
            return _text(file, node, owner.join(parts))
        case str(), "lower" | "upper" | "strip", []:
            return getattr(owner, method)()
        case str(), "replace", [str() as old, str() as new] if len(old) and len(owner) * len(new) < LONGEST_TEXT:
            return owner.replace(old, new)
        case _:
            raise file.refuse(node)


def _of_environment(file: PythonFile, node: ast.expr, variable: str, *default: object) -> object:
    """The default of a variable, as of {{$NAME:default}}: what stands in the environment is the user's own."""
    if not default:
        raise file.refuse(node, f"{variable} of the environment is not read; --cfg-options sets the value")
    text = f"{file.line(node)}: {variable} of the environment is not read, its default is taken"
    file.without_effect.append(text)
    return default[0]


def _all_text(values: list[Any] | tuple[Any, ...]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _filled(file: PythonFile, node: ast.Call, text: str, places: list[Any], names: Block) -> str:
    """`text.format(...)` where every field is {}, {0} or {name}."""
    if "{" in PLAIN_FIELD.sub("", text) or "}" in PLAIN_FIELD.sub("", text):
        raise file.refuse(node)
    count = iter(range(len(PLAIN_FIELD.findall(text))))

    def value(found: re.Match[str]) -> str:
        key = found[1] or str(next(count))
        return str(_shown(file, node, places[int(key)] if key.isdigit() else names[key]))

    return _text(file, node, PLAIN_FIELD.sub(value, text))


# ---- placeholders ----------------------------------------------------------------------------------------------------


def _with_placeholders(file: PythonFile, node: ast.expr, text: str) -> object:
    """A text with what its `{{ ... }}` stand for; where it is one placeholder, the value itself."""
    if alone := PLACEHOLDER.fullmatch(text):
        return _placeholder(file, node, alone[1])
    return PLACEHOLDER.sub(lambda match: str(_shown(file, node, _placeholder(file, node, match[1]))), text)


def _placeholder(file: PythonFile, node: ast.expr, name: str) -> object:
    if name in file.given:
        return file.given[name]
    if name.startswith("$"):  # {{$NAME:default}} of mmengine: what stands in the environment is the user's own
        variable, colon, default = name[1:].partition(":")
        if colon:
            return default
        raise file.refuse(node, f"{variable} of the environment is not read; --cfg-options sets the value")
    value: object = file.bases
    for key in name.removeprefix("_base_.").split("."):
        if not name.startswith("_base_.") or not isinstance(value, Block) or key not in value:
            raise file.refuse(node, f"nothing is known as '{one_line(name)}'")
        value = value[key]
    return value
