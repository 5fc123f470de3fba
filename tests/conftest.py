"""With CHECK_SHAPES=1, shapes and types are checked while the tests run: what an annotation says has to be so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import config, install_import_hook

ROOMS = ("skeleton", "data", "models", "training", "inference")

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # 1 is a float too
_raises = pytest.raises


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
    install_import_hook([f"kinegraph.{room}" for room in ROOMS], "tests.conftest.checked")
    pytest.raises = raises
