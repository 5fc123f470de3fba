"""What a notebook shows of a clip, a dataset, an answer, a run, a test or a page: drawn in `report.cells`."""

from importlib import import_module
from pathlib import Path


def in_notebook(thing: object) -> str:
    """HTML of one cell. By name: only a notebook asks for it, and no package imports one above it."""
    return import_module("kinegraph.report.cells").cell(thing)


class ShownPath(type(Path())):
    """The path of a page, a picture or a video that was written. A notebook shows what is in the file."""

    def _repr_html_(self) -> str | None:
        return in_notebook(self) or None  # else the path alone
