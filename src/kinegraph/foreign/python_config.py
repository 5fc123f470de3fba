"""A configuration file of MMAction2, PYSKL or ProtoGCN with its base files, as values. Nothing is run."""

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinegraph.files import check_is_file
from kinegraph.foreign.block import Block, as_blocks, check_size, merged
from kinegraph.foreign.python_values import Imported, PythonFile, binary, evaluate, keywords, known
from kinegraph.messages import one_line, quoted

LARGEST_FILE = 1 << 18  # bytes
MOST_FILES = 50
DEEPEST_KEY = 20
RUNTIME = "default_runtime.py"  # hooks and logging: a config without it is read all the same
OWN_WORDS = ("_base_", "_delete_")


@dataclass
class _Reading:
    """What has been read on the way.

    notes: a line for each base file that is not there and not needed, and for each line without effect. used: names
    whose values others are made of.
    """

    top: Path
    files: int = 0
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def read_python_config(path: Path, cfg_options: Sequence[str] = ()) -> tuple[Block, list[str], set[str]]:
    """The values of a config, base files merged, then --cfg-options; what is left out; names that only help to say.

    cfg_options: words such as "optimizer.lr=0.05". Raises ValueError of one line for what cannot be read as data, a
    loop of base files, and files that are too large or too many.
    """
    reading = _Reading(path)
    config = _read(path, (), reading)
    if cfg_options:
        config = merged(option_values(cfg_options), config, into_lists=True)
    check_size(config, path)
    return config, reading.notes, reading.used


def _read(path: Path, above: tuple[Path, ...], reading: _Reading) -> Block:
    resolved = path.resolve()
    if resolved in above:
        chain = " -> ".join(file.name for file in (*above[above.index(resolved) :], resolved))
        raise ValueError(f"{path} is its own base file: {chain}")
    reading.files += 1
    if reading.files > MOST_FILES:
        raise ValueError(f"{reading.top} has more than {MOST_FILES} base files")
    tree = parsed(_text(path), path.name)
    bases, statements, imported = _bases_of(path, tree)
    below = Block()
    for name, line in bases:
        if (base := _base_path(name, path)) is not None and base.is_file():
            found = _read(base, (*above, resolved), reading)
            below = merged(found, below) if imported else _joined(below, found)
        elif name.endswith(RUNTIME):
            reading.notes.append(f"{line}: the base file {name} is not there; its hooks and logging are not needed")
        else:
            raise ValueError(f"{line}: there is no base file {base or name}")
    given = {"fileDirname": str(path.parent), "fileBasename": path.name}
    given |= {"fileBasenameNoExtension": path.stem, "fileExtname": path.suffix}
    file = PythonFile(path.name, below, given)
    if imported:  # `from .base import *`: the base's names are the file's
        file.names = Block(below, below.lines)
    run_statements(file, statements)
    reading.used |= file.used
    reading.notes += file.without_effect
    check_size(file.names, path)
    own = {key: value for key, value in file.names.items() if not key.startswith("__") and key not in OWN_WORDS}
    result = merged(Block(own, file.names.lines), below)
    check_size(result, path)
    return result


def _text(path: Path) -> str:
    check_is_file(path)
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise ValueError(f"{path} has {size:,} bytes, expected a config of at most {LARGEST_FILE:,}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text, expected a Python config") from None


def _joined(first: Block, second: Block) -> Block:
    if both := sorted(set(first) & set(second)):
        lines = f"{first.line(both[0])} and {second.line(both[0])}"
        raise ValueError(f"{lines}: two base files have '{both[0]}', expected it in one of them")
    return Block({**first, **second}, {**first.lines, **second.lines})


def _base_path(name: str, path: Path) -> Path | None:
    """The file that `_base_` names; None for a file of an installed package, as in "mmaction::_base_/...".

    Such a file is looked for in the folder `configs` above the config.
    """
    if "::" not in name:
        return path.parent / name
    inside = name.partition("::")[2]
    return next((file for folder in path.resolve().parents if (file := folder / "configs" / inside).is_file()), None)


def _bases_of(path: Path, tree: ast.Module) -> tuple[list[tuple[str, str]], list[ast.stmt], bool]:
    """The base files that a file names, each with its line; its other statements; whether it imports the bases."""
    imported = False
    bases: list[tuple[str, str]] = []
    others: list[ast.stmt] = []
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="_base_")], value=value):
                names = evaluate(PythonFile(path.name, Block(), {}), value)
                names = [names] if isinstance(names, str) else names
                if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
                    raise ValueError(f"{path.name}:{statement.lineno}: _base_ is {quoted(names)}, expected file names")
                bases += [(name, f"{path.name}:{statement.lineno}") for name in names]
            case ast.With(body=body) if "read_base" in ast.unparse(statement.items[0]):
                imported = True
                for line in body:
                    if isinstance(line, ast.ImportFrom):
                        bases.append((_file_of_import(line), f"{path.name}:{line.lineno}"))
            case _:
                others.append(statement)
    return bases, others, imported


def _file_of_import(statement: ast.ImportFrom) -> str:
    """The file behind `from ..._base_.default_runtime import *`."""
    inside = (statement.module or "").replace(".", "/")
    if not statement.level:
        return f"mmaction::{inside.removeprefix('mmaction/configs/')}.py"
    return "../" * (statement.level - 1) + f"{inside}.py"


# ---- --cfg-options ---------------------------------------------------------------------------------------------------


def option_values(words: Sequence[str]) -> Block:
    """The words of --cfg-options as nested values: optimizer.lr=0.05 data.train.pipeline.0.clip_len=150."""
    result = Block()
    for word in words:
        key, equals, text = word.partition("=")
        keys = key.split(".")
        if not equals or not all(keys) or len(keys) > DEEPEST_KEY:
            raise ValueError(f"--cfg-options has '{one_line(word)}', expected words such as optimizer.lr=0.05")
        line, value = f"--cfg-options {key}", as_blocks(option_value(text), f"--cfg-options {key}")
        *groups, last = keys
        block = Block({last: value}, {last: line})
        for name in reversed(groups):
            block = Block({name: block}, {name: line})
        result = merged(block, result)
    return result


def option_value(text: str) -> object:
    """A value on the command line: a Python literal, a list without quotes such as [a,b] or a,b, else text."""
    try:
        value = ast.literal_eval(text) if len(text) < 10_000 else text
        return text if isinstance(value, bytes | complex | set) else value
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        pass
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    listed = re.fullmatch(r"\[([^\[\](){}]*)\]|\(([^\[\](){}]*)\)", text)
    inside = (listed[1] if listed[1] is not None else listed[2]) if listed else text
    if listed or "," in text:
        return [option_value(item.strip()) for item in inside.split(",") if item.strip()]
    return text


# ---- the statements of a config: assignments, and calls that change a dict or a list ---------------------------------


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
