"""Networks, losses, optimizers and graphs of the user's own, from Python files that the user names by `--plugins`.

A config or a weights file alone never imports a module and never runs anything: the classes that either may name are
ours, torch's, and those of the files that were given here, on the command line or in Python.
"""

import inspect
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

_LOADED: dict[str, ModuleType] = {}  # module name -> module, in the order in which they were loaded
_TEXTS: dict[str, bytes] = {}  # module name -> its file as it was then


def load_plugins(files: Iterable[str | Path]) -> None:
    """Run Python files, so that configs and weights may name their classes as `FILE_STEM.ClassName`.

    A file that is loaded already is not run again; where it was changed since, a warning says so. Raises ValueError for
    a path that is no Python file, for a name that is taken by another module, and for a file that cannot be imported.
    """
    for file in map(Path, files):
        if file.suffix != ".py" or not file.is_file():
            raise ValueError(f"--plugins {file}: expected a Python file (.py) that exists")
        name, place = file.stem, str(file.resolve())
        known = _LOADED.get(name) or sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == place:
            _LOADED[name] = known
            if _TEXTS.setdefault(name, file.read_bytes()) != file.read_bytes():
                warnings.warn(
                    f"{file} was changed since it was loaded, and its earlier classes are used: start Python again",
                    stacklevel=2,
                )
            continue
        if known is not None or not name.isidentifier() or name in sys.stdlib_module_names:
            raise ValueError(f"--plugins {file}: the name '{name}' is taken or no Python name; rename the file")
        _TEXTS[name] = file.read_bytes()
        _LOADED[name] = _imported(name, file)


def _imported(name: str, file: Path) -> ModuleType:
    spec = spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"--plugins {file}: Python cannot import this file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # pickling and inspect find the classes by it
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        line = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file.resolve())
        ]
        where = f"{file} line {line[-1]}" if line else str(file)
        raise ValueError(f"--plugins {where}: {type(error).__name__}: {error}") from error
    return module


def plugin_classes() -> dict[str, type]:
    """The classes that the loaded files define themselves: import path -> class."""
    return _defined(inspect.isclass)


def plugin_functions() -> dict[str, Callable]:
    """The functions that the loaded files define themselves, such as graphs: import path -> function."""
    return _defined(inspect.isfunction)


def _defined(wanted: Callable[[object], bool]) -> dict[str, Any]:
    return {
        f"{name}.{key}": value
        for name, module in _LOADED.items()
        for key, value in vars(module).items()
        if wanted(value) and value.__module__ == name
    }


def plugin_files() -> list[Path]:
    """The loaded files: a run writes them down, to be resumed with them."""
    return [Path(str(module.__file__)) for module in _LOADED.values()]


def place_in_plugin(error: BaseException) -> str:
    """Where in a loaded file an error happened, as "mynet.py line 25, in forward"; "" where it did not."""
    files = {file.resolve(): file.name for file in plugin_files()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) in files]
    if not frames:
        return ""
    return f"{files[Path(frames[-1].filename)]} line {frames[-1].lineno}, in {frames[-1].name}"
