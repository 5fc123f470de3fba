"""Kinegraph: recognise human actions from skeleton sequences.

Nothing heavy is imported before something needs it.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "SkeletonClip": "kinegraph.skeleton.clip",
    "JointLayout": "kinegraph.skeleton.layout",
    "load_layout": "kinegraph.skeleton.layout",
    "adjacency": "kinegraph.skeleton.graph",
    "open_dataset": "kinegraph.data.store",
    "write_dataset": "kinegraph.data.store",
    "load_model": "kinegraph.models.weights",
    "optimize": "kinegraph.models.optimize",
    "predict": "kinegraph.inference.prediction",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'kinegraph' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__():
    return __all__
