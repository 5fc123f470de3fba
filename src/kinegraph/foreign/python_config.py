"""A configuration file of MMAction2, PYSKL or ProtoGCN with its base files, as values. None of them is run."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinegraph.files import check_is_file
from kinegraph.foreign.block import Block, as_blocks, check_size, merged
from kinegraph.foreign.python_statements import parsed, run_statements
from kinegraph.foreign.python_values import PythonFile, evaluate
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
