"""Pages, pictures and videos. The package is also the function `kg.report`: both have this name and can be used."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *runs: Any, **options: Any) -> Any:
        """`kinegraph.api.verbs.report`, by name: no package imports one above it."""
        return import_module("kinegraph.api.verbs").report(*runs, **options)


sys.modules[__name__].__class__ = _Callable
