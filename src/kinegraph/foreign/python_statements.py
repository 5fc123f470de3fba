"""The statements of a Python config: assignments, and calls that change a dict or a list. None of them is run."""

import ast
import warnings

from kinegraph.foreign.block import Block
from kinegraph.foreign.python_values import Imported, PythonFile, binary, evaluate, keywords, known
from kinegraph.messages import one_line


def parsed(text: str, label: str) -> ast.Module:
    """The syntax tree of a file. Raises ValueError with the line of what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{label}:{error.lineno or 1}: not readable as Python: {one_line(error.msg)}") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"{label} is nested too deeply") from None
    except ValueError as error:  # such as bytes of zero
        raise ValueError(f"{label} is no Python file: {one_line(error)}") from None


def run_statements(file: PythonFile, statements: list[ast.stmt]) -> None:
    """Put what the statements assign into `file.names`. Raises ValueError naming the line of anything else."""
    for statement in statements:
        try:
            _statement(file, statement)
        except RecursionError:
            raise file.refuse(statement, "nested too deeply") from None
        except (TypeError, ArithmeticError, LookupError, AttributeError) as error:
            raise file.refuse(statement, f"cannot be computed: {one_line(error)}") from None


def _statement(file: PythonFile, statement: ast.stmt) -> None:
    match statement:
        case ast.Assign(targets=targets, value=value):
            found = evaluate(file, value)
            for target in targets:
                _assign(file, target, found)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            _assign(file, target, evaluate(file, value))
        case ast.AugAssign(target=target, op=op, value=value):
            left = evaluate(file, target)
            _assign(file, target, binary(file, statement, left, op, evaluate(file, value)))
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            for alias in names:
                if alias.name != "*":
                    local = (alias.asname or alias.name).partition(".")[0]
                    file.names.put(local, Imported(alias.name), file.line(statement))
        case ast.If(test=test, body=body, orelse=other):
            for inner in body if known(file, test) else other:
                _statement(file, inner)
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.AnnAssign():
            pass
        case ast.Expr(value=ast.Call() as call) if _leaves_values(file, call):
            _leave_out(file, statement)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=owner, attr=attr)) as call):
            _change(file, call, evaluate(file, owner), attr)
        case ast.Delete(targets=targets) if all(isinstance(target, ast.Name) for target in targets):
            for target in targets:
                file.names.pop(target.id, None)  # pyright: ignore[reportAttributeAccessIssue]
        case _:
            raise file.refuse(statement)


def _assign(file: PythonFile, target: ast.expr, value: object) -> None:
    match target:
        case ast.Name(id=name):
            file.names.put(name, value, file.line(target))
        case ast.Tuple(elts=targets) | ast.List(elts=targets) if isinstance(value, list | tuple):
            if len(targets) != len(value):
                raise file.refuse(target, f"{len(value)} values for {len(targets)} names")
            for one, part in zip(targets, value, strict=True):
                _assign(file, one, part)
        case ast.Subscript(value=owner, slice=key):
            _set(file, target, evaluate(file, owner), evaluate(file, key), value)
        case ast.Attribute(value=owner, attr=key):
            _set(file, target, evaluate(file, owner), key, value)
        case _:
            raise file.refuse(target)


def _leaves_values(file: PythonFile, call: ast.Call) -> bool:
    """Whether a call can change no value of the config: print, or something imported, on numbers and texts."""
    name = call.func
    while isinstance(name, ast.Attribute):
        name = name.value
    if not isinstance(name, ast.Name):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name.id == "print":  # which shows anything, and may change what a method changes, such as items.pop()
        return not any(isinstance(node, ast.Attribute) for value in given for node in ast.walk(value)) or _are_plain(
            file, given
        )
    return isinstance(file.names.get(name.id), Imported) and _are_plain(file, given)


def _are_plain(file: PythonFile, given: list[ast.expr]) -> bool:
    return not any(isinstance(evaluate(file, value), Block | list | tuple) for value in given)


def _leave_out(file: PythonFile, node: ast.expr | ast.stmt) -> None:
    shown = one_line(ast.unparse(node))[:60]
    file.without_effect.append(f"{file.line(node)}: `{shown}` is left out, no line of a config is run")


def _set(file: PythonFile, node: ast.expr, owner: object, key: object, value: object) -> None:
    if isinstance(owner, Imported):  # os.environ["CUDA_VISIBLE_DEVICES"] = "1"
        _leave_out(file, node)
    elif isinstance(owner, Block):
        owner.put(str(key), value, file.line(node))
    elif isinstance(owner, list) and isinstance(key, int):
        owner[key] = value
    else:
        raise file.refuse(node)


def _change(file: PythonFile, call: ast.Call, owner: object, method: str) -> None:
    """A call that changes a dict or a list, such as `model.update(...)`."""
    arguments = [evaluate(file, arg) for arg in call.args]
    match owner, method, arguments:
        case Block(), "update" | "merge", [] | [Block()]:
            new = keywords(file, call, Block())
            for block in [*arguments, new]:
                for key, value in block.items():
                    owner.put(key, value, block.line(key))
        case list(), "append", [item]:
            owner.append(item)
        case list(), "extend", [list() | tuple() as items]:
            file.spend(call, len(items))
            owner.extend(items)
        case list(), "insert", [int() as place, item]:
            owner.insert(place, item)
        case ((Block() | list()), "pop", [key, *_]):
            owner.pop(key, *([None] if isinstance(owner, Block) else []))
        case _:
            raise file.refuse(call)
