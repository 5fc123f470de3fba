"""What a notebook shows of a clip, a dataset, an answer, a run or a test: drawn in `report.cells`, far above them."""

from importlib import import_module


def in_notebook(thing: object) -> str:
    """HTML of one cell. By name: only a notebook asks for it, and no package imports one above it."""
    return import_module("kinegraph.report.cells").cell(thing)
