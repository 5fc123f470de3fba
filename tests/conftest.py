"""With CHECK_SHAPES=1, shapes and types are checked while the tests run: what an annotation says has to be so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Self, get_args

import pytest
from beartype import BeartypeConf, beartype
from hypothesis import settings
from jaxtyping import config, install_import_hook
from torch.compiler import is_compiling

settings.register_profile("kinegraph", deadline=None)  # a busy machine is slow, not wrong
settings.load_profile("kinegraph")

PACKAGES = ("skeleton", "data", "models", "training", "inference")

TAKES_MORE = ("SkeletonClip.__init__",)  # than its fields keep: it makes arrays and a layout of what is given

by_annotation = beartype(conf=BeartypeConf(is_pep484_tower=True))  # 1 is a float too
_raises = pytest.raises


def checked(function):
    """The function with its annotations checked, but for those that beartype cannot check in a function alone."""
    if function.__qualname__ in TAKES_MORE:
        return function
    hints = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in hints.items() if not _uncheckable(hint)}
    strict = by_annotation(function)

    @wraps(function)
    def unless_compiling(*args, **kwargs):
        return (function if is_compiling() else strict)(*args, **kwargs)  # numbers are symbols then

    return unless_compiling


def _uncheckable(hint: object) -> bool:
    """Whether it is, or has a part that is, Self or a protocol that isinstance does not take."""
    protocol = getattr(hint, "_is_protocol", False) and not getattr(hint, "_is_runtime_protocol", False)
    return hint is Self or protocol or any(map(_uncheckable, get_args(hint)))


@contextmanager
def raises(*expected, **options) -> Iterator[pytest.ExceptionInfo]:
    """pytest.raises without these checks: what is given there is meant to be wrong, and our own words are asked for."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        with _raises(*expected, **options) as found:
            yield found
    finally:
        config.update("jaxtyping_disable", before)


if os.environ.get("CHECK_SHAPES") == "1":
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # it cannot compile what is checked; as it is the code is right, but slow
    install_import_hook([f"kinegraph.{package}" for package in PACKAGES], "tests.conftest.checked")
    pytest.raises = raises
