"""Kinegraph: recognise human actions from skeleton sequences."""

__version__ = "0.1.0"
