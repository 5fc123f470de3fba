"""What a config may have built: networks, losses and optimizers, and nothing else that has an import path.

A config may come from a stranger, and `class_path: os.system` is an import path too: it would be called with what
stands under init_args.
"""

import inspect
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module

from jsonargparse import Namespace

from kinegraph.messages import quoted

BASES = {"torch.nn.modules.module.Module", "torch.optim.optimizer.Optimizer"}  # by name: torch takes seconds to import
NOT_BUILT = "is no network, loss or optimizer, and nothing else is called"


def check_built(options: Namespace) -> None:
    """Raise ValueError, naming the option, for what is no class of `BASES` and no function that says it returns one."""
    for key, asked in _asked(options):
        if not _is_allowed(asked):
            named = asked if isinstance(asked, str) else f"{asked.__module__}.{asked.__qualname__}"
            raise ValueError(f"{key}: {quoted(named)} {NOT_BUILT}")


def _asked(options: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Import paths and functions anywhere in the options, and where."""
    if isinstance(options, Namespace | Mapping):
        for name, value in (vars(options) if isinstance(options, Namespace) else options).items():
            if name == "class_path":
                yield key, value
            else:
                yield from _asked(value, f"{key}.{name}" if key else str(name))
    elif isinstance(options, list | tuple):
        for value in options:
            yield from _asked(value, key)
    elif inspect.isroutine(options) or inspect.isclass(options):
        yield key, options


def _is_allowed(asked: object) -> bool:
    if isinstance(asked, str):
        module, _, name = asked.rpartition(".")
        try:
            asked = getattr(import_module(module), name)  # the parser has imported it before
        except (ImportError, AttributeError, ValueError):
            return False
    if not inspect.isclass(asked):
        try:
            asked = typing.get_type_hints(asked).get("return")
        except (TypeError, NameError, AttributeError):
            return False
    bases = inspect.getmro(asked) if inspect.isclass(asked) else ()
    return any(f"{base.__module__}.{base.__qualname__}" in BASES for base in bases)
