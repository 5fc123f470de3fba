"""Kinegraph: recognise human actions from skeleton sequences.

Nothing heavy is imported before something needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which do not run __getattr__
    from kinegraph.api.verbs import crossval, draw, inspect, prepare, report, test, train
    from kinegraph.data.dataset import open_dataset, write_dataset
    from kinegraph.data.read import read
    from kinegraph.inference.embedding import embed
    from kinegraph.inference.enrolment import enroll
    from kinegraph.inference.export import export
    from kinegraph.inference.prediction import predict
    from kinegraph.inference.streaming.stream import Stream
    from kinegraph.models.optimize import optimize
    from kinegraph.models.weights import load_model
    from kinegraph.report.graph_picture import show_graph
    from kinegraph.report.trained import Run, run
    from kinegraph.skeleton.clip import SkeletonClip
    from kinegraph.skeleton.graph import adjacency
    from kinegraph.skeleton.layout import JointLayout, load_layout

__version__ = "0.1.0"

_PUBLIC = {
    **dict.fromkeys(("crossval", "draw", "inspect", "prepare", "report", "test", "train"), "kinegraph.api.verbs"),
    **dict.fromkeys(("Run", "run"), "kinegraph.report.trained"),
    "show_graph": "kinegraph.report.graph_picture",
    "SkeletonClip": "kinegraph.skeleton.clip",
    "JointLayout": "kinegraph.skeleton.layout",
    "load_layout": "kinegraph.skeleton.layout",
    "adjacency": "kinegraph.skeleton.graph",
    "open_dataset": "kinegraph.data.dataset",
    "write_dataset": "kinegraph.data.dataset",
    "load_model": "kinegraph.models.weights",
    "optimize": "kinegraph.models.optimize",
    "embed": "kinegraph.inference.embedding",
    "enroll": "kinegraph.inference.enrolment",
    "export": "kinegraph.inference.export",
    "predict": "kinegraph.inference.prediction",
    "read": "kinegraph.data.read",
    "Stream": "kinegraph.inference.streaming.stream",
}

_COMMANDS = ("calibrate", "convert", "explain", "fuse", "serve", "stream", "sweep", "synthesize")  # no functions

__all__ = [
    "JointLayout",
    "Run",
    "SkeletonClip",
    "Stream",
    "__version__",
    "adjacency",
    "crossval",
    "draw",
    "embed",
    "enroll",
    "export",
    "inspect",
    "load_layout",
    "load_model",
    "open_dataset",
    "optimize",
    "predict",
    "prepare",
    "read",
    "report",
    "run",
    "show_graph",
    "test",
    "train",
    "write_dataset",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kinegraph' has no attribute '{name}'{_hint(name)}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__


def _hint(name: str) -> str:
    from kinegraph.messages import did_you_mean

    return f"; it is a command only: kinegraph {name}" if name in _COMMANDS else did_you_mean(name, _PUBLIC)
